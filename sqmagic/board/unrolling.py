"""A cell that unrolls: closed with its loops, then open, then between its neighbours, then the chain from its start.

One SVG that moves by itself, without scripts: each view lies over the others with the cell at the same place, and they
are shown in turn. Readers who want no motion see the last.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqmagic.board.diagram import Diagram

_NUMBER = r"-?\d+(?:\.\d+)?"
_VIEW = re.compile(rf'viewBox="({_NUMBER}) ({_NUMBER}) ({_NUMBER}) ({_NUMBER})"')
_MOVED = re.compile(rf'<g class="graph"[^>]*translate\(({_NUMBER})[ ,]+({_NUMBER})\)')
_SHARE = 0.12
"""How much of a frame's time goes into fading."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """The inside of a picture, its size, and where the middle of its cell is."""

    inner: str
    size: tuple[float, float]
    middle: tuple[float, float]


@dataclass(frozen=True, repr=False)
class Unrolling:
    """`svg` moves wherever a browser shows it; `save` writes it."""

    title: str
    prose: str
    svg: str

    def save(self, path: str | Path) -> Path:
        """Write it as `.svg`; returns where it lies."""
        place = Path(path)
        if place.suffix.lower() != ".svg":
            raise ValueError(f"what moves is saved as .svg, and {place.name!r} does not end so")
        place.write_text(self.svg, encoding="utf-8")
        return place

    def __repr__(self) -> str:
        return f"<the unrolling of {self.title}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        coded = b64encode(self.svg.encode()).decode()
        words = escape(f"{self.title}, unrolling: {self.prose}")
        image = f'<img src="data:image/svg+xml;base64,{coded}" style="max-width:100%" alt="{words}">'
        return {"text/html": image, "image/svg+xml": self.svg, "text/plain": f"{self.title}: {self.prose}"}


def unrolling(views: Sequence[Diagram], ground: str, seconds: float) -> Unrolling:
    """These views of one program in turn, each for some seconds, on a ground of that colour."""
    first = views[0]
    frames = [_frame(view.svg, view.prefix) for view in views]
    left = max(frame.middle[0] for frame in frames)
    top = max(frame.middle[1] for frame in frames)
    width = left + max(frame.size[0] - frame.middle[0] for frame in frames)
    height = top + max(frame.size[1] - frame.middle[1] for frame in frames)
    style = max((text for view in views for text in re.findall(r"<style>(.*?)</style>", view.svg, re.DOTALL)), key=len)
    own = first.prefix
    body = "".join(_placed(frame, n, left, top, own) for n, frame in enumerate(frames))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{own}" class="sqmagic" role="img" '
        f'aria-labelledby="{own}-title {own}-desc" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}">'
    )
    title = f'<title id="{own}-title">{escape(first.title)}, unrolling</title>'
    told = f'{title}<desc id="{own}-desc">{escape(first.prose)}</desc>'
    page = f'<rect class="page" width="{width:.1f}" height="{height:.1f}" fill="{ground}"/>'
    svg = f"{head}{told}<style>{style}{_motion(own, len(frames), seconds)}</style>{page}{body}</svg>"
    return Unrolling(first.title, first.prose, svg)


def _frame(svg: str, prefix: str) -> _Frame:
    box = _VIEW.search(svg)
    assert box is not None, "a picture has a size"
    inside = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    inner = re.sub(r"<(title|desc) id.*?</\1>|<style>.*?</style>", "", inside, flags=re.DOTALL)
    shift = _MOVED.search(inner)
    across, down = (float(shift[1]), float(shift[2])) if shift else (0.0, 0.0)
    cell = re.search(rf'id="{prefix}-f-c-cell".*?<path [^>]*?\bd="([^"]*)"', inner, re.DOTALL)
    assert cell is not None, "only what runs over time is unrolled, and that has a cell"
    numbers = [float(n) for n in re.findall(_NUMBER, cell[1])]
    xs, ys = numbers[::2], numbers[1::2]
    middle = (min(xs) + max(xs)) / 2 + across - float(box[1]), (min(ys) + max(ys)) / 2 + down - float(box[2])
    return _Frame(inner, (float(box[3]), float(box[4])), middle)


def _placed(frame: _Frame, number: int, left: float, top: float, prefix: str) -> str:
    x, y = left - frame.middle[0], top - frame.middle[1]
    inner = frame.inner.replace(f'id="{prefix}-', f'id="{prefix}-{number}-')
    return f'<g class="sq-frame sq-frame-{number}" transform="translate({x:.1f} {y:.1f})">{inner}</g>'


def _motion(prefix: str, count: int, seconds: float) -> str:
    """Each frame is shown in its turn; the first is there until the second has come."""
    rules = [f"#{prefix} .sq-frame .page{{fill:none}}"]
    for n in range(count):
        turn = f"opacity:0;animation:{prefix}-{n} {seconds * count:g}s infinite"
        rules += [f"#{prefix} .sq-frame-{n}{{{turn}}}", f"@keyframes {prefix}-{n}{{{_keys(n, count)}}}"]
    last = f"#{prefix} .sq-frame{{animation:none;opacity:0}}#{prefix} .sq-frame-{count - 1}{{opacity:1}}"
    return "".join([*rules, f"@media (prefers-reduced-motion:reduce){{{last}}}"])


def _keys(number: int, count: int) -> str:
    start, stop, fade = 100 * number / count, 100 * (number + 1) / count, 100 * _SHARE / count
    last = 100 - fade
    keys = {0.0: float(number == 0), start: float(number == 0), min(start + fade, 100.0): 1.0}
    keys |= {last: float(number == count - 1)} if number in (0, count - 1) else {}
    keys |= {min(stop, last): 1.0, min(stop + fade, 100.0): 0.0, 100.0: float(number == 0)}
    return "".join(f"{at:g}%{{opacity:{value:g}}}" for at, value in sorted(keys.items()))
