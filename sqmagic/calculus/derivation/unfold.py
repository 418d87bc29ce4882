"""Names that only the adjoint made, put back: a form shows `tanh(c_t)`, not the part that has it as its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.calculus.terms import sum_over
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Fixed,
    Last,
    Position,
    Read,
    Running,
    Weight,
    pinned,
    walk,
    with_children,
)


def unfolded(expr: Expr, values: Mapping[str, Expr], index: str) -> Expr:
    """Every read of a name in `values` replaced by that value, at the read's own place, and so on within it."""
    match expr:
        case Read(state, context) if state in values:
            match context:
                case ():
                    return unfolded(values[state], values, index)
                case (Running() | Fixed() | Last() as point,):
                    return unfolded(pinned(values[state], index, point), values, index)
                case _:
                    return expr
        case Apply():
            return with_children(expr, tuple(unfolded(a, values, index) for a in expr.args))
        case Const() | Read() | Weight() | Position():
            return expr


def apart(expr: Expr, index: str) -> Expr:
    """`(Σ_s x_s)[t − 1]` for `(Σ_t x_t)[t − 1]`: a sum over steps beside a step has an index of its own."""
    match expr:
        case Apply("index", (Apply("window_sum", (body, Position(first), Position(last))) as whole, place)) if (
            whole.attribute("index", "t") == index
            and any(isinstance(n, Position) and isinstance(n.point, Running) for n in walk(place))
            and not any(isinstance(n, Apply) and n.op == "window_sum" for n in walk(body))
        ):
            inner = "s" if index != "s" else "u"
            return replace(expr, args=(sum_over(pinned(body, index, Running(inner)), inner, first, last), place))
        case Apply():
            return with_children(expr, tuple(apart(a, index) for a in expr.args))
        case _:
            return expr


def size(expr: Expr) -> int:
    """How many nodes an expression has."""
    return 1 + sum(map(size, expr.args)) if isinstance(expr, Apply) else 1


def plainly(expr: Expr) -> Expr:
    """Shares of steps as quotients, and without `stop`: in reverse all is but a value."""
    match expr:
        case Apply("step_share"):
            steps = int(expr.attribute("last", 0)) - int(expr.attribute("first", 1)) + 1
            return Apply("div", (Const(1.0), Position(Last("t", steps))))
        case Apply("stop", (inner,)):
            return plainly(inner)
        case Apply():
            return with_children(expr, tuple(map(plainly, expr.args)))
        case _:
            return expr
