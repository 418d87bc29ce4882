"""Numbers and counts in front of each term, as one fraction; the other factors stay as the rules gave them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.calculus.normalform import Known, rewritten
from sqmagic.calculus.terms import ONE, op
from sqmagic.equations.system import Apply, Expr, Read, Weight


def tidy(expr: Expr, known: Known) -> Expr:
    """Numbers and counts in front of each term of a sum, as one fraction: `2/(n T) (p - y)`."""
    match expr:
        case Apply("add" | "sub", (left, right)):
            return replace(expr, args=(tidy(left, known), tidy(right, known)))
        case Apply("neg", (inner,)):
            return replace(expr, args=(tidy(inner, known),))
        case Apply("during" | "batch_mean" | "window_sum", (body, *rest)):
            return replace(expr, args=(tidy(body, known), *rest))
        case Apply("mul", _) if any((isinstance(n, Apply) and n.op == "size") or _is_count(n) for n in _factors(expr)):
            return _with_front(expr, known)
        case _:
            return expr


def _factors(expr: Expr) -> Iterator[Expr]:
    """The factors of a product, and what stands below its lines."""
    match expr:
        case Apply("mul", (left, right)):
            yield from _factors(left)
            yield from _factors(right)
        case Apply("div", (left, right)):
            yield from _factors(left)
            yield from _factors(right)
        case _:
            yield expr


def _is_count(expr: Expr) -> bool:
    return not isinstance(expr, Apply | Read | Weight)


def _with_front(expr: Expr, known: Known) -> Expr:
    """Counts and numbers gathered by the ring's rules; the other factors stay as they are."""
    front, rest = _gathered(expr)
    scale = rewritten(front, known)
    if rest is None:
        return scale
    match scale:
        case Apply("neg", (inner,)):
            return op("neg", _times(inner, rest))
        case _:
            return _times(scale, rest)


def _times(left: Expr, right: Expr) -> Expr:
    match right:
        case Apply("neg", (inner,)):
            return op("neg", _times(left, inner))
        case Apply("mul", (first, second)):  # `2 x ⊙ y` for `2 (x ⊙ y)`
            return op("mul", _times(left, first), second)
        case _:
            return op("mul", left, right)


def _gathered(expr: Expr) -> tuple[Expr, Expr | None]:
    """The numbers and counts of a product, and what else there is."""
    match expr:
        case Apply("mul", (left, right)):
            one, a = _gathered(left)
            other, b = _gathered(right)
            rest = op("mul", a, b) if a is not None and b is not None else a if a is not None else b
            return op("mul", one, other), rest
        case Apply("div", (left, right)):
            one, a = _gathered(left)
            other, b = _gathered(right)
            if b is None:
                return op("div", one, other), a
            return one, op("div", a if a is not None else ONE, right)
        case Apply("size"):
            return expr, None
        case Apply() | Read() | Weight():
            return ONE, expr
        case _:
            return expr, None
