"""Ranges of a loop's own states that grow as it runs: each step puts a row to those before it.

`h_rows = torch.cat([h_rows, h[t - 1][:, None]], dim=1)` stands before the first line that reads `h_{0:t-1}`. All rows
stacked anew at each step would be as many tensors on the way back as there are pairs of steps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqmagic.emit.torch.code import SCALAR
from sqmagic.emit.torch.facts import Facts, base_cases
from sqmagic.emit.torch.names import free
from sqmagic.emit.torch.reading import end, moved
from sqmagic.equations.system import Fixed, Last, Range, Read, Running
from sqmagic.schedule.domains import Interval


@dataclass(frozen=True, slots=True)
class Growing:
    """The rows of a range by their `name`: what `begins` them before the loop, and what each step `adds`."""

    name: str
    begins: str
    adds: str


def growing(
    facts: Facts, found: Collection[Read], steps: Interval, after: Mapping[str, Collection[int]], backward: bool
) -> dict[Read, Growing]:
    """Of the ranges that a loop's equations read of its own states at all `steps`, those that grow by a row; `after`
    has the rows past each state's equation, from T, that are there before a loop that goes backward."""
    names: dict[Read, Growing] = {}
    taken = {*facts.variables.values()}
    for read in found:
        match read.context:
            case (Range(Fixed(first), Running(_, offset)),) if not backward:
                beside = range(first, steps.first + offset)
                there = {k for k, _ in base_cases(facts, read.state)}
                rows, at = [str(k) for k in beside], offset
            case (Range(Running(_, offset), Last(_, last)),) if backward:
                beside = range(steps.last + offset + 1, last + 1)
                there = set(after[read.state])
                rows, at = [end(k) for k in beside], offset
            case _:
                continue
        if there.issuperset(beside):
            name = free(f"{facts.name(read.state)}_rows", taken)
            taken.add(name)
            names[read] = _growing(facts, read.state, name, rows, moved("t", at), backward)
    return names


def _growing(facts: Facts, state: str, name: str, rows: list[str], at: str, backward: bool) -> Growing:
    shape, held = facts.shapes[state], facts.name(state)
    scalar = shape == SCALAR
    where = "-1" if scalar else "1"
    one = f"{held}[{at}]" if scalar else f"{held}[{at}][:, None]"
    sizes = ", ".join(map(str, ["batch", 0, *(() if scalar else shape)]))
    begins = f"{facts.like}.new_zeros({sizes})"
    if rows:
        stack = "cat" if scalar else "stack"
        begins = f"torch.{stack}([{', '.join(f'{held}[{k}]' for k in rows)}], dim={where})"
    both = f"{one}, {name}" if backward else f"{name}, {one}"
    return Growing(name, f"{name} = {begins}", f"{name} = torch.cat([{both}], dim={where})")
