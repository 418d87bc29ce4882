"""Sums taken apart: the signed terms of an expression and the factors of a term. The lints read equations so."""

from __future__ import annotations

from dataclasses import dataclass

from sqmagic.equations.system import Apply, Const, Expr


@dataclass(frozen=True, slots=True)
class Term:
    """One summand: its sign, and its factors in the order written."""

    positive: bool
    factors: tuple[Expr, ...]


def terms(expr: Expr, positive: bool = True) -> tuple[Term, ...]:
    """`a*b - c` is (+ a b), (- c); a `stop` around the whole is looked through."""
    match expr:
        case Apply(op="stop", args=(inner,)):
            return terms(inner, positive)
        case Apply(op="add", args=(left, right)):
            return terms(left, positive) + terms(right, positive)
        case Apply(op="sub", args=(left, right)):
            return terms(left, positive) + terms(right, not positive)
        case Apply(op="neg", args=(inner,)):
            return terms(inner, not positive)
        case _:
            return (Term(positive, factors(expr)),)


def factors(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Apply(op="stop", args=(inner,)):
            return factors(inner)
        case Apply(op="mul", args=(left, right)):
            return factors(left) + factors(right)
        case _:
            return (expr,)


def product(parts: tuple[Expr, ...]) -> Expr:
    result = parts[0] if parts else Const(1.0)
    for part in parts[1:]:
        result = Apply("mul", (result, part))
    return result


def total(parts: tuple[Term, ...]) -> Expr:
    """The sum again; a first term with a minus is written last where another can lead."""
    ordered = sorted(parts, key=lambda term: not term.positive)
    result: Expr = Const(0.0)
    for number, term in enumerate(ordered):
        value = product(term.factors)
        if number == 0:
            result = value if term.positive else Apply("neg", (value,))
        else:
            result = Apply("add" if term.positive else "sub", (result, value))
    return result


def is_one_minus(expr: Expr) -> Expr | None:
    """`z` of `1 - z`."""
    match expr:
        case Apply(op="sub", args=(Const(value), inner)) if value == 1.0:
            return inner
        case _:
            return None
