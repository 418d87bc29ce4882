"""Rails outside the cell: between it and its neighbours, and at the far ends, where the first value comes from and the
last one goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.graph import Label, Side, Value
from sqmagic.board.layout.scene import Part
from sqmagic.board.layout.sizes import WIRE, label_width
from sqmagic.board.views.marks import About, Line, Mark, Shape, Words
from sqmagic.board.views.part import is_back, words

SHORTEST, ROOM, STUB, DOTTED = 66.0, 34.0, 38.0, 52.0
"""The least gap between cells, what a name needs beside itself, a rail at the far end, and one with dots in it."""

_CHIP, _DOTS = 22.0, 18.0


@dataclass(frozen=True, slots=True)
class Pass:
    """Where a rail passes a side of the cell; `inward` if it comes in there."""

    node: int
    side: Side
    inward: bool
    y: float
    label: Label
    value: Value
    back: bool

    @property
    def looks(self) -> tuple[str, ...]:
        return ("rail", "back") if self.back else ("rail",)


def passes(part: Part) -> tuple[Pass, ...]:
    """In the order of the nodes."""
    return tuple(
        Pass(n, node.side, node.kind == "entry", y, node.label,
             node.outs[0] if node.kind == "entry" else node.ins[0].value, is_back(node))
        for n, (node, (_, y)) in enumerate(zip(part.graph.nodes, part.placed.spots, strict=True))
        if node.side
    )  # fmt: skip


def gap(found: Iterable[Pass]) -> float:
    """How far cells stand apart: every name fits between them."""
    return max([SHORTEST, *(label_width(p.label, WIRE) + ROOM for p in found)])


def between(own: Pass, left: float, right: float, ends: tuple[str, str], colours: Mapping[str, int], *,
            headed: bool = True) -> Iterator[Mark]:  # fmt: skip
    """A rail from border to border with the name of what it carries; `ends` are the marks at the left and right."""
    yield replace(_line(f"r-{own.node}", own, left, right, ends), arrow=headed)
    width = label_width(own.label, WIRE) + 2
    middle = (left + right + (12 if own.back else -12)) / 2
    box = Box(middle - width / 2, own.y + 4, middle + width / 2, own.y + 6 + WIRE)
    about = About(state=own.value.state)
    yield Words(f"v-r-{own.node}", "value", box, own.label, WIRE, about, colours.get(own.value.state))


def stub(own: Pass, border: float, cell: str) -> Iterator[Mark]:
    """A rail that comes from nowhere, or goes there."""
    key, far = f"r-{own.node}-far", border - STUB if own.side == "left" else border + STUB
    ends = (f"{key}-end", cell) if own.side == "left" else (cell, f"{key}-end")
    yield _line(key, own, min(far, border), max(far, border), ends)


def dotted(own: Pass, border: float, far: float, key: str, ends: tuple[str, str], *,
           headed: bool = True) -> Iterator[Mark]:  # fmt: skip
    """A rail that leaves out the steps between the cells and its far end."""
    left, right = min(border, far), max(border, far)
    first, last = (27.0, 9.0) if own.back else (9.0, 27.0)
    middle = (left + first + right - last) / 2
    about = About(state=own.value.state)
    pieces = (((left, own.y), (left + first, own.y)), ((right - last, own.y), (right, own.y)))
    for i, (a, b) in enumerate(pieces):
        tail, head = (ends[0], f"{key}-dots") if i == 0 else (f"{key}-dots", ends[1])
        if own.back:
            a, b, tail, head = b, a, head, tail
        yield Line(f"{key}-{i}", (a, b), tail, head, headed and (i == 0) == own.back, own.looks, about)
    yield words(f"{key}-dots", "dots", "⋯", middle, own.y, _DOTS, right - last - left - first)


def chip(own: Pass, text: str, title: str, border: float, cell: str) -> Iterator[Mark]:
    """The value with which a rail starts, and the rail from there."""
    width = max(_CHIP, label_width(Label(text), WIRE) + 12)
    far = border - DOTTED if own.side == "left" else border + DOTTED
    left = far - width if own.side == "left" else far
    box = Box(left, own.y - _CHIP / 2, left + width, own.y + _CHIP / 2)
    key = f"n-start-{own.node}"
    yield Shape(key, "chip", box, Label(text), WIRE, About(title, own.value.state))
    ends = (key, cell) if own.side == "left" else (cell, key)
    yield from dotted(own, border, far, f"r-{own.node}-start", ends)


def _line(key: str, own: Pass, left: float, right: float, ends: tuple[str, str]) -> Line:
    corners, (tail, head) = ((left, own.y), (right, own.y)), ends
    if own.back:
        corners, tail, head = (corners[1], corners[0]), head, tail
    return Line(key, corners, tail, head, True, own.looks, About(state=own.value.state))
