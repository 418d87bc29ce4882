"""Recurrences that look back in one equation and ahead in another: at which distance from one another they can run.

If equation u runs `shifts[u]` steps ahead of the loop's own, what it reads of v at a distance k is there in time when
shifts[u] + k <= shifts[v]. Such shifts exist where every way round leads back in time: then the loop runs forward; and
where every way round leads ahead it runs backward, by the same rule with the signs turned. A way round that leads
nowhere is a value that needs itself, and ways that lead both ways leave no step to begin with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqmagic.schedule.graph import shortest_cycle, strong_components
from sqmagic.schedule.readings import Reading


@dataclass(frozen=True, slots=True)
class Retiming:
    """`shifts` by equation; a loop that is `backward` goes from the last step to the first."""

    backward: bool
    shifts: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Standstill:
    """Equations each of which reads the next, the last the first, at distances that add up to nothing."""

    equations: tuple[int, ...]


Edge = tuple[int, int, int]
"""Who reads, who makes it, and at which distance at the furthest."""


def retiming(internal: Mapping[int, list[Reading]], inside: Iterable[int]) -> Retiming | Standstill | None:
    """How a recurrence that looks both ways can run; None where it cannot. Of reads that reach to an end nothing is
    known."""
    members = sorted(inside)
    if any(r.first is None or r.last is None for found in internal.values() for r in found):
        return None
    for backward in (False, True):
        edges = _edges(internal, set(members), backward)
        shifts = _shifts(members, edges)
        if shifts is not None:
            still = _standstill(members, edges, shifts)
            return still or Retiming(backward, {m: -s if backward else s for m, s in shifts.items()})
    return None


def _edges(internal: Mapping[int, list[Reading]], inside: set[int], backward: bool) -> list[Edge]:
    found = []
    for reader, readings in internal.items():
        for reading in readings:
            assert reading.first is not None and reading.last is not None, "both ends are known"
            distance = -reading.first if backward else reading.last
            found += [(reader, definer, distance) for definer in reading.definers if definer in inside]
    return found


def _shifts(members: list[int], edges: list[Edge]) -> dict[int, int] | None:
    """The greatest shifts up to 0 (Bellman and Ford); None where some way round leads the wrong way."""
    shifts = dict.fromkeys(members, 0)
    for _ in range(len(members) + 1):
        changed = False
        for reader, definer, distance in edges:
            if shifts[reader] + distance > shifts[definer]:
                shifts[reader], changed = shifts[definer] - distance, True
        if not changed:
            return shifts
    return None


def _standstill(members: list[int], edges: list[Edge], shifts: Mapping[int, int]) -> Standstill | None:
    """A way round on which everything is needed as soon as it is made."""
    place = {member: n for n, member in enumerate(members)}
    graph: list[list[int]] = [[] for _ in members]
    for reader, definer, distance in edges:
        if shifts[reader] + distance == shifts[definer]:
            graph[place[reader]].append(place[definer])
    for knot in strong_components(graph):
        if len(knot) > 1 or knot[0] in graph[knot[0]]:
            return Standstill(tuple(members[n] for n in shortest_cycle(graph, knot[0])))
    return None
