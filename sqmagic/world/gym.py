"""Our environments as Gymnasium's: `gymnasium.make("sqmagic/CartPole-v0")`, or `make_vec` for many at once.

gymnasium.register_envs(sqmagic.world.gym)
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from sqmagic.world import lanes
from sqmagic.world.lanes import Kind, Lanes
from sqmagic.world.spaces import Array, Space

RATE = 30
Seen = tuple[Array, dict[str, Any]]
Stepped = tuple[Array, Array, Array, Array, dict[str, Any]]


def space(own: Space) -> spaces.Space[Any]:
    """A space of ours as Gymnasium's."""
    if own.count:
        return spaces.Discrete(own.count)
    return spaces.Box(own.low, own.high, own.shape, np.dtype(own.dtype).type)


def _kind(named: str | Kind) -> Kind:
    return lanes.kind(named) if isinstance(named, str) else named


class VectorEnv(gymnasium.vector.VectorEnv[Array, Array, Array]):
    """`num_envs` environments of one kind. By default an episode that ends begins anew in the same step, and
    `info["final_obs"]` is what every environment showed before that; Gymnasium's other two modes are to be had.
    Other keywords are those of `Lanes`.
    """

    def __init__(
        self,
        kind: str | Kind,
        num_envs: int = 1,
        *,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
        render_mode: str | None = None,
        max_episode_steps: int | None = None,
        **options: Any,
    ) -> None:
        self.lanes = Lanes(_kind(kind), num_envs, limit=max_episode_steps, **options)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": RATE, "autoreset_mode": self.mode}
        self.single_observation_space = space(self.lanes.observation)
        self.single_action_space = space(self.lanes.action)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._waiting = np.zeros(num_envs, bool)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Seen:
        """Begins episodes; `options["reset_mask"]` says where."""
        super().reset(seed=seed)
        mask = (options or {}).get("reset_mask")
        if mask is None:
            drawn = int(self.np_random.integers(2**63)) if seed is None and self.np_random_seed is None else seed
            self.lanes.reset(drawn)
        else:
            fresh = mask & ~self._waiting  # where an episode ended, the next one is open already
            if fresh.any():
                self.lanes.reset(mask=fresh)
        self._waiting &= False if mask is None else ~mask
        return self._seen(), {}

    def step(self, actions: Array) -> Stepped:
        """Observations, rewards, terminated, truncated, and `final_obs` where episodes begin anew at once."""
        held = self._held() if self._waiting.any() else None
        self.lanes.step(actions)
        reward, terminated, truncated = (
            a.copy() for a in (self.lanes.reward, self.lanes.terminated, self.lanes.truncated)
        )
        if held is not None:
            self._put_back(held)
            for array in (reward, terminated, truncated):
                array[self._waiting] = 0
        over = terminated | truncated
        if self.mode is AutoresetMode.SAME_STEP:
            info = {"final_obs": self.lanes.final.copy(), "_final_obs": over} if over.any() else {}
            return self.lanes.obs.copy(), reward, terminated, truncated, info
        if self.mode is AutoresetMode.NEXT_STEP:
            self._waiting = over
        else:
            self._waiting |= over
        return self._seen(), reward, terminated, truncated, {}

    def _seen(self) -> Array:
        """What is shown: where an episode ended and none may begin yet, its last observation."""
        seen = self.lanes.obs.copy()
        seen[self._waiting] = self.lanes.final[self._waiting]
        return seen

    def _rows(self) -> list[Array]:
        own = self.lanes
        return [*own.state.values(), own.chance, own.t, own.so_far, own.obs, own.final]

    def _held(self) -> list[Array]:
        if self.mode is AutoresetMode.DISABLED:
            raise ValueError("an episode is over and was not begun anew: reset(options={'reset_mask': …}) comes first")
        return [rows[self._waiting].copy() for rows in self._rows()]

    def _put_back(self, held: list[Array]) -> None:
        for rows, kept in zip(self._rows(), held, strict=True):
            rows[self._waiting] = kept

    def render(self) -> tuple[Array, ...] | None:
        """A picture [height, width, 3] of each environment."""
        if self.render_mode is None:
            return None
        return tuple(self.lanes.draw(lane) for lane in range(self.num_envs))


class Env(gymnasium.Env[Array, Any]):
    """One environment of a kind, which does not begin anew by itself."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": RATE}  # noqa: RUF012

    def __init__(self, kind: str | Kind, *, render_mode: str | None = None, **options: Any) -> None:
        self.lanes, self.render_mode = Lanes(_kind(kind), 1, **options), render_mode
        self.observation_space, self.action_space = space(self.lanes.observation), space(self.lanes.action)
        self._begun = False

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Seen:
        super().reset(seed=seed)
        drawn = None if self._begun and seed is None else int(self.np_random.integers(2**63))
        self._begun = True
        return self.lanes.reset(drawn)[0].copy(), {}

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        own = self.lanes
        own.step(np.asarray(action)[None])
        return own.final[0].copy(), float(own.reward[0]), bool(own.terminated[0]), bool(own.truncated[0]), {}

    def render(self) -> Array | None:
        return None if self.render_mode is None else self.lanes.draw()


def identifier(name: str) -> str:
    """What Gymnasium calls an environment of ours."""
    return f"sqmagic/{name}-v0"


for _name in lanes.names():
    if identifier(_name) not in gymnasium.registry:
        gymnasium.register(
            identifier(_name),
            entry_point="sqmagic.world.gym:Env",
            vector_entry_point="sqmagic.world.gym:VectorEnv",
            kwargs={"kind": _name},
        )
