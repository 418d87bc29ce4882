"""A picture as DOT, every position given: any Graphviz paints the same picture from it (`neato -n2`, `nop2`).

What DOT cannot say stands beside it: title, state and parameters' owner of each id, which `svg` adds to what was
painted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import hypot
from typing import assert_never

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.graph import Label
from sqmagic.board.layout.sizes import HEAD
from sqmagic.board.theme import PALETTES, Palette
from sqmagic.board.views.marks import LINE, About, Frame, Line, Mark, Shape, Words

OUTLINE, CORNER = 2.2, 9.0
FAULTY = 5.4
"""How thick a faulty wire or outline is: colour alone does not mark it."""
_CURVE, _INTO = 0.5523, 1.5
"""How far out the handles of a round corner lie; how far a wire reaches into its arrowhead, so that no seam shows."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of node is drawn: Graphviz's shape, its style, the thickness of its outline."""

    shape: str
    style: str = "filled"
    pen: float = OUTLINE


LOOKS: dict[str, Look] = {
    "layer": Look("box"),
    "tab": Look("box"),
    "pointwise": Look("ellipse"),
    "delay": Look("box"),
    "function": Look("box"),
    "bars": Look("box", "solid", 1.4),
    "buffer": Look("cylinder"),
    "macro": Look("box", "rounded,filled"),
    "loss": Look("hexagon"),
    "objective": Look("hexagon"),
    "input": Look("ellipse", pen=2.6),
    "output": Look("ellipse", pen=2.6),
    "target": Look("ellipse", "filled,dashed", 2.6),
    "cell": Look("box", "rounded,filled", 2.0),
    "chip": Look("box", "rounded,filled", 1.6),
    "frame": Look("box", "dashed", 1.4),
}
"""Shape, never colour alone, says the kind."""

_BORDERED = {"macro": "border", "cell": "border", "bars": "function-line"}
_QUIET = {"caption", "legend"}


@dataclass(frozen=True, slots=True)
class Head:
    """Where an arrowhead's tip lies, seen from the start of its wire, and its direction; y upwards."""

    reach: Spot
    along: Spot


@dataclass(frozen=True, slots=True)
class Drawing:
    """The DOT text, and what it cannot say: of each id what it is about, and its arrowhead if it has one."""

    text: str
    about: Mapping[str, About]
    heads: Mapping[str, Head]


@dataclass(slots=True)
class _Text:
    """The DOT text while it is being written."""

    prefix: str
    palette: Palette
    lines: list[str] = field(default_factory=list)
    about: dict[str, About] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)

    def colour(self, name: str) -> str:
        return self.palette.colours.get(name, self.palette.colours["ink"])

    def own(self, key: str, about: About) -> str:
        name = f"{self.prefix}-{key}"
        self.about[name] = about
        return name

    def node(self, name: str, attributes: Mapping[str, object]) -> None:
        self.lines.append(f"  {_quoted(name)} [{_listed(attributes)}];")


def dot(marks: Iterable[Mark], prefix: str, palette: Palette = PALETTES["light"]) -> Drawing:
    """Marks as DOT, in the palette's colours. Ids begin with `prefix`."""
    text, given = _Text(prefix, palette), tuple(marks)
    for frame in (m for m in given if isinstance(m, Frame)):
        _frame(text, frame)
    for mark in given:
        match mark:
            case Shape():
                _shape(text, mark)
            case Words():
                _words(text, mark)
            case Frame() | Line():
                pass
            case _:
                assert_never(mark)
    wires = [m for m in given if isinstance(m, Line)]
    _ends(text, wires, {m.key for m in given if not isinstance(m, Line)})
    for line in sorted(wires, key=lambda w: "-bridge-" in w.key):  # bridges lie on all wires
        _line(text, line)
    ink, paper = text.colour("ink"), palette.paper
    graph = {"bgcolor": "transparent" if paper == "none" else paper, "pad": 0.17, "outputorder": "edgesfirst"}
    node = {"fixedsize": "true", "penwidth": OUTLINE, "color": ink, "fontcolor": ink}
    edge = {"penwidth": LINE, "color": ink, "arrowsize": 0.85}
    head = [f"  {kind} [{_listed(own)}];" for kind, own in (("graph", graph), ("node", node), ("edge", edge))]
    return Drawing("\n".join(["digraph sqmagic {", *head, *text.lines, "}", ""]), text.about, text.heads)


# --- nodes -----------------------------------------------------------------------------------------


def _shape(text: _Text, mark: Shape) -> None:
    look = LOOKS[mark.look]
    own = "fault" if mark.fault else _BORDERED.get(mark.look, f"{mark.look}-line")
    line = text.colour("faint" if mark.faint else own)
    filled = {"fillcolor": text.colour("cell" if mark.faint else mark.look)} if "filled" in look.style else {}
    colour = {"color": line, "fontcolor": text.colour("faint" if mark.faint else "ink")}
    classes = " ".join([mark.look, *(["faint"] if mark.faint else []), *(["fault"] if mark.fault else [])])
    told = {"id": text.own(mark.key, mark.about), "class": classes}
    drawn = {"shape": look.shape, "style": look.style, "penwidth": FAULTY if mark.fault else look.pen}
    text.node(mark.key, told | _place(mark.box) | _label(mark.label, mark.size) | drawn | filled | colour)


def _words(text: _Text, mark: Words) -> None:
    named = text.colour("quiet" if mark.look in _QUIET else "ink")
    colour = named if mark.colour is None else text.palette.states[mark.colour]
    classes = mark.look if mark.colour is None else f"{mark.look} s{mark.colour}"
    told = {"id": text.own(mark.key, mark.about), "class": classes, "shape": "plaintext", "fontcolor": colour}
    text.node(mark.key, told | _place(mark.box) | _label(mark.label, mark.size))


def _place(box: Box) -> dict[str, object]:
    centre = f"{rounded((box.left + box.right) / 2)},{rounded((box.bottom + box.top) / 2)}"
    return {
        "pos": centre,
        "width": f"{(box.right - box.left) / 72:.4f}",
        "height": f"{(box.top - box.bottom) / 72:.4f}",
    }


def _label(label: Label, size: float) -> dict[str, object]:
    return {"label": label.text, "fontsize": size, "fontname": "Times-Italic" if label.serif else "DejaVu Sans"}


def _frame(text: _Text, mark: Frame) -> None:
    """A cluster; it must hold a node to be drawn."""
    box, faint = mark.box, mark.faint
    bounds = ",".join(rounded(v) for v in (box.left, box.bottom, box.right, box.top))
    told = {"id": text.own(mark.key, mark.about), "class": f"{mark.look} faint" if faint else mark.look, "bb": bounds}
    fill, line = ("cell", "faint") if faint else (mark.look, "border")
    look = {"style": "rounded,filled", "fillcolor": text.colour(fill), "color": text.colour(line)}
    look |= {"penwidth": "3" if mark.look == "cell" else "2"}
    x, y = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    text.lines.append(f"  subgraph {_quoted(f'cluster_{mark.key}')} {{")
    text.lines.append(f"    graph [{_listed(told | look)}];")
    text.lines.append(f"    {_quoted(mark.key)} [{_listed(_point((x, y)))}];")
    text.lines.append("  }")


# --- wires -----------------------------------------------------------------------------------------


def _ends(text: _Text, wires: Iterable[Line], known: set[str]) -> None:
    """A node that nobody sees where a wire begins or ends at none that is drawn."""
    for wire in wires:
        for name, spot in ((wire.tail, wire.corners[0]), (wire.head, wire.corners[-1])):
            if name not in known:
                known.add(name)
                text.node(name, _point(spot))


def _point(spot: Spot) -> dict[str, object]:
    return _place(Box(*spot, *spot)) | {"style": "invis", "label": ""}


def _line(text: _Text, mark: Line) -> None:
    colour = _colour(mark)
    classes = " ".join(["wire", *mark.looks, *(["faint"] if mark.faint else [])])
    own: dict[str, object] = {"id": text.own(mark.key, mark.about), "class": classes, "pos": spline(mark)}
    own["arrowhead"] = "normal" if mark.arrow else "none"
    own |= {"color": text.colour(colour)} if colour else {}
    own |= {"style": "dashed"} if "held" in mark.looks else {}
    width = FAULTY if "fault" in mark.looks else mark.width
    own |= {"penwidth": width} if width != LINE else {}
    text.lines.append(f"  {_quoted(mark.tail)} -> {_quoted(mark.head)} [{_listed(own)}];")
    if mark.arrow:
        (x, y), before, (u, v) = mark.corners[0], mark.corners[-2], mark.corners[-1]
        length = _length(before, (u, v))
        text.heads[f"{text.prefix}-{mark.key}"] = Head(
            (u - x, v - y), ((u - before[0]) / length, (v - before[1]) / length)
        )


def _colour(mark: Line) -> str:
    if "gap" in mark.looks:
        return "cell" if mark.faint else mark.looks[1].removeprefix("on-")
    return "faint" if mark.faint else "fault" if "fault" in mark.looks else ""


def spline(line: Line) -> str:
    """The corners as the B-spline of DOT, rounded; an arrowhead takes the last piece."""
    corners = list(line.corners)
    end = corners[-1]
    if line.arrow:
        corners[-1] = _short_of(corners[-2], end, HEAD - _INTO)
    points = [corners[0]]
    for a, b, c in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(CORNER, _length(a, b) / 2, _length(b, c) / 2)
        u, w = _short_of(a, b, radius), _short_of(c, b, radius)
        points += [*_straight(points[-1], u), _toward(u, b, _CURVE), _toward(w, b, _CURVE), w]
    points += _straight(points[-1], corners[-1])
    told = " ".join(f"{rounded(x)},{rounded(y)}" for x, y in points)
    return f"e,{rounded(end[0])},{rounded(end[1])} {told}" if line.arrow else told


def _straight(a: Spot, b: Spot) -> list[Spot]:
    return [_toward(a, b, 1 / 3), _toward(a, b, 2 / 3), b]


def _toward(a: Spot, b: Spot, part: float) -> Spot:
    return (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part)


def _short_of(a: Spot, b: Spot, distance: float) -> Spot:
    """The point `distance` before b on the way from a."""
    length = _length(a, b)
    return _toward(b, a, min(distance / length, 0.9)) if length else b


def _length(a: Spot, b: Spot) -> float:
    return hypot(b[0] - a[0], b[1] - a[1])


# --- DOT's own words -----------------------------------------------------------------------------------


def _listed(attributes: Mapping[str, object]) -> str:
    return ", ".join(f"{key}={_quoted(value)}" for key, value in attributes.items())


def _quoted(value: object) -> str:
    text = rounded(value) if isinstance(value, float) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def rounded(value: float) -> str:
    """A length as it is written: to one decimal, whole numbers without a point."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
