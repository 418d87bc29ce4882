"""Where each wire may begin and end: on which sides of its source it may leave, and on which of its sink it may arrive.

That depends on the program and on the heights of its nodes alone, so that it is found once for many plans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import BLOCKS, OUTER, Graph
from sqmagic.board.layout.ports import N, Ways, arrivals, departures
from sqmagic.board.layout.rails import Rail, rail_of
from sqmagic.board.layout.rows import Rows

Job = tuple[int, int]
"""A wire: its net and its sink."""


@dataclass(frozen=True, slots=True)
class Terminals:
    """`rail` is the one on which a node lies; `into` has the directions in which each wire may arrive, `out` those in
    which each net may leave, with what it costs to take a worse one. `merged` nets begin in a merge, `outer` wires
    begin or end outside the cell."""

    rail: dict[int, Rail]
    into: dict[Job, Ways]
    out: tuple[Ways, ...]
    merged: tuple[bool, ...]
    outer: frozenset[Job]


def terminals_of(graph: Graph, rails: tuple[Rail, ...]) -> Callable[[Rows, Columns], Terminals]:
    """For plans of one program; each height of its nodes is looked at once."""
    rail = rail_of(rails)
    known: dict[tuple[int, ...], Terminals] = {}

    def terminals(rows: Rows, columns: Columns) -> Terminals:
        found = known.get(rows.row)
        if found is None:
            found = known[rows.row] = _terminals(graph, rail, rows, columns)
        return found

    return terminals


def _terminals(graph: Graph, rail: dict[int, Rail], rows: Rows, columns: Columns) -> Terminals:
    jobs = [(net, sink) for net, drawn in enumerate(graph.nets) for sink in drawn.sinks]
    kinds = [graph.nodes[net.source].kind for net in graph.nets]
    pinned = (net in columns.pins[drawn.source] for net, drawn in enumerate(graph.nets))
    inside = [rows.row[n] for n, node in enumerate(graph.nodes) if node.kind not in OUTER] or [0]
    low, high = min(inside), max(inside)
    return Terminals(
        rail=rail,
        into={job: _into(graph, rows, rail, *job) for job in jobs},
        out=tuple(departures(graph, rows, rail, net, pin) for net, pin in enumerate(pinned)),
        merged=tuple(kind == "merge" for kind in kinds),
        outer=frozenset(job for job in jobs if kinds[job[0]] == "input" or not low <= rows.row[job[1]] <= high),
    )


def _into(graph: Graph, rows: Rows, rail: dict[int, Rail], net: int, sink: int) -> Ways:
    """A rail does not come into its block from below."""
    ways, along = arrivals(graph, rows, rail, net, sink), rail.get(sink)
    if graph.nodes[sink].kind in BLOCKS and along is not None and rail.get(graph.nets[net].source) is along:
        return {way: cost for way, cost in ways.items() if way != N}
    return ways
