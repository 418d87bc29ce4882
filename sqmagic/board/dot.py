"""A laid-out picture as DOT, every position given: any Graphviz paints the same picture from it (`neato -n2`, `nop2`).

What DOT cannot say stands in `about`: the title and the state of each id, which `svg` adds to what was painted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import hypot

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.coordinates import Wire
from sqmagic.board.layout.graph import Label, Node
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.layout.sizes import TAB, WIRE, label_size, tab_width
from sqmagic.board.theme import LIGHT, LOOP, STATES

LINE, OUTLINE, HEAD, CORNER, BRIDGE = 3.2, 2.2, 12.0, 9.0, 9.2
_CURVE = 0.5523
_SHAPES = {
    "layer": "box",
    "pointwise": "ellipse",
    "aside": "ellipse",
    "function": "box",
    "loss": "hexagon",
    "objective": "hexagon",
    "input": "ellipse",
    "output": "ellipse",
    "target": "ellipse",
}


@dataclass(frozen=True, slots=True)
class About:
    """What an element of the picture is: a sentence to hover over, and the state that it shows, if any."""

    title: str = ""
    state: str = ""


@dataclass(slots=True)
class _Text:
    """The DOT text while it is being written."""

    prefix: str
    lines: list[str] = field(default_factory=list)
    about: dict[str, About] = field(default_factory=dict)

    def say(self, name: str, about: About, attributes: Mapping[str, object]) -> None:
        own = f"{self.prefix}-{name}"
        self.about[own] = about
        self.lines.append(f"  {_quoted(name)} [{_listed({'id': own, **attributes})}];")

    def join(self, tail: str, head: str, name: str, about: About, attributes: Mapping[str, object]) -> None:
        own = f"{self.prefix}-{name}"
        self.about[own] = about
        self.lines.append(f"  {_quoted(tail)} -> {_quoted(head)} [{_listed({'id': own, **attributes})}];")


def dot(scene: Scene, prefix: str) -> tuple[str, dict[str, About]]:
    """The DOT text, and what each of its ids is about. Ids begin with `prefix`."""
    text = _Text(prefix)
    for name, part in scene.parts.items():
        _frames(text, name, part)
    for name, part in scene.parts.items():
        _nodes(text, name, part)
        _tags(text, name, part, scene)
    _caption(text, scene)
    for name, part in scene.parts.items():
        _wires(text, name, part)
    for name, part in scene.parts.items():
        _bridges(text, name, part)
    graph = {"bgcolor": LIGHT["page"], "pad": 0.12, "outputorder": "edgesfirst"}
    node = {"fixedsize": "true", "penwidth": OUTLINE, "color": LIGHT["ink"], "fontcolor": LIGHT["ink"]}
    edge = {"penwidth": LINE, "color": LIGHT["ink"], "arrowsize": 0.85}
    head = [f"  {kind} [{_listed(own)}];" for kind, own in (("graph", graph), ("node", node), ("edge", edge))]
    return "\n".join(["digraph sqmagic {", *head, *text.lines, "}", ""]), text.about


# --- nodes -----------------------------------------------------------------------------------------


def _nodes(text: _Text, name: str, part: Part) -> None:
    for n, node in enumerate(part.graph.nodes):
        (x, y), (width, height) = part.placed.spots[n], part.placed.extents[n]
        if node.kind in _SHAPES:
            _drawn(text, f"{name}{n}", node, Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        else:
            text.lines.append(f"  {_quoted(f'{name}{n}')} [{_listed(_place(Box(x, y, x, y)) | {'style': 'invis'})}];")


def _drawn(text: _Text, name: str, node: Node, box: Box) -> None:
    about = About(node.title, node.state if node.kind in {"input", "output", "target"} else "")
    if node.kind == "layer" and node.frame:
        frame = {**_place(box.grown(4.5)), "shape": "box", "style": "dashed", "penwidth": 1.4, "label": ""}
        text.say(f"{name}-frame", About(node.frame), frame | {"class": "frame"})
    if node.tab:
        split = box.left + tab_width(node)
        tab = _place(Box(box.left, box.bottom, split, box.top)) | _label(node.tab, TAB) | _filled(LIGHT["tab"])
        text.say(f"{name}-tab", about, tab | {"shape": "box", "class": "tab"})
        box = Box(split, box.bottom, box.right, box.top)
    look = "pointwise" if node.kind == "aside" else node.kind
    style = _filled(LIGHT[look], ",dashed" if node.kind == "target" else "")
    outline = {"penwidth": 2.6} if node.kind in {"input", "output", "target"} else {}
    shape = {"shape": _SHAPES[node.kind], "class": look}
    text.say(name, about, _place(box) | _label(node.label, label_size(node)) | style | shape | outline)
    if node.kind == "function":
        bars = Box(box.left + 7, box.bottom, box.right - 7, box.top)
        text.say(f"{name}-bars", about, _place(bars) | {"shape": "box", "label": "", "class": "bars", "penwidth": 1.4})


def _filled(colour: str, more: str = "") -> dict[str, object]:
    return {"style": f"filled{more}", "fillcolor": colour}


def _place(box: Box) -> dict[str, object]:
    centre = f"{_number((box.left + box.right) / 2)},{_number((box.bottom + box.top) / 2)}"
    return {
        "pos": centre,
        "width": f"{(box.right - box.left) / 72:.4f}",
        "height": f"{(box.top - box.bottom) / 72:.4f}",
    }


def _label(label: Label, size: float) -> dict[str, object]:
    return {"label": label.text, "fontsize": size, "fontname": "Times-Italic" if label.serif else "DejaVu Sans"}


def _tags(text: _Text, name: str, part: Part, scene: Scene) -> None:
    for i, tag in enumerate(part.tags):
        number = scene.colours.get(tag.state)
        colour = {} if number is None else {"fontcolor": STATES[number][0]}
        classes = " ".join([tag.role, *([] if number is None else [f"s{number}"])])
        own = _place(tag.box) | _label(tag.label, WIRE) | {"shape": "plaintext", "class": classes} | colour
        text.say(f"{name}-value-{i}", About(state=tag.state), own)


def _caption(text: _Text, scene: Scene) -> None:
    for i, (line, box) in enumerate(scene.caption):
        own = {"label": line, "fontsize": 13, "fontname": "DejaVu Sans", "fontcolor": LIGHT["quiet"]}
        text.say(f"caption-{i}", About(), _place(box) | own | {"shape": "plaintext", "class": "caption"})


# --- frames ----------------------------------------------------------------------------------------


def _frames(text: _Text, name: str, part: Part) -> None:
    """The cell and the boxes of macro instances, as clusters; a cluster must hold a node to be drawn."""
    boxes = [("cell", About("one step"), part.placed.cell, LIGHT["cell"], 3.0)] if part.placed.cell else []
    boxes += [(f"group-{i}", About(".".join(g.path)), g.box, LIGHT["group"], 2.0) for i, g in enumerate(part.groups)]
    for key, about, box, fill, pen in boxes:
        own = f"{text.prefix}-{name}-{key}"
        text.about[own] = about
        bounds = ",".join(_number(v) for v in (box.left, box.bottom, box.right, box.top))
        look = {"id": own, "class": key.partition("-")[0], "bb": bounds, "style": "rounded,filled", "fillcolor": fill}
        anchor = _place(Box(box.left + 20, box.bottom + 20, box.left + 20, box.bottom + 20)) | {"style": "invis"}
        text.lines.append(f"  subgraph {_quoted(f'cluster_{name}_{key}')} {{")
        text.lines.append(f"    graph [{_listed(look | {'color': LIGHT['border'], 'penwidth': pen})}];")
        text.lines.append(f"    {_quoted(f'{name}-{key}')} [{_listed(anchor)}];")
        text.lines.append("  }")


# --- wires -----------------------------------------------------------------------------------------


def _wires(text: _Text, name: str, part: Part) -> None:
    for wire in part.placed.wires:
        net = part.graph.nets[wire.net]
        source, sink = part.graph.nodes[net.source], part.graph.nodes[wire.sink]
        rail = "rail" if "entry" in (source.kind, sink.kind) or "exit" in (source.kind, sink.kind) else ""
        loop = (wire.net, wire.sink) in part.graph.loops
        look = {
            "pos": spline(wire),
            "arrowhead": "normal" if wire.arrow else "none",
            "class": " ".join(w for w in ("wire", rail, "held" if wire.held else "", "loop" if loop else "") if w),
        }
        dashed = {"style": "dashed"} if wire.held else {"color": LOOP} if loop else {}
        title = "no gradient passes here" if wire.held else "defined by itself within a step" if loop else ""
        text.join(f"{name}{net.source}", f"{name}{wire.sink}", f"{name}-wire-{wire.net}-{wire.sink}",
                  About(title, net.value.state), look | dashed)  # fmt: skip


def _bridges(text: _Text, name: str, part: Part) -> None:
    """Where wires cross, the upright one is interrupted and the other drawn over it again."""
    if not part.placed.crossings:
        return
    x, y = part.placed.crossings[0]
    over = f"{name}-bridge"
    text.lines.append(f"  {_quoted(over)} [{_listed(_place(Box(x, y, x, y)) | {'style': 'invis'})}];")
    for i, (x, y) in enumerate(part.placed.crossings):
        ground = part.ground((x, y))
        for key, half, look in (
            ("gap", BRIDGE / 2, {"color": LIGHT[ground], "penwidth": LINE + 7, "class": f"gap {ground}"}),
            ("over", BRIDGE / 2 + 1, {"class": "wire"}),
        ):
            line = Wire(0, 0, ((x - half, y), (x + half, y)), False, False)
            text.join(over, over, f"{over}-{i}-{key}", About(), {"pos": spline(line), "arrowhead": "none", **look})


def spline(wire: Wire) -> str:
    """The corners as the B-spline of DOT, rounded; an arrowhead takes the last piece."""
    corners = list(wire.corners)
    end = corners[-1]
    if wire.arrow:
        corners[-1] = _short_of(corners[-2], end, HEAD)
    points = [corners[0]]
    for a, b, c in zip(corners, corners[1:], corners[2:], strict=False):
        radius = min(CORNER, _length(a, b) / 2, _length(b, c) / 2)
        u, w = _short_of(a, b, radius), _short_of(c, b, radius)
        points += [*_straight(points[-1], u), _toward(u, b, _CURVE), _toward(w, b, _CURVE), w]
    points += _straight(points[-1], corners[-1])
    told = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
    return f"e,{_number(end[0])},{_number(end[1])} {told}" if wire.arrow else told


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
    text = _number(value) if isinstance(value, float) else str(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
