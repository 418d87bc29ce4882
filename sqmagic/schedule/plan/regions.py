"""A program over a whole window as regions: equations that are computed together, step by step, one region after the
other.

Before: Systems whose shapes and domains are known. After: `Region`s, each with the phases of its step, and the rows
that every state has in memory. What is in no recurrence joins others that hold at the same steps; a recurrence is a
region of its own. States are vectors, and all of them keep all their rows. `NotForKernels` says why one cannot be.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqmagic.equations.shapes import Shape
from sqmagic.equations.system import Equation, Expr, Fixed, Last, Range, Read, Running, System, reads
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Domains, Interval
from sqmagic.schedule.plan.endings import Ending
from sqmagic.schedule.plan.lower import vector
from sqmagic.schedule.plan.nodes import Row, Still
from sqmagic.schedule.plan.phases import phases
from sqmagic.schedule.plan.scans import MOST, Held, Scan, used_parameters
from sqmagic.schedule.plan.values import NotForKernels, Work

WINDOW = Interval(1, 0)
"""The steps of a window, by which rows are counted."""


@dataclass(frozen=True, slots=True)
class Region:
    """Steps from the first to T + the last, or backward, at each of which the phases of `scan` give its states; `kept`
    says that acting has computed those from 1 on already."""

    steps: Interval
    backward: bool
    scan: Scan
    kept: bool = False
    recurrent: bool = False
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a state: the first, and the last counted from T."""

    first: int
    last: int

    def __or__(self, other: Rows) -> Rows:
        return Rows(min(self.first, other.first), max(self.last, other.last))


@dataclass(frozen=True, slots=True)
class Known:
    """What regions are made from: shapes, those of parameters, bare states that are numbers, and the planes of all
    states over time; `whole` says that goals are among what is computed."""

    states: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    constants: Mapping[str, Expr]
    planes: Mapping[str, Held]
    whole: bool = False


@dataclass(slots=True)
class Gathered:
    """The equations of a region, before their phases are known."""

    steps: Interval
    backward: bool
    recurrent: bool
    kept: bool
    equations: list[Equation] = field(default_factory=list)
    ending: Ending | None = None

    @property
    def alone(self) -> bool:
        """Whether nothing else may be computed with it."""
        return self.recurrent or self.ending is not None


def gathered(
    system: System,
    order: Dependence,
    held: Domains,
    numbers: Iterable[int],
    kept: Collection[str] = (),
    endings: Sequence[Ending] = (),
) -> list[Gathered]:
    """The equations with these numbers, which run over time, in regions; `kept` are states that need not be computed
    again. What an ending is like comes before all others: it needs nothing of them."""
    wanted, found = set(numbers), list[Gathered]()
    home: dict[str, int] = {}
    at_end = {e.state: e for e in endings}
    early = {part for e in endings for part in e.parts}
    for component in sorted(order.components, key=lambda c: not _is_of(system, c, early)):
        own = [n for n in component.equations if n in wanted]
        if not own:
            continue
        equations = [system.equations[n] for n in own]
        steps = _steps(component, held, own)
        again = all(t.state in kept for e in equations for t in e.targets)
        new = Gathered(steps, component.kind == "reverse scan", component.kind != "parallel", again)
        new.ending = at_end.get(equations[0].targets[0].state)
        place = _place(new, equations, home, found)
        if place == len(found):
            found.append(new)
        found[place].equations += equations
        home |= {t.state: place for e in equations for t in e.targets}
    return found


def _is_of(system: System, component: Component, states: Collection[str]) -> bool:
    return any(t.state in states for n in component.equations for t in system.equations[n].targets)


def _steps(component: Component, held: Domains, numbers: Sequence[int]) -> Interval:
    if component.growing:
        raise NotForKernels("it stacks a range whose length changes with t")
    if any(component.shifts):
        raise NotForKernels("states of a recurrence are computed at different steps")
    intervals = {held.equations[n] for n in numbers}
    if len(intervals) > 1:
        raise NotForKernels("equations of a recurrence hold at different steps")
    (steps,) = intervals
    assert steps is not None, "it runs over steps"
    return steps


def _place(new: Gathered, equations: Sequence[Equation], home: Mapping[str, int], found: Sequence[Gathered]) -> int:
    """The first region after all that is read, with the same steps; what is read there at another step is not there."""
    least = 0
    for read in (r for e in equations for r in reads(e.value) if r.state in home):
        here = all(isinstance(i, Running) and i.offset == 0 for i in read.context)
        least = max(least, home[read.state] + (not here or found[home[read.state]].alone))
    for place in range(least, len(found)):
        other = found[place]
        if not new.alone and not other.alone and (other.steps, other.kept) == (new.steps, new.kept):
            return place
    return len(found)


# --- rows ----------------------------------------------------------------------------------------


def with_rows(found: dict[str, Rows], state: str, rows: Rows) -> None:
    found[state] = found[state] | rows if state in found else rows


def read_rows(equations: Iterable[Equation], steps: Interval) -> Iterator[tuple[str, Rows]]:
    """The rows that equations at these steps write and read."""
    for equation in equations:
        for target in equation.targets:
            yield target.state, Rows(steps.first, steps.last)
        for read in reads(equation.value):
            for offset in offsets(read):
                yield read.state, Rows(steps.first + offset, steps.last + offset)


def offsets(read: Read) -> Iterator[int]:
    """How many steps away a read over time is."""
    for index in read.context:
        match index:
            case Running(_, offset):
                yield offset
            case Range():
                raise NotForKernels(f"it reads a range of `{read.state}`")
            case Fixed() | Last():
                raise NotForKernels(f"it reads a point of `{read.state}`")


def planes(rows: Mapping[str, Rows], shapes: Mapping[str, Shape]) -> dict[str, Held]:
    """Rows as scans have them: before the first step of the window, and after the last."""
    return {s: Held(r.first, 1 - r.first, r.last, 0, width_of(s, shapes), 0) for s, r in rows.items()}


def width_of(state: str, shapes: Mapping[str, Shape]) -> int:
    if len(shapes[state]) != 1:
        raise NotForKernels(f"`{state}` is no vector")
    return shapes[state][0]


# --- phases --------------------------------------------------------------------------------------


def region(wanted: Gathered, known: Known) -> Region:
    """A region with its phases: what others compute is read from memory."""
    equations = wanted.equations
    own = {t.state for e in equations for t in e.targets}
    held = known.planes
    work = Work(known.states, known.parameters, known.constants, frozenset(held), whole=known.whole)
    for state in held:
        if state not in own:
            work.values[state] = work.graph.put(Row(state, 0, held[state].width, True))
    values: dict[str, int] = {}
    for equation in equations:
        if len(equation.targets) > 1:
            raise NotForKernels("a function has several results")
        state = equation.targets[0].state
        values[state] = work.values[state] = vector(equation.value, held[state].width, work)
    found = phases(work.graph, values, values)
    if sum(map(len, found.phases)) > MOST:
        raise NotForKernels(f"compiling a step of {sum(map(len, found.phases))} phases would take long")
    for node in work.graph.nodes:
        if isinstance(node, Still):
            raise NotForKernels(f"it reads `{node.state}`, which stands still")
    scan = Scan(
        component=0,
        equations=tuple(equations),
        steps=WINDOW,
        backward=wanted.backward,
        nodes=tuple(work.graph.nodes),
        values=values,
        phases=found,
        held=held,
        rows={},
        stills=(),
        parameters={p: known.parameters[p] for p in used_parameters(work.graph)},
    )
    return Region(wanted.steps, wanted.backward, scan, wanted.kept, wanted.recurrent, wanted.ending)


def with_wide_planes(regions: Sequence[Region]) -> tuple[Region, ...]:
    """Values in between stand in memory of one name, whatever their region: as wide as the widest."""
    widths: dict[str, int] = {}
    for each in regions:
        for plane in each.scan.phases.planes:
            widths[plane.name] = max(widths.get(plane.name, 0), plane.width)
    found = []
    for each in regions:
        own = tuple(replace(p, width=widths[p.name]) for p in each.scan.phases.planes)
        found.append(replace(each, scan=replace(each.scan, phases=replace(each.scan.phases, planes=own))))
    return tuple(found)


def all_parameters(regions: Iterable[Region]) -> dict[str, Shape]:
    return {name: shape for each in regions for name, shape in each.scan.parameters.items()}


def flops(regions: Iterable[Region]) -> int:
    """Of the products, for an example at a step."""
    return sum(each.scan.flops for each in regions)
