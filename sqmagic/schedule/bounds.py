"""What one read allows: the steps at which it finds something, given where the state that it reads is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqmagic.equations.show import show, show_state
from sqmagic.equations.system import Fixed, Last, Range, Read, Running
from sqmagic.schedule.readings import Given


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a state is there without a gap, base cases counted: steps `low` up to T + `high`."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Bound:
    """Steps `low` up to T + `high`, where these are bounds; and the least T for which the read finds anything."""

    low: int | None = None
    high: int | None = None
    horizon: int = 1


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A read that finds something at no step, and why, in the notation's words."""

    reason: str


def bound(read: Read, reach: Reach | None, given: Collection[Given]) -> Bound | Nowhere:
    """The steps at which a read finds something. `reach` is None for a state that is only given at points."""
    match read.context:
        case (Fixed() | Last() as point,) if point in given:
            return Bound()
        case ():
            return Bound()
        case _ if reach is None:
            return Nowhere(f"`{show(read)}` is read, but it is not given")
        case (Range(first, last),):
            return _range(read, first, last, reach)
        case (Running(_, offset),):
            return Bound(reach.low - offset, reach.high - offset)
        case (Fixed(value),):
            return Bound(horizon=value - reach.high) if reach.low <= value else _early(read, reach)
        case (Last(_, offset),):
            return Bound(horizon=reach.low - offset) if offset <= reach.high else _late(read, reach)
        case _:
            return Nowhere(f"`{show(read)}` cannot be computed so far: it has two indices")


def _range(read: Read, first: object, last: object, reach: Reach) -> Bound | Nowhere:
    """A range must lie within what is there, and hold a step at least."""
    match first, last:
        case (Running(_, a), Running(_, b)) if a <= b:
            return Bound(reach.low - a, reach.high - b)
        case (Fixed(a), Running(_, b)):
            return Bound(a - b, reach.high - b) if reach.low <= a else _early(read, reach)
        case (Running(_, a), Last(_, b)):
            return Bound(reach.low - a, b - a) if b <= reach.high else _late(read, reach)
        case (Fixed(a), Fixed(b)) if a <= b:
            return Bound(horizon=b - reach.high) if reach.low <= a else _early(read, reach)
        case (Fixed(a), Last(_, b)):
            if reach.low <= a and b <= reach.high:
                return Bound(horizon=a - b)
            return _early(read, reach) if reach.low > a else _late(read, reach)
        case (Last(_, a), Last(_, b)) if a <= b:
            return Bound(horizon=reach.low - a) if b <= reach.high else _late(read, reach)
        case _:
            return Nowhere(f"the range of `{show(read)}` does not run from an earlier step to a later one")


def _early(read: Read, reach: Reach) -> Nowhere:
    begins = show_state(read.state, (Fixed(reach.low),))
    return Nowhere(f"`{show(read)}` is read, but the first that is there is `{begins}`")


def _late(read: Read, reach: Reach) -> Nowhere:
    index = _lasts(read)[0]
    ends = show_state(read.state, (Last(index, reach.high),))
    return Nowhere(f"`{show(read)}` is read, but the last that is there is `{ends}`")


def _lasts(read: Read) -> list[str]:
    ends = [e for i in read.context for e in ((i.first, i.last) if isinstance(i, Range) else (i,))]
    return [e.index for e in ends if isinstance(e, Last)]
