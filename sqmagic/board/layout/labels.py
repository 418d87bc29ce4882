"""Where the names of values stand beside their wires: as near to where the value is made as there is room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from sqmagic.board.layout.boxes import Box, Spot, around, thick
from sqmagic.board.layout.coordinates import Placed, Wire
from sqmagic.board.layout.graph import Graph, Label, Net
from sqmagic.board.layout.normalise import value_label
from sqmagic.board.layout.sizes import HEAD, WIRE, label_width

_NAMED_ELSEWHERE = {"input", "target", "output", "entry"}
FRAME = 6.0
"""How far the dashed frame of a transform reaches beyond its layer."""

_STEP, _FAR, _CLEAR, _WORSE = 2.5, 480.0, 3.0, 24.0

_TURNS = 3
"""How often names that found no room are given theirs before the others."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A name and the room it takes: of a value, or (then `state` is empty) of a macro instance; or the sign beside an
    operand."""

    state: str
    label: Label
    box: Box
    role: Literal["value", "name", "operand"] = "value"


def tags(graph: Graph, placed: Placed, borders: Sequence[Box]) -> tuple[Tag, ...]:
    """A tag for each named value that no circle names, clear of nodes, wires and the borders of groups, and of
    arrowheads if it can be; one that finds no room is left out, after it was sought before those that took its room."""
    taken, heads = occupied(graph, placed, borders), arrowheads(placed)
    order = [net for net, drawn in enumerate(graph.nets) if _wants_tag(graph, drawn)]
    best: dict[int, Tag] = {}
    for _ in range(1 + _TURNS):
        found = _tagged(graph, placed, order, taken, heads)
        best = max(best, found, key=len)
        if len(found) == len(order):
            break
        order.sort(key=lambda net: net in found)
    return tuple(best[net] for net in sorted(best))


def occupied(graph: Graph, placed: Placed, borders: Sequence[Box]) -> list[Box]:
    """What no name may lie on: nodes, wires and the borders of groups."""
    drawn = [(n, node) for n, node in enumerate(graph.nodes) if node.kind not in {"entry", "exit"}]
    taken = [placed.box(n).grown(FRAME if node.frame else 0.0) for n, node in drawn]
    taken += [thick(a, b) for wire in placed.wires for a, b in pairwise(wire.corners)]
    return taken + [side for box in borders for side in outline(box)]


def arrowheads(placed: Placed) -> list[Box]:
    return [_head(wire) for wire in placed.wires if wire.arrow]


def _head(wire: Wire) -> Box:
    (x, y), (u, v) = wire.corners[-2:]
    along = HEAD / max(abs(x - u) + abs(y - v), HEAD)
    back, half = (u + (x - u) * along, v + (y - v) * along), HEAD / 2
    box = around([Box(a, b, a, b) for a, b in (back, (u, v))])
    if x == u:
        return replace(box, left=u - half, right=u + half)
    return replace(box, bottom=v - half, top=v + half)


def _tagged(
    graph: Graph, placed: Placed, order: Sequence[int], taken: Sequence[Box], heads: Sequence[Box]
) -> dict[int, Tag]:
    """The tags of nets that find room, each clear of those before it."""
    taken, out = list(taken), dict[int, Tag]()
    for net in order:
        drawn = graph.nets[net]
        size = tag_size(drawn)
        paths = [wire.corners for wire in placed.wires if wire.net == net]
        rooms = list(_candidates(paths, size))
        reach = around(rooms) if rooms else None
        near = [box for box in taken if reach and box.meets(reach)]
        clear = [b for b in rooms if free(b, near, placed.cell)]
        room = next((b for b in clear if not any(b.meets(h) for h in heads)), next(iter(clear), None))
        if room:
            taken.append(room)
            out[net] = Tag(drawn.value.state, value_label(drawn.value), room)
    return out


def tag_size(net: Net) -> Spot:
    """How wide and how high the name of a net's value is."""
    label = value_label(net.value)
    return label_width(label, WIRE) + 2, WIRE + (7.0 if label.below else 2.0)


def _wants_tag(graph: Graph, net: Net) -> bool:
    sinks = {graph.nodes[s].kind for s in net.sinks}
    return bool(net.value.state) and graph.nodes[net.source].kind not in _NAMED_ELSEWHERE and sinks != {"output"}


def nameless(graph: Graph, found: Sequence[Tag]) -> list[int]:
    """The nets whose state should have a tag and found no room for one."""
    told = {tag.state for tag in found if tag.role == "value"}
    return [n for n, net in enumerate(graph.nets) if _wants_tag(graph, net) and net.value.state not in told]


def outline(box: Box) -> list[Box]:
    """The four sides of a frame, as thick as they are drawn."""
    corners = ((box.left, box.bottom), (box.right, box.bottom), (box.right, box.top), (box.left, box.top))
    return [thick(a, b) for a, b in zip(corners, (*corners[1:], corners[0]), strict=True)]


def free(box: Box, taken: Sequence[Box], cell: Box | None) -> bool:
    """Whether a text may stand there: clear of what is taken and of the cell's border."""
    if cell and (box.left < cell.left + 3 or box.right > cell.right - 3):
        return False
    if cell and any(box.bottom < edge + 3 and box.top > edge - 3 for edge in (cell.bottom, cell.top)):
        return False
    return not any(box.meets(other) for other in taken)


def _candidates(paths: Sequence[Sequence[Spot]], size: Spot) -> Iterator[Box]:
    """Beside each wire of the net, from its source onwards, rather right or above than left or below."""
    places = {(at + worse, spot, upright, sign) for path in paths for at, spot, upright in _along(path)
              for sign, worse in ((1, 0.0), (-1, _WORSE))}  # fmt: skip
    width, height = size
    for _, (x, y), upright, sign in sorted(places):
        dx = sign * (width / 2 + _CLEAR + 1) if upright else 0.0
        dy = 0.0 if upright else sign * (height / 2 + _CLEAR)
        yield Box(x + dx - width / 2, y + dy - height / 2, x + dx + width / 2, y + dy + height / 2)


def _along(path: Sequence[Spot]) -> Iterator[tuple[float, Spot, bool]]:
    walked = 0.0
    for (x, y), (u, v) in pairwise(path):
        length = abs(u - x) + abs(v - y)
        upright = x == u
        at = 0.0
        while at <= length and walked + at <= _FAR:
            part = at / length if length else 0.0
            yield walked + at, (round(x + (u - x) * part, 3), round(y + (v - y) * part, 3)), upright
            at += _STEP
        walked += length
