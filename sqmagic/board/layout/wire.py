"""One wire: the cheapest way (A*) to its sink from all of its net that is laid already.

A wire never shares a stretch with another net's, crosses only at right angles, and never runs through a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise

from sqmagic.board.layout.graph import BLOCKS
from sqmagic.board.layout.grid import FREE, Grid, direction, occupy, start_point
from sqmagic.board.layout.ports import E, N, S, W, Ways, arrivals, departures

STEP, BEND, CROSSING, FORK = 0.4, 2.2, 4.5, 0.6
_OFF_CENTRE, _BUS, _OUTSIDE = 0.12, 0.2, 0.5
_TURNS = ((E, N, S), (N, E, W), (W, N, S), (S, E, W))
_STRAIGHT_UP, _STRAIGHT_ACROSS = 10, 5
"""A point's `ends` where a wire runs straight through it: bits of N and S, of E and W."""


def lay(grid: Grid, net: int, sink: int) -> None:
    """Lay one wire if there is a way; without one, `grid.paths` does not get it."""
    goals = _goals(grid, net, sink)
    found = _search(grid, net, goals) if goals else None
    if found is None:
        return
    path, way = found
    kind = grid.plan.graph.nodes[sink].kind
    grid.sides[_side(kind, sink, path[-1], way)] = net
    came = grid.came.setdefault(net, {start_point(grid, net): FREE})
    for a, b in pairwise(path):
        came.setdefault(b, a)
        occupy(grid, net, a, b)
    grid.paths[(net, sink)] = tuple(_back(came, path[0])[::-1]) + tuple(path[1:])
    start = start_point(grid, net)
    if path[0] == start:
        source = grid.plan.graph.nets[net].source
        leaves = direction(grid, path[0], path[1])
        grid.sides[_side(grid.plan.graph.nodes[source].kind, source, start, (leaves + 2) % 4)] = net


def _side(kind: str, node: int, point: int, way: int) -> tuple[int, int, int]:
    """A side of a node, as the direction in which a wire arrives there; a function has one below each pin."""
    return (node, way, point if kind in BLOCKS and way in (N, S) else 0)


def _back(came: dict[int, int], v: int) -> list[int]:
    out = []
    while v != FREE:
        out.append(v)
        v = came[v]
    return out


def _goals(grid: Grid, net: int, sink: int) -> dict[int, Ways]:
    """The points at which the wire may end, each with the directions in which it may arrive there."""
    graph = grid.plan.graph
    kind = graph.nodes[sink].kind
    ways = arrivals(graph, grid.plan.rows, grid.rail, net, sink)
    places = grid.at[sink]
    along = grid.rail.get(sink)
    if kind in BLOCKS and along is not None and grid.rail.get(graph.nets[net].source) is along:
        ways = {way: cost for way, cost in ways.items() if way != N}
    out: dict[int, Ways] = {}
    for place in places:
        free = {
            way: cost
            for way, cost in ways.items()
            if grid.sides.get(_side(kind, sink, place, way), net) == net
            and (way == N or place == (places[-1] if way == W else places[0]) or kind not in BLOCKS)
        }
        if free:
            out[place] = free
    return out


def _search(grid: Grid, net: int, goals: dict[int, Ways]) -> tuple[list[int], int] | None:
    """A* over points and directions. Gives the points of the way, from where it leaves the net, and how it arrives.

    A state is `point * 4 + direction`; one that has arrived lies beyond the grid, so that a wire may come back to the
    node that it left.
    """
    width, size = grid.width, grid.width * grid.height
    node, across, upright, ends, tree = grid.node, grid.across, grid.upright, grid.ends, grid.came.get(net, {})
    steps = (1, width, -1, -width)
    low, high = grid.inside
    graph = grid.plan.graph
    source = graph.nodes[graph.nets[net].source]
    sink_rows = {g // width for g in goals}
    goes_out = source.kind == "input" or any(y < low or y > high for y in sink_rows)
    bus_row = grid.at[graph.nets[net].source][0] // width if source.kind == "merge" else FREE
    unit = STEP - _BUS if bus_row != FREE else STEP
    targets = [(g % width, g // width, tuple(ways)) for g, ways in goals.items()]
    best: dict[int, float] = {}
    came: dict[int, int] = {}
    queue: list[tuple[float, int, float, int]] = []
    count = 0
    for v, way, cost in _starts(grid, net):
        state = v * 4 + way
        if cost < best.get(state, 1e9):
            best[state] = cost
            came[state] = FREE
            heappush(queue, (cost + _ahead(v % width, v // width, way, targets, unit), count, cost, state))
            count += 1
    while queue:
        _, _, cost, state = heappop(queue)
        if cost > best[state]:
            continue
        grid.work += 1
        v, way = state >> 2, state & 3
        if v >= size:
            return [u % size for u in _states_back(came, state)], way
        first = came[state] == FREE
        turning = across[v] == FREE and upright[v] == FREE
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
                if node[u] != FREE or ux in (0, width - 1):
                    continue
                if uy < low or uy > high:
                    if not goes_out:
                        continue
                    more += _OUTSIDE if turn in (E, W) else 0.0
                along, athwart = (across, upright) if turn in (E, W) else (upright, across)
                if along[u] != FREE:
                    continue
                if athwart[u] != FREE:
                    if ends[u] != (_STRAIGHT_UP if turn in (E, W) else _STRAIGHT_ACROSS):
                        continue
                    more += CROSSING
            if turn in (E, W):
                row = u // width
                more += -_BUS if row == bus_row else _OFF_CENTRE if row in grid.centre_rows else 0.0
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
    while state != FREE:
        out.append(state >> 2)
        state = came[state]
    return out[::-1]


def _starts(grid: Grid, net: int) -> Iterable[tuple[int, int, float]]:
    """From the source if nothing is laid yet, else from any free point of what is, in any direction that is free."""
    plan = grid.plan
    source, start = plan.graph.nets[net].source, start_point(grid, net)
    kind = plan.graph.nodes[source].kind
    tree = grid.came.get(net)
    leaves = departures(plan.graph, plan.rows, grid.rail, net, net in plan.columns.pins[source])
    for way, cost in leaves.items():
        if grid.sides.get(_side(kind, source, start, (way + 2) % 4), FREE) == FREE:
            yield start, way, cost + (FORK if tree else 0.0)
    for v in tree or ():
        if grid.node[v] == FREE and (grid.across[v] in (FREE, net)) and grid.upright[v] in (FREE, net):
            yield from ((v, way, FORK) for way in (E, N, W, S) if not grid.ends[v] >> way & 1)


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
