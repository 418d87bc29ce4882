"""A compiled scan as a function that torch differentiates: the way back is the adjoint that the compiler derived.

What was computed is kept as it is: backward may be called again (`retain_graph`). Where it is itself to be
differentiated (`create_graph`), or taken for several results at once (`is_grads_batched`), torch's code goes both ways
once more. States that only the way back reads lie side by side in one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sqmagic.runtime.kernels.call import (
    Caller,
    Lengths,
    Member,
    Size,
    Values,
    in_memory,
    laid_out,
    lengths_taken,
    point,
    rows_taken,
    stored,
)
from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.gradients import Given, Wayback
from sqmagic.runtime.kernels.memory import POOL, rows_of
from sqmagic.runtime.kernels.program import OwnState, ScanProgram


@dataclass(frozen=True, slots=True)
class Ready:
    """A scan whose pages are loaded: what is worked out once. `returned` are the states that the method gives,
    `outside` those of them that others read, `beside` those of these that have rows beside the steps, `inside` those
    that the way back reads besides; the rest are the members that take arguments and weights."""

    program: ScanProgram
    caller: Caller
    returned: tuple[OwnState, ...]
    outside: tuple[str, ...]
    beside: tuple[str, ...]
    inside: tuple[str, ...]
    matrices: tuple[tuple[int, tuple[int, ...]], ...]
    own: Mapping[str, OwnState]
    given: tuple[tuple[int, Member], ...]
    bases: tuple[tuple[int, int, int], ...]
    weights: tuple[int, ...]
    lengths: Lengths | None
    back: Wayback | None


def ready(program: ScanProgram, library: Library, back: Library | None) -> Ready:
    returned = program.own[: program.returned]
    outside = tuple(o.state for o in returned if o.state in program.outside)
    places = library.places
    backward = program.backward
    way = None if back is None or isinstance(backward, str) else Wayback.of(program, backward, back, outside)
    own = {o.state: o for o in program.own}
    beside = tuple(s for s in outside if own[s].before or own[s].ends)
    return Ready(
        program=program,
        caller=Caller(library, program.own, program.between),
        returned=returned,
        outside=outside,
        beside=beside,
        inside=() if way is None else way.inside,
        matrices=tuple((n, own[s].shape) for n, s in enumerate((*outside, *beside)) if own[s].shape),
        own=own,
        given=tuple((g.argument, rows_taken(library, g.member, g.over_time)) for g in program.given),
        bases=tuple((b.argument, places[b.member], places[f"{b.member}_row"]) for b in program.bases),
        weights=tuple(places[w.member] for w in program.weights),
        lengths=lengths_taken(library, program.lengths),
        back=way,
    )


class Setting(NamedTuple):
    """What a call knows besides tensors: `places` says which of the method's arguments are tensors; `by_torch` computes
    all states again from arguments and weights in a way that can be differentiated twice, or None where it would not
    compute the same."""

    ready: Ready
    size: Size
    places: tuple[int, ...]
    by_torch: Callable[[Sequence[Tensor]], Mapping[str, Tensor]] | None = None


class Computed(NamedTuple):
    """What a call forward leaves: the rows of states, those that are there for the scan alone among them; of states
    with rows beside the steps, those of the steps once more; and the block with states that the way back reads besides.
    """

    planes: dict[str, Tensor]
    steps: dict[str, Tensor]
    block: Tensor | None

    def outputs(self, own: Mapping[str, OwnState]) -> tuple[Tensor, ...]:
        """The rows that others may read, then those of the steps."""
        return (*[stored(own[state], plane) for state, plane in self.planes.items()], *self.steps.values())


def forward(
    setting: Setting, tensors: Sequence[Tensor], names: tuple[str, ...], inside: tuple[str, ...] = ()
) -> Computed:
    """From arguments and weights the states that are named, and those `inside` in a block. Tensors are all made before
    the scan runs: after it, torch is in no cache any more."""
    size, found = setting.size, setting.ready
    frame = found.caller.frame(size, names, inside)
    values = frame.values.copy()
    planes, steps, block = {}, {}, None
    for state, place, shape in frame.apart:
        plane = planes[state] = POOL.tensor(shape, size.dtype)
        values[place] = plane.data_ptr()
        if state in found.beside:
            steps[state] = rows_of(plane, found.own[state].before, size.steps)
    if inside:
        block = POOL.tensor((frame.length,), size.dtype)
        point(values, frame.block, block.data_ptr())
    held = _taken(values, setting, tensors)
    found.caller.run(frame, values)
    del held
    return Computed(planes, steps, block)


def _taken(values: Values, setting: Setting, tensors: Sequence[Tensor]) -> list[Tensor]:
    """Puts arguments and weights in their places; gives what must live until the call has run: some may be copies."""
    held = []
    found, dtype = setting.ready, setting.size.dtype
    arguments = dict(zip(setting.places, tensors, strict=False))
    for argument, member in found.given:
        tensor = laid_out(arguments[argument], dtype)
        held.append(tensor)
        member(values, tensor)
    for argument, place, row in found.bases:
        tensor = laid_out(arguments[argument], dtype)
        held.append(tensor)
        values[place], values[row] = tensor.data_ptr(), tensor.stride(0)
    for place, tensor in zip(found.weights, tensors[len(arguments) :], strict=True):
        if not tensor.is_contiguous() or tensor.is_neg():
            tensor = in_memory(tensor.detach()).contiguous()
            held.append(tensor)
        values[place] = tensor.data_ptr()
    if found.lengths is not None and (lengths := found.lengths(values, arguments)) is not None:
        held.append(lengths)
    return held


class Scan(torch.autograd.Function):
    """From the method's tensors and the weights to the states that others read; of those with rows beside the steps,
    the rows of the steps once more: their gradient is read where it lies, where a slice's would be copied."""

    @staticmethod
    def forward(ctx: Any, setting: Setting, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = setting.ready
        computed = forward(setting, tensors, found.outside, found.inside)
        planes, steps, block = computed
        ctx.setting = setting
        ctx.set_materialize_grads(False)
        # the rows of the steps are kept only for torch to see where they are changed
        ctx.save_for_backward(*tensors, *planes.values(), *steps.values(), *(() if block is None else (block,)))
        return computed.outputs(found.own)

    @staticmethod
    def backward(ctx: Any, *given: Tensor | None) -> tuple[Tensor | None, ...]:
        setting: Setting = ctx.setting
        found, count = setting.ready, len(setting.places)
        saved, wanted = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if all(g is None for g in given):
            return (None, *(None for _ in wanted))
        wrapped = any(g is not None and not torch._C._has_storage(g) for g in given)
        if wrapped or torch.is_grad_enabled():  # the numbers of what is wrapped lie nowhere that C could read them
            return (None, *_differentiable(setting, saved[: len(wanted)], wanted, given))
        assert found.back is not None, "there is a way back"
        end = len(wanted) + len(found.outside)
        gradients = found.back.gradients(
            setting.size,
            found.caller.frame(setting.size, found.outside, found.inside),
            dict(zip(setting.places, saved[:count], strict=True)),
            saved[count : len(wanted)],
            dict(zip(found.outside, saved[len(wanted) : end], strict=True)),
            saved[-1] if found.inside else None,
            _given(setting, given),
            dict(zip(setting.places, wanted[:count], strict=True)),
            wanted[count:],
        )
        return (None, *gradients)


def _given(setting: Setting, gradients: Sequence[Tensor | None]) -> dict[str, Given]:
    """What the states outside are given."""
    found = setting.ready
    of_steps = dict(zip(found.beside, gradients[len(found.outside) :], strict=True))
    return {
        s: Given(rows, of_steps.get(s), found.own[s].before) for s, rows in zip(found.outside, gradients, strict=False)
    }


def _differentiable(
    setting: Setting, tensors: Sequence[Tensor], wanted: Sequence[bool], given: Sequence[Tensor | None]
) -> Iterator[Tensor | None]:
    """The gradients of the tensors that want one, so that they can be differentiated themselves. They are taken where
    the tensors come in: what hooks do with a tensor's gradient is done with the result."""
    program = setting.ready.program
    if setting.by_torch is None:
        raise RuntimeError(
            f"`{program.method}` ran as compiled code on what was drawn, looked up or made of ranges beforehand: "
            "its gradient can neither be differentiated once more nor be taken for several results at once"
        )
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        own = [t.view_as(t) if asked else t.detach() for t, asked in zip(tensors, wanted, strict=True)]
        states, known = setting.by_torch(own), setting.ready
        steps = setting.size.steps
        beside = [states[s][known.own[s].before : known.own[s].before + steps] for s in known.beside]
        every = [*(states[s] for s in known.outside), *beside]
    pairs = [(state, g) for state, g in zip(every, given, strict=True) if g is not None]
    outputs, adjoints = zip(*pairs, strict=True)
    leaves = [t for t, asked in zip(own, wanted, strict=True) if asked]
    found = iter(torch.autograd.grad(outputs, leaves, adjoints, create_graph=again, allow_unused=True))
    yield from (next(found) if asked else None for asked in wanted)
