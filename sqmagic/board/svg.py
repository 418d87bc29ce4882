"""What Graphviz painted becomes what is shown: subscripts, titles, a description, states to light up, themes.

Positions are Graphviz's and so ours; numbers are rounded to one decimal and the text is written by us, so one program
gives one text, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from xml.etree import ElementTree

from sqmagic.board.dot import Drawing, Head, rounded
from sqmagic.board.layout.graph import LEVEL, LOWER
from sqmagic.board.layout.sizes import HEAD, SMALL
from sqmagic.board.theme import SANS, SERIF
from sqmagic.board.views.marks import About

_SVG = "{http://www.w3.org/2000/svg}"
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
_ROUNDED = {"d", "points", "x", "y", "cx", "cy", "rx", "ry", "transform", "font-size", "stroke-width"}
_DASHES = {"held": "7,5", "target": "6,4", "frame": "4,3"}
_ROUND = {"cell": 26.0, "group": 16.0, "macro": 13.0, "chip": 10.0}
_WORDS = {"value", "name", "letter", "dots", "caption", "legend", "operand"}


def finished(painted: str, drawn: Drawing, prefix: str, title: str, prose: str, style: str) -> str:
    """The SVG text; without `style`, in the colours that were painted. Every id begins with `prefix`, so that several
    pictures can stand in one page."""
    root = ElementTree.fromstring(painted)
    left, top, width, height = (float(v) for v in root.attrib["viewBox"].split())
    size = {"width": rounded(width), "height": rounded(height)}
    box = " ".join(rounded(v) for v in (left, top, width, height))
    head = {"xmlns": "http://www.w3.org/2000/svg", "id": prefix, "class": "sqmagic", "role": "img"}
    named = {"aria-labelledby": f"{prefix}-title {prefix}-desc"}
    inner = [
        f'<title id="{prefix}-title">{escape(title)}</title>',
        f'<desc id="{prefix}-desc">{escape(prose)}</desc>',
        *([f"<style>{style}</style>"] if style else []),
        *(_written(child, drawn, ()) for child in root),
    ]
    return _element("svg", {**head, **named, **size, "viewBox": box}, inner)


# --- elements --------------------------------------------------------------------------------------


def _written(element: ElementTree.Element, drawn: Drawing, classes: tuple[str, ...]) -> str:
    tag = element.tag.removeprefix(_SVG)
    given = {k: v for k, v in element.attrib.items() if not k.startswith("{")}
    match tag:
        case "title":
            return ""
        case "g":
            return _group(element, given, drawn)
        case "text":
            return _text(element.text or "", given)
        case "polygon" if given.get("stroke") in {"none", "transparent"} and not classes:
            return _element(tag, {"class": "page", **_rounded(given)})
        case "path" if "edge" not in classes and (look := next((c for c in classes if c in _ROUND), None)):
            return _element(tag, _rounded({**given, "d": _box(given["d"], _ROUND[look])}))
        case _:
            dashed = next((_DASHES[c] for c in classes if c in _DASHES), None)
            if dashed and "stroke-dasharray" in given:
                given["stroke-dasharray"] = dashed
            return _element(tag, _rounded(given), [_written(child, drawn, classes) for child in element])


def _group(element: ElementTree.Element, given: dict[str, str], drawn: Drawing) -> str:
    """A node, an edge or a cluster with its title and its state."""
    told = drawn.about.get(given.get("id", ""), About())
    classes = tuple(given.get("class", "").split())
    kept = {k: v for k, v in given.items() if k != "id" or v in drawn.about}
    if _WORDS & set(classes):
        kept["class"] = " ".join(c for c in classes if c != "node")
    kept |= {"data-value": told.state} if told.state else {}
    kept |= {"data-param": told.parameter} if told.parameter else {}
    title = [f"<title>{escape(told.title)}</title>"] if told.title else []
    inside = () if "graph" in classes else classes
    if head := drawn.heads.get(given.get("id", "")):
        _sharpen(element, head)
    return _element("g", _rounded(kept), [*title, *(_written(child, drawn, inside) for child in element)])


def _text(text: str, given: dict[str, str]) -> str:
    size = float(given.get("font-size", "14"))
    given["font-family"] = SERIF if given.get("font-style") == "italic" else SANS
    base, *rest = text.split(LOWER)
    inner = [escape(base)]
    for piece in rest:
        below, _, after = piece.partition(LEVEL)
        inner.append(
            _element("tspan", {"dy": rounded(size * 0.24), "font-size": rounded(size * SMALL)}, [escape(below)])
        )
        inner += [_element("tspan", {"dy": rounded(-size * 0.24)}, [escape(after)])] if after else []
    return _element("text", _rounded(given), inner)


def _sharpen(edge: ElementTree.Element, head: Head) -> None:
    """An arrowhead as broad as it is long, its tip where the wire ends; painters differ in theirs."""
    path, point = edge.find(f"{_SVG}path"), edge.find(f"{_SVG}polygon")
    if path is None or point is None:
        return
    x, y = (float(v) for v in _NUMBER.findall(path.attrib["d"])[:2])
    (dx, dy), (u, v) = head.reach, head.along
    tip = (x + dx, y - dy)
    base = (tip[0] - u * HEAD, tip[1] + v * HEAD)
    sides = [(base[0] + s * v * HEAD / 2, base[1] + s * u * HEAD / 2) for s in (1, -1)]
    point.set("points", " ".join(f"{a},{b}" for a, b in (tip, *sides)))
    point.set("stroke-width", "0")


def _box(path: str, radius: float) -> str:
    """The outline of a cluster with rounder corners than Graphviz gives it."""
    xs, ys = zip(*([float(v) for v in pair.split(",")] for pair in re.findall(r"[-\d.]+,[-\d.]+", path)), strict=True)
    left, right, top, bottom = min(xs), max(xs), min(ys), max(ys)
    r = min(radius, (right - left) / 2, (bottom - top) / 2)
    corners = ((right, top, right, top + r), (right, bottom, right - r, bottom), (left, bottom, left, bottom - r))
    ends = ((right - r, top), (right, bottom - r), (left + r, bottom), (left, top + r))
    turns = "".join(f"L{x},{y}Q{a},{b} {c},{d}" for (x, y), (a, b, c, d) in zip(ends, corners, strict=False))
    return f"M{left + r},{top}{turns}L{ends[3][0]},{ends[3][1]}Q{left},{top} {left + r},{top}Z"


def _element(tag: str, attributes: Mapping[str, str], inner: list[str] | None = None) -> str:
    told = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{told}>{''.join(inner)}</{tag}>" if inner else f"<{tag}{told}/>"


def _rounded(given: Mapping[str, str]) -> dict[str, str]:
    return {k: _NUMBER.sub(lambda m: rounded(float(m.group())), v) if k in _ROUNDED else v for k, v in given.items()}
