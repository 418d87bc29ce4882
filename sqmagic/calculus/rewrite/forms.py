"""Forms that the rules make and look for: columns of a matrix, products with weights, sums of terms."""

from __future__ import annotations

from collections.abc import Iterable

from sqmagic.calculus.terms import op
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Apply, Expr, Position, Read, Running, Target, Weight, walk

IMPURE = frozenset(("dropout", "module", "batch_norm", "split", "during", "window_sum", "batch_mean"))
"""Operators that are more than a function of their arguments at one step, or stand for something else than a value."""


def columns(matrix: Expr, start: int, stop: int, shape: Shape) -> Expr:
    """Columns from `start` up to, and without, `stop` of a matrix of this shape."""
    if (start, stop) == (0, shape[1]):
        return matrix
    return op("transpose", part_of(op("transpose", matrix), start, stop, shape[1]))


def part_of(expr: Expr, start: int, stop: int, width: int) -> Expr:
    """Components from `start` up to, and without, `stop` of something this wide."""
    return expr if (start, stop) == (0, width) else op("slice", expr, start=start, stop=stop)


def joined(parts: Iterable[Expr]) -> Expr:
    found = tuple(parts)
    return found[0] if len(found) == 1 else op("concat", *found)


def summed(terms: Iterable[Expr]) -> Expr:
    """At least one term, from left to right."""
    found = list(terms)
    result = found[0]
    for term in found[1:]:
        result = op("add", result, term)
    return result


def terms(expr: Expr) -> tuple[Expr, ...]:
    """What is added."""
    match expr:
        case Apply("add", (left, right)):
            return (*terms(left), *terms(right))
        case _:
            return (expr,)


def pure(expr: Expr) -> bool:
    """Whether an expression has one value at a step, whenever it is computed."""
    return not any(
        isinstance(n, Apply) and (n.op in IMPURE or ALL_OPS[n.op].effect or ALL_OPS[n.op].loss) for n in walk(expr)
    )


def closed(expr: Expr) -> bool:
    """Whether an expression is made of parameters and numbers alone."""
    found = list(walk(expr))
    return pure(expr) and not any(isinstance(n, Read | Position) or (isinstance(n, Apply) and n.layer) for n in found)


def has_weights(expr: Expr) -> bool:
    return any(isinstance(n, Weight) for n in walk(expr))


def has_product(expr: Expr) -> bool:
    """Whether computing it multiplies by a matrix of weights."""
    return any(isinstance(n, Apply) and n.op in ("dense", "matmul", "conv") for n in walk(expr))


def now(place: Read | Target) -> bool:
    """Whether a read is of the reader's own step, and what is defined is so at every step."""
    match place.context:
        case (Running(_, 0),):
            return True
        case _:
            return False
