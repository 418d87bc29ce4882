"""A compiled scan as a function that torch differentiates: the way back is the adjoint that the compiler derived.

What was computed is kept as it is: backward may be called again (`retain_graph`), and may not itself be differentiated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from sqmagic.runtime.kernels import gradients
from sqmagic.runtime.kernels.call import Size, laid_out, planes_of, run, stored
from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.program import Backward, ScanProgram


@dataclass(frozen=True, slots=True)
class Setting:
    """What a call knows besides tensors: `places` says which of the method's arguments are tensors."""

    program: ScanProgram
    library: Library
    back: Library | None
    size: Size
    places: tuple[int, ...]

    @property
    def outside(self) -> tuple[str, ...]:
        return tuple(o.state for o in self.program.own[: self.program.returned] if o.state in self.program.outside)


def forward(
    setting: Setting, arguments: Mapping[int, Tensor], weights: Sequence[Tensor], names: Collection[str]
) -> dict[str, Tensor]:
    """The rows of the states that are named, those that are there for the scan alone among them."""
    program, size = setting.program, setting.size
    planes = planes_of(program.own, names, size)
    given = [(g.member, laid_out(arguments[g.argument], size.dtype), g.over_time) for g in program.given]
    members = [(w.member, t.detach().contiguous()) for w, t in zip(program.weights, weights, strict=True)]
    ends = {p: t.detach() for p, t in arguments.items()}
    run(setting.library, size, program.own, planes, program.between, given, members, ends)
    return planes


def results(setting: Setting, planes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The rows that the program gives."""
    return {o.state: stored(o, planes[o.state]) for o in setting.program.own if o.state in planes}


class Scan(torch.autograd.Function):
    """From the method's tensors and the weights to the states that others read."""

    @staticmethod
    def forward(ctx: Any, setting: Setting, *tensors: Tensor) -> tuple[Tensor, ...]:
        back = setting.program.backward
        assert isinstance(back, Backward), "there is a way back"
        arguments = dict(zip(setting.places, tensors, strict=False))
        weights = tensors[len(setting.places) :]
        found = forward(setting, arguments, weights, back.kept | set(setting.outside))
        ctx.setting = setting
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors, *(found[s] for s in sorted(back.kept)))
        given = results(setting, found)
        return tuple(given[s] for s in setting.outside)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        setting: Setting = ctx.setting
        saved = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:]
        tensors, kept = saved[: len(wanted)], saved[len(wanted) :]
        if all(g is None for g in given):
            return (None, *(None for _ in wanted))
        back = setting.program.backward
        assert isinstance(back, Backward), "there is a way back"
        found = gradients.found(
            setting.program,
            back,
            setting.back,
            setting.size,
            dict(zip(setting.places, tensors, strict=False)),
            tensors[len(setting.places) :],
            dict(zip(sorted(back.kept), kept, strict=True)),
            dict(zip(setting.outside, given, strict=True)),
            dict(zip(setting.places, wanted, strict=False)),
            wanted[len(setting.places) :],
        )
        return (None, *found)
