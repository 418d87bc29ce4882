"""A batch of one of our environments, as NumPy arrays over its own memory.

This is the machine and no value: a step overwrites what the step before showed. `sqmagic.runtime.environments` makes
immutable states of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from sqmagic.world import _core
from sqmagic.world.errors import WorldError
from sqmagic.world.spaces import Array, Space, bounded, counted

BLOCK = 1
"""Of a part: the elements of one lane lie together."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An environment that can be run: where its spec lies, and what keeps it loaded. `text` is its author's."""

    name: str
    address: int
    owner: object = None
    text: str = ""
    home: str = ""

    def __call__(self, batch: int = 1, **options: Any) -> Lanes:
        """`batch` environments of this kind; the options are those of `Lanes`."""
        return Lanes(self, batch, **options)

    def __repr__(self) -> str:
        return f"{self.name}, an environment: {_told(Lanes(self))}"


@dataclass(frozen=True, slots=True)
class Record:
    """What k steps showed, [k, batch, ...]; `final` is what was seen before an episode that ended began anew."""

    obs: Array
    final: Array
    reward: Array
    terminated: Array
    truncated: Array


def names() -> tuple[str, ...]:
    """Our own environments."""
    return tuple(_core.environments()["portable"])


def instruction_sets() -> tuple[str, ...]:
    """Those that this machine runs and that environments were compiled for, the best first."""
    return tuple(isa for isa in _core.environments() if isa != "float64")


def kind(name: str, precision: str = "float32", isa: str | None = None) -> Kind:
    """One of our own environments; `precision` float64 gives the reference that tests compare with."""
    if precision not in ("float32", "float64"):
        raise WorldError(f"an environment computes in float32 or float64, not in {precision}")
    every = _core.environments()
    own = every["float64"] if precision == "float64" else every[isa or next(iter(every))]
    if name not in own:
        raise WorldError(f"there is no environment `{name}`; there are {', '.join(own)}")
    return Kind(name, own[name])


class Lanes:
    """`batch` environments; environment i is of nothing but `seed` and `first_id + i`, whatever the batch.

    `limit` is the number of steps after which an episode is cut off (the author's unless given, 0 for never); other
    keywords set the author's parameters. `threads` splits the batch. The arrays `obs`, `final`, `reward`, `terminated`
    and `truncated` are of the last step, `state` gives the rows of the author's state by name; all are views.
    """

    def __init__(
        self,
        kind: Kind,
        batch: int = 1,
        *,
        seed: int = 0,
        first_id: int = 0,
        limit: int | None = None,
        threads: int = 1,
        **parameters: float,
    ) -> None:
        self.kind, self.batch, self.threads = kind, batch, threads
        self.core = _core.Batch(kind.address, batch, seed & (2**64 - 1), first_id, kind.owner)
        self.told: dict[str, Any] = self.core.describe()
        self.observation = _observed(self.told["obs"])
        self.action = _acted(self.told["act"][0], self.told["discrete"])
        if limit is not None:
            self.core.limit = limit
        memory: Array = np.frombuffer(self.core, np.uint8)  # type: ignore[call-overload]
        self._memory, self._width = memory, self.told["n_pad"]
        self._state_bytes: int = self.told["state_bytes"]
        at = self.core.places()
        real = "float64" if self.told["reference"] else "float32"
        self.parameters = {part[0]: self._parameter(at["param"] + part[6], part[1]) for part in self.told["param"]}
        self.state = {
            part[0]: self._rows(place, part[1], part[2], bool(part[5] & BLOCK))
            for place, part in zip(at["state"], self.told["state"], strict=True)
        }
        blocks = bool(self.told["obs"][0][5] & BLOCK)
        self.obs = self._rows(at["obs"], self.observation.dtype, self.observation.shape, blocks)
        self.final = self._rows(at["final_obs"], self.observation.dtype, self.observation.shape, blocks)
        self.reward, self.terminated = self._rows(at["rew"], real), self._rows(at["term"], "bool")
        self.truncated, self.t, self.so_far = (
            self._rows(at["trunc"], "bool"),
            self._rows(at["t"], "int32"),
            self._rows(at["ret"], real),
        )
        self.chance = memory[at["rng"] :][: 16 * batch].view("uint64").reshape(batch, 2)
        self.ended_return, self.ended_length = (
            self._rows(at["done_return"], real),
            self._rows(at["done_length"], "int32"),
        )
        self._set(parameters)
        self._workers = ThreadPoolExecutor(threads) if threads > 1 else None
        self.real = real

    def _rows(self, place: int, dtype: str, shape: tuple[int, ...] = (), block: bool = False) -> Array:
        """An array [batch, *shape] over the memory, however it lies there."""
        size, kind = math.prod(shape), np.dtype(dtype)
        flat = self._memory[place : place + size * self._width * kind.itemsize].view(kind)
        if block:
            whole: Array = flat.reshape(self._width, *shape)
        else:
            whole = np.moveaxis(flat.reshape(*shape, self._width), -1, 0)
        return whole[: self.batch]

    def _parameter(self, place: int, dtype: str) -> Array:
        one: Array = self._memory[place : place + np.dtype(dtype).itemsize].view(dtype)
        return one

    def _set(self, parameters: Mapping[str, float]) -> None:
        for name, value in parameters.items():
            if name not in self.parameters:
                own = ", ".join(self.parameters) or "none"
                raise WorldError(f"{self.kind.name} has no parameter `{name}`; it has {own}")
            self.parameters[name][0] = value

    @property
    def limit(self) -> int:
        found: int = self.core.limit
        return found

    @property
    def statistics(self) -> dict[str, Any]:
        """Steps, episodes, the sums of their returns and lengths, and these of the last hundred, the newest last."""
        found: dict[str, Any] = self.core.statistics()
        return found

    def reset(self, seed: int | None = None, mask: Array | None = None) -> Array:
        """Begins an episode everywhere, or where `mask` says so; with `seed` all chance begins anew."""
        if seed is not None:
            self.core.seed(seed)
        self.core.reset(mask if mask is None else np.ascontiguousarray(mask, np.uint8))
        return self.obs

    def step(self, actions: Array) -> None:
        """One step of all; raises before any has moved if an action is none of this environment's."""
        if self._workers is None:
            self.core.step(actions)
            return
        self.core.act(actions)
        for done in [self._workers.submit(self.core.move, first, end) for first, end in self._shares()]:
            done.result()
        self.core.count()

    def _shares(self) -> list[tuple[int, int]]:
        block = max(16, self.told["n"] // 64)
        size = -(-self.batch // self.threads // block) * block or block
        return [(first, min(first + size, self.batch)) for first in range(0, self.batch, size)]

    def steps(self, actions: Array, record: Record | None = None) -> None:
        """`len(actions)` steps in one call; `record`, from `recorder`, receives what each of them showed."""
        if record is None:
            self.core.steps(actions)
        else:
            parts = (record.obs, record.final, record.reward, record.terminated, record.truncated)
            self.core.steps(actions, *(part.base for part in parts))

    def recorder(self, steps: int) -> Record:
        """Room for what so many steps show; it may be used again and again."""
        blocks = bool(self.told["obs"][0][5] & BLOCK)

        def room(dtype: str, shape: tuple[int, ...] = (), block: bool = False) -> Array:
            across = (steps, self._width, *shape) if block else (steps, *shape, self._width)
            whole = np.zeros(math.prod(across), np.dtype(dtype))  # views of views have the array itself as their base
            seen = whole.reshape(across)
            return (seen if block else np.moveaxis(seen, -1, 1))[:, : self.batch]

        obs = (self.observation.dtype, self.observation.shape, blocks)
        return Record(room(*obs), room(*obs), room(self.real), room("bool"), room("bool"))

    def save(self) -> bytes:
        """All that the next step depends on, chance included, and what is seen now."""
        state: bytes = self._memory[: self._state_bytes].tobytes()
        return state + self.obs.tobytes()

    def load(self, saved: bytes) -> None:
        """Back to what `save` gave."""
        count = self._state_bytes
        self._memory[:count] = np.frombuffer(saved, np.uint8, count)
        self.obs[...] = np.frombuffer(saved, self.obs.dtype, offset=count).reshape(self.obs.shape)

    def draw(self, lane: int = 0, height: int = 400, width: int = 600) -> Array:
        """A picture [height, width, 3] of one environment."""
        from sqmagic.world.pictures import plain

        drawn = self.core.draw(lane, height, width)
        if drawn is None:
            return plain(self.obs[lane], self.observation, height, width)
        return np.frombuffer(drawn, np.uint8).reshape(height, width, 3)


def _observed(parts: tuple[Any, ...]) -> Space:
    """One part has its own shape, several are a vector of all their numbers."""
    if len(parts) == 1:
        _, dtype, shape, low, high, _, _ = parts[0]
        return bounded(shape or (1,), dtype, low, high)
    lows = [np.full(math.prod(p[2]), p[3]) for p in parts]
    highs = [np.full(math.prod(p[2]), p[4]) for p in parts]
    return bounded((sum(map(len, lows)),), parts[0][1], np.concatenate(lows), np.concatenate(highs))


def _acted(part: Any, discrete: bool) -> Space:
    _, dtype, shape, low, high, _, _ = part
    return counted(int(high) + 1) if discrete else bounded(shape or (1,), dtype, low, high)


def _told(lanes: Lanes) -> str:
    seen, taken = lanes.observation, lanes.action
    shape = " x ".join(map(str, seen.shape))
    act = f"{taken.count} actions" if taken.count else f"actions of {taken.size} real number{'s' * (taken.size > 1)}"
    return f"shows {shape} {seen.dtype}, takes {act}, " + (f"limit {lanes.limit}" if lanes.limit else "no limit")
