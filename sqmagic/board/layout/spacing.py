"""Where the lines of the grid lie: those that no wire uses collapse, the others get the room that nodes, arrowheads and
labels need. In points (1/72 inch), to the right and upwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, permutations

from sqmagic.board.layout.boxes import Spot
from sqmagic.board.layout.graph import BLOCKS, HEADED, OUTER, SIGNS
from sqmagic.board.layout.grid import Plan, Point
from sqmagic.board.layout.instances import Room, rooms
from sqmagic.board.layout.route import Routes

_TRACK, _NODE_TRACK, _HEAD, _CLOSEST = 16.0, 15.0, 26.0, 9.0
_ROW, _LABELLED_ROW, _AFTER_TRACK, _MERGE_ROW, _GROUP_ROW = 22.0, 33.0, 20.0, 14.0, 28.0
_CELL, _CELL_SIDE, _OUTSIDE = 22.0, 28.0, 30.0
_BESIDE, _BESIDE_GOAL, _CLEAR, _RAILS, _BOX, _BOXES = 12.0, 26.0, 10.0, 28.0, 46.0, 36.0
_MAKERS = SIGNS | BLOCKS | {"layer"}
_HEAD_AND_GAP = 19.0
_NAME = 11.0
"""What is clear beside a name, on both sides, with half of both lines."""

_BY_GOALS = {"loss", "objective", "target", "aside"}


# --- from left to right --------------------------------------------------------------------------------


def columns(
    plan: Plan, routes: Routes, sizes: Sequence[Spot], upright: set[int], tags: Mapping[int, float], close: bool
) -> tuple[list[float], float]:
    """The x of each line of the grid, and the cell's right edge; the nets in `tags` get so much room for their names;
    where things stand `close`, columns reach into one another as far as what stands in them allows."""
    apart: dict[int, list[tuple[int, float]]] = {}
    for a, b, distance in (
        *_apart(plan, routes, sizes),
        *_heads(plan, routes, sizes),
        *_crossed(plan, routes, sizes),
        *_past(plan, routes, sizes),
        *_boxed(plan, routes, sizes),
        *_between(plan, routes, sizes),
        *_named(plan, routes, sizes, tags),
    ):
        apart.setdefault(b, []).append((a, distance))
    last = routes.column(plan.columns.count)
    xs = [0.0] * (last + 1)
    lines = _close_lines if close else _open_lines
    for i, least in lines(plan, routes, sizes, upright, xs):
        xs[i] = max([least, *(xs[b] + distance for b, distance in apart.get(i, []))])
    xs[last] = max([0.0, *_reaches(plan, routes, sizes, xs)]) + _CELL_SIDE
    return xs, xs[last]


def _open_lines(
    plan: Plan, routes: Routes, sizes: Sequence[Spot], upright: set[int], xs: Sequence[float]
) -> Iterator[tuple[int, float]]:
    """Each line with the least x that it may have, after `xs` holds those to its left: every column as wide as its
    widest node."""
    halves = {routes.column(c): half for c, half in enumerate(_half_widths(plan, sizes))}
    right = 12.0
    for i in range(1, routes.column(plan.columns.count)):
        if i in halves:
            yield i, right + 9 + halves[i]
            right = xs[i] + halves[i]
        else:
            yield i, right + (_NODE_TRACK if i in upright else 0.0)
            right = xs[i]


def _close_lines(
    plan: Plan, routes: Routes, sizes: Sequence[Spot], upright: set[int], xs: Sequence[float]
) -> Iterator[tuple[int, float]]:
    """The same, but what stands at different heights need not stand apart."""
    standing = _standing(plan, routes, sizes)
    edge: dict[int, float] = {}  # at each height, how far to the right things reach
    for i in range(1, routes.column(plan.columns.count)):
        own = standing.get(i, [])
        step = _CLOSEST if i in upright or own else 0.0
        yield i, max([xs[i - 1] + step, 21.0, *(edge.get(y, 12.0) + 9 + half for y, half in own)])
        for y, half in own:
            edge[y] = max(edge.get(y, 12.0), xs[i] + max(half, _NODE_TRACK - 9))


def _standing(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> dict[int, list[tuple[int, float]]]:
    """What stands on each upright line of the grid: at which height, and how far it reaches to either side."""
    out: dict[int, dict[int, float]] = {}
    for n, node in enumerate(plan.graph.nodes):
        own = plan.columns.of[n]
        wide = node.kind not in OUTER or (node.kind not in {"input", "output"} and not plan.graph.timed)
        for c in own:
            half = max(28.0, sizes[n][0] / 2 / len(own)) if len(own) > 1 else sizes[n][0] / 2
            out.setdefault(routes.column(c), {})[routes.row(plan.rows.row[n])] = half if wide else 3.0
    for path in routes.paths.values():
        for (x, y), (u, v) in pairwise(path):
            if x == u:
                for height in (y, v):
                    out.setdefault(x, {}).setdefault(height, 0.0)
    return {x: sorted(found.items()) for x, found in out.items()}


def _reaches(plan: Plan, routes: Routes, sizes: Sequence[Spot], xs: Sequence[float]) -> Iterator[float]:
    """How far to the right things in the cell reach: nodes, upright wires, and a little of the circles outside."""
    for n, node in enumerate(plan.graph.nodes):
        if node.kind in {"input", "output"}:
            yield xs[routes.column(plan.columns.of[n][0])] + 4
        elif node.kind not in OUTER and not node.side:
            yield xs[routes.column(plan.columns.of[n][-1])] + _reach(plan, sizes, n)
    inner = [routes.row(plan.rows.row[n]) for n, node in enumerate(plan.graph.nodes) if node.kind not in OUTER]
    for path in routes.paths.values():
        for (x, y), (u, v) in pairwise(path):
            if x == u and inner and min(y, v) <= max(inner):
                yield xs[x]


def _heads(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """Where a wire turns to come in from the side, its corner must be far enough for the arrowhead."""
    for (_, sink), path in routes.paths.items():
        (x, y), (_, v) = path[-1], path[-2]
        if y == v and plan.graph.nodes[sink].kind in HEADED:
            turn = next((p[0] for p in reversed(path) if p[1] != y), path[0][0])
            if turn != path[0][0] or len({p[1] for p in path}) > 1:
                yield min(turn, x), max(turn, x), _reach(plan, sizes, sink) + _HEAD


def _crossed(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """Where a wire that comes in from the side crosses another, the gap must leave room for the arrowhead as well."""
    for (_, sink), path in routes.paths.items():
        x, y = path[-1]
        if path[-2][1] == y and plan.graph.nodes[sink].kind in HEADED:
            start = next((p[0] for p in reversed(path) if p[1] != y), path[0][0])
            for cross, height in routes.crossings:
                if height == y and min(x, start) < cross < max(x, start):
                    yield min(cross, x), max(cross, x), _reach(plan, sizes, sink) + _HEAD_AND_GAP


def _past(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """Upright wires keep clear of circles and hexagons outside the cell, which do not widen their columns."""
    outer = [n for n, node in enumerate(plan.graph.nodes) if node.kind in OUTER]
    places = [(routes.column(plan.columns.of[n][0]), routes.row(plan.rows.row[n]), sizes[n][0] / 2) for n in outer]
    for path in routes.paths.values():
        for (x, y), (u, v) in pairwise(path):
            if x == u:
                for column, row, half in places:
                    if min(y, v) <= row <= max(y, v) and column != x:
                        yield min(column, x), max(column, x), half + _CLEAR


def _named(
    plan: Plan, routes: Routes, sizes: Sequence[Spot], tags: Mapping[int, float]
) -> Iterator[tuple[int, int, float]]:
    """To the right of an upright wire there is room for the name of its value."""
    beside = [
        (routes.column(own[-1]), routes.row(plan.rows.row[n]), routes.row(plan.rows.row[n]), _reach(plan, sizes, n))
        for n, own in enumerate(plan.columns.of)
        if own
    ]
    beside += [(x, min(y, v), max(y, v), 0.0) for x, y, v in _uprights(routes.paths.values())] if tags else []
    for net, width in tags.items():
        for x, y, v in _uprights(path for (own, _), path in routes.paths.items() if own == net):
            for right, low, high, reach in beside:
                if right > x and low <= max(y, v) and high >= min(y, v):
                    yield x, right, reach + width + _NAME


def _uprights(paths: Iterable[Sequence[Point]]) -> Iterator[tuple[int, int, int]]:
    """The upright pieces of wires, each its x and both of its y."""
    for path in paths:
        for (x, y), (u, v) in pairwise(path):
            if x == u:
                yield x, y, v


def _boxed(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """What stands beside an instance keeps clear of its box."""
    for room in rooms(plan.graph, plan.rows, plan.columns):
        inner = [n for n, node in enumerate(plan.graph.nodes) if node.group[: len(room.path)] == room.path]
        for n, node in enumerate(plan.graph.nodes):
            own = plan.columns.of[n]
            if not own or node.kind in OUTER or node.group[: len(room.path)] == room.path:
                continue
            if not room.bottom <= plan.rows.row[n] <= room.top:
                continue
            for m in (m for m in inner if plan.columns.of[m]):
                a, b = sorted((n, m), key=lambda k: plan.columns.of[k])
                if plan.columns.of[a][-1] < plan.columns.of[b][0]:
                    distance = _reach(plan, sizes, a) + _reach(plan, sizes, b) + _BOX
                    yield routes.column(plan.columns.of[a][-1]), routes.column(plan.columns.of[b][0]), distance


def _between(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """Where two instances stand side by side there is room for the sides of both boxes, after the last wire between
    them that is the left one's."""
    for a, b in permutations(rooms(plan.graph, plan.rows, plan.columns), 2):
        low, high = max(a.bottom, b.bottom), min(a.top, b.top)
        if low > high or a.right >= b.left or a.path == b.path[: len(a.path)] or b.path == a.path[: len(b.path)]:
            continue
        left, right = routes.column(a.right), routes.column(b.left)
        own = {n for n, node in enumerate(plan.graph.nodes) if node.group[: len(a.path)] == a.path}
        lines: dict[int, bool] = {}
        for (net, _), path in routes.paths.items():
            drawn = plan.graph.nets[net]
            ours = drawn.source in own or not own.isdisjoint(drawn.sinks)
            for (x, y), (u, v) in pairwise(path):
                if x == u and left < x < right and max(y, v) > routes.row(low) and min(y, v) < routes.row(high):
                    lines[x] = lines.get(x, False) or ours
        last = max((x for x, ours in lines.items() if ours), default=left)
        first = min((x for x in lines if x > last), default=right)
        reaches = (
            (_outmost(plan, sizes, a, a.right) if last == left else 0.0),
            (_outmost(plan, sizes, b, b.left) if first == right else 0.0),
        )
        yield last, first, sum(reaches) + _BOXES


def _outmost(plan: Plan, sizes: Sequence[Spot], room: Room, column: int) -> float:
    """How far what stands in a column of an instance reaches beyond its line."""
    nodes = plan.graph.nodes
    own = (n for n, node in enumerate(nodes) if node.group[: len(room.path)] == room.path)
    return max(_reach(plan, sizes, n) for n in own if column in plan.columns.of[n])


def _half_widths(plan: Plan, sizes: Sequence[Spot]) -> list[float]:
    halves = [3.0] * plan.columns.count
    for n, node in enumerate(plan.graph.nodes):
        own = plan.columns.of[n]
        for c in own:
            if node.kind in BLOCKS and len(own) > 1:
                halves[c] = max(halves[c], 28.0, sizes[n][0] / 2 / len(own))
            elif node.kind not in OUTER or (node.kind not in {"input", "output"} and not plan.graph.timed):
                halves[c] = max(halves[c], sizes[n][0] / 2)
    return halves


def _apart(plan: Plan, routes: Routes, sizes: Sequence[Spot]) -> Iterator[tuple[int, int, float]]:
    """How far lines of the grid must be from one another for the sake of nodes in one row."""
    rows: dict[int, list[int]] = {}
    for n, own in enumerate(plan.columns.of):
        if own:
            rows.setdefault(plan.rows.row[n], []).append(n)
    for members in rows.values():
        for a, b in pairwise(sorted(members, key=lambda n: plan.columns.of[n])):
            goals = {plan.graph.nodes[n].kind for n in (a, b)} & _BY_GOALS
            distance = _reach(plan, sizes, a) + _reach(plan, sizes, b) + (_BESIDE_GOAL if goals else _BESIDE)
            yield routes.column(plan.columns.of[a][-1]), routes.column(plan.columns.of[b][0]), distance


def _reach(plan: Plan, sizes: Sequence[Spot], n: int) -> float:
    return 28.0 if len(plan.columns.of[n]) > 1 else sizes[n][0] / 2


# --- from the bottom up ---------------------------------------------------------------------------------


def rows(plan: Plan, routes: Routes, sizes: Sequence[Spot], across: set[int]) -> tuple[list[float], float, float]:
    """The y of each line of the grid, and the cell's bottom and top."""
    members: list[list[int]] = [[] for _ in range(plan.rows.count)]
    for n in range(len(plan.graph.nodes)):
        members[plan.rows.row[n]].append(n)
    halves = [max((sizes[n][1] / 2 for n in row), default=2.0) for row in members]
    outer = [all(plan.graph.nodes[n].kind in OUTER for n in row) for row in members]
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


def _names_upwards(plan: Plan, n: int) -> bool:
    """A named value leaves this node upwards, and its name needs room there."""
    node = plan.graph.nodes[n]
    along = n in plan.rows.hanging or any(n in rail.stops and node.kind not in BLOCKS for rail in plan.rails)
    return node.kind in _MAKERS and not along and any(value.state for value in node.outs)


def _gap(plan: Plan, below: Sequence[int], above: Sequence[int], tracks: int) -> float:
    """The room between two rows, beyond the tracks that lie there already."""
    nodes = plan.graph.nodes
    labelled = any(_names_upwards(plan, n) for n in below)
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
