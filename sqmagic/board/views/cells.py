"""The cell and its neighbours: closed ones, marked with its letter, and ghosts, whose inside shows faintly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.graph import Node
from sqmagic.board.layout.normalise import value_label
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.layout.sizes import CIRCLE, ROUND, circle_width, label_width
from sqmagic.board.views.marks import About, Frame, Line, Mark, Marks, Shape, Words, centred, faded, moved, suffixed
from sqmagic.board.views.part import about_node, look, words
from sqmagic.equations.system import Read, shift

NARROW, SLIM, SHARE, WIDEST, LETTER = 96.0, 60.0, 0.42, 170.0, 52.0
"""How wide a closed cell is without circles, or beside an open one that takes much room, and, as a share of the open
one, with them, and how wide at most unless its circles need more; the size of its letter."""

_MUCH = 420.0

_APART, _EDGE = 12.0, 14.0
_ASIDE = {-1: "one step earlier", 1: "one step later"}


def suffix(steps: int) -> str:
    """What the names of a neighbour's marks end in."""
    return f"-t{'m' if steps < 0 else 'p'}{abs(steps)}"


def key(steps: int = 0) -> str:
    """The mark of the cell itself, or of its neighbour."""
    return f"f-c-cell{suffix(steps) if steps else ''}"


def frame(part: Part) -> Frame:
    assert part.placed.cell, "only what runs over time has a cell"
    return Frame(key(), "cell", part.placed.cell, About("one step"))


# --- circles -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Circle:
    """An input below the cell or an output above it, as it is called at that step; `spot` is its middle, `across` how
    wide it is, `letters` the size of its name."""

    number: int
    node: Node
    look: str
    spot: Spot
    across: float
    letters: float = CIRCLE

    @property
    def above(self) -> bool:
        return self.node.kind == "output"

    @property
    def high(self) -> float:
        return min(self.across, ROUND)


def circles(scene: Scene, steps: int) -> tuple[Circle, ...]:
    """From left to right."""
    part = scene.parts["c"]
    cell = part.placed.cell
    found = []
    for n, (node, spot) in enumerate(zip(part.graph.nodes, part.placed.spots, strict=True)):
        below, above = cell and spot[1] < cell.bottom, cell and spot[1] > cell.top
        if (node.kind == "input" and below) or (node.kind == "output" and above):
            own = _later(node, steps)
            across = circle_width(label_width(own.label, CIRCLE), 9)
            found.append(Circle(n, own, look(own, scene.colours), spot, across))
    return tuple(sorted(found, key=lambda c: c.spot))


def _later(node: Node, steps: int) -> Node:
    value = replace(node.outs[0], number=0)
    moved_on = shift(Read(value.state, value.context), steps)
    assert isinstance(moved_on, Read)
    return replace(node, label=value_label(replace(value, context=moved_on.context)))


def joined(circle: Circle, cell: Box, of: str, steps: int, *, headed: bool = False) -> Iterator[Mark]:
    """A circle and its wire to the border of a closed cell; `headed` wires from inputs end in an arrowhead."""
    (x, y), high = circle.spot, circle.high
    name = f"c{circle.number}{suffix(steps) if steps else ''}"
    yield Shape(f"n-{name}", circle.look, centred(x, y, circle.across, high), circle.node.label, circle.letters,
                about_node(circle.node))  # fmt: skip
    about = About(state=circle.node.state)
    if circle.above:
        yield Line(f"w-{name}", ((x, cell.top), (x, y - high / 2)), of, f"n-{name}", True, about=about)
    else:
        yield Line(f"w-{name}", ((x, y + high / 2), (x, cell.bottom)), f"n-{name}", of, headed, about=about)


def spread(found: Sequence[Circle], left: float, right: float) -> tuple[Circle, ...]:
    """Circles of each row at even distances."""
    out = []
    for above in (False, True):
        row = [c for c in found if c.above == above]
        step = (right - left) / max(len(row), 1)
        out += [replace(c, spot=(left + step * (i + 0.5), c.spot[1])) for i, c in enumerate(row)]
    return tuple(out)


def room(found: Sequence[Circle]) -> float:
    """How wide a cell must be for its circles to stand apart."""
    rows = ([c.across for c in found if c.above == above] for above in (False, True))
    return max(len(row) * (max(row, default=0.0) + _APART) for row in rows) + _EDGE if found else 0.0


# --- neighbours ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A cell beside the open one, its left side at 0 until it is moved."""

    width: float
    marks: Marks


def closed(scene: Scene, steps: int) -> Neighbour:
    """A cell that says only what it takes and gives."""
    part = scene.parts["c"]
    assert part.placed.cell, "only what runs over time has a cell"
    own = circles(scene, steps)
    whole = part.placed.cell
    share = min((whole.right - whole.left) * SHARE, WIDEST)
    narrow = NARROW if whole.right - whole.left < _MUCH else SLIM
    width = max(NARROW, room(own), share) if own else narrow
    box = replace(whole, left=0.0, right=width)
    marks = [mark for circle in spread(own, 0.0, width) for mark in joined(circle, box, key(steps), steps)]
    framed = Frame(key(steps), "cell", box, About(_ASIDE[steps]))
    return Neighbour(width, (framed, letter(box, key(steps), scene.letter), *marks))


def ghost(scene: Scene, steps: int, inside: Marks) -> Neighbour:
    """The cell at full width, its `inside` faint."""
    part = scene.parts["c"]
    assert part.placed.cell, "only what runs over time has a cell"
    cell = part.placed.cell
    marks = [mark for circle in _apart(circles(scene, steps)) for mark in joined(circle, cell, key(steps), steps)]
    faint = suffixed(faded(_cut(inside, cell)), f"{suffix(steps)}")
    framed = Frame(key(steps), "cell", cell, About(_ASIDE[steps]))
    whole = (framed, *faint, *marks, letter(cell, key(steps), scene.letter))
    return Neighbour(cell.right - cell.left, moved(whole, -cell.left))


def _apart(found: Sequence[Circle]) -> Iterator[Circle]:
    """Circles that stay where they are, smaller where their longer names would make them meet."""
    for circle in found:
        near = [abs(c.spot[0] - circle.spot[0]) for c in found if c is not circle and c.above == circle.above]
        across = min([circle.across, *(distance - 4 for distance in near)])
        yield replace(circle, across=across, letters=circle.letters * across / circle.across)


def letter(box: Box, of: str, text: str) -> Words:
    x, y = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    size = min(LETTER, (box.right - box.left) * 0.5, (box.top - box.bottom) * 0.5)
    return words(f"{of}-letter", "letter", text, x, y, size, size)


def _cut(marks: Marks, cell: Box) -> Iterator[Mark]:
    """What lies in the cell, wires as far as its border."""
    for mark in marks:
        match mark:
            case Line():
                corners = _inside(mark.corners, cell)
                if len(corners) > 1:
                    yield replace(mark, corners=corners, key=f"{mark.key}-in", arrow=mark.arrow and _ends(mark, cell))
            case Frame() | Shape() | Words() if mark.box.meets(cell):
                yield mark
            case _:
                pass


def _ends(line: Line, cell: Box) -> bool:
    x, y = line.corners[-1]
    return cell.left <= x <= cell.right and cell.bottom <= y <= cell.top


def _inside(corners: Sequence[Spot], cell: Box) -> tuple[Spot, ...]:
    """The corners of a wire within the cell, from where it comes in to where it first leaves."""
    out: list[Spot] = []
    for (x, y), (u, v) in pairwise(corners):
        a, b = _held((x, y), cell), _held((u, v), cell)
        if a != b and (a[0] == x if x == u else a[1] == y):
            out += [b] if out else [a, b]
        elif out:
            break
    return tuple(out)


def _held(spot: Spot, cell: Box) -> Spot:
    return (min(max(spot[0], cell.left), cell.right), min(max(spot[1], cell.bottom), cell.top))
