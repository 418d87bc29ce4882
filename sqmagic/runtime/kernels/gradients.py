"""The way back through a scan: one call of the compiled loop, which also adds up the gradients over all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, assert_never

import torch
from torch import Tensor

from sqmagic.runtime.kernels.call import (
    Caller,
    Frame,
    Lengths,
    Member,
    Size,
    Values,
    framed,
    in_memory,
    laid_out,
    lengths_taken,
    point,
    remember,
    rows_taken,
)
from sqmagic.runtime.kernels.compiler import Library
from sqmagic.runtime.kernels.memory import POOL
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


class Given(NamedTuple):
    """What the way back is given for a state: for all its rows, and for those of the scan's steps, which are `before`
    rows on. None is 0."""

    rows: Tensor | None
    steps: Tensor | None
    before: int

    def together(self, plane: Tensor, size: Size) -> Tensor:
        """For all rows of a state that lie like this."""
        if self.steps is None:
            return torch.zeros(plane.shape, dtype=size.dtype) if self.rows is None else self.rows
        total = torch.zeros(plane.shape, dtype=size.dtype) if self.rows is None else self.rows.clone()
        total[self.before : self.before + size.steps] += self.steps
        return total

    def past(self, number: int, whole: bool, ends: Tensor) -> Tensor:
        """For the row with this number past each example's own last step, `ends` rows on; all further ones, too, if it
        stands for them (`whole`)."""
        of_rows = () if self.rows is None else ((self.rows, 0),)
        of_steps = () if self.steps is None else ((self.steps, self.before),)
        total = torch.zeros(())
        for given, first in (*of_rows, *of_steps):
            places = torch.arange(first, first + given.shape[0])[:, None] - ends
            mask = (places >= number) if whole else (places == number)
            total = total + torch.where(mask[..., None], given, 0).sum(0)
        return total


@dataclass(frozen=True, slots=True)
class Wayback:
    """A loaded way back: what is worked out once. `inside` are the states that lie in the block; of arguments, adjoints
    (for all rows, and for those of the steps) and states outside there is how their rows are taken; the rest are the
    members that take weights and gradients.
    """

    program: ScanProgram
    back: Backward
    caller: Caller
    inside: tuple[str, ...]
    blocks: tuple[Taken, ...]
    states: tuple[tuple[str, Member], ...]
    adjoints: tuple[tuple[str, Member, Member | None], ...]
    arguments: tuple[tuple[int, Member], ...]
    weights: tuple[tuple[int, int], ...]
    parameters: tuple[int | None, ...]
    inputs: Mapping[int, tuple[int | None, int | None]]
    lengths: Lengths | None
    frames: dict[object, Frame] = field(default_factory=dict)

    @staticmethod
    def of(program: ScanProgram, back: Backward, library: Library, outside: Sequence[str]) -> Wayback:
        places = library.places
        own = {o.state: o for o in program.own}
        numbers = {w.parameter: n for n, w in enumerate(program.weights)}
        members = dict(back.parameters)
        blocks: list[Taken] = []
        states: list[tuple[str, Member]] = []
        adjoints: list[tuple[str, Member, Member | None]] = []
        arguments: list[tuple[int, Member]] = []
        for item in back.taken:
            member = item.member
            if item.source == "state" and item.name not in outside:
                rows, step, row, count = (places[f"{member}{end}"] for end in ("", "_step", "_row", "_rows"))
                blocks.append(Taken(rows, step, row, count, item.skip, own[str(item.name)]))
                continue
            takes = rows_taken(library, member, item.over_time, item.skip)
            match item.source:
                case "argument":
                    arguments.append((int(item.name), takes))
                case "state":
                    states.append((str(item.name), takes))
                case "adjoint":
                    skip = item.skip - own[str(item.name)].before
                    of_steps = rows_taken(library, member, item.over_time, skip) if skip >= 0 else None
                    adjoints.append((str(item.name), takes, of_steps))
                case _:
                    assert_never(item.source)
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
            lengths=lengths_taken(library, program.lengths),
        )

    def gradients(
        self,
        size: Size,
        ahead: Frame,
        arguments: Mapping[int, Tensor],
        weights: Sequence[Tensor],
        states: Mapping[str, Tensor],
        block: Tensor | None,
        given: Mapping[str, Given],
        wanted_arguments: Mapping[int, bool],
        wanted_weights: Sequence[bool],
    ) -> list[Tensor | None]:
        """The gradients of the arguments that are tensors, in their order, then of the weights. `ahead` is the frame of
        the call forward, `states` and `block` what it left."""
        some = size.batch > 0 and size.steps > 0
        hats = tuple([hat for place, hat, _, _ in self.back.bases if wanted_arguments[place]])
        key = (size, hats, torch.get_num_threads())
        frame = self.frames.get(key) or remember(self.frames, key, self._framed(size, hats, ahead))
        values = frame.values.copy()
        if block is not None:
            point(values, frame.block, block.data_ptr())
        of_arguments: dict[int, Tensor] = {}
        for place, (member, count) in self.inputs.items():
            if wanted_arguments[place]:
                into = of_arguments[place] = _made(values, member, arguments[place], size.dtype, some)
                if count is not None:
                    values[count] = into.shape[0]
        of_weights = [
            _made(values, member, weight, size.dtype, some) if wanted else None
            for member, weight, wanted in zip(self.parameters, weights, wanted_weights, strict=True)
        ]
        lengths = None if self.lengths is None else self.lengths(values, arguments)
        edges: dict[str, Tensor] = {}
        for state, place, shape in frame.apart:
            edge = (
                torch.empty(shape, dtype=size.dtype)
                if lengths is None
                else torch.zeros((2, *shape[1:]), dtype=size.dtype)
            )
            values[place], edges[state] = edge.data_ptr(), edge[-1]
        held = self._taken(values, size, arguments, weights, states, given)
        if size.batch:
            self.caller.run(frame, values)
        del held
        for place, hat, state, row in self.back.bases:
            if wanted_arguments[place]:
                total = edges[hat]
                if state in given:
                    total = self._with_given(total, given[state], state, row, lengths)
                of_arguments[place] = of_arguments[place] + total if place in of_arguments else total
        return [*map(of_arguments.get, arguments), *of_weights]

    def _framed(self, size: Size, hats: tuple[str, ...], ahead: Frame) -> Frame:
        """The frame of a call back, with how the rows of states lie in the block that the call forward left."""
        own = framed(self.caller, size, hats, ())
        values, block = own.values, []
        for taken in self.blocks:
            rows, step = taken.own, size.batch * taken.own.width
            values[taken.step], values[taken.row] = step, rows.width
            values[taken.count] = rows.before + size.steps + rows.after - taken.skip
            block.append((taken.rows, ahead.offsets[rows.state] + taken.skip * step * size.dtype.itemsize))
        return replace(own, block=tuple(block))

    def _with_given(self, total: Tensor, given: Given, state: str, row: int, lengths: Tensor | None) -> Tensor:
        """The adjoint of a base or end case, with what its rows are given from outside."""
        if row < 0 and lengths is not None:
            own = next(o for o in self.program.own if o.state == state)
            number = own.ends + row + 1
            return total + given.past(number, number == own.after, own.before + lengths + self.program.more - 1)
        return total if given.rows is None else total + given.rows[row]

    def _taken(
        self,
        values: Values,
        size: Size,
        arguments: Mapping[int, Tensor],
        weights: Sequence[Tensor],
        states: Mapping[str, Tensor],
        given: Mapping[str, Given],
    ) -> list[Tensor]:
        """Puts what is given in its places; gives what must live until the call has run: some may be copies."""
        held = []
        for name, member in self.states:
            member(values, states[name])
        for name, of_rows, of_steps in self.adjoints:
            each = given[name]
            if each.rows is None and each.steps is not None and of_steps is not None:
                held.append(laid_out(each.steps, size.dtype))
                of_steps(values, held[-1])
            else:
                held.append(laid_out(each.together(states[name], size), size.dtype))
                of_rows(values, held[-1])
        for place, member in self.arguments:
            held.append(laid_out(arguments[place], size.dtype))
            member(values, held[-1])
        for place, number in self.weights:
            weight = weights[number]
            if not weight.is_contiguous() or weight.is_neg():
                weight = in_memory(weight).contiguous()
                held.append(weight)
            values[place] = weight.data_ptr()
        return held


def _made(values: Values, member: int | None, like: Tensor, dtype: torch.dtype, some: bool) -> Tensor:
    """A gradient that C fills; zeros where it is 0, or where there is nothing to run over."""
    empty = member is not None and some
    into = POOL.like(like, dtype) if empty else torch.zeros(like.shape, dtype=dtype)
    if member is not None:
        values[member] = into.data_ptr()
    return into


def _place(places: Mapping[str, int], member: str) -> int | None:
    return places[member] if member else None
