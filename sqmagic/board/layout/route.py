"""All wires, one after the other; afterwards each net is taken up and laid again while that makes the whole cheaper.
The order of everything is fixed, so a program has one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqmagic.board.layout.grid import Plan, Point
from sqmagic.board.layout.terminals import Job
from sqmagic.board.layout.wires import Way, Wiring, packed, places_of, prices_of, ways_of

NOTHING_LIES: Mapping[Job, Way] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Routes:
    """The way of each wire, from its source to its sink, in grid points; where wires cross; how many corners one sees,
    and how many wires bend that could be straight; which found no way; and how much was searched, which is the same
    everywhere as seconds are not."""

    tracks: int
    paths: dict[tuple[int, int], tuple[Point, ...]]
    crossings: tuple[Point, ...]
    corners: int
    crooked: int
    missing: tuple[tuple[int, int], ...]
    cost: float
    work: int

    def column(self, c: int) -> int:
        return 1 + self.tracks + c * (self.tracks + 1)

    def row(self, r: int) -> int:
        return self.tracks + r * (self.tracks + 1)


def route(
    wires: Wiring,
    plan: Plan,
    tracks: int,
    rounds: int,
    urgent: frozenset[int] = frozenset(),
    lying: Mapping[Job, Way] = NOTHING_LIES,
) -> Routes:
    """`tracks` between neighbouring lines, at most `rounds` of taking up and laying again (fewer where a lot was
    searched already), `urgent` nets first after the rails but for those that are `lying` there."""
    first = bytes(net in urgent for net in range(len(plan.graph.nets)))
    given = (places_of(plan), prices_of(plan), tracks, rounds, first, packed(wires, lying))
    paths, crossings, corners, crooked, missing, cost, work = wires.core.routed(*given)
    crossed = memoryview(crossings).cast("i").tolist()
    lost = tuple(wires.jobs[k] for k in memoryview(missing).cast("i").tolist())
    points = tuple(zip(crossed[::2], crossed[1::2], strict=True))
    return Routes(tracks, ways_of(wires, paths), points, corners, crooked, lost, cost, work)
