"""The way back through a scan: one call of the compiled loop, which also adds up the gradients over all steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sqmagic.runtime.kernels.call import Caller, Frame, Member, Size, laid_out, rows_taken
from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.program import Backward, OwnState, ScanProgram


@dataclass(frozen=True, slots=True)
class Taken:
    """What takes the rows of a state that lies in the block: its members, the first row, and the state."""

    rows: int
    step: int
    row: int
    count: int
    skip: int
    own: OwnState


@dataclass(frozen=True, slots=True)
class Wayback:
    """A loaded way back: what is worked out once. `inside` are the states that lie in the block; of arguments, adjoints
    and states outside there is how their rows are taken; the rest are the members that take weights and gradients.
    """

    program: ScanProgram
    back: Backward
    caller: Caller
    inside: tuple[str, ...]
    blocks: tuple[Taken, ...]
    states: tuple[tuple[str, Member], ...]
    adjoints: tuple[tuple[str, Member], ...]
    arguments: tuple[tuple[int, Member], ...]
    weights: tuple[tuple[int, int], ...]
    parameters: tuple[int | None, ...]
    inputs: Mapping[int, tuple[int | None, int | None]]

    @staticmethod
    def of(program: ScanProgram, back: Backward, library: Library, outside: Sequence[str]) -> Wayback:
        places = library.places
        own = {o.state: o for o in program.own}
        numbers = {w.parameter: n for n, w in enumerate(program.weights)}
        members = dict(back.parameters)
        blocks: list[Taken] = []
        states: list[tuple[str, Member]] = []
        adjoints: list[tuple[str, Member]] = []
        arguments: list[tuple[int, Member]] = []
        for item in back.taken:
            member = item.member
            if item.source == "state" and item.name not in outside:
                rows, step, row, count = (places[f"{member}{end}"] for end in ("", "_step", "_row", "_rows"))
                blocks.append(Taken(rows, step, row, count, item.skip, own[str(item.name)]))
            else:
                takes = rows_taken(library, member, item.over_time, item.skip)
                if item.source == "argument":
                    arguments.append((int(item.name), takes))
                else:
                    (states if item.source == "state" else adjoints).append((str(item.name), takes))
        return Wayback(
            program=program,
            back=back,
            caller=Caller(library, back.own, back.between, back.full),
            inside=tuple(sorted(back.kept - set(outside))),
            blocks=tuple(blocks),
            states=tuple(states),
            adjoints=tuple(adjoints),
            arguments=tuple(arguments),
            weights=tuple((places[w.member], numbers[w.parameter]) for w in back.weights),
            parameters=tuple(_place(places, members.get(w.parameter, "")) for w in program.weights),
            inputs={
                place: (_place(places, member), places[f"{member}_rows"] if member and over_time else None)
                for place, member, over_time in back.arguments
            },
        )

    def gradients(
        self,
        size: Size,
        ahead: Frame,
        arguments: Mapping[int, Tensor],
        weights: Sequence[Tensor],
        states: Mapping[str, Tensor],
        block: Tensor | None,
        given: Mapping[str, Tensor | None],
        wanted_arguments: Mapping[int, bool],
        wanted_weights: Sequence[bool],
    ) -> Iterator[Tensor | None]:
        """The gradients of the arguments that are tensors, in their order, then of the weights. `ahead` is the frame of
        the call forward, `states` and `block` what it left."""
        made = torch.empty if size.batch and size.steps > 0 else torch.zeros
        pointers: list[tuple[int, int]] = []
        held: list[Tensor] = []
        of_arguments: dict[int, Tensor] = {}
        for place, (member, count) in self.inputs.items():
            if wanted_arguments[place]:
                shape = arguments[place].shape
                into = of_arguments[place] = (torch.zeros if member is None else made)(shape, dtype=size.dtype)
                if member is not None:
                    pointers.append((member, into.data_ptr()))
                if count is not None:
                    pointers.append((count, shape[0]))
        of_weights: list[Tensor | None] = []
        for member, weight, wanted in zip(self.parameters, weights, wanted_weights, strict=True):
            gradient = None
            if wanted:
                gradient = (torch.zeros if member is None else made)(weight.shape, dtype=size.dtype)
                if member is not None:
                    pointers.append((member, gradient.data_ptr()))
            of_weights.append(gradient)
        hats = [hat for place, hat, _, _ in self.back.bases if wanted_arguments[place]]
        frame = self.caller.frame(size, tuple(hats), ())
        edges = {state: torch.empty(shape, dtype=size.dtype) for state, _, shape in frame.apart}
        pointers += [(place, edges[state].data_ptr()) for state, place, _ in frame.apart]
        pointers += self._members(size, ahead, arguments, weights, states, block, given, held)
        if size.batch:
            self.caller.run(frame, pointers)
        for place, hat, state, row in self.back.bases:
            if wanted_arguments[place]:
                outer, total = given.get(state), edges[hat][0]
                total = total if outer is None else total + outer[row]
                of_arguments[place] = of_arguments[place] + total if place in of_arguments else total
        yield from (of_arguments.get(place) for place in arguments)
        yield from of_weights

    def _members(
        self,
        size: Size,
        ahead: Frame,
        arguments: Mapping[int, Tensor],
        weights: Sequence[Tensor],
        states: Mapping[str, Tensor],
        block: Tensor | None,
        given: Mapping[str, Tensor | None],
        held: list[Tensor],
    ) -> Iterator[tuple[int, int]]:
        """The members that take what is given; `held` keeps what has been copied for it."""
        start = 0 if block is None else block.data_ptr()
        for taken in self.blocks:
            own, step = taken.own, size.batch * taken.own.width
            _, offset = ahead.block[own.state]
            yield taken.rows, start + offset + taken.skip * step * size.dtype.itemsize
            yield taken.step, step
            yield taken.row, own.width
            yield taken.count, own.before + size.steps + own.after - taken.skip
        for name, takes in self.states:
            yield from takes(states[name])
        for name, takes in self.adjoints:
            each = given[name]
            if each is None:
                each = torch.zeros(states[name].shape, dtype=size.dtype)
            held.append(laid_out(each, size.dtype))
            yield from takes(held[-1])
        for place, takes in self.arguments:
            held.append(laid_out(arguments[place], size.dtype))
            yield from takes(held[-1])
        for place, number in self.weights:
            weight = weights[number]
            if not weight.is_contiguous():
                weight = weight.contiguous()
                held.append(weight)
            yield place, weight.data_ptr()


def _place(places: Mapping[str, int], member: str) -> int | None:
    return places[member] if member else None
