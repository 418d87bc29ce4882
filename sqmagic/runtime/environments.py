"""An environment as the notation has it: `reset() -> S_0, O_0` and `step(S, a) -> S, O, r, d, cut, O'`.

A state is a value: stepping twice from one state gives two futures that do not disturb each other. The memory of the
environments is copied only for that: a step that is told to be the last from its state (`last=True`) copies nothing.
A copy holds the environment's chance too, so the same action from the same state leads to the same future.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sqmagic.runtime.machines import Machine, Many, Own, Single
from sqmagic.runtime.telling import counted
from sqmagic.world import lanes
from sqmagic.world.errors import WorldError
from sqmagic.world.lanes import Kind, Lanes
from sqmagic.world.pictures import Film
from sqmagic.world.spaces import Space

Policy = Callable[[Tensor], Tensor | int | np.ndarray[Any, Any]] | Any


class State:
    """All that an environment's future depends on. It is made by `reset` and `step` and has no parts to look at."""

    __slots__ = ("__weakref__", "_owner", "_saved")

    def __init__(self, owner: Environment) -> None:
        self._owner, self._saved = owner, None

    _owner: Environment
    _saved: Any

    def __repr__(self) -> str:
        return f"a state of {self._owner.name}"


class Step(NamedTuple):
    """What a step gives: reals are [batch, 1] and [batch, *shape]; where `cut` is 1, O already opens the next episode,
    and O_prime is what was seen before."""

    S: State
    O: Tensor  # noqa: E741
    r: Tensor
    d: Tensor
    cut: Tensor
    O_prime: Tensor


class Environment:
    """A batch of environments. `observation` and `action` tell what a policy sees and does."""

    def __init__(self, machine: Machine, seed: int | None = None) -> None:
        self.machine, self._seed = machine, seed
        self.name, self.batch = machine.name, machine.batch
        self.observation: Space = machine.observation
        self.action: Space = machine.action
        self._now: weakref.ref[State] | None = None

    def __repr__(self) -> str:
        takes = f"{self.action.count} actions" if self.action.count else f"actions of {_shape(self.action)}"
        shows = f"{self.observation.count} values" if self.observation.count else _shape(self.observation)
        return f"{self.name} x {self.batch}: shows {shows}, takes {takes}"

    @property
    def limit(self) -> int | None:
        """The number of steps after which an episode is cut off; None if there is none, or none that is known."""
        return self.machine.limit

    def reset(self, seed: int | None = None) -> tuple[State, Tensor]:
        """New episodes everywhere: S_0 and O_0. With a seed, all chance follows from it."""
        self.keep()
        self._now = None
        given, self._seed = (self._seed if seed is None else seed), None
        seen = self.machine.reset(given)
        return self.became(), _tensor(seen, self.observation)

    def step(self, state: State, action: Tensor | np.ndarray[Any, Any], last: bool = False) -> Step:
        """The state after an action; `last` says that no other step will be made from `state`.

        Raises WorldError, ValueError or TypeError, and leaves everything as it was, if the action is none of this
        environment's.
        """
        self.enter(state, last)
        seen = self.machine.step(_actions(action, self.action, self.batch, self.name))
        after = self.became()
        obs = _tensor(seen.obs, self.observation)
        final = obs if seen.final is seen.obs else _tensor(seen.final, self.observation)
        return Step(after, obs, _column(seen.reward), _column(seen.over), _column(seen.cut), final)

    def became(self) -> State:
        """The state in which the memory is now."""
        state = State(self)
        self._now = weakref.ref(state)
        return state

    def enter(self, state: State, last: bool) -> None:
        """Makes the memory that of `state`, and keeps a copy if there may be another step from it."""
        if state._owner is not self:
            raise WorldError(f"this is {state!r} that belongs to another environment")
        if self._now is not None and self._now() is state:
            if not last and state._saved is None:
                state._saved = self.machine.save()
            return
        if state._saved is None:
            raise WorldError("the last step from this state was made already, so its memory was not kept")
        self.keep()
        self.machine.load(state._saved)
        self._now = weakref.ref(state)

    def keep(self) -> None:
        """Keeps the memory of the present state if anyone still has it."""
        present = self._now() if self._now is not None else None
        if present is not None and present._saved is None:
            present._saved = self.machine.save()

    def random_action(self, generator: torch.Generator | None = None) -> Tensor:
        """An action for each environment, all equally likely; bounds that are infinite count as -1 and 1."""
        if self.action.count:
            return torch.randint(self.action.count, (self.batch,), generator=generator)
        low = torch.as_tensor(np.where(np.isfinite(self.action.low), self.action.low, -1), dtype=torch.float32)
        high = torch.as_tensor(np.where(np.isfinite(self.action.high), self.action.high, 1), dtype=torch.float32)
        return low + (high - low) * torch.rand(self.batch, *self.action.shape, generator=generator)

    def picture(self) -> np.ndarray[Any, Any]:
        """The first environment as it is now, [height, width, 3]."""
        return self.machine.draw()

    def watch(self, policy: Policy | None = None, steps: int = 500, seed: int | None = None, rate: int = 30) -> Film:
        """An episode of the first environment as a film; `policy` is a net whose program acts, or gives actions for
        observations [batch, *], and without one they are drawn at random."""
        if policy is not None and hasattr(policy, "acted_on"):
            return self._film(policy.acted_on(self, seed), steps, rate)
        state, seen = self.reset(seed)
        frames, total = [self.picture()], 0.0
        for _ in range(steps):
            action = self.random_action() if policy is None else torch.as_tensor(policy(seen))
            state, seen, reward, _, cut, _ = self.step(state, action.reshape(self.batch, -1), last=True)
            total += float(reward[0])
            if bool(cut[0]):
                break
            frames.append(self.picture())
        return Film(tuple(frames), rate, f"{self.name}: return {total:g} in {len(frames)} steps")

    def _film(self, acted: Iterator[list[tuple[int, float]]], steps: int, rate: int) -> Film:
        """What is seen while something acts on this environment, which says step by step what episodes ended."""
        frames, told = [], ""
        for ended, _ in zip(acted, range(steps), strict=False):
            told = next((f", return {total:g}" for lane, total in ended if lane == 0), "")
            if told:
                break
            frames.append(self.picture())
        return Film(tuple(frames), rate, f"{self.name}: {len(frames)} steps{told}")


def environment(source: Any, batch: int | None = None, seed: int | None = None, **options: Any) -> Environment:
    """Whatever can be an environment as one: the name of ours, what a `%%seqenv` cell made, `Lanes`, or an environment,
    vector environment or identifier of Gymnasium's, or what is called to make an environment of it (its class).
    `options` are those of `Lanes`, of `gymnasium.make_vec`, or of what is called. Raises WorldError, also where there
    are not `batch` examples of what is made already."""
    if isinstance(source, str) and source in lanes.names():
        source = lanes.kind(source)
    if isinstance(source, Kind):
        return Environment(Own(Lanes(source, batch or 1, seed=seed or 0, **options)))
    if isinstance(source, Environment):
        made = source
    elif isinstance(source, Lanes):
        made = Environment(Own(source), seed)
    else:
        made = Environment(_gymnasium(source, batch, options), seed)
    if batch not in (None, made.batch):
        more = "; give what makes one, its class for one, and there are as many as asked for" * (made.batch == 1)
        raise WorldError(f"{made.name} is made already, {counted(made.batch, 'example')}, and not {batch}{more}")
    return made


def is_made(source: Any) -> bool:
    """Whether something steps already, and is not what an environment is made of: a name, a class, a function."""
    return hasattr(source, "step") and not isinstance(source, type)


def _gymnasium(source: Any, batch: int | None, options: dict[str, Any]) -> Machine:
    try:
        import gymnasium
    except ModuleNotFoundError:
        gymnasium = None  # type: ignore[assignment]
    known = ", ".join(lanes.names())
    if gymnasium is None:
        raise WorldError(f"there is no environment {source!r}; there are {known}, and Gymnasium's once it is installed")
    if isinstance(source, str):
        try:
            return _made(gymnasium, source, batch, options)
        except gymnasium.error.Error as reason:
            raise WorldError(f"there is no environment `{source}`: {reason}\n  ours are {known}") from reason
    if isinstance(source, gymnasium.vector.VectorEnv):
        return Many(source)
    if isinstance(source, gymnasium.Env):
        return Single(source)
    if callable(source):
        return _called(gymnasium, source, batch, options)
    several = "; several environments are one of gymnasium.vector, or a class and `batch`" * isinstance(source, list)
    raise WorldError(f"{type(source).__name__} is no environment; there are {known}, and Gymnasium's{several}")


def _made(gymnasium: Any, name: str, batch: int | None, options: dict[str, Any]) -> Machine:
    if batch is None:
        return Single(gymnasium.make(name, **options))
    mode = {"autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}
    return Many(gymnasium.make_vec(name, batch, vectorization_mode="sync", vector_kwargs=mode, **options))


def _called(gymnasium: Any, make: Callable[..., Any], batch: int | None, options: dict[str, Any]) -> Machine:
    """One environment of what makes them, or `batch` of them side by side."""
    first = make(**options)
    if not isinstance(first, gymnasium.Env):
        raise WorldError(f"{_named(make)} makes no environment of Gymnasium's, but {type(first).__name__}")
    if batch is None:
        return Single(first)
    makers = [lambda: first] + [lambda: make(**options)] * (batch - 1)
    made = Many(gymnasium.vector.SyncVectorEnv(makers, autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP))
    made.name = Single(first).name
    return made


def _named(source: Any) -> str:
    return str(getattr(source, "__name__", type(source).__name__))


def _shape(space: Space) -> str:
    return " x ".join(map(str, space.shape))


def _tensor(seen: np.ndarray[Any, Any], space: Space) -> Tensor:
    """Numbers as reals, and what counts as whole numbers."""
    found = torch.from_numpy(seen)
    return found.long().reshape(-1) if space.count else found.to(torch.get_default_dtype())


def _column(values: np.ndarray[Any, Any]) -> Tensor:
    real = np.float64 if torch.get_default_dtype() is torch.float64 else np.float32
    return torch.from_numpy(values.astype(real)[:, None])


def _actions(action: Any, space: Space, batch: int, name: str) -> np.ndarray[Any, Any]:
    """Actions as an array [batch] or [batch, *shape]; which numbers they are, the environment checks."""
    found = action.detach().cpu().numpy() if isinstance(action, Tensor) else np.asarray(action)
    if found.size != batch * space.size or (found.ndim and found.shape[0] != batch):
        raise WorldError(
            f"{name} takes {batch} actions of shape {_shape(space) or 1}, not an array {list(found.shape)}"
        )
    if space.count and found.dtype.kind not in "iub":
        raise TypeError(f"{name} takes whole numbers from 0 to {space.count - 1} as actions, not {found.dtype}")
    return found.reshape(batch) if space.count else found.reshape(batch, *space.shape)
