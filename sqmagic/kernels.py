"""The recurrences of a program as compiled C: from the plan to what runs them.

System --scans--> Scan --alone, adjoint, reverse--> the way back --write--> pages of C --> ScanProgram

Kernels are made from the program as it is, and not as `faster` rewrites it for torch. In C, which products are computed
together and what is multiplied for all steps beforehand is how weights lie in memory: gates on the same operands are
panels side by side, and a projection of the inputs is taken out of the loop only for few examples, which is known when
it runs; for many, to write its rows and read them again costs more than it saves. As torch code the same are other
equations. So the two share nothing but what they compute: the method that kernels stand in for takes the states that
the recurrence of the program reads, and gives its states; what rules took out of its loop stands in the method, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from sqmagic.calculus.adjoint import adjoint
from sqmagic.emit.c import engine, header
from sqmagic.emit.c.gradients import given_memories
from sqmagic.emit.c.memories import SEEN, with_seen
from sqmagic.emit.c.names import point
from sqmagic.emit.c.places import moved
from sqmagic.emit.c.write import Interface
from sqmagic.emit.c.write import write as write_c
from sqmagic.emit.torch.facts import optional_inputs
from sqmagic.emit.torch.scans import ScanMethod
from sqmagic.emit.torch.write import Faster, prepared_method, scan_methods
from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.system import Apply, Context, Fixed, Last, Read, Running, System, reads, walk
from sqmagic.schedule.dependence import Dependence, dependence
from sqmagic.schedule.domains import Domains, domains
from sqmagic.schedule.plan.alone import GIVEN, Alone, alone
from sqmagic.schedule.plan.beforehand import beforehand
from sqmagic.schedule.plan.lengths import AS_IF, Differ, merged
from sqmagic.schedule.plan.memories import joined
from sqmagic.schedule.plan.readouts import with_readouts
from sqmagic.schedule.plan.reverse import Reverse, reverse
from sqmagic.schedule.plan.scans import Held, Scan, scans, seeing
from sqmagic.schedule.plan.values import NotForKernels

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqmagic.runtime.kernels.program import Backward, OwnState, ScanProgram, Weights


class WayBack(NamedTuple):
    """The way back through a scan, the scan by itself of which it is the adjoint, and its page of C with what that
    takes."""

    way: Reverse
    apart: Alone
    page: str
    interface: Interface


@dataclass(frozen=True, slots=True)
class ScanPage:
    """A scan as the plan has it, the method that computes it in torch, and the page of C with what that takes; the same
    of its way back, or why there is none. `outside` are the states that others read. `ready` is a method that
    computes what the scan is given besides, `made`, if there is any: the method's places go on with its results.
    `matrices` are the shapes of states that are no vectors, `widths` how many components each state has. Of what reads
    ranges of T + `more` rows, `other` is the page as if they were another number; the text is for any.
    """

    scan: Scan
    method: ScanMethod
    outside: frozenset[str]
    page: str
    interface: Interface
    back: WayBack | str
    ready: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
    matrices: Mapping[str, Shape] = field(default_factory=dict)
    widths: Mapping[str, int] = field(default_factory=dict)
    other: ScanPage | None = None
    more: int = 0

    @property
    def kept(self) -> tuple[str, ...]:
        """The states whose rows are kept for the way back."""
        return () if isinstance(self.back, str) else tuple(sorted(self.back.way.kept))


def scan_pages(
    system: System,
    shapes: Shapes,
    order: Dependence,
    held: Domains,
    faster: Faster | None = None,
    *,
    recorded: bool = False,
) -> dict[int, ScanPage]:
    """The scans that kernels can run, by the number of their component; `faster` is the program that torch runs.

    Of a program that acts (`recorded`) they are those of learning.
    """
    asked = scans(system, shapes, order, held)
    whole_of = partial(_whole, system, shapes, order, held)
    wholes = {n: whole_of(n, scan, AS_IF[0]) for n, scan in asked.items()}
    found = {n: whole for n, whole in wholes.items() if whole is not None}
    methods = scan_methods(system, shapes, order, held, faster, found, recorded=recorded)
    made = {}
    for number, whole in found.items():
        page = _page(whole, methods[number])
        if page is not None and whole.more is not None:
            other = whole_of(number, asked[number], AS_IF[1])
            page = _of_any_length(page, None if other is None else _page(other, methods[number]), whole)
        if page is not None:
            made[number] = page
    return made


def _of_any_length(page: ScanPage, other: ScanPage | None, whole: _Whole) -> ScanPage | None:
    """A page for ranges of any number of rows from two, each for a number of its own."""
    assert whole.more is not None, "there are ranges"
    if other is None or isinstance(page.back, str) or isinstance(other.back, str):
        return None
    beside = whole.more - (whole.scan.steps.last - whole.scan.steps.first + 1)
    seen = [memory.seen for memory in whole.scan.memories.values()]
    rows = SEEN if seen else moved("s->steps", beside)
    try:
        pages = merged(page.page, other.page, rows), merged(page.back.page, other.back.page, rows)
    except Differ:
        return None
    there, back = (with_seen(each, seen[0], beside) for each in pages) if seen else pages
    return replace(page, page=there, back=page.back._replace(page=back), other=other, more=whole.more)


@dataclass(frozen=True, slots=True)
class _Whole:
    """A scan in the program that it is of, the component `number`: as it is, or with names for what is computed
    beforehand."""

    system: System
    shapes: Shapes
    order: Dependence
    held: Domains
    number: int
    scan: Scan
    made: tuple[str, ...] = ()
    told: Shapes | None = None
    more: int | None = None


def _whole(
    system: System, shapes: Shapes, order: Dependence, held: Domains, number: int, scan: Scan | str, rows: int
) -> _Whole | None:
    if isinstance(scan, Scan):
        return _Whole(system, shapes, order, held, number, scan)
    named = beforehand(system, shapes, order.components[number], held, rows)
    if named is None:
        return None
    anew = dependence(named.system)
    steps = domains(named.system, anew)
    seen = {t.state for e in named.system.equations for t in e.targets} - {*shapes.states, *named.made}
    if any(memory.state for memory in named.memories.values()):
        anew = joined(anew, frozenset(order.components[number].states) | seen)
    anew = with_readouts(named.system, named.shapes, anew, steps, optional_inputs(named.system))
    kind, states = order.components[number].kind, order.components[number].states
    same = (n for n, c in enumerate(anew.components) if (c.kind, {*c.states} - seen) == (kind, {*states}))
    again = next(same, -1)
    if anew.problems or steps.problems or any(steps.states[s] != held.states[s] for s in states):
        return None
    found = scans(named.system, named.shapes, anew, steps).get(again)
    if not isinstance(found, Scan):
        return None
    try:
        found = seeing(found, named.memories)
    except NotForKernels:
        return None
    return _Whole(named.system, named.shapes, anew, steps, again, found, named.made, named.told, named.more)


def _page(whole: _Whole, method: ScanMethod) -> ScanPage | None:
    """None where the method is not given all that the scan needs."""
    system, shapes, scan, ready = whole.system, whole.shapes, whole.scan, None
    given = [name for name in whole.made if name in scan.rows or name in {still.state for still in scan.stills}]
    if given:
        ready = prepared_method(system, whole.told or shapes, whole.order, whole.held, method, whole.made, given)
        if ready is None:
            return None
        more: dict[tuple[str, Context], int] = {(name, ()): len(method.arguments) + n for n, name in enumerate(given)}
        method = replace(method, places={**method.places, **more})
    if not _given(scan, method):
        return None
    outside = frozenset(method.states) if _draws(whole) else _outside(system, whole.order, whole.number)
    back: WayBack | str
    try:
        back = _way_back(system, shapes, whole.held, scan, outside)
        scan = back.way.forward
    except NotForKernels as reason:
        back = str(reason)
    states = {*method.states, *(state for state, _ in method.places)}
    matrices = {state: shapes.states[state] for state in states if len(shapes.states[state]) > 1}
    widths = {state: prod(shapes.states[state]) for state in states}
    return ScanPage(scan, method, outside, *write_c(scan), back, tuple(ready or ()), tuple(given), matrices, widths)


def _draws(whole: _Whole) -> bool:
    """Whether chance has a part in it: then no state can be computed later, for it would be another."""
    made = [e.value for e in whole.system.equations if any(t.state in whole.made for t in e.targets)]
    return any(isinstance(node, Apply) and node.op == "dropout" for value in made for node in walk(value))


def _given(scan: Scan, method: ScanMethod) -> bool:
    """Whether the method is given all that the scan reads."""
    needs = [*((s.state, s.context) for s in scan.stills), *((state, ()) for state in scan.rows)]
    return all(each in method.places for each in needs)


def _way_back(system: System, shapes: Shapes, held: Domains, scan: Scan, outside: frozenset[str]) -> WayBack:
    """The adjoint of a scan as kernels run it. Raises NotForKernels."""
    apart = alone(system, shapes, held, scan, outside)
    order = dependence(apart.system)
    steps = domains(apart.system, order)
    if order.problems or steps.problems:
        raise NotForKernels("by itself it has no order")
    wanted = [name for name in apart.inputs if name not in shapes.integers]
    found = adjoint(apart.system, apart.shapes, steps, inputs=wanted)
    way = reverse(scan, apart, found.system, found.shapes, found.parameters, found.gradients)
    return WayBack(way, apart, *write_c(way.backward, way))


def _outside(system: System, order: Dependence, number: int) -> frozenset[str]:
    """The states of a component that others read; if none are, all that no equation reads."""
    own = set(order.components[number].states)
    inside = [system.equations[n] for n in order.components[number].equations]
    exprs = [e.value for e in system.equations if e not in inside] + [g.value for g in system.goals]
    found = own & {r.state for e in exprs for r in reads(e)}
    return frozenset(found or own - {r.state for e in inside for r in reads(e.value) if r.context and _here(r)} or own)


def _here(read: Read) -> bool:
    """Whether a read is of the reader's own step."""
    return all(isinstance(i, Running) and i.offset == 0 for i in read.context)


def program_of(page: ScanPage) -> ScanProgram:
    """A scan as what runs takes it."""
    from sqmagic.runtime.kernels import program as kernel

    found = _program_of(page)
    if page.other is None:
        return found
    return replace(found, ranged=kernel.Ranged(page.more, AS_IF, _program_of(page.other)))


def _program_of(page: ScanPage) -> ScanProgram:
    from sqmagic.runtime.kernels import program as kernel

    scan, method, interface = page.scan, page.method, page.interface
    needed = {plane.name for plane in scan.phases.planes if plane.needed}
    needed |= {memory.state for memory in scan.memories.values()}
    own, bases = [], []
    for state in (*method.states, *(s for s in scan.held if s not in method.states)):
        own.append(_own(state, scan.held[state], interface, needed, shape=page.matrices.get(state, ())))
        beside = [*method.before.get(state, ()), *method.after.get(state, ())]
        bases += [kernel.Base(interface.bases[state, k], method.places[state, point]) for k, point in enumerate(beside)]
    given = [kernel.Given(member, method.places[state, ()], True) for state, member in interface.rows.items()]
    given += [
        kernel.Given(interface.stills[s.state, point(s.context)], method.places[s.state, s.context], False)
        for s in scan.stills
    ]
    taken = {base.argument for base in bases} | {own.argument for own in given}
    return kernel.ScanProgram(
        method=method.name,
        page=kernel.Page(page.page, _headers(scan), interface.declaration),
        own=tuple(own),
        bases=tuple(bases),
        returned=len(method.states),
        outside=page.outside,
        horizon=method.arguments.index("T"),
        lengths=method.place("lengths") if interface.lengths else None,
        beyond=tuple(_beyond(scan, method)),
        more=scan.steps.last - scan.steps.first + 1,
        between=tuple(interface.between.items()),
        given=tuple(given),
        weights=_weights(scan, interface),
        backward=page.back if isinstance(page.back, str) else _backward(page, page.back),
        ready=f"{method.name}_ready" if page.ready else "",
        matrices=tuple(
            (at, page.matrices[state]) for (state, _), at in method.places.items() if state in page.matrices
        ),
        widths=tuple((at, page.widths[state]) for (state, _), at in method.places.items() if at in taken),
    )


def _headers(scan: Scan) -> tuple[tuple[str, str], ...]:
    return (*engine(), *([header("memories.h")] if scan.memories else []))


def _weights(scan: Scan, interface: Interface) -> tuple[Weights, ...]:
    from sqmagic.runtime.kernels.program import Weights

    return tuple(Weights(member, name, scan.parameters[name]) for name, member in interface.parameters.items())


def _beyond(scan: Scan, method: ScanMethod) -> Iterator[tuple[int, str]]:
    """The arguments by which examples end where C does not follow, and why."""
    end, lengths = method.place("end"), method.place("lengths")
    if end is not None:
        yield end, "it reads T"
    if lengths is not None and not scan.backward and any(held.ends for held in scan.held.values()):
        yield lengths, "it leads to rows past T that are given"


def _own(
    state: str,
    held: Held,
    interface: Interface,
    needed: Collection[str],
    single: Collection[str] = (),
    shape: Shape = (),
) -> OwnState:
    from sqmagic.runtime.kernels.program import OwnState

    rows = (held.before, held.after, held.ends, held.reach)
    return OwnState(state, interface.own[state], held.width, *rows, state in needed, state in single, shape)


def _backward(page: ScanPage, back: WayBack) -> Backward:
    """The way back through a scan as what runs takes it."""
    from sqmagic.runtime.kernels import program as kernel

    way, apart, text, interface = back
    forward, scan, method = way.forward, way.backward, page.method
    arguments = {name: method.places[key] for key, name in apart.points.items()}
    arguments |= {state: method.places[state, ()] for state in forward.rows}
    edge = {plane.name for plane in (scan.edge.planes if scan.edge else ()) if plane.needed}
    needed = {plane.name for plane in scan.phases.planes if plane.needed} | edge | way.added

    def source(state: str) -> tuple[kernel.Source, str | int, int]:
        """Whose rows they are, and the index of the first."""
        if state.endswith(GIVEN):
            name = state.removesuffix(GIVEN)
            return "adjoint", name, forward.held[name].first
        if state in forward.held:
            return "state", state, forward.held[state].first
        return "argument", arguments[state], forward.rows.get(state, scan.steps.first)

    def into(state: str, some: bool) -> str:
        return interface.gradients[state] if some else ""

    taken = []
    for state, member in interface.rows.items():
        kind, name, first = source(state)
        taken.append(kernel.Taken(member, kind, name, scan.rows[state] - first, True))
    taken += [
        kernel.Taken(interface.stills[s.state, ""], "argument", arguments[s.state], 0, False) for s in scan.stills
    ]
    bases = []
    for (state, at), name in apart.bases.items():
        if name in way.bases:
            place = method.places[state, (at,)]
            row = at.value - forward.held[state].first if isinstance(at, Fixed) else -forward.held[state].ends
            row += 0 if isinstance(at, Fixed) or not isinstance(at, Last) else at.offset - scan.steps.last - 1
            bases.append((place, f"^{name}", state if state in page.outside else "", row))
    return kernel.Backward(
        page=kernel.Page(text, _headers(scan), interface.declaration),
        own=tuple(_own(state, held, interface, needed, edge) for state, held in scan.held.items()),
        kept=way.kept,
        full=way.full,
        between=tuple(interface.between.items()),
        taken=tuple(taken),
        weights=_weights(scan, interface),
        parameters=tuple(
            (name, interface.gradients[name] if g.outers or g.sums else "") for name, g in way.parameters.items()
        ),
        arguments=(
            *((arguments[s], into(s, bool(g.throughs or g.rows)), True) for s, g in way.inputs.items()),
            *((arguments[s], into(s, bool(g.outers or g.sums)), False) for s, g in way.stills.items()),
            *((arguments[s], into(s, True), False) for s in given_memories(way)),
        ),
        bases=tuple(bases),
    )
