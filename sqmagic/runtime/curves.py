"""Curves of a run as pictures, and how a notebook shows them."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 480, 220, 66, 34, 16, 14
INK, QUIET, LINE, HELD_OUT = "#111111", "#8a8a8a", "#0463c1", "#ba3209"


@dataclass(frozen=True, slots=True)
class Axis:
    """Where a loss stands; on a logarithmic scale where the losses span more than a decade."""

    low: float
    high: float
    logarithmic: bool

    def point(self, step: float, value: float, steps: int) -> tuple[float, float] | None:
        if not math.isfinite(value) or (self.logarithmic and value <= 0):
            return None
        return LEFT + (WIDTH - LEFT - RIGHT) * step / steps, self._height(value)

    def _height(self, value: float) -> float:
        low, high, at = (math.log(v) if self.logarithmic else v for v in (self.low, self.high, value))
        share = 0.5 if high == low else (at - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share

    def ticks(self) -> list[str]:
        values = sorted({self.low, self.high, self._middle()})
        found = []
        for value, told in zip(values, apart(values), strict=True):
            y = self._height(value)
            found.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{QUIET}" stroke-opacity="0.3"/>')
            found.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{INK}">{told}</text>')
        return found

    def _middle(self) -> float:
        return math.sqrt(self.low * self.high) if self.logarithmic else (self.low + self.high) / 2


def apart(values: Sequence[float]) -> list[str]:
    """Numbers in as few digits as tell them from one another, but no fewer than three."""
    told = ([f"{value:.{digits}g}" for value in values] for digits in range(3, 8))
    several = (texts for texts in told if len(set(texts)) == len(texts))
    return next(several, [f"{value:.8g}" for value in values])


def is_wide(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) > 10 * min(values)


def curve(points: Sequence[tuple[float, float] | None], style: str, dots: bool = False) -> str:
    there = [p for p in points if p is not None]
    if not there:
        return ""
    if len(there) == 1 or (dots and len(there) <= 12):
        marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>' for x, y in there)
    else:
        marks = ""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in there)
    return f'<g fill="none" stroke-linejoin="round" {style}><path d="{path}"/>{marks}</g>'


def picture(title: str, axis: Axis, curves: Iterable[str], steps: str, legend: str) -> str:
    """Curves over the steps, of which the last is named."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">',
        f"<title>{escaped(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *axis.ticks(),
        *curves,
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle" fill="{INK}">step</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 15}" text-anchor="end" fill="{QUIET}">{steps}</text>',
        legend,
        "</svg>",
    ]
    return "\n".join(p for p in parts if p)


def shown(words: str, svg: str | None, alt: str) -> dict[str, str]:
    """The curve as a picture that survives in untrusted notebooks, above the words; nothing but words without one."""
    bundle = {"text/plain": words}
    if svg is not None:
        coded = base64.b64encode(svg.encode()).decode()
        lines = "<br>".join(escaped(line) for line in words.split("\n"))
        bundle["text/html"] = f'<p><img src="data:image/svg+xml;base64,{coded}" alt="{alt}"/><br>{lines}</p>'
    return bundle


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
