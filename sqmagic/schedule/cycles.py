"""Cycles within a step: a state that needs its own value before it is there, and the name that would break it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from sqmagic.equations.show import show, show_state
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Position,
    Range,
    Read,
    Running,
    System,
    Weight,
    reads,
)
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import NOWHERE, Source
from sqmagic.schedule.graph import shortest_cycle, strong_components
from sqmagic.schedule.readings import Reading, runs


def same_step(internal: Mapping[int, list[Reading]], inside: Collection[int]) -> dict[int, list[int]]:
    """For each member of a component, the members that it needs at its own step."""
    return {m: [d for r in rs if r.within_step for d in r.definers if d in inside] for m, rs in internal.items()}


@dataclass(frozen=True, slots=True)
class Cycle:
    """Equations each of which reads the next at the same step, the last the first."""

    equations: tuple[int, ...]

    def problem(
        self, system: System, internal: Mapping[int, list[Reading]], source: Source | None, *, offer: bool
    ) -> Problem:
        """SQ401, which names the cycle and, if that is asked for, offers the nearest name that would break it."""
        return _problem(self.equations, system, internal, source, offer)


def cycles(step: Mapping[int, list[int]], members: Sequence[int]) -> list[Cycle]:
    """For each knot of equations that need one another within a step, a shortest cycle, first equation first."""
    place = {member: n for n, member in enumerate(members)}
    graph = [[place[d] for d in step[m]] for m in members]
    found = []
    for knot in strong_components(graph):
        if len(knot) > 1 or knot[0] in graph[knot[0]]:
            found.append(Cycle(tuple(members[n] for n in shortest_cycle(graph, knot[0]))))
    return sorted(found, key=lambda cycle: cycle.equations)


def _problem(
    cycle: tuple[int, ...],
    system: System,
    internal: Mapping[int, list[Reading]],
    source: Source | None,
    offer: bool,
) -> Problem:
    links = list(zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    read = [_link(internal[reader], definer) for reader, definer in links]
    names = [_name(system.equations[number], read[n - 1]) for n, number in enumerate(cycle)]
    message = f"`{names[0]}` is defined by itself"
    if any(map(runs, (system.equations[n] for n in cycle))):
        message += " within a step"
    if len(cycle) > 1:
        message += ": " + ", ".join(f"`{name}` reads `{show(r)}`" for name, r in zip(names, read, strict=True))
    faulty = next((n for n, (reader, definer) in enumerate(links) if definer >= reader), 0)
    equation, wrong = system.equations[cycle[faulty]], read[faulty]
    if offer and _is_read_again(equation, internal[cycle[faulty]], links[faulty][1]):
        name = written(wrong)
        note = (
            f"it is read in several places: the result needs a name of its own, or each reads what is before `{name}`."
        )
        return Problem("SQ401", message, equation.span, notes=(note,))
    better = replacement(cycle[faulty], wrong, cycle, system) if offer else None
    if better is None:
        return Problem("SQ401", message, equation.span)
    repair = None if source is None else _repaired(equation, wrong, better, source)
    notes = () if repair is not None else (f"read `{written(better)}` in place of `{written(wrong)}`.",)
    return Problem("SQ401", message, equation.span, notes=notes, repair=repair)


def _link(found: Sequence[Reading], definer: int) -> Read:
    return next(r.read for r in found if r.within_step and definer in r.definers)


def _is_read_again(equation: Equation, found: Sequence[Reading], definer: int) -> bool:
    """Whether an equation needs another's value within the step in several places: one name changed breaks nothing."""
    linked = [r.read for r in found if r.within_step and definer in r.definers]
    return sum(read in linked for read in reads(equation.value)) > 1


def _name(equation: Equation, read: Read) -> str:
    """The output of an equation that the cycle goes through."""
    target = next((t for t in equation.targets if t.state == read.state), equation.targets[0])
    return show_state(target.state, target.context)


# --- the nearest name that would break it --------------------------------------------------------


def replacement(number: int, read: Read, cycle: Collection[int], system: System) -> Read | None:
    """What to read instead: what layers of the same form read, the nearest name that is there, or the step before."""
    match read.context:
        case (Range(first, Running(index, 0)),):
            return replace(read, context=(Range(first, Running(index, -1)),))
        case (Range(Running(index, 0), last),):
            return replace(read, context=(Range(Running(index, 1), last),))
        case (Running(index, 0),):
            barred = _depends_within_step(cycle, system)
            siblings = Counter(_siblings(number, read, system, barred))
            before = replace(read, context=(Running(index, -1),)) if len(cycle) > 1 else None
            return siblings.most_common(1)[0][0] if siblings else next(_preceding(number, read, system, barred), before)
        case _:
            return None


def _siblings(number: int, read: Read, system: System, barred: set[int]) -> list[Read]:
    """The reads that stand where the faulty one does, in other equations of the same form."""
    equation = system.equations[number]
    form, place = _form(equation.value), reads(equation.value).index(read)
    running = _running(system)
    found = []
    for other, sibling in enumerate(system.equations):
        if other not in barred and sibling.group == equation.group and _form(sibling.value) == form:
            candidate = reads(sibling.value)[place]
            if running.get(candidate.state) not in barred and _at_step(candidate):
                found.append(candidate)
    return found


def _form(expr: Expr) -> tuple[object, ...]:
    """An expression with its names left out: two gates of one cell have the same form."""
    match expr:
        case Apply(op, args, layer, attributes):
            return (op, layer is not None, attributes, *map(_form, args))
        case Read():
            return ("read",)
        case Weight():
            return ("weight",)
        case Const(value):
            return ("number", value)
        case Position():
            return ("position",)
        case _:
            assert_never(expr)


def _preceding(number: int, read: Read, system: System, barred: set[int]) -> Iterator[Read]:
    """States that come before an equation, the nearest first, that do not need the cycle within a step."""
    running = _running(system)
    for other in range(number - 1, -1, -1):
        equation = system.equations[other]
        if equation.group != system.equations[number].group:
            continue
        made = [Read(t.state, t.context) for t in equation.targets]
        for candidate in (*made, *reads(equation.value)):
            if candidate.state != read.state and _at_step(candidate) and running.get(candidate.state) not in barred:
                yield candidate


def _at_step(read: Read) -> bool:
    return len(read.context) == 1 and isinstance(read.context[0], Running) and read.context[0].offset == 0


def _running(system: System) -> dict[str, int]:
    return {
        t.state: number
        for number, equation in enumerate(system.equations)
        for t in equation.targets
        if t.context and isinstance(t.context[0], Running)
    }


def _depends_within_step(found: Collection[int], system: System) -> set[int]:
    """The equations that need one of these within a step, these included."""
    running = _running(system)
    readers: dict[int, list[int]] = {}
    for number, equation in enumerate(system.equations):
        for read in reads(equation.value):
            if _at_step(read) and read.state in running:
                readers.setdefault(running[read.state], []).append(number)
    barred, waiting = set(found), list(found)
    while waiting:
        for reader in readers.get(waiting.pop(), ()):
            if reader not in barred:
                barred.add(reader)
                waiting.append(reader)
    return barred


# --- the statement with one name changed ---------------------------------------------------------


def written(read: Read) -> str:
    """A state as its own line names it: within a macro a local has no prefix."""
    return show(replace(read, state=read.state.rpartition(".")[2]))


def _repaired(equation: Equation, read: Read, better: Read, source: Source) -> str | None:
    """The statement's own text, reading another name in the place of the faulty one; None if it cannot be found."""
    start, stop = equation.span.start, equation.span.stop
    if equation.span == NOWHERE:
        return None
    spellings = "|".join(re.escape(text) for text in (written(read), read.state.rpartition(".")[2]))
    name = re.compile(rf"(?<![\w'}}])(?:{spellings})(?![\w'{{])")
    place = read.span if start <= read.span.start < read.span.stop <= stop else equation.span
    found = name.search(source.text, place.start, place.stop)
    if found is None:
        return None
    return source.text[start : found.start()] + written(better) + source.text[found.end() : stop]
