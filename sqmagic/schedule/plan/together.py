"""Recurrences all of whose equations begin at the same step: what one of them has before the others begin is given.

`tanh(c_t) -> d_t` within a recurrence with `c_0` holds from 0, while `c_t` holds from 1. Then `tanh(c_0) -> d_0` is
said apart, and the loop runs from 1. Before: a System without faults, its order and domains. After: one of the same
values at the same steps and points. Recurrences that look ahead end together anyhow, and stay as they are; so do those
that act on the outside, that stack a range which grows, or that run at a distance from one another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.system import Equation, Fixed, System, Target, pinned
from sqmagic.schedule.dependence import Component, Dependence, dependence
from sqmagic.schedule.domains import Domains, domains


def begun_together(system: System, order: Dependence, held: Domains) -> System:
    """The very System if there is nothing to do, or if the same would not hold at the same steps."""
    loops = (c for joined in order.components for c in joined.apart)
    plain = (c for c in loops if c.is_plain and c.kind == "forward scan")
    given = {n: rows for c in plain for n, rows in _early(c, system, held)}
    if not given:
        return system
    equations = [e for n, each in enumerate(system.equations) for e in (*given.get(n, ()), each)]
    made = replace(system, equations=tuple(equations))
    anew = dependence(made)
    steps = domains(made, anew)
    same = not anew.problems and not steps.problems and (steps.goals, steps.horizon) == (held.goals, held.horizon)
    return made if same else system


def _early(component: Component, system: System, held: Domains) -> Iterator[tuple[int, list[Equation]]]:
    """The rows that equations have before the last of them begins, by number."""
    (index, *_) = system.indices
    firsts = {n: own.first for n in component.equations if (own := held.equations[n]) is not None}
    begin = max(firsts.values())
    for number, first in firsts.items():
        equation = system.equations[number]
        if first < begin and len(equation.targets) == 1:
            yield number, [_row(equation, index.name, step) for step in range(first, begin)]


def _row(equation: Equation, index: str, step: int) -> Equation:
    (target,) = equation.targets
    return replace(
        equation, targets=(Target(target.state, (Fixed(step),)),), value=pinned(equation.value, index, Fixed(step))
    )
