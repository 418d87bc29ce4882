"""One wire: the cheapest way (A*) to its sink from all of its net that is laid already.

A wire never shares a stretch with another net's, crosses only at right angles, and never runs through a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush, heapreplace
from itertools import pairwise

from sqmagic.board.layout.bends import table
from sqmagic.board.layout.grid import FREE, INSIDE, OUTSIDE, Grid, direction, occupy
from sqmagic.board.layout.ports import E, N, S, W, Ways

STEP, FORK = 0.4, 0.6
_BUS, _EXIT_BEND = 0.2, 7.0
"""What a step on a bus costs less; and a bend on the way out, which should be a straight rail."""
_ON = ((E,), (N,), (W,), (S,))
_TURNS = ((E, N, S), (N, E, W), (W, N, S), (S, E, W))
"""Where a wire may go on: straight, or with its turns."""
_OPEN = tuple(tuple(way for way in (E, N, W, S) if not ends >> way & 1) for ends in range(16))
"""The directions in which no wire goes on from a point, by its `ends`."""
_THROUGH = ((1 << N) | (1 << S), (1 << E) | (1 << W))
"""A point's `ends` where a wire runs straight through it, for one that would cross it going across, or upright."""
_PATIENCE = 250
"""After so many points a way is no longer sought in haste."""


def lay(grid: Grid, net: int, sink: int) -> Sequence[int]:
    """Lay one wire if there is a way; without one, `grid.paths` does not get it. Gives the points that are new."""
    goals = _goals(grid, net, sink)
    if not goals:
        return ()
    starts = _starts(grid, net)
    found = _straight(grid, net, sink, goals, starts) or _search(grid, net, sink, goals, starts)
    if found is None:
        return ()
    path, way = found
    sides, came = grid.sides, grid.came.setdefault(net, {grid.start[net]: FREE})
    sides[side(path[-1], way)] = net
    for a, b in pairwise(path):
        came.setdefault(b, a)
    occupy(grid, net, path)
    first = path[0]
    grid.paths[(net, sink)] = (*_back(came, first), *path[1:])
    if first == grid.start[net]:
        sides[side(first, (direction(first, path[1]) + 2) % 4)] = net
    return path[1:]


def side(place: int, way: int) -> int:
    """A side of a node, by the point at which it is and the direction in which a wire arrives there."""
    return place * 4 + way


def _back(came: dict[int, int], v: int) -> list[int]:
    """The way on which a point was reached, from the source."""
    out = []
    while v != FREE:
        out.append(v)
        v = came[v]
    return out[::-1]


def _goals(grid: Grid, net: int, sink: int) -> dict[int, Ways]:
    """The points at which the wire may end, each with the directions in which it may arrive there."""
    ways, places, sides = grid.terminals.into[(net, sink)], grid.at[sink], grid.sides
    if len(places) == 1:
        free = {way: cost for way, cost in ways.items() if sides.get(side(places[0], way), net) == net}
        return {places[0]: free} if free else {}
    ends = {way: {N: places, W: places[-1:]}.get(way, places[:1]) for way in ways}
    out: dict[int, Ways] = {}
    for place in places:
        own = {way: cost for way, cost in ways.items() if place in ends[way]}
        own = {way: cost for way, cost in own.items() if sides.get(side(place, way), net) == net}
        if own:
            out[place] = own
    return out


def _starts(grid: Grid, net: int) -> list[tuple[int, int, float]]:
    """From the source if nothing is laid yet, else from any free point of what is, in any direction that is free."""
    start, tree, sides, leaves = grid.start[net], grid.came.get(net), grid.sides, grid.terminals.out[net]
    more, node, across, upright, ends = FORK if tree else 0.0, grid.node, grid.across, grid.upright, grid.ends
    if tree and grid.terminals.merged[net]:
        leaves = {}
    own = [(start, way, cost + more) for way, cost in leaves.items() if side(start, (way + 2) % 4) not in sides]
    if not tree:
        return own
    here = (FREE, net)
    free = [v for v in tree if node[v] == FREE and across[v] in here and upright[v] in here]
    return own + [(v, way, FORK) for v in free for way in _OPEN[ends[v]]]


def nearest(grid: Grid, net: int, sink: int) -> float:
    """The least that the first wire of a net can cost."""
    start, ways, width = grid.start[net], grid.terminals.into[(net, sink)], grid.width
    (x, y), places = divmod(start, width)[::-1], grid.at[sink]
    first, last, row = places[0] % width, places[-1] % width, places[0] // width
    dx, dy = max(first - x, 0) or min(last - x, 0), row - y
    side, bends = (3 if dx > 0 else 6 if dx else 0) + (1 if dy > 0 else 2 if dy else 0), table(ways)
    turns = min(bends[9 * way + side] for way in grid.terminals.out[net])
    return STEP * (abs(dx) + abs(dy)) + grid.plan.bend * turns


# --- without a search ----------------------------------------------------------------------------------


def _straight(
    grid: Grid, net: int, sink: int, goals: dict[int, Ways], starts: Sequence[tuple[int, int, float]]
) -> tuple[list[int], int] | None:
    """Straight from the source to the sink, where that is the one way out and a good way in and nothing is between.

    The search would find the same, in so many steps: from point to point it has less before it than anywhere aside.
    """
    if len(starts) != 1 or len(goals) > 1 or net in grid.came:
        return None
    ((v, way, _),), ((goal, ways),) = starts, goals.items()
    far, step = goal - v, (1, grid.width, -1, -grid.width)[way]
    if far * step <= 0 or far % step or ways.get(way) != 0.0:
        return None
    if not way & 1 and (grid.row_of[v] != grid.row_of[goal] or not _draws_on(grid, net, grid.row_of[v])):
        return None
    across, upright, closed, open_to = grid.across, grid.upright, grid.closed, allowed(grid, net, sink)
    for u in range(v + step, goal, step):
        if closed[u] > open_to or across[u] != FREE or upright[u] != FREE:
            return None
    path = list(range(v, goal + step, step))
    grid.work += len(path)
    return path, way


def _draws_on(grid: Grid, net: int, row: int) -> bool:
    """Whether a step across costs no more than the search expects to be saved by it."""
    return STEP + _tolls(grid, net)[row] <= _unit(grid, net)


# --- the search ----------------------------------------------------------------------------------------


def _search(
    grid: Grid, net: int, sink: int, goals: dict[int, Ways], starts: Iterable[tuple[int, int, float]]
) -> tuple[list[int], int] | None:
    """A* over points and directions. Gives the points of the way, from where it leaves the net, and how it arrives.

    A state is `point * 4 + direction`; one that has arrived lies beyond the grid, so that a wire may come back to the
    node that it left. What leaves a net goes straight on at first, as does what crosses.

    This goes on a million times a second: everything that it reads has a local name, and what comes next in any case
    does not go through the queue.
    """
    bend = _EXIT_BEND if grid.plan.graph.nodes[sink].kind == "exit" else grid.plan.bend
    crossing, open_to, tolls = grid.plan.crossing, allowed(grid, net, sink), _tolls(grid, net)
    across, upright, ends, closed = grid.across, grid.upright, grid.ends, grid.closed
    row_of, column_of, steps = grid.row_of, grid.column_of, (1, grid.width, -1, -grid.width)
    far_x, far_y, side_x, side_y, turning = _ahead(grid, net, goals, bend)
    size = len(grid.node)
    arrived = size * 4
    best: dict[int, float] = {}
    came: dict[int, int] = {}
    queue: list[tuple[float, int, float, int]] = []
    for v, way, cost in starts:
        state = v * 4 + way
        if cost < best.get(state, 1e9):
            best[state], came[state] = cost, FREE
            x, y = column_of[v], row_of[v]
            rest = far_x[x] + far_y[y] + turning[9 * way + side_x[x] + side_y[y]]
            queue.append((cost + rest, -len(best), cost, state))
    heapify(queue)
    work, now = 0, heappop(queue) if queue else None
    most = _PATIENCE if grid.haste > 1 else size * 4
    while now and work < most:
        _, _, cost, state = now
        now = None
        if cost <= best[state]:
            work += 1
            if state >= arrived:
                grid.work += work
                return [u % size for u in _states_back(came, state)], state & 3
            v, way = state >> 2, state & 3
            straight = came[state] == FREE or across[v] != FREE or upright[v] != FREE
            for turn in _ON[way] if straight else _TURNS[way]:
                u = v + steps[turn]
                if turn & 1:
                    along, against, more = upright, across, cost + STEP
                else:
                    along, against, more = across, upright, cost + STEP + tolls[row_of[v]]
                if turn != way:
                    more += bend
                if u in goals:
                    if turn not in goals[u]:
                        continue
                    more += goals[u][turn]
                    following, rest = (u + size) * 4 + turn, 0.0
                else:
                    if closed[u] > open_to or along[u] != FREE:
                        continue
                    if against[u] != FREE:
                        if against[u] == net or ends[u] != _THROUGH[turn & 1]:
                            continue
                        more += crossing
                    x, y = column_of[u], row_of[u]
                    following = u * 4 + turn
                    rest = far_x[x] + far_y[y] + turning[9 * turn + side_x[x] + side_y[y]]
                if more < best.get(following, 1e9) - 1e-9:
                    best[following], came[following] = more, state
                    found = (more + rest, -len(best), more, following)
                    if now is None:
                        now = found
                    elif found < now:
                        heappush(queue, now)
                        now = found
                    else:
                        heappush(queue, found)
        if queue:
            now = heappop(queue) if now is None else heapreplace(queue, now) if queue[0] < now else now
    grid.work += work
    return None


def _states_back(came: dict[int, int], state: int) -> list[int]:
    out = []
    while state != FREE:
        out.append(state >> 2)
        state = came[state]
    return out[::-1]


def allowed(grid: Grid, net: int, sink: int) -> int:
    """Only what begins or ends outside the cell may run there."""
    return OUTSIDE if (net, sink) in grid.terminals.outer else INSIDE


def _tolls(grid: Grid, net: int) -> Sequence[float]:
    """What a step across costs more in each row: on the centre lines of nodes, outside the cell; less on a bus."""
    bus = _bus_row(grid, net)
    if bus == FREE:
        return grid.tolls
    tolls = list(grid.tolls)
    tolls[bus] = -_BUS
    return tolls


def _bus_row(grid: Grid, net: int) -> int:
    return grid.row_of[grid.start[net]] if grid.terminals.merged[net] else FREE


def _unit(grid: Grid, net: int) -> float:
    return grid.haste * (STEP - _BUS if grid.terminals.merged[net] else STEP)


_Ahead = tuple[list[float], list[float], list[int], list[int], tuple[float, ...]]
"""For the least that the rest can cost from a point (x, y) in a direction, `far_x[x] + far_y[y] + turning[9 * way +
side_x[x] + side_y[y]]`: steps, and the bends that cannot be avoided. In haste more than that, which finds a way sooner
that may not be the cheapest."""


def _ahead(grid: Grid, net: int, goals: Mapping[int, Ways], bend: float) -> _Ahead:
    """Goals stand in one row, next to each other."""
    columns, row = [grid.column_of[g] for g in goals], grid.row_of[next(iter(goals))]
    ways = frozenset(way for own in goals.values() for way in own)
    far_x, side_x = _along(min(columns), max(columns), grid.width, _unit(grid, net), 3)
    far_y, side_y = _along(row, row, grid.height, _unit(grid, net), 1)
    return far_x, far_y, side_x, side_y, _turning(ways, grid.haste * bend)


@lru_cache(maxsize=2048)
def _along(first: int, last: int, count: int, unit: float, side: int) -> tuple[list[float], list[int]]:
    """How far it is to the goals, in one direction, and on which side of each line they lie."""
    beyond, between = range(1, count - last), last - first + 1
    far = [unit * k for k in (*range(first, 0, -1), *[0] * between, *beyond)]
    return far, [side] * first + [0] * between + [2 * side] * len(beyond)


@lru_cache
def _turning(ways: frozenset[int], bend: float) -> tuple[float, ...]:
    return tuple(bend * bends for bends in table(ways))
