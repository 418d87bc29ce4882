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
            return {way: cost for way, cost in _INTO_MERGE.items() if way != (_out_of_merge(graph, sink) + 2) % 4}
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
            return {_out_of_merge(graph, source): 0.0}
        case _ if own and node.kind in SIGNS:
            along = _ALONG[own.toward]
            return {along: 0.0} if own.through else {along: 0.5, N: 0.0}
        case _ if source in rows.hanging:
            return {S: 0.0}
        case _:
            return {N: 0.0}


def _out_of_merge(graph: Graph, merge: int) -> int:
    return E if any(len(graph.nets[net].sinks) > 1 for net in graph.outputs[merge]) else N
