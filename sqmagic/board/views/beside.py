"""What comes before and after the steps, beside them, and the rails that go on there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.views.marks import Mark, Marks, Shape, bounds, moved
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import DOTTED, End, Pass, chip, dotted, stub

BESIDE = 26.0
"""Between the steps and what comes before or after them."""


def beside(scene: Scene, steps: Marks, ends: Sequence[End]) -> Marks:
    """The steps and the parts beside them.

    A rail is drawn as far as the circle with which it goes on; to its name, where that circle cannot be reached; or as
    a stub.
    """
    marks = list(steps)
    for name, side in (("b", "left"), ("a", "right")):
        own = [end for end in ends if end.rail.side == side]
        met = {end.rail.node: n for end in own if (n := _circle(scene, end.rail)) is not None}
        marks += [mark for end in own if end.rail.node not in met for mark in _alone(end, scene)]
        if name in scene.parts:
            joined = [(end, met[end.rail.node]) for end in own if end.rail.node in met]
            marks += _part(name, scene, marks, joined)
    return tuple(marks)


def _part(name: str, scene: Scene, steps: Sequence[Mark], joined: Sequence[tuple[End, int]]) -> list[Mark]:
    """A part moved beside the steps, with the rails to its circles, of which there is a number for each end."""
    own = body(name, scene.parts[name], scene.colours)
    if name == "a":
        start = max([bounds(steps).right + BESIDE, *(end.out(DOTTED) for end, _ in joined)])
        own = moved(own, start - bounds(own).left)
    else:
        start = min([bounds(steps).left - BESIDE, *(end.out(DOTTED) for end, _ in joined)])
        own = moved(own, start - bounds(own).right)
    boxes = {mark.key: mark.box for mark in own if isinstance(mark, Shape)}
    marks = list(own)
    for end, number in joined:
        circle = f"n-{name}{number}"
        marks += dotted(end, boxes[circle].left if name == "a" else boxes[circle].right, circle)
    return marks


def _alone(end: End, scene: Scene) -> Iterator[Mark]:
    """The far end of a rail that meets no circle."""
    other = next(_circles(scene, end.rail), None)
    if other is not None:
        part, n = other
        title = "after the last step" if end.rail.side == "right" else "before the first step"
        yield from chip(end, part.graph.nodes[n].label, title)
    elif end.cell:
        yield from stub(end)


def goes_on(scene: Scene, rail: Pass) -> bool:
    return next(_circles(scene, rail), None) is not None


def _circle(scene: Scene, rail: Pass) -> int | None:
    """The circle with which a rail goes on at the same height, if nothing stands between."""
    for part, n in _circles(scene, rail):
        if abs(part.placed.spots[n][1] - rail.y) < 0.5:
            return n if _is_first(part, n, rail.side == "right") else None
    return None


def _circles(scene: Scene, rail: Pass) -> Iterator[tuple[Part, int]]:
    """The circles beside the steps from which a rail comes, or to which it goes."""
    after = rail.side == "right"
    part = scene.parts.get("a" if after else "b")
    if part is not None and rail.inward != after:
        kind = "input" if after else "output"
        for n, node in enumerate(part.graph.nodes):
            if node.kind == kind and node.state == rail.value.state:
                yield part, n


def _is_first(part: Part, number: int, after: bool) -> bool:
    """Nothing in the part stands between the steps and this node."""
    x, y = part.placed.spots[number]
    others = (part.placed.box(n) for n in range(len(part.graph.nodes)) if n != number)
    level = [box for box in others if box.bottom < y < box.top]
    return all(box.left > x if after else box.right < x for box in level)
