"""The judge: what a System means, computed in float64 with no cleverness. Every pass and backend is tested against it.

Values are computed on demand and kept, for reads of the past and of the future alike; how far a state reaches is found
out by asking, not by analysis (which is `schedule.domains`, and is judged by this). An explicit stack takes the place
of recursion, so a horizon of 10,000 meets no limit of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import ArrayLike

from sqmagic.equations.interpret.inputs import lanes
from sqmagic.equations.interpret.judge import Judge
from sqmagic.equations.interpret.operators import RULES
from sqmagic.equations.interpret.outline import outline
from sqmagic.equations.interpret.rule import Situation
from sqmagic.equations.interpret.run import Run, run_effects
from sqmagic.equations.interpret.values import UNDEFINED, CannotInterpret, Undefined, array
from sqmagic.equations.system import System

__all__ = ["RULES", "UNDEFINED", "CannotInterpret", "Run", "Undefined", "interpret"]


class StateShapes(Protocol):
    """As much of `equations.shapes.Shapes` as the judge uses."""

    @property
    def states(self) -> Mapping[str, tuple[int, ...]]: ...


def interpret(
    system: System,
    *,
    parameters: Mapping[str, ArrayLike],
    inputs: Mapping[str, ArrayLike],
    horizon: int | None = None,
    shapes: StateShapes | None = None,
    lengths: Sequence[int] | None = None,
    training: bool = False,
    effects: Mapping[str, Callable[..., Any]] | None = None,
    batch: int | None = None,
) -> Run:
    """A program on given parameters and inputs, ready to be asked for its values.

    `parameters` go by name (`F.weight` `[out, in]`, `b`); batch_norm uses `N.running_mean` and `N.running_var` outside
    training, 0 and 1 without them. `inputs` are `[rows, batch, *shape]` over time, `[batch, *shape]` else; one that is
    left out is undefined, and so is what needs it. `horizon` is T, `batch` the number of examples: both follow from the
    inputs, if there are any. With `shapes`, a number given to a state is as wide as the state.

    With `lengths`, each example has a window of its own and a goal is the mean over all steps of all examples; only
    batch_norm in training sees them together.

    `effects` are called in the order of the program, once a step: `reset(batch)`, `step(S, a)` and `Get(batch)` give
    a tuple of `[batch, *shape]`, `Add(*states)` nothing, `sample(pi)` and `eps_greedy(q, eps)` actions,
    `gauss(shape)` noise, `dropout(shape, p)` a mask of zeros and ones, and a module of the kernel goes by its name.
    Those with a buffer may be given as `Add_B`. Raises CannotInterpret, here or when asked, for what cannot be
    computed.
    """
    examples = lanes(system, inputs, horizon, lengths, batch)
    size = sum(len(lane.examples) for lane in examples)
    horizons = tuple(lane.horizon for lane in examples for _ in lane.examples)
    values = {name: array(value) for name, value in parameters.items()}
    judge = Judge(
        system=system,
        outline=outline(system),
        lanes=examples,
        situation=Situation(values, effects or {}, training, size, horizons=horizons),
        shapes={} if shapes is None else shapes.states,
        inputs={i.state: i for i in system.inputs},
    )
    run_effects(judge)
    return Run(judge, max((lane.horizon for lane in examples), default=0), size)
