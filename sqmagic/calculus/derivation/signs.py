"""Signs before a product, what is taken away twice added, and the adjoint that two terms share before both.

The rules of `adjoint` put a sign where they meet it: `(−ŝ b)ᵀ u`, `ĥ ⊙ l − ĥ ⊙ h`. A form is shown as one writes it:
`−(ŝ b)ᵀ u`, `ĥ ⊙ (l − h)`. Each step is an equality over the reals; what is shown is checked like all forms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqmagic.calculus.terms import ONE, minus, op
from sqmagic.equations.system import Apply, Const, Expr, Read, walk, with_children

LINEAR: dict[str, tuple[int, ...]] = {
    "mul": (0, 1),
    "div": (0, 1),
    "matmul": (0, 1),
    "outer": (0, 1),
    **dict.fromkeys(("sum", "mean", "flatten", "unflatten", "transpose", "slice", "index", "pad", "expand_as"), (0,)),
    **dict.fromkeys(("dense_input", "conv_input", "layer_norm_input", "batch_norm_input", "window_sum"), (0,)),
}
"""By operator, the arguments whose sign is that of the value."""


def signed(expr: Expr, scalar: Callable[[Expr], bool]) -> Expr:
    """The expression with its signs in front; `scalar` says what is a number."""
    if not isinstance(expr, Apply) or not _has_adjoint(expr):
        return expr
    inner = with_children(expr, tuple(signed(a, scalar) for a in expr.args))
    assert isinstance(inner, Apply), "an application stays one"
    match inner:
        case Apply("neg", (Apply("neg", (twice,)),)):
            return twice
        case Apply("add" | "sub"):
            return _sum(inner, scalar)
        case Apply(name) if name in LINEAR:
            return _in_front(inner, LINEAR[name])
        case _:
            return inner


def _has_adjoint(expr: Expr) -> bool:
    return any(isinstance(n, Read) and n.state.startswith("^") for n in walk(expr))


def _in_front(expr: Apply, places: tuple[int, ...]) -> Expr:
    """The signs of some arguments taken out; two of them are none."""
    parted = [_unsigned(a) if n in places else (a, False) for n, a in enumerate(expr.args)]
    bare = replace(expr, args=tuple(a for a, _ in parted))
    return minus(bare) if sum(negative for _, negative in parted) % 2 else bare


def _unsigned(expr: Expr) -> tuple[Expr, bool]:
    match expr:
        case Apply("neg", (inner,)):
            return inner, True
        case _:
            return expr, False


def _sum(expr: Apply, scalar: Callable[[Expr], bool]) -> Expr:
    left, right = expr.args
    match left, right:
        case Apply("during", (one, step)), Apply("during", (other, _)) if left == replace(right, args=(one, step)):
            return replace(left, args=(_sum(replace(expr, args=(one, other)), scalar), step))
    sign = 1 if expr.op == "add" else -1
    match right:
        case Apply("neg", (inner,)):
            sign, right = -sign, inner
    match left:
        case Apply("neg", (inner,)) if sign < 0:
            return minus(_sum(op("add", inner, right), scalar))
        case Apply("neg", (inner,)):
            left, right, sign = right, inner, -1
    name = "add" if sign > 0 else "sub"
    if name == "add" and left == right:
        return op("mul", Const(2.0), left)
    (one, a), (other, b) = _shared(left, right)
    alike = ONE in (a, b) or scalar(a) == scalar(b)
    if one == other and (a, b) != (ONE, ONE) and alike and _has_adjoint(one):
        return op("mul", one, op(name, a, b))
    return op(name, left, right)


def _shared(left: Expr, right: Expr) -> tuple[tuple[Expr, Expr], tuple[Expr, Expr]]:
    """Both as what stands first times the rest, which is 1 of what the other has as its first factor."""
    first, second = _parted(left), _parted(right)
    if first[0] == right:
        return first, (right, ONE)
    if second[0] == left:
        return (left, ONE), second
    return first, second


def _parted(expr: Expr) -> tuple[Expr, Expr]:
    match expr:
        case Apply("mul", (left, right)):
            return left, right
        case _:
            return expr, ONE
