"""What comes before and after the steps, beside them, and the rails that go on there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.views.marks import Mark, Marks, Shape, bounds, moved
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import DOTTED, Pass, dotted, stub

BESIDE = 26.0
"""Between the steps and what comes before or after them."""


@dataclass(frozen=True, slots=True)
class End:
    """A rail at the outer border of the steps, and the closed cell there; without one the rail itself ends."""

    rail: Pass
    border: float
    cell: str


def beside(scene: Scene, steps: Marks, ends: Sequence[End]) -> Marks:
    """The steps and the parts beside them: a rail is drawn as far as the circle with which it goes on, or as a stub."""
    marks = list(steps)
    for name, side in (("b", "left"), ("a", "right")):
        own = [end for end in ends if end.rail.side == side]
        met = {end.rail.node: n for end in own if (n := _circle(scene, end.rail)) is not None}
        marks += [m for e in own if e.cell and e.rail.node not in met for m in stub(e.rail, e.border, e.cell)]
        if name in scene.parts:
            joined = [(end, met[end.rail.node]) for end in own if end.rail.node in met]
            marks += _part(name, scene, marks, joined)
    return tuple(marks)


def _part(name: str, scene: Scene, steps: Sequence[Mark], joined: Sequence[tuple[End, int]]) -> list[Mark]:
    """A part moved beside the steps, with the rails to its circles, of which there is a number for each end."""
    own = body(name, scene.parts[name], scene.colours)
    if name == "a":
        start = max([bounds(steps).right + BESIDE, *(end.border + DOTTED for end, _ in joined)])
        own = moved(own, start - bounds(own).left)
    else:
        start = min([bounds(steps).left - BESIDE, *(end.border - DOTTED for end, _ in joined)])
        own = moved(own, start - bounds(own).right)
    boxes = {mark.key: mark.box for mark in own if isinstance(mark, Shape)}
    marks = list(own)
    for end, number in joined:
        circle, here = f"n-{name}{number}", end.cell or f"r-{end.rail.node}-end"
        far, names = (boxes[circle].left, (here, circle)) if name == "a" else (boxes[circle].right, (circle, here))
        headed = bool(end.cell) or not end.rail.inward
        marks += dotted(end.rail, end.border, far, f"r-{end.rail.node}-far", names, headed=headed)
    return marks


def goes_on(scene: Scene, rail: Pass) -> bool:
    return _circle(scene, rail) is not None


def _circle(scene: Scene, rail: Pass) -> int | None:
    """The circle from which a rail comes, or to which it goes, at the same height, if nothing stands between."""
    after = rail.side == "right"
    part = scene.parts.get("a" if after else "b")
    if part is None or rail.inward == after:
        return None
    for n, (node, (_, y)) in enumerate(zip(part.graph.nodes, part.placed.spots, strict=True)):
        if node.kind == ("input" if after else "output") and node.state == rail.value.state and abs(y - rail.y) < 0.5:
            return n if _is_first(part, n, after) else None
    return None


def _is_first(part: Part, number: int, after: bool) -> bool:
    """Nothing in the part stands between the steps and this node."""
    x, y = part.placed.spots[number]
    others = (part.placed.box(n) for n in range(len(part.graph.nodes)) if n != number)
    level = [box for box in others if box.bottom < y < box.top]
    return all(box.left > x if after else box.right < x for box in level)
