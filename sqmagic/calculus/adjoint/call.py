"""An application in reverse, and what the rules for all operators share: sums over copies, copies, shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqmagic.calculus.terms import op, over
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import SCALAR
from sqmagic.equations.system import Apply, Const, Expr


@dataclass(frozen=True, slots=True)
class Call:
    """An application in reverse: `g` is the adjoint of its value, `out` its value, `args` its arguments' values.

    `parameters` are the shapes of all parameters.
    """

    node: Apply
    g: Expr
    out: Expr
    args: tuple[Expr, ...]
    shape: Shape
    shapes: tuple[Shape, ...]
    parameters: Mapping[str, Shape]


Rule: TypeAlias = Callable[[Call, int], Expr]
Parameter: TypeAlias = Callable[[Call], Expr]


def reduced(expr: Expr, shape: Shape, to: Shape) -> Expr:
    """Where an argument was broadcast its adjoint is the sum over what it was copied to."""
    if to == shape or shape == SCALAR:
        return expr
    if to == SCALAR:
        return op("sum", expr if len(shape) == 1 else op("flatten", expr))
    return expr if len(to) == len(shape) else op("sum", op("transpose", expr))


def copied(expr: Expr, call: Call, i: int = 0) -> Expr:
    """A scalar, or a number for each row, in the shape of an argument."""
    return expr if call.shapes[i] == SCALAR else op("expand_as", expr, call.args[i])


def beside(call: Call, shape: Shape | None = None) -> Expr:
    """g as a factor beside something of this shape (of the value's own, unless it is told): if that is the value's own,
    a scalar that was copied to it may stand alone."""
    match call.g:
        case Apply("expand_as", (scalar, _)) if len(call.shape) == 1 and (shape or call.shape) == call.shape:
            return scalar
        case _:
            return call.g


def share(factor: float, shape: Shape, of: Expr) -> Expr:
    """A factor over how many components there are."""
    return Const(factor) if shape == SCALAR else over(Const(factor), op("size", of))
