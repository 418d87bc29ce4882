"""The cell alone, in a chain of three, or between its ghosts, with the parts before and after the steps beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.views.cells import Neighbour, closed, frame, ghost, key
from sqmagic.board.views.marks import Mark, Marks, bounds, moved
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import DOTTED, Pass, between, chip, dotted, gap, passes, stub
from sqmagic.board.views.starts import Start, start_of

BESIDE = 26.0
"""Between the steps and what comes before or after them."""


def single(scene: Scene) -> Marks:
    part = scene.parts["c"]
    found = passes(part)
    left, right = _reach(part)
    wide = gap(found) - 16
    own = (frame(part), *body("c", part, scene.colours))
    named = [mark for p in found for mark in _named(p, left, right, wide, scene)]
    return _between_parts(scene, (*own, *named), [(p, left - wide, right + wide) for p in found], {})


def _named(own: Pass, left: float, right: float, wide: float, scene: Scene) -> Iterator[Mark]:
    name = f"r-{own.node}"
    if own.side == "left":
        return between(own, left - wide, left, (f"{name}-end", key()), scene.colours)
    headed = own.inward or not _goes_on(scene, own)
    return between(own, right, right + wide, (key(), f"{name}-end"), scene.colours, headed=headed)


def chain(scene: Scene) -> Marks:
    part = scene.parts["c"]
    return _three(scene, closed(part, -1), closed(part, 1))


def ghosts(scene: Scene) -> Marks:
    part = scene.parts["c"]
    inside = body("c", part, scene.colours)
    return _three(scene, ghost(part, -1, inside), ghost(part, 1, inside))


def _three(scene: Scene, before: Neighbour, after: Neighbour) -> Marks:
    part = scene.parts["c"]
    found = passes(part)
    left, right = _reach(part)
    wide = gap(found)
    marks = [*moved(before.marks, left - wide - before.width), frame(part), *body("c", part, scene.colours),
             *moved(after.marks, right + wide)]  # fmt: skip
    for p in found:
        ends = (left - wide, left) if p.side == "left" else (right, right + wide)
        names = (key(-1), key()) if p.side == "left" else (key(), key(1))
        marks += between(p, *ends, names, scene.colours)
    outer = (left - wide - before.width, right + wide + after.width)
    given = {p.node: start for p in found if (start := start_of(p, scene.told))}
    ends_of = [(p, *outer) for p in found if p.node not in given]
    for node, start in given.items():
        marks += _started(next(p for p in found if p.node == node), start, outer)
    return _between_parts(scene, tuple(marks), ends_of, {"left": key(-1), "right": key(1)})


def _started(own: Pass, start: Start, outer: tuple[float, float]) -> Iterator[Mark]:
    border, cell = (outer[0], key(-1)) if own.side == "left" else (outer[1], key(1))
    return chip(own, start.value, start.title, border, f"n-start-{own.node}", cell)


# --- beside the steps ------------------------------------------------------------------------------------


def _between_parts(
    scene: Scene, steps: Marks, open_ends: Sequence[tuple[Pass, float, float]], cells: dict[str, str]
) -> Marks:
    """The steps and the parts beside them; a rail that goes on in such a part is drawn as far as its circle.

    `open_ends` are the rails without a start, each with the leftmost and rightmost border; where `cells` names the
    mark at a border, a rail that goes on nowhere ends in a stub there.
    """
    marks = list(steps)
    for name, side in (("b", "left"), ("a", "right")):
        ends = [(p, low if side == "left" else high) for p, low, high in open_ends if p.side == side]
        marks += _side(scene, name, marks, ends, cells.get(side, ""))
    return tuple(marks)


def _side(scene: Scene, name: str, steps: Sequence[Mark], ends: Sequence[tuple[Pass, float]], cell: str) -> Marks:
    part = scene.parts.get(name)
    meeting = {p.node: n for p, _ in ends if part and (n := _circle(part, p)) is not None}
    stubs = tuple(m for p, x in ends if cell and p.node not in meeting for m in stub(p, x, f"r-{p.node}-far", cell))
    if part is None:
        return stubs
    own, right = body(name, part, scene.colours), name == "a"
    border = bounds([*steps, *stubs])
    if right:
        own = moved(own, max(border.right + BESIDE, *_least(ends, part, meeting, 1)) - bounds(own).left)
    else:
        own = moved(own, min(border.left - BESIDE, *_least(ends, part, meeting, -1)) - bounds(own).right)
    places: dict[str, Box] = {mark.key: mark.box for mark in own if not hasattr(mark, "corners")}
    joins: list[Mark] = []
    for p, x in ends:
        if p.node in meeting:
            circle = f"n-{name}{meeting[p.node]}"
            far = places[circle].left if right else places[circle].right
            end = cell or f"r-{p.node}-end"
            names = (end, circle) if right else (circle, end)
            joins += dotted(p, x, far, f"r-{p.node}-far", names, headed=bool(cell) or not p.inward)
    return (*stubs, *own, *joins)


def _least(ends: Sequence[tuple[Pass, float]], part: Part, meeting: dict[int, int], sign: int) -> list[float]:
    """Where the part must begin so that a dotted rail to its circle has room."""
    return [x + sign * DOTTED for p, x in ends if p.node in meeting] + [sign * float("-inf")]


def _circle(part: Part, own: Pass) -> int | None:
    """The circle with which a rail goes on at the same height, if nothing stands between."""
    kind = "input" if own.side == "right" else "output"
    if own.inward == (own.side == "right"):
        return None
    boxes = [part.placed.box(n) for n in range(len(part.graph.nodes))]
    for n, (node, (x, y)) in enumerate(zip(part.graph.nodes, part.placed.spots, strict=True)):
        if node.kind == kind and node.state == own.value.state and abs(y - own.y) < 0.5:
            beyond = [b for m, b in enumerate(boxes) if m != n and b.bottom < y < b.top]
            clear = all(b.left > x if own.side == "right" else b.right < x for b in beyond)
            return n if clear else None
    return None


def _goes_on(scene: Scene, own: Pass) -> bool:
    part = scene.parts.get("a" if own.side == "right" else "b")
    return part is not None and _circle(part, own) is not None


def _reach(part: Part) -> tuple[float, float]:
    assert part.placed.cell, "only what runs over time has a cell"
    return part.placed.cell.left, part.placed.cell.right
