"""Plans with all their wires, laid in haste; and plans that cost less: a climb, and changes drawn by lot. All of it is
in csrc/board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf

from sqmagic.board.layout import _wires
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.wires import Wiring, places_of, prices_of, standing

TRACKS: int = _wires.tracks
"""Between neighbouring lines, while plans are compared."""


@dataclass(frozen=True, slots=True)
class Laid:
    """A plan with its wires, laid in haste with a single track between lines; those that found no way have none. What
    the whole costs, how many crossings and corners there are, how many wires bend that could be straight, and how many
    were laid anew. For `ways` see `wires.ways_of`."""

    plan: Plan
    ways: bytes
    cost: float
    crossings: int
    corners: int
    crooked: int
    anew: int = field(default=0, compare=False)


def laid(wires: Wiring, at: Plan, most: float = inf, before: Laid | None = None) -> Laid | None:
    """The wires of a plan as they lay before it changed, or all anew; none if they cost more than so much."""
    was, ways = (places_of(before.plan), before.ways) if before else (None, b"")
    found = wires.core.laid(places_of(at), prices_of(at), most, was, ways)
    return None if found is None else _read(at, found)


def tried(wires: Wiring, at: Plan, most: float = inf) -> float:
    """What a plan costs with every wire laid once; more than so much need not be exact."""
    return wires.core.tried(places_of(at), prices_of(at), most)


def guessed(wires: Wiring, at: Plan) -> float:
    """What a plan may cost, comparable with other plans of the program and with nothing else."""
    return wires.core.guess(places_of(at), prices_of(at))


def changed(wires: Wiring, at: Plan) -> list[Plan]:
    """All plans that are one legal change away."""
    return [standing(at, places) for places in wires.core.changed(places_of(at), prices_of(at))]


def under(wires: Wiring, at: Plan, node: int) -> list[Plan]:
    """Those in which a node stands in the column of a neighbour."""
    return [standing(at, places) for places in wires.core.under(places_of(at), prices_of(at), node)]


def legal(wires: Wiring, at: Plan) -> bool:
    """A block's columns stay together, the stops of a rail in the order of its flow, and nothing on anything else."""
    return wires.core.legal(places_of(at))


def climbed(wires: Wiring, at: Plan, budget: float) -> Plan:
    """A plan that no change makes cheaper, or the best that was found within a budget of wires: one whose cost is
    guessed counts for 1."""
    return standing(at, wires.core.climbed(places_of(at), prices_of(at), budget))


def annealed(
    wires: Wiring, start: Laid, steps: int, seed: int, warmth: float, nearly: float, columns: float
) -> Iterator[Laid]:
    """After what is there itself, what is found on the way and better than all before it, or worse by no more than
    `nearly`. Of so many changes, one at first may make it worse by `warmth`. Crossings, corners and columns (more
    than so many) are dear where they are too many, and wires that could be straight."""
    plan = start.plan
    given = (places_of(plan), prices_of(plan), start.ways, start.cost, start.crossings, start.corners, start.crooked)
    found: _wires.Found | None = wires.core.anneal(*given, steps, seed, warmth, nearly, columns)
    while found is not None:
        yield _read(plan, found)
        found = wires.core.better()


def _read(plan: Plan, found: _wires.Found) -> Laid:
    places, ways, cost, crossings, corners, crooked, anew = found
    return Laid(standing(plan, places), ways, cost, crossings, corners, crooked, anew)
