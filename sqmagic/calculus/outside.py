"""What comes from outside as given: an environment's outputs, drawn actions and noise become inputs.

Before: a System and its domains. After: one without effects, of the same values where the inputs are what the effects
gave, and of the same domains. What comes from outside is an opaque value with adjoint 0; so is what is an input.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.calculus.adjoint.system import Held
from sqmagic.equations.ops import has_effect
from sqmagic.equations.show import show_state
from sqmagic.equations.system import Equation, Fixed, Input, Last, Read, Running, System, Target

SUFFIX = ".given"
"""What follows a state's name in the name of the input that stands for it."""


def from_outside(system: System, held: Held) -> System:
    """The System whose effects are inputs; the very one if there are none."""
    if not any(has_effect(e.value) for e in system.equations):
        return system
    inputs: list[Input] = []
    equations: list[Equation] = []
    for number, equation in enumerate(system.equations):
        if not has_effect(equation.value):
            equations.append(equation)
            continue
        interval = held.equations[number]
        steps = None if interval is None else (interval.first, interval.last)
        for target in equation.targets:
            item, read = _given(target, steps, system)
            inputs.append(item)
            equations.append(replace(equation, targets=(target,), value=read))
    return replace(system, inputs=(*system.inputs, *inputs), equations=tuple(equations), buffers=())


def _given(target: Target, steps: tuple[int, int] | None, system: System) -> tuple[Input, Read]:
    points = tuple(i for i in target.context if not isinstance(i, Running))
    name = f"{show_state(target.state, points)}{SUFFIX}"
    if steps is None:
        return Input(name, False), Read(name)
    index = system.indices[0].name
    item = Input(name, True, first=Fixed(steps[0]), last=Last(index, steps[1]))
    return item, Read(name, (Running(index),))


def given_states(system: System) -> Iterator[tuple[str, str]]:
    """The inputs that stand for states, each with its state."""
    for equation in system.equations:
        match equation.targets, equation.value:
            case (target,), Read(state) if state.endswith(SUFFIX):
                yield state, target.state
