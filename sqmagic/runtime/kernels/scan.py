"""A generated class's scan as a call of compiled C.

The class has a method for each scan, written for torch. `bound` gives one that takes the same and returns the same: it
runs the C where that can be, and else the method, and notes which and why. Nothing is computed in C that the method
would not compute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
        found = _forward(self.program, ready)
        return found[0] if len(found) == 1 else found


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


def _forward(program: ScanProgram, ready: Ready) -> tuple[Tensor, ...]:
    """The rows of every own state."""
    ffi, functions = ready.library.ffi, ready.library.functions
    call = ffi.new("scan *")
    call.steps, call.batch = ready.steps, ready.batch
    call.threads = threads = torch.get_num_threads()
    planes = {own.state: _plane(own, ready) for own in program.own}
    for own in program.own:
        plane = planes[own.state]
        setattr(call, own.member, ffi.cast("real *", plane.data_ptr()))
        setattr(call, f"{own.member}_rows", len(plane))
    for item, tensor in zip(program.given, ready.given, strict=True):
        setattr(call, item.member, ffi.cast("real *", tensor.data_ptr()))
        if item.over_time:
            setattr(call, f"{item.member}_step", tensor.stride(0))
        setattr(call, f"{item.member}_row", tensor.stride(-2))
    for weight, tensor in zip(program.weights, ready.weights, strict=True):
        setattr(call, weight.member, ffi.cast("real *", tensor.data_ptr()))
    size = functions.scan_memory(ready.batch, threads)
    between = [ready.batch * width for _, width in program.between]
    memory = POOL.take((size + sum(between) + 16 * len(between)) * ready.dtype.itemsize + 64)
    start = (memory.data_ptr() + 63) // 64 * 64
    call.memory = ffi.cast("real *", start)
    for (member, _), count in zip(program.between, between, strict=True):
        setattr(call, member, call.memory + size)
        setattr(call, f"{member}_rows", 1)
        size += count
    if ready.steps > 0 and ready.batch > 0:
        functions.run(call)
    POOL.give(memory)
    found = []
    for own in program.own:
        plane = planes[own.state]
        rows = len(own.before) + ready.steps + sum(a is not None for a in own.after)
        found.append(plane if len(plane) == rows else plane[:rows])
    return tuple(found)


def _plane(own: OwnState, ready: Ready) -> Tensor:
    """All rows of a state, those that are given filled in."""
    before, after = len(own.before), len(own.after)
    plane = POOL.tensor((before + ready.steps + after, ready.batch, own.width), ready.dtype)
    for row, argument in enumerate(own.before):
        plane[row] = ready.args[argument]
    for row, end in enumerate(own.after):
        plane[before + ready.steps + row] = 0 if end is None else ready.args[end]
    return plane
