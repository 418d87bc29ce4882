"""What a view draws: frames, shapes, lines and words, each with its place; what a painter makes of them is in `dot`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from sqmagic.board.layout.boxes import Box, Spot, around
from sqmagic.board.layout.graph import NOTHING, Label

LINE = 3.2
"""How thick a wire is, in points."""


@dataclass(frozen=True, slots=True)
class About:
    """What a mark shows: a sentence to hover over, the state that it carries and the owner of its parameters."""

    title: str = ""
    state: str = ""
    parameter: str = ""


NONE = About()


@dataclass(frozen=True, slots=True)
class Frame:
    """A rounded box behind the rest: the cell, or a macro's box (`look` is `cell` or `group`)."""

    key: str
    look: str
    box: Box
    about: About = NONE
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A node: its kind, or a piece of it (`tab`, `bars`, `frame`), in `look`; `fault` if it is wrong."""

    key: str
    look: str
    box: Box
    label: Label = NOTHING
    size: float = 14.0
    about: About = NONE
    faint: bool = False
    fault: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A text without a shape; `look` says which: a value's or a group's name, the letter of a cell, a caption."""

    key: str
    look: str
    box: Box
    label: Label
    size: float
    about: About = NONE
    colour: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A wire along its corners, from the mark `tail` to the mark `head`; these may be marks that nobody draws.

    `looks` are `rail`, `back` (from the future), `held` (no gradient), `fault` (what is wrong), `loop` (closes a cycle
    within a step), `gap` and the ground on which
    it interrupts another wire.
    """

    key: str
    corners: tuple[Spot, ...]
    tail: str
    head: str
    arrow: bool = False
    looks: tuple[str, ...] = ()
    about: About = NONE
    faint: bool = False
    width: float = LINE


Mark: TypeAlias = Frame | Shape | Words | Line
Marks: TypeAlias = tuple[Mark, ...]


def extent(mark: Mark) -> Box:
    match mark:
        case Line(_, corners):
            return around([Box(x, y, x, y) for x, y in corners])
        case Frame() | Shape() | Words():
            return mark.box


def bounds(marks: Iterable[Mark]) -> Box:
    return around([extent(mark) for mark in marks])


def moved(marks: Iterable[Mark], dx: float, dy: float = 0.0) -> Marks:
    return tuple(_moved(mark, dx, dy) for mark in marks)


def _moved(mark: Mark, dx: float, dy: float) -> Mark:
    match mark:
        case Line(_, corners):
            return replace(mark, corners=tuple((x + dx, y + dy) for x, y in corners))
        case Frame() | Shape() | Words():
            box = mark.box
            return replace(mark, box=Box(box.left + dx, box.bottom + dy, box.right + dx, box.top + dy))


def suffixed(marks: Iterable[Mark], suffix: str) -> Marks:
    """The same marks under names of their own, for a neighbour of the cell."""
    return tuple(_suffixed(mark, suffix) for mark in marks)


def _suffixed(mark: Mark, suffix: str) -> Mark:
    match mark:
        case Line():
            return replace(mark, key=mark.key + suffix, tail=mark.tail + suffix, head=mark.head + suffix)
        case Frame() | Shape() | Words():
            return replace(mark, key=mark.key + suffix)


def faded(marks: Iterable[Mark]) -> Marks:
    """As faint as the ghost of a cell; names fade away."""
    return tuple(replace(mark, faint=True) for mark in marks if not isinstance(mark, Words))


def centred(x: float, y: float, width: float, height: float) -> Box:
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
