"""Equations as text with blanks for what they read, so that numbers can be put in: `tanh(Enc(▢ | ▢))`.

Plain strings and numbers, for whoever knows nothing of expressions. A range, and what only a window has, stays as it
is written: no single value stands for it.
"""

from __future__ import annotations

from typing import NamedTuple

from sqmagic.equations.show import show, show_equation, show_target
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Last,
    Range,
    Read,
    Running,
    System,
    Target,
    children,
    with_children,
)

_MARK = "\0"


class Blank(NamedTuple):
    """A state at a point: counted from the step (`base` "t"), from 0 ("0") or from the last step ("T"); a state that
    is not over time has base "". `text` is how it is written."""

    text: str
    state: str
    base: str
    offset: int


class Line(NamedTuple):
    """An equation: what it defines, its text, and its right side with blanks."""

    text: str
    targets: tuple[Blank, ...]
    parts: tuple[str | Blank, ...]


def blanks(system: System) -> tuple[Line, ...]:
    """A line for each equation that defines something, in the order of the program."""
    return tuple(_line(equation) for equation in system.equations if equation.targets)


def _line(equation: Equation) -> Line:
    targets = tuple(blank for t in equation.targets if (blank := _blank(t)) is not None)
    found: list[Blank] = []
    text = show(_marked(equation.value, found))
    parts = [found[int(piece)] if odd else piece for odd, piece in _alternating(text.split(_MARK))]
    return Line(show_equation(equation), targets, tuple(part for part in parts if part))


def _alternating(pieces: list[str]) -> list[tuple[bool, str]]:
    return [(bool(place % 2), piece) for place, piece in enumerate(pieces)]


def _marked(expr: Expr, found: list[Blank]) -> Expr:
    """The expression with a numbered mark in place of each read; `found` takes them in their order."""
    match expr:
        case Read():
            blank = _blank(expr)
            if blank is None:
                return expr
            found.append(blank)
            return Read(f"{_MARK}{len(found) - 1}{_MARK}")
        case Apply("window_sum"):
            return expr
        case _ if children(expr):
            return with_children(expr, tuple(_marked(child, found) for child in children(expr)))
        case _:
            return expr


def _blank(place: Read | Target) -> Blank | None:
    text = show(place) if isinstance(place, Read) else show_target(place)
    match place.context:
        case ():
            return Blank(text, place.state, "", 0)
        case (Running(_, offset),):
            return Blank(text, place.state, "t", offset)
        case (Fixed(value),):
            return Blank(text, place.state, "0", value)
        case (Last(_, offset),):
            return Blank(text, place.state, "T", offset)
        case (Range(),) | _:
            return None
