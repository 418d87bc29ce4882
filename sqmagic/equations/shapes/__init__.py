"""Shapes, unified across the whole program with reasons (NOTATION.md, C.3).

dimension   the size of an axis: a number, or steps that the text leaves open
classes     union-find with a memory of reasons
unknowns    shapes with unknowns, and the worklist
waiting     rules that wait until enough is known (sums: those for sizes that add up or multiply)
layers      the sizes of a layer, and the shapes of its parameters
builder     what the rules state equalities on
rules       the table from operator to rule (structure, images: parts of it)
integers    which states are numbers, and which hold whole numbers
read        from a System to what is stated on its shapes
proof       chains of reasons in words
facts       what the data tell, and the result: `Shapes`
infer       what is assumed where nothing is certain, up to that result
settle      the pass after which nothing need be inferred
forward     the shape of any expression, once those of the states are known
"""

from __future__ import annotations

from sqmagic.equations.shapes.builder import Measure
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.facts import DataShape, Shapes
from sqmagic.equations.shapes.infer import infer
from sqmagic.equations.shapes.settle import settle

__all__ = ["DataShape", "Measure", "Shape", "Shapes", "infer", "settle"]
