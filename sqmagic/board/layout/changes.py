"""What can be changed in a plan: the heights of rails and nodes, the columns of nodes, the order of columns. Each
change is a plan of its own; whether it is better, or legal at all, is not decided here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from sqmagic.board.layout.columns import Columns, moved, parted, permuted
from sqmagic.board.layout.graph import OUTER
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.rails import Rail
from sqmagic.board.layout.rows import Rows
from sqmagic.board.layout.rows import moved as shifted


def returning(plan: Plan) -> list[Rail]:
    """Rails on which a state ends somewhere, and a new value of it begins."""
    return [rail for rail in plan.rails if not rail.through]


def changes(plan: Plan, blame: Sequence[float]) -> Iterator[Plan]:
    """Rails on which states return go to another height; then nodes are moved, straight above or under a neighbour or
    beside it or up, those first whose wires cost most; then columns change places."""
    for rail in returning(plan):
        yield from (replace(plan, rows=changed) for changed in _heights(plan, rail))
    for pair in combinations(returning(plan), 2):
        yield from (replace(plan, rows=changed) for changed in _together(plan, *pair))
    for n in sorted(range(len(blame)), key=lambda n: -blame[n]):
        if len(plan.columns.of[n]) == 1:
            yield from (replace(plan, columns=changed) for changed in _realigned(plan, n))
        yield from (replace(plan, rows=changed) for changed in _lifted(plan, n))
    yield from (replace(plan, columns=changed) for changed in _reordered(plan))


def _heights(plan: Plan, rail: Rail) -> Iterator[Rows]:
    """A rail on which a state returns at another height, nearest first: level with a merge that it feeds, or between
    any two rows of the cell."""
    row, own = plan.rows.row, line(plan, rail)
    at = row[rail.entry]
    merges = [row[u] for u in plan.graph.users(rail.entry) if plan.graph.nodes[u].kind == "merge"]
    yield from (shifted(plan.rows, dict.fromkeys(own, float(r))) for r in dict.fromkeys(merges) if r != at)
    for r in sorted(_gaps(plan), key=lambda r: abs(r - at)):
        yield shifted(plan.rows, dict.fromkeys(own, r))


def _together(plan: Plan, one: Rail, other: Rail) -> Iterator[Rows]:
    """Two rails at each other's heights, or both together at another, either of them above."""
    row, (first, second) = plan.rows.row, (line(plan, one), line(plan, other))
    yield shifted(plan.rows, dict.fromkeys(first, row[other.entry]) | dict.fromkeys(second, row[one.entry]))
    for r in _gaps(plan):
        for low, high in ((first, second), (second, first)):
            yield shifted(plan.rows, dict.fromkeys(low, r) | dict.fromkeys(high, r + 0.25))


def _gaps(plan: Plan) -> list[float]:
    """Heights between the rows of the cell, and under and above them."""
    inner = [plan.rows.row[n] for n, node in enumerate(plan.graph.nodes) if node.kind not in OUTER]
    return [r - 0.5 for r in range(min(inner), max(inner) + 2)]


def line(plan: Plan, rail: Rail) -> frozenset[int]:
    """What stands at a rail's height because of it; a state that comes in from both sides leaves on one of them."""
    others = {n for other in plan.rails if other is not rail for n in (other.entry, *other.stops, other.exit)}
    return frozenset({rail.entry, *rail.stops, rail.exit} - others)


def _lifted(plan: Plan, n: int) -> Iterator[Rows]:
    """A node in any other row between what feeds it and what it feeds, or in a row of its own there; layers stay in
    line."""
    graph, row = plan.graph, plan.rows.row
    own = graph.nodes[n]
    rails = {m for rail in plan.rails for m in (rail.entry, *rail.stops)}
    if own.kind in OUTER | {"layer", "entry", "exit"} or n in rails or n in plan.rows.hanging:
        return
    gaps = _gaps(plan)
    low = max([int(gaps[0] - 0.5), *(row[m] for m in graph.sources(n) if graph.nodes[m].kind != "entry")])
    high = min([int(gaps[-1] + 0.5), *(row[m] for m in graph.users(n) if graph.nodes[m].kind != "exit")])
    for r in range(low + 1, high + 1):
        yield shifted(plan.rows, {n: r - 0.5})
        if r < high:
            yield shifted(plan.rows, {n: float(r)})


def _realigned(plan: Plan, n: int) -> Iterator[Columns]:
    near = [plan.columns.of[m] for m in (*plan.graph.sources(n), *plan.graph.users(n))]
    for c in dict.fromkeys(c for own in near for c in own):
        yield moved(plan.columns, n, c)
    for c in dict.fromkeys(c for own in near for last in own[-1:] for c in (last, last + 1)):
        yield parted(plan.columns, n, c)


def _reordered(plan: Plan) -> Iterator[Columns]:
    """One column, or all of a block, moved, nearest first; then two columns swapped, neighbours within a block too."""
    blocks = {c: own for own in plan.columns.of if len(own) > 1 for c in own}
    count = plan.columns.count
    order = list(range(count))
    pairs = sorted(((i, j) for i in range(count) for j in range(count) if i != j), key=lambda p: abs(p[0] - p[1]))
    for i, j in pairs:
        block = blocks.get(order[i], (order[i],))
        kept = [c for c in order if c not in block]
        at = min(j, len(kept))
        yield permuted(plan.columns, [*kept[:at], *block, *kept[at:]])
    for i, j in pairs:
        if i < j - 1 or (i < j and blocks.get(i, (i,)) == blocks.get(j)):
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            yield permuted(plan.columns, swapped)
