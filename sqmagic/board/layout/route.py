"""All wires, net after net, each as `wire` lays it; afterwards each net is taken up and laid again while that makes the
whole cheaper. The order of everything is fixed, so a program has one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from operator import ne, sub
from types import MappingProxyType

from sqmagic.board.layout.again import Way, again, grow
from sqmagic.board.layout.grid import FREE, Grid, Plan, Point, grid_of, point, restore, take_up
from sqmagic.board.layout.instances import intrusions
from sqmagic.board.layout.rails import Rail
from sqmagic.board.layout.rows import bus_of
from sqmagic.board.layout.terminals import Job, Terminals, terminals_of
from sqmagic.board.layout.wire import STEP, lay, nearest

MISSING, HASTE = 60.0, 2.5
"""What a wire that finds no way counts for, and how much less than the best will do while plans are compared."""

_ENOUGH = 100_000
_LONG, _CLIMB, _INTRUSION = 5.0, 10.0, 30.0
_CROOKED = 30.0
WINDING, FOLLOWED = 4.0, 4
"""What each bend counts for that one wire has beyond so many: the eye no longer follows it."""


NOTHING_LIES: Mapping[Job, Way] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Routes:
    """The way of each wire, from its source to its sink, in grid points; where wires cross; how many corners
    one sees; which found no way; and how much was searched, which is the same everywhere as seconds are not."""

    tracks: int
    paths: dict[tuple[int, int], tuple[Point, ...]]
    crossings: tuple[Point, ...]
    corners: int
    missing: tuple[tuple[int, int], ...]
    cost: float
    work: int

    def column(self, c: int) -> int:
        return 1 + self.tracks + c * (self.tracks + 1)

    def row(self, r: int) -> int:
        return self.tracks + r * (self.tracks + 1)


def route(
    plan: Plan,
    tracks: int,
    rounds: int,
    urgent: frozenset[int] = frozenset(),
    lying: Mapping[Job, Way] = NOTHING_LIES,
) -> Routes:
    """`tracks` between neighbouring lines, at most `rounds` of taking up and laying again (fewer where a lot was
    searched already), `urgent` nets first after the rails but for those that are `lying` there."""
    grid = grid_of(plan, terminals_of(plan.graph, plan.rails)(plan.rows, plan.columns), tracks)
    order = jobs(plan, grid, urgent)
    for job, way in lying.items():
        if again(grid, job, way):
            grow(grid, job, way)
    cost = sum(added(grid, job) for job in order if job not in grid.paths)
    cost = _whole_cost(grid, order) if lying else cost
    for _ in range(rounds):
        if grid.work > _ENOUGH or not _relay(grid, order):
            break
        cost = _whole_cost(grid, order)
    missing = tuple(job for job in order if job not in grid.paths)
    crossings = tuple((v % grid.width, v // grid.width) for v in _crossings(grid, range(len(grid.node))))
    corners = len({(job[0], v) for job, path in grid.paths.items() for v in _corners(path)})
    paths = {job: tuple((v % grid.width, v // grid.width) for v in path) for job, path in grid.paths.items()}
    return Routes(tracks, paths, crossings, corners, missing, cost, grid.work)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a plan would cost, and `blame` what of it lies with each node; or that it was given up as too dear."""

    cost: float
    blame: tuple[float, ...] = ()


Try = Callable[[Plan, float], Trial]


def trier(plan: Plan) -> Try:
    """For plans of this one's program: lays every wire once with a single track between lines, but gives up as soon as
    the whole costs more than so much."""
    terminals = terminals_of(plan.graph, plan.rails)

    def tried(at: Plan, most: float) -> Trial:
        return _tried(at, terminals(at.rows, at.columns), most)

    return tried


def _tried(plan: Plan, terminals: Terminals, most: float) -> Trial:
    grid = grid_of(plan, terminals, 1, HASTE)
    blame = [0.0] * len(plan.graph.nodes)
    cost, order = standing(plan), jobs(plan, grid)
    for job, rest in zip(order, _rests(grid, order), strict=True):
        if cost + rest > most:
            return Trial(cost + rest)
        price = added(grid, job)
        cost += price
        blame[job[1]] += price
        blame[plan.graph.nets[job[0]].source] += price
    return Trial(cost, tuple(blame))


def _rests(grid: Grid, jobs: Sequence[Job]) -> list[float]:
    """For each wire the least that it and those after it can add: of each net the first that is laid goes all the way
    from the source, the others at least one step."""
    begun: set[int] = set()
    rests = []
    for net, sink in jobs:
        rests.append(STEP if net in begun else nearest(grid, net, sink))
        begun.add(net)
    return list(accumulate(reversed(rests)))[::-1]


# --- the order of work ---------------------------------------------------------------------------------


def jobs(
    plan: Plan, grid: Grid, urgent: frozenset[int] = frozenset(), among: frozenset[Job] | None = None
) -> list[Job]:
    """Wires in the order in which they are laid, all or some: rails first, then what stands straight above, then buses,
    then by length, exits last."""
    first = list(dict.fromkeys(job for rail in plan.rails for job in _rail_wires(plan, rail)))
    first = first if among is None else [job for job in first if job in among]
    ends, known = [point(grid, v) for v in grid.start], frozenset(first)
    places = [point(grid, at[0]) for at in grid.at]
    rest = []
    for net, drawn in enumerate(plan.graph.nets):
        sinks = [s for s in drawn.sinks if (net, s) not in known and (among is None or (net, s) in among)]
        own = [ends[net], *(places[sink] for sink in drawn.sinks)] if sinks else []
        rest += [(*_urgency(plan, urgent, net, sink, own), net, sink) for sink in sinks]
    return [*first, *((net, sink) for _, _, net, sink in sorted(rest))]


def _rail_wires(plan: Plan, rail: Rail) -> Iterable[Job]:
    bus = bus_of(plan.graph, plan.rows, rail)
    line = [rail.entry, *rail.stops, *([rail.exit] if rail.through else [bus] if bus is not None else [])]
    for source, sink in pairwise(line):
        yield from ((net, sink) for net in plan.graph.inputs[sink] if plan.graph.nets[net].source == source)


def _urgency(plan: Plan, urgent: frozenset[int], net: int, sink: int, ends: Sequence[Point]) -> tuple[float, int]:
    """`ends` are the places of the net's source and of its sinks."""
    nodes, drawn = plan.graph.nodes, plan.graph.nets[net]
    (x, y), (u, v) = ends[0], ends[1 + drawn.sinks.index(sink)]
    source, into = nodes[drawn.source].kind, nodes[sink].kind
    if net in urgent:
        return 0.5, abs(x - u) + abs(y - v)
    if x == u and source != "entry" and into != "exit":
        return 1 if abs(plan.rows.row[sink] - plan.rows.row[drawn.source]) <= 1 else 2, abs(y - v)
    if source == "merge":
        return 3, -abs(x - u)
    if into == "exit":
        return 3.5 if drawn.source in plan.rows.hanging else 4.2, _span(ends)
    return 4, _span(ends)


def _span(ends: Sequence[Point]) -> int:
    xs, ys = zip(*ends, strict=True)
    return int(max(xs) - min(xs) + max(ys) - min(ys))


# --- taking up and laying again ------------------------------------------------------------------------


def _relay(grid: Grid, jobs: Sequence[tuple[int, int]]) -> bool:
    """Each net once; what makes its cost lower stays. Says whether anything did."""
    better = False
    for net in range(len(grid.plan.graph.nets)):
        own = [job for job in jobs if job[0] == net]
        before = _cost(grid, own)
        saved = take_up(grid, net)
        for job in own:
            lay(grid, *job)
        after = _cost(grid, own)
        if after > before - 1e-6:
            take_up(grid, net)
            restore(grid, net, saved)
        else:
            better = True
    return better


# --- what it costs -----------------------------------------------------------------------------------------


def _crossings(grid: Grid, among: Iterable[int]) -> list[int]:
    """The points at which two nets cross."""
    across, upright = grid.across, grid.upright
    return [v for v in among if across[v] != FREE and upright[v] != FREE and across[v] != upright[v]]


def bends(path: Sequence[int]) -> int:
    steps = list(map(sub, path[1:], path))
    return sum(map(ne, steps[1:], steps))


def _cost(grid: Grid, jobs: Sequence[tuple[int, int]]) -> float:
    """What the wires of one net cost: bends for each wire, length and crossings once."""
    paths = [grid.paths.get(job) for job in jobs]
    tree = grid.came.get(jobs[0][0], {}) if jobs else {}
    crossed = len(_crossings(grid, tree))
    turned = _turns(grid, paths)
    return turned + STEP * len(tree) + grid.plan.crossing * crossed


def _turns(grid: Grid, paths: Iterable[Sequence[int] | None]) -> float:
    """Corners of a net's wires, those that they share once; more where a wire has so many that the eye no longer
    follows; and wires that found no way."""
    seen: set[int] = set()
    more = 0.0
    for path in paths:
        own = _corners(path) if path else []
        seen.update(own)
        more += WINDING * max(0, len(own) - FOLLOWED) if path else MISSING
    return grid.plan.bend * len(seen) + more


def _corners(path: Sequence[int]) -> list[int]:
    return [b for a, b, c in zip(path, path[1:], path[2:], strict=False) if b - a != c - b]


def _whole_cost(grid: Grid, jobs: Sequence[tuple[int, int]]) -> float:
    nets = range(len(grid.plan.graph.nets))
    total = sum(_cost(grid, [job for job in jobs if job[0] == net]) for net in nets)
    return (
        total
        - grid.plan.crossing / 2 * len(_crossings(grid, range(len(grid.node))))
        + sum(_detour(grid, job) for job in jobs)
    )


@dataclass(frozen=True, slots=True)
class _Laid:
    """What one wire adds: points, bends (where it parts from its net among them) and crossings; `turns` are all of its
    own."""

    points: int
    bends: int
    crossings: int
    turns: int


_NOWHERE = _Laid(0, 0, 0, 0)


def _laid(grid: Grid, job: Job) -> _Laid:
    new = lay(grid, *job)
    if not new:
        return _NOWHERE
    path, across, upright = grid.paths[job], grid.across, grid.upright
    turns = bends(path)
    parted = max(0, len(path) - len(new) - 2)
    crossed = sum(across[v] != FREE and upright[v] != FREE and across[v] != upright[v] for v in new)
    return _Laid(len(new), bends(path[parted:]) if parted else turns, crossed, turns)


def added(grid: Grid, job: Job) -> float:
    """Lays one wire, and says what it adds to the whole."""
    return _price(grid, job, _laid(grid, job))


def _price(grid: Grid, job: Job, laid: _Laid) -> float:
    """What that adds to the whole."""
    if laid is _NOWHERE:
        return MISSING
    winding = WINDING * (laid.turns - FOLLOWED) if laid.turns > FOLLOWED else 0.0
    plan = grid.plan
    price = STEP * laid.points + plan.bend * laid.bends + winding + plan.crossing * laid.crossings
    return price + _detour(grid, job)


def _detour(grid: Grid, job: Job) -> float:
    path = grid.paths.get(job)
    return detour(grid, job, bends(path), max(path) // grid.width) if path else 0.0


def detour(grid: Grid, job: Job, turns: int, highest: int) -> float:
    """What a wire of so many bends, up to that height, costs more: a rail that is not straight, or a long way out for a
    returning state."""
    plan, (net, sink) = grid.plan, job
    source = plan.graph.nets[net].source
    rail = grid.terminals.rail.get(source)
    if rail and rail.through and (sink == rail.exit or grid.terminals.rail.get(sink) is rail):
        return _CROOKED * turns
    if plan.graph.nodes[sink].kind != "exit":
        return 0.0
    level = max(grid.at[sink][-1], grid.at[source][0]) // grid.width
    climbs = highest > level + grid.tracks + 1
    return _LONG * max(0, turns - 2) + (_CLIMB if climbs else 0.0)


def standing(plan: Plan) -> float:
    """What the places of nodes cost before any wire is laid: a wide picture is shown in small letters, and what stands
    in the box of a macro seems to belong to it."""
    return plan.column * plan.columns.count + _INTRUSION * intrusions(plan.graph, plan.rows, plan.columns)
