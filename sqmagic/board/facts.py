"""What the board must know of states before it draws them: constants, which carry gradient, which have a colour."""

from __future__ import annotations

from typing import assert_never

from sqmagic.equations import gradients
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Last,
    Position,
    Read,
    System,
    Weight,
    reads,
)


def constants(system: System) -> frozenset[str]:
    """Bare states made of numbers alone, such as `gamma`; a picture folds them into the operators that use them."""
    found: set[str] = set()
    for equation in system.equations:
        if len(equation.targets) == 1 and not equation.targets[0].context and _is_number(equation.value, found):
            found.add(equation.targets[0].state)
    return frozenset(found)


def _is_number(expr: Expr, known: set[str]) -> bool:
    match expr:
        case Const():
            return True
        case Read(state, context):
            return state in known and not context
        case Apply(op, args):
            row = OPS[op]
            return not row.effect and not row.parameters and all(_is_number(a, known) for a in args) and bool(args)
        case Weight() | Position():
            return False
        case _:
            assert_never(expr)


def carrying(system: System) -> frozenset[str]:
    """States through which a gradient reaches some parameter; `stop` around any other says nothing."""
    return gradients.carrying(system, learns=_has_weights)


def carries(expr: Expr, known: frozenset[str]) -> bool:
    """Whether a gradient goes on from an expression to a parameter."""
    return gradients.carries(expr, known, _has_weights)


def _has_weights(node: Expr) -> bool:
    """Whether a node has weights that are not frozen. A copy that only follows counts: of such targets `sg` is told."""
    match node:
        case Weight(_, frozen):
            return not frozen
        case Apply(layer=str()):
            return not node.attribute("frozen", False)
        case _:
            return False


def coloured(system: System) -> tuple[str, ...]:
    """The states that have a colour of their own, in program order: what equations define, numbers apart."""
    plain = constants(system)
    defined = dict.fromkeys(t.state for e in system.equations for t in e.targets)
    return tuple(s for s in defined if s not in plain)


def is_base_case(equation: Equation) -> bool:
    """`0 -> h_0`, `reset() -> S_0`, `0 -> b_{T+1}`: a point of a sequence, given by no other state."""
    at_points = [any(isinstance(i, Fixed | Last) for i in target.context) for target in equation.targets]
    return bool(at_points) and all(at_points) and not reads(equation.value)
