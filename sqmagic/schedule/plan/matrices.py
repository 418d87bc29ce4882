"""Matrices of a scan, as values made from values: an example's is its rows, one after the other.

What costs nothing is done at once: the transpose of a transpose is what that is of, and a product takes a transpose as
what it is of stands.
"""

from __future__ import annotations

from math import prod

from sqmagic.equations.shapes import Shape
from sqmagic.schedule.plan.nodes import Contract, Spread, Turn, Vector
from sqmagic.schedule.plan.values import NotForKernels, Work, in_memory, pointwise


def spread(number: int, each: int, times: int, work: Work) -> int:
    """Each component so many times one after the other, so that a matrix has `times` as many numbers."""
    width = work.width(number)
    return number if width in (1, width * times) else work.graph.put(Spread(number, each, width * times))


def turn(number: int, rows: int, columns: int, work: Work) -> int:
    """The transpose of a matrix."""
    if 1 in (rows, columns):
        return number
    whole, turned = _unturned(number, work)
    return whole if turned else work.graph.put(Turn(number, rows, rows * columns))


def contract(left: int, right: int, rows: int, inner: int, columns: int, work: Work) -> int:
    """The product of two matrices."""
    (left, left_turned), (right, right_turned) = _unturned(left, work), _unturned(right, work)
    return work.graph.put(Contract(left, right, rows, inner, columns, left_turned, right_turned))


def _unturned(number: int, work: Work) -> tuple[int, bool]:
    node = work.graph.nodes[number]
    return (node.arg, True) if isinstance(node, Turn) else (number, False)


def outer(left: int, right: int, work: Work) -> int:
    rows, columns = work.width(left), work.width(right)
    return pointwise("mul", (spread(left, columns, columns, work), spread(right, 1, rows, work)), work)


def multiplied(left: int, right: int, shapes: tuple[Shape, Shape], work: Work) -> int:
    """A product of matrices, or of one and a vector. Raises NotForKernels."""
    left, right = in_memory(work, left), in_memory(work, right)
    match shapes:
        case (inner,), (_, columns):
            return contract(turn(right, inner, columns, work), left, columns, inner, 1, work)
        case (rows, inner), (_, columns):
            return contract(left, right, rows, inner, columns, work)
        case (rows, inner), (_,):
            return contract(left, right, rows, inner, 1, work)
        case _:
            raise NotForKernels("it multiplies what are no matrices")


def dense_by_rows(number: int, shape: Shape, layer: str, work: Work) -> int:
    """A layer on each row of a matrix."""
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    (*rows, inner), (units, _) = shape, work.parameters[weight]
    weights = turn(work.graph.put(Vector(weight, 0, units * inner)), units, inner, work)
    found = contract(number, weights, prod(rows), inner, units, work)
    if bias not in work.parameters:
        return found
    return pointwise("add", (found, spread(work.graph.put(Vector(bias, 0, units)), 1, prod(rows), work)), work)


def dense_input_by_rows(number: int, shape: Shape, layer: str, work: Work) -> int:
    """The transposed weights times each row of a matrix."""
    units, inner = work.parameters[f"{layer}.weight"]
    weights = work.graph.put(Vector(f"{layer}.weight", 0, units * inner))
    return contract(number, weights, prod(shape[:-1]), units, inner, work)
