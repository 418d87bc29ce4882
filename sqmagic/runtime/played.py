"""How a run on an environment went: episodes as they ended and losses update by update, in words and as a curve."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field

from sqmagic.runtime.history import BOTTOM, HEIGHT, INK, LEFT, LINE, QUIET, RIGHT, TOP, WIDTH, Axis, counted, curve
from sqmagic.runtime.history import escaped as in_svg
from sqmagic.runtime.rollout import Episode, World

LAST = 100
"""Of so many episodes the return is told."""


@dataclass(slots=True)
class Played:
    """What `train_on` returns. `episodes` are those that ended, each with the step at which it did, its return and its
    length; `losses` has a number for each update; `steps` are those of all environments together.
    """

    steps: int = 0
    losses: list[float] = field(default_factory=list)
    episodes: list[Episode] = field(default_factory=list)
    interrupted: bool = False
    stopped: str | None = None

    @property
    def returns(self) -> list[float]:
        return [episode.total for episode in self.episodes]

    def recent(self, count: int = LAST) -> float:
        """The mean return of the last episodes; NaN before there are so many."""
        last = self.episodes[-count:]
        return sum(e.total for e in last) / count if len(last) == count else math.nan

    @property
    def has_curve(self) -> bool:
        return bool(self.episodes)

    def figures(self) -> dict[str, str]:
        """In short, while the run goes on."""
        last = self.returns[-LAST:]
        found = {"return": f"{sum(last) / len(last):.4g}"} if last else {}
        return found | ({"loss": f"{self.losses[-1]:.4g}"} if self.losses else {})

    def take(self, world: World) -> None:
        """What the world has counted so far."""
        self.steps, self.episodes = world.steps, world.episodes

    def __repr__(self) -> str:
        lines = [f"{self.steps:,} steps, {counted(len(self.losses), 'update')}"]
        last = self.returns[-LAST:]
        if last:
            few = f"mean return of the last {counted(len(last), 'episode')} {sum(last) / len(last):.4g}"
            lines[0] += f", {counted(len(self.episodes), 'episode')}"
            lines.append(few)
        if self.losses:
            lines.append(f"loss {self.losses[-1]:.4g}")
        endings = ["interrupted: train_on(steps=…) goes on"] if self.interrupted else []
        endings += [f"stopped: {self.stopped}"] if self.stopped else []
        return "\n".join(filter(None, [lines[0], ", ".join(lines[1:]), *endings]))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The curve as a picture that survives in untrusted notebooks; nothing but words if no episode has ended."""
        bundle = {"text/plain": repr(self)}
        if self.episodes:
            coded = base64.b64encode(self.svg().encode()).decode()
            words = "<br>".join(in_svg(line) for line in repr(self).split("\n"))
            picture = f'<img src="data:image/svg+xml;base64,{coded}" alt="returns, episode by episode"/>'
            bundle["text/html"] = f"<p>{picture}<br>{words}</p>"
        return bundle

    def svg(self) -> str:
        """Returns over steps: each episode faint, the mean of the last ones strong."""
        shown = self.returns or [0.0, 1.0]
        axis, steps = Axis(min(shown), max(shown), False), max(self.steps, 1)
        thin = max(1, len(self.episodes) // 300)
        own = [axis.point(e.step, e.total, steps) for e in self.episodes[::thin]]
        means = [axis.point(at, value, steps) for at, value in self._means()[::thin]]
        middle = f'x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 6}" text-anchor="middle"'
        corner = f'x="{WIDTH - RIGHT}" y="{HEIGHT - BOTTOM + 15}" text-anchor="end"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" role="img" font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">',
            f"<title>{in_svg(repr(self).split(chr(10))[0])}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
            *axis.ticks(),
            curve(own, f'stroke="{LINE}" stroke-opacity="0.3" stroke-width="1"'),
            curve(means, f'stroke="{LINE}" stroke-width="2"'),
            f'<text {middle} fill="{INK}">step</text>',
            f'<text {corner} fill="{QUIET}">{self.steps:,}</text>',
            f'<text x="{WIDTH - RIGHT}" y="{TOP + 2}" text-anchor="end" fill="{LINE}">return</text>',
            "</svg>",
        ]
        return "\n".join(p for p in parts if p)

    def _means(self) -> list[tuple[float, float]]:
        """The mean return of the last episodes at each one's end."""
        found, total = [], 0.0
        for place, episode in enumerate(self.episodes):
            total += episode.total - (self.episodes[place - LAST].total if place >= LAST else 0.0)
            found.append((float(episode.step), total / min(place + 1, LAST)))
        return found
