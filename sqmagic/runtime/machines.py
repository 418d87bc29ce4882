"""What environments are made of: ours in C, or Gymnasium's, single and vector, with one face.

A machine is no value: a step changes it. It can be saved and loaded; `environments` makes immutable states of that.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sqmagic.world.errors import WorldError
from sqmagic.world.lanes import Lanes
from sqmagic.world.spaces import Array, Space, bounded, counted

if TYPE_CHECKING:
    import gymnasium


@dataclass(frozen=True, slots=True)
class Seen:
    """A step of a batch, in arrays that nobody changes any more: observations (already of the next episode where one
    ended), rewards, terminated, terminated or truncated, and the observations before episodes began anew."""

    obs: Array
    reward: Array
    over: Array
    cut: Array
    final: Array


class Machine(Protocol):
    """A batch of environments that a step changes."""

    name: str
    batch: int
    observation: Space
    action: Space

    @property
    def limit(self) -> int | None: ...
    def reset(self, seed: int | None) -> Array: ...
    def step(self, actions: Array) -> Seen: ...
    def save(self) -> Any: ...
    def load(self, saved: Any) -> None: ...
    def draw(self) -> Array: ...


class Own:
    """Environments in C."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes, self.name, self.batch = lanes, lanes.kind.name, lanes.batch
        self.observation, self.action = lanes.observation, lanes.action

    @property
    def limit(self) -> int | None:
        return self.lanes.limit or None

    def reset(self, seed: int | None) -> Array:
        return self.lanes.reset(seed).copy(order="C")

    def step(self, actions: Array) -> Seen:
        own = self.lanes
        own.step(actions)
        over = own.terminated.copy()
        cut = over | own.truncated
        obs = own.obs.copy(order="C")
        return Seen(obs, own.reward.copy(), over, cut, own.final.copy(order="C") if cut.any() else obs)

    def save(self) -> bytes:
        return self.lanes.save()

    def load(self, saved: bytes) -> None:
        self.lanes.load(saved)

    def draw(self) -> Array:
        return self.lanes.draw()


def space_of(own: Any, what: str) -> Space:
    """A space of Gymnasium's as ours. Raises WorldError for spaces that are neither Box nor Discrete."""
    import gymnasium.spaces as kinds

    match own:
        case kinds.Discrete():
            return counted(int(own.n))
        case kinds.Box():
            return bounded(
                own.shape or (1,),
                own.dtype.name,
                own.low.reshape(own.shape or (1,)),
                own.high.reshape(own.shape or (1,)),
            )
        case kinds.MultiBinary():
            return bounded(tuple(np.atleast_1d(own.n)), "int8", 0, 1)
        case _:
            raise WorldError(
                f"{what} is {own}; a program can take numbers in an array (Box) or one whole number (Discrete)\n"
                "  a wrapper can change that: gymnasium.wrappers.FlattenObservation, for one"
            )


def _limit(env: Any) -> int | None:
    """After how many steps an environment of Gymnasium's is cut off, as far as that can be seen: by a wrapper, by ours,
    by one of those side by side, or, of a vector that hides them, by what it was made from."""
    from gymnasium.vector import SyncVectorEnv, VectorEnv
    from gymnasium.wrappers import TimeLimit

    found: list[Any] = []
    while True:
        if isinstance(env, TimeLimit):
            found.append(env._max_episode_steps)
        inner = getattr(env, "env", None) if env is not getattr(env, "unwrapped", env) else None
        if inner is None:
            break
        env = inner
    if isinstance(env, SyncVectorEnv):
        found += map(_limit, env.envs)
    elif isinstance(getattr(env, "lanes", None), Lanes):
        found.append(env.lanes.limit)
    elif isinstance(env, VectorEnv) and env.spec is not None:
        found.append(env.spec.max_episode_steps)
    return min((int(steps) for steps in found if isinstance(steps, int) and steps > 0), default=None)


def _start(own: Any) -> int:
    return int(getattr(own, "start", 0))


class _Theirs:
    """What the two kinds of Gymnasium have in common."""

    def __init__(self, env: Any, batch: int, seen: Any, taken: Any) -> None:
        self.env, self.batch = env, batch
        self.name: str = env.spec.id if env.spec else type(env.unwrapped).__name__
        self.observation = space_of(seen, f"what {self.name} shows")
        self.action = space_of(taken, f"what {self.name} takes")
        self._first, self._seen_first = _start(taken), _start(seen)

    @property
    def limit(self) -> int | None:
        return _limit(self.env)

    def reset(self, seed: int | None) -> Array:
        return self._array(self.env.reset(seed=seed)[0])

    def _array(self, seen: Any) -> Array:
        kind = np.dtype(self.observation.dtype)
        found: Array = np.array(seen, kind).reshape(self.batch, *self.observation.shape) - kind.type(self._seen_first)
        return found

    def _allowed(self, action: Any) -> Any:
        if not self.env.action_space.contains(action):
            raise WorldError(f"{self.name} takes {self.env.action_space}, not {action}; nothing has moved")
        return action

    def save(self) -> Any:
        return _copied(self.env, self.name)

    def load(self, saved: Any) -> None:
        self.env = _copied(saved, self.name)

    def draw(self) -> Array:
        return _picture(self.env.render(), self.name)


class Single(_Theirs):
    """One environment of Gymnasium's, a batch of one; an episode that ends begins anew in the same step."""

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env, 1, env.observation_space, env.action_space)

    def step(self, actions: Array) -> Seen:
        seen, reward, over, truncated, _ = self.env.step(self._action(actions))
        final, cut = self._array(seen), bool(over) or bool(truncated)
        obs = self._array(self.env.reset()[0]) if cut else final
        return Seen(obs, np.array([reward], np.float64), np.array([over], bool), np.array([cut]), final)

    def _action(self, actions: Array) -> Any:
        own = self.env.action_space
        if self.action.count:
            return self._allowed(int(actions[0]) + self._first)
        return self._allowed(actions[0].reshape(own.shape).astype(own.dtype))


class Many(_Theirs):
    """A vector environment of Gymnasium's, whatever its way of beginning episodes anew."""

    def __init__(self, env: gymnasium.vector.VectorEnv[Any, Any, Any]) -> None:
        from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv

        super().__init__(env, int(env.num_envs), env.single_observation_space, env.single_action_space)
        mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self.same_step = mode is AutoresetMode.SAME_STEP
        masked = mode is AutoresetMode.DISABLED or isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv)
        if not self.same_step and not masked:
            raise WorldError(
                f"{self.name} begins an episode anew one step late, with a step that no action makes; "
                "that cannot be learnt from\n"
                "  make it with vector_kwargs={'autoreset_mode': gymnasium.vector.AutoresetMode.SAME_STEP}, or with "
                "vectorization_mode='sync'"
            )

    def step(self, actions: Array) -> Seen:
        seen, reward, over, truncated, info = self.env.step(self._actions(actions))
        obs = final = self._array(seen)
        over = np.array(over, bool)
        cut = over | np.asarray(truncated, bool)
        if cut.any() and self.same_step:
            final = obs.copy()
            for lane in np.flatnonzero(cut):
                final[lane] = np.asarray(info["final_obs"][lane]).reshape(self.observation.shape) - self._seen_first
        elif cut.any():
            fresh = self._array(self.env.reset(options={"reset_mask": cut})[0])
            obs = np.where(cut.reshape(-1, *[1] * (final.ndim - 1)), fresh, final)
        return Seen(obs, np.array(reward, np.float64), over, cut, final)

    def _actions(self, actions: Array) -> Any:
        own = self.env.action_space
        return self._allowed(
            np.asarray(actions).reshape(own.shape).astype(own.dtype) + np.asarray(self._first, own.dtype)
        )


def _copied(env: Any, name: str) -> Any:
    """An environment with all its memory, windows on the screen apart."""
    try:
        return copy.deepcopy(env)
    except Exception as reason:
        raise WorldError(
            f"a state of {name} is read twice, so its memory must be copied, and that cannot be done: {reason}\n"
            "  read each state once"
        ) from reason


def _picture(drawn: Any, name: str) -> Array:
    first = drawn[0] if isinstance(drawn, list | tuple) and len(drawn) else drawn
    if not isinstance(first, np.ndarray):
        raise WorldError(f"{name} draws no pictures; make it with render_mode='rgb_array'")
    return first
