"""Grid points become points on a page (1/72 inch, y upwards): lines that no wire uses collapse, the others get the
room that nodes, arrowheads and labels need. Programs without time are turned to flow from left to right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from types import MappingProxyType

from sqmagic.board.layout import spacing
from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.graph import HEADED, SIGNS, Kind
from sqmagic.board.layout.grid import Plan, Point
from sqmagic.board.layout.route import Routes
from sqmagic.board.layout.sizes import extent

_ON = 14.0
"""How far a wire goes on beyond the merge in which it ends, so that it is seen to turn into what leaves it."""


_NARROWEST, _TOWER, _WIDEST = 0.6, 0.56, 2.0
"""A cell's width for its height; a tower's, where the letters of anything wider are too small."""

_LOWEST = 0.94
"""How much lower than its rows ask for a tower may be: arrowheads and names still fit."""

_TOO_WIDE, _WIDE = 960.0, 780.0
"""At 700 pixels the letters of anything wider are too small; a cell has its rails, and perhaps more, beside it."""


NO_NAMES: Mapping[int, Spot] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Wire:
    """One wire as corners from its source to its sink; `arrow` if it ends in a head, `held` if no gradient passes, and
    `forced` if it found no free way and runs over whatever lies there."""

    net: int
    sink: int
    corners: tuple[Spot, ...]
    arrow: bool
    held: bool
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything stands: a centre and an extent for each node, wires, crossings, and the cell if there is one.

    The flow is upwards, or to the right if it was `turned`.
    """

    spots: tuple[Spot, ...]
    extents: tuple[Spot, ...]
    wires: tuple[Wire, ...]
    crossings: tuple[Spot, ...]
    cell: Box | None
    turned: bool = False

    def box(self, node: int) -> Box:
        (x, y), (w, h) = self.spots[node], self.extents[node]
        return Box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def place(plan: Plan, routes: Routes, room: Spot = (1.0, 1.0), named: Mapping[int, Spot] = NO_NAMES) -> Placed:
    """A program without time flows to the right, unless that would make it too wide to be read, and a wide cell has its
    columns closer together; `room` is how much further apart than need be everything stands, across and along
    the flow, and beside the wires of each net in `named` there is room for a name of that size."""
    standing = partial(_placed, plan, routes, room, named, turned=False)
    if plan.graph.timed:
        found = _trimmed(plan, standing())
        return found if _width(found) <= _WIDE else _trimmed(plan, standing(close=True))
    lying = _trimmed(plan, _turned(_placed(plan, routes, room, named, turned=True)))
    if _width(lying) <= _TOO_WIDE:
        return lying
    return min(lying, _trimmed(plan, standing()), key=_width)


def _width(placed: Placed) -> float:
    ends = [end for (x, _), (w, _) in zip(placed.spots, placed.extents, strict=True) for end in (x - w / 2, x + w / 2)]
    return max(ends) - min(ends)


def _placed(
    plan: Plan, routes: Routes, room: Spot, named: Mapping[int, Spot], turned: bool, close: bool = False
) -> Placed:
    """Where everything stands while the flow is still upwards; `turned` if it will not stay so."""
    sizes = [extent(node) for node in plan.graph.nodes]
    sizes = [(h, w) for w, h in sizes] if turned else sizes
    upright, across = _used(routes)
    tags = {net: size[turned] for net, size in named.items()}
    xs, right = spacing.columns(plan, routes, sizes, upright, tags, close)
    ys, cell_bottom, cell_top = spacing.rows(plan, routes, sizes, across)
    wider, higher = room
    if plan.graph.timed:
        more = _stretch(right * wider, (cell_top - cell_bottom) * higher)
        wider, higher = wider * more[0], higher * more[1]
    xs, right = [x * wider for x in xs], right * wider
    ys, cell_bottom, cell_top = [y * higher for y in ys], cell_bottom * higher, cell_top * higher
    spots, extents = _nodes(plan, routes, sizes, xs, ys, right)
    paths = {job: _corners(path, xs, ys) for job, path in routes.paths.items()}
    paths |= {job: _straight(spots, plan.graph.nets[job[0]].source, job[1]) for job in routes.missing}
    lost = set(routes.missing)
    wires = tuple(
        Wire(net, sink, corners, False, sink in plan.graph.nets[net].held, (net, sink) in lost)
        for (net, sink), corners in paths.items()
    )
    crossings = tuple((xs[x], ys[y]) for x, y in routes.crossings)
    cell = Box(0.0, cell_bottom, right, cell_top) if plan.graph.timed else None
    return Placed(spots, extents, wires, crossings, cell)


def _stretch(width: float, height: float) -> Spot:
    """By how much a cell is drawn wider, or higher, than it need be, lest it be a tower or a ribbon; a tower that would
    have to be too wide is a little lower."""
    lower = max(_LOWEST, min(1.0, max(width, _WIDE) / (_TOWER * height)))
    least = max(_TOWER * height * lower, min(_NARROWEST * height, _WIDE))
    return max(1.0, least / width), max(lower, width / height / _WIDEST)


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
    wires = tuple(replace(wire, corners=tuple((y, -x) for x, y in wire.corners)) for wire in placed.wires)
    return Placed(
        tuple((y, -x) for x, y in placed.spots),
        tuple((h, w) for w, h in placed.extents),
        wires,
        tuple((y, -x) for x, y in placed.crossings),
        placed.cell,
        turned=True,
    )


def _trimmed(plan: Plan, placed: Placed) -> Placed:
    """Wires end at their sink's outline; one into a merge goes on a little in the direction of the flow."""
    on_rail = {n: rail for rail in plan.rails for n in (rail.entry, *rail.stops)}
    wires = []
    for wire in placed.wires:
        kind = plan.graph.nodes[wire.sink].kind
        along = on_rail.get(wire.sink)
        straight = along is not None and on_rail.get(plan.graph.nets[wire.net].source) is along
        arrow = kind in HEADED and not (straight and kind in SIGNS)
        corners = _ended(wire, kind, placed, _after(plan, placed, wire.sink))
        arrow = arrow or (kind == "layer" and (placed.cell is None or corners[-1][0] != corners[-2][0]))
        wires.append(replace(wire, corners=corners, arrow=arrow))
    return replace(placed, wires=tuple(wires))


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
        return (*wire.corners, (x + after[0] * _ON, y + after[1] * _ON))
    if kind in {"entry", "exit"}:
        return wire.corners
    center = placed.spots[wire.sink]
    return (*before, (center[0] - dx * w / 2, y) if dx else (x, center[1] - dy * h / 2))
