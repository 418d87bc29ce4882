"""A plan as a picture: a lane for each part in the order in which they run, over the steps from 1 to T.

What runs for all steps at once is one band, a recurrence a chain of steps that goes where its loop goes, and what is
not indexed a box before the first step. Beside each stand its states and what it costs. Below the lanes forward are
those of the way back, if there is one; the band below a chain there is its weights' gradients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from itertools import pairwise
from typing import Protocol

from sqmagic.board.style import style
from sqmagic.board.theme import SANS, STATES, Theme, text_width

WIDTH, MARGIN = 900.0, 16.0
LEFT, FIRST, END, RIGHT = 226.0, 300.0, 650.0, 672.0
"""Where the lanes' own columns begin: what is not indexed, step 1, the end of step T, and the costs."""
BOX, GAP, LANE, HEAD = 30.0, 26.0, 52.0, 40.0
STEPS = ("1", "2", "3", "T")

HOW = {
    "once": "once for an example",
    "parallel": "all steps at once",
    "forward scan": "step by step, from the first",
    "reverse scan": "step by step, from the last",
    "growing": "step by step, over a range that grows",
}
BACK = {"forward scan": "reverse scan", "reverse scan": "forward scan"}


class Lane(Protocol):
    """A part of a plan: of what kind its loop is, its states, its costs in words and its share of all flops of its
    direction, what is told beside it, and the hint for who points at it."""

    @property
    def kind(self) -> str: ...
    @property
    def states(self) -> tuple[str, ...]: ...
    @property
    def costs(self) -> tuple[str, ...]: ...
    @property
    def share(self) -> float: ...
    @property
    def told(self) -> str: ...
    @property
    def hint(self) -> str: ...


def lanes(title: str, sized: str, forward: Sequence[Lane], back: Sequence[Lane], theme: Theme = "auto") -> str:
    """The SVG; `sized` says of how many steps and examples the costs are. The same for the same parts."""
    body: list[str] = []
    height = MARGIN
    colours = _colours(forward)
    for name, rows, reverse in (("forward", forward, False), ("in reverse", back, True)):
        if rows:
            body += _heading(name, sized, height)
            height += HEAD
            for lane in rows:
                body += _lane(lane, height, reverse, colours)
                height += LANE
            height += MARGIN / 2
    prefix = f"sq-{sha256(f'{title}{sized}{theme}{body}'.encode()).hexdigest()[:8]}-plan"
    words = "; ".join(f"{', '.join(lane.states)}: {HOW.get(lane.kind, lane.kind)}" for lane in forward)
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" id="{prefix}" class="sqmagic" role="img" '
            f'aria-labelledby="{prefix}-title {prefix}-desc" width="{WIDTH:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {WIDTH:.0f} {height:.0f}" font-family="{SANS}" font-size="13">',
            f'<title id="{prefix}-title">{escape(title)}: what runs where</title>',
            f'<desc id="{prefix}-desc">{escape(words)}</desc>',
            f"<style>{style(f'#{prefix}', theme, {s: f's{n}' for s, n in colours.items()}, ())}</style>",
            f'<g class="page"><path class="page" d="M0 0H{WIDTH:.0f}V{height:.0f}H0Z"/></g>',
            *body,
            "</svg>",
        ]
    )


def _colours(rows: Sequence[Lane]) -> dict[str, int]:
    states = dict.fromkeys(state for lane in rows for state in lane.states)
    return {state: n % len(STATES) for n, state in enumerate(states)}


def _heading(name: str, sized: str, top: float) -> Iterator[str]:
    """What stands over the lanes of a direction: the steps."""
    line = top + 16
    yield f'<text x="{MARGIN}" y="{line}" font-weight="700">{name}</text>'
    yield '<g class="caption" font-size="11">'
    yield from (_text(x, line, "middle", f"t = {t}" if t == "1" else t) for x, t in zip(_columns(), STEPS, strict=True))
    yield _text((_columns()[2] + _columns()[3]) / 2, line, "middle", "…")
    yield _text(RIGHT, line, "start", f"costs at {sized}" if sized else "costs")
    yield "</g>"
    yield f'<g class="edge faint"><path d="M{MARGIN} {top + 26}H{WIDTH - MARGIN}"/></g>'


def _columns() -> tuple[float, float, float, float]:
    """The middles of the steps that are drawn."""
    first, last = FIRST + BOX / 2, END - BOX / 2
    return first, first + BOX + GAP, first + 2 * (BOX + GAP), last


def _lane(lane: Lane, top: float, reverse: bool, colours: dict[str, int]) -> Iterator[str]:
    middle = top + 18
    yield f"<g><title>{escape(lane.hint)}</title>"
    yield _states(lane.states, middle - 1, colours, reverse)
    kind = BACK.get(lane.kind, lane.kind) if reverse else lane.kind
    told = f"{HOW.get(kind, kind)}{f'; {lane.told}' if lane.told else ''}"
    yield f'<g class="caption" font-size="11">{_text(MARGIN, middle + 15, "start", told)}</g>'
    match kind:
        case "once":
            yield _box("function", LEFT, middle, BOX)
        case "parallel":
            yield _box("input", FIRST, middle, END - FIRST)
        case _:
            yield from _chain(middle, kind == "reverse scan" or (kind == "growing" and reverse))
            if reverse and lane.share > 0 and lane.told != "torch":
                yield _band(middle)
    yield _costs(lane, middle)
    yield "</g>"


def _states(states: tuple[str, ...], line: float, colours: dict[str, int], reverse: bool) -> str:
    """As many names as there is room for; on the way back their adjoints'."""
    room, shown = LEFT - MARGIN - 30, []
    for n, state in enumerate(states):
        name = f"^{state}" if reverse else state
        more = text_width(f"{name}, ", 14)
        if room < more and n:
            shown.append(f"… {len(states) - n} more")
            break
        room -= more
        shown.append(
            f'<tspan data-value="{escape(state)}" style="fill:var(--s{colours.get(state, 0)})">{escape(name)}</tspan>'
        )
    return f'<text x="{MARGIN}" y="{line}" font-size="14">{", ".join(shown) or "effects"}</text>'


def _chain(middle: float, backward: bool) -> Iterator[str]:
    """A step after the other, each as it is needed by the next; of those in the midst some."""
    columns = _columns()
    for x in columns:
        yield _box("layer", x - BOX / 2, middle, BOX)
    for one, other in pairwise(columns):
        left, right = one + BOX / 2, other - BOX / 2
        dashes = ' stroke-dasharray="3 5"' if other == columns[-1] else ""
        tip, end = (left, left + 8) if backward else (right, right - 8)
        start = right if backward else left
        yield f'<g class="edge"><path d="M{start} {middle}H{end}" stroke-width="1.4"{dashes}/>'
        yield f'<polygon points="{tip},{middle} {end},{middle - 4} {end},{middle + 4}"/></g>'


def _band(middle: float) -> str:
    """Below a loop on the way back: the gradients of its weights, products over all steps at once."""
    top = middle + BOX / 2 + 4
    words = "the gradients of weights: all steps at once, at the end"
    band = f'<g class="input"><path d="M{FIRST} {top}H{END}v6H{FIRST}z" stroke-width="1"/></g>'
    return f"<g><title>{words}</title>{band}</g>"


def _box(kind: str, left: float, middle: float, width: float) -> str:
    r, top, h = 6, middle - BOX / 2, BOX
    inner = width - 2 * r
    path = f"M{left + r} {top}h{inner}q{r} 0 {r} {r}v{h - 2 * r}q0 {r} -{r} {r}h-{inner}q-{r} 0 -{r} -{r}v-{h - 2 * r}"
    return f'<g class="{kind}"><path d="{path}q0 -{r} {r} -{r}z" stroke-width="1.4"/></g>'


def _costs(lane: Lane, middle: float) -> str:
    """The costs in words, and a bar that is as long as the share of flops."""
    lines = [_text(RIGHT, middle - 3 + 15 * n, "start", cost) for n, cost in enumerate(lane.costs)]
    bar = ""
    if lane.share > 0:
        length = (WIDTH - MARGIN - RIGHT) * lane.share
        bar = f'<g class="loss"><path d="M{RIGHT} {middle + 18}h{length:.1f}v4h-{length:.1f}z" stroke-width="0.6"/></g>'
    return f'<g font-size="11.5">{"".join(lines)}</g>{bar}'


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
