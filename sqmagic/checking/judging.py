"""Right sides on the bench: the error of each, all that can be computed together in one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from sqmagic.calculus.derivation.forms import Chain
from sqmagic.checking.bench import BATCH, Bench
from sqmagic.checking.error import difference
from sqmagic.checking.steps import stepped
from sqmagic.checking.truth import true_values
from sqmagic.equations.interpret import CannotInterpret, Run, interpret
from sqmagic.equations.system import Equation, Expr, Fixed, Read, Running, System, Target, pinned

Wanted: TypeAlias = tuple[Expr, int | None]
"""A right side at a step, or once."""


def judged(sides: Sequence[tuple[Chain, Expr]], bench: Bench) -> list[float]:
    """The error of each right side that a chain has, or might have."""
    index = bench.system.indices[0].name if bench.system.indices else "t"
    truths = [dict(true_values(chain, bench)) if chain.kind in _BY_VALUE else {} for chain, _ in sides]
    wanted = [(expr, at) for (_, expr), truth in zip(sides, truths, strict=True) for at in truth]
    values = iter(_valued(wanted, index, bench))
    found = []
    for (chain, expr), truth in zip(sides, truths, strict=True):
        wrong = [difference(next(values), expected) for expected in truth.values()]
        match chain.kind:
            case "update":
                wrong = stepped(chain, [expr], bench)
            case "goal":
                wrong = [_of_goal(chain, expr, bench)]
            case "state":
                wrong = [_of_state(chain, expr, bench)]
        found.append(max([0.0, *wrong]))
    return found


_BY_VALUE = ("adjoint", "delta", "gradient")


def _valued(wanted: Sequence[Wanted], index: str, bench: Bench) -> Iterator[Any]:
    """Right sides at their steps, all in one run: what they share is computed once."""
    more = tuple(
        Equation((Target(f"?{n}"),), expr if at is None else pinned(expr, index, Fixed(at)))
        for n, (expr, at) in enumerate(wanted)
    )
    system = replace(bench.made.system, equations=(*bench.made.system.equations, *more), goals=())
    run = _run(system, bench)
    for n in range(len(wanted)):
        yield _told(run, f"?{n}", None)


_SENSELESS = (CannotInterpret, ValueError, IndexError)
"""What is raised where a right side makes no sense, for its shapes or because it is defined by itself."""


def _told(run: Run, state: str, at: int | None) -> Any:
    """A value, or NaN where a right side makes no sense."""
    try:
        return run.value(state, at)
    except _SENSELESS:
        return np.full((1, 1), np.nan)


def _run(system: System, bench: Bench) -> Run:
    return interpret(
        system,
        parameters=bench.parameters,
        inputs=bench.inputs,
        horizon=bench.horizon or None,
        shapes=bench.shapes,
        batch=BATCH,
    )


def _of_state(chain: Chain, expr: Expr, bench: Bench) -> float:
    """A state whose equation has this right side, everything else as it is."""
    targets = tuple(Target(read.state, read.context) for read in chain.left if isinstance(read, Read))
    system = bench.system
    equations = tuple(replace(e, value=expr) if e.targets == targets else e for e in system.equations)
    run = bench.run if equations == system.equations else _run(replace(system, equations=equations), bench)
    truth = true_values(chain, bench)
    name = targets[0].state
    points = [i for i in targets[0].context if not isinstance(i, Running)]
    wrong = []
    for at, expected in truth:
        if points:
            (point,) = points
            at = point.value if isinstance(point, Fixed) else bench.horizon + getattr(point, "offset", 0)
        wrong.append(difference(_told(run, name, at), expected))
    return max([0.0, *wrong])


def is_judged(chain: Chain, bench: Bench) -> bool:
    """Whether torch has a word for the left side: none for an effect, nor for a number that was drawn instead."""
    if chain.kind in ("goal", "update"):
        return True
    return next(iter(true_values(chain, bench)), None) is not None


def _of_goal(chain: Chain, expr: Expr, bench: Bench) -> float:
    """The scalar that the goals add up to, with a right side in the place of this goal's."""
    (number,) = [n for n, g in enumerate(bench.system.goals) if g.value == chain.forms[0].expr][:1]
    goals = list(bench.system.goals)
    goals[number] = replace(goals[number], value=expr)
    same = goals[number] == bench.system.goals[number]
    run = bench.run if same else _run(replace(bench.system, goals=tuple(goals)), bench)
    try:
        return difference(np.asarray([[run.loss()]]), np.asarray([[bench.by_torch.loss]]))
    except _SENSELESS:
        return float("inf")
