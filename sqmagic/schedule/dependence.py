"""The order in which a System can be computed, and how: at once, forward or backward over time, or not at all.

Before: a System whose names are resolved. After: a `Dependence`, a fact beside it: strongly connected components of
equations, each after what it needs and otherwise as in the program, and the problems of those that have no order.
It does not ask at which steps an equation holds (`domains`). Time is linear in the size of the System.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.show import show, show_state
from sqmagic.equations.system import Apply, Expr, Fixed, Running, System, points, reads, walk
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source
from sqmagic.schedule.bases import missing_bases
from sqmagic.schedule.cycles import cycles, same_step
from sqmagic.schedule.graph import stable_order, strong_components
from sqmagic.schedule.readings import Definers, Reading, definers, readings, runs
from sqmagic.schedule.retiming import Retiming, Standstill, retiming

Kind: TypeAlias = Literal["once", "parallel", "forward scan", "reverse scan", "fault"]
"""How a component is computed: once for an example (bare states and points), for all steps at once, in a loop over
the steps from first to last, or from last to first. A fault cannot be computed."""

MOST_OFFERS = 20
"""A way out of a cycle is sought through the whole program: for so many cycles, and no more."""


@dataclass(frozen=True, slots=True)
class Component:
    """Equations that need one another, or a single one.

    `equations` are numbers, in an order in which one step can be computed. `distances` are the numbers of steps
    that the recurrence looks back (forward scan) or ahead (reverse scan), sorted; of a range without bound
    (`k_{1:t-1}`) the nearest. `growing` says that an equation stacks a range whose length changes with t
    (`k_{1:t}`), so that it needs a loop over t even where it is no recurrence. `effects` says that it acts on the
    outside. `shifts` are there where equations look both ways: by how many steps each runs ahead of the loop (then
    `distances` are those between the shifted equations). A recurrence may be joined with equations that read it: then
    these are its further `parts`.
    """

    states: tuple[str, ...]
    equations: tuple[int, ...]
    kind: Kind
    distances: tuple[int, ...] = ()
    growing: bool = False
    effects: bool = False
    shifts: tuple[int, ...] = ()
    parts: tuple[Component, ...] = ()

    @property
    def recurs(self) -> bool:
        """Whether it is a loop over the steps in which one step needs others."""
        return self.kind in ("forward scan", "reverse scan")

    @property
    def is_plain(self) -> bool:
        """Whether it is a recurrence that any code can take as it stands: it stacks no growing range, acts on nothing,
        and all its equations run at the loop's own step."""
        return self.recurs and not (self.growing or self.effects or self.shifts)

    @property
    def apart(self) -> tuple[Component, ...]:
        """Components none of which is joined from others."""
        return self.parts or (self,)


@dataclass(frozen=True, slots=True)
class Dependence:
    """What every equation and goal reads, the components in an order of computation, and what is wrong."""

    components: tuple[Component, ...]
    readings: tuple[tuple[Reading, ...], ...]
    goals: tuple[tuple[Reading, ...], ...]
    definers: Definers
    problems: tuple[Problem, ...]


def dependence(system: System, source: Source | None = None) -> Dependence:
    """How the equations of a System depend on one another.

    Problems: SQ401 a cycle within a step, SQ402 a recurrence without a base case, SQ403 one whose base cases do not
    suffice, SQ404 one that looks back and ahead so that no step could be the first, SQ407 two running indices. With
    `source`, the text of the program, repairs are whole statements.
    """
    known = definers(system)
    found = tuple(readings(e.value, known) for e in system.equations)
    goals = tuple(readings(g.value, known) for g in system.goals)
    several = _several_indices(system)
    problems = list(several)
    components: list[Component] = []
    for members in _ordered(system, found):
        offers = max(0, MOST_OFFERS - len(problems))
        component, faults = _classified(system, found, members, known, source, offers)
        components.append(component)
        problems += faults if not several else ()
    return Dependence(tuple(components), found, goals, known, tuple(problems))


def _ordered(system: System, found: Sequence[tuple[Reading, ...]]) -> list[list[int]]:
    """The components, each after what it needs; what is computed once before what runs, else as in the program."""
    graph = [[d for reading in each for d in reading.definers] for each in found]
    components = strong_components(graph)
    home = {member: number for number, members in enumerate(components) for member in members}
    needs = [{home[d] for m in members for d in graph[m]} - {number} for number, members in enumerate(components)]

    def rank(number: int) -> tuple[int, ...]:
        first = components[number][0]
        return (runs(system.equations[first]), first)

    return [components[number] for number in stable_order(needs, rank)]


def _classified(
    system: System,
    found: Sequence[tuple[Reading, ...]],
    members: list[int],
    known: Definers,
    source: Source | None,
    offers: int,
) -> tuple[Component, Sequence[Problem]]:
    inside = set(members)
    internal = {m: [r for r in found[m] if inside.intersection(r.definers)] for m in members}
    step = same_step(internal, inside)
    knots = cycles(step, members)
    problems: Sequence[Problem] = ()
    shifts: Mapping[int, int] = {}
    if not any(internal.values()):
        kind: Kind = "parallel" if runs(system.equations[members[0]]) else "once"
    elif knots:
        kind, problems = (
            "fault",
            [knot.problem(system, internal, source, offer=n < offers) for n, knot in enumerate(knots)],
        )
    else:
        kind, shifts, problems = _scan(system, internal, known, source)
        step = _within_shifted(internal, inside, shifts) if shifts else step
    ordered = tuple(members if knots else _step_order(step, members))
    equations = [system.equations[m] for m in members]
    component = Component(
        states=tuple(dict.fromkeys(t.state for e in equations for t in e.targets)),
        equations=ordered,
        kind=kind,
        distances=() if kind == "fault" else _distances(internal, shifts),
        growing=any(r.growing for m in members for r in found[m]),
        effects=any(has_effect(e.value) for e in equations),
        shifts=tuple(shifts[n] for n in ordered) if shifts else (),
    )
    return component, problems


def _scan(
    system: System, internal: Mapping[int, list[Reading]], known: Definers, source: Source | None
) -> tuple[Kind, Mapping[int, int], Sequence[Problem]]:
    """Which way a recurrence runs; where it looks both ways, by how much its equations are shifted."""
    back = next(((m, r) for m, rs in internal.items() for r in rs if r.looks_back), None)
    ahead = next(((m, r) for m, rs in internal.items() for r in rs if r.looks_ahead), None)
    shifts: Mapping[int, int] = {}
    if back and ahead:
        match retiming(internal, internal):
            case Retiming(backward, found):
                shifts, ahead = found, ahead if backward else None
            case Standstill(equations):
                return "fault", {}, [_needs_itself(system, equations, internal)]
            case None:
                return "fault", {}, [_both_ways(system, back, ahead)]
    if ahead:
        return "reverse scan", shifts, ()
    must = {m: [r for r in rs if r.must] for m, rs in internal.items()}
    problems = missing_bases(system, must, known, source)
    return ("fault", {}, problems) if problems else ("forward scan", shifts, ())


def _within_shifted(
    internal: Mapping[int, list[Reading]], inside: Collection[int], shifts: Mapping[int, int]
) -> dict[int, list[int]]:
    """For each member, the members that it needs in the same turn of the loop."""
    found: dict[int, list[int]] = {m: [] for m in inside}
    for m, reads_of in internal.items():
        for r in reads_of:
            assert r.first is not None and r.last is not None, "what looks both ways reads at distances"
            for d in r.definers:
                if d in inside and r.first <= shifts[d] - shifts[m] <= r.last:
                    found[m].append(d)
    return found


def _needs_itself(system: System, cycle: tuple[int, ...], internal: Mapping[int, list[Reading]]) -> Problem:
    """SQ404: a way round whose distances add up to nothing, each step of it said at its own index."""
    said, at = [], 0
    index = system.indices[0].name
    for number, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
        read = next(r.read for r in internal[number] if other in r.definers)
        context = tuple(i for i in read.context if isinstance(i, Running))
        offset = context[0].offset if context else 0
        own = show_state(system.equations[number].targets[0].state, (Running(index, at),))
        at += offset
        said.append(f"`{own}` reads `{show_state(read.state, (Running(index, at),))}`")
    message = f"`{_name(system, cycle[0])}` is defined by itself: {', '.join(said)}"
    return Problem("SQ404", message, system.equations[cycle[0]].span)


def _both_ways(system: System, back: tuple[int, Reading], ahead: tuple[int, Reading]) -> Problem:
    (earlier, past), (later, future) = back, ahead
    one, other = _name(system, earlier), _name(system, later)
    both = "it" if one == other else f"`{other}`"
    message = (
        f"`{one}` looks back at `{show(past.read)}` and {both} looks ahead at `{show(future.read)}`: "
        "there is no step to begin with"
    )
    return Problem("SQ404", message, system.equations[later].span)


def _name(system: System, number: int) -> str:
    target = system.equations[number].targets[0]
    return show_state(target.state, target.context)


def _step_order(step: Mapping[int, list[int]], members: list[int]) -> list[int]:
    """The members in an order in which one step can be computed."""
    place = {member: n for n, member in enumerate(members)}
    order = stable_order([[place[d] for d in step[m]] for m in members], lambda n: (n,))
    return [members[n] for n in order]


def _distances(internal: Mapping[int, list[Reading]], shifts: Mapping[int, int]) -> tuple[int, ...]:
    found: set[int] = set()
    for m, reading in ((m, r) for m, rs in internal.items() for r in rs):
        near_first = reading.last if reading.first is None else reading.first
        near_last = reading.first if reading.last is None else reading.last
        assert near_first is not None and near_last is not None, "a recurrence within the whole sequence is a fault"
        moved = {shifts[m] - shifts[d] for d in reading.definers if d in shifts and m in shifts} or {0}
        found.update(abs(offset + by) for offset in range(near_first, near_last + 1) for by in moved)
    return tuple(sorted(found - {0}))


def has_effect(expr: Expr) -> bool:
    """Whether a value acts on the outside, so that it is computed in the program's order, once a step."""
    return any(isinstance(node, Apply) and ALL_OPS[node.op].effect for node in walk(expr))


def _several_indices(system: System) -> Sequence[Problem]:
    """States with two indices, or over another index than the rest, are understood, but nothing computes them yet."""
    own = system.indices[0].name if system.indices else ""
    for equation in system.equations:
        placed = [(t.state, t.context) for t in equation.targets]
        placed += [(r.state, r.context) for r in reads(equation.value)]
        for state, context in placed:
            if len(context) > 1:
                message = f"`{show_state(state, context)}` has two indices, and only one can be computed over so far"
                note = "write the layers out, each with a number: `h_{t,1}`, `h_{t,2}`."
                return [Problem("SQ407", message, equation.span, notes=(note,))]
            other = [p.index for i in context for p in points(i) if not isinstance(p, Fixed) and p.index != own]
            if other:
                message = (
                    f"`{show_state(state, context)}` runs over `{other[0]}`, and only `{own}` can be computed over"
                )
                return [Problem("SQ407", message, equation.span, notes=(_FIRST,))]
    return []


_FIRST = "the first index that `over` names is the one that runs."
