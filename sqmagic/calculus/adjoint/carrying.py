"""Through which states a gradient reaches a parameter (or an input that is asked for)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqmagic.calculus.logits import SUFFIX
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Apply, Equation, Expr, Goal, Read, System, Weight, reads


def trained(node: Expr) -> bool:
    """Whether a node has parameters of its own that a gradient reaches from here."""
    match node:
        case Weight(_, frozen):
            return not frozen
        case Apply(op, layer=str()) if op in OPS and OPS[op].parameters:
            return not node.attribute("frozen", False) and not node.attribute("target", False)
        case _:
            return False


def carries(expr: Expr, known: Collection[str]) -> bool:
    """Whether a gradient goes on from an expression, given the states from which one does."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if trained(node) or (isinstance(node, Read) and node.state in known):
            return True
        if isinstance(node, Apply) and lets_through(node):
            waiting += node.args
    return False


def lets_through(node: Apply) -> bool:
    """Whether a gradient passes an operator; none passes what a pass put in."""
    return node.op in OPS and not OPS[node.op].blocks


def carrying(system: System, inputs: Collection[str] = ()) -> frozenset[str]:
    """The states from which a gradient goes on, by a worklist over readers: linear in the size of the program."""
    readers: dict[str, list[Equation]] = {}
    for equation in system.equations:
        for read in reads(equation.value):
            readers.setdefault(read.state, []).append(equation)
    found = set(inputs)
    waiting = [*system.equations, *(e for state in inputs for e in readers.get(state, ()))]
    while waiting:
        equation = waiting.pop()
        fresh = {t.state for t in equation.targets} - found
        if fresh and carries(equation.value, found):
            found |= fresh
            for state in fresh:
                waiting += readers.get(state, [])
    return frozenset(found)


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
