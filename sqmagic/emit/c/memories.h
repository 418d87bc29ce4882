/* memories.h: matrices with a row for each step, of which a step sees the first so many. */
#ifndef SQ_MEMORIES_H
#define SQ_MEMORIES_H

#include "threads.h"

/* Puts an example's row into its matrix, or zeros; the rows of examples lie so many numbers apart, and so do matrices. */
UNUSED static void remember(const share *me, long batch, const real *row, long apart, real *into, long pitch, long width)
{
    for (long b = first_example(me, batch, 0); b < first_example(me, batch, 1); b++)
        if (row)
            memcpy(into + b * pitch, row + b * apart, sizeof(real) * (size_t)width);
        else
            memset(into + b * pitch, 0, sizeof(real) * (size_t)width);
}

/* Adds so many numbers of each example to as many others. */
UNUSED static void add_seen(const share *me, long batch, const real *from, long apart, long count, real *into, long pitch)
{
    for (long b = first_example(me, batch, 0); b < first_example(me, batch, 1); b++)
        for (long i = 0; i < count; i += LANES) {
            const long n = least(count - i, LANES);
            real *place = into + b * pitch + i;
            store(place, load(place, n) + load(from + b * apart + i, n), n);
        }
}

/* Adds to an example's matrix, of rows of so many columns, the products of all components of two rows of it: of the left
   so many, one for each row. */
UNUSED static void add_outer(const share *me, long batch, const real *left, long left_apart, long count,
                                const real *right, long right_apart, long width, real *into, long pitch, long columns)
{
    for (long b = first_example(me, batch, 0); b < first_example(me, batch, 1); b++) {
        const real *x = left + b * left_apart, *y = right + b * right_apart;
        for (long c = 0; c < width; c += LANES) {
            const long n = least(width - c, LANES);
            const vec yc = load(y + c, n);
            real *place = into + b * pitch + c;
            for (long i = 0; i < count; i++, place += columns)
                store(place, load(place, n) + x[i] * yc, n);
        }
    }
}

#endif
