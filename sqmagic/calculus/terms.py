"""Sums and products of expressions, written as one would: no factor 1, no sign twice."""

from __future__ import annotations

from collections.abc import Iterable

from sqmagic.equations.system import Apply, Const, Expr, Point, Position, Running

ONE, ZERO = Const(1.0), Const(0.0)


def op(name: str, *args: Expr, **attributes: str | float | int | bool) -> Apply:
    return Apply(name, args, None, tuple(sorted(attributes.items())))


def times(left: Expr, right: Expr) -> Expr:
    if left == ONE or right == ONE:
        return right if left == ONE else left
    match left, right:
        case Apply("neg", (a,)), Apply("neg", (b,)):
            return times(a, b)
        case (Apply("neg", (a,)), b) | (a, Apply("neg", (b,))):
            return minus(times(a, b))
        case _:
            return op("mul", left, right)


def over(left: Expr, right: Expr) -> Expr:
    match left:
        case Apply("neg", (inner,)):
            return minus(over(inner, right))
        case _:
            return left if right == ONE else op("div", left, right)


def minus(expr: Expr) -> Expr:
    match expr:
        case Apply("neg", (inner,)):
            return inner
        case Apply("sub", (left, right)):
            return op("sub", right, left)
        case Const(value):
            return Const(-value)
        case _:
            return op("neg", expr)


def less(left: Expr, right: Expr) -> Expr:
    match right:
        case Const(0.0):
            return left
        case Apply("neg", (inner,)):
            return op("add", left, inner)
        case _:
            return op("sub", left, right)


MOST_PARTS = 100
"""How many parts a sum has at most: each stands within the next, and a tree is walked by recursion."""


def total(parts: Iterable[Expr]) -> Expr:
    """The sum from left to right, of many parts that of their groups; 0 where there is nothing to add."""
    waiting = list(parts)
    if len(waiting) > MOST_PARTS:
        return total(total(waiting[n : n + MOST_PARTS]) for n in range(0, len(waiting), MOST_PARTS))
    result: Expr | None = None
    for part in waiting:
        match part:
            case _ if result is None:
                result = part
            case Apply("neg", (inner,)):
                result = op("sub", result, inner)
            case _:
                result = op("add", result, part)
    return ZERO if result is None else result


def step(index: str) -> Position:
    return Position(Running(index))


def sum_over(body: Expr, index: str, first: Point, last: Point) -> Apply:
    """The sum of a body over the steps between two points."""
    return Apply("window_sum", (body, Position(first), Position(last)), None, (("index", index),))


def during(body: Expr, index: str, **limits: int) -> Expr:
    """The body at the steps from `first` to T + `last`, whichever are given, and 0 at others."""
    return op("during", body, step(index), **limits) if limits else body
