"""`within`: a pass that computes states that have a component for each step of a range where they are read.

`softmax(k_{1:t} @ q_t) -> a_t` and `a_t @ v_{1:t} -> c_t` become `softmax(k_{1:t} @ q_t) @ v_{1:t} -> c_t`: what runs
holds no state whose width is another at each step, or for each window. It changes no other state and no goal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqmagic.equations.ops import has_effect
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Read,
    Running,
    System,
    children,
    reads,
    walk,
    with_children,
)

_DRAWN = frozenset(("dropout", "batch_norm", "module"))
"""What may give something else when it is computed once more, besides effects."""


def may_be_within(system: System, states: Collection[str]) -> frozenset[str]:
    """Those of the states that can be computed where they are read: by one equation, at the step of the reader, and by
    itself by no way round; drawn, if they are, for one reader."""
    if not states:
        return frozenset()
    defined = Counter(t.state for e in system.equations for t in e.targets)
    values = {s: e for e in system.equations if (s := _alone(e)) is not None and defined[s] == 1}
    elsewhere = {r.state for e in system.equations for r in reads(e.value) if not _at_its_step(r, values)}
    elsewhere |= {r.state for g in system.goals for r in (*reads(g.value), *g.through)}
    readers = Counter(r.state for e in system.equations for r in reads(e.value))
    return frozenset(
        s
        for s, equation in values.items()
        if s in states
        and s not in elsewhere
        and not (readers[s] > 1 and _is_drawn(equation.value))
        and not has_effect(equation.value)
        and not _comes_round(s, values)
    )


def _alone(equation: Equation) -> str | None:
    """The state that an equation defines at all steps, or bare."""
    match equation.targets:
        case (target,) if all(isinstance(i, Running) and i.offset == 0 for i in target.context):
            return target.state
        case _:
            return None


def _at_its_step(read: Read, values: Mapping[str, Equation]) -> bool:
    return read.state in values and read.context == values[read.state].targets[0].context


def _is_drawn(value: Expr) -> bool:
    return any(isinstance(n, Apply) and n.op in _DRAWN for n in walk(value))


def _comes_round(state: str, values: Mapping[str, Equation]) -> bool:
    seen, ahead = set(), [state]
    while ahead:
        for read in reads(values[ahead.pop()].value):
            if read.state == state:
                return True
            if read.state in values and read.state not in seen:
                seen.add(read.state)
                ahead.append(read.state)
    return False


def within(system: System, states: Collection[str]) -> System:
    """The System without these states, which `may_be_within` has."""
    if not states:
        return system
    values = {t.state: e.value for e in system.equations for t in e.targets if t.state in states}
    kept = [e for e in system.equations if not any(t.state in states for t in e.targets)]
    return replace(system, equations=tuple(replace(e, value=_filled(e.value, values)) for e in kept))


def _filled(expr: Expr, values: Mapping[str, Expr]) -> Expr:
    match expr:
        case Read(state) if state in values:
            return _filled(values[state], values)
        case _:
            return with_children(expr, tuple(_filled(a, values) for a in children(expr)))
