"""Which states are numbers, which hold whole numbers, and whole numbers as targets read as one_hot.

`numbers` finds constants such as `gamma`, which have no shape of their own. `read_as_one_hot` is a pass: where the
target of a cross-entropy turns out to hold whole numbers, it is wrapped in one_hot (NOTATION.md, C.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from sqmagic.equations.ops import OPS
from sqmagic.equations.shapes.facts import DataShape
from sqmagic.equations.system import Apply, Const, Equation, Expr, Goal, Position, Read, System, reads, walk

_CHOICES = ("argmax", "sample", "eps_greedy")
_CROSS = ("cross_entropy", "cross_entropy_logits")


def numbers(system: System) -> frozenset[str]:
    """Bare states made of numbers only, declared to be nothing else."""
    declared = {d.state for d in system.declared}
    candidates = {
        e.targets[0].state: {r.state for r in reads(e.value)}
        for e in system.equations
        if len(e.targets) == 1 and not e.targets[0].context and _of_numbers(e.value)
    }
    open_ = {state: len(needs) for state, needs in candidates.items() if state not in declared}
    users: defaultdict[str, list[str]] = defaultdict(list)
    for state, needs in candidates.items():
        for need in needs:
            users[need].append(state)
    found: set[str] = set()
    ready = [state for state, count in open_.items() if count == 0]
    while ready:
        state = ready.pop()
        found.add(state)
        for user in users[state]:
            if user in open_:
                open_[user] -= 1
                if open_[user] == 0:
                    ready.append(user)
    return frozenset(found)


def _of_numbers(expr: Expr) -> bool:
    """Numbers, bare states, and what is computed from them component by component."""
    return all(_of_number(node) for node in walk(expr))


def _of_number(node: Expr) -> bool:
    match node:
        case Const() | Position():
            return True
        case Read(_, context):
            return not context
        case Apply(op):
            return OPS[op].pointwise
        case _:
            return False


def integers(system: System, data: Mapping[str, DataShape]) -> frozenset[str]:
    """States that hold one whole number: declared or given as such, chosen among components, or another such state."""
    found = {i.state for i in system.inputs if i.kind != "real"}
    found |= {d.state for d in system.declared if d.kind != "real"}
    found |= {state for state, d in data.items() if d.integer and d.shape in ((), (1,))}
    aliases: defaultdict[str, list[str]] = defaultdict(list)
    for equation in system.equations:
        match _source(equation):
            case Read(state):
                aliases[state].append(equation.targets[0].state)
            case Apply():
                found.add(equation.targets[0].state)
            case _:
                pass
    ready = list(found)
    while ready:
        for alias in aliases[ready.pop()]:
            if alias not in found:
                found.add(alias)
                ready.append(alias)
    return frozenset(found)


def _source(equation: Equation) -> Expr | None:
    """The state that an equation passes on, or the choice that it makes."""
    value = equation.value
    while isinstance(value, Apply) and value.op in ("stop", "old"):
        value = value.args[0]
    if len(equation.targets) != 1:
        return None
    chosen = isinstance(value, Read) or (isinstance(value, Apply) and value.op in _CHOICES)
    return value if chosen else None


def read_as_one_hot(system: System, whole: frozenset[str]) -> System:
    """The System in which targets of cross-entropy that hold whole numbers are wrapped in one_hot; else the same."""
    goals = tuple(_goal(goal, whole) for goal in system.goals)
    if all(a is b for a, b in zip(goals, system.goals, strict=True)):
        return system
    return replace(system, goals=goals)


def _goal(goal: Goal, whole: frozenset[str]) -> Goal:
    value = _loss(goal.value, whole) if goal.kind == "loss" else goal.value
    return goal if value is goal.value else replace(goal, value=value)


def _loss(value: Expr, whole: frozenset[str]) -> Expr:
    match value:
        case Apply("mul", (weight, loss)):
            inner = _loss(loss, whole)
            return value if inner is loss else replace(value, args=(weight, inner))
        case Apply(op, (p, target)) if op in _CROSS:
            inner = _target(target, whole)
            return value if inner is target else replace(value, args=(p, inner))
        case _:
            return value


def _target(target: Expr, whole: frozenset[str]) -> Expr:
    match target:
        case Apply("stop", (inner,)):
            found = _target(inner, whole)
            return target if found is inner else replace(target, args=(found,))
        case Read(state) if state in whole:
            return Apply("one_hot", (target,), span=target.span)
        case _:
            return target
