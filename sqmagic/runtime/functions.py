"""A function in C as a torch module, so that a program can call it by its name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sqmagic.world.errors import WorldError
from sqmagic.world.function import Function
from sqmagic.world.signature import Value


class CFunction(nn.Module):
    """Calls a function in C with tensors [..., *shape], the leading axes being those of a batch; a single number is
    [..., 1]. Gradients are those of its adjoint; without one nothing flows back."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def extra_repr(self) -> str:
        own = self.function.signature
        sides = (", ".join(f"{v.name}: {_listed(v)}" for v in side) for side in (own.inputs, own.outputs))
        return f"{own.name}: {' -> '.join(sides)}" + ("" if own.has_adjoint else ", without an adjoint")

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The outputs; one alone is no tuple. Raises WorldError where shapes do not fit."""
        own = self.function.signature
        if len(given) != len(own.inputs):
            raise WorldError(f"{own.name} takes {len(own.inputs)} inputs, {len(given)} were given")
        lead = given[0].shape[: given[0].dim() - max(len(own.inputs[0].sizes), 1)]
        double = any(x.dtype == torch.float64 for x in given)
        real = torch.float64 if double else torch.float32
        flat = []
        for value, x in zip(own.inputs, given, strict=True):
            shape = x.shape[len(lead) :]
            if x.shape[: len(lead)] != lead:
                raise WorldError(f"the inputs of {own.name} have different batches: {list(lead)} and {list(x.shape)}")
            shape = shape[:-1] if not value.sizes and tuple(shape) == (1,) else shape
            flat.append(x.reshape(-1, *shape).to(real if value.type == "f32" else torch.int32).contiguous())
        if any(x.is_meta for x in given):  # only shapes are asked for
            known = self.function.sizes([tuple(x.shape[1:]) for x in flat])
            made = [torch.empty(*lead, *(v.shape(known) or (1,)), dtype=real, device="meta") for v in own.outputs]
            return made[0] if len(made) == 1 else tuple(made)
        outputs: Any = _Call.apply(self.function, double, *(x.cpu() for x in flat))  # type: ignore[no-untyped-call]
        back = [y.reshape(*lead, *(y.shape[1:] or (1,))).to(given[0].device) for y in outputs]
        return back[0] if len(back) == 1 else tuple(back)


def _listed(value: Value) -> str:
    return value.type + "".join(f"[{s}]" for s in value.sizes)


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: Function, double: bool, *inputs: Tensor) -> tuple[Tensor, ...]:
        own = function.signature
        known = function.sizes([tuple(x.shape[1:]) for x in inputs])
        real = torch.float64 if double else torch.float32
        outputs = tuple(torch.zeros(len(inputs[0]), *v.shape(known), dtype=real) for v in own.outputs)
        sizes = [known[s] for s in own.sizes]
        function.call("forward", [t.data_ptr() for t in (*inputs, *outputs)], len(inputs[0]), sizes, double)
        ctx.rule = (function, double, sizes)
        ctx.save_for_backward(*inputs, *outputs)
        if not own.has_adjoint:
            ctx.mark_non_differentiable(*outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        function, double, sizes = ctx.rule
        own, saved = function.signature, ctx.saved_tensors
        inputs = saved[: len(own.inputs)]
        given = [slope.contiguous() for slope in slopes]
        made = [torch.zeros_like(x) if v.type == "f32" else None for x, v in zip(inputs, own.inputs, strict=True)]
        arrays = [*saved, *given, *(m for m in made if m is not None)]
        assert all(a.is_contiguous() for a in arrays), "C reads whole memory"
        function.call("adjoint", [t.data_ptr() for t in arrays], len(inputs[0]), sizes, double)
        return (None, None, *made)
