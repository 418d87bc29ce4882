"""What is told of a program rather than drawn: its numbers, and the base cases with which its rails start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from sqmagic.board.layout.graph import Value
from sqmagic.board.layout.scene import Told
from sqmagic.board.names import index_text
from sqmagic.board.views.rails import Pass
from sqmagic.equations.system import Fixed, Last, Point, Range, Running


@dataclass(frozen=True, slots=True)
class Start:
    """The values at the far end of a rail, and a sentence about them."""

    value: str
    title: str
    told: tuple[Told, ...]


def start_of(own: Pass, told: Sequence[Told]) -> Start | None:
    """The base cases that are read where a rail comes in for the first time: h_0 for h_{t-1}, b_{T+1} for b_{t+1}, all
    three of h_{t-3:t-1}. A value that all have is said once."""
    first = _before(own.value) if own.inward else None
    if first is None:
        return None
    index, distances = first
    found = [(point, line) for distance in distances for line in told for state, point in line.starts
             if state == own.value.state and _distance(point) == distance]  # fmt: skip
    if not found:
        return None
    values = [line.value for _, line in found]
    value = values[0] if len(set(values)) == 1 else ", ".join(values)
    title = ", ".join(f"at {index} = {index_text(point)}: {line.plain}" for point, line in found)
    return Start(value, title, tuple(line for _, line in found))


def _before(value: Value) -> tuple[str, Sequence[int]] | None:
    """The running index, and how far beside the first step, or the last, what is read there stands."""
    match value.context:
        case (Running(index, offset),) if offset:
            return index, (offset,)
        case (Range(Running(_, first), Running(index, last)),) if last < 0:
            return index, range(last, first - 1, -1)
        case (Range(Fixed(first), Running(index, last)),) if last < 0:
            return index, range(last, first - 2, -1)
        case (Range(Running(index, first), Running(_, last) | Last(_, last)),) if first > 0:
            return index, range(first, last + 1)
        case _:
            return None


def _distance(point: Point) -> int:
    """How far before the first step, or behind the last one, a base case stands."""
    match point:
        case Fixed(value):
            return min(value - 1, 0)
        case Last(_, offset) | Running(_, offset):
            return max(offset, 0)
        case _:
            assert_never(point)


def untold(told: Sequence[Told], passed: Iterable[Pass]) -> tuple[Told, ...]:
    """What the caption must still say where base cases stand at the ends of their rails."""
    shown = {line for p in passed if (start := start_of(p, told)) for line in start.told}
    return tuple(line for line in told if line not in shown)
