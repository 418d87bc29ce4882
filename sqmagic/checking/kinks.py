"""Where a derivative jumps: a draw near such a kink says nothing, for torch may stand on the other side of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sqmagic.checking.draws import Arrays
from sqmagic.equations.interpret import UNDEFINED, interpret
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Apply, Equation, Expr, Running, System, Target, runs, walk

NEAR = 1e-6
"""How near to a kink a draw may not be."""

KINKS: dict[str, Callable[..., list[Expr]]] = {
    "relu": lambda x: [x],
    "abs": lambda x: [x],
    "mae": lambda p, y: [Apply("sub", (p, y))],
    "maximum": lambda x, y: [Apply("sub", (x, y))],
    "minimum": lambda x, y: [Apply("sub", (x, y))],
    "clip": lambda x, low, high: [Apply("sub", (x, low)), Apply("sub", (x, high))],
}
"""What must not be near 0."""


def near_a_kink(
    system: System, shapes: Shapes, parameters: Arrays, inputs: Arrays, *, horizon: int, batch: int
) -> bool:
    """Whether something is not finite, or what must not be near 0 is."""
    sought = [
        (found, moving)
        for expr, moving in _owned(system)
        for node in walk(expr)
        if isinstance(node, Apply) and node.op in KINKS
        for found in KINKS[node.op](*node.args)
    ]
    index = system.indices[0].name if system.indices else "t"
    more = tuple(Equation((Target(f"?{n}", (Running(index),) * moving),), e) for n, (e, moving) in enumerate(sought))
    asked = replace(system, equations=(*system.equations, *more), goals=())
    run = interpret(asked, parameters=parameters, inputs=inputs, horizon=horizon or None, shapes=shapes, batch=batch)
    targets = [t for e in asked.equations for t in e.targets if not _is_point(t)]
    values = [(t.state, run.value(t.state, at)) for t in targets for at in (_about(horizon) if t.context else (None,))]
    there = [(state, value) for state, value in values if value is not UNDEFINED]
    return any(
        not np.isfinite(value).all() or (state.startswith("?") and np.abs(value).min(initial=1.0) < NEAR)
        for state, value in there
    )


def _owned(system: System) -> Iterator[tuple[Expr, bool]]:
    """Every right side, and whether it holds at every step."""
    for equation in system.equations:
        yield equation.value, any(isinstance(i, Running) for t in equation.targets for i in t.context)
    for goal in system.goals:
        yield goal.value, runs(goal.value)


def _is_point(target: Target) -> bool:
    return any(not isinstance(i, Running) for i in target.context)


def _about(horizon: int) -> range:
    return range(-2, horizon + 1)
