"""What can be changed in a plan: the heights of rails and nodes, the columns of nodes, the order of columns. Each
change is a plan of its own; whether it is better is not decided here, and whether it is legal by `legal`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from sqmagic.board.layout.columns import Columns, parted, permuted
from sqmagic.board.layout.columns import moved as shifted
from sqmagic.board.layout.graph import BLOCKS, OUTER, Side
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.rails import Rail
from sqmagic.board.layout.rows import moved


def returning(plan: Plan) -> list[Rail]:
    """Rails on which a state ends somewhere, and a new value of it begins."""
    return [rail for rail in plan.rails if not rail.through]


Heights = dict[int, float]
"""Nodes with the heights to which they go: see `rows.moved`."""


def changes(plan: Plan, blame: Sequence[float]) -> Iterator[Plan]:
    """Rails on which states return go to another height; then nodes are moved, straight above or under a neighbour or
    beside it or up, or aside with all that stands straight above them, those first whose wires cost most; then columns
    change places."""
    for rail in plan.rails:
        yield from (lifted(plan, to) for to in heights(plan, rail))
    for pair in combinations(returning(plan), 2):
        yield from (lifted(plan, to) for to in together(plan, *pair))
    for n in sorted(range(len(blame)), key=lambda n: -blame[n]):
        yield from (aligned(plan, n, *place) for place in places(plan, n))
        yield from (lifted(plan, to) for to in levels(plan, n))
        yield from stacked(plan, n)
    yield from (replace(plan, columns=changed) for changed in _reordered(plan))


# --- up and down ---------------------------------------------------------------------------------------


def lifted(plan: Plan, to: Heights) -> Plan:
    return replace(plan, rows=moved(plan.rows, to))


def heights(plan: Plan, rail: Rail) -> list[Heights]:
    """A rail on which a state returns at another height, nearest first: level with a merge that it feeds or with the
    sign that makes its state, or between any two rows of the cell."""
    row, own, nodes = plan.rows.row, line(plan, rail), plan.graph.nodes
    at = row[rail.entry]
    users = () if rail.through else plan.graph.users(rail.entry)
    level = [row[u] for u in users if nodes[u].kind in {"merge", "pointwise", *BLOCKS}]
    ends = nodes[rail.source].kind in {"merge", "pointwise"} and rail.source not in plan.rows.hanging
    level += [row[rail.source]] if ends and not rail.through else []
    found = [float(r) for r in dict.fromkeys(level) if r != at]
    found += sorted(_gaps(plan), key=lambda r: abs(r - at))
    return [dict.fromkeys(own, r) for r in found]


def together(plan: Plan, one: Rail, other: Rail) -> list[Heights]:
    """Two rails at each other's heights, or both together at another, either of them above."""
    row, (first, second) = plan.rows.row, (line(plan, one), line(plan, other))
    found = [dict.fromkeys(first, float(row[other.entry])) | dict.fromkeys(second, float(row[one.entry]))]
    for r in _gaps(plan):
        for low, high in ((first, second), (second, first)):
            found.append(dict.fromkeys(low, r) | dict.fromkeys(high, r + 0.25))
    return found


def _gaps(plan: Plan) -> list[float]:
    """Heights between the rows of the cell, and under and above them."""
    inner = [plan.rows.row[n] for n, node in enumerate(plan.graph.nodes) if node.kind not in OUTER]
    return [r - 0.5 for r in range(min(inner), max(inner) + 2)]


def line(plan: Plan, rail: Rail) -> frozenset[int]:
    """What stands at a rail's height because of it; a state that comes in from both sides leaves on one of them."""
    others = {n for other in plan.rails if other is not rail for n in (other.entry, *other.stops, other.exit)}
    return frozenset({rail.entry, *rail.stops, rail.exit} - others)


def levels(plan: Plan, n: int) -> list[Heights]:
    """A node in any other row between what feeds it and what it feeds, or in a row of its own there; layers on a bus
    stay in line."""
    graph, row = plan.graph, plan.rows.row
    rails = {m for rail in plan.rails for m in (rail.entry, *rail.stops)}
    if graph.nodes[n].kind in OUTER | {"entry", "exit"} or n in rails or n in plan.rows.hanging:
        return []
    if graph.nodes[n].kind == "layer" and any(graph.nodes[m].kind == "merge" for m in graph.sources(n)):
        return []
    gaps = _gaps(plan)
    low = max([int(gaps[0] - 0.5), *(row[m] for m in graph.sources(n) if graph.nodes[m].kind != "entry")])
    high = min([int(gaps[-1] + 0.5), *(row[m] for m in graph.users(n) if graph.nodes[m].kind != "exit")])
    return [{n: r} for k in range(low + 1, high + 1) for r in ((k - 0.5, float(k)) if k < high else (k - 0.5,))]


# --- left and right ------------------------------------------------------------------------------------


def aligned(plan: Plan, n: int, column: int, apart: bool) -> Plan:
    """A node in another column, or `apart` in one of its own before that."""
    return replace(plan, columns=(parted if apart else shifted)(plan.columns, (n,), column))


def places(plan: Plan, n: int) -> list[tuple[int, bool]]:
    """For a node of one column, those of its neighbours, or one of its own beside theirs."""
    if len(plan.columns.of[n]) != 1:
        return []
    near = [plan.columns.of[m] for m in (*plan.graph.sources(n), *plan.graph.users(n))]
    level = dict.fromkeys(c for own in near for c in own)
    beside = dict.fromkeys(c for own in near for last in own[-1:] for c in (last, last + 1))
    return [*((c, False) for c in level), *((c, True) for c in beside)]


def stacked(plan: Plan, n: int) -> list[Plan]:
    """A node with all that stands straight above it, in a column of their own to either side of where they stand, or
    last of all."""
    stack = _stack(plan, n)
    if len(stack) < 2:
        return []
    columns, at = plan.columns, plan.columns.of[n][0]
    return [replace(plan, columns=parted(columns, stack, c)) for c in sorted({at, at + 1, columns.count})]


def _stack(plan: Plan, n: int) -> frozenset[int]:
    of, row, found, waiting = plan.columns.of, plan.rows.row, {n}, [n]
    while waiting and len(of[n]) == 1:
        m = waiting.pop()
        above = {u for u in plan.graph.users(m) if of[u] == of[n] and row[u] > row[m]} - found
        found |= above
        waiting += sorted(above)
    return frozenset(found)


def _reordered(plan: Plan) -> Iterator[Columns]:
    """One column, or all of a block, moved, nearest first; then two columns swapped, neighbours within a block too."""
    blocks, count = _blocks(plan.columns), plan.columns.count
    order = list(range(count))
    pairs = sorted(((i, j) for i in range(count) for j in range(count) if i != j), key=lambda p: abs(p[0] - p[1]))
    for i, j in pairs:
        yield moved_column(plan.columns, i, j)
    for i, j in pairs:
        if i < j - 1 or (i < j and blocks.get(i, (i,)) == blocks.get(j)):
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            yield permuted(plan.columns, swapped)


def moved_column(columns: Columns, i: int, j: int) -> Columns:
    """One column, or all of its block, elsewhere."""
    block = _blocks(columns).get(i, (i,))
    kept = [c for c in range(columns.count) if c not in block]
    at = min(j, len(kept))
    return permuted(columns, [*kept[:at], *block, *kept[at:]])


def _blocks(columns: Columns) -> dict[int, tuple[int, ...]]:
    return {c: own for own in columns.of if len(own) > 1 for c in own}


# --- what is allowed ----------------------------------------------------------------------------------

_BORDER: dict[Side, int] = {"left": -1, "right": -2}
"""In place of a column, where values of other steps come in and go out."""


def legal(plan: Plan) -> bool:
    """A block's columns stay together, the stops of a rail in the order of its flow, and nothing on anything else."""
    of, row = plan.columns.of, plan.rows.row
    if any(own[-1] - own[0] >= len(own) for own in of if len(own) > 1):
        return False
    for rail in plan.rails:
        stops = [of[n][0] for n in rail.stops]
        if sorted(set(stops), reverse=rail.toward == "left") != stops:
            return False
    taken = [(c, row[n]) for n, own in enumerate(of) for c in own]
    taken += [(_BORDER[node.side], row[n]) for n, node in enumerate(plan.graph.nodes) if node.side]
    return len(set(taken)) == len(taken)
