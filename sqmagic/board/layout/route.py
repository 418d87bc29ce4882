"""Wires on a grid: each column and row has a centre line with free tracks between it and the next.

Net after net and sink after sink, the cheapest way (A*) from all of the net that is laid already. A wire never shares
a stretch with another net's, crosses only at right angles, and never runs through a node. Afterwards each net is taken
up and laid again while that makes the whole cheaper. The order of everything is fixed, so a program has one picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import pairwise

from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.ports import E, N, S, W, Ways, arrivals, departures
from sqmagic.board.layout.rails import Rail, rail_of
from sqmagic.board.layout.rows import Rows, bus_of

Point = tuple[int, int]

STEP, BEND, CROSSING, FORK, MISSING = 0.4, 2.2, 4.5, 0.6, 60.0
_OFF_CENTRE, _BUS, _OUTSIDE = 0.12, 0.2, 0.5
_TURNS = ((E, N, S), (N, E, W), (W, N, S), (S, E, W))
_FREE = -1
_ENOUGH = 100_000


@dataclass(frozen=True, slots=True)
class Routes:
    """The way of each wire, from its source to its sink, in grid points; where wires cross; which found no way; and
    how much was searched, which is the same everywhere as seconds are not."""

    tracks: int
    paths: dict[tuple[int, int], tuple[Point, ...]]
    crossings: tuple[Point, ...]
    missing: tuple[tuple[int, int], ...]
    cost: float
    work: int

    def column(self, c: int) -> int:
        return 1 + self.tracks + c * (self.tracks + 1)

    def row(self, r: int) -> int:
        return self.tracks + r * (self.tracks + 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that routing starts from."""

    graph: Graph
    rails: tuple[Rail, ...]
    rows: Rows
    columns: Columns


def route(plan: Plan, tracks: int, rounds: int, urgent: frozenset[int] = frozenset()) -> Routes:
    """`tracks` between neighbouring lines, at most `rounds` of taking up and laying again (fewer where a lot was
    searched already), `urgent` nets first after the rails."""
    bench = _bench(plan, tracks)
    jobs = _jobs(plan, bench, urgent)
    for net, sink in jobs:
        _lay(bench, net, sink)
    for _ in range(rounds):
        if bench.work > _ENOUGH or not _relay(bench, jobs):
            break
    missing = tuple(job for job in jobs if job not in bench.paths)
    crossings = tuple((v % bench.width, v // bench.width) for v in _crossings(bench))
    paths = {job: tuple((v % bench.width, v // bench.width) for v in path) for job, path in bench.paths.items()}
    return Routes(tracks, paths, crossings, missing, _whole_cost(bench, jobs), bench.work)


# --- the grid ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Bench:
    """The grid while wires are being laid. A point is `y * width + x`.

    `across` and `upright` name the net that runs through a point in either direction, `upright_ends` and `across_ends`
    the directions in which it goes on from there; `node` is what stands on a point.
    """

    plan: Plan
    rail: dict[int, Rail]
    tracks: int
    width: int
    height: int
    inside: tuple[int, int]
    node: list[int]
    across: list[int]
    upright: list[int]
    ends: list[int]
    at: list[tuple[int, ...]]
    centre_rows: frozenset[int]
    sides: dict[tuple[int, int, int], int] = field(default_factory=dict)
    came: dict[int, dict[int, int]] = field(default_factory=dict)
    paths: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    work: int = 0


_OUTER = {"input", "output", "target", "aside", "loss", "objective"}


def _bench(plan: Plan, tracks: int) -> _Bench:
    graph, rows, columns = plan.graph, plan.rows, plan.columns
    width = 2 + tracks + columns.count * (tracks + 1)
    height = tracks + rows.count * (tracks + 1)
    xs = [1 + tracks + c * (tracks + 1) for c in range(columns.count)]
    ys = [tracks + r * (tracks + 1) for r in range(rows.count)]
    border = {"left": 0, "right": width - 1}
    at: list[tuple[int, ...]] = []
    node = [_FREE] * (width * height)
    for n, drawn in enumerate(graph.nodes):
        own = [border[drawn.side]] if drawn.side else [xs[c] for c in columns.of[n]]
        base = ys[rows.row[n]] * width
        at.append(tuple(base + x for x in own))
        for x in range(min(own), max(own) + 1):
            node[base + x] = n
    inner = [ys[rows.row[n]] for n, drawn in enumerate(graph.nodes) if drawn.kind not in _OUTER] or [0]
    empty = [_FREE] * (width * height)
    inside = (min(inner) - tracks, max(inner) + tracks)
    rail = rail_of(plan.rails)
    return _Bench(plan, rail, tracks, width, height, inside, node, empty, list(empty), [0] * len(empty), at,
                  frozenset(ys))  # fmt: skip


# --- the order of work ---------------------------------------------------------------------------------


def _jobs(plan: Plan, bench: _Bench, urgent: frozenset[int]) -> list[tuple[int, int]]:
    """Rails first, then what stands straight above, then buses, then by length, exits last."""
    first = [(net, sink) for rail in plan.rails for net, sink in _rail_wires(plan, rail)]
    rest = [(net, sink) for net, drawn in enumerate(plan.graph.nets) for sink in drawn.sinks]
    ordered = sorted(rest, key=lambda job: _urgency(plan, bench, urgent, *job))
    return list(dict.fromkeys([*first, *ordered]))


def _rail_wires(plan: Plan, rail: Rail) -> Iterable[tuple[int, int]]:
    bus = bus_of(plan.graph, plan.rows, rail)
    line = [rail.entry, *rail.stops, *([rail.exit] if rail.through else [bus] if bus is not None else [])]
    for source, sink in pairwise(line):
        yield from ((net, sink) for net in plan.graph.inputs[sink] if plan.graph.nets[net].source == source)


def _urgency(plan: Plan, bench: _Bench, urgent: frozenset[int], net: int, sink: int) -> tuple[float, int, int, int]:
    graph = plan.graph
    source = graph.nets[net].source
    (x, y), (u, v) = _start(bench, net), _point(bench, bench.at[sink][0])
    kinds = graph.nodes[source].kind, graph.nodes[sink].kind
    aligned = "entry" not in kinds and "exit" not in kinds and x == u
    length = abs(x - u) + abs(y - v)
    if net in urgent:
        return (0.5, length, net, sink)
    if aligned:
        return (1 if abs(plan.rows.row[sink] - plan.rows.row[source]) <= 1 else 2, length, net, sink)
    if kinds[0] == "merge":
        return (3, -abs(x - u), net, sink)
    if kinds[1] == "exit":
        return (3.5 if source in plan.rows.hanging else 5, _span(bench, net), net, sink)
    return (4, _span(bench, net), net, sink)


def _span(bench: _Bench, net: int) -> int:
    ends = [_start(bench, net), *(_point(bench, bench.at[s][0]) for s in bench.plan.graph.nets[net].sinks)]
    xs, ys = zip(*ends, strict=True)
    return int(max(xs) - min(xs) + max(ys) - min(ys))


def _point(bench: _Bench, v: int) -> Point:
    return v % bench.width, v // bench.width


def _start(bench: _Bench, net: int) -> Point:
    return _point(bench, _start_point(bench, net))


def _start_point(bench: _Bench, net: int) -> int:
    """Where a net leaves its source: for a function its pin, or the end of the box on the rail's side."""
    source = bench.plan.graph.nets[net].source
    places, pins = bench.at[source], bench.plan.columns.pins[source]
    if net in pins:
        return places[pins.index(net)]
    rail = bench.rail.get(source)
    return places[0] if rail and rail.toward == "left" else places[-1]


# --- one wire --------------------------------------------------------------------------------------------


def _lay(bench: _Bench, net: int, sink: int) -> None:
    goals = _goals(bench, net, sink)
    found = _search(bench, net, goals) if goals else None
    if found is None:
        return
    path, way = found
    kind = bench.plan.graph.nodes[sink].kind
    bench.sides[_side(kind, sink, path[-1], way)] = net
    came = bench.came.setdefault(net, {_start_point(bench, net): _FREE})
    for a, b in pairwise(path):
        came.setdefault(b, a)
        _occupy(bench, net, a, b)
    bench.paths[(net, sink)] = tuple(_back(came, path[0])[::-1]) + tuple(path[1:])
    start = _start_point(bench, net)
    if path[0] == start:
        source = bench.plan.graph.nets[net].source
        leaves = _direction(bench, path[0], path[1])
        bench.sides[_side(bench.plan.graph.nodes[source].kind, source, start, (leaves + 2) % 4)] = net


def _side(kind: str, node: int, point: int, way: int) -> tuple[int, int, int]:
    """A side of a node, as the direction in which a wire arrives there; a function has one below each pin."""
    return (node, way, point if kind == "function" and way in (N, S) else 0)


def _back(came: dict[int, int], v: int) -> list[int]:
    out = []
    while v != _FREE:
        out.append(v)
        v = came[v]
    return out


def _direction(bench: _Bench, a: int, b: int) -> int:
    return {1: E, bench.width: N, -1: W, -bench.width: S}[b - a]


def _occupy(bench: _Bench, net: int, a: int, b: int) -> None:
    way = _direction(bench, a, b)
    for v, end in ((a, way), (b, (way + 2) % 4)):
        if bench.node[v] == _FREE:
            (bench.across if end in (E, W) else bench.upright)[v] = net
            bench.ends[v] |= 1 << end


def _goals(bench: _Bench, net: int, sink: int) -> dict[int, Ways]:
    """The points at which the wire may end, each with the directions in which it may arrive there."""
    graph = bench.plan.graph
    kind = graph.nodes[sink].kind
    ways = arrivals(graph, bench.plan.rows, bench.rail, net, sink)
    places = bench.at[sink]
    along = bench.rail.get(sink)
    if kind == "function" and along is not None and bench.rail.get(graph.nets[net].source) is along:
        ways = {way: cost for way, cost in ways.items() if way != N}
    out: dict[int, Ways] = {}
    for place in places:
        free = {
            way: cost
            for way, cost in ways.items()
            if bench.sides.get(_side(kind, sink, place, way), net) == net
            and (way == N or place == (places[-1] if way == W else places[0]) or kind != "function")
        }
        if free:
            out[place] = free
    return out


def _search(bench: _Bench, net: int, goals: dict[int, Ways]) -> tuple[list[int], int] | None:
    """A* over points and directions. Gives the points of the way, from where it leaves the net, and how it arrives.

    A state is `point * 4 + direction`; one that has arrived lies beyond the grid, so that a wire may come back to the
    node that it left.
    """
    width, size = bench.width, bench.width * bench.height
    node, across, upright, ends, tree = bench.node, bench.across, bench.upright, bench.ends, bench.came.get(net, {})
    steps = (1, width, -1, -width)
    low, high = bench.inside
    graph = bench.plan.graph
    source = graph.nodes[graph.nets[net].source]
    sink_rows = {g // width for g in goals}
    goes_out = source.kind == "input" or any(y < low or y > high for y in sink_rows)
    bus_row = bench.at[graph.nets[net].source][0] // width if source.kind == "merge" else _FREE
    unit = STEP - _BUS if bus_row != _FREE else STEP
    targets = [(g % width, g // width, tuple(ways)) for g, ways in goals.items()]
    best: dict[int, float] = {}
    came: dict[int, int] = {}
    queue: list[tuple[float, int, float, int]] = []
    count = 0
    for v, way, cost in _starts(bench, net):
        state = v * 4 + way
        if cost < best.get(state, 1e9):
            best[state] = cost
            came[state] = _FREE
            heappush(queue, (cost + _ahead(v % width, v // width, way, targets, unit), count, cost, state))
            count += 1
    while queue:
        _, _, cost, state = heappop(queue)
        if cost > best[state]:
            continue
        bench.work += 1
        v, way = state >> 2, state & 3
        if v >= size:
            return [u % size for u in _states_back(came, state)], way
        first = came[state] == _FREE
        turning = across[v] == _FREE and upright[v] == _FREE
        for turn in (way,) if first else _TURNS[way]:
            if turn != way and not turning:
                continue
            u = v + steps[turn]
            if u < 0 or u >= size or (u in tree and u not in goals):
                continue
            more = cost + STEP
            if u in goals:
                if turn not in goals[u]:
                    continue
                more += goals[u][turn]
            else:
                ux, uy = u % width, u // width
                if node[u] != _FREE or ux in (0, width - 1):
                    continue
                if uy < low or uy > high:
                    if not goes_out:
                        continue
                    more += _OUTSIDE if turn in (E, W) else 0.0
                along, athwart = (across, upright) if turn in (E, W) else (upright, across)
                if along[u] != _FREE:
                    continue
                if athwart[u] != _FREE:
                    if ends[u] != (10 if turn in (E, W) else 5):
                        continue
                    more += CROSSING
            if turn in (E, W):
                row = u // width
                more += -_BUS if row == bus_row else _OFF_CENTRE if row in bench.centre_rows else 0.0
            if turn != way:
                more += BEND
            following = (u + size if u in goals else u) * 4 + turn
            if more < best.get(following, 1e9) - 1e-9:
                best[following] = more
                came[following] = state
                heappush(queue, (more + _ahead(u % width, u // width, turn, targets, unit), count, more, following))
                count += 1
    return None


def _states_back(came: dict[int, int], state: int) -> list[int]:
    out = []
    while state != _FREE:
        out.append(state >> 2)
        state = came[state]
    return out[::-1]


def _starts(bench: _Bench, net: int) -> Iterable[tuple[int, int, float]]:
    """From the source if nothing is laid yet, else from any free point of what is, in any direction that is free."""
    plan = bench.plan
    source, start = plan.graph.nets[net].source, _start_point(bench, net)
    kind = plan.graph.nodes[source].kind
    tree = bench.came.get(net)
    leaves = departures(plan.graph, plan.rows, bench.rail, net, net in plan.columns.pins[source])
    for way, cost in leaves.items():
        if bench.sides.get(_side(kind, source, start, (way + 2) % 4), _FREE) == _FREE:
            yield start, way, cost + (FORK if tree else 0.0)
    for v in tree or ():
        if bench.node[v] == _FREE and (bench.across[v] in (_FREE, net)) and bench.upright[v] in (_FREE, net):
            yield from ((v, way, FORK) for way in (E, N, W, S) if not bench.ends[v] >> way & 1)


def _ahead(x: int, y: int, way: int, targets: Sequence[tuple[int, int, tuple[int, ...]]], unit: float) -> float:
    """The least that the rest can cost: steps, and the bends that cannot be avoided."""
    least = 1e9
    for gx, gy, ways in targets:
        dx, dy = gx - x, gy - y
        reach = unit * (abs(dx) + abs(dy))
        if reach >= least:
            continue
        bends = 2
        for end in ways:
            if end == way:
                off, ahead = (dy, dx) if way in (E, W) else (dx, dy)
                if off == 0 and (ahead >= 0) == (way in (E, N) or ahead == 0):
                    bends = 0
                    break
            elif (end + 2) % 4 != way:
                forward = dx if way == E else -dx if way == W else dy if way == N else -dy
                onward = dx if end == E else -dx if end == W else dy if end == N else -dy
                if forward >= 0 and onward > 0:
                    bends = min(bends, 1)
        least = min(least, reach + BEND * bends)
    return least


# --- taking up and laying again ------------------------------------------------------------------------


def _relay(bench: _Bench, jobs: Sequence[tuple[int, int]]) -> bool:
    """Each net once; what makes its cost lower stays. Says whether anything did."""
    better = False
    for net in range(len(bench.plan.graph.nets)):
        own = [job for job in jobs if job[0] == net]
        before = _cost(bench, own)
        saved = _take_up(bench, net)
        for job in own:
            _lay(bench, *job)
        after = _cost(bench, own)
        if after > before - 1e-6:
            _take_up(bench, net)
            _restore(bench, net, saved)
        else:
            better = True
    return better


_Saved = tuple[dict[int, int], dict[tuple[int, int], tuple[int, ...]], dict[tuple[int, int, int], int]]


def _take_up(bench: _Bench, net: int) -> _Saved:
    came = bench.came.pop(net, {})
    paths = {job: path for job, path in bench.paths.items() if job[0] == net}
    sides = {side: owner for side, owner in bench.sides.items() if owner == net}
    for side in sides:
        del bench.sides[side]
    for job in paths:
        del bench.paths[job]
    for v in came:
        if bench.across[v] == net:
            bench.across[v] = _FREE
            bench.ends[v] &= 10
        if bench.upright[v] == net:
            bench.upright[v] = _FREE
            bench.ends[v] &= 5
    return came, paths, sides


def _restore(bench: _Bench, net: int, saved: _Saved) -> None:
    came, paths, sides = saved
    if came:
        bench.came[net] = came
    bench.paths |= paths
    bench.sides |= sides
    for v, before in came.items():
        if before != _FREE:
            _occupy(bench, net, before, v)


# --- what it costs -----------------------------------------------------------------------------------------


def _crossings(bench: _Bench) -> list[int]:
    return [v for v in range(len(bench.node)) if _is_crossing(bench, v)]


def _is_crossing(bench: _Bench, v: int) -> bool:
    return bench.across[v] != bench.upright[v] and _FREE not in (bench.across[v], bench.upright[v])


def bends(path: Sequence[int]) -> int:
    return sum(b - a != c - b for a, b, c in zip(path, path[1:], path[2:], strict=False))


def _cost(bench: _Bench, jobs: Sequence[tuple[int, int]]) -> float:
    """What the wires of one net cost: bends for each wire, length and crossings once."""
    paths = [bench.paths.get(job) for job in jobs]
    tree = bench.came.get(jobs[0][0], {}) if jobs else {}
    crossed = sum(_is_crossing(bench, v) for v in tree)
    turned = sum(MISSING if path is None else BEND * bends(path) for path in paths)
    return turned + STEP * len(tree) + CROSSING * crossed


def _whole_cost(bench: _Bench, jobs: Sequence[tuple[int, int]]) -> float:
    """All nets, and more where a rail runs against time or a returning state takes a long way out."""
    nets = range(len(bench.plan.graph.nets))
    total = sum(_cost(bench, [job for job in jobs if job[0] == net]) for net in nets)
    total -= CROSSING / 2 * len(_crossings(bench))
    for rail in bench.plan.rails:
        path = bench.paths.get((bench.plan.graph.inputs[rail.exit][0], rail.exit))
        if path:
            level = max(path[-1], bench.at[rail.source][0]) // bench.width
            total += 5.0 * max(0, bends(path) - 2) + 10.0 * (max(path) // bench.width > level + bench.tracks + 1)
        xs = [bench.at[n][0] % bench.width for n in rail.stops]
        against = [b - a if rail.toward == "left" else a - b for a, b in pairwise(xs)]
        total += sum(3.0 for way in against if way > 0)
    return total
