"""Where things stand that should stand clear of one another: nodes, names, wires and the boxes of macro instances."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.frames import Group
from sqmagic.board.layout.labels import outline
from sqmagic.board.layout.scene import Part
from sqmagic.board.metrics.lines import Piece, all_pieces, pieces

_CLEAR, _FRAME, _LINE = 3.0, 4.5, 1.6
"""How far a wire keeps from nodes, a transform's frame lies around its layer, and half of a line's width."""


def solid(part: Part) -> list[int]:
    """Nodes that are drawn with an extent; of a merge, an entry or an exit one sees the wires alone."""
    return [n for n, node in enumerate(part.graph.nodes) if node.kind not in {"entry", "exit", "merge"}]


def overlaps(part: Part) -> list[tuple[int, int]]:
    return [(a, b) for a, b in combinations(solid(part), 2) if part.placed.box(a).meets(part.placed.box(b))]


def passes(part: Part) -> list[tuple[int, int, int]]:
    """Wires (net, sink) that run through a node, or so close by that it looks like it; and that node."""
    nodes = [(n, part.placed.box(n)) for n, node in enumerate(part.graph.nodes) if node.kind not in {"entry", "exit"}]
    found: dict[tuple[int, int, int], None] = {}
    for wire in part.placed.wires:
        source, own = part.graph.nets[wire.net].source, list(pieces(part, wire))
        for i, piece in enumerate(own):
            ends = {source} if i == 0 else set()
            ends |= {wire.sink} if i == len(own) - 1 or part.graph.nodes[wire.sink].kind == "merge" else set()
            for n, box in nodes:
                # the last corner before a node may be as close as an arrowhead is long
                room = 0.0 if n in (source, wire.sink) else _CLEAR
                if n not in ends and piece.box().grown(0.1).meets(box.grown(room)) and not _meets_in(part, wire.net, n):
                    found[(wire.net, wire.sink, n)] = None
    return list(found)


def _meets_in(part: Part, net: int, n: int) -> bool:
    """A net that ends in a merge, or begins there, may be close to it on its way."""
    graph = part.graph
    return graph.nodes[n].kind == "merge" and net in (*graph.inputs[n], *graph.outputs[n])


def collisions(part: Part) -> list[str]:
    """Names that lie on a node, a wire, a border or another name."""
    nodes = [part.placed.box(n).grown(_FRAME if part.graph.nodes[n].frame else 0.0) for n in solid(part)]
    wires = [piece.box().grown(_LINE) for piece in all_pieces(part)]
    borders = [side for box in _frames(part) for side in outline(box)]
    taken = [*nodes, *wires, *borders]
    on = [tag.label.text for tag in part.tags if any(tag.box.meets(other) for other in taken)]
    return on + [b.label.text for a, b in combinations(part.tags, 2) if a.box.meets(b.box)]


def _frames(part: Part) -> Iterator[Box]:
    if part.placed.cell:
        yield part.placed.cell
    yield from (group.box for group in part.groups)


def strays(part: Part) -> list[str]:
    """Nodes that stand inside the box of a macro instance that is not theirs, or not wholly inside their own; boxes of
    different instances that overlap."""
    found = [n for n in solid(part) for group in part.groups if not _stands_right(part, n, group)]
    crossed = [a for a, b in combinations(part.groups, 2) if not _nested(a, b) and a.box.meets(b.box)]
    return [part.graph.nodes[n].label.text for n in found] + [".".join(group.path) for group in crossed]


def _stands_right(part: Part, n: int, group: Group) -> bool:
    box = part.placed.box(n)
    if part.graph.nodes[n].group[: len(group.path)] == group.path:
        return _holds(group.box, box)
    return not box.meets(group.box)


def _nested(a: Group, b: Group) -> bool:
    short, long = sorted((a, b), key=lambda group: len(group.path))
    return long.path[: len(short.path)] == short.path and _holds(short.box, long.box)


def _holds(outer: Box, inner: Box) -> bool:
    across = outer.left <= inner.left and inner.right <= outer.right
    return across and outer.bottom <= inner.bottom and inner.top <= outer.top


def along_borders(part: Part) -> list[Piece]:
    """Wires that run along a border so close that they look like it."""
    sides = [side for box in _frames(part) for side in outline(box)]
    return [p for p in all_pieces(part) if any(_runs_along(p, side) for side in sides)]


def _runs_along(piece: Piece, side: Box) -> bool:
    across = side.right - side.left > side.top - side.bottom
    if piece.across != across:
        return False
    at = (side.bottom + side.top) / 2 if across else (side.left + side.right) / 2
    low, high = (side.left, side.right) if across else (side.bottom, side.top)
    return abs(piece.at - at) < 5 and min(high, piece.high) - max(low, piece.low) > 6
