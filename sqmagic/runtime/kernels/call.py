"""One call of a compiled scan: what is the same for all calls of one size is worked out once, and kept as a `Frame`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.memory import POOL
from sqmagic.runtime.kernels.program import OwnState

Values: TypeAlias = list[int]
"""What a page's struct takes, a number or an address for each member."""

Block: TypeAlias = tuple[tuple[int, int], ...]
"""Members that point into a block of memory, and how many bytes from its beginning."""

Member: TypeAlias = Callable[[Values, Tensor], None]
"""Puts a tensor's address and layout where they belong."""

Lengths: TypeAlias = Callable[[Values, Mapping[int, Tensor]], Tensor | None]
"""Does that with the examples' lengths, if they are among the arguments, and gives them."""

ALIGNED = 16
"""Numbers: the parts of a block begin at multiples of so many."""

FRAMES = 64
"""Sizes that are remembered for each scan."""


class Size(NamedTuple):
    """Of a call: how many steps and examples, and the type of its numbers."""

    steps: int
    batch: int
    dtype: torch.dtype


def in_memory(given: Tensor) -> Tensor:
    """The numbers as memory has them: those of a conjugate's imaginary part have the other signs there, and of some
    zeros there is no memory."""
    if given.is_neg():
        return given.resolve_neg()
    return torch.zeros(given.shape, dtype=given.dtype) if given._is_zerotensor() else given


def laid_out(given: Tensor, dtype: torch.dtype) -> Tensor:
    """Components side by side; steps and examples may lie apart."""
    given = in_memory(given if given.dtype == dtype else given.to(dtype))
    return given if given.stride(-1) == 1 or given.shape[-1] == 1 else given.contiguous()


@dataclass(frozen=True, slots=True)
class Frame:
    """Calls of one size. `values` are the members that are the same each time; `within` those that point into memory of
    `room` bytes, `block` those of states that lie together in a block of `length` numbers, `offsets` how many bytes
    from its beginning each of these lies; `apart` the members and shapes of states that have memory of their own.
    """

    values: Values
    within: Block
    room: int
    block: Block
    length: int
    offsets: Mapping[str, int]
    apart: tuple[tuple[str, int, tuple[int, int, int]], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """A loaded page with its states. A call's `apart` are states that keep their rows in tensors of their own, `block`
    those that keep them side by side in one, `full` those that keep them while the scan runs. Others leave to the next
    step what it needs, or nothing."""

    library: Library
    own: tuple[OwnState, ...]
    between: tuple[tuple[str, int], ...]
    full: frozenset[str] = frozenset()
    frames: dict[object, Frame] = field(default_factory=dict)

    def frame(self, size: Size, apart: Sequence[str], block: Sequence[str]) -> Frame:
        key = (size, apart, block, torch.get_num_threads())
        return self.frames.get(key) or remember(self.frames, key, framed(self, size, apart, block))

    def run(self, frame: Frame, values: Values) -> None:
        """Runs the scan. `values` are those of the frame, with what the call brings put in their places."""
        memory = POOL.tensor((frame.room,), torch.uint8)
        point(values, frame.within, memory.data_ptr())
        self.library.run(values)


def remember(frames: dict[object, Frame], key: object, frame: Frame) -> Frame:
    """Keeps a frame, one of a few."""
    if len(frames) >= FRAMES:
        frames.clear()
    frames[key] = frame
    return frame


def framed(caller: Caller, size: Size, apart: Collection[str], block: Collection[str]) -> Frame:
    """The frame of calls of one size."""
    places, bytes_, threads = caller.library.places, size.dtype.itemsize, torch.get_num_threads()
    values = [0] * len(places)
    for member, value in (("steps", size.steps), ("batch", size.batch), ("threads", threads)):
        values[places[member]] = value
    room = _aligned(caller.library.memory(size.steps, size.batch, threads))
    edge = any(state.single and state.state in apart for state in caller.own)
    within, block_, offsets, own, length = [(places["memory"], 0)], [], {}, [], 0
    for state in caller.own:
        every = 1 if state.single else state.before + size.steps + state.after
        keeps = state.state in apart or state.state in block or state.state in caller.full
        needed = edge if state.single else state.needed
        rows = every if keeps else max(state.before, state.after, state.reach) + 1 if needed else 0
        # where examples end at steps of their own, a second row keeps what later steps overwrite
        kept = 2 * rows if state.single and "lengths" in places else rows
        count, place = _aligned(kept * size.batch * state.width), places[state.member]
        values[places[f"{state.member}_rows"]], values[places[f"{state.member}_row"]] = rows, state.width
        if state.state in apart:
            own.append((state.state, place, (rows, size.batch, state.width)))
        elif state.state in block:
            block_.append((place, length * bytes_))
            offsets[state.state] = length * bytes_
            length += count
        elif rows:
            within.append((place, room * bytes_))
            room += count
    for member, width in caller.between:
        values[places[f"{member}_rows"]], values[places[f"{member}_row"]] = 1, width
        within.append((places[member], room * bytes_))
        room += _aligned(size.batch * width)
    return Frame(values, tuple(within), room * bytes_, tuple(block_), length, offsets, tuple(own))


def point(values: Values, block: Block, start: int) -> None:
    """Members point into a block that begins there."""
    for place, offset in block:
        values[place] = start + offset


def _aligned(count: int) -> int:
    return (count + ALIGNED - 1) // ALIGNED * ALIGNED


def stored(own: OwnState, plane: Tensor) -> Tensor:
    """The rows of a state that are not there for the scan alone."""
    more = own.after - own.ends
    return plane[: plane.shape[0] - more] if more else plane


def rows_taken(library: Library, member: str, over_time: bool, skip: int = 0) -> Member:
    """How a member takes rows over time, from row `skip` on, or what stands still."""
    place, row = library.places[member], library.places[f"{member}_row"]

    def still(values: Values, given: Tensor) -> None:
        values[place], values[row] = given.data_ptr(), given.stride(-2)

    if not over_time:
        return still
    step, count = library.places[f"{member}_step"], library.places[f"{member}_rows"]

    def taken(values: Values, given: Tensor) -> None:
        ahead, apart, _ = given.stride()
        values[place] = given.data_ptr() + skip * ahead * given.itemsize
        values[step], values[row], values[count] = ahead, apart, given.shape[0] - skip

    return taken


def lengths_taken(library: Library, argument: int | None) -> Lengths | None:
    """How the member takes the examples' lengths, if it is told them."""
    if argument is None:
        return None
    place = library.places["lengths"]

    def taken(values: Values, arguments: Mapping[int, Tensor]) -> Tensor | None:
        lengths = arguments.get(argument)
        if lengths is not None:
            lengths = lengths.contiguous()
            values[place] = lengths.data_ptr()
        return lengths

    return taken


class OwnSteps(NamedTuple):
    """The rows of a state at its scan's steps, and how many lie before and after; a result besides that of all rows."""

    before: int
    after: int
    rows: Tensor


def with_steps(plane: Tensor, steps: OwnSteps) -> None:
    """Notes that these rows of a plane are a result of their own."""
    plane.__dict__["_sqmagic_steps"] = steps


def between(plane: Tensor, before: int, after: int) -> Tensor:
    """The rows of a plane but for the first few and the last few: as a result of the scan where they are one, else as a
    slice."""
    if not before and not after:
        return plane
    known = getattr(plane, "_sqmagic_steps", None)
    if isinstance(known, OwnSteps) and (known.before, known.after) == (before, after):
        return known.rows
    return plane[before : plane.shape[0] - after]
