"""Recurrences of the form s_t = a_t * s_{t-1} + b_t, element by element, or s_t = a_t * s_{t+1} + b_t.

Before: a component of a System. After: its factor a and its term b, which know nothing of s, or None where it has
another form. Such a recurrence need not go step by step: steps put together are a step of the same form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from sqmagic.equations.system import Apply, Const, Expr, Position, Read, Running, System, Weight, reads
from sqmagic.schedule.dependence import Component


@dataclass(frozen=True, slots=True)
class Affine:
    """`state` at a step is `factor` times itself one step before (with `ahead`, one step after), plus `term`."""

    state: str
    factor: Expr
    term: Expr
    ahead: bool


def affine(system: System, component: Component) -> Affine | None:
    """The form of a component, where it is one equation of this form."""
    if not component.is_plain:
        return None
    match [system.equations[n] for n in component.equations]:
        case [equation] if len(equation.targets) == 1 and component.distances == (1,):
            state = equation.targets[0].state
            found = _parts(equation.value, state)
            if found is None or found[0] is None:
                return None
            return Affine(state, found[0], found[1] or Const(0.0), component.kind == "reverse scan")
        case _:
            return None


_Parts = tuple[Expr | None, Expr | None]
"""The factor of the state, and what is added: None for 0."""


def _parts(expr: Expr, state: str) -> _Parts | None:
    """An expression as factor and term; None where it has no such form."""
    if not any(r.state == state for r in reads(expr)):
        return None, expr
    match expr:
        case Read(_, (Running(),)):
            return Const(1.0), None
        case Apply("add" | "sub" as op, (left, right)):
            return _each(op, _parts(left, state), _parts(right, state))
        case Apply("neg", (inner,)):
            return _through(_parts(inner, state), lambda e: Apply("neg", (e,)))
        case Apply("mul", (left, right)):
            return _product(left, right, state)
        case Apply("div", (left, right)) if not any(r.state == state for r in reads(right)):
            return _through(_parts(left, state), lambda e: Apply("div", (e, right)))
        case Const() | Read() | Weight() | Position() | Apply():
            return None
        case _:
            assert_never(expr)


def _through(parts: _Parts | None, how: Callable[[Expr], Expr]) -> _Parts | None:
    """The same done to factor and term."""
    if parts is None:
        return None
    factor, term = parts
    return None if factor is None else how(factor), None if term is None else how(term)


def _product(left: Expr, right: Expr, state: str) -> _Parts | None:
    """What is free of the state times what is not."""
    if not any(r.state == state for r in reads(left)):
        return _through(_parts(right, state), lambda e: left if e == Const(1.0) else Apply("mul", (left, e)))
    if not any(r.state == state for r in reads(right)):
        return _through(_parts(left, state), lambda e: right if e == Const(1.0) else Apply("mul", (e, right)))
    return None


def _each(op: str, one: _Parts | None, other: _Parts | None) -> _Parts | None:
    if one is None or other is None:
        return None
    return _joined(op, one[0], other[0]), _joined(op, one[1], other[1])


def _joined(op: str, left: Expr | None, right: Expr | None) -> Expr | None:
    if left is None:
        return right if right is None or op == "add" else Apply("neg", (right,))
    return left if right is None else Apply(op, (left, right))
