"""Uses of a state, and what each gives to the state's adjoint at a point: a read of distance d, seen from what is read,
is one of distance -d.

The source of a use is an equation or a goal, which holds at the steps of its domain or once. Its contribution is an
expression at the source's own step; `at` says what of it reaches the state at a step, at a point or bare. Outside
of the source's domain it is 0, which `during` says where it does not follow from the domain of the state itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from sqmagic.calculus.terms import during, less, op, sum_over, times
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Expr,
    Fixed,
    Last,
    Point,
    Position,
    Range,
    Running,
    pinned,
    shift,
)

Steps: TypeAlias = tuple[int, int]
"""Steps from the first up to T + the second."""


@dataclass(frozen=True, slots=True)
class Source:
    """An equation or a goal by number, and the steps at which it holds; None where it holds once."""

    goal: bool
    number: int
    steps: Steps | None


@dataclass(frozen=True, slots=True)
class Use:
    """What a source gives to the adjoint of what it reads at a context; of a range, all rows of it."""

    context: Context
    value: Expr
    source: Source


@dataclass(frozen=True, slots=True)
class Place:
    """Where an adjoint is wanted: at every step of the state's own (`Running`), at a point, or bare (None).

    `index` is the running index, `steps` are the state's, `given` the points that have adjoints of their own.
    """

    point: Point | None
    index: str
    steps: Steps | None = None
    given: frozenset[Point] = frozenset()

    @property
    def inner(self) -> str:
        """The index of a sum that stands beside the running one."""
        return "s" if self.index != "s" else "u"


def at(use: Use, place: Place) -> Iterator[Expr]:
    """What a use contributes at a place: nothing, or a term."""
    match use.context, place.point:
        case (), None:
            yield whole(use, place.index)
        case (Running(_, offset),), point if point is not None:
            yield from _moving(use, offset, point, place)
        case (Fixed() | Last() as read,), Running():
            if read not in place.given:
                yield times(op("equal", Position(place.point), Position(read)), whole(use, place.index))
        case (Fixed() | Last() as read,), point:
            if read == point:
                yield whole(use, place.index)
        case (Range(first, last),), point if point is not None:
            yield from _ranging(use, first, last, point, place)
        case context, _:
            raise AssertionError(f"{context} is not a context of one index")


def whole(use: Use, index: str) -> Expr:
    """A contribution once for an example: that of all steps together."""
    if use.source.steps is None:
        return use.value
    first, last = use.source.steps
    return sum_over(use.value, index, Fixed(first), Last(index, last))


def _moving(use: Use, offset: int, point: Point, place: Place) -> Iterator[Expr]:
    """Of a read at a distance from the source's step; a window of one step may be too short to reach a point."""
    assert use.source.steps is not None, "what reads at a distance runs"
    first, last = use.source.steps
    match point:
        case Running():
            assert place.steps is not None, "what runs has a domain"
            early, low = last + offset < 0, max(first + offset, place.steps[0])
            begins = low > min(1, place.steps[0]) if early else first + offset != place.steps[0]
            limits = {"first": low - offset} if begins else {}
            limits |= {"last": last} if early else {}
            yield shift(during(use.value, place.index, **limits), -offset)
        case Fixed(value):
            if value - offset >= first:
                limits = {"last": last} if value - offset > 1 + last else {}
                yield pinned(during(use.value, place.index, **limits), place.index, Fixed(value - offset))
        case Last(_, distance):
            if distance - offset <= last:
                limits = {"first": first} if 1 + distance - offset < first else {}
                there = Last(place.index, distance - offset)
                yield pinned(during(use.value, place.index, **limits), place.index, there)


def _ranging(use: Use, first: Point, last: Point, point: Point, place: Place) -> Iterator[Expr]:
    """Of a range: each row goes to its own step."""
    match first, last:
        case Running(_, a), Running(_, b):
            for row in range(b - a + 1):
                yield from _moving(replace(use, value=_row(use.value, Const(float(row)))), a + row, point, place)
        case Fixed(a), Running(_, offset):
            yield from _grown(use, a, offset, point, place)
        case Running(_, offset), Last(_, b):
            yield from _shrunk(use, offset, b, point, place)
        case Fixed(a), Fixed(b):
            yield from _rows_of(use, [Fixed(n) for n in range(a, b + 1)], place)
        case Last(index, a), Last(_, b):
            yield from _rows_of(use, [Last(index, n) for n in range(a, b + 1)], place)
        case Fixed(a), Last(_, b):
            yield from _all_rows(use, a, b, point, place)
        case ends:
            raise AssertionError(f"no range runs between {ends}")


def _row(value: Expr, number: Expr) -> Apply:
    return op("index", value, number)


def _rows_of(use: Use, points: list[Point], place: Place) -> Iterator[Expr]:
    """A range between two points of the same kind: as many reads of points."""
    for number, each in enumerate(points):
        row = Use((each,), _row(whole(use, place.index), Const(float(number))), replace(use.source, steps=None))
        yield from at(row, place)


def _all_rows(use: Use, first: int, last: int, point: Point, place: Place) -> Iterator[Expr]:
    """The whole sequence, from a number up to T + last."""
    if (isinstance(point, Fixed) and point.value < first) or (isinstance(point, Last) and point.offset > last):
        return
    row = _row(whole(use, place.index), less(Position(point), Const(float(first))))
    yield during(row, place.index, first=first, last=last) if isinstance(point, Running) else row


def _grown(use: Use, start: int, offset: int, point: Point, place: Place) -> Iterator[Expr]:
    """`k_{1:t+offset}`: what stands at a step is read by all that follow; the row is counted from the start."""
    assert use.source.steps is not None, "what grows runs"
    first, last = use.source.steps
    body: Expr = _row(pinned(use.value, place.index, Running(place.inner)), less(Position(point), Const(float(start))))
    upper = Last(place.index, last)
    match point:
        case Running():
            assert place.steps is not None, "what runs has a domain"
            if max(start, place.steps[0]) - offset < first:
                body = during(body, place.inner, first=first)
            sum_ = sum_over(body, place.inner, Running(place.index, -offset), upper)
            limits = {"first": start} if place.steps[0] < start else {}
            limits |= {"last": last + offset} if last + offset < 0 else {}
            yield during(sum_, place.index, **limits)
        case Fixed(value):
            if value >= start:
                yield sum_over(body, place.inner, Fixed(max(value - offset, first)), upper)
        case Last(_, distance):
            if distance - offset <= last:
                yield sum_over(body, place.inner, Last(place.index, distance - offset), upper)


def _shrunk(use: Use, offset: int, stop: int, point: Point, place: Place) -> Iterator[Expr]:
    """`r_{t+offset:T}`: what stands at a step is read by all before it; the row is counted from the reader."""
    assert use.source.steps is not None, "what shrinks runs"
    first, last = use.source.steps
    reader = Position(Running(place.inner, offset))
    body: Expr = _row(pinned(use.value, place.index, Running(place.inner)), less(Position(point), reader))
    lower = Fixed(first)
    match point:
        case Running():
            if -offset > last:
                body = during(body, place.inner, last=last)
            sum_ = sum_over(body, place.inner, lower, Running(place.index, -offset))
            assert place.steps is not None, "what runs has a domain"
            limits = {"first": first + offset} if first + offset > place.steps[0] else {}
            limits |= {"last": stop} if stop < 0 else {}
            yield during(sum_, place.index, **limits)
        case Fixed(value):
            if value - offset >= first:
                yield sum_over(body, place.inner, lower, Fixed(value - offset))
        case Last(_, distance):
            if distance <= stop:
                yield sum_over(body, place.inner, lower, Last(place.index, min(distance - offset, last)))
