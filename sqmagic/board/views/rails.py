"""Rails outside the cell: between it and its neighbours, and at the far ends, where the first value comes from and the
last one goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.graph import Label, Side, Value
from sqmagic.board.layout.scene import Part
from sqmagic.board.layout.sizes import WIRE, label_width
from sqmagic.board.views.marks import About, Line, Mark, Shape, Words, centred
from sqmagic.board.views.part import is_back, words

SHORTEST, ROOM, STUB, DOTTED = 64.0, 32.0, 36.0, 48.0
"""The least gap between cells, what a name needs beside itself, a rail at the far end, and one with dots in it."""

_CHIP, _DOTS = 22.0, 17.0
_PLAIN, _HEADED = 8.0, 24.0
"""The least pieces of a dotted rail, without an arrowhead and with one."""


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
             node.outs[0] if node.kind == "entry" else replace(node.ins[0].value, state=node.state), is_back(node))
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


# --- far ends ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """A rail at the outer border of the steps, and the closed cell there; without one it is the rail that goes on."""

    rail: Pass
    border: float
    cell: str = ""

    @property
    def mark(self) -> str:
        return self.cell or f"r-{self.rail.node}-end"

    def out(self, distance: float) -> float:
        """How far to the right a place beyond the border is."""
        return self.border - distance if self.rail.side == "left" else self.border + distance

    def marks(self, far: str) -> tuple[str, str]:
        """The marks at the left and right of a rail from here to another mark."""
        return (far, self.mark) if self.rail.side == "left" else (self.mark, far)


def stub(end: End) -> Iterator[Mark]:
    """A rail that comes from nowhere, or goes there."""
    key = f"r-{end.rail.node}-far"
    left, right = sorted((end.border, end.out(STUB)))
    yield _line(key, end.rail, left, right, end.marks(f"{key}-end"))


def dotted(end: End, far: float, mark: str) -> Iterator[Mark]:
    """A rail to a mark that leaves out the steps between; it has its arrowhead where it enters something."""
    own, key = end.rail, f"r-{end.rail.node}-far"
    left, right = sorted((end.border, far))
    more = (right - left - DOTTED) / 2
    first, last = (_HEADED + more, _PLAIN + more) if own.back else (_PLAIN + more, _HEADED + more)
    headed = bool(end.cell) or not own.inward
    start, stop = end.marks(mark)
    dots = f"{key}-dots"
    pieces = [_line(f"{key}-0", own, left, left + first, (start, dots)),
              _line(f"{key}-1", own, right - last, right, (dots, stop))]  # fmt: skip
    for i, piece in enumerate(pieces):
        yield replace(piece, arrow=headed and (i == 0) == own.back)
    room = right - last - left - first
    yield words(dots, "dots", "⋯", left + first + room / 2, own.y, _DOTS, room)


def chip(end: End, label: Label, title: str) -> Iterator[Mark]:
    """What a rail starts from, or leads to, in a small box, and the rail between."""
    own, key, far = end.rail, f"n-start-{end.rail.node}", end.out(DOTTED)
    width = max(_CHIP, label_width(label, WIRE) + 12)
    middle = end.out(DOTTED + width / 2)
    yield Shape(key, "chip", centred(middle, own.y, width, _CHIP), label, WIRE, About(title, own.value.state))
    yield from dotted(end, far, key)


def _line(key: str, own: Pass, left: float, right: float, ends: tuple[str, str]) -> Line:
    corners, (tail, head) = ((left, own.y), (right, own.y)), ends
    if own.back:
        corners, tail, head = (corners[1], corners[0]), head, tail
    return Line(key, corners, tail, head, True, own.looks, About(state=own.value.state))
