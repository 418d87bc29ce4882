"""Colours, fonts and widths: what a picture looks like, apart from where things stand.

Cell, layer, pointwise, input and output colours are measured from Olah's "Understanding LSTM Networks"; those for the
colour-blind are after Okabe and Ito. Text has a contrast of at least 4.5:1 on its ground in every theme, outlines 3:1;
shape, never colour alone, carries the kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SANS = "DejaVu Sans, Verdana, Helvetica, sans-serif"
SERIF = "STIX Two Text, STIXGeneral, Latin Modern Roman, Times New Roman, Times, serif"

LIGHT: dict[str, str] = {
    "page": "#ffffff",
    "ink": "#111111",
    "quiet": "#595959",
    "faint": "#cddfbd",
    "cell": "#e1f7d0",
    "border": "#6d8759",
    "group": "#cdebb4",
    "macro": "#c9ebb0",
    "layer": "#f5ee9c",
    "tab": "#e9db6c",
    "pointwise": "#f9d1d1",
    "delay": "#ffffff",
    "input": "#a2cdec",
    "output": "#dbacee",
    "target": "#ffffff",
    "chip": "#ffffff",
    "function": "#dde3ea",
    "buffer": "#dde3ea",
    "loss": "#fbc08a",
    "objective": "#b7e3c0",
    "fault": "#c22222",
}

DARK: dict[str, str] = {
    "page": "#1f2a2a",
    "ink": "#f4f1e6",
    "quiet": "#c3c6bd",
    "faint": "#435548",
    "cell": "#2b4036",
    "border": "#8fbf7f",
    "group": "#345042",
    "macro": "#3d6047",
    "layer": "#7a6c12",
    "tab": "#5e530c",
    "pointwise": "#8c4450",
    "delay": "#1f2a2a",
    "input": "#2f6690",
    "output": "#6b4684",
    "target": "#1f2a2a",
    "chip": "#1f2a2a",
    "function": "#4a5866",
    "buffer": "#4a5866",
    "loss": "#9a5a1e",
    "objective": "#2f7048",
    "fault": "#ff8f85",
}

CHALKBOARD: dict[str, str] = {
    "page": "#1d3b30",
    "ink": "#f6f3e4",
    "quiet": "#cdd6c8",
    "faint": "#3f5b4e",
    "cell": "#234639",
    "border": "#b5d6a4",
    "group": "#2a4d3f",
    "macro": "#30573f",
    "layer": "#3d4c2c",
    "tab": "#2d3f24",
    "pointwise": "#4b4240",
    "delay": "#1d3b30",
    "input": "#1f4a59",
    "output": "#43425c",
    "target": "#1d3b30",
    "chip": "#1d3b30",
    "function": "#384c50",
    "buffer": "#384c50",
    "loss": "#544628",
    "objective": "#235640",
    "fault": "#ff9d92",
    "layer-line": "#f7ea8c",
    "tab-line": "#f7ea8c",
    "pointwise-line": "#f7b8b4",
    "input-line": "#9fd3f5",
    "output-line": "#dfb9f2",
    "function-line": "#d3dde6",
    "buffer-line": "#d3dde6",
    "loss-line": "#f8c084",
    "objective-line": "#a2e4c0",
}
"""Chalk: the ground shows through, and lines have the colours that elsewhere fill the shapes."""

COLOUR_BLIND: dict[str, str] = {
    "page": "#ffffff",
    "ink": "#111111",
    "quiet": "#595959",
    "faint": "#dde0d9",
    "cell": "#f4f7f0",
    "border": "#6a7d59",
    "group": "#e4ecd8",
    "macro": "#d5e0c0",
    "layer": "#f0e442",
    "tab": "#d6c92e",
    "pointwise": "#f2a48f",
    "delay": "#ffffff",
    "input": "#56b4e9",
    "output": "#cc79a7",
    "target": "#ffffff",
    "chip": "#ffffff",
    "function": "#a9a9b8",
    "buffer": "#a9a9b8",
    "loss": "#e69f00",
    "objective": "#c4e4f7",
    "fault": "#c22222",
}

PRINT: dict[str, str] = {
    "page": "#ffffff",
    "paper": "none",
    "ink": "#000000",
    "quiet": "#333333",
    "faint": "#d0d0d0",
    "cell": "#f4f4f4",
    "border": "#555555",
    "group": "#e6e6e6",
    "macro": "#dcdcdc",
    "layer": "#ffffff",
    "tab": "#dddddd",
    "pointwise": "#ffffff",
    "delay": "#ffffff",
    "input": "#ffffff",
    "output": "#ffffff",
    "target": "#ffffff",
    "chip": "#ffffff",
    "function": "#e2e2e2",
    "buffer": "#e2e2e2",
    "loss": "#ffffff",
    "objective": "#ffffff",
    "fault": "#000000",
}

STATES: tuple[tuple[str, str], ...] = (
    ("#0463c1", "#8ebef2"),
    ("#ba3209", "#f2a893"),
    ("#06733d", "#50d184"),
    ("#9b30be", "#d8aae9"),
    ("#7e6003", "#e0b44f"),
    ("#bd2163", "#eea5c3"),
    ("#066d83", "#53c9e7"),
    ("#38710f", "#7acf52"),
    ("#6c49d6", "#c1b1f4"),
    ("#c22222", "#efa8a8"),
)
"""One colour for each state, on light and on dark ground. The first of each pair (luminance 0.125) can be read on both,
so that equations, whose ground is not ours, use it everywhere."""

Theme = Literal["auto", "light", "dark", "chalkboard", "colour-blind", "print"]


@dataclass(frozen=True, slots=True)
class Palette:
    """Every colour of a theme by name. `<kind>-line` is an outline that is not of ink; `paper`, under all, is the page
    unless it says otherwise; `states` are numbered."""

    colours: dict[str, str]
    states: tuple[str, ...]

    @property
    def paper(self) -> str:
        return self.colours.get("paper", self.colours["page"])

    def named(self) -> dict[str, str]:
        return {"paper": self.paper, **self.colours, **{f"s{i}": s for i, s in enumerate(self.states)}}


_ON_LIGHT, _ON_DARK = (tuple(pair[which] for pair in STATES) for which in (0, 1))
PALETTES: dict[Theme, Palette] = {
    "light": Palette(LIGHT, _ON_LIGHT),
    "dark": Palette(DARK, _ON_DARK),
    "chalkboard": Palette(CHALKBOARD, _ON_DARK),
    "colour-blind": Palette(COLOUR_BLIND, _ON_LIGHT),
    "print": Palette(PRINT, tuple(PRINT["ink"] for _ in STATES)),
}
"""Without `auto`, which is light or dark as the reader's system is."""
THEMES: tuple[Theme, ...] = ("auto", *PALETTES)


def state_colours(states: tuple[str, ...]) -> dict[str, int]:
    """The number of each state's colour; they go round when there are more states than colours."""
    return {state: i % len(STATES) for i, state in enumerate(states)}


_NARROW = "il.,'|()[]:;jft \u2032"
_WIDE = "mwMW×÷@—−+="
_SANS_WIDTH, _SERIF_WIDTH = 0.62, 0.58


def text_width(text: str, size: float, *, serif: bool = False) -> float:
    """About how wide a text is set, in points; a little too wide rather than too narrow, for no font is at hand."""
    plain = _SERIF_WIDTH if serif else _SANS_WIDTH
    widths = (0.36 if c in _NARROW else 0.92 if c in _WIDE else 0.72 if c.isupper() else plain for c in text)
    return size * sum(widths)
