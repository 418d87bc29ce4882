"""A generated class's scan as a call of compiled C.

The class has a method for each scan, written for torch. `bound` gives one that takes the same and returns the same: it
runs the C where that can be, and else the method, and notes which and why. Nothing is computed in C that the method
would not compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, cast

import torch
from torch import Tensor, nn

from sqmagic.runtime.kernels.compiler import CannotCompile, Library, library
from sqmagic.runtime.kernels.memory import POOL
from sqmagic.runtime.kernels.program import OwnState, ScanProgram

Method = Callable[..., Any]

REALS = {torch.float32: "float", torch.float64: "double"}


@dataclass(slots=True)
class Report:
    """How a scan ran last: "C", or torch and why."""

    path: str = "not run yet"


@dataclass(frozen=True, slots=True)
class Bound:
    """A scan of one class: its program, the method written for torch, and how it ran last."""

    program: ScanProgram
    method: Method
    report: Report = field(default_factory=Report)

    def __call__(self, module: nn.Module, *args: Any) -> Any:
        try:
            ready = _ready(self.program, module, args)
        except CannotCompile as reason:
            self.report.path = f"torch, because {reason}"
            return self.method(module, *args)
        self.report.path = "C"
        found = _forward(self.program, ready, False)
        if None in found:
            later = Later(self.program, ready)
            states = [LeftOut(later, n) if f is None else f for n, f in enumerate(found)]
        else:
            states = list(found)
        return states[0] if len(states) == 1 else states


def bind(kind: type[nn.Module], program: ScanProgram) -> Bound:
    """Puts the compiled scan in the place of a class's method."""
    bound = Bound(program, vars(kind)[program.method])

    def method(self: nn.Module, *args: Any) -> Any:
        return bound(self, *args)

    setattr(kind, program.method, method)
    return bound


@dataclass(frozen=True, slots=True)
class Ready:
    """A call that can run as C. `given` and `weights` are as the page takes them."""

    library: Library
    dtype: torch.dtype
    steps: int
    batch: int
    args: Sequence[Any]
    given: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]


def _ready(program: ScanProgram, module: nn.Module, args: Sequence[Any]) -> Ready:
    """Raises CannotCompile where torch must compute."""
    if program.lengths is not None and args[program.lengths] is not None:
        raise CannotCompile("examples end at steps of their own")
    weights = tuple(_weight(module, w.parameter) for w in program.weights)
    tensors = [a for a in args if isinstance(a, Tensor)]
    dtype = _dtype([*weights, *tensors])
    if torch.is_grad_enabled() and any(t.requires_grad for t in [*weights, *tensors]):
        raise CannotCompile("gradients are asked for")
    found = library(program.page, REALS[dtype])
    given = tuple(_laid_out(args[g.argument], dtype) for g in program.given)
    weights = tuple(w.contiguous() for w in weights)
    return Ready(found, dtype, args[program.horizon] + program.more, _batch(program, args), args, given, weights)


def _batch(program: ScanProgram, args: Sequence[Any]) -> int:
    """How many examples there are, from what is given for each."""
    for own in program.own:
        for argument in (*own.before, *own.after):
            if argument is not None:
                return len(args[argument])
    for given in program.given:
        return int(args[given.argument].shape[-2])
    raise CannotCompile("nothing tells how many examples there are")


def _weight(module: nn.Module, parameter: str) -> Tensor:
    """A parameter as a call of its layer would use it."""
    *owners, name = parameter.split(".")
    found: Any = module
    for owner in owners:
        found = found._modules[owner]
        if found._forward_hooks or found._forward_pre_hooks or type(found) not in _PLAIN:
            raise CannotCompile(f"`{parameter.rpartition('.')[0]}` has been changed")
    value = found._parameters.get(name)
    if value is None:
        raise CannotCompile(f"`{parameter}` is no parameter any more")
    return cast(Tensor, value)


_PLAIN = (nn.Linear, nn.LayerNorm, nn.Module)
"""Layers that do no more than their equation."""


def _dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    reals = {t.dtype for t in tensors if t.is_floating_point()}
    if any(t.device.type != "cpu" for t in tensors):
        raise CannotCompile("the data are not on the CPU")
    if len(reals) != 1 or not reals <= REALS.keys():
        names = " and ".join(sorted(str(r).removeprefix("torch.") for r in reals))
        raise CannotCompile(f"C computes in float32 or in float64, not in {names}")
    if torch.compiler.is_compiling() or any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors):
        raise CannotCompile("torch is tracing the computation")
    return reals.pop()


def _laid_out(given: Tensor, dtype: torch.dtype) -> Tensor:
    """Components side by side; steps and examples may lie apart."""
    given = given.to(dtype)
    return given if given.stride(-1) == 1 or given.shape[-1] == 1 else given.contiguous()


def _forward(program: ScanProgram, ready: Ready, everything: bool) -> list[Tensor | None]:
    """The rows of the own states: of those that are asked for, or of all. Of others, a step leaves to the next what it
    needs, and no more."""
    ffi, functions = ready.library.ffi, ready.library.functions
    size = ready.dtype.itemsize
    call = ffi.new("scan *")
    call.steps, call.batch, call.threads = ready.steps, ready.batch, torch.get_num_threads()
    for item, tensor in zip(program.given, ready.given, strict=True):
        setattr(call, item.member, ffi.cast("real *", tensor.data_ptr()))
        if item.over_time:
            setattr(call, f"{item.member}_step", tensor.stride(0))
        setattr(call, f"{item.member}_row", tensor.stride(-2))
    for weight, tensor in zip(program.weights, ready.weights, strict=True):
        setattr(call, weight.member, ffi.cast("real *", tensor.data_ptr()))
    kept = [own.outside or everything for own in program.own]
    rows = [_rows(own, ready, keep) for own, keep in zip(program.own, kept, strict=True)]
    own_memory = [0 if keep else n * ready.batch * o.width for o, n, keep in zip(program.own, rows, kept, strict=True)]
    between = [ready.batch * width for _, width in program.between]
    own_memory, between = ([(n + 15) // 16 * 16 for n in sizes] for sizes in (own_memory, between))
    scratch = (functions.scan_memory(ready.batch, call.threads) + 15) // 16 * 16
    block = POOL.take((scratch + sum(own_memory) + sum(between)) * size)
    memory = block.view(ready.dtype)
    call.memory = ffi.cast("real *", memory.data_ptr())
    place = scratch
    for (member, _), count in zip(program.between, between, strict=True):
        setattr(call, member, ffi.cast("real *", memory.data_ptr() + place * size))
        setattr(call, f"{member}_rows", 1)
        place += count
    found: list[Tensor | None] = []
    for own, n, keep, count in zip(program.own, rows, kept, own_memory, strict=True):
        shape = (n, ready.batch, own.width)
        if keep:
            plane = POOL.tensor(shape, ready.dtype)
        elif n:
            plane = memory[place : place + n * ready.batch * own.width].view(shape)
            place += count
        else:  # nobody reads it
            found.append(None)
            continue
        _begun(own, plane, ready)
        setattr(call, own.member, ffi.cast("real *", plane.data_ptr()))
        setattr(call, f"{own.member}_rows", n)
        stored = len(own.before) + ready.steps + sum(a is not None for a in own.after)
        found.append((plane if n == stored else plane[:stored]) if keep else None)
    if ready.steps > 0 and ready.batch > 0:
        functions.run(call)
    POOL.give(block)
    return found


def _rows(own: OwnState, ready: Ready, keep: bool) -> int:
    """How many rows a state has: all, or as many as the scan looks at."""
    if keep:
        return len(own.before) + ready.steps + len(own.after)
    return max(len(own.before), len(own.after), own.reach) + 1 if own.needed else 0


def _begun(own: OwnState, plane: Tensor, ready: Ready) -> None:
    """Fills in the rows that are given."""
    for row, argument in enumerate(own.before):
        plane[row % len(plane)] = ready.args[argument]
    for row, end in enumerate(own.after, len(own.before) + ready.steps):
        plane[row % len(plane)] = 0 if end is None else ready.args[end]


class Later:
    """A state of a scan that was left out; `now` computes it, from what the scan was given then."""

    def __init__(self, program: ScanProgram, ready: Ready) -> None:
        self._program, self._ready = program, ready
        self._versions = _versions(ready)
        self._found: list[Tensor | None] | None = None
        self._lock = Lock()

    def now(self, place: int) -> Tensor:
        """Raises RuntimeError where what it is computed from has been changed since."""
        with self._lock:
            if self._found is None:
                if self._versions != _versions(self._ready):
                    state = self._program.own[place].state
                    raise RuntimeError(
                        f"`{state}` was not asked for, and the weights or inputs have changed since: call the net again"
                    )
                self._found = _forward(self._program, self._ready, True)
        found = self._found[place]
        assert found is not None, "all states have been computed"
        return found


def _versions(ready: Ready) -> list[int]:
    given = [a for a in ready.args if isinstance(a, Tensor)]
    return [t._version for t in (*given, *ready.given, *ready.weights) if not t.is_inference()]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One state of those that are computed later."""

    later: Later
    place: int

    @property
    def shape(self) -> tuple[int, ...]:
        own, ready = self.later._program.own[self.place], self.later._ready
        rows = len(own.before) + ready.steps + sum(a is not None for a in own.after)
        return (rows, ready.batch, own.width)

    def now(self) -> Tensor:
        return self.later.now(self.place)
