"""Probes: an input of zeros added to a state, so that the derivative by the input is the derivative by the state.

Before: a System and its domains. After: the same values while the probes are 0. torch's own `retain_grad` knows nothing
of a state that no parameter made; a probe is tracked always.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.show import show_state
from sqmagic.equations.system import (
    Apply,
    Equation,
    Fixed,
    Input,
    Last,
    Read,
    Running,
    System,
    Target,
)
from sqmagic.schedule.domains import Domains


@dataclass(frozen=True, slots=True)
class Probed:
    """`probes` say which input probes which state: by state over time or bare, by the point's name else (`h_0`)."""

    system: System
    probes: dict[str, str]
    shapes: dict[str, Shape]


def probed(system: System, held: Domains, wanted: Collection[str], shapes: dict[str, Shape]) -> Probed:
    """Probes on the states in `wanted` wherever an equation defines them; on inputs there need be none."""
    probes: dict[str, str] = {}
    inputs: list[Input] = []
    equations: list[Equation] = []
    sizes = dict(shapes)
    for number, equation in enumerate(system.equations):
        if not any(t.state in wanted for t in equation.targets):
            equations.append(equation)
            continue
        interval = held.equations[number]
        raw = [replace(t, state=f"{t.state}.raw") for t in equation.targets]
        several = len(raw) > 1
        if several:
            equations.append(replace(equation, targets=tuple(raw)))
            sizes |= {r.state: shapes[t.state] for r, t in zip(raw, equation.targets, strict=True)}
        for target, each in zip(equation.targets, raw, strict=True):
            name = probe_name(target)
            probes[name] = f"{name}.probe"
            sizes[f"{name}.probe"] = shapes[target.state]
            if interval is None:
                inputs.append(Input(f"{name}.probe", False))
            else:
                index = system.indices[0].name
                inputs.append(
                    Input(f"{name}.probe", True, first=Fixed(interval.first), last=Last(index, interval.last))
                )
            value = Read(each.state, each.context) if several else equation.value
            context = () if interval is None else target.context
            added = Apply("add", (value, Read(f"{name}.probe", context)))
            equations.append(replace(equation, targets=(target,), value=added))
    made = replace(system, inputs=(*system.inputs, *inputs), equations=tuple(equations))
    return Probed(made, probes, sizes)


def probe_name(target: Target) -> str:
    return show_state(target.state, tuple(i for i in target.context if not isinstance(i, Running)))
