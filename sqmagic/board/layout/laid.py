"""All wires of a plan as they lie. When the plan changes, only those are laid anew that the change touches, and those
that must then give way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqmagic.board.layout.again import Way, again, grow
from sqmagic.board.layout.carry import Lines, carried
from sqmagic.board.layout.grid import FREE, Grid, Plan, Point, grid_of
from sqmagic.board.layout.ports import E, N, S, W
from sqmagic.board.layout.route import FOLLOWED, HASTE, MISSING, WINDING, added, detour, jobs, standing
from sqmagic.board.layout.terminals import Job, terminals_of
from sqmagic.board.layout.wire import STEP, nearest

TRACKS = 1
"""Between neighbouring lines."""

_EVERY = 1 << E | 1 << N | 1 << W | 1 << S


@dataclass(frozen=True, slots=True)
class Laid:
    """A plan with its wires, laid in haste with a single track between lines; those that found no way have none. What
    the whole costs, and how many crossings and corners there are."""

    plan: Plan
    ways: Mapping[Job, Way]
    cost: float
    crossings: int
    corners: int


Layer = Callable[[Plan, float, Laid | None], Laid | None]
"""Lays the wires of a plan as they lay before it changed, or all anew; gives up as soon as they cost more than so
much."""


def layer(plan: Plan) -> Layer:
    """For plans of this one's program."""
    terminals = terminals_of(plan.graph, plan.rails)
    every = [(net, sink) for net, drawn in enumerate(plan.graph.nets) for sink in drawn.sinks]

    def lay(at: Plan, most: float, before: Laid | None = None) -> Laid | None:
        grid = grid_of(at, terminals(at.rows, at.columns), TRACKS, HASTE)
        ways = _as_before(grid, before) if before else {}
        return _laid(grid, ways, [job for job in every if job not in ways], most)

    return lay


def _laid(grid: Grid, kept: dict[Job, Way], waiting: Collection[Job], most: float) -> Laid | None:
    begun = {net for net, _ in kept}
    least = _cost(grid, kept)[0]
    rests: dict[Job, float] = {}
    order = jobs(grid.plan, grid, among=frozenset(waiting))
    for net, sink in order:
        rests[net, sink] = STEP if net in begun else nearest(grid, net, sink)
        begun.add(net)
    least += sum(rests.values())
    if least > most:
        return None
    anew = {net for net, _ in waiting}
    for job, way in kept.items():
        if job[0] in anew:
            grow(grid, job, way)
    for job in order:
        least += added(grid, job) - rests[job]
        if least > most:
            return None
    ways = kept | {job: _corners(grid, grid.paths[job]) for job in order if job in grid.paths}
    cost, crossings, corners = _cost(grid, ways)
    cost += MISSING * (len(order) + len(kept) - len(ways))
    return Laid(grid.plan, ways, cost, crossings, corners) if cost < most else None


# --- what it costs -----------------------------------------------------------------------------------------


def _cost(grid: Grid, ways: Mapping[Job, Way]) -> tuple[float, int, int]:
    """What the wires that lie there cost, with the places of nodes, and their crossings and corners."""
    plan, across, upright = grid.plan, grid.across, grid.upright
    points = 2 * len(across) - across.count(FREE) - upright.count(FREE)
    crossings = sum(across[v] != upright[v] for v in _everywhere(grid.ends))
    corners = {(job[0], corner) for job, way in ways.items() for corner in way[1:-1]}
    more = sum(WINDING * (len(way) - 2 - FOLLOWED) for way in ways.values() if len(way) - 2 > FOLLOWED)
    more += sum(detour(grid, job, len(way) - 2, max(y for _, y in way)) for job, way in ways.items() if len(way) > 2)
    length = STEP * (points - len(corners) + len(ways))
    cost = standing(plan) + length + plan.bend * len(corners) + plan.crossing * crossings + more
    return cost, crossings, len(corners)


def _everywhere(ends: list[int]) -> Iterator[int]:
    """Points from which wires go on in every direction."""
    v = -1
    for _ in range(ends.count(_EVERY)):
        v = ends.index(_EVERY, v + 1)
        yield v


def _corners(grid: Grid, path: Sequence[int]) -> Way:
    inner = [b for a, b, c in zip(path, path[1:], path[2:], strict=False) if b - a != c - b]
    return tuple((v % grid.width, v // grid.width) for v in (path[0], *inner, path[-1]))


# --- as before ---------------------------------------------------------------------------------------------


def _as_before(grid: Grid, before: Laid) -> dict[Job, Way]:
    """Lays every wire that still can lie as it did, and gives their ways."""
    columns, rows = carried(before.plan, grid.plan, TRACKS)
    kept: dict[Job, Way] = {}
    for job, way in before.ways.items():
        now = _mapped(way, columns, rows)
        if now and again(grid, job, now):
            kept[job] = now
    return kept


def _mapped(way: Way, columns: Lines, rows: Lines) -> Way | None:
    """The way on the grid after a change, without corners that are none any more; none if it would turn back."""
    out: list[Point] = []
    for x, y in way:
        point = u, v = columns[x], rows[y]
        if not out or out[-1] != point:
            if len(out) > 1:
                (a, b), (c, d) = out[-2:]
                if a == c == u or b == d == v:
                    if (c - a) * (u - c) < 0 or (d - b) * (v - d) < 0:
                        return None
                    out.pop()
            out.append(point)
    return tuple(out) if len(out) > 1 else None
