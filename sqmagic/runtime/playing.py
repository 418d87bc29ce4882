"""`train_on`: windows of the horizon, each acted and then learned from; and playing without learning.

How a run begins and goes on is said in `runs`. What learning does to the weights is what `fit` does, one window a step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sqmagic.runtime import generated
from sqmagic.runtime.amounts import learning_rate, real, whole
from sqmagic.runtime.chance import seeded
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.environments import Environment
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.live import Live, live
from sqmagic.runtime.optimisers import without_effect
from sqmagic.runtime.played import Played
from sqmagic.runtime.rollout import World, buffers, facts
from sqmagic.runtime.runs import Run, Settings, Ways, environment_of, run_of
from sqmagic.runtime.turned import NotFinite, turned
from sqmagic.runtime.weights import Weights
from sqmagic.runtime.windows.engine import engine
from sqmagic.runtime.windows.training import Asked, Training
from sqmagic.runtime.windows.training import run as windows_in_c
from sqmagic.world.errors import WorldError


def train_on(net: Compiled, source: Any, settings: Settings) -> Played:
    """Acts and learns until `steps` more steps are made; goes on with the former run if no environment is named."""
    _are_numbers(settings)
    counts = (settings.steps, settings.batch, settings.horizon, settings.epochs, settings.minibatches)
    if min(count for count in counts if count is not None) < 1:
        raise InputError("`steps`, `batch`, `horizon`, `epochs` and `minibatches` must be at least 1")
    with run_of(net, source, settings) as run:
        without_effect(run.moves, lr=settings.lr, optimizer=settings.optimizer)
        was_training, history = net.training, run.history
        history.interrupted, history.stopped = False, None
        with live(history, settings.steps, settings.progress) as shown:
            try:
                _windows(net, run, shown, settings)
            except KeyboardInterrupt:
                history.interrupted = True
            except NotFinite as reason:
                history.stopped = str(reason)
            finally:
                run.moves.zero_grad()
                net.train(was_training)
    return history


def _are_numbers(s: Settings) -> None:
    whole(steps=s.steps, batch=s.batch, horizon=s.horizon, epochs=s.epochs, minibatches=s.minibatches)
    whole(warmup=s.warmup, seed=s.seed)
    real(until=s.until)
    learning_rate(None if callable(s.lr) else s.lr)


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
        else:
            run.memory, recorded = run.engine.act(code, world, memory, ways.horizon)
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
    if not math.isfinite(value):
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


def _not_finite(run: Run, value: float, why: str) -> NotFinite:
    number = len(run.history.losses) + 1
    return NotFinite(f"the loss of update {number} is {value}: {why}\n  the weights are the last good ones")


# --- playing without learning --------------------------------------------------------------------


def play(net: Compiled, source: Any, episodes: int, greedy: bool, seed: int | None, batch: int | None) -> list[float]:
    """The returns of whole episodes, as the program acts, or by what is likeliest; each environment's first ones, so
    that short episodes are not counted more often."""
    env = environment_of(net, source, batch)
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
    with seeded(seed), torch.no_grad():
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
