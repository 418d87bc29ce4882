"""`check`: every right side that a sheet shows, computed in float64 by the judge, against torch.autograd.

The program is unrolled over a few steps by the code that is generated for it; a probe on every state gives what torch
says its adjoint is. States before the first step and past the last one are random, sizes are distinct primes, a draw
near a kink is not used, and what is not finite is wrong. A form that fails is never shown: `WrongForm` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sqmagic.calculus.adjoint import Adjoint, adjoint
from sqmagic.calculus.derivation.derive import derive
from sqmagic.calculus.derivation.forms import Chain, Derivation
from sqmagic.calculus.outside import from_outside, given_states, has_effect
from sqmagic.checking.autograd import Derivatives, derivatives
from sqmagic.checking.boundaries import drawn_states, with_random_boundaries
from sqmagic.checking.draws import Arrays, drawn, kept
from sqmagic.checking.sizes import primes
from sqmagic.checking.steps import stepped
from sqmagic.equations.interpret import UNDEFINED, CannotInterpret, Run, interpret
from sqmagic.equations.shapes import Shapes, settle
from sqmagic.equations.show import show, show_state
from sqmagic.equations.system import Apply, Equation, Expr, Fixed, Read, Running, System, Target, pinned, runs, walk
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains

STEPS, BATCH, WORST, NEAR = 4, 2, 1e-9, 1e-6
"""T at least; examples; the largest relative error of a form that is right; how near to a kink a draw may not be."""


class WrongForm(AssertionError):
    """A form of a sheet is not what torch computes: an error of sqmagic, and not of the program."""


class CannotCheck(ValueError):
    """A sheet that cannot be judged: no random values are found at which the program is defined and smooth (`max(x, x)`
    never is), or it calls a torch module."""


@dataclass(frozen=True, slots=True)
class Checked:
    """How many right sides were checked, and the worst error, relative to the largest component."""

    forms: int
    worst: float


@dataclass(frozen=True, slots=True)
class Bench:
    """A program on random values: what the judge computes and what torch says, ready to be asked for any form.

    `drawn` are the base cases that are random here, `given` what an optimiser has kept, `run` computes the program.
    """

    system: System
    made: Adjoint
    shapes: Shapes
    parameters: Arrays
    inputs: Arrays
    horizon: int
    by_torch: Derivatives
    held: Domains
    given: Arrays
    drawn: frozenset[Read]
    run: Run


def check(system: System, *, integers: Mapping[str, int] | None = None) -> tuple[Derivation, Checked]:
    """The sheet of a System as it is before shapes are known, checked; sizes are the check's own.

    Raises WrongForm, which names the first form that fails, and CannotCheck.
    """
    sheet, bench = prepared(system, integers=integers)
    return sheet, checked(sheet, bench)


def checked(sheet: Derivation, bench: Bench) -> Checked:
    """Raises WrongForm, which names the first form that fails."""
    sides = [(chain, form.expr) for chain in sheet.chains if is_judged(chain, bench) for form in chain.forms]
    found = judged(sides, bench)
    for (chain, expr), wrong in zip(sides, found, strict=True):
        if not wrong <= WORST:
            left = ", ".join(map(show, chain.left)) or chain.kind
            raise WrongForm(f"sqmagic is wrong: {left} is not {show(expr)} (by {wrong:.1e})")
    return Checked(len(found), max(found, default=0.0))


def prepared(system: System, *, integers: Mapping[str, int] | None = None) -> tuple[Derivation, Bench]:
    """The sheet of a System, and a bench on which its forms can be judged."""
    modules = [layer.name for layer in system.layers if layer.function == "module"]
    if modules:
        raise CannotCheck(f"`{modules[0]}` is a torch module, and what it computes is its own")
    shapes = primes(system, integers)
    return sheet_and_bench(settle(system, shapes), shapes)


def unchecked(system: System, *, integers: Mapping[str, int] | None = None) -> Derivation:
    """The sheet alone."""
    shapes = primes(system, integers)
    return _sheet(settle(system, shapes), shapes)[0]


def sheet_and_bench(system: System, shapes: Shapes) -> tuple[Derivation, Bench]:
    """The same for a System whose shapes are known."""
    sheet, closed, shapes = _sheet(system, shapes)
    order = dependence(closed)
    opened = with_random_boundaries(closed, order, domains(closed, order))
    return sheet, bench_of(opened, _with_points(shapes, drawn_states(opened)), sheet)


def _sheet(system: System, shapes: Shapes) -> tuple[Derivation, System, Shapes]:
    """The sheet, the System without effects that it is of, and the shapes of that."""
    closed = from_outside(system, domains(system))
    sizes = _with_points(_with_choices(system, shapes), dict(given_states(closed)))
    return derive(closed, sizes, domains(closed), system), closed, sizes


def _with_choices(system: System, shapes: Shapes) -> Shapes:
    """What picks a component is a whole number, wherever it comes from (an action that a buffer gives back)."""
    values = [e.value for e in system.equations] + [g.value for g in system.goals]
    found = {
        node.args[1].state
        for value in values
        for node in walk(value)
        if isinstance(node, Apply) and node.op in ("index", "log_prob") and isinstance(node.args[1], Read)
    }
    fresh = {t.state for e in system.equations if has_effect(e.value) for t in e.targets} & found - shapes.integers
    classes = {**shapes.classes, **{state: shapes.classes.get(state, 2) for state in fresh}}
    return replace(shapes, integers=shapes.integers | fresh, classes=classes)


def _with_points(shapes: Shapes, names: Mapping[str, str]) -> Shapes:
    states = {**shapes.states, **{name: shapes.states[state] for name, state in names.items()}}
    whole = shapes.integers | {name for name, state in names.items() if state in shapes.integers}
    classes = {**shapes.classes, **{n: shapes.classes[s] for n, s in names.items() if s in shapes.classes}}
    return replace(shapes, states=states, integers=whole, classes=classes)


def bench_of(system: System, shapes: Shapes, sheet: Derivation) -> Bench:
    """Draws until values are finite and no kink is near."""
    held = domains(system)
    made = adjoint(system, shapes, held, layers=True)
    system = replace(system, equations=made.sources)
    names = {**shapes.states, **made.shapes}
    sizes = replace(shapes, states=names)
    forward = replace(system, equations=made.forward, goals=made.system.goals)
    horizon = max(STEPS, held.horizon + 1) if system.indices else 0
    wanted = frozenset(state[1:] for state in made.shapes if state.startswith("^")) & {
        t.state for e in made.forward for t in e.targets
    }
    for seed in range(20):
        parameters, inputs = drawn(system, shapes, horizon, BATCH, seed)
        if _near_a_kink(forward, sizes, parameters, inputs, horizon):
            continue
        by_torch = derivatives(forward, sizes, wanted, parameters, inputs, horizon=horizon, batch=BATCH)
        if not np.isfinite(by_torch.loss):
            continue
        given = kept(sheet.given, seed)
        points = frozenset(
            Read(e.targets[0].state, e.targets[0].context)
            for e in system.equations
            if isinstance(e.value, Read) and e.value.state in drawn_states(system)
        )
        run = interpret(
            system, parameters=parameters, inputs=inputs, horizon=horizon or None, shapes=sizes, batch=BATCH
        )
        return Bench(system, made, sizes, parameters, inputs, horizon, by_torch, domains(forward), given, points, run)
    raise CannotCheck("no random values were found at which the program is defined and smooth")


KINKS: dict[str, Callable[..., list[Expr]]] = {
    "relu": lambda x: [x],
    "abs": lambda x: [x],
    "mae": lambda p, y: [Apply("sub", (p, y))],
    "maximum": lambda x, y: [Apply("sub", (x, y))],
    "minimum": lambda x, y: [Apply("sub", (x, y))],
    "clip": lambda x, low, high: [Apply("sub", (x, low)), Apply("sub", (x, high))],
}
"""What must not be near 0."""


def _near_a_kink(system: System, shapes: Shapes, parameters: Arrays, inputs: Arrays, horizon: int) -> bool:
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
    run = interpret(
        asked, parameters=parameters, inputs=inputs, horizon=horizon or None, shapes=shapes, batch=BATCH
    )  # fmt: skip
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


# --- judging -------------------------------------------------------------------------------------


Wanted: TypeAlias = tuple[Expr, int | None]
"""A right side at a step, or once."""


def errors(chain: Chain, bench: Bench) -> list[float]:
    """The error of each form of a chain, in order."""
    return judged([(chain, form.expr) for form in chain.forms], bench)


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


def difference(value: Any, expected: NDArray[np.float64]) -> float:
    """Relative to the largest component; of what is not defined the truth must be 0."""
    if value is UNDEFINED:
        return 0.0 if not np.abs(expected).max(initial=0.0) else float("inf")
    if value.shape[1:] == (1,):
        value = value.reshape((len(value),) + (1,) * (expected.ndim - 1))
    if not (np.isfinite(value).all() and np.isfinite(expected).all()):
        return float("inf")
    try:
        apart = np.abs(np.broadcast_to(value, (max(len(value), len(expected)), *expected.shape[1:])) - expected)
    except ValueError:
        return float("inf")
    return float(apart.max(initial=0.0) / max(1e-3, np.abs(expected).max(initial=0.0)))


def true_values(chain: Chain, bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    """What torch says of a chain's left side, by step."""
    match chain.kind, chain.left:
        case "gradient", (Read(state),):
            name = state[1:]
            yield None, bench.by_torch.parameters.get(name, np.zeros(bench.shapes.parameters[name]))[None]
        case (("adjoint" | "delta"), (Read(state, context),)):
            yield from _true_adjoint(state, bool(context), bench)
        case "state", left:
            yield from _true_states(left, bench)
        case _:
            return


def _true_adjoint(state: str, moving: bool, bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    name = state[1:]
    if name not in bench.by_torch.states:
        alias = {e.targets[0].state: e.value for e in bench.made.backward if e.targets}.get(state)
        if isinstance(alias, Read):
            yield from _true_adjoint(alias.state, moving, bench)
        elif alias is None:
            yield from _zero(name, bench)
        return
    value = bench.by_torch.states[name] * BATCH
    if not moving:
        yield None, value
        return
    first = bench.by_torch.first[name]
    own = _steps_of_part(state, bench)
    yield from ((first + row, each) for row, each in enumerate(value) if own is None or first + row in own)


def _steps_of_part(state: str, bench: Bench) -> range | None:
    """The steps of the equation that a part is of: a part may be there when the whole is not."""
    for source, found in bench.made.reversed.items():
        if source.steps is not None and any(named.state == state for named in found.hats):
            return range(source.steps[0], bench.horizon + source.steps[1] + 1)
    return None


def _zero(name: str, bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    shape = (BATCH, *bench.shapes.states[name])
    steps = bench.held.states.get(name)
    for at in steps.steps(bench.horizon) if steps is not None else (None,):
        yield at, np.zeros(shape)


def _true_states(left: Sequence[Expr], bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    for read in left:
        assert isinstance(read, Read)
        values = bench.by_torch.values
        key = show_state(read.state, tuple(i for i in read.context if not isinstance(i, Running)))
        if len(left) > 1 or key not in values or read in bench.drawn:
            return
        if any(isinstance(i, Running) for i in read.context):
            first, _ = bench.by_torch.rows[read.state]
            steps = bench.held.states[read.state]
            for at in steps.steps(bench.horizon):
                yield at, values[key][at - first]
        else:
            yield None, values[key]
