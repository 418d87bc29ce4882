"""What Graphviz painted becomes what is shown: subscripts, titles, a description, states to light up, two themes.

Positions are Graphviz's and so ours; numbers are rounded to one decimal and the text is written by us, so one program
gives one text, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Literal
from xml.etree import ElementTree

from sqmagic.board.dot import About
from sqmagic.board.layout.graph import LEVEL, LOWER
from sqmagic.board.layout.sizes import SMALL
from sqmagic.board.theme import DARK, LIGHT, LOOP, SANS, SERIF, STATES

Theme = Literal["auto", "light", "dark"]

_SVG = "{http://www.w3.org/2000/svg}"
_NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
_ROUNDED = {"d", "points", "x", "y", "cx", "cy", "rx", "ry", "transform", "font-size", "stroke-width"}
_DASHES = {"held": "7,5", "target": "6,4", "frame": "4,3"}
_ROUND = {"cell": 26.0, "group": 16.0}


def finished(painted: str, about: Mapping[str, About], prefix: str, title: str, prose: str, theme: Theme) -> str:
    """The SVG text. Every id begins with `prefix`, so that several pictures can stand in one page."""
    root = ElementTree.fromstring(painted)
    left, top, width, height = (float(v) for v in root.attrib["viewBox"].split())
    size = {"width": _number(width), "height": _number(height)}
    box = " ".join(_number(v) for v in (left, top, width, height))
    head = {"xmlns": "http://www.w3.org/2000/svg", "id": prefix, "class": "sqmagic", "role": "img"}
    named = {"aria-labelledby": f"{prefix}-title {prefix}-desc"}
    inner = [
        f'<title id="{prefix}-title">{escape(title)}</title>',
        f'<desc id="{prefix}-desc">{escape(prose)}</desc>',
        f"<style>{style(prefix, theme)}</style>",
        *(_written(child, about, ()) for child in root),
    ]
    return _element("svg", {**head, **named, **size, "viewBox": box}, inner)


# --- elements --------------------------------------------------------------------------------------


def _written(element: ElementTree.Element, about: Mapping[str, About], classes: tuple[str, ...]) -> str:
    tag = element.tag.removeprefix(_SVG)
    given = {k: v for k, v in element.attrib.items() if not k.startswith("{")}
    match tag:
        case "title":
            return ""
        case "g":
            return _group(element, given, about)
        case "text":
            return _text(element.text or "", given)
        case "polygon" if given.get("stroke") in {"none", "transparent"} and not classes:
            return _element(tag, {"class": "page", **_rounded(given)})
        case "path" if classes and classes[-1] in _ROUND:
            return _element(tag, _rounded({**given, "d": _box(given["d"], _ROUND[classes[-1]])}))
        case _:
            dashed = next((_DASHES[c] for c in classes if c in _DASHES), None)
            if dashed and "stroke-dasharray" in given:
                given["stroke-dasharray"] = dashed
            return _element(tag, _rounded(given), [_written(child, about, classes) for child in element])


def _group(element: ElementTree.Element, given: dict[str, str], about: Mapping[str, About]) -> str:
    """A node, an edge or a cluster with its title and its state."""
    told = about.get(given.get("id", ""), About())
    classes = tuple(given.get("class", "").split())
    kept = {k: v for k, v in given.items() if k != "id" or v in about}
    if told.state:
        kept["data-value"] = told.state
    title = [f"<title>{escape(told.title)}</title>"] if told.title else []
    inside = () if "graph" in classes else classes
    return _element("g", _rounded(kept), [*title, *(_written(child, about, inside) for child in element)])


def _text(text: str, given: dict[str, str]) -> str:
    size = float(given.get("font-size", "14"))
    given["font-family"] = SERIF if given.get("font-style") == "italic" else SANS
    base, *rest = text.split(LOWER)
    inner = [escape(base)]
    for piece in rest:
        below, _, after = piece.partition(LEVEL)
        inner.append(
            _element("tspan", {"dy": _number(size * 0.24), "font-size": _number(size * SMALL)}, [escape(below)])
        )
        inner += [_element("tspan", {"dy": _number(-size * 0.24)}, [escape(after)])] if after else []
    return _element("text", _rounded(given), inner)


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
    return {k: _NUMBER.sub(lambda m: _number(float(m.group())), v) if k in _ROUNDED else v for k, v in given.items()}


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


# --- themes ----------------------------------------------------------------------------------------


def style(prefix: str, theme: Theme) -> str:
    """Colours as variables, light and dark. What they colour bears its light colour as an attribute too."""
    colours = [_variables(prefix, DARK, 1) if theme == "dark" else _variables(prefix, LIGHT, 0)]
    if theme == "auto":
        colours.append(f"@media (prefers-color-scheme:dark){{{_variables(prefix, DARK, 1)}}}")
    return "".join([*colours, *(f"#{prefix} {rule}" for rule in _RULES)])


def _variables(prefix: str, colours: Mapping[str, str], which: int) -> str:
    states = {f"s{i}": pair[which] for i, pair in enumerate(STATES)}
    return f"#{prefix}{{{''.join(f'--{k}:{v};' for k, v in {**colours, **states}.items())}}}"


def _rules() -> Iterator[str]:
    yield ".page{fill:var(--page)}"
    yield "text{fill:var(--ink)}"
    yield ".caption text{fill:var(--quiet)}"
    yield ".node :is(polygon,ellipse,path){stroke:var(--ink)}"
    for kind in ("layer", "tab", "pointwise", "input", "output", "target", "function", "loss", "objective"):
        yield f".{kind} :is(polygon,ellipse,path){{fill:var(--{kind})}}"
    yield ":is(.bars,.frame) polygon{fill:none}"
    yield ".edge path{stroke:var(--ink);fill:none}"
    yield ".edge polygon{stroke:var(--ink);fill:var(--ink)}"
    yield f".loop :is(path,polygon){{stroke:{LOOP}}}"
    for ground in ("page", "cell", "group"):
        yield f".gap.{ground} path{{stroke:var(--{ground})}}"
    for box in ("cell", "group"):
        yield f".{box}.cluster path{{stroke:var(--border);fill:var(--{box})}}"
    yield from (f".s{i} text{{fill:var(--s{i})}}" for i in range(len(STATES)))


_RULES = tuple(_rules())
