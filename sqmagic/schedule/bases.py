"""Where recurrences that look back begin: their base cases, and what is missing of them.

A state with base cases starts one past the last of them; one without starts as soon as all that it reads is there.
So the equations without base cases must not form a cycle, and what the others read at their first step must be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqmagic.equations.show import show, show_state
from sqmagic.equations.system import Apply, Fixed, Range, Read, Running, System
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import NOWHERE, Source
from sqmagic.schedule.graph import stable_order, strong_components
from sqmagic.schedule.readings import Definers, Reading


def last_base(number: int, system: System, known: Definers) -> int | None:
    """The last number at which a base case gives a target of an equation: it holds from the next on."""
    given = [
        p.value for t in system.equations[number].targets for p in known.given.get(t.state, {}) if isinstance(p, Fixed)
    ]
    return max(given, default=None)


def lowest(state: str, start: int, known: Definers) -> int:
    """The first index of a state whose equation starts at `start`, its base cases before it counted."""
    numbers = {p.value for p in known.given.get(state, {}) if isinstance(p, Fixed)}
    while start - 1 in numbers:
        start -= 1
    return start


@dataclass(frozen=True, slots=True)
class Shortfall:
    """At its first step an equation reads what begins only at `begins`."""

    equation: int
    reading: Reading
    start: int
    begins: int


@dataclass(frozen=True, slots=True)
class Starts:
    """The first step of each equation of a recurrence that looks back, and what is not there in time."""

    first: Mapping[int, int]
    shortfalls: tuple[Shortfall, ...]


def starts(
    system: System, internal: Mapping[int, list[Reading]], known: Definers, outside: Mapping[int, int]
) -> Starts:
    """Where each equation starts. `outside` are the first steps at which its other reads allow it, where they bound it.

    The equations without base cases must form no cycle (`missing_bases`).
    """
    first: dict[int, int] = {}
    free: list[int] = []
    for number in internal:
        base = last_base(number, system, known)
        if base is None:
            free.append(number)
        else:
            first[number] = base + 1
    based = list(first)
    for number in _free_order(free, internal):
        bounds = [_earliest(r, _begins(r, first, known)) for r in internal[number]]
        first[number] = max([*bounds, *([outside[number]] if number in outside else [])], default=1)
    shortfalls = []
    for number in (*based, *free):
        for reading in internal[number]:
            begins = _begins(reading, first, known)
            if _earliest(reading, begins) > first[number] or _never(reading, begins):
                shortfalls.append(Shortfall(number, reading, first[number], begins))
    return Starts(first, tuple(shortfalls))


def _free_order(free: list[int], internal: Mapping[int, list[Reading]]) -> list[int]:
    place = {number: n for n, number in enumerate(free)}
    graph = [[place[d] for r in internal[number] for d in r.definers if d in place] for number in free]
    return [free[n] for n in stable_order(graph, lambda n: (n,))]


def _begins(reading: Reading, first: Mapping[int, int], known: Definers) -> int:
    """The first index of what is read within a recurrence."""
    return lowest(reading.read.state, first[known.running[reading.read.state]], known)


def _earliest(reading: Reading, begins: int) -> int:
    """The first step at which a read within a recurrence that looks back finds something."""
    match reading.read.context:
        case (Range(Fixed(value), Running(_, offset)),):
            return max(value, begins) - offset
        case (Running(_, offset),) | (Range(Running(_, offset), Running()),):
            return begins - offset
        case _:
            raise AssertionError("a recurrence that looks back reads at a distance or up to it")


def _never(reading: Reading, begins: int) -> bool:
    """Whether a range begins before what it reads does."""
    match reading.read.context:
        case (Range(Fixed(value), _),):
            return value < begins
        case _:
            return False


# --- what is missing -----------------------------------------------------------------------------


def missing_bases(
    system: System, internal: Mapping[int, list[Reading]], known: Definers, source: Source | None
) -> list[Problem]:
    """SQ402: a recurrence that begins nowhere; SQ403: base cases that do not reach back far enough."""
    free = [number for number in internal if last_base(number, system, known) is None]
    place = {number: n for n, number in enumerate(free)}
    graph = [[place[d] for r in internal[number] for d in r.definers if d in place] for number in free]
    knots = [k for k in strong_components(graph) if len(k) > 1 or k[0] in graph[k[0]]]
    inside = {free[n] for knot in knots for n in knot}
    if not inside:
        return [_short(s, system, source) for s in starts(system, internal, known, {}).shortfalls]
    found: dict[str, tuple[int, Reading]] = {}
    for number in sorted(inside):
        for reading in internal[number]:
            if reading.last != 0 and inside.intersection(reading.definers):
                found.setdefault(reading.read.state, (number, reading))
    needed: dict[str, set[int]] = {state: set() for state in found}
    for reading in (r for rs in internal.values() for r in rs if r.read.state in needed):
        needed[reading.read.state].update(_needs(reading))
    return [_no_base(n, r, sorted(needed[state]) or [0], system, known, source) for state, (n, r) in found.items()]


def _no_base(
    number: int, reading: Reading, needed: Sequence[int], system: System, known: Definers, source: Source | None
) -> Problem:
    state = reading.read.state
    message = f"`{show(reading.read)}` is read, and no base case says what `{_at(state, needed[-1])}` is"
    value = system.equations[known.running[state]].value
    fresh = isinstance(value, Apply) and value.op == "step"
    lines = [f"{'reset()' if fresh else '0'} -> {_written(state, n)}" for n in reversed(needed)]
    return _with_lines("SQ402", message, lines, number, system, source)


def _needs(reading: Reading) -> Sequence[int]:
    """The indices that a read finds at step 1 before the recurrence has made any."""
    match reading.read.context:
        case (Range(Fixed(value), Running()),):
            return (value,)
        case _ if reading.first is not None:
            return range(1 + reading.first, 1)
        case _:
            return ()


def _short(shortfall: Shortfall, system: System, source: Source | None) -> Problem:
    reading, start = shortfall.reading, shortfall.start
    own, state = system.equations[shortfall.equation].targets[0].state, reading.read.state
    match reading.read.context:
        case (Range(Fixed(value), Running(_, offset)),) if value >= shortfall.begins:
            state, missing = own, range(start, value - offset)
            reason = f"has nothing to read, as `{show(reading.read)}` begins at {value}"
        case (Range(Fixed(value), Running()),):
            missing = range(value, shortfall.begins)
            reason = f"needs `{_at(state, value)}`"
        case _:
            assert reading.first is not None, "a recurrence that looks back reads at a distance or up to it"
            missing = range(start + reading.first, shortfall.begins)
            reason = f"needs `{_at(state, missing[0])}`"
    message = f"`{_at(own, start)}` {reason}, and no base case gives it"
    lines = [f"0 -> {_written(state, n)}" for n in reversed(missing[:8])]
    return _with_lines("SQ403", message, lines, shortfall.equation, system, source)


def _with_lines(
    code: str, message: str, lines: list[str], number: int, system: System, source: Source | None
) -> Problem:
    """The lines to add, and after them the statement that needs them."""
    span = system.equations[number].span
    after = [source.text[span.start : span.stop]] if source is not None and span != NOWHERE else []
    return Problem(code, message, span, repair="\n".join([*lines, *after]))


def _at(state: str, index: int) -> str:
    return show_state(state, (Fixed(index),))


def _written(state: str, index: int) -> str:
    """A point of a state as its own line names it: within a macro a local has no prefix."""
    return show(Read(state.rpartition(".")[2], (Fixed(index),)))
