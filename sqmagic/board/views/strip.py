"""The cell alone, in a chain of three, or between its ghosts."""

from __future__ import annotations

from collections.abc import Iterator

from sqmagic.board.layout.graph import Label
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.views.beside import beside, goes_on
from sqmagic.board.views.cells import Neighbour, closed, frame, ghost, key
from sqmagic.board.views.marks import Mark, Marks, moved
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import End, Pass, between, chip, gap, passes
from sqmagic.board.views.starts import start_of

_CLOSER = 16.0
"""How much shorter rails are that lead to no neighbour."""


def single(scene: Scene) -> Marks:
    part = scene.parts["c"]
    found = passes(part)
    left, right = _sides(part)
    wide = gap(found) - _CLOSER
    steps = (frame(part), *body("c", part, scene.colours),
             *(mark for p in found for mark in _loose(p, left, right, wide, scene)))  # fmt: skip
    ends = [End(p, left - wide if p.side == "left" else right + wide) for p in found]
    return beside(scene, steps, ends)


def _loose(own: Pass, left: float, right: float, wide: float, scene: Scene) -> Iterator[Mark]:
    """A rail with one end at the cell; it has no arrowhead where it goes on."""
    end = f"r-{own.node}-end"
    if own.side == "left":
        return between(own, left - wide, left, (end, key()), scene.colours)
    return between(own, right, right + wide, (key(), end), scene.colours, headed=not goes_on(scene, own))


def chain(scene: Scene) -> Marks:
    return _three(scene, closed(scene, -1), closed(scene, 1))


def ghosts(scene: Scene) -> Marks:
    inside = body("c", scene.parts["c"], scene.colours)
    return _three(scene, ghost(scene, -1, inside), ghost(scene, 1, inside))


def _three(scene: Scene, before: Neighbour, after: Neighbour) -> Marks:
    part = scene.parts["c"]
    found = passes(part)
    left, right = _sides(part)
    wide = gap(found)
    marks = [*moved(before.marks, left - wide - before.width), frame(part), *body("c", part, scene.colours),
             *moved(after.marks, right + wide)]  # fmt: skip
    ends = []
    for p in found:
        if p.side == "left":
            marks += between(p, left - wide, left, (key(-1), key()), scene.colours)
            end = End(p, left - wide - before.width, key(-1))
        else:
            marks += between(p, right, right + wide, (key(), key(1)), scene.colours)
            end = End(p, right + wide + after.width, key(1))
        if start := start_of(p, scene.told):
            marks += chip(end, Label(start.value), start.title)
        else:
            ends.append(end)
    return beside(scene, tuple(marks), ends)


def _sides(part: Part) -> tuple[float, float]:
    assert part.placed.cell, "only what runs over time has a cell"
    return part.placed.cell.left, part.placed.cell.right
