"""At which steps each equation and goal holds, for every horizon at once.

Before: a System and its `Dependence`. After: `Domains`, a fact beside them. An equation holds at the steps at which
all that it reads is there, after its base cases and before what is given at the end, never past T, and from 1 where
nothing bounds it below. A recurrence that looks ahead ends, all its states together, where what else it reads ends;
what it reads past that is zero, or what the program gives there. A goal counts where all that it reads is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from sqmagic.equations.show import show, show_goal, show_state, show_target
from sqmagic.equations.system import Fixed, Input, Last, Range, Read, Running, System, runs
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Span
from sqmagic.schedule.bases import last_base, lowest, starts
from sqmagic.schedule.bounds import Bound, Nowhere, Reach, bound
from sqmagic.schedule.dependence import Component, Dependence, dependence
from sqmagic.schedule.graph import least
from sqmagic.schedule.readings import Definers, Given, Reading
from sqmagic.schedule.too_early import There, begins_too_late, never_there


@dataclass(frozen=True, slots=True)
class Interval:
    """Steps `first` up to T + `last`, both ends included."""

    first: int
    last: int

    @property
    def horizon(self) -> int:
        """The least T for which a step is left."""
        return max(1, self.first - self.last)

    def steps(self, horizon: int) -> range:
        """The steps for T = horizon; none where it is too short."""
        return range(self.first, horizon + self.last + 1)


@dataclass(frozen=True, slots=True)
class Domains:
    """Where everything is defined.

    `states` has every state over time, inputs too, and says where its equation holds; `bases` where the program gives
    it besides (`h_0`, `A_{T+1}`). `equations` and `goals` go by number, None where they hold once for an example.
    `horizon` is the least T for which every state and goal has a value. What depends on a problem is left out.
    """

    states: Mapping[str, Interval]
    bases: Mapping[str, tuple[Given, ...]]
    equations: tuple[Interval | None, ...]
    goals: tuple[Interval | None, ...]
    horizon: int
    problems: tuple[Problem, ...]

    def rows(self, state: str) -> Interval:
        """All steps at which a state over time has a value: those of its equation, and what is given beside them."""
        given, own = self.bases.get(state, ()), self.states[state]
        numbers = {p.value for p in given if isinstance(p, Fixed)}
        offsets = {p.offset for p in given if isinstance(p, Last)}
        first, last = own.first, own.last
        while first - 1 in numbers:
            first -= 1
        while last + 1 in offsets:
            last += 1
        return Interval(first, last)


def domains(system: System, facts: Dependence | None = None) -> Domains:
    """The domains of a System; `facts` is its dependence, computed if it is not given.

    Problems: SQ405 something is read where it never is, so that nothing is defined; SQ406 a gap between what is given
    and what is computed, or read; as a warning, SQ408 a value given at the end that nothing reaches.
    """
    facts = facts or dependence(system)
    work = _Work(system, facts, [None] * len(system.equations))
    for each in system.inputs:
        _input(each, work)
    for component in facts.components:
        if not _computed(component, work):
            work.lost |= set(component.states)
    goals = tuple(_goal(number, work) for number in range(len(system.goals)))
    return Domains(
        states=work.states,
        bases={state: tuple(points) for state, points in facts.definers.given.items()},
        equations=tuple(work.equations),
        goals=goals,
        horizon=max([work.horizon, *(i.horizon for i in goals if i is not None)]),
        problems=tuple(work.problems),
    )


@dataclass(slots=True)
class _Work:
    """What is known so far. `lost` are the states that a problem leaves undefined."""

    system: System
    facts: Dependence
    equations: list[Interval | None]
    states: dict[str, Interval] = field(default_factory=dict)
    reach: dict[str, Reach] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    horizon: int = 1

    @property
    def there(self) -> There:
        return There(self.system, self.facts.definers, self.reach)

    def refuse(self, code: str, message: str, span: Span, *notes: str) -> None:
        self.problems.append(Problem(code, message, span, notes))


def _input(each: Input, work: _Work) -> None:
    match each.first, each.last:
        case _ if not each.indexed:
            pass
        case Fixed(first), Last(_, last):
            work.states[each.state] = Interval(first, last)
            work.reach[each.state] = Reach(first, last)
        case _:
            message = f"the rows of `{each.state}` must run from a number to the end of the window"
            work.refuse("SQ405", message, each.span, f"declare `{each.state}_{{0:T}}`.")
            work.lost.add(each.state)


# --- what the reads of one equation or goal allow ------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Limits:
    """Steps `low` (None: no bound) up to T + `high`; `by` is the read that gives `low`."""

    low: int | None
    high: int | None
    by: Read | None


def _limits(name: str, span: Span, readings: Iterable[Reading], work: _Work) -> _Limits | None:
    """What some reads allow together; None where one of them is undefined, which is reported once."""
    low, high, by = None, None, None
    for reading in readings:
        read = reading.read
        given = work.facts.definers.given.get(read.state, {})
        reach = work.reach.get(read.state)
        if read.state in work.lost or (read.context and reach is None and not given):
            return None
        match bound(read, reach, given):
            case Nowhere(reason):
                message = f"`{name}` is defined at no step: {reason}"
                work.problems.append(never_there(message, read, name.rpartition(".")[0], span, work.there))
                return None
            case Bound(first, last, horizon):
                if first is not None and (low is None or first > low):
                    low, by = first, read
                if last is not None:
                    high = last if high is None else min(high, last)
                work.horizon = max(work.horizon, horizon)
    return _Limits(low, high, by)


def _goal(number: int, work: _Work) -> Interval | None:
    """A goal counts where all that it reads is there, and is not held to the window by a step of its own."""
    goal = work.system.goals[number]
    limits = _limits(show_goal(goal), goal.span, work.facts.goals[number], work)
    if limits is None or not runs(goal.value):
        return None
    return Interval(1 if limits.low is None else limits.low, 0 if limits.high is None else limits.high)


# --- components ----------------------------------------------------------------------------------


def _computed(component: Component, work: _Work) -> bool:
    """Finds the domains of a component; whether it has any."""
    inside = set(component.equations)
    internal: dict[int, list[Reading]] = {}
    limits: dict[int, _Limits] = {}
    if component.kind == "fault":
        return False
    for number in component.equations:
        equation = work.system.equations[number]
        found = [r for r in work.facts.readings[number] if r.must]
        internal[number] = [r for r in found if inside.intersection(r.definers)]
        outside = [r for r in found if not inside.intersection(r.definers)]
        name = ", ".join(show_target(t) for t in equation.targets) or show(equation.value)
        each = _limits(name, equation.span, outside, work)
        if each is None:
            return False
        limits[number] = each
    match component.kind:
        case "once":
            return True
        case "parallel":
            domain = _at_once(component.equations[0], limits, work)
        case "forward scan":
            domain = _forward(internal, limits, work)
        case "reverse scan":
            domain = _reverse(internal, limits, work)
        case _:
            assert_never(component.kind)
    for number, interval in domain.items():
        _settle(number, interval, limits[number].by, work)
    return bool(domain)


Domain: TypeAlias = dict[int, Interval]
"""The intervals of a component's equations, by number."""


def _at_once(number: int, limits: Mapping[int, _Limits], work: _Work) -> Domain:
    low = _low(number, limits, work)
    return {number: Interval(1 if low is None else low, _high(number, limits, work))}


def _low(number: int, limits: Mapping[int, _Limits], work: _Work) -> int | None:
    """The first step that the reads from outside and the base cases allow; None without any."""
    base = last_base(number, work.system, work.facts.definers)
    found = [n for n in (limits[number].low, None if base is None else base + 1) if n is not None]
    return max(found, default=None)


def _high(number: int, limits: Mapping[int, _Limits], work: _Work) -> int:
    """The last step, relative to T, that the window, the reads from outside and what is given at the end allow."""
    high = limits[number].high
    ends = [p.offset - 1 for t in work.system.equations[number].targets for p in _ends(t.state, work)]
    return min([0, *([] if high is None else [high]), *ends])


def _ends(state: str, work: _Work) -> list[Last]:
    return [p for p in work.facts.definers.given.get(state, {}) if isinstance(p, Last)]


# --- recurrences ---------------------------------------------------------------------------------


def _forward(internal: Mapping[int, list[Reading]], limits: Mapping[int, _Limits], work: _Work) -> Domain:
    """A recurrence that looks back: from its base cases on, as long as what it reads lasts."""
    known = work.facts.definers
    outside = {number: each.low for number, each in limits.items() if each.low is not None}
    found = starts(work.system, internal, known, outside)
    missing = [(short.equation, short.reading.read, short.begins) for short in found.shortfalls]
    missing += [
        (n, each.by, work.reach[each.by.state].low)
        for n, each in limits.items()
        if each.by and outside[n] > found.first[n]
    ]
    if missing:
        work.problems += [begins_too_late(n, read, found.first[n], begins, work.there) for n, read, begins in missing]
        return {}

    def lasts(reading: Reading, high: int) -> int:
        assert reading.last is not None, "what looks back does not reach to the end"
        return _highest(reading.read.state, high, known) - reading.last

    last = least({n: _high(n, limits, work) for n in internal}, _readers(internal, known), lasts)
    return {number: Interval(found.first[number], last[number]) for number in internal}


def _reverse(internal: Mapping[int, list[Reading]], limits: Mapping[int, _Limits], work: _Work) -> Domain:
    """A recurrence that looks ahead: all of it ends where the first thing that it reads ends."""
    known = work.facts.definers
    high = min(_high(number, limits, work) for number in internal)
    for reading in (r for found in internal.values() for r in found):
        match reading.read.context:
            case (Range(Running(_, start), Last(_, stop)),):
                high = min(high, stop - start)

    def opposite(reading: Reading, low: int) -> int:
        assert reading.first is not None, "what looks ahead does not reach to the beginning"
        return reading.first - lowest(reading.read.state, -low, known)

    gaps = [gap for state, ahead in _farthest(internal).items() for gap in _gaps_ahead(state, high, ahead, work)]
    if gaps:
        work.problems += gaps
        return {}
    lows = {number: _low(number, limits, work) for number in internal}
    lows |= {n: 1 for n, low in lows.items() if low is None and not internal[n]}  # nothing bounds it: from 1
    first = least({n: -low for n, low in lows.items() if low is not None}, _readers(internal, known), opposite)
    return {number: Interval(-first.get(number, -1), high) for number in internal}


def _farthest(internal: Mapping[int, list[Reading]]) -> dict[str, int]:
    """How far ahead a recurrence reads each of its own states, where that is bounded."""
    found: dict[str, int] = {}
    for reading in (r for each in internal.values() for r in each):
        if reading.last is not None:
            found[reading.read.state] = max(found.get(reading.read.state, 0), reading.last)
    return found


def _gaps_ahead(state: str, high: int, ahead: int, work: _Work) -> Iterator[Problem]:
    """Where a recurrence that ends at T + `high` and reads a state `ahead` meets a value past others that the program
    does not give: whether those are zero would be a guess."""
    end = _highest(state, high, work.facts.definers)
    for far in sorted(_ends(state, work), key=lambda p: p.offset):
        if end + 1 < far.offset <= high + ahead:
            one, *lacking = (show_state(state, (Last(far.index, n),)) for n in range(far.offset, end, -1))
            message = f"`{one}` is given, but `{lacking[-1]}` is neither given nor computed"
            span = work.system.equations[work.facts.definers.given[state][far]].span
            yield Problem("SQ406", message, span, before="\n".join(f"0 -> {each}" for each in reversed(lacking)))
            return


def _readers(internal: Mapping[int, list[Reading]], known: Definers) -> dict[int, list[tuple[int, Reading]]]:
    """Who reads what an equation over time makes."""
    found: dict[int, list[tuple[int, Reading]]] = {number: [] for number in internal}
    for number, readings in internal.items():
        for reading in readings:
            found[known.running[reading.read.state]].append((number, reading))
    return found


# --- what is found -------------------------------------------------------------------------------


def _settle(number: int, interval: Interval, by: Read | None, work: _Work) -> None:
    """Notes where an equation holds and how far its states reach, and reports gaps beside what is given."""
    equation = work.system.equations[number]
    work.equations[number] = interval
    for target in equation.targets:
        state, known = target.state, work.facts.definers
        reach = Reach(lowest(state, interval.first, known), _highest(state, interval.last, known))
        work.states[state] = interval
        work.reach[state] = reach
        work.horizon = max(work.horizon, reach.low - reach.high, interval.first - interval.last - 1)
        given = known.given.get(state, {})
        early = [p.value for p in given if isinstance(p, Fixed) and p.value < reach.low]
        late = sorted(p.offset for p in given if isinstance(p, Last) and p.offset > reach.high)
        if early:
            _gap(state, max(early), by, equation.span, work)
        if late:
            _unreached(state, reach.high, late[0], equation.span, work)


def _highest(state: str, last: int, known: Definers) -> int:
    """The last index, relative to T, of a state whose equation ends at T + `last`, what is given at the end counted."""
    offsets = {p.offset for p in known.given.get(state, {}) if isinstance(p, Last)}
    while last + 1 in offsets:
        last += 1
    return last


def _gap(state: str, given: int, by: Read | None, span: Span, work: _Work) -> None:
    one, other = (show_state(state, (Fixed(n),)) for n in (given, given + 1))
    notes = () if by is None else (f"`{show(by)}` is not there yet: give `{other}` a value too.",)
    work.refuse("SQ406", f"`{one}` is given, but `{other}` is neither given nor computed", span, *notes)


def _unreached(state: str, high: int, offset: int, span: Span, work: _Work) -> None:
    """Something is given at the end, and what is computed ends before it."""
    index = work.system.indices[0].name if work.system.indices else "t"
    one, other = (show_state(state, (Last(index, n),)) for n in (offset, high))
    message = f"`{one}` is given, but what is computed ends at `{other}`"
    if offset <= 0:
        work.refuse("SQ406", message, span)
    else:
        note = f"`{one}` is not used: what is read past `{other}` is zero in a recurrence, and nowhere else defined."
        work.problems.append(Problem("SQ408", message, span, (note,), severity="warning"))
