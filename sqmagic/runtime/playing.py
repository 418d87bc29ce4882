"""`train_on`: windows of the horizon, each acted and then learned from; and playing without learning.

A run keeps where it is (the environment, the memory between windows, the optimiser, chance), so that it can be stopped
and continued as if it had not been. What learning does to the weights is what `fit` does, one window a step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sqmagic.runtime import generated
from sqmagic.runtime.amounts import real, whole
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.environments import Environment, environment, is_made
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.live import Live, live
from sqmagic.runtime.optimisers import Optimiser, optimiser, without_effect
from sqmagic.runtime.played import Played
from sqmagic.runtime.rollout import Behaviour, World, buffers, facts
from sqmagic.runtime.turned import turned
from sqmagic.runtime.weights import Weights
from sqmagic.runtime.windows.engine import Engine, engine
from sqmagic.runtime.windows.training import Asked, Training
from sqmagic.runtime.windows.training import run as windows_in_c
from sqmagic.world.errors import WorldError

RATE = 1e-3
"""The learning rate where none is given."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What `train_on` is asked for. `steps` are those of all environments together. What is None is as it was in the
    run that goes on, or as `Ways` begin; `warmup` and `until` are of one call."""

    steps: int
    batch: int | None = None
    horizon: int | None = None
    lr: float | Callable[[float], float] | None = None
    optimizer: Any = None
    epochs: int | None = None
    minibatches: int | None = None
    warmup: int = 0
    policy: Behaviour | None = None
    seed: int | None = None
    progress: bool = True
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Ways:
    """How a run learns, for as long as nothing else is asked for."""

    horizon: int = 16
    lr: float | Callable[[float], float] = RATE
    optimizer: Any = None
    epochs: int = 1
    minibatches: int = 1


@dataclass(slots=True)
class Run:
    """Where a run is. `memory` is None where the next window begins with a reset; `source` is what gave the
    environment."""

    world: World
    moves: Optimiser
    ways: Ways
    source: Any = None
    memory: Any = None
    chance: Tensor | None = None
    history: Played = field(default_factory=Played)
    engine: Engine | None = None


class _NotFinite(Exception):
    """Learning must stop here; the text says why."""


def train_on(net: Compiled, source: Any, settings: Settings) -> Played:
    """Acts and learns until `steps` more steps are made; goes on with the former run if no environment is named."""
    _are_numbers(settings)
    counts = (settings.steps, settings.batch, settings.horizon, settings.epochs, settings.minibatches)
    if min(count for count in counts if count is not None) < 1:
        raise InputError("`steps`, `batch`, `horizon`, `epochs` and `minibatches` must be at least 1")
    with _chance(net, source, settings) as run:
        without_effect(run.moves, lr=settings.lr, optimizer=settings.optimizer)
        was_training, history = net.training, run.history
        history.interrupted, history.stopped = False, None
        with live(history, settings.steps, settings.progress) as shown:
            try:
                _windows(net, run, shown, settings)
            except KeyboardInterrupt:
                history.interrupted = True
            except _NotFinite as reason:
                history.stopped = str(reason)
            finally:
                run.moves.zero_grad()
                net.train(was_training)
    return history


def _are_numbers(s: Settings) -> None:
    whole(steps=s.steps, batch=s.batch, horizon=s.horizon, epochs=s.epochs, minibatches=s.minibatches)
    whole(warmup=s.warmup, seed=s.seed)
    real(lr=None if callable(s.lr) else s.lr, until=s.until)


@contextmanager
def _chance(net: Compiled, source: Any, settings: Settings) -> Iterator[Run]:
    """The run; with a seed, all that is drawn follows from it and nothing outside is changed."""
    former = net.run
    if source is None and settings.seed is None and former is not None:
        own = former.chance
        with torch.random.fork_rng(enabled=own is not None):
            if own is not None:
                torch.set_rng_state(own)
            _go_on(net, former, settings)
            yield former
            former.chance = None if own is None else torch.get_rng_state()
        return
    with torch.random.fork_rng(enabled=settings.seed is not None):
        if settings.seed is not None:
            torch.manual_seed(settings.seed)
        run = _begun(net, source, settings)
        net.run = run
        yield run
        run.chance = None if settings.seed is None else torch.get_rng_state()


def _begun(net: Compiled, source: Any, settings: Settings) -> Run:
    env = _environment(net, source, settings.batch)
    net.bind(facts(env))
    _leaves_actions_to(net, settings.policy)
    ways = _asked(Ways(net.blueprint.horizon or Ways().horizon), settings)
    moves = _moves(net, ways)
    seed = settings.seed if settings.seed is not None else int(torch.randint(2**31, ()))
    world = World(env, buffers(net.settled.stores, seed), settings.policy, dtype=net.reference.dtype, _seed=seed)
    return Run(world, moves, ways, net.env if source is None else source)


def _go_on(net: Compiled, run: Run, settings: Settings) -> None:
    """The run with what else is asked for now."""
    if settings.batch not in (None, run.world.batch):
        raise InputError(
            f"the run that goes on has {run.world.batch} examples, not {settings.batch}\n"
            "  leave `batch` out; to begin anew, name the environment"
        )
    _leaves_actions_to(net, settings.policy)
    ways = _asked(run.ways, settings)
    if settings.optimizer is not None:
        run.moves = _moves(net, ways)
    elif settings.lr is not None and not callable(settings.lr):
        run.moves.set_rate(float(settings.lr))
    run.ways, run.world.behaviour = ways, settings.policy or run.world.behaviour


def _asked(before: Ways, settings: Settings) -> Ways:
    """What is asked for, and for the rest as before. Raises InputError."""
    names = ("horizon", "lr", "optimizer", "epochs", "minibatches")
    ways = replace(before, **{n: given for n in names if (given := getattr(settings, n)) is not None})
    made = isinstance(ways.optimizer, torch.optim.Optimizer)
    if made and settings.lr is not None and not callable(settings.lr):
        raise InputError(
            "`optimizer` is made already and has its own learning rate: leave `lr` out, or give its class; a function "
            "of the share that is done may be `lr`"
        )
    return replace(ways, lr=RATE) if made and settings.optimizer is not None and settings.lr is None else ways


def _leaves_actions_to(net: Compiled, policy: Behaviour | None) -> None:
    if policy is not None and not callable(policy):
        raise InputError(f"`policy` is a function of observations, not {type(policy).__name__}")
    if policy is not None and not net.settled.behaved:
        raise InputError("the program chooses its actions itself: `policy` is for those that it leaves open")


def _moves(net: Compiled, ways: Ways) -> Optimiser:
    rate = ways.lr(0.0) if callable(ways.lr) else ways.lr
    return optimiser(dict(net.named_parameters()), net.blueprint.updates, ways.optimizer or _adam, float(rate))


def _adam(parameters: Any, lr: float) -> torch.optim.Optimizer:
    """Adam with the eps that policy gradients are used with, and its steps in one kernel."""
    return torch.optim.Adam(parameters, lr=lr, eps=1e-5, fused=True)


def _environment(net: Compiled, source: Any, batch: int | None) -> Environment:
    given = source if source is not None else net.env
    if given is None:
        raise InputError("there is no environment yet: train_on(env, steps=…), or `%%seqnet --env`")
    asked = batch if batch is not None else _default_batch(given)
    if net.run is not None and net.run.source is given and is_made(given):
        return environment(net.run.world.env, batch=asked)  # one face for one machine: it knows in which state it is
    return environment(given, batch=asked)


def _default_batch(given: Any) -> int | None:
    """What is still to be made is made 16 times; what is made already is as it is."""
    return None if is_made(given) else 16


# --- the loop ------------------------------------------------------------------------------------


def _windows(net: Compiled, run: Run, shown: Live, settings: Settings) -> None:
    world, code, began, ways = run.world, net.code, run.world.steps, run.ways
    if run.memory is None:
        run.memory = generated.call(code, "begin", world)
    good = Weights(net)
    with shown.meanwhile("compiling"):
        run.engine = engine(net.windows, code, world, ways.horizon, run.moves, _whole(net, ways))
    while world.steps - began < settings.steps:
        net.train()
        memory, run.memory = run.memory, None  # what is interrupted cannot be gone on with
        if isinstance(run.engine.trains, Training):
            _in_one_call(net, run, run.engine.trains, memory, settings, began)
            shown.update(world.steps - began)
            if settings.until is not None and run.history.recent() >= settings.until:
                return
            continue
        memory, recorded = run.engine.act(code, world, memory, ways.horizon)
        run.memory = memory
        _rate(run, (world.steps - began) / settings.steps)
        if world.steps - began > settings.warmup:
            for part in _parts(net, recorded, ways):
                _learn(net, run, part, good)
        run.history.take(world)
        shown.update(world.steps - began)
        if settings.until is not None and run.history.recent() >= settings.until:
            return


def _whole(net: Compiled, ways: Ways) -> str:
    """Why each window is handed to torch, if it is."""
    if (ways.epochs, ways.minibatches) != (1, 1):
        return "a window is learned from several times, or in parts"
    return "nothing is learned" if not generated.has(net.code, "loss") else ""


def _in_one_call(net: Compiled, run: Run, trains: Training, memory: Any, settings: Settings, began: int) -> None:
    """As many windows as are left, or as a call has."""
    world, size = run.world, run.world.batch * run.ways.horizon
    made = world.steps - began
    count = min(trains.windows(size), -(-(settings.steps - made) // size))
    ends = [made + size * (n + 1) for n in range(count)]
    rates = []
    for end in ends:
        _rate(run, end / settings.steps)
        rates.append(run.moves.rate)
    found = windows_in_c(trains, world, memory, Asked(rates, [end > settings.warmup for end in ends], settings.until))
    run.memory = found.memory
    run.history.take(world)
    run.history.losses += found.losses
    if found.stopped:
        value = run.history.losses.pop()
        rows = generated.rows(net.code)
        raise _not_finite(run, value, turned(trains.values(rows), rows, written=partial(_name, net)))


def _rate(run: Run, share: float) -> None:
    """A learning rate that is a function of how much is done of what was asked for."""
    if callable(run.ways.lr):
        run.moves.set_rate(float(run.ways.lr(min(share, 1.0))))


def _parts(net: Compiled, recorded: dict[str, Tensor], ways: Ways) -> Iterator[dict[str, Tensor]]:
    """What each step of learning sees of a window: all of it, or in each epoch its examples divided anew by chance."""
    code, axis = net.code, {spec.state: int(spec.indexed) for spec in net.inputs}
    if generated.has(code, "collect"):
        recorded = generated.call(code, "collect", recorded)
    whole = {state: recorded[state] for state in axis}
    if ways.minibatches == 1:
        yield from (whole for _ in range(ways.epochs))
        return
    count = min(rows.shape[axis[state]] for state, rows in whole.items())
    if count < ways.minibatches:
        raise InputError(f"{count} examples cannot be divided into {ways.minibatches} minibatches")
    for _ in range(ways.epochs):
        for part in torch.randperm(count).chunk(ways.minibatches):
            yield {state: rows.index_select(axis[state], part) for state, rows in whole.items()}


def _learn(net: Compiled, run: Run, recorded: dict[str, Tensor], good: Weights) -> None:
    code, moves = net.code, run.moves
    names = generated.arguments(code)
    moves.zero_grad()
    loss = generated.call(code, "loss", **{names[state]: rows for state, rows in recorded.items()})
    value = float(loss.detach())
    if value != value or value in (float("inf"), float("-inf")):
        with torch.no_grad():
            given = {names[state]: rows for state, rows in recorded.items()}
            states = generated.Values(generated.call(code, "forward", **given))
        found = turned(((s, states[s]) for s in states), generated.rows(code), written=partial(_name, net))
        good.restore()
        raise _not_finite(run, value, found)
    good.take_now()
    loss.backward()
    moves.step()
    if generated.has(code, "follow"):
        generated.call(code, "follow")
    run.history.losses.append(value)


def _name(net: Compiled, state: str) -> str:
    """What a window keeps of A is `old(A)` in the program, and what it keeps of no state `old(…)`."""
    stem, point, last = state.rpartition(".")
    if state in net.blueprint.names or not point or "old" not in (stem, last):
        return state
    return f"old({stem})" if last == "old" else "old(…)"


def _not_finite(run: Run, value: float, why: str) -> _NotFinite:
    number = len(run.history.losses) + 1
    return _NotFinite(f"the loss of update {number} is {value}: {why}\n  the weights are the last good ones")


# --- playing without learning --------------------------------------------------------------------


def play(net: Compiled, source: Any, episodes: int, greedy: bool, seed: int | None, batch: int | None) -> list[float]:
    """The returns of whole episodes, as the program acts, or by what is likeliest; each environment's first ones, so
    that short episodes are not counted more often."""
    env = _environment(net, source, batch)
    net.bind(facts(env))
    _lend(net.run, env)
    each = -(-episodes // env.batch)
    totals: list[float] = []
    counts = [0] * env.batch
    for lanes in episodes_of(net, env, greedy, seed):
        for lane, total in lanes:
            if counts[lane] < each:
                counts[lane] += 1
                totals.append(total)
        if min(counts) >= each:
            return totals[:episodes] if env.batch == 1 else totals
    raise AssertionError("episodes go on until they are enough")


def _lend(run: Run | None, env: Environment) -> None:
    """The run's own environment is played on: it is kept as the run left it, or, if it cannot be copied, the run's next
    window begins with a reset."""
    if run is not None and run.world.env is env and run.memory is not None:
        try:
            env.keep()
        except WorldError:
            run.memory = None


def episodes_of(net: Compiled, env: Environment, greedy: bool, seed: int | None) -> Iterator[list[tuple[int, float]]]:
    """After the reset and after each step, the environments whose episode has ended, with their returns."""
    with torch.random.fork_rng(enabled=seed is not None), torch.no_grad():
        if seed is not None:
            torch.manual_seed(seed)
        world = World(env, buffers(net.settled.stores, seed or 0), None, greedy, net.reference.dtype, _seed=seed)
        was_training = net.training
        net.eval()
        try:
            memory = generated.call(net.code, "begin", world)
            yield []
            while True:
                memory, _ = generated.call(net.code, "act", world, memory, 1)
                yield world.ended
        finally:
            net.train(was_training)
