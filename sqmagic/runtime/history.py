"""How training went: losses step by step and epoch by epoch, as numbers, as words and as a curve."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 480, 220, 66, 34, 16, 14
INK, QUIET, LINE, HELD_OUT = "#111111", "#8a8a8a", "#0463c1", "#ba3209"


@dataclass(slots=True)
class History:
    """What `fit` returns. `losses` has a number for each step, `epochs` the mean of each epoch (of its examples),
    `validation` the loss on held-out data after each epoch. `stopped` says in words why training ended early.
    """

    losses: list[float] = field(default_factory=list)
    epochs: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    interrupted: bool = False
    stopped: str | None = None
    _sum: float = 0.0
    _examples: int = 0

    @property
    def steps(self) -> int:
        return len(self.losses)

    @property
    def has_curve(self) -> bool:
        return bool(self.losses)

    def figures(self) -> dict[str, str]:
        """In short, while training goes on."""
        return {"epoch": str(len(self.epochs)), "loss": f"{self.losses[-1]:.4g}"} if self.losses else {}

    def begin(self) -> None:
        """A new epoch."""
        self._sum, self._examples = 0.0, 0
        self.epochs.append(math.nan)

    def add(self, loss: float, examples: int) -> None:
        """One step of the epoch that was begun."""
        self.losses.append(loss)
        self._sum, self._examples = self._sum + loss * examples, self._examples + examples
        self.epochs[-1] = self._sum / self._examples

    def __repr__(self) -> str:
        if not self.losses:
            return "\n".join(["no steps", *self._endings()])
        done = [e for e in self.epochs if not math.isnan(e)]
        lines = [f"{counted(len(self.losses), 'step')} in {counted(len(done), 'epoch')}"]
        lines.append(f"loss {done[0]:.4g} -> {done[-1]:.4g}" if len(done) > 1 else f"loss {done[-1]:.4g}")
        if self.validation:
            lines.append(f"validation {self.validation[-1]:.4g}")
        return "\n".join([", ".join(lines), *self._endings()])

    def _endings(self) -> list[str]:
        interrupted = ["interrupted: the weights are those of the last whole step"] if self.interrupted else []
        return interrupted + (["stopped: " + self.stopped] if self.stopped else [])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The curve as a picture that survives in untrusted notebooks; nothing but words if there are no steps."""
        bundle = {"text/plain": repr(self)}
        if self.losses:
            coded = base64.b64encode(self.svg().encode()).decode()
            words = "<br>".join(escaped(line) for line in repr(self).split("\n"))
            picture = f'<img src="data:image/svg+xml;base64,{coded}" alt="the loss, step by step"/>'
            bundle["text/html"] = f"<p>{picture}<br>{words}</p>"
        return bundle

    def svg(self) -> str:
        """The curve: each step faint, each epoch's mean strong, held-out data dashed."""
        shown = [v for v in [*self.losses, *self.validation] if math.isfinite(v)] or [0.0, 1.0]
        axis = Axis(min(shown), max(shown), is_wide(shown))
        steps = max(len(self.losses), 1)
        per_epoch = steps / max(len(self.epochs), 1)
        ends = [per_epoch * (i + 1) for i in range(len(self.epochs))]
        own = [axis.point(i + 1, v, steps) for i, v in enumerate(self.losses)]
        means = [axis.point(x - per_epoch / 2, v, steps) for x, v in zip(ends, self.epochs, strict=True)]
        held = [axis.point(x, v, steps) for x, v in zip(ends, self.validation, strict=False)]
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" role="img" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">',
            f"<title>{escaped(repr(self).split(chr(10))[0])}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *axis.ticks(),
            curve(own, f'stroke="{LINE}" stroke-opacity="0.35" stroke-width="1"'),
            curve(means, f'stroke="{LINE}" stroke-width="2"', dots=True),
            curve(held, f'stroke="{HELD_OUT}" stroke-width="2" stroke-dasharray="5 3"', dots=True),
            f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle" fill="{INK}">step</text>',
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 15}" text-anchor="end" fill="{QUIET}">{steps}</text>',
            _legend(bool(self.validation)),
            "</svg>",
        ]
        return "\n".join(p for p in parts if p)


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
        for value in values:
            y = self._height(value)
            found.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="{QUIET}" stroke-opacity="0.3"/>')
            found.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{INK}">{value:.3g}</text>')
        return found

    def _middle(self) -> float:
        return math.sqrt(self.low * self.high) if self.logarithmic else (self.low + self.high) / 2


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


def _legend(validation: bool) -> str:
    text = f'<tspan fill="{LINE}">loss</tspan>'
    if validation:
        text += f' <tspan fill="{HELD_OUT}">validation</tspan>'
    return f'<text x="{WIDTH - RIGHT}" y="{TOP + 2}" text-anchor="end">{text}</text>'


def counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
