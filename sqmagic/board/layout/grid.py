"""The grid on which wires are laid: each column and row has a centre line, with free tracks between it and the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import OUTER, Graph
from sqmagic.board.layout.ports import E, N, S, W
from sqmagic.board.layout.rails import Rail
from sqmagic.board.layout.rows import Rows
from sqmagic.board.layout.terminals import Terminals

Point = tuple[int, int]

FREE = -1
INSIDE, OUTSIDE, NEVER = range(3)
"""Where a wire may go: anywhere in the cell, outside only if it ends there, and through nothing that stands there."""

CROSSING = 4.5
"""What a crossing counts for, where a step counts for 0.4 and a bend for 2.2."""

BEND = 3.2
"""What a bend counts for, where a step counts for 0.4."""

COLUMN = 1.0
"""What a column counts for: a wide picture is shown in small letters."""

_CENTRE, _OUT = 0.12, 0.5
"""What a step across costs more on the centre line of a row, where nodes stand, and outside the cell."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that routing starts from; `crossing`, `bend` and `column` are what each counts for."""

    graph: Graph
    rails: tuple[Rail, ...]
    rows: Rows
    columns: Columns
    crossing: float = CROSSING
    bend: float = BEND
    column: float = COLUMN


@dataclass(slots=True)
class Grid:
    """The grid while wires are being laid. A point is `y * width + x`.

    `across` and `upright` name the net that runs through a point in either direction, `ends` are bits of the directions
    in which wires go on from there, `node` is what stands on a point and `at` where each node stands,
    `start` where each net begins, `terminals` on which sides, `row_of` and `column_of` where each point lies. `closed`
    says who may pass a point; it goes on above the grid, and as index -1 is the last one, below it too. `tolls` are
    what a step across costs more in each row. `sides` tells which net has taken which side of a node, `came` from where
    each point of a net was reached, `work` how much was searched.
    """

    plan: Plan
    terminals: Terminals
    tracks: int
    haste: float
    width: int
    height: int
    inside: tuple[int, int]
    node: list[int]
    across: list[int]
    upright: list[int]
    ends: list[int]
    at: list[tuple[int, ...]]
    start: list[int]
    row_of: Sequence[int]
    column_of: Sequence[int]
    closed: list[int]
    tolls: list[float]
    sides: dict[int, int] = field(default_factory=dict)
    came: dict[int, dict[int, int]] = field(default_factory=dict)
    paths: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    work: int = 0


def grid_of(plan: Plan, terminals: Terminals, tracks: int, haste: float = 1.0) -> Grid:
    graph, rows, columns = plan.graph, plan.rows, plan.columns
    width = 2 + tracks + columns.count * (tracks + 1)
    height = tracks + rows.count * (tracks + 1)
    xs = [1 + tracks + c * (tracks + 1) for c in range(columns.count)]
    ys = [tracks + r * (tracks + 1) for r in range(rows.count)]
    border = {"left": 0, "right": width - 1}
    at: list[tuple[int, ...]] = []
    node = [FREE] * (width * height)
    for n, drawn in enumerate(graph.nodes):
        own = [border[drawn.side]] if drawn.side else [xs[c] for c in columns.of[n]]
        base = ys[rows.row[n]] * width
        at.append(tuple(base + x for x in own))
        for x in range(min(own), max(own) + 1):
            node[base + x] = n
    inner = [ys[rows.row[n]] for n, drawn in enumerate(graph.nodes) if drawn.kind not in OUTER] or [0]
    low, high = min(inner) - tracks, max(inner) + tracks
    free = [FREE] * (width * height)
    return Grid(
        plan=plan,
        terminals=terminals,
        tracks=tracks,
        haste=haste,
        width=width,
        height=height,
        inside=(low, high),
        node=node,
        across=free,
        upright=list(free),
        ends=[0] * len(free),
        at=at,
        start=_starts(plan, terminals.rail, at),
        row_of=_row_of(width, height),
        column_of=_column_of(width, height),
        closed=_closed(node, width, (low, high)),
        tolls=_tolls(height, frozenset(ys), (low, high)),
    )


@lru_cache(maxsize=256)
def _row_of(width: int, height: int) -> Sequence[int]:
    return [y for y in range(height) for _ in range(width)]


@lru_cache(maxsize=256)
def _column_of(width: int, height: int) -> Sequence[int]:
    return list(range(width)) * height


def _closed(node: list[int], width: int, inside: tuple[int, int]) -> list[int]:
    low, high = inside
    height = len(node) // width
    outside, within = ([NEVER, *[to] * (width - 2), NEVER] for to in (OUTSIDE, INSIDE))
    own = outside * low + within * (high + 1 - low) + outside * (height - high - 1) + [NEVER] * width
    for v, n in enumerate(node):
        if n != FREE:
            own[v] = NEVER
    return own


def _tolls(height: int, centres: frozenset[int], inside: tuple[int, int]) -> list[float]:
    low, high = inside
    return [(_CENTRE if y in centres else 0.0) + (0.0 if low <= y <= high else _OUT) for y in range(height)]


def point(grid: Grid, v: int) -> Point:
    return v % grid.width, v // grid.width


def _starts(plan: Plan, rail: dict[int, Rail], at: list[tuple[int, ...]]) -> list[int]:
    """Where each net leaves its source: for a function its pin, or the end of the box on the rail's side."""
    out = []
    for net, source in enumerate(drawn.source for drawn in plan.graph.nets):
        places, pins, own = at[source], plan.columns.pins[source], rail.get(source)
        if net in pins:
            out.append(places[pins.index(net)])
        else:
            out.append(places[0] if own and own.toward == "left" else places[-1])
    return out


# --- laying and taking up ------------------------------------------------------------------------------


def direction(a: int, b: int) -> int:
    """From one point to the next; a grid is more than one point wide."""
    step = b - a
    if step == 1:
        return E
    if step == -1:
        return W
    return N if step > 0 else S


_EAST, _NORTH, _WEST, _SOUTH = (1 << way for way in (E, N, W, S))
"""A direction among the `ends` of a point."""


def occupy(grid: Grid, net: int, path: Sequence[int]) -> None:
    """Lay a net along points that lie side by side."""
    node, across, upright, ends = grid.node, grid.across, grid.upright, grid.ends
    for a, b in pairwise(path):
        if b - a in (1, -1):
            lane, out, into = (across, _EAST, _WEST) if b > a else (across, _WEST, _EAST)
        else:
            lane, out, into = (upright, _NORTH, _SOUTH) if b > a else (upright, _SOUTH, _NORTH)
        if node[a] == FREE:
            lane[a] = net
            ends[a] |= out
        if node[b] == FREE:
            lane[b] = net
            ends[b] |= into


Saved = tuple[dict[int, int], dict[tuple[int, int], tuple[int, ...]], dict[int, int]]


def take_up(grid: Grid, net: int) -> Saved:
    """Clear a net's wires away; gives what `restore` needs to put them back."""
    came = grid.came.pop(net, {})
    paths = {job: path for job, path in grid.paths.items() if job[0] == net}
    sides = {side: owner for side, owner in grid.sides.items() if owner == net}
    for side in sides:
        del grid.sides[side]
    for job in paths:
        del grid.paths[job]
    for v in came:
        if grid.across[v] == net:
            grid.across[v] = FREE
            grid.ends[v] &= 1 << N | 1 << S
        if grid.upright[v] == net:
            grid.upright[v] = FREE
            grid.ends[v] &= 1 << E | 1 << W
    return came, paths, sides


def restore(grid: Grid, net: int, saved: Saved) -> None:
    came, paths, sides = saved
    if came:
        grid.came[net] = came
    grid.paths |= paths
    grid.sides |= sides
    for v, before in came.items():
        if before != FREE:
            occupy(grid, net, (before, v))
