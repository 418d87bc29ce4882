"""On which sides wires may come to a node and leave it, with what it costs to take a worse one.

Directions are those in which a wire travels: one that arrives going N comes in from below.
"""

from __future__ import annotations

from sqmagic.board.layout.graph import BLOCKS, SIGNS, Graph
from sqmagic.board.layout.rails import Rail
from sqmagic.board.layout.rows import Rows

E, N, W, S = range(4)
Ways = dict[int, float]

_ALONG = {"right": E, "left": W}
_FROM = {"left": E, "right": W}


def arrivals(graph: Graph, rows: Rows, rail: dict[int, Rail], net: int, sink: int) -> Ways:
    node, own = graph.nodes[sink], rail.get(sink)
    match node.kind:
        case "exit":
            return {_ALONG[node.side or "right"]: 0.0}
        case "layer" | "output":
            return {N: 0.0}
        case _ if node.kind in BLOCKS:
            return {_ALONG[own.toward] if own else E: 0.0, N: 0.0}
        case "merge":
            taken = {(way + 2) % 4 for way in _out_of_merge(graph, rows, sink)}
            return {way: cost for way, cost in _INTO_MERGE.items() if taken != {way}}
        case "loss" | "objective":
            return {N: 0.0, E: 0.3, W: 0.3}
        case "aside":
            return {E: 0.0, W: 0.0}
        case _ if own:
            along = _ALONG[own.toward]
            return {along: 0.0} if rail.get(graph.nets[net].source) is own else {N: 0.0, S: 1.5}
        case _ if sink in rows.hanging:
            return {S: 0.0, E: 0.5, W: 0.5}
        case _:
            return {N: 0.0, E: 0.5, W: 0.5}


_INTO_MERGE: Ways = {E: 0.0, N: 0.0, W: 2.0, S: 1.0}


def departures(graph: Graph, rows: Rows, rail: dict[int, Rail], net: int, pinned: bool) -> Ways:
    source = graph.nets[net].source
    node, own = graph.nodes[source], rail.get(source)
    match node.kind:
        case "entry":
            return {_FROM[node.side or "left"]: 0.0}
        case _ if node.kind in BLOCKS:
            return {N: 0.0} if pinned else {_ALONG[own.toward] if own else E: 0.0}
        case "target" | "aside":
            return {W: 0.0, E: 0.0, S: 3.0}
        case "merge":
            return _out_of_merge(graph, rows, source)
        case _ if own and node.kind in SIGNS:
            along = _ALONG[own.toward]
            return {along: 0.0} if own.through else {along: 0.5, N: 0.0}
        case _ if source in rows.hanging:
            return {S: 0.0}
        case _ if node.kind in SIGNS:
            return _leaving(graph, rows, net) | {N: 0.0}
        case _:
            return {N: 0.0}


def _leaving(graph: Graph, rows: Rows, net: int) -> Ways:
    """Straight out of the cell, where a state is made at the height at which it leaves."""
    source, sinks = graph.nets[net].source, graph.nets[net].sinks
    level = (graph.nodes[n].side for n in sinks if rows.row[n] == rows.row[source])
    return {_ALONG[side]: 0.0 for side in level if side}


def _out_of_merge(graph: Graph, rows: Rows, merge: int) -> Ways:
    """In one of these directions."""
    after = graph.joined(merge)
    out: Ways = {E: 0.0} if after is not None and rows.row[after] == rows.row[merge] else {}
    for net in graph.outputs[merge]:
        out |= _leaving(graph, rows, net) | {E if len(graph.nets[net].sinks) > 1 else N: 0.0}
    return out
