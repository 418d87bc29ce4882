"""Boxes around what macro instances draw, their names, and rails that reach out of the cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqmagic.board.layout.boxes import Box, around, thick
from sqmagic.board.layout.coordinates import Placed, Wire
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.labels import Tag, outline
from sqmagic.board.layout.normalise import layer_label
from sqmagic.board.layout.rows import instances
from sqmagic.board.layout.sizes import WIRE, label_width

STUB = 54.0
"""How far rails reach out of the cell."""

_MARGIN, _NESTED, _BESIDE, _CELL, _SIDES = 13.0, 8.0, 12.0, 12.0, 3


@dataclass(frozen=True, slots=True)
class Group:
    """The box of a macro instance, `("Enc_1", "Gate")`."""

    path: tuple[str, ...]
    box: Box


# --- boxes -------------------------------------------------------------------------------------------


def groups(graph: Graph, placed: Placed) -> tuple[Group, ...]:
    """A box around each instance's nodes, an outer one before those inside it; wires beside it are taken in."""
    found: dict[tuple[str, ...], Box] = {}
    for path in reversed(instances(graph)):
        own = [placed.box(n) for n, node in enumerate(graph.nodes) if node.group[: len(path)] == path]
        inner = [box.grown(_NESTED) for deeper, box in found.items() if deeper[: len(path)] == path]
        found[path] = _clear(around([around(own).grown(_MARGIN), *inner]), placed)
    return tuple(Group(path, box) for path, box in reversed(found.items()))


def _clear(box: Box, placed: Placed) -> Box:
    """The box, its sides moved out where a wire would run along them."""
    lines = [(a, b) for wire in placed.wires for a, b in pairwise(wire.corners)]
    upright = [(a[0], min(a[1], b[1]), max(a[1], b[1])) for a, b in lines if a[0] == b[0]]
    across = [(a[1], min(a[0], b[0]), max(a[0], b[0])) for a, b in lines if a[1] == b[1]]
    for _ in range(_SIDES):  # a side that moves may meet wires that it did not reach before
        left = _pushed(box.left, -1, upright, box.bottom, box.top)
        right = _pushed(box.right, 1, upright, box.bottom, box.top)
        box = Box(left, _pushed(box.bottom, -1, across, left, right), right, _pushed(box.top, 1, across, left, right))
    return box


def _pushed(side: float, sign: int, lines: Sequence[tuple[float, float, float]], low: float, high: float) -> float:
    moved = True
    while moved:
        moved = False
        for at, start, stop in lines:
            if abs(at - side) < _BESIDE - 2 and start < high and stop > low and stop - start > 2:
                side, moved = at + sign * _BESIDE, True
    return side


def widened(placed: Placed, boxes: Sequence[Group]) -> Placed:
    """The cell grown to hold the boxes of its groups."""
    if placed.cell is None or not boxes:
        return placed
    return replace(placed, cell=around([placed.cell, *(g.box.grown(_CELL) for g in boxes)]))


def names(boxes: Sequence[Group], placed: Placed, tags: Sequence[Tag], nodes: Sequence[Box]) -> tuple[Tag, ...]:
    """The name of each instance, in a corner of its box where there is room."""
    taken = [*nodes, *(tag.box for tag in tags)]
    taken += [thick(a, b) for wire in placed.wires for a, b in pairwise(wire.corners)]
    borders = [group.box for group in boxes] + ([placed.cell] if placed.cell else [])
    taken += [side for box in borders for side in outline(box)]
    out: list[Tag] = []
    for group in boxes:
        label = replace(layer_label(group.path[-1]), serif=False)
        width, height = label_width(label, WIRE) + 2, WIRE + 2
        room = next((b for b in _corners(group.box, width, height) if not any(b.meets(t) for t in taken)), None)
        if room:
            taken.append(room)
            out.append(Tag("", label, room, "name"))
    return tuple(out)


def _corners(box: Box, width: float, height: float) -> list[Box]:
    """Inside a corner or along an inner edge, else above or below the box."""
    inside = [(x, y) for y in (box.top - height - 4, box.bottom + 4) for x in _steps(box, width)]
    outside = [(x, y) for y in (box.top + 3, box.bottom - height - 3) for x in _steps(box, width)]
    return [Box(x, y, x + width, y + height) for x, y in (*inside, *outside)]


def _steps(box: Box, width: float) -> list[float]:
    span = box.right - box.left - width - 20
    return [box.left + 10 + span * part / 8 for part in range(9)] if span > 0 else [box.left]


# --- rails -------------------------------------------------------------------------------------------


def reaching_out(graph: Graph, placed: Placed) -> tuple[Placed, tuple[Tag, ...]]:
    """Rails go on outside the cell, with the names of what they carry."""
    cell = placed.cell
    if cell is None:
        return placed, ()
    ends = {"left": cell.left - STUB, "right": cell.right + STUB}
    wires = tuple(_longer(wire, graph, ends) for wire in placed.wires)
    spots = tuple(
        (ends[node.side], y) if node.side else (x, y) for node, (x, y) in zip(graph.nodes, placed.spots, strict=True)
    )
    tags = []
    for node, (_, y) in zip(graph.nodes, spots, strict=True):
        if node.side:
            width = label_width(node.label, WIRE) + 2
            middle = cell.right + STUB / 2 - 4 if node.side == "right" else cell.left - STUB / 2 - 2
            box = Box(middle - width / 2, y + 4, middle + width / 2, y + 6 + WIRE)
            tags.append(Tag(node.state, node.label, box))
    return replace(placed, spots=spots, wires=wires), tuple(tags)


def _longer(wire: Wire, graph: Graph, ends: dict[str, float]) -> Wire:
    source, sink = graph.nodes[graph.nets[wire.net].source], graph.nodes[wire.sink]
    corners = list(wire.corners)
    if source.kind == "entry":
        corners[0] = (ends[source.side or "left"], corners[0][1])
    if sink.kind == "exit":
        corners[-1] = (ends[sink.side or "right"], corners[-1][1])
    return replace(wire, corners=tuple(corners), arrow=wire.arrow or sink.kind == "exit")
