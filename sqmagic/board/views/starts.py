"""What is told of a program rather than drawn: its numbers, and the base cases with which its rails start."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from sqmagic.board.layout.scene import Told
from sqmagic.board.names import index_text
from sqmagic.board.views.rails import Pass
from sqmagic.equations.system import Fixed, Last, Point, Running


@dataclass(frozen=True, slots=True)
class Start:
    """The value at the far end of a rail, and a sentence about it."""

    value: str
    title: str
    told: Told


def start_of(own: Pass, told: Iterable[Told]) -> Start | None:
    """The base case that is read where a rail comes in for the first time: h_0 for h_{t-1}, b_{T+1} for b_{t+1}."""
    match own.value.context:
        case (Running(index, offset),) if own.inward and offset:
            for line in told:
                for state, point in line.starts:
                    if state == own.value.state and _distance(point) == offset:
                        return Start(line.value, f"at {index} = {index_text(point)}: {line.plain}", line)
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
    shown = {start.told for p in passed if (start := start_of(p, told))}
    return tuple(line for line in told if line not in shown)
