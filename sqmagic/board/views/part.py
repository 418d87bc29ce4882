"""One laid-out region as marks: the boxes of its macros, its nodes, the names of its values, its wires and bridges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.coordinates import Wire
from sqmagic.board.layout.graph import Label, Node
from sqmagic.board.layout.scene import Part
from sqmagic.board.layout.sizes import ORDER, TAB, WIRE, label_size, tab_width
from sqmagic.board.views.marks import LINE, About, Frame, Line, Mark, Marks, Shape, Words

BRIDGE = 9.2
"""How much of an upright wire is left out where another crosses it."""

UNDRAWN = {"merge", "entry", "exit"}
_CIRCLES = {"input", "output", "target"}


def body(name: str, part: Part, colours: Mapping[str, int]) -> Marks:
    """All that is in a part; the cell itself and the rails outside it are for the view to draw."""
    return (
        *(Frame(f"f-{name}-{i}", "group", g.box, About(".".join(g.path))) for i, g in enumerate(part.groups)),
        *(
            mark
            for n, node in enumerate(part.graph.nodes)
            for mark in drawn(f"{name}{n}", node, part.placed.box(n), colours)
        ),
        *_tags(name, part, colours),
        *_wires(name, part),
        *_bridges(name, part),
    )


def drawn(key: str, node: Node, box: Box, made: Collection[str]) -> Iterator[Mark]:
    """The shapes of one node: a layer has a tab and perhaps a frame, a function its bars."""
    if node.kind in UNDRAWN:
        return
    about = about_node(node)
    if node.kind == "layer" and node.frame:
        yield Shape(f"n-{key}-frame", "frame", box.grown(4.5), about=About(node.frame))
    if node.tab:
        split = box.left + tab_width(node)
        yield Shape(f"n-{key}-tab", "tab", replace(box, right=split), node.tab, TAB, about, fault=node.faulty)
        box = replace(box, left=split)
    yield Shape(f"n-{key}", look(node, made), box, node.label, label_size(node), about, fault=node.faulty)
    if node.kind == "function":
        yield Shape(f"n-{key}-bars", "bars", replace(box, left=box.left + 7, right=box.right - 7), about=about)


def look(node: Node, made: Collection[str]) -> str:
    """How a node is drawn. What is made elsewhere in the picture looks as it does there and is no input."""
    if node.kind == "input" and node.state in made:
        return "output"
    return "pointwise" if node.kind == "aside" else node.kind


def about_node(node: Node) -> About:
    if node.kind == "layer":
        return About(node.title, parameter=node.state)
    return About(node.title, node.state if node.kind in _CIRCLES else "")


def _tags(name: str, part: Part, colours: Mapping[str, int]) -> Iterator[Mark]:
    for i, tag in enumerate(part.tags):
        if not _outside(part, tag.box):
            about = About(state=tag.state)
            size = ORDER if tag.role == "operand" else WIRE
            yield Words(f"v-{name}-{i}", tag.role, tag.box, tag.label, size, about, colours.get(tag.state))


def _outside(part: Part, box: Box) -> bool:
    """Whether a name stands outside of the cell for the most part, where the rail has its name from the view."""
    cell, middle = part.placed.cell, (box.left + box.right) / 2
    return cell is not None and not cell.left < middle < cell.right


# --- wires -------------------------------------------------------------------------------------------


def _wires(name: str, part: Part) -> Iterator[Mark]:
    graph = part.graph
    for wire in part.placed.wires:
        net = graph.nets[wire.net]
        source, sink = graph.nodes[net.source], graph.nodes[wire.sink]
        end = next((n for n in (source, sink) if n.side), None)
        way = (wire.net, wire.sink)
        looks = (
            *(["rail"] if end else []),
            *(["back"] if end and is_back(end) else []),
            *(["held"] if wire.held else []),
            *(["fault"] if way in graph.faulty else []),
            *(["loop"] if way in graph.loops else []),
        )
        told = "defined by itself within a step" if way in graph.loops else "no gradient" if wire.held else ""
        yield Line(f"w-{name}-{wire.net}-{wire.sink}", _within(wire, part), f"n-{name}{net.source}",
                   f"n-{name}{wire.sink}", wire.arrow and sink.kind != "exit", looks,
                   About(told, net.value.state))  # fmt: skip


def is_back(node: Node) -> bool:
    """An entry or exit of a rail from the future, which runs to the left."""
    return (node.kind == "entry") == (node.side == "right")


def _within(wire: Wire, part: Part) -> tuple[Spot, ...]:
    """The wire without what reaches out of the cell's sides."""
    cell, corners = part.placed.cell, list(wire.corners)
    if cell:
        for n, node in ((0, part.graph.nodes[part.graph.nets[wire.net].source]), (-1, part.graph.nodes[wire.sink])):
            if node.side:
                corners[n] = (cell.left if node.side == "left" else cell.right, corners[n][1])
    return tuple(corners)


def _bridges(name: str, part: Part) -> Iterator[Mark]:
    """Where wires cross, the upright one is interrupted and the other drawn over it again."""
    for i, (x, y) in enumerate(part.placed.crossings):
        over, half = f"w-{name}-bridge-{i}", BRIDGE / 2
        ground = part.ground((x, y))
        yield Line(
            f"{over}-gap", ((x - half, y), (x + half, y)), over, over, False, ("gap", f"on-{ground}"), width=LINE + 7
        )
        state, looks = _across(part, (x, y))
        yield Line(over, ((x - half - 1, y), (x + half + 1, y)), over, over, False, looks, About(state=state))


def _across(part: Part, spot: Spot) -> tuple[str, tuple[str, ...]]:
    """The state, and the looks, of the wire that goes on where it crosses another."""
    for wire in part.placed.wires:
        for (x, y), (u, v) in pairwise(wire.corners):
            if y == v == spot[1] and min(x, u) < spot[0] < max(x, u):
                found = {"held": wire.held, "fault": (wire.net, wire.sink) in part.graph.faulty}
                return part.graph.nets[wire.net].value.state, tuple(look for look, holds in found.items() if holds)
    return "", ()


def words(
    key: str, look: str, text: str, x: float, y: float, size: float, width: float, *, serif: bool = False
) -> Words:
    """A line of text around a middle."""
    box = Box(x - width / 2, y - size * 0.7, x + width / 2, y + size * 0.7)
    return Words(key, look, box, Label(text, serif=serif), size)
