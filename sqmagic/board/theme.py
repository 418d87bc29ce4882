"""Colours, fonts and widths: what a picture looks like, apart from where things stand.

Cell, layer, pointwise, input and output colours are measured from Olah's "Understanding LSTM Networks". Text has a
contrast of at least 4.5:1 on its ground in both themes, outlines 3:1; shape, never colour alone, carries the kind.
"""

from __future__ import annotations

SANS = "DejaVu Sans, Verdana, Helvetica, sans-serif"
SERIF = "STIX Two Text, STIXGeneral, Latin Modern Roman, Times New Roman, Times, serif"

LIGHT: dict[str, str] = {
    "page": "#ffffff",
    "ink": "#111111",
    "quiet": "#595959",
    "cell": "#e1f7d0",
    "border": "#6d8759",
    "group": "#cdebb4",
    "layer": "#f5ee9c",
    "tab": "#e9db6c",
    "pointwise": "#f9d1d1",
    "input": "#a2cdec",
    "output": "#dbacee",
    "target": "#ffffff",
    "function": "#dde3ea",
    "loss": "#fbc08a",
    "objective": "#b7e3c0",
}

DARK: dict[str, str] = {
    "page": "#1f2a2a",
    "ink": "#f4f1e6",
    "quiet": "#c3c6bd",
    "cell": "#2b4036",
    "border": "#8fbf7f",
    "group": "#345042",
    "layer": "#7a6c12",
    "tab": "#5e530c",
    "pointwise": "#8c4450",
    "input": "#2f6690",
    "output": "#6b4684",
    "target": "#1f2a2a",
    "function": "#4a5866",
    "loss": "#9a5a1e",
    "objective": "#2f7048",
}

LOOP = "#d12525"
"""A wire that cannot be: a state defined by itself within a step. Seen on both grounds."""

STATES: tuple[tuple[str, str], ...] = (
    ("#056bd0", "#7fb8f1"),
    ("#c8370b", "#f19e85"),
    ("#077d42", "#17cd72"),
    ("#a634cc", "#d5a0e7"),
    ("#886703", "#ddac19"),
    ("#cb246a", "#ed9abd"),
    ("#07768d", "#19c3e5"),
    ("#3d7a11", "#65ca1d"),
    ("#744fe6", "#bba8f3"),
    ("#d12525", "#ee9e9e"),
)
"""One colour for each state, on light and on dark ground. The first of each pair (luminance 0.15) can be read on both,
so that equations, whose ground is not ours, use it everywhere."""


def state_colours(states: tuple[str, ...]) -> dict[str, int]:
    """The number of each state's colour; they go round when there are more states than colours."""
    return {state: i % len(STATES) for i, state in enumerate(states)}


_NARROW = "il.,'|()[]:;jft \u2032"
_WIDE = "mwMW×÷@—−+="
_SANS_WIDTH, _SERIF_WIDTH = 0.62, 0.52


def text_width(text: str, size: float, *, serif: bool = False) -> float:
    """About how wide a text is set, in points; a little too wide rather than too narrow, for no font is at hand."""
    plain = _SERIF_WIDTH if serif else _SANS_WIDTH
    widths = (0.36 if c in _NARROW else 0.92 if c in _WIDE else 0.72 if c.isupper() else plain for c in text)
    return size * sum(widths)
