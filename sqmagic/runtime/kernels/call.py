"""One call of a compiled scan: memory for its states, and its members filled in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.memory import POOL
from sqmagic.runtime.kernels.program import OwnState

ALIGNED = 16
"""Numbers: the parts of a block begin at multiples of so many."""


@dataclass(frozen=True, slots=True)
class Size:
    """Of a call: how many steps and examples, and the type of its numbers."""

    steps: int
    batch: int
    dtype: torch.dtype


def laid_out(given: Tensor, dtype: torch.dtype) -> Tensor:
    """Components side by side; steps and examples may lie apart."""
    given = given.detach().to(dtype)
    return given if given.stride(-1) == 1 or given.shape[-1] == 1 else given.contiguous()


def run(
    library: Library,
    size: Size,
    own: Sequence[OwnState],
    planes: Mapping[str, Tensor],
    between: Sequence[tuple[str, int]],
    taken: Sequence[tuple[str, Tensor, bool]],
    weights: Sequence[tuple[str, Tensor]],
    ends: Mapping[int, Tensor],
    begun: Collection[str] = (),
) -> None:
    """Runs a scan. `planes` are the states that keep rows, [rows, batch, width]; of others a step leaves to the next
    what it needs. `taken` are members with their rows, over time or not; `ends` the rows beside the steps;
    those of the states in `begun` are there.
    """
    values: dict[str, int] = {"steps": size.steps, "batch": size.batch, "threads": torch.get_num_threads()}
    for member, tensor, over_time in taken:
        values[member], values[f"{member}_row"] = tensor.data_ptr(), tensor.stride(-2)
        if over_time:
            values[f"{member}_step"], values[f"{member}_rows"] = tensor.stride(0), tensor.shape[0]
    values |= {member: tensor.data_ptr() for member, tensor in weights}
    rings = {o.state: _ring(o) for o in own if o.state not in planes}
    scratch = _aligned(library.functions.scan_memory(size.steps, size.batch, values["threads"]))
    counts = [_aligned(rings[o.state] * size.batch * o.width) for o in own if o.state in rings]
    counts += [_aligned(size.batch * width) for _, width in between]
    block = POOL.take((scratch + sum(counts)) * size.dtype.itemsize)
    memory = block.view(size.dtype)
    values["memory"] = start = memory.data_ptr()
    place = scratch
    for state in own:
        plane = planes.get(state.state)
        if plane is None:
            rows, count = rings[state.state], counts.pop(0)
            plane = memory[place : place + rows * size.batch * state.width].view(rows, size.batch, state.width)
            place += count
        if plane.shape[0]:
            values |= zip(_members(state.member), (plane.data_ptr(), plane.shape[0], plane.stride(1)), strict=True)
            if state.state not in begun:
                _begin(state, plane, size, ends)
    for (member, width), count in zip(between, counts, strict=True):
        values |= zip(_members(member), (start + place * size.dtype.itemsize, 1, width), strict=True)
        place += count
    if size.batch > 0:
        library.run(values)
    POOL.give(block)


def _aligned(count: int) -> int:
    return (count + ALIGNED - 1) // ALIGNED * ALIGNED


def _members(member: str) -> tuple[str, str, str]:
    """Of what the scan computes: its rows, how many, and how far apart examples lie."""
    return member, f"{member}_rows", f"{member}_row"


def _ring(own: OwnState) -> int:
    """How many rows of a state are there at a time."""
    return max(len(own.before), len(own.after), own.reach) + 1 if own.needed else 0


def _begin(own: OwnState, plane: Tensor, size: Size, ends: Mapping[int, Tensor]) -> None:
    """Fills in the rows beside the steps."""
    rows = [*enumerate(own.before), *enumerate(own.after, len(own.before) + size.steps)]
    for row, end in rows:
        plane[row % plane.shape[0]] = 0 if end is None else ends[end]


def plane_of(own: OwnState, size: Size) -> Tensor:
    """Memory for all rows of a state."""
    rows = len(own.before) + size.steps + len(own.after)
    return POOL.tensor((rows, size.batch, own.width), size.dtype)


def stored(own: OwnState, plane: Tensor) -> Tensor:
    """The rows of a state that are not there for the scan alone."""
    return plane[: plane.shape[0] - sum(a is None for a in own.after)] if None in own.after else plane


def planes_of(own: Sequence[OwnState], names: Collection[str], size: Size) -> dict[str, Tensor]:
    return {o.state: plane_of(o, size) for o in own if o.state in names}
