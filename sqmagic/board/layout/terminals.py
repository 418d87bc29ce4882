"""Where each wire may begin and end, as far as that does not depend on heights: see `ports`."""

from __future__ import annotations

from array import array

from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.ports import E, N, S, W, Ways, arrivals, departures
from sqmagic.board.layout.rails import rail_of

Job = tuple[int, int]
"""A wire: its net and its sink."""

_CLOSED = -1.0


def jobs_of(graph: Graph) -> tuple[Job, ...]:
    return tuple((net, sink) for net, drawn in enumerate(graph.nets) for sink in drawn.sinks)


def sides_of(plan: Plan) -> array[float]:
    """For each net what it costs to leave in each direction, for each job what it costs to arrive (less than 0 where it
    may not), and for each job whether it begins outside the cell."""
    graph, jobs, rail, hanging = plan.graph, jobs_of(plan.graph), rail_of(plan.rails), plan.rows.hanging
    out = array("d")
    for net, drawn in enumerate(graph.nets):
        out.extend(_costs(departures(graph, hanging, rail, net, net in plan.columns.pins[drawn.source])))
    for job in jobs:
        out.extend(_costs(arrivals(graph, hanging, rail, *job)))
    out.extend(float(graph.nodes[graph.nets[net].source].kind == "input") for net, _ in jobs)
    return out


def _costs(ways: Ways) -> list[float]:
    return [ways.get(way, _CLOSED) for way in (E, N, W, S)]
