"""On which sides wires may come to a node and leave it, with what it costs to take a worse one. That depends on the
program alone; but for merges, and where states leave at the height at which they are made: see csrc/board/changes.c.

Directions are those in which a wire travels: one that arrives going N comes in from below.
"""

from __future__ import annotations

from sqmagic.board.layout.graph import BLOCKS, SIGNS, Graph
from sqmagic.board.layout.rails import Rail

E, N, W, S = range(4)
Ways = dict[int, float]

_ALONG = {"right": E, "left": W}
_FROM = {"left": E, "right": W}


def arrivals(graph: Graph, hanging: frozenset[int], rail: dict[int, Rail], net: int, sink: int) -> Ways:
    """A rail does not come into its block from below."""
    node, own = graph.nodes[sink], rail.get(sink)
    match node.kind:
        case "exit":
            return {_ALONG[node.side or "right"]: 0.0}
        case "layer" | "output":
            return {N: 0.0}
        case _ if node.kind in BLOCKS:
            along = _ALONG[own.toward] if own else E
            return {along: 0.0} if own and rail.get(graph.nets[net].source) is own else {along: 0.0, N: 0.0}
        case "merge":
            return {}
        case "loss" | "objective":
            return {N: 0.0, E: 0.3, W: 0.3}
        case "aside":
            return {E: 0.0, W: 0.0}
        case _ if own:
            along = _ALONG[own.toward]
            return {along: 0.0} if rail.get(graph.nets[net].source) is own else {N: 0.0, S: 1.5}
        case _ if sink in hanging:
            return {S: 0.0, E: 0.5, W: 0.5}
        case _:
            return {N: 0.0, E: 0.5, W: 0.5}


def departures(graph: Graph, hanging: frozenset[int], rail: dict[int, Rail], net: int, pinned: bool) -> Ways:
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
            return {}
        case _ if own and node.kind in SIGNS:
            along = _ALONG[own.toward]
            return {along: 0.0} if own.through else {along: 0.5, N: 0.0}
        case _ if source in hanging:
            return {S: 0.0}
        case _:
            return {N: 0.0}
