"""The outside as a program meets it while it acts: the environment, its buffers, chance and the behaviour policy.

What generated code calls is here. `World` counts episodes as they end; told to be greedy it does what is likeliest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sqmagic.runtime.blueprint import Store
from sqmagic.runtime.blueprint import World as Facts
from sqmagic.runtime.environments import Environment, State, Step
from sqmagic.runtime.replay import Buffer, Roles

Behaviour = Callable[[Tensor], Any]


class Episode(NamedTuple):
    """An episode that has ended: after how many steps of all environments together, its return, and its length."""

    step: int
    total: float
    length: int


def facts(env: Environment) -> Facts:
    """What a program must know of an environment."""
    seen, taken = env.observation, env.action
    return Facts(env.name, () if seen.count else tuple(seen.shape), seen.count, taken.count, tuple(taken.shape))


def buffers(stores: Mapping[str, Store], seed: int) -> dict[str, Buffer]:
    """The buffers that a program declares, empty."""
    return {name: _buffer(store, seed) for name, store in stores.items()}


def _buffer(store: Store, seed: int) -> Buffer:
    given = dict(store.settings)
    alpha, steps = given.get("alpha"), int(given.get("steps", 1))
    names = tuple(name or str(n) for n, name in enumerate(store.fields))
    return Buffer(
        store.capacity,
        batch=int(given.get("batch", 256)),
        names=names,
        seed=seed,
        alpha=alpha,
        beta=given.get("beta", 0.4),
        steps=steps,
        gamma=given.get("gamma", 0.99),
        roles=Roles(),
    )


@dataclass(slots=True)
class World:
    """An environment that a program acts on. `steps` counts the steps of all its examples together, `ended` holds the
    examples whose episode ended at the last step, with their returns. What it gives has the `dtype` of the weights.
    `chance` is that of each environment where C draws."""

    env: Environment
    stores: dict[str, Buffer] = field(default_factory=dict)
    behaviour: Behaviour | None = None
    greedy: bool = False
    dtype: torch.dtype = torch.float32
    steps: int = 0
    episodes: list[Episode] = field(default_factory=list)
    ended: list[tuple[int, float]] = field(default_factory=list)
    chance: Any = None
    _seed: int | None = None
    _seen: Tensor = field(default_factory=lambda: torch.empty(0))
    _totals: Any = None
    _lengths: Any = None

    @property
    def batch(self) -> int:
        return self.env.batch

    @property
    def seed(self) -> int:
        """That from which all chance follows."""
        if self._seed is None:
            self._seed = int(torch.randint(2**31, ()))
        return self._seed

    @property
    def totals(self) -> Any:
        """The returns so far of the episodes that go on, float64."""
        return self._totals

    @property
    def lengths(self) -> Any:
        """Their lengths, int64."""
        return self._lengths

    def reset(self) -> tuple[State, Tensor]:
        state, seen = self.env.reset(self._seed)
        self._totals, self._lengths = np.zeros(self.batch), np.zeros(self.batch, np.int64)
        self._seen = self._laid(seen)
        return state, self._seen

    def step(self, state: State, action: Tensor, last: bool = True) -> Step:
        """One step; `last` says that no other is made from this state: what others lead to counts in no episode."""
        found = self.env.step(state, action, last)
        seen, r, d, cut = self._laid(found.O), found.r.to(self.dtype), found.d.to(self.dtype), found.cut.to(self.dtype)
        if last:
            self._seen = seen
            self._count(found.r, found.cut)
        return Step(found.S, seen, r, d, cut, self._laid(found.O_prime))

    def add(self, name: str, *rows: Tensor) -> None:
        self.stores[name].add(*rows)

    def get(self, name: str, count: int) -> tuple[Tensor, ...]:
        """What a buffer draws, field by field; weights and discounts come after the fields."""
        drawn = self.stores[name].get()
        found = tuple(drawn.fields.values())
        more = tuple(extra for extra in (drawn.weights, drawn.discount) if extra is not None)
        return (found + more)[:count]

    def behave(self) -> Tensor:
        """An action of the behaviour policy, which sees what was seen last; by itself any action."""
        if self.behaviour is None:
            return self._column(self.env.random_action())
        return self._column(torch.as_tensor(self.behaviour(self._seen)))

    def sample(self, policy: Tensor) -> Tensor:
        """An action for each row of probabilities: of exponential waiting times at these rates the shortest (which is
        what torch.multinomial does, after tests that take longer than the draw)."""
        if self.greedy:
            return policy.argmax(-1, keepdim=True)
        return (policy / torch.empty_like(policy).exponential_()).argmax(-1, keepdim=True)

    def eps_greedy(self, values: Tensor, eps: float) -> Tensor:
        best = values.argmax(-1, keepdim=True)
        if self.greedy:
            return best
        return torch.where(torch.rand(best.shape) < eps, torch.randint_like(best, values.shape[-1]), best)

    def gauss(self, like: Tensor, *shape: int, of: str | None = None) -> Tensor:
        """Standard normal noise, a row for each environment, or for each example that the buffer `of` draws."""
        sizes = (self.batch if of is None else self.stores[of].batch, *shape)
        return like.new_zeros(sizes) if self.greedy else torch.randn(sizes, dtype=like.dtype, device=like.device)

    def _laid(self, seen: Tensor) -> Tensor:
        """Whole numbers as [batch, 1], others as the weights are."""
        seen = seen.to(self.dtype) if seen.is_floating_point() else seen
        return seen.unsqueeze(1) if seen.dim() == 1 else seen

    def _column(self, action: Tensor) -> Tensor:
        return action.reshape(self.batch, -1)

    def _count(self, reward: Tensor, cut: Tensor) -> None:
        self._totals += reward.numpy()[:, 0]
        self._lengths += 1
        self.steps += self.batch
        ended = np.flatnonzero(cut.numpy())
        self.ended = [(int(lane), float(self._totals[lane])) for lane in ended]
        self.episodes += [Episode(self.steps, total, int(self._lengths[lane])) for lane, total in self.ended]
        if len(ended):
            self._totals[ended] = 0
            self._lengths[ended] = 0
