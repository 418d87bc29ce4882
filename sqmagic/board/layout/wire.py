"""One wire: the cheapest way (A*) to its sink from all of its net that is laid already.

A wire never shares a stretch with another net's, crosses only at right angles, and never runs through a node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise

from sqmagic.board.layout.bends import table
from sqmagic.board.layout.graph import BLOCKS
from sqmagic.board.layout.grid import FREE, INSIDE, OUTSIDE, Grid, direction, occupy
from sqmagic.board.layout.ports import E, N, S, W, Ways, arrivals, departures

STEP, FORK = 0.4, 0.6
_BUS, _EXIT_BEND = 0.2, 7.0
"""What a step on a bus costs less; and a bend on the way out, which should be a straight rail."""
_TURNS = ((E, N, S), (N, E, W), (W, N, S), (S, E, W))
_OPEN = tuple(tuple(way for way in (E, N, W, S) if not ends >> way & 1) for ends in range(16))
"""The directions in which no wire goes on from a point, by its `ends`."""
_THROUGH = ((1 << N) | (1 << S), (1 << E) | (1 << W))
"""A point's `ends` where a wire runs straight through it, for one that would cross it going across, or upright."""


def lay(grid: Grid, net: int, sink: int) -> Sequence[int]:
    """Lay one wire if there is a way; without one, `grid.paths` does not get it. Gives the points that are new."""
    goals = _goals(grid, net, sink)
    bend = _EXIT_BEND if grid.plan.graph.nodes[sink].kind == "exit" else grid.plan.bend
    found = (_straight(grid, net, goals) or _search(grid, net, goals, bend)) if goals else None
    if found is None:
        return ()
    path, way = found
    kind = grid.plan.graph.nodes[sink].kind
    grid.sides[_side(kind, sink, path[-1], way)] = net
    came = grid.came.setdefault(net, {grid.start[net]: FREE})
    for a, b in pairwise(path):
        came.setdefault(b, a)
        occupy(grid, net, a, b)
    grid.paths[(net, sink)] = tuple(_back(came, path[0])[::-1]) + tuple(path[1:])
    start = grid.start[net]
    if path[0] == start:
        source = grid.plan.graph.nets[net].source
        leaves = direction(path[0], path[1])
        grid.sides[_side(grid.plan.graph.nodes[source].kind, source, start, (leaves + 2) % 4)] = net
    return path[1:]


def _side(kind: str, node: int, point: int, way: int) -> tuple[int, int, int]:
    """A side of a node, as the direction in which a wire arrives there; a block has one below each pin."""
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


# --- without a search ----------------------------------------------------------------------------------


def _straight(grid: Grid, net: int, goals: dict[int, Ways]) -> tuple[list[int], int] | None:
    """Straight from the source to the sink, where that is the one way out and a good way in and nothing is between.

    The search would find the same, in so many steps: from point to point it has less before it than anywhere aside.
    """
    if net in grid.came or len(goals) > 1:
        return None
    starts = list(_starts(grid, net))
    if len(starts) != 1:
        return None
    ((v, way, _),), ((goal, ways),) = starts, goals.items()
    far, step = goal - v, (1, grid.width, -1, -grid.width)[way]
    if far * step <= 0 or far % step or ways.get(way) != 0.0:
        return None
    if not way & 1 and (grid.row_of[v] != grid.row_of[goal] or not _draws_on(grid, net, grid.row_of[v])):
        return None
    across, upright, closed, allowed = grid.across, grid.upright, grid.closed, _allowed(grid, net, goals)
    for u in range(v + step, goal, step):
        if closed[u] > allowed or across[u] != FREE or upright[u] != FREE:
            return None
    path = list(range(v, goal + step, step))
    grid.work += len(path)
    return path, way


def _draws_on(grid: Grid, net: int, row: int) -> bool:
    """Whether a step across costs no more than the search expects to be saved by it."""
    return STEP + _tolls(grid, net)[row] <= _unit(grid, net)


# --- the search ----------------------------------------------------------------------------------------


Onward = Callable[[int, float, bool], list[tuple[int, float]]]


def _search(grid: Grid, net: int, goals: dict[int, Ways], bend: float) -> tuple[list[int], int] | None:
    """A* over points and directions. Gives the points of the way, from where it leaves the net, and how it arrives.

    A state is `point * 4 + direction`; one that has arrived lies beyond the grid, so that a wire may come back to the
    node that it left.
    """
    size, ahead, onward = len(grid.node), _ahead(grid, net, goals, bend), _onward(grid, net, goals, bend)
    best: dict[int, float] = {}
    came: dict[int, int] = {}
    queue: list[tuple[float, int, float, int]] = []
    for v, way, cost in _starts(grid, net):
        state = v * 4 + way
        if cost < best.get(state, 1e9):
            best[state], came[state] = cost, FREE
            heappush(queue, (cost + ahead(v, way), -len(best), cost, state))
    while queue:
        _, _, cost, state = heappop(queue)
        if cost > best[state]:
            continue
        grid.work += 1
        if state >= size * 4:
            return [u % size for u in _states_back(came, state)], state & 3
        for following, more in onward(state, cost, came[state] == FREE):
            if more < best.get(following, 1e9) - 1e-9:
                best[following], came[following] = more, state
                rest = ahead((following >> 2) % size, following & 3)
                heappush(queue, (more + rest, -len(best), more, following))
    return None


def _onward(grid: Grid, net: int, goals: dict[int, Ways], bend: float) -> Onward:
    """What can follow a state, with what it costs until then; `first` states go straight on, as do those that cross.

    This runs a million times a second: everything that it reads has a local name.
    """
    size, steps, crossing = len(grid.node), (1, grid.width, -1, -grid.width), grid.plan.crossing
    across, upright, ends, closed = grid.across, grid.upright, grid.ends, grid.closed
    tree, allowed, tolls, row_of = grid.came.get(net, {}), _allowed(grid, net, goals), _tolls(grid, net), grid.row_of

    def onward(state: int, cost: float, first: bool) -> list[tuple[int, float]]:
        v, way, out = state >> 2, state & 3, []
        straight = first or across[v] != FREE or upright[v] != FREE
        for turn in (way,) if straight else _TURNS[way]:
            u = v + steps[turn]
            more = cost + STEP + (bend if turn != way else 0.0) + (0.0 if turn & 1 else tolls[row_of[u]])
            ways = goals.get(u)
            if ways is not None:
                if turn in ways:
                    out.append(((u + size) * 4 + turn, more + ways[turn]))
                continue
            along, against = (upright, across) if turn & 1 else (across, upright)
            if closed[u] > allowed or along[u] != FREE or u in tree:
                continue
            if against[u] == FREE:
                out.append((u * 4 + turn, more))
            elif ends[u] == _THROUGH[turn & 1]:
                out.append((u * 4 + turn, more + crossing))
        return out

    return onward


def _states_back(came: dict[int, int], state: int) -> list[int]:
    out = []
    while state != FREE:
        out.append(state >> 2)
        state = came[state]
    return out[::-1]


def _allowed(grid: Grid, net: int, goals: dict[int, Ways]) -> int:
    """Only what begins or ends outside the cell may run there."""
    low, high = grid.inside
    source = grid.plan.graph.nodes[grid.plan.graph.nets[net].source]
    goes_out = source.kind == "input" or any(not low <= g // grid.width <= high for g in goals)
    return OUTSIDE if goes_out else INSIDE


def _tolls(grid: Grid, net: int) -> Sequence[float]:
    """What a step across costs more in each row: on the centre lines of nodes, outside the cell; less on a bus."""
    bus = _bus_row(grid, net)
    if bus == FREE:
        return grid.tolls
    tolls = list(grid.tolls)
    tolls[bus] = -_BUS
    return tolls


def _bus_row(grid: Grid, net: int) -> int:
    source = grid.plan.graph.nets[net].source
    return grid.row_of[grid.at[source][0]] if grid.plan.graph.nodes[source].kind == "merge" else FREE


def _unit(grid: Grid, net: int) -> float:
    return grid.haste * (STEP if _bus_row(grid, net) == FREE else STEP - _BUS)


def _ahead(grid: Grid, net: int, goals: dict[int, Ways], bend: float) -> Callable[[int, int], float]:
    """The least that the rest can cost from a point in a direction: steps, and the bends that cannot be avoided. In
    haste more than that, which finds a way sooner that may not be the cheapest."""
    row_of, width = grid.row_of, grid.width
    unit, turn = _unit(grid, net), grid.haste * bend
    targets = [(g % width, row_of[g], [turn * bends for bends in table(ways)]) for g, ways in goals.items()]
    to_x, to_y, least_bends = targets[0]

    def ahead_of_one(v: int, way: int) -> float:
        y = row_of[v]
        dx, dy = to_x - v + y * width, to_y - y
        side = 9 * way + (3 if dx > 0 else 6 if dx else 0) + (1 if dy > 0 else 2 if dy else 0)
        return unit * (abs(dx) + abs(dy)) + least_bends[side]

    def ahead(v: int, way: int) -> float:
        y = row_of[v]
        x = v - y * width
        least = 1e9
        for gx, gy, bends in targets:
            dx, dy = gx - x, gy - y
            side = 9 * way + (3 if dx > 0 else 6 if dx else 0) + (1 if dy > 0 else 2 if dy else 0)
            reach = unit * (abs(dx) + abs(dy)) + bends[side]
            if reach < least:
                least = reach
        return least

    return ahead if len(targets) > 1 else ahead_of_one


def _starts(grid: Grid, net: int) -> Iterable[tuple[int, int, float]]:
    """From the source if nothing is laid yet, else from any free point of what is, in any direction that is free."""
    plan = grid.plan
    source, start = plan.graph.nets[net].source, grid.start[net]
    kind = plan.graph.nodes[source].kind
    tree = grid.came.get(net)
    leaves = departures(plan.graph, plan.rows, grid.rail, net, net in plan.columns.pins[source])
    for way, cost in leaves.items() if kind != "merge" or not tree else ():
        if grid.sides.get(_side(kind, source, start, (way + 2) % 4), FREE) == FREE:
            yield start, way, cost + (FORK if tree else 0.0)
    for v in tree or ():
        if grid.node[v] == FREE and (grid.across[v] in (FREE, net)) and grid.upright[v] in (FREE, net):
            for way in _OPEN[grid.ends[v]]:
                yield v, way, FORK
