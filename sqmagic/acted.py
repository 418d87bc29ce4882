"""Programs that act, from what is understood to torch source: the part of the pipeline that only they need.

    System --bound--> System --infer, settle--> System --logits, with_copies, with_collected--> System
    System --phases--> acting, learning

The environment says what it shows and what it takes; `bound` puts that down as declarations. The two phases become one
page: `act` of the one, `forward` and `loss` of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqmagic.calculus.collected import with_collected
from sqmagic.calculus.copies import with_copies
from sqmagic.calculus.logits import SUFFIX, logits
from sqmagic.calculus.phases import Phases, phases
from sqmagic.emit.torch.acting import Plan, acting
from sqmagic.emit.torch.facts import gather
from sqmagic.emit.torch.sequences import collecting
from sqmagic.emit.torch.write import emit
from sqmagic.equations.elaborate.lines import World
from sqmagic.equations.shapes import Measure, Shapes, infer, settle
from sqmagic.equations.system import Apply, Declared, Input, Read, Size, System
from sqmagic.equations.within import within
from sqmagic.kernels import ScanPage, scan_pages
from sqmagic.notation.problems import NotationError
from sqmagic.notation.source import Source
from sqmagic.planned import planned
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains
from sqmagic.schedule.plan.facts import Part


@dataclass(frozen=True, slots=True)
class Acted:
    """A program that acts: its page, the shapes of its states, its phases, the scans of learning, their plan, and the
    steps at which learning's equations hold."""

    source: str
    shapes: Shapes
    phases: Phases
    pages: tuple[ScanPage, ...]
    plan: tuple[Part, ...]
    steps: Domains


def bound(system: System, world: World) -> System:
    """The System in which what the environment shows and takes is declared, and what buffers give of it."""
    told = {d.state for d in system.declared}
    told |= {i.state for i in system.inputs if i.sizes is not None}
    found = {d.state: d for d in _declared(system, world) if d.state not in told}
    for equation in (e for e in system.equations if isinstance(e.value, Apply) and e.value.op == "Get"):
        assert isinstance(equation.value, Apply), "it is a call"
        fields = _fields(system, equation.value.layer)
        for target, name in zip(equation.targets, fields, strict=False):
            if name in found and target.state not in told:
                found.setdefault(target.state, replace(found[name], state=target.state))
    given = {i.state for i in system.inputs}
    inputs = tuple(_as_declared(i, found) for i in system.inputs)
    return replace(system, inputs=inputs, declared=(*system.declared, *(d for s, d in found.items() if s not in given)))


def _as_declared(item: Input, found: Mapping[str, Declared]) -> Input:
    own = found.get(item.state)
    return item if own is None else replace(item, sizes=own.sizes, kind=own.kind)


def _declared(system: System, world: World) -> Iterator[Declared]:
    for equation in system.equations:
        match equation.value:
            case Apply("reset"):
                seen = [t.state for t in equation.targets[1:2]]
            case Apply("step", (_, *actions)):
                seen = [t.state for t in (*equation.targets[1:2], *equation.targets[5:6])]
                for action in actions:
                    if isinstance(action, Read):
                        yield _action(action.state, world)
            case _:
                continue
        for state in seen:
            sizes = (Size(world.values),) if world.values else tuple(map(Size, world.shape or (1,)))
            yield Declared(state, sizes, "class" if world.values else "real")


def _action(state: str, world: World) -> Declared:
    if world.actions:
        return Declared(state, (Size(world.actions),), "action")
    return Declared(state, tuple(map(Size, world.action_shape or (1,))))


def _fields(system: System, name: str | None) -> tuple[str, ...]:
    """What is put into a buffer, by the names of the states."""
    for equation in system.equations:
        match equation.value:
            case Apply("Add", args, layer) if layer == name:
                return tuple(a.state if isinstance(a, Read) else "" for a in args)
            case _:
                pass
    return ()


class Stored(NamedTuple):
    """A buffer that a program declares: how much it holds, its settings, and what its fields are called."""

    name: str
    capacity: int
    settings: Mapping[str, float]
    fields: tuple[str, ...]


def stored(system: System, sizes: Mapping[str, int]) -> Iterator[Stored]:
    """The buffers of a program."""
    for own in system.buffers:
        given = own.capacity.value
        capacity = sizes.get(given, 0) if isinstance(given, str) else given
        settings = {name: float(value) for name, value in own.settings}
        yield Stored(own.name, capacity, settings, _fields(system, own.name))


def generate_acted(
    name: str,
    system: System,
    world: World,
    source: Source,
    sizes: Mapping[str, int],
    width: int,
    measure: Measure | None = None,
) -> Acted:
    """The page of a program bound to an environment. Raises NotationError where shapes clash."""
    known = bound(system, world)
    found = infer(known, sizes=sizes, width=width, measure=measure, source=source)
    errors = [p for p in found.problems if p.severity == "error"]
    if errors:
        raise NotationError(errors, source)
    whole, shapes = with_copies(logits(within(settle(known, found), found.varying)), found)
    whole, shapes = with_collected(whole, _with_logits(whole, shapes))
    held = domains(whole, dependence(whole, source))
    parts = phases(whole, _rows(held))
    before = {name: shapes.states[state] for name, (state, _) in parts.carried.items()}
    shapes = replace(shapes, states={**shapes.states, **before})
    facts = gather(parts.acting, shapes, domains(parts.acting, dependence(parts.acting)), recorded=True)
    methods = acting(facts, Plan(parts.recorded, parts.carried, parts.behaved, shapes.integers))
    if parts.collecting is not None:
        order = dependence(parts.collecting)
        methods += [
            collecting(gather(parts.collecting, shapes, domains(parts.collecting, order), recorded=True), order)
        ]
    order = dependence(parts.learning, source)
    steps = domains(parts.learning, order)
    pages = scan_pages(parts.learning, shapes, order, steps, recorded=True)
    page = emit(parts.learning, shapes, order, steps, name, pages, acting=methods)
    told = planned(parts.learning, shapes, order, steps, pages)
    return Acted(page, shapes, parts, tuple(pages.values()), told, steps)


def _with_logits(system: System, shapes: Shapes) -> Shapes:
    states = dict.fromkeys(t.state for e in system.equations for t in e.targets)
    named = {s: shapes.states[s.removesuffix(SUFFIX)] for s in states if s not in shapes.states}
    return replace(shapes, states={**shapes.states, **named})


def _rows(held: Domains) -> dict[str, tuple[int, int]]:
    """The first row of each state, base cases that adjoin it counted, and the last, counted from T."""
    return {state: (held.rows(state).first, own.last) for state, own in held.states.items()}
