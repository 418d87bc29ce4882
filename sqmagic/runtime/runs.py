"""Runs on an environment: where one is, and how it begins, or goes on with what else is asked for.

A run keeps the environment, the memory between windows, the optimiser and chance, so that it can be stopped and
continued as if it had not been.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from sqmagic.runtime.chance import seeded
from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.environments import Environment, environment, is_made
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.optimisers import RATE, Optimiser, optimiser
from sqmagic.runtime.played import Played
from sqmagic.runtime.rollout import Behaviour, World, buffers, facts
from sqmagic.runtime.telling import counted
from sqmagic.runtime.windows.engine import Engine


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


@contextmanager
def run_of(net: Compiled, source: Any, settings: Settings) -> Iterator[Run]:
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
    with seeded(settings.seed):
        run = _begun(net, source, settings)
        net.run = run
        yield run
        run.chance = None if settings.seed is None else torch.get_rng_state()


def _begun(net: Compiled, source: Any, settings: Settings) -> Run:
    env = environment_of(net, source, settings.batch)
    net.bind(facts(env))
    _warn_of_limit(net, env)
    _leaves_actions_to(net, settings.policy)
    ways = _asked(Ways(net.blueprint.horizon or Ways().horizon), settings)
    moves = _moves(net, ways)
    seed = settings.seed if settings.seed is not None else int(torch.randint(2**31, ()))
    world = World(env, buffers(net.settled.stores, seed), settings.policy, dtype=net.reference.dtype, _seed=seed)
    return Run(world, moves, ways, net.env if source is None else source)


def _warn_of_limit(net: Compiled, env: Environment) -> None:
    """Tells, once for a net and an environment, what the program does wrong where an episode is cut off."""
    told: set[str] = net.__dict__.setdefault("_limits_told", set())
    limit = None if env.name in told else env.limit
    if limit is None:
        return
    told.add(env.name)
    found = net.blueprint.over_limits()
    if found:
        head = f"{env.name} cuts an episode off after {counted(limit, 'step')}"
        warnings.warn("\n".join([head, *found]), stacklevel=7)  # where `train_on` is called


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


def environment_of(net: Compiled, source: Any, batch: int | None) -> Environment:
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
