"""How training went: losses step by step and epoch by epoch, as numbers, as words and as a curve."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sqmagic.runtime.curves import HELD_OUT, LINE, RIGHT, TOP, WIDTH, Axis, curve, is_wide, picture, shown
from sqmagic.runtime.telling import counted


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
        return shown(repr(self), self.svg() if self.losses else None, "the loss, step by step")

    def svg(self) -> str:
        """The curve: each step faint, each epoch's mean strong, held-out data dashed."""
        seen = [v for v in [*self.losses, *self.validation] if math.isfinite(v)] or [0.0, 1.0]
        axis = Axis(min(seen), max(seen), is_wide(seen))
        steps = max(len(self.losses), 1)
        per_epoch = steps / max(len(self.epochs), 1)
        ends = [per_epoch * (i + 1) for i in range(len(self.epochs))]
        own = [axis.point(i + 1, v, steps) for i, v in enumerate(self.losses)]
        means = [axis.point(x - (per_epoch - 1) / 2, v, steps) for x, v in zip(ends, self.epochs, strict=True)]
        held = [axis.point(x, v, steps) for x, v in zip(ends, self.validation, strict=False)]
        curves = [
            curve(own, f'stroke="{LINE}" stroke-opacity="0.35" stroke-width="1"'),
            curve(means, f'stroke="{LINE}" stroke-width="2"', dots=True),
            curve(held, f'stroke="{HELD_OUT}" stroke-width="2" stroke-dasharray="5 3"', dots=True),
        ]
        return picture(repr(self).split("\n")[0], axis, curves, str(steps), _legend(bool(self.validation)))


def _legend(validation: bool) -> str:
    text = f'<tspan fill="{LINE}">loss</tspan>'
    if validation:
        text += f' <tspan fill="{HELD_OUT}">validation</tspan>'
    return f'<text x="{WIDTH - RIGHT}" y="{TOP + 2}" text-anchor="end">{text}</text>'
