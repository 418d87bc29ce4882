"""How a run on an environment went: episodes as they ended and losses update by update, in words and as a curve."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from sqmagic.runtime.curves import LINE, RIGHT, TOP, WIDTH, Axis, curve, picture, shown
from sqmagic.runtime.rollout import Episode, World
from sqmagic.runtime.telling import counted

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
        return shown(repr(self), self.svg() if self.episodes else None, "returns, episode by episode")

    def svg(self) -> str:
        """Returns over steps: each episode faint, the mean of the last ones strong."""
        seen = self.returns or [0.0, 1.0]
        axis, steps = Axis(min(seen), max(seen), False), max(self.steps, 1)
        thin = max(1, len(self.episodes) // 300)
        own = [axis.point(e.step, e.total, steps) for e in self.episodes[::thin]]
        means = [axis.point(at, value, steps) for at, value in self._means()[::thin]]
        curves = [
            curve(own, f'stroke="{LINE}" stroke-opacity="0.3" stroke-width="1"'),
            curve(means, f'stroke="{LINE}" stroke-width="2"'),
        ]
        legend = f'<text x="{WIDTH - RIGHT}" y="{TOP + 2}" text-anchor="end" fill="{LINE}">return</text>'
        return picture(repr(self).split("\n")[0], axis, curves, f"{self.steps:,}", legend)

    def _means(self) -> list[tuple[float, float]]:
        """The mean return of the last episodes at each one's end."""
        found, total = [], 0.0
        for place, episode in enumerate(self.episodes):
            total += episode.total - (self.episodes[place - LAST].total if place >= LAST else 0.0)
            found.append((float(episode.step), total / min(place + 1, LAST)))
        return found
