"""What a plan may cost, guessed from where its nodes stand without laying a wire: each is taken to go the way that it
would go if nothing else were there, and what then meets is counted. This takes a small part of the time of laying them.

Here heights are twice the rows and places from left to right twice the columns, so that odd ones lie between.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from sqmagic.board.layout.graph import BLOCKS, SIGNS
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.rails import Rail, rail_of

_ACROSS, _UP, _BLOCKED = 0.35, 0.25, 4.4

Spot = tuple[int, int]
Line = tuple[int, int, int, int]
"""Where it lies, its net, and from where to where it goes."""

Entrance = Literal["below", "side", "any", "above", "out"]
"""How a wire comes to its sink: from below alone, from a side or from below, from all sides, onto what hangs, or out of
the cell."""

Sink = tuple[int, Entrance, bool, bool]
"""Its node, the entrance, whether it lies on a rail, and whether it is a block."""

Source = tuple[int, int, bool, int | None, tuple[Sink, ...]]
"""A net's node, the direction along a rail in which it leaves if it does (1, -1, else 0), whether it may leave for the
edge at its own height, the merge for which it leaves like that, and its sinks."""


def guesser(plan: Plan) -> Callable[[Plan], float]:
    """For plans of this one's program: what they may cost, comparable with one another and with nothing else."""
    sources = _sources(plan)

    def guess(at: Plan) -> float:
        corners: set[tuple[int, int, int]] = set()
        across: dict[Spot, list[Spot]] = {}
        upright: dict[Spot, list[Spot]] = {}
        for net, way in _ways(at, sources):
            (a, b), last = way[0], len(way) - 1
            for i in range(1, last + 1):
                x, y = way[i]
                if b == y:
                    across.setdefault((b, net), []).append((a, x) if a < x else (x, a))
                else:
                    upright.setdefault((a, net), []).append((b, y) if b < y else (y, b))
                if i < last:
                    corners.add((net, x, y))
                a, b = x, y
        return _cost(at, len(corners), list(_lines(across)), list(_lines(upright)))

    return guess


def _cost(plan: Plan, corners: int, across: Sequence[Line], upright: Sequence[Line]) -> float:
    length = _ACROSS * sum(b - a for _, _, a, b in across) + _UP * sum(b - a for _, _, a, b in upright)
    blocked = _blocked(plan, across, upright) + _shared(across) + _shared(upright)
    return length + plan.bend * corners + plan.crossing * _crossed(across, upright) + _BLOCKED * blocked


# --- what meets ----------------------------------------------------------------------------------------


def _lines(found: dict[Spot, list[Spot]]) -> Iterator[Line]:
    """Of each net, stretches that overlap as one."""
    for (at, net), spans in found.items():
        if len(spans) > 1:
            spans.sort()
        start, stop = spans[0]
        for low, high in spans:
            if low > stop:
                yield at, net, start, stop
                start = low
            stop = max(stop, high)
        yield at, net, start, stop


def _crossed(across: Sequence[Line], upright: Sequence[Line]) -> int:
    across = sorted(across)
    heights, count = [y for y, _, _, _ in across], 0
    for x, net, low, high in upright:
        between = across[bisect_right(heights, low) : bisect_left(heights, high)]
        count += len([net for _, other, left, right in between if left < x < right and other != net])
    return count


def _shared(lines: Iterable[Line]) -> int:
    """Pieces of two nets on the centre of one row or column, where there is room for one."""
    count, end, at_before, net_before = 0, 0, -9, -1
    for at, net, low, high in sorted((at, net, low, high) for at, net, low, high in lines if not at & 1):
        if at == at_before and net != net_before and low <= end:
            count += 1
        end = max(end, high) if at == at_before else high
        at_before, net_before = at, net
    return count


def _blocked(plan: Plan, across: Iterable[Line], upright: Iterable[Line]) -> int:
    """Nodes through which wires would run."""
    columns: dict[int, list[int]] = {}
    rows: dict[int, list[int]] = {}
    for row, own in zip(plan.rows.row, plan.columns.of, strict=True):
        for c in own:
            columns.setdefault(2 * c, []).append(2 * row)
            rows.setdefault(2 * row, []).append(2 * c)
    count = 0
    for lines, standing in ((across, rows), (upright, columns)):
        for at, _, low, high in lines:
            for place in standing.get(at, ()):
                count += low < place < high
    return count


# --- the way of each wire ------------------------------------------------------------------------------


def _sources(plan: Plan) -> tuple[Source, ...]:
    graph, rail = plan.graph, rail_of(plan.rails)
    return tuple(
        (
            net.source,
            _flat(plan, n, rail.get(net.source)),
            graph.nodes[net.source].kind in SIGNS | {"merge"} and net.source not in plan.rows.hanging,
            graph.joined(net.source),
            tuple((m, _entrance(plan, m, m in rail), m in rail, graph.nodes[m].kind in BLOCKS) for m in net.sinks),
        )
        for n, net in enumerate(graph.nets)
    )


def _flat(plan: Plan, net: int, own: Rail | None) -> int:
    graph, source = plan.graph, plan.graph.nets[net].source
    node = graph.nodes[source]
    if node.side:
        return 1 if node.side == "left" else -1
    if own and (own.through if node.kind in SIGNS else net not in plan.columns.pins[source]):
        return 1 if own.toward == "right" else -1
    return int(node.kind == "merge" and len(graph.nets[net].sinks) > 1)


def _entrance(plan: Plan, n: int, on_rail: bool) -> Entrance:
    node = plan.graph.nodes[n]
    if node.side:
        return "out"
    if n in plan.rows.hanging:
        return "above"
    if node.kind in {"layer", "output"} or (on_rail and node.kind in SIGNS):
        return "below"
    return "any" if node.kind == "merge" else "side"


def _ways(plan: Plan, sources: Sequence[Source]) -> Iterator[tuple[int, tuple[Spot, ...]]]:
    """Each net's wires as corners, from source to sink. A side of a node that one net has taken is closed to others."""
    graph, row, columns = plan.graph, plan.rows.row, plan.columns
    ends = {1: -2, -1: 2 * columns.count}
    taken: dict[tuple[int, int], int] = {}
    for net, (source, along, level, after, sinks) in enumerate(sources):
        y1, flat = 2 * row[source], along if after is None or row[after] != row[source] else 1
        x1 = ends[flat] if graph.nodes[source].side else 2 * columns.pin(source, net)
        for n, entrance, on_rail, block in sinks:
            y2, own = 2 * row[n], columns.of[n]
            x2 = 2 * min(max(x1 // 2, own[0]), own[-1]) if own else ends[-1 if graph.nodes[n].side == "right" else 1]
            if flat and on_rail and y1 == y2:
                yield net, ((x1, y1), (x2, y2))
            elif entrance == "out":
                yield net, _out(x1, y1, x2, y2, flat, level, -1 if source in plan.rows.hanging else 1)
            elif entrance == "above":
                yield net, _down(x1, y1, x2, y2, flat)
            elif entrance == "any" or (entrance == "side" and _by_side(taken, net, n, x1, y1, x2, y2, flat, block)):
                yield net, _aside(x1, y1, x2, y2, flat, entrance == "any")
            else:
                yield net, _up(x1, y1, x2, y2, flat)


def _by_side(
    taken: dict[tuple[int, int], int], net: int, n: int, x1: int, y1: int, x2: int, y2: int, flat: int, block: bool
) -> bool:
    """Whether a wire comes in from a side, and not from below: one that comes along a rail needs a bend less there."""
    toward = (x2 > x1) - (x2 < x1)
    if flat and y1 < y2 and taken.setdefault((n, 0), net) == net:
        return False
    if not toward:
        taken.setdefault((n, 0), net)
        return False
    return not (block and toward < 0) and taken.setdefault((n, toward), net) == net


def _out(x1: int, y1: int, x2: int, y2: int, flat: int, level: bool, up: int) -> tuple[Spot, ...]:
    toward = 1 if x2 > x1 else -1
    if y1 == y2 and (flat == toward or level):
        return (x1, y1), (x2, y2)
    if flat:
        return (x1, y1), (x1 + flat, y1), (x1 + flat, y2), (x2, y2)
    if (y2 - y1) * up > 0:
        return (x1, y1), (x1, y2), (x2, y2)
    return (x1, y1), (x1, y1 + up), (x1 + toward, y1 + up), (x1 + toward, y2), (x2, y2)


def _down(x1: int, y1: int, x2: int, y2: int, flat: int) -> tuple[Spot, ...]:
    """Onto what hangs under a rail: from above or a side."""
    if x1 == x2 and y1 > y2:
        return (x1, y1), (x2, y2)
    if flat and y1 > y2:
        return (x1, y1), (x2, y1), (x2, y2)
    if flat or x1 == x2:
        return (x1, y1), (x1 + (flat or 1), y1), (x1 + (flat or 1), y2), (x2, y2)
    return ((x1, y1), (x1, y2), (x2, y2)) if y1 < y2 else ((x1, y1), (x1, y1 - 1), (x2, y1 - 1), (x2, y2))


def _aside(x1: int, y1: int, x2: int, y2: int, flat: int, joins: bool) -> tuple[Spot, ...]:
    """In from a side; into a merge from above or below as well."""
    if (flat and y1 == y2) or (x1 == x2 and (joins or y1 < y2)):
        return (x1, y1), (x2, y2)
    before = x2 - (1 if x2 > x1 else -1)
    if flat:
        return ((x1, y1), (x2, y1), (x2, y2)) if joins else ((x1, y1), (before, y1), (before, y2), (x2, y2))
    if y1 < y2:
        return (x1, y1), (x1, y2), (x2, y2)
    return (x1, y1), (x1, y1 + 1), (before, y1 + 1), (before, y2), (x2, y2)


def _up(x1: int, y1: int, x2: int, y2: int, flat: int) -> tuple[Spot, ...]:
    """In from below."""
    if flat and y1 < y2 and (x2 - x1) * flat > 0:
        return (x1, y1), (x2, y1), (x2, y2)
    if flat:
        before = x2 - flat if y1 >= y2 else x1 + flat
        return (x1, y1), (before, y1), (before, y2 - 1), (x2, y2 - 1), (x2, y2)
    if y1 < y2:
        return ((x1, y1), (x2, y2)) if x1 == x2 else ((x1, y1), (x1, y2 - 1), (x2, y2 - 1), (x2, y2))
    between = (x1 + x2) // 2 | 1
    return (x1, y1), (x1, y1 + 1), (between, y1 + 1), (between, y2 - 1), (x2, y2 - 1), (x2, y2)
