/* engine.h: what the generated scans are made of.

   A scan computes one step after the other. A step is a few phases; a phase is a set of matrix products whose operands
   are known, and then element-wise lines on what they gave. Units (components of a state) are computed by the block of
   LANES, so that a block's products are still in the nearest cache when its lines read them.

   panel   the weights of a block of units, packed once a call: first the biases, then for each component of the
           operands one vector for each product
   part    the rows of an operand for a block of at most ROWS examples: narrow ones where they lie, wide ones packed as
           [component][example]
   tile    the products of TALL examples, or of fewer with several blocks of units: [product][example][LANE]
   plane   the rows of a state over all steps; what is summed over them is in sums.h

   Plain C11 with the vector extensions of GCC and Clang. Nothing is allocated, nothing is global; the caller owns all
   memory. No arithmetic is reordered in a way that loses NaN or infinity: compile without -ffast-math.
   SQ_DOUBLE makes the numbers double. */
#ifndef SQ_ENGINE_H
#define SQ_ENGINE_H

#include "vectors.h"
#include "functions.h"
#include "products.h"
#include "threads.h"
#include "sums.h"
#include "matrices.h"

#endif
