"""Pages of windows as they are loaded, and the memory that they work on."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from struct import Struct

import torch
from torch import Tensor, nn

from sqmagic.runtime.kernels.compiler import CannotCompile, built
from sqmagic.runtime.kernels.scan import REALS, weight_of
from sqmagic.runtime.windows.program import WindowProgram
from sqmagic.world import _core

_ALIGNED = 64


class Loaded:
    """A page in memory, and how what it takes is laid out."""

    def __init__(self, path: Path, members: Sequence[str]) -> None:
        self.functions = ctypes.CDLL(str(path))
        self.places = {name.lstrip("*"): place for place, name in enumerate(members)}
        self.pack = Struct("@" + "".join("P" if name.startswith("*") else "l" for name in members)).pack
        self.memory, self.rows = self.functions.window_memory, self.functions.window_rows
        for function in (self.memory, self.rows):
            function.argtypes, function.restype = (ctypes.c_long,), ctypes.c_long

    def address(self, function: str) -> int:
        return ctypes.cast(getattr(self.functions, function), ctypes.c_void_p).value or 0


@cache
def _tried(program: WindowProgram, real: str) -> Loaded | CannotCompile:
    page = replace(program.page, headers=(*program.page.headers, ("sq_env.h", _core.header)))
    try:
        return Loaded(built(page, real), program.members)
    except CannotCompile as reason:
        return reason


def loaded(programs: Sequence[WindowProgram], dtype: torch.dtype) -> list[Loaded]:
    """The pages compiled side by side. Raises CannotCompile."""
    if dtype not in REALS:
        raise CannotCompile(f"C computes in float32 or in float64, not in {str(dtype).removeprefix('torch.')}")
    with ThreadPoolExecutor(max(len(programs), 1)) as pool:
        found = list(pool.map(_tried, programs, [REALS[dtype]] * len(programs)))
    pages = []
    for each in found:
        if isinstance(each, CannotCompile):
            raise CannotCompile(*each.args)
        pages.append(each)
    return pages


@dataclass(slots=True)
class Frame:
    """What a page works on for windows of one size: the planes of all states, the struct's `values`, and what keeps its
    memory."""

    page: Loaded
    planes: dict[str, Tensor]
    values: list[int]
    keep: list[Tensor]
    struct: ctypes.Array[ctypes.c_char] | None = None

    def set(self, member: str, value: int) -> None:
        self.values[self.page.places[member]] = value

    def laid(self) -> int:
        """The address of the struct as it is now."""
        packed = self.page.pack(*self.values)
        self.struct = ctypes.create_string_buffer(packed, len(packed))
        return ctypes.addressof(self.struct)


def frame(
    program: WindowProgram,
    page: Loaded,
    module: nn.Module,
    size: tuple[int, int],
    dtype: torch.dtype,
    given: Mapping[str, Tensor],
    batches: Mapping[str, int],
) -> Frame:
    """Memory for so many steps and examples. `given` are planes that another page has; `batches` tells of states that
    have examples of their own. Raises CannotCompile where a layer is no plain one."""
    steps, batch = size
    made = Frame(page, {}, [0] * len(program.members), [])
    made.set("steps", steps)
    made.set("batch", batch)
    for plane in program.planes:
        own = batches.get(plane.state, batch)
        rows = given.get(plane.state)
        if rows is None:
            rows = torch.zeros(plane.count(steps), own, plane.width, dtype=dtype)
        made.planes[plane.state] = rows
        made.set(plane.member, rows.data_ptr())
        made.set(f"{plane.member}_rows", plane.count(steps))
        made.set(f"{plane.member}_row", plane.width if own == batch else own * plane.width)
    for member, width in program.between:
        rows = torch.zeros(page.rows(batch) * width, dtype=dtype)
        made.keep.append(rows)
        made.set(member, rows.data_ptr())
        made.set(f"{member}_rows", 1)
        made.set(f"{member}_row", width)
    room = torch.zeros(page.memory(batch) + _ALIGNED, dtype=dtype)
    made.keep.append(room)
    made.set("memory", (room.data_ptr() + _ALIGNED - 1) // _ALIGNED * _ALIGNED)
    for each in program.parameters:
        value = weight_of(module, each)
        if value.dtype != dtype or not value.is_contiguous() or value.device.type != "cpu":
            raise CannotCompile(f"`{each.parameter}` does not lie on the CPU in one piece")
        made.set(each.member, value.data_ptr())
    return made
