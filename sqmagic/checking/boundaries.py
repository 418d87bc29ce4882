"""Random boundaries: with zeros before the first step and after the last, forms that are off by a step look right.

Before: a System and its domains. After: the same equations, but base cases that are numbers are inputs, and so is what
a recurrence reads past its last step, where the program gives nothing there and no other domain would change. The
adjoints of all that carries a gradient have the same forms.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqmagic.equations.show import show_state
from sqmagic.equations.system import Const, Equation, Fixed, Input, Last, Read, Running, System, Target, reads
from sqmagic.schedule.dependence import Dependence
from sqmagic.schedule.domains import Domains, domains

SUFFIX = ".drawn"
"""What follows a point's name in the name of the input that stands for it."""


def with_random_boundaries(system: System, order: Dependence, held: Domains) -> System:
    equations: list[Equation] = []
    drawn: list[str] = []
    for equation in system.equations:
        if isinstance(equation.value, Const) and _at_points(equation.targets):
            (target,) = equation.targets
            drawn.append(_name(target))
            equation = replace(equation, value=Read(drawn[-1]))
        equations.append(equation)
    made = _fed(system, equations, drawn)
    ends = _past_the_end(system, order, held)
    further = _fed(system, [*equations, *(Equation((t,), Read(_name(t))) for t in ends)], [*drawn, *map(_name, ends)])
    same = domains(further)
    kept = same.goals == held.goals and same.equations[: len(equations)] == held.equations
    return further if kept else made


def _fed(system: System, equations: list[Equation], drawn: list[str]) -> System:
    inputs = tuple(Input(name, False) for name in drawn)
    return replace(system, inputs=(*system.inputs, *inputs), equations=tuple(equations))


def drawn_states(system: System) -> dict[str, str]:
    """The inputs that stand for points, each with its state."""
    found = {}
    for equation in system.equations:
        if isinstance(equation.value, Read) and equation.value.state.endswith(SUFFIX):
            found[equation.value.state] = equation.targets[0].state
    return found


def _name(target: Target) -> str:
    return f"{show_state(target.state, target.context)}{SUFFIX}"


def _at_points(targets: Collection[Target]) -> bool:
    return (
        len(targets) == 1
        and all(isinstance(i, Fixed | Last) for t in targets for i in t.context)
        and any(t.context for t in targets)
    )


def _past_the_end(system: System, order: Dependence, held: Domains) -> list[Target]:
    """The points past a recurrence that looks ahead which it reads as zero."""
    found: list[Target] = []
    for component in order.components:
        if component.kind != "reverse scan":
            continue
        for state in component.states:
            far = [
                i.offset
                for n in component.equations
                for r in reads(system.equations[n].value)
                if r.state == state
                for i in r.context
                if isinstance(i, Running)
            ]
            last = held.states[state].last
            index = system.indices[0].name
            if not any(isinstance(p, Last) for p in held.bases.get(state, ())):
                found += [Target(state, (Last(index, last + n),)) for n in range(1, max([0, *far]) + 1)]
    return found
