"""Acting in C: what `act` of the generated class does, without Python between the steps of a window."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sqmagic.runtime.machines import Own
from sqmagic.runtime.replay import Buffer
from sqmagic.runtime.rollout import Episode, World
from sqmagic.runtime.windows.page import Frame, Loaded, frame
from sqmagic.runtime.windows.program import ActingProgram, BufferUse, Plane
from sqmagic.world.errors import WorldError

Memory = tuple[int, dict[str, dict[int, Any]]]
"""The first step of a window, and the rows that it needs of those before, by state and index."""

FAILED = {  # as acting.h, and csrc/replay.c, have them
    1: "another thread is at work on these environments",
    100: "{name} was given an action that it has not, and no environment has moved",
    101: "nothing has been added to this buffer yet",
    102: "the rows of a step do not fit into the buffer",
    103: "steps can be followed only where every add brings as many rows, and the capacity is a multiple of them",
}


class _How(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("steps", "reward", "over", "cut", "after")),
        ("gamma", ctypes.c_float),
    )


class _Buffer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("replay", "put", "draw", "put_widths", "drawn_widths", "how")),
        ("count", ctypes.c_long),
    )


class _World(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_void_p) for n in ("spec", "lanes", "chance", "actions", "totals", "lengths", "episodes")),
        ("ended", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("greedy", ctypes.c_long),
        ("buffers", ctypes.c_void_p),
    )


@dataclass(slots=True)
class Outside:
    """The world as C sees it, with what keeps its memory; `episodes` has room for so many that end."""

    struct: _World
    episodes: np.ndarray[Any, Any]
    keep: list[Any] = field(default_factory=list)


def obstacle(program: ActingProgram, world: World) -> str:
    """Why this world cannot be acted on in C, in words that follow "because"; nothing if it can."""
    machine = world.env.machine
    if not isinstance(machine, Own):
        return "the environment is not in C"
    if machine.lanes.threads > 1:
        return "the environments have threads of their own"
    if program.behaved and world.behaviour is not None:
        return "the behaviour policy is a function of Python"
    for use in program.buffers:
        store = world.stores[use.name]
        if store.alpha is not None or store.frames or store.small:
            return f"buffer {use.name} draws by priority, or keeps its fields in ways of its own"
    return ""


def outside(program: ActingProgram, page: Loaded, world: World, steps: int, dtype: torch.dtype) -> Outside:
    """The world for windows of so many steps together; it must have been reset."""
    machine = world.env.machine
    assert isinstance(machine, Own), "there is an obstacle else"
    batch = world.batch
    spec, lanes = machine.lanes.core.doors()
    width = 1 if world.env.action.count else world.env.action.size
    episodes = np.zeros(batch * steps, [("step", np.int64), ("total", np.float64), ("length", np.int64)])
    actions = np.zeros(batch * width * 2, np.float64)
    fresh = world.chance is None
    if world.chance is None:
        world.chance = np.zeros((batch, 2), np.uint64)
    buffers = (_Buffer * max(len(program.buffers), 1))()
    keep: list[Any] = [actions, buffers, world]
    for place, use in enumerate(program.buffers):
        buffers[place] = _buffer(program, use, world.stores[use.name], batch, dtype, keep)
    struct = _World(
        spec,
        lanes,
        world.chance.ctypes.data,
        actions.ctypes.data,
        world.totals.ctypes.data,
        world.lengths.ctypes.data,
        episodes.ctypes.data,
        0,
        world.steps,
        int(world.greedy),
        ctypes.addressof(buffers),
    )
    if fresh:
        page.functions.begin_chance(ctypes.byref(struct), ctypes.c_uint64(world.seed & (2**64 - 1)))
    return Outside(struct, episodes, keep)


def _buffer(
    program: ActingProgram, use: BufferUse, store: Buffer, batch: int, dtype: torch.dtype, keep: list[Any]
) -> _Buffer:
    kinds = {s: torch.int64 if s in program.whole else dtype for s, _ in use.put}
    store.begin([torch.empty(batch, width, dtype=kinds[state]) for state, width in use.put])
    replay, put, draw = store.core.doors()
    widths = np.array([width for _, width in use.put], np.int64)
    numbers = {name: k for k, name in enumerate(store.field_names)}
    roles = store.roles
    how = _How(
        store.steps,
        *(numbers.get(n, 0) for n in (roles.reward, roles.over, roles.cut)),
        numbers.get(roles.after, 2**31),
        store.gamma,
    )
    keep += [widths, how, store.core]
    return _Buffer(replay, put, draw, widths.ctypes.data, widths.ctypes.data, ctypes.addressof(how), store.batch)


def take(seen: Outside, world: World) -> None:
    """What the world has counted: its steps, and the episodes that ended."""
    world.steps = int(seen.struct.steps)
    ended = seen.episodes[: seen.struct.ended]
    world.episodes += map(Episode._make, ended.tolist())
    seen.struct.ended = 0


def check(failed: int, world: World) -> None:
    if failed:
        told = FAILED.get(failed, "the environment failed with code {code}")
        raise WorldError(told.format(name=world.env.name, code=failed))


# --- rows ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Acting:
    """A page on a module's weights, for windows of one size."""

    program: ActingProgram
    page: Loaded
    frame: Frame
    steps: int

    def begin(self, world: World, memory: Memory) -> None:
        """Puts down the rows that came before; the environment must be in the state in which they ended."""
        first, past = memory
        world.env.enter(past[self.program.outside][0], True)
        for plane in self._planes():
            for index, rows in past.get(plane.state, {}).items():
                self.frame.planes[plane.state][index - plane.first] = rows
        self.frame.set("first", first)

    def end(self, world: World) -> Memory:
        """The rows that come before the next window."""
        past: dict[str, dict[int, Any]] = {self.program.outside: {0: world.env.became()}}
        for plane in self._planes():
            low = self.program.past.get(plane.state)
            if low is not None:
                rows = self.frame.planes[plane.state]
                past[plane.state] = {
                    k: self._given(plane.state, rows[self.steps + k - plane.first].clone()) for k in range(low, 1)
                }
        return 1, past

    def recorded(self, past: Mapping[str, Mapping[int, Any]]) -> dict[str, Tensor]:
        """What learning reads of a window, as new tensors; `past` is what the window began with."""
        found = {}
        for plane in self._planes():
            if plane.state in self.program.recorded:
                first, last = self.program.recorded[plane.state]
                rows = self.frame.planes[plane.state][first - plane.first : self.steps + last + 1 - plane.first]
                found[plane.state] = self._given(plane.state, rows.clone())
        for name, (state, index) in self.program.carried.items():
            found[name] = past[state][index]
        return found

    def _given(self, state: str, rows: Tensor) -> Tensor:
        return rows.long() if state in self.program.whole else rows

    def _planes(self) -> tuple[Plane, ...]:
        return self.program.window.planes


def acting(program: ActingProgram, page: Loaded, module: nn.Module, world: World, steps: int) -> Acting:
    """Memory for windows of so many steps. Raises CannotCompile."""
    batches = {s: world.stores[u.name].batch for u in program.buffers for s in (*u.drawn, *u.noise)}
    made = frame(program.window, page, module, (steps, world.batch), world.dtype, {}, batches)
    return Acting(program, page, made, steps)


def window(own: Acting, world: World, memory: Memory) -> tuple[Memory, dict[str, Tensor]]:
    """One window: the memory after it, and what learning reads."""
    seen = outside(own.program, own.page, world, own.steps, world.dtype)
    own.begin(world, memory)
    own.frame.set("world", ctypes.addressof(seen.struct))
    failed = own.page.functions.act(ctypes.c_void_p(own.frame.laid()))
    check(failed, world)
    take(seen, world)
    return own.end(world), own.recorded(memory[1])
