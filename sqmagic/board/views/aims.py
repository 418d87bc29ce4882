"""Losses and objectives above a closed cell, each over the circle of what it judges or over the cell itself, with the
targets that are given to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.graph import GOALS
from sqmagic.board.layout.scene import Part
from sqmagic.board.layout.sizes import CIRCLE, label_size
from sqmagic.board.views.cells import Circle, joined, room
from sqmagic.board.views.marks import About, Line, Mark, Shape, centred
from sqmagic.board.views.part import about_node

_APART, _RISE, _EDGE = 14.0, 30.0, 14.0


@dataclass(frozen=True, slots=True)
class Top:
    """What stands over one place of the cell's upper border: an output's circle, a goal (by its number), or both."""

    circle: Circle | None
    goal: int | None
    across: float


def tops(part: Part, found: Sequence[Circle]) -> tuple[Top, ...]:
    """From left to right, goals that judge no circle last."""
    goals = [n for n, node in enumerate(part.graph.nodes) if node.kind in GOALS]
    out = []
    for circle in (c for c in found if c.above):
        goal = next((g for g in goals if circle.number in part.graph.sources(g)), None)
        goals = [g for g in goals if g != goal]
        out.append(Top(circle, goal, max(circle.across, _wide(part, goal))))
    return (*out, *(Top(None, goal, _wide(part, goal)) for goal in goals))


def width(found: Sequence[Top], circles: Sequence[Circle]) -> float:
    """How wide a closed cell must be for all that stands over and under it."""
    below = room([c for c in circles if not c.above])
    return max([below, len(found) * (max([0.0, *(top.across for top in found)]) + _APART) + _EDGE])


def over(part: Part, found: Sequence[Top], cell: Box, of: str, height: float) -> Iterator[Mark]:
    """All tops at even distances, circles at a height and goals over them."""
    step = (cell.right - cell.left) / max(1, len(found))
    for i, top in enumerate(found):
        x, start, tail = cell.left + step * (i + 0.5), cell.top, of
        if top.circle:
            circle = replace(top.circle, spot=(x, height))
            yield from joined(circle, cell, of, 0, headed=True)
            start, tail = height + circle.high / 2, f"n-c{circle.number}"
        if top.goal is not None:
            yield from _goal(part, top.goal, x, start, tail)


def _goal(part: Part, goal: int, x: float, start: float, tail: str) -> Iterator[Mark]:
    """A goal over what it judges, and over it the targets that are given."""
    node, key = part.graph.nodes[goal], f"n-c{goal}"
    (across, high), given = part.placed.extents[goal], _given(part, goal)
    y = start + _RISE + high / 2
    yield Shape(key, node.kind, centred(x, y, across, high), node.label, label_size(node), about_node(node))
    yield Line(f"w-goal-{goal}", ((x, start), (x, y - high / 2)), tail, key, True)
    left = x - (sum(part.placed.extents[n][0] + 6 for n in given) - 6) / 2
    for n in given:
        size = part.placed.extents[n][0]
        at, foot = left + size / 2, y + high / 2 + _RISE
        left += size + 6
        target = part.graph.nodes[n]
        box = centred(at, foot + size / 2, size, size)
        yield Shape(f"n-c{n}", "target", box, target.label, CIRCLE, about_node(target))
        yield Line(f"w-target-{n}", ((at, foot), (at, y + high / 2)), f"n-c{n}", key, True, ("held",),
                   About("no gradient", target.state))  # fmt: skip


def _given(part: Part, goal: int) -> list[int]:
    """The targets that a goal is given, also through a sign that stands beside it."""
    near = part.graph.sources(goal)
    beside = [m for n in near if part.graph.nodes[n].kind == "aside" for m in part.graph.sources(n)]
    return [n for n in (*near, *beside) if part.graph.nodes[n].kind == "target"]


def _wide(part: Part, goal: int | None) -> float:
    if goal is None:
        return 0.0
    given = sum(part.placed.extents[n][0] + 6 for n in _given(part, goal))
    return max(part.placed.extents[goal][0], given)
