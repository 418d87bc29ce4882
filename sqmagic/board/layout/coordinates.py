"""Grid points become points on a page (1/72 inch, y upwards): lines that no wire uses collapse, the others get the
room that nodes, arrowheads and labels need. Programs without time are turned to flow from left to right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqmagic.board.layout.graph import Kind
from sqmagic.board.layout.route import Plan, Point, Routes
from sqmagic.board.layout.sizes import extent

Spot = tuple[float, float]

_TRACK, _NODE_TRACK, _HEAD = 16.0, 15.0, 26.0
_ROW, _LABELLED_ROW, _AFTER_TRACK, _MERGE_ROW, _GROUP_ROW = 22.0, 33.0, 20.0, 14.0, 28.0
_CELL, _CELL_SIDE, _OUTSIDE = 22.0, 28.0, 30.0
_BESIDE, _BESIDE_GOAL, _CLEAR, _RAILS = 12.0, 26.0, 10.0, 28.0
_BY_GOALS = {"loss", "objective", "target", "aside"}
_OUTER = {"input", "output", "target", "aside", "loss", "objective"}


@dataclass(frozen=True, slots=True)
class Box:
    """Left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def grown(self, by: float) -> Box:
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)

    def meets(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire as corners from its source to its sink; `arrow` if it ends in a head."""

    net: int
    sink: int
    corners: tuple[Spot, ...]
    arrow: bool
    held: bool


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything stands: a centre and an extent for each node, wires, crossings, and the cell if there is one."""

    spots: tuple[Spot, ...]
    extents: tuple[Spot, ...]
    wires: tuple[Wire, ...]
    crossings: tuple[Spot, ...]
    cell: Box | None

    def box(self, node: int) -> Box:
        (x, y), (w, h) = self.spots[node], self.extents[node]
        return Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def place(plan: Plan, routes: Routes) -> Placed:
    turned = not plan.graph.timed
    sizes = [extent(node) for node in plan.graph.nodes]
    sizes = [(h, w) for w, h in sizes] if turned else sizes
    upright, across = _used(routes)
    xs, right = _columns(plan, routes, sizes, upright)
    ys, cell_bottom, cell_top = _rows(plan, routes, sizes, across)
    spots, extents = _nodes(plan, routes, sizes, xs, ys, right)
    paths = {job: _corners(path, xs, ys) for job, path in routes.paths.items()}
    paths |= {job: _straight(spots, plan.graph.nets[job[0]].source, job[1]) for job in routes.missing}
    wires = tuple(
        Wire(net, sink, corners, False, sink in plan.graph.nets[net].held) for (net, sink), corners in paths.items()
    )
    crossings = tuple((xs[x], ys[y]) for x, y in routes.crossings)
    cell = Box(0.0, cell_bottom, right, cell_top) if plan.graph.timed else None
    placed = Placed(spots, extents, wires, crossings, cell)
    return _trimmed(plan, _turned(placed) if turned else placed)


def _used(routes: Routes) -> tuple[set[int], set[int]]:
    """The grid's columns on which some wire runs upright, and its rows on which one runs across."""
    upright: set[int] = set()
    across: set[int] = set()
    for path in routes.paths.values():
        for (x, y), (u, _) in pairwise(path):
            if x == u:
                upright.add(x)
            else:
                across.add(y)
    return upright, across


# --- from left to right --------------------------------------------------------------------------------


def _columns(plan: Plan, routes: Routes, sizes: Sequence[Spot], upright: set[int]) -> tuple[list[float], float]:
    """The x of each line of the grid, and the cell's right edge."""
    halves = _half_widths(plan, sizes)
    apart: dict[int, list[tuple[int, float]]] = {}
    for a, b, distance in (
        *_apart(plan, routes, sizes),
        *_heads(plan, routes, sizes),
        *_past(plan, routes, sizes),
    ):
        apart.setdefault(b, []).append((a, distance))
    lines = {routes.column(c): c for c in range(plan.columns.count)}
    last = routes.column(plan.columns.count)
    xs = [0.0] * (last + 1)
    right = 12.0
    for i in range(1, last):
        needed = [xs[b] + distance for b, distance in apart.get(i, [])]
        if i in lines:
            xs[i] = max([right + 9 + halves[lines[i]], *needed])
            right = xs[i] + halves[lines[i]]
        else:
            xs[i] = right = max([right + (_NODE_TRACK if i in upright else 0.0), *needed])
    xs[last] = max([0.0, *_reaches(plan, routes, sizes, xs)]) + _CELL_SIDE
    return xs, xs[last]


def _reaches(plan: Plan, routes: Routes, sizes: Sequence[Spot], xs: Sequence[float]) -> Iterator[float]:
    """How far to the right things in the cell reach: nodes, upright wires, and a little of the circles outside."""
    for n, node in enumerate(plan.graph.nodes):
        if node.kind in {"input", "output"}:
            yield xs[routes.column(plan.columns.of[n][0])] + 4
        elif node.kind not in _OUTER and not node.side:
            yield xs[routes.column(plan.columns.of[n][-1])] + _reach(plan, sizes, n)
    inner = [routes.row(plan.rows.row[n]) for n, node in enumerate(plan.graph.nodes) if node.kind not in _OUTER]
    for path in routes.paths.values():
        for (x, y), (u, v) in pairwise(path):
            if x == u and inner and min(y, v) <= max(inner):
                yield xs[x]


def _heads(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """Where a wire turns to come in from the side, its corner must be far enough for the arrowhead."""
    for (_, sink), path in routes.paths.items():
        (x, y), (_, v) = path[-1], path[-2]
        if y == v and plan.graph.nodes[sink].kind in _HEADED:
            turn = next((p[0] for p in reversed(path) if p[1] != y), path[0][0])
            if turn != path[0][0] or len({p[1] for p in path}) > 1:
                yield min(turn, x), max(turn, x), _reach(plan, sizes, sink) + _HEAD


def _past(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """Upright wires keep clear of circles and hexagons outside the cell, which do not widen their columns."""
    outer = [n for n, node in enumerate(plan.graph.nodes) if node.kind in _OUTER]
    places = [(routes.column(plan.columns.of[n][0]), routes.row(plan.rows.row[n]), sizes[n][0] / 2) for n in outer]
    for path in routes.paths.values():
        for (x, y), (u, v) in pairwise(path):
            if x == u:
                for column, row, half in places:
                    if min(y, v) <= row <= max(y, v) and column != x:
                        yield min(column, x), max(column, x), half + _CLEAR


def _half_widths(plan: Plan, sizes: Sequence[Spot]) -> list[float]:
    halves = [3.0] * plan.columns.count
    for n, node in enumerate(plan.graph.nodes):
        own = plan.columns.of[n]
        for c in own:
            if node.kind == "function" and len(own) > 1:
                halves[c] = max(halves[c], 28.0, sizes[n][0] / 2 / len(own))
            elif node.kind not in _OUTER or (node.kind not in {"input", "output"} and not plan.graph.timed):
                halves[c] = max(halves[c], sizes[n][0] / 2)
    return halves


def _apart(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """How far lines of the grid must be from one another for the sake of nodes in one row."""
    rows: dict[int, list[int]] = {}
    for n, own in enumerate(plan.columns.of):
        if own:
            rows.setdefault(plan.rows.row[n], []).append(n)
    for members in rows.values():
        for a in members:
            for b in members:
                left, right = plan.columns.of[a][-1], plan.columns.of[b][0]
                if left < right:
                    goal = {plan.graph.nodes[a].kind, plan.graph.nodes[b].kind} & {
                        "loss",
                        "objective",
                        "target",
                        "aside",
                    }
                    distance = _reach(plan, sizes, a) + _reach(plan, sizes, b) + (26 if goal else 12)
                    yield routes.column(left), routes.column(right), distance


def _reach(plan: Plan, sizes: Sequence[Spot], n: int) -> float:
    return 28.0 if len(plan.columns.of[n]) > 1 else sizes[n][0] / 2


# --- from the bottom up ---------------------------------------------------------------------------------


def _rows(plan: Plan, routes: Routes, sizes: Sequence[Spot], across: set[int]) -> tuple[list[float], float, float]:
    """The y of each line of the grid, and the cell's bottom and top."""
    members: list[list[int]] = [[] for _ in range(plan.rows.count)]
    for n in range(len(plan.graph.nodes)):
        members[plan.rows.row[n]].append(n)
    halves = [max((sizes[n][1] / 2 for n in row), default=2.0) for row in members]
    outer = [all(plan.graph.nodes[n].kind in _OUTER for n in row) for row in members]
    outside = _OUTSIDE if plan.graph.timed else 0.0
    lines = {routes.row(r): r for r in range(plan.rows.count)}
    ys = [0.0] * routes.row(plan.rows.count)
    at, tracks, bottom, top = 0.0, 0, None, None
    previous: int | None = None
    for j in range(len(ys)):
        row = lines.get(j)
        if row is None:
            if j in across:
                at += _TRACK if tracks else _NODE_TRACK if previous is not None else 0.0
                tracks += 1
            ys[j] = at
            continue
        gap = _gap(plan, [] if previous is None else members[previous], members[row], tracks)
        gap = 0.0 if previous is None and not tracks else gap
        if previous is not None and not outer[previous] and outer[row]:
            top = at + _CELL
            at, gap = top + outside, 0.0
        ys[j] = at + gap + halves[row]
        at, tracks, previous = ys[j] + halves[row], 0, row
        if outer[row] and row + 1 < len(members) and not outer[row + 1]:
            at += outside
            bottom = at
            at += 6.0
    return ys, -_CELL if bottom is None else bottom, at + _CELL if top is None else top


def _gap(plan: Plan, below: Sequence[int], above: Sequence[int], tracks: int) -> float:
    """The room between two rows, beyond the tracks that lie there already."""
    nodes = plan.graph.nodes
    labelled = any(nodes[n].kind in {"layer", "function"} and any(v.state for v in nodes[n].outs) for n in below)
    thin_above = all(nodes[n].kind in {"merge", "entry", "exit"} for n in above)
    thin_below = bool(below) and all(nodes[n].kind in {"merge", "entry", "exit"} for n in below)
    gap = _AFTER_TRACK if tracks else _ROW
    if labelled:
        gap = 24.0 if tracks else _LABELLED_ROW
    if thin_above:
        gap = 24.0 if labelled else _MERGE_ROW
    if thin_below and not tracks:
        gap = max(gap if thin_above else 18.0, _MERGE_ROW)
    if all(any(nodes[n].side for n in row) for row in (below, above)):
        gap = max(gap, _RAILS)
    if not below:
        return gap
    groups = [{nodes[n].group for n in row if nodes[n].group} for row in (below, above)]
    return gap + (_GROUP_ROW if groups[0] != groups[1] else 0.0)


# --- nodes and wires --------------------------------------------------------------------------------------


def _nodes(
    plan: Plan, routes: Routes, sizes: Sequence[Spot], xs: Sequence[float], ys: Sequence[float], right: float
) -> tuple[tuple[Spot, ...], tuple[Spot, ...]]:
    spots, extents = [], []
    for n, node in enumerate(plan.graph.nodes):
        y = ys[routes.row(plan.rows.row[n])]
        width, height = sizes[n]
        if node.side:
            x = 0.0 if node.side == "left" else right
        else:
            own = [xs[routes.column(c)] for c in plan.columns.of[n]]
            x = (own[0] + own[-1]) / 2
            width = max(width, own[-1] - own[0] + 52) if len(own) > 1 else width
        spots.append((x, y))
        extents.append((width, height))
    return tuple(spots), tuple(extents)


def _corners(path: Sequence[Point], xs: Sequence[float], ys: Sequence[float]) -> tuple[Spot, ...]:
    inner = [b for a, b, c in zip(path, path[1:], path[2:], strict=False) if (a[0] == b[0]) != (b[0] == c[0])]
    return tuple((xs[x], ys[y]) for x, y in (path[0], *inner, path[-1]))


def _straight(spots: Sequence[Spot], source: int, sink: int) -> tuple[Spot, ...]:
    """For a wire that found no way: across and up, over whatever lies there, rather than not at all."""
    return (spots[source], (spots[sink][0], spots[source][1]), spots[sink])


def _turned(placed: Placed) -> Placed:
    """The flow's axis, which was up, goes to the right."""
    wires = tuple(Wire(w.net, w.sink, tuple((y, -x) for x, y in w.corners), w.arrow, w.held) for w in placed.wires)
    return Placed(
        tuple((y, -x) for x, y in placed.spots),
        tuple((h, w) for w, h in placed.extents),
        wires,
        tuple((y, -x) for x, y in placed.crossings),
        placed.cell,
    )


_HEADED = {"pointwise", "aside", "output", "loss", "objective", "function"}


def _trimmed(plan: Plan, placed: Placed) -> Placed:
    """Wires end at their sink's outline; one into a merge goes on a little in the direction of the flow."""
    on_rail = {n: rail for rail in plan.rails for n in (rail.entry, *rail.stops)}
    wires = []
    for wire in placed.wires:
        kind = plan.graph.nodes[wire.sink].kind
        along = on_rail.get(wire.sink)
        straight = along is not None and on_rail.get(plan.graph.nets[wire.net].source) is along
        arrow = kind in _HEADED and not (straight and kind == "pointwise")
        corners = _ended(wire, kind, placed, _after(plan, placed, wire.sink))
        arrow = arrow or (kind == "layer" and (placed.cell is None or corners[-1][0] != corners[-2][0]))
        wires.append(Wire(wire.net, wire.sink, corners, arrow, wire.held))
    return Placed(placed.spots, placed.extents, tuple(wires), placed.crossings, placed.cell)


def _after(plan: Plan, placed: Placed, merge: int) -> Spot | None:
    """The direction in which a merged wire goes on."""
    for net in plan.graph.outputs[merge]:
        for wire in placed.wires:
            if wire.net == net:
                (x, y), (u, v) = wire.corners[0], wire.corners[1]
                return ((u > x) - (u < x), (v > y) - (v < y))
    return None


def _ended(wire: Wire, kind: Kind, placed: Placed, after: Spot | None) -> tuple[Spot, ...]:
    *before, (x, y) = wire.corners
    (a, b), (w, h) = before[-1], placed.extents[wire.sink]
    dx, dy = (x > a) - (x < a), (y > b) - (y < b)
    if kind == "merge":
        if after is None or after == (dx, dy):
            return wire.corners
        return (*wire.corners, (x + after[0] * 14, y + after[1] * 14))
    if kind in {"entry", "exit"}:
        return wire.corners
    center = placed.spots[wire.sink]
    x = center[0] if dx else x
    return (*before, (x - dx * w / 2, y - dy * h / 2))
