"""Shapes, unified across the whole program with reasons (NOTATION.md, C.3).

dimension   the size of an axis: a number, or steps that the text leaves open
classes     union-find with a memory of reasons
unknowns       shapes with unknowns, and the worklist
waiting     rules that wait until enough is known
rules       the table from operator to rule (structure, images: parts of it)
read        from a System to what is stated on its shapes
infer       what is assumed where nothing is certain, and the result: `Shapes`
proof       chains of reasons in words
settle      the pass after which nothing need be inferred
"""

from __future__ import annotations

from sqmagic.equations.shapes.builder import Measure
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.facts import DataShape, Shapes
from sqmagic.equations.shapes.infer import infer
from sqmagic.equations.shapes.settle import settle

__all__ = ["DataShape", "Measure", "Shape", "Shapes", "infer", "settle"]
