"""Where a picture marks what is wrong with a program."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from sqmagic.equations.system import System, walk
from sqmagic.notation.source import NOWHERE, Placed, Span


@dataclass(frozen=True, slots=True)
class Faults:
    """The places of faulty equations, goals, operators and reads, and the states whose own lines could not be read."""

    spans: frozenset[Span] = frozenset()
    states: frozenset[str] = frozenset()


NO_FAULTS = Faults()


def faults(system: System, places: Iterable[Span], lost: Collection[str]) -> Faults:
    """What to mark for problems at some places of the user's text: the smallest drawn thing that holds each place.

    `lost` are the states whose lines the System leaves out.
    """
    drawn = {placed.span for placed in _placed(system)} - {NOWHERE}
    found = (_smallest(drawn, place) for place in places if place != NOWHERE)
    return Faults(frozenset(span for span in found if span is not None), frozenset(lost))


def _smallest(drawn: Collection[Span], place: Span) -> Span | None:
    holding = [s for s in drawn if s.start <= place.start and place.stop <= s.stop]
    return min(holding, key=lambda s: s.stop - s.start, default=None)


def _placed(system: System) -> Iterator[Placed]:
    yield from (*system.equations, *system.goals)
    for value in (*(e.value for e in system.equations), *(g.value for g in system.goals)):
        yield from walk(value)
