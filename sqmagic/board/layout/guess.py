"""What a plan may cost, guessed from where its nodes stand without laying a wire: each is taken to go up, or down, from
its source and then across to its sink. This takes a fiftieth of the time of laying them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqmagic.board.layout.graph import GOALS, SIGNS
from sqmagic.board.layout.grid import Plan

_STEP, _BEND, _BLOCKED = 0.8, 2.2, 4.4
_FROM_ASIDE = SIGNS | GOALS | {"aside", "merge"}
"""What a wire may enter from a side."""

Across = tuple[int, int, int, int]
"""A net, twice a row (odd between two rows), and the columns from and to which it goes; upright the other way round."""


def guess(plan: Plan) -> float:
    """Comparable with that of another plan of the same program, and with nothing else."""
    across: dict[Across, None] = {}
    upright: dict[Across, None] = {}
    bends = 0
    for net, y, x1, x2, x, y1, y2 in _wires(plan):
        if x1 != x2:
            across[(net, y, min(x1, x2), max(x1, x2))] = None
            bends += 1
        if y1 != y2:
            upright[(net, x, min(y1, y2), max(y1, y2))] = None
    length = sum(b - a for _, _, a, b in across) + sum(b - a for _, _, a, b in upright) / 2
    crossed = plan.crossing * _crossed(across, upright)
    return _STEP * length + _BEND * bends + crossed + _BLOCKED * _blocked(plan, upright)


def _wires(plan: Plan) -> Iterator[tuple[int, int, int, int, int, int, int]]:
    """Of each wire its net, the height at which it goes across and from and to which column, and the column in which
    it goes upright and from and to which height."""
    graph, row, of, last = plan.graph, plan.rows.row, plan.columns.of, plan.columns.count
    for net, drawn in enumerate(graph.nets):
        source = graph.nodes[drawn.source]
        y1 = 2 * row[drawn.source]
        x1 = (-1 if source.side == "left" else last) if source.side else plan.columns.pin(drawn.source, net)
        for n in drawn.sinks:
            sink = graph.nodes[n]
            y2 = 2 * row[n]
            x2 = (-1 if sink.side == "left" else last) if sink.side else _nearest(of[n], x1)
            if source.side:  # across on its rail, then up or down
                yield net, y1, x1, x2, x2, y1, y2
            elif x1 == x2 or sink.side or sink.kind in _FROM_ASIDE:
                yield net, y2, x1, x2, x1, y1, y2
            else:
                yield net, y2 - 1, x1, x2, x1, y1, y2 - 1


def _nearest(own: tuple[int, ...], x: int) -> int:
    return min(max(x, own[0]), own[-1])


def _crossed(across: Iterable[Across], upright: Iterable[Across]) -> int:
    standing: dict[int, list[tuple[int, int, int]]] = {}
    for net, x, low, high in upright:
        standing.setdefault(x, []).append((net, low, high))
    return sum(
        low < y < high and net != other
        for net, y, left, right in across
        for x in range(left + 1, right)
        for other, low, high in standing.get(x, ())
    )


def _blocked(plan: Plan, upright: Iterable[Across]) -> int:
    """Nodes through which upright wires would run."""
    standing: dict[int, list[int]] = {}
    for n, own in enumerate(plan.columns.of):
        for c in own:
            standing.setdefault(c, []).append(2 * plan.rows.row[n])
    return sum(low < y < high for _, x, low, high in upright for y in standing.get(x, ()))
