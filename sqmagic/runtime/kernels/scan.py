"""A generated class's scan as a call of compiled C.

The class has a method for each scan, written for torch. `bind` puts one in its place that takes the same and returns
the same: it runs the C where that can be, and else the method, and notes which and why. Nothing is computed in C that
the method would not compute. States that nobody has asked for are `LeftOut`, and computed when somebody does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules import module as _module

from sqmagic.runtime.kernels.call import Size
from sqmagic.runtime.kernels.compiler import CannotCompile, libraries
from sqmagic.runtime.kernels.function import Scan, Setting, forward, results
from sqmagic.runtime.kernels.program import ScanProgram

Method = Callable[..., Any]

REALS = {torch.float32: "float", torch.float64: "double"}

_PLAIN = (nn.Linear, nn.LayerNorm, nn.Module)
"""Layers that do no more than their equation."""


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
            setting, arguments, weights = _ready(self.program, module, args)
        except CannotCompile as reason:
            self.report.path = f"torch, because {reason}"
            return self.method(module, *args)
        self.report.path = "C"
        if setting.back is None:
            found = results(setting, forward(setting, arguments, weights, set(setting.outside)))
            every = partial(_all, setting, arguments, weights)
        else:
            outside = Scan.apply(setting, *arguments.values(), *weights)  # type: ignore[no-untyped-call]
            found = dict(zip(setting.outside, outside, strict=True))
            every = partial(_by_torch, self, module, args)
        later = Later(every, [*arguments.values(), *weights])
        sizes = setting.size
        states: list[Any] = []
        for own in self.program.own[: self.program.returned]:
            rows = len(own.before) + sizes.steps + sum(a is not None for a in own.after)
            shape = (rows, sizes.batch, own.width)
            states.append(found.get(own.state, LeftOut(later, own.state, shape)))
        return states[0] if len(states) == 1 else states


def bind(kind: type[nn.Module], program: ScanProgram) -> Bound:
    """Puts the compiled scan in the place of a class's method."""
    bound = Bound(program, vars(kind)[program.method])

    def method(self: nn.Module, *args: Any) -> Any:
        return bound(self, *args)

    setattr(kind, program.method, method)
    return bound


# --- whether it can be ---------------------------------------------------------------------------


def _ready(
    program: ScanProgram, module: nn.Module, args: Sequence[Any]
) -> tuple[Setting, dict[int, Tensor], tuple[Tensor, ...]]:
    """Raises CannotCompile where torch must compute."""
    if _module._global_forward_hooks or _module._global_forward_pre_hooks:
        raise CannotCompile("hooks wait for every module's call")
    if program.lengths is not None and args[program.lengths] is not None:
        raise CannotCompile("examples end at steps of their own")
    weights = tuple(_weight(module, w.parameter) for w in program.weights)
    arguments = {place: a for place, a in enumerate(args) if isinstance(a, Tensor)}
    dtype = _dtype([*weights, *arguments.values()])
    differentiated = torch.is_grad_enabled() and any(t.requires_grad for t in (*weights, *arguments.values()))
    if differentiated and isinstance(program.backward, str):
        raise CannotCompile(f"gradients are asked for, and {program.backward}")
    found, *back = libraries(program.pages if differentiated else (program.page,), REALS[dtype])
    size = Size(args[program.horizon] + program.more, _batch(program, args), dtype)
    return Setting(program, found, back[0] if back else None, size, tuple(arguments)), arguments, weights


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


def _dtype(tensors: Sequence[Tensor]) -> torch.dtype:
    reals = {t.dtype for t in tensors if t.is_floating_point()}
    if any(t.device.type != "cpu" for t in tensors):
        raise CannotCompile("the data are not on the CPU")
    if len(reals) != 1 or not reals <= REALS.keys():
        names = " and ".join(sorted(str(r).removeprefix("torch.") for r in reals - REALS.keys() or reals))
        raise CannotCompile(f"C computes in float32 or in float64, not in {names}")
    if torch.is_autocast_enabled("cpu"):
        raise CannotCompile("autocast chooses the type of numbers")
    if any(type(t) not in (Tensor, nn.Parameter) for t in tensors):
        raise CannotCompile("a tensor is of a type of its own")
    if torch.compiler.is_compiling() or any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in tensors):
        raise CannotCompile("torch is tracing the computation")
    return reals.pop()


# --- what is computed later ----------------------------------------------------------------------


class Later:
    """All states of a scan, computed when one that was left out is asked for, from what the scan was given then."""

    def __init__(self, every: Callable[[], Mapping[str, Tensor]], tensors: Sequence[Tensor]) -> None:
        self._every, self._tensors = every, tensors
        self._versions = _versions(tensors)
        self._found: Mapping[str, Tensor] | None = None
        self._lock = Lock()

    def now(self, state: str) -> Tensor:
        """Raises RuntimeError where what it is computed from has been changed since."""
        with self._lock:
            if self._found is None:
                if self._versions != _versions(self._tensors):
                    raise RuntimeError(
                        f"`{state}` was not asked for, and the weights or inputs have changed since: call the net again"
                    )
                self._found = self._every()
        return self._found[state]


def _versions(tensors: Sequence[Tensor]) -> list[int]:
    return [t._version for t in tensors if not t.is_inference()]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One state of those that are computed later."""

    later: Later
    state: str
    shape: tuple[int, ...]

    def now(self) -> Tensor:
        return self.later.now(self.state)


def _all(setting: Setting, arguments: Mapping[int, Tensor], weights: Sequence[Tensor]) -> dict[str, Tensor]:
    names = {o.state for o in setting.program.own[: setting.program.returned]}
    return results(setting, forward(setting, arguments, weights, names))


def _by_torch(bound: Bound, module: nn.Module, args: Sequence[Any]) -> dict[str, Tensor]:
    """All states, so that gradients reach what they are made from."""
    with torch.enable_grad():
        found = bound.method(module, *args)
    states = [o.state for o in bound.program.own[: bound.program.returned]]
    return dict(zip(states, [found] if len(states) == 1 else found, strict=True))
