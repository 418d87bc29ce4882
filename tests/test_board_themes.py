"""Themes: what can be read on what, by whom, and that every colour of a picture is the theme's."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import pytest
from test_board_programs import PROGRAMS, lstm, mlp

from sqmagic.board.diagram import picture
from sqmagic.board.style import KINDS
from sqmagic.board.theme import DARK, LIGHT, PALETTES, STATES, THEMES, Theme
from sqmagic.board.views import View

GROUNDS = ("page", "cell", "group")
EACH = tuple(PALETTES)


def linear(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return _linear(red), _linear(green), _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def contrast(a: str, b: str) -> float:
    """After the Web Content Accessibility Guidelines 2.2."""
    high, low = sorted((0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(linear, (a, b))), reverse=True)
    return (high + 0.05) / (low + 0.05)


def line(colours: dict[str, str], kind: str) -> str:
    return colours["border"] if kind == "macro" else colours.get(f"{kind}-line", colours["ink"])


@pytest.mark.parametrize("theme", EACH)
def test_every_text_can_be_read(theme: Theme) -> None:
    colours, states = PALETTES[theme].colours, PALETTES[theme].states
    for ground in (*GROUNDS, *KINDS):
        assert contrast(colours["ink"], colours[ground]) >= 4.5, ground
    for ground in GROUNDS:
        assert all(contrast(state, colours[ground]) >= 4.5 for state in states), ground
    assert contrast(colours["quiet"], colours["page"]) >= 4.5


@pytest.mark.parametrize("theme", EACH)
def test_every_outline_can_be_seen_on_what_it_lies_on(theme: Theme) -> None:
    colours = PALETTES[theme].colours
    for ground in GROUNDS:
        assert all(contrast(line(colours, kind), colours[ground]) >= 3 for kind in KINDS), ground
        assert contrast(colours["ink"], colours[ground]) >= 3
        assert contrast(colours["border"], colours[ground]) >= 3
        assert contrast(colours["fault"], colours[ground]) >= 3
    for kind in KINDS:
        assert contrast(line(colours, kind), colours[kind]) >= 3, kind


def test_the_first_colours_of_states_can_be_read_on_light_and_dark_ground() -> None:
    for first, _ in STATES:
        assert contrast(first, "#ffffff") >= 4.5 and contrast(first, "#111111") >= 3


_EYES = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
}
"""What is left of linear red, green and blue: Machado, Oliveira and Fernandes 2009, severity 1."""


def as_seen(colour: str, eyes: str) -> tuple[float, ...]:
    parts = (sum(f * p for f, p in zip(row, linear(colour), strict=True)) for row in _EYES[eyes])
    held = (min(max(p, 0.0), 1.0) for p in parts)
    return tuple(255 * (12.92 * p if p <= 0.0031308 else 1.055 * p ** (1 / 2.4) - 0.055) for p in held)


@pytest.mark.parametrize("eyes", _EYES)
def test_kinds_differ_for_the_colour_blind_too(eyes: str) -> None:
    colours = PALETTES["colour-blind"].colours
    kinds = ("layer", "pointwise", "input", "output", "function", "loss", "objective", "macro", "cell")
    for a, b in combinations(kinds, 2):
        apart = zip(as_seen(colours[a], eyes), as_seen(colours[b], eyes), strict=True)
        assert sum((p - q) ** 2 for p, q in apart) ** 0.5 >= 30, (a, b)


def test_one_set_of_names_serves_every_theme() -> None:
    plain = {theme: {n for n in p.colours if "-line" not in n and n != "paper"} for theme, p in PALETTES.items()}
    assert len(set(map(frozenset, plain.values()))) == 1
    assert {len(p.states) for p in PALETTES.values()} == {len(STATES)}


def test_every_variable_that_is_used_is_given() -> None:
    for theme in THEMES:
        svg = picture(PROGRAMS["a2c_gae"](), theme=theme).svg
        given = set(re.findall(r"--([\w-]+):", svg))
        assert given >= set(re.findall(r"var\(--([\w-]+)\)", svg)) and "lit" in given


@pytest.mark.parametrize("theme", THEMES)
def test_what_reads_no_styles_shows_the_theme_too(theme: Theme) -> None:
    """Attributes bear the colours of the theme, and of the light one where the reader's system decides."""
    palette = PALETTES["light" if theme == "auto" else theme]
    bare = picture(lstm(), theme=theme).svg.partition("</style>")[2]
    shown = set(re.findall(r'(?:fill|stroke)="(#\w+)"', bare))
    assert shown <= set(palette.named().values())
    assert {palette.colours[kind] for kind in ("cell", "layer", "border", "ink")} <= shown


@pytest.mark.parametrize("theme", EACH)
@pytest.mark.parametrize("view", ["chain", "ghost"])
def test_styles_and_attributes_say_the_same(theme: Theme, view: View) -> None:
    """With the style sheet every shape and text has the colours that it has without."""
    for program in ("a2c", "gru_two_layers", "q_learning"):
        root = ElementTree.fromstring(picture(PROGRAMS[program](), theme=theme, view=view, expand=("Enc_1",)).svg)
        sheet = next(e.text or "" for e in root.iter() if e.tag.endswith("style"))
        colours = PALETTES[theme].named()
        rules = [_rule(r) for r in re.findall(r"#sq ([^{}]+\{[^{}]+\})", sheet)]
        seen = 0
        for group in root.iter("{http://www.w3.org/2000/svg}g"):
            for element in (e for e in group if e.tag.rpartition("}")[2] in _DRAWN):
                classes = {*group.attrib.get("class", "").split()} if group.attrib.get("class") != "graph" else set()
                told = _told(rules, classes | set(element.attrib.get("class", "").split()), element.tag, colours)
                given = {
                    k: v.replace("transparent", "none") for k, v in element.attrib.items() if k in {"fill", "stroke"}
                }
                seen += len(told)
                for name in told.keys() & given.keys():
                    assert told[name] == given[name] or _unseen(element, name, classes), (classes, element.attrib, told)
        assert seen > 60


_DRAWN = {"polygon", "ellipse", "path", "polyline", "text"}
Rule = tuple[tuple[int, int], frozenset[str], frozenset[str], frozenset[str], dict[str, str]]


def _rule(text: str) -> Rule:
    """Specificity, classes of which all, or one, are needed, tags and declarations, of selectors as `style` writes."""
    selector, _, body = text.rstrip("}").partition("{")
    words = selector.split()
    tags = frozenset(re.findall(r"\w+", words[-1].removeprefix(":is"))) if "." not in words[-1] else frozenset()
    either = frozenset(re.findall(r"\.([\w-]+)", words[0])) if words[0].startswith(":is(.") else frozenset()
    needed = frozenset() if either else frozenset(re.findall(r"\.([\w-]+)", words[0]))
    declared = dict(d.split(":", 1) for d in body.split(";"))
    return (len(needed) + bool(either), bool(tags)), needed, either, tags, declared


def _told(rules: list[Rule], classes: set[str], tag: str, colours: dict[str, str]) -> dict[str, str]:
    told: dict[str, str] = {}
    for _, needed, either, tags, declared in sorted(rules, key=lambda rule: rule[0]):
        named = not tags or tag.rpartition("}")[2] in tags
        if named and needed <= classes and (not either or either & classes) and (tags or needed):
            told |= {name: _resolved(value, colours) for name, value in declared.items()}
    return told


def _resolved(value: str, colours: dict[str, str]) -> str:
    """`var(--lit,var(--layer-line,var(--ink)))` where nothing is pointed at."""
    names = re.findall(r"--([\w-]+)", value)
    return next((colours[n] for n in names if n in colours), value)


def _unseen(element: ElementTree.Element, name: str, classes: set[str]) -> bool:
    """The outline of an arrowhead, and the front edge of a cylinder, which lies on its like."""
    return (name == "stroke" and element.attrib.get("stroke-width") == "0") or (name == "fill" and "buffer" in classes)


@pytest.mark.parametrize("theme", THEMES)
def test_the_reader_s_system_decides_only_where_nobody_else_has(theme: Theme) -> None:
    style = picture(mlp(), theme=theme).svg.partition("<style>")[2].partition("</style>")[0]
    assert ("prefers-color-scheme" in style) == (theme == "auto")
    assert (LIGHT["cell"] in style) == (theme in {"auto", "light"})
    assert (DARK["cell"] in style) == (theme in {"auto", "dark"})


def test_print_has_no_background_and_a_chalkboard_draws_in_chalk() -> None:
    printed, chalk = (picture(lstm(), theme=theme) for theme in ("print", "chalkboard"))  # type: ignore[arg-type]
    assert "--paper:none" in printed.svg and 'bgcolor="transparent"' in printed.dot.source
    assert "--layer-line:" in chalk.svg
    greys = {c for c in PALETTES["print"].named().values() if c != "none"}
    assert all(c[1:3] == c[3:5] == c[5:7] for c in greys)
