"""Through which states a gradient reaches a parameter (or an input that is asked for)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqmagic.calculus.logits import SUFFIX
from sqmagic.equations import gradients
from sqmagic.equations.gradients import learns, lets_through
from sqmagic.equations.system import Apply, Equation, Expr, Goal, Read, System


def trained(node: Expr) -> bool:
    """Whether a node has parameters of its own whose adjoints are ours: those of a torch module are torch's."""
    return learns(node) and not (isinstance(node, Apply) and node.op == "module")


def carries(expr: Expr, known: Collection[str]) -> bool:
    """Whether a gradient goes on from an expression, given the states from which one does."""
    return gradients.carries(expr, known, trained)


def carrying(system: System, inputs: Collection[str] = ()) -> frozenset[str]:
    """The states from which a gradient goes on."""
    return gradients.carrying(system, inputs, trained)


def differentiated(system: System) -> frozenset[str]:
    """The states whose adjoints learning computes: a gradient goes on from them, and a goal's reaches them. Without
    goals, a gradient may be asked of any."""
    known = carrying(system)
    if not system.goals:
        return known
    makers: dict[str, list[Equation]] = {}
    for equation in system.equations:
        for target in equation.targets:
            makers.setdefault(target.state, []).append(equation)
    found: set[str] = set()
    waiting = [state for goal in system.goals for state in _raised(goal)]
    while waiting:
        state = waiting.pop()
        if state in known and state not in found:
            found.add(state)
            waiting += [name for e in makers.get(state, ()) for name in _through(e.value)]
    return frozenset(found)


def _raised(goal: Goal) -> Iterator[str]:
    """The states that a goal moves, or what their values are computed from where it reads that instead."""
    moved = {read.state for read in goal.through}
    return (state for state in _through(goal.value) if state.removesuffix(SUFFIX) in moved)


def _through(expr: Expr) -> Iterator[str]:
    """The states that a gradient of an expression goes on to."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Read):
            yield node.state
        elif isinstance(node, Apply) and lets_through(node):
            waiting += node.args
