"""Which operand is which where their order matters: the sign stands small beside the wire of the second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.coordinates import Placed, Wire
from sqmagic.board.layout.glyphs import GLYPHS
from sqmagic.board.layout.graph import Graph, Node
from sqmagic.board.layout.labels import Tag, arrowheads, free, occupied
from sqmagic.board.layout.sizes import HEAD, ORDER, label_width

_SIGNS = {GLYPHS[op].text for op in ("sub", "div", "matmul", "outer")}
_CLEAR = 1.5
"""How far from the arrowhead the sign stands."""
_NEAREST, _FURTHEST, _STEP = 7.0, 30.0, 3.0


def operands(graph: Graph, placed: Placed, borders: Sequence[Box], tags: Sequence[Tag]) -> tuple[Tag, ...]:
    """A tag beside the second wire of each sign whose operands cannot change places, where it lies on nothing else."""
    taken = occupied(graph, placed, borders) + arrowheads(placed) + [tag.box for tag in tags]
    out: list[Tag] = []
    for wire in placed.wires:
        node = graph.nodes[wire.sink]
        if _is_second(graph, node, wire):
            room = next((box for box in _beside(wire, node) if free(box, taken, placed.cell)), None)
            if room:
                taken.append(room)
                out.append(Tag("", node.label, room, "operand"))
    return tuple(out)


def _is_second(graph: Graph, node: Node, wire: Wire) -> bool:
    if node.kind != "pointwise" or node.label.base not in _SIGNS or len(node.ins) != 2:
        return False
    first, second = (graph.net_of[use.value] for use in node.ins)
    return first != second == wire.net


def _beside(wire: Wire, node: Node) -> Iterator[Box]:
    """Along the last piece of the wire, from its end on, rather right or above than left or below."""
    (x, y), (u, v) = wire.corners[-2:]
    length, width, height = abs(u - x) + abs(v - y), label_width(node.label, ORDER), ORDER * 0.7
    at = _NEAREST
    while at <= min(length, _FURTHEST):
        along = (u + (x - u) * at / length, v + (y - v) * at / length)
        for sign in (1, -1):
            dx = sign * (HEAD / 2 + _CLEAR + width / 2) if x == u else 0.0
            dy = 0.0 if x == u else sign * (HEAD / 2 + _CLEAR + height / 2)
            middle, level = along[0] + dx, along[1] + dy
            yield Box(middle - width / 2, level - height / 2, middle + width / 2, level + height / 2)
        at += _STEP
