"""Whole windows in C: many of them in one call, acted, learned from, and the weights moved."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from sqmagic.runtime.optimisers import Optimiser
from sqmagic.runtime.rollout import World
from sqmagic.runtime.windows.acting import Acting, Memory, check, outside, take
from sqmagic.runtime.windows.moves import Bound, Group, Moves, Parameter, gradients_for
from sqmagic.runtime.windows.page import Frame, Loaded, frame
from sqmagic.runtime.windows.program import LearningProgram

LONG = 2_000_000_000
"""Flops of one call: about a tenth of a second, so that what runs can be seen, and stopped."""

MOST = 512
"""Windows of one call."""


class Follower(ctypes.Structure):
    _fields_ = (
        ("copy", ctypes.c_void_p),
        ("values", ctypes.c_void_p),
        ("count", ctypes.c_long),
        ("tau", ctypes.c_double),
    )


class Copy(ctypes.Structure):
    _fields_ = (("into", ctypes.c_void_p), ("rows", ctypes.c_void_p), ("bytes", ctypes.c_long))


class _Training(ctypes.Structure):
    _fields_ = (
        *((n, ctypes.c_void_p) for n in ("act", "go_on", "acting", "learning", "learn", "ended", "totals")),
        ("parameters", ctypes.POINTER(Parameter)),
        ("groups", ctypes.POINTER(Group)),
        ("bounds", ctypes.POINTER(Bound)),
        ("followers", ctypes.POINTER(Follower)),
        ("copies", ctypes.POINTER(Copy)),
        *((n, ctypes.c_void_p) for n in ("rates", "learns", "losses", "recent")),
        *(
            (n, ctypes.c_long)
            for n in ("parameter_count", "bound_count", "follower_count", "copy_count", "windows", "kept")
        ),
        ("recent_count", ctypes.c_long),
        ("recent_at", ctypes.c_long),
        ("until", ctypes.c_double),
        *((n, ctypes.c_long) for n in ("done", "learned", "failed", "stopped")),
    )


class Asked(NamedTuple):
    """Windows of one call: the rate of each and whether it is learned from, and the mean of a hundred returns at which
    they end."""

    rates: Sequence[float]
    learns: Sequence[bool]
    until: float | None = None


class Found(NamedTuple):
    """What a call gave: the memory after its last window, the losses, and whether the last of these is not finite."""

    memory: Memory
    losses: list[float]
    stopped: bool


@dataclass(slots=True)
class Training:
    """Acting and learning on one module, with its optimisers."""

    acting: Acting
    program: LearningProgram
    page: Loaded
    frame: Frame
    moves: Moves
    followers: Any
    follower_count: int
    copies: Any
    copy_count: int

    def values(self, rows: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, Tensor]]:
        """The states over time that learning has, as its last window left them."""
        places = {plane.state: plane.first for plane in self.program.window.planes}
        for state, (first, last) in rows.items():
            if state in places:
                begins = first - places[state]
                yield state, self.frame.planes[state][begins : self.acting.steps + last + 1 - places[state]]

    def windows(self, size: int) -> int:
        """How many windows of so many examples and steps a call has."""
        return max(1, min(MOST, LONG // max(1, self.program.flops * size)))


def training(
    acting: Acting,
    program: LearningProgram,
    page: Loaded,
    module: nn.Module,
    world: World,
    moves: Optimiser,
) -> Training:
    """Memory for learning from the windows of `acting`. Raises CannotCompile."""
    follows = program.followers
    drawn = acting.program.drawn
    batch = next(
        (rows.shape[1] for s, rows in acting.frame.planes.items() if s in drawn and s in program.inputs), world.batch
    )
    shared = {s: acting.frame.planes[s] for s in (*program.inputs, *program.kept) if s in acting.frame.planes}
    made = frame(program.window, page, module, (acting.steps, batch), world.dtype, shared, {})
    firsts = {p.state: p.first for p in program.window.planes}
    for (state, index), number in program.numbers.items():
        made.planes[state][index - firsts[state]] = number
    parameters = dict(module.named_parameters())
    gradients = gradients_for((name, parameters[name]) for _, name in program.window.gradients)
    for member, name in program.window.gradients:
        made.set(member, gradients[name].data_ptr())
    table = (Follower * max(len(follows), 1))()
    for place, (copy, values, tau) in enumerate(follows):
        own = parameters[copy]
        table[place] = Follower(own.data_ptr(), parameters[values].data_ptr(), own.numel(), tau)
    copies = _copies(acting, program, made)
    copied = (Copy * max(len(copies), 1))(*copies)
    own_moves = Moves(moves, parameters, gradients)
    return Training(acting, program, page, made, own_moves, table, len(follows), copied, len(copies))


def _copies(acting: Acting, program: LearningProgram, made: Frame) -> list[Copy]:
    """The rows beside the steps that acting has and learning has apart."""
    found = []
    places = {p.state: p for p in acting.program.window.planes}
    firsts = {p.state: p.first for p in program.window.planes}
    for (state, index), name in program.bases.items():
        source, at = acting.program.carried[name]
        rows = acting.frame.planes[source][at - places[source].first]
        into = made.planes[state][index - firsts[state]]
        if into.data_ptr() != rows.data_ptr():
            found.append(Copy(into.data_ptr(), rows.data_ptr(), rows.numel() * rows.element_size()))
    return found


def run(own: Training, world: World, memory: Memory, asked: Asked) -> Found:
    """Windows, one after the other, from where `memory` is. Raises WorldError where the environment cannot go on."""
    acting, count = own.acting, len(asked.rates)
    seen = outside(acting.program, acting.page, world, acting.steps * count, world.dtype)
    acting.begin(world, memory)
    acting.frame.set("world", ctypes.addressof(seen.struct))
    rates, learns = np.array(asked.rates, np.float64), np.array(asked.learns, np.int64)
    losses, recent = np.zeros(count), np.zeros(100)
    last = [episode.total for episode in world.episodes[-100:]]
    recent[: len(last)] = last
    address = seen.episodes.ctypes.data
    task = _Training(
        acting.page.address("act"),
        acting.page.address("go_on"),
        acting.frame.laid(),
        own.frame.laid(),
        own.page.address("learn"),
        ctypes.addressof(seen.struct) + type(seen.struct).ended.offset,
        address + 8,
        own.moves.parameters,
        own.moves.groups,
        own.moves.bounds,
        own.followers,
        own.copies,
        rates.ctypes.data,
        learns.ctypes.data,
        losses.ctypes.data,
        recent.ctypes.data,
        own.moves.count,
        own.moves.bound_count,
        own.follower_count,
        own.copy_count,
        count,
        int(bool(own.program.kept)),
        len(last),
        len(last) % 100,
        math.nan if asked.until is None else asked.until,
    )
    own.page.functions.train(ctypes.byref(task))
    own.moves.finish()
    take(seen, world)
    check(int(task.failed), world)
    return Found(acting.end(world), losses[: task.learned + task.stopped].tolist(), bool(task.stopped))
