"""The windows of a program that acts as compiled C: from its two phases to what runs them.

    acting   System --acted--> Acting --write_acting--> page of C
    learning System --adjoint, learned--> Learning --write_learning--> page of C

What acting and learning both compute is computed once where it can be: the equations of learning, in which the parts
that its adjoint reads have names, then stand in acting as well, and both pages work on the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

from sqmagic.calculus.adjoint import Adjoint, adjoint
from sqmagic.calculus.adjoint.rules import NoAdjoint
from sqmagic.calculus.phases import Phases
from sqmagic.emit.c import engine, header
from sqmagic.emit.c.acting import buffers_of, write_acting
from sqmagic.emit.c.learning import write_learning
from sqmagic.emit.c.window import WindowPage
from sqmagic.emit.torch.acting import followers
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Apply, Equation, Read, Running, System, Target, reads
from sqmagic.schedule.domains import Domains
from sqmagic.schedule.effects import is_acted
from sqmagic.schedule.plan.acting import Acting, Outside, acted
from sqmagic.schedule.plan.learning import Learning, learned
from sqmagic.schedule.plan.regions import Rows, flops
from sqmagic.schedule.plan.scans import Held
from sqmagic.schedule.plan.values import NotForKernels

if TYPE_CHECKING:
    from sqmagic.runtime.windows.program import ActingProgram, BufferUse, LearningProgram, WindowProgram, Windows

MOST = 1 << 18
"""Weights of a program that C learns: more do not stay in a near cache, and torch has several threads for them."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """Acting and learning with their pages, or why there is none; `kept` are states that learning takes from acting."""

    acting: tuple[Acting, WindowPage] | str
    learning: tuple[Learning, WindowPage] | str
    kept: tuple[str, ...]


def compiled(parts: Phases, shapes: Shapes, held: Domains) -> Compiled:
    """`held` are the domains of learning."""
    found = _adjoint(parts, shapes, held)
    kept = () if isinstance(found, str) or parts.drawn else tuple(_kept(parts, found, held))
    step = () if parts.drawn else _step(parts.acting)
    learning = _learned(found, kept, {}, step)
    acting = _acted(parts, shapes, found, () if isinstance(learning, str) else kept, {})
    if not isinstance(acting, str) and not isinstance(learning, str):
        also = _joint(acting.planes, learning.planes)
        acting, learning = _acted(parts, shapes, found, kept, also), _learned(found, kept, also, step)
    return Compiled(
        acting if isinstance(acting, str) else (acting, write_acting(acting)),
        learning if isinstance(learning, str) else (learning, write_learning(learning)),
        kept if not isinstance(acting, str) and not isinstance(learning, str) else (),
    )


def _adjoint(parts: Phases, shapes: Shapes, held: Domains) -> Adjoint | str:
    count = sum(prod(shape) for shape in shapes.parameters.values())
    if count > MOST:
        return f"it has {count:,} weights, and C learns up to {MOST:,}"
    if parts.collecting is not None:
        return "what is `old` is computed once a window"
    try:
        return adjoint(parts.learning, shapes, held)
    except NoAdjoint as reason:
        return str(reason)


def _step(acting: System) -> tuple[Target, ...]:
    """What the environment's step gives, if there is one of it."""
    found = [e.targets for e in acting.equations if isinstance(e.value, Apply) and e.value.op == "step"]
    return found[0] if len(found) == 1 else ()


def _learned(
    found: Adjoint | str, kept: tuple[str, ...], also: Mapping[str, Rows], step: tuple[Target, ...]
) -> Learning | str:
    if isinstance(found, str):
        return found
    try:
        known = {s: r for s, r in also.items() if s in found.shapes}
        return learned(found.system, Shapes(found.shapes, found.parameters), found.gradients, kept, known, step)
    except NotForKernels as reason:
        return str(reason)


def _acted(
    parts: Phases, shapes: Shapes, found: Adjoint | str, kept: tuple[str, ...], also: Mapping[str, Rows]
) -> Acting | str:
    system, states = parts.acting, dict(shapes.states)
    if not isinstance(found, str) and kept:
        states |= found.shapes
        there = {t.state for e in system.equations for t in e.targets}
        named = [
            e
            for e in found.forward
            if e.targets and (s := e.targets[0].state) in kept and (_computes(e) or s not in there)
        ]
        rest = [e for e in system.equations if not (is_acted(e) and e.targets and e.targets[0].state in kept)]
        system = replace(system, equations=(*rest, *named))
    try:
        return acted(system, states, shapes.parameters, parts.recorded, parts.carried.values(), parts.behaved, also)
    except NotForKernels as reason:
        return str(reason)


def _joint(one: Mapping[str, Held], other: Mapping[str, Held]) -> dict[str, Rows]:
    """The rows of states that both have, so that they are the same in both."""
    rows = [{s: Rows(h.first, h.after) for s, h in planes.items()} for planes in (one, other)]
    return {s: rows[0][s] | rows[1][s] for s in one if s in other}


# --- what is kept --------------------------------------------------------------------------------


def _kept(parts: Phases, found: Adjoint, held: Domains) -> Iterator[str]:
    """The states that acting and learning compute alike, and the named parts of these; none where a step reads a row
    that learning computes again with newer weights."""
    acting = {e.targets[0].state: e for e in parts.acting.equations if _computes(e)}
    learning = {e.targets[0].state: e for e in parts.learning.equations if _computes(e)}
    forward = {e.targets[0].state: e for e in found.forward if _computes(e)}
    both = {s for s, e in learning.items() if s in acting and acting[s].value == e.value}
    while True:
        stays = {s for s in both if all(_stays(r, learning, both, held) for r in reads(acting[s].value))}
        if stays == both:
            break
        both = stays
    parts_ = {s for s in forward if s not in learning}
    wanted, stack = dict.fromkeys(both), list(both)
    while stack:
        for read in reads(forward[stack.pop()].value):
            if read.state in parts_ and read.state not in wanted:
                wanted[read.state] = None
                stack.append(read.state)
    yield from wanted


def _computes(equation: Equation) -> bool:
    return len(equation.targets) == 1 and isinstance(next(iter(equation.targets[0].context), None), Running)


def _stays(read: Read, learning: Mapping[str, Equation], both: Collection[str], held: Domains) -> bool:
    """Whether a step from 1 on reads in learning what it read in acting."""
    if read.state not in learning:
        return True
    back = any(not isinstance(i, Running) or i.offset < 0 for i in read.context)
    return read.state in both and (not back or held.states[read.state].first > 0)


# --- what runs -----------------------------------------------------------------------------------


def windows_of(parts: Phases, shapes: Shapes, held: Domains) -> Windows:
    """Windows as what runs takes them; `held` are the domains of learning."""
    from sqmagic.runtime.windows.program import Windows

    made = compiled(parts, shapes, held)
    integers = shapes.integers
    acting = made.acting if isinstance(made.acting, str) else _acting_program(*made.acting, parts, integers)
    learning = made.learning if isinstance(made.learning, str) else _learning_program(*made.learning, made, parts)
    return Windows(acting, learning)


def _acting_program(plan: Acting, page: WindowPage, parts: Phases, integers: Collection[str]) -> ActingProgram:
    from sqmagic.runtime.windows.program import ActingProgram

    return ActingProgram(
        window=_window(page, plan, header("acting.h")),
        past=plan.past,
        recorded={s: rows for s, rows in parts.recorded.items() if s != plan.outside},
        carried=parts.carried,
        whole=frozenset(integers),
        drawn=plan.drawn,
        buffers=tuple(_buffers(plan)),
        behaved=bool(parts.behaved),
        outside=plan.outside,
    )


def _buffers(plan: Acting) -> Iterator[BufferUse]:
    from sqmagic.runtime.windows.program import BufferUse

    effects = [i for i in plan.items if isinstance(i, Outside)]
    for name in buffers_of(plan):
        put = next((i.arguments for i in effects if (i.op, i.thing) == ("Add", name)), ())
        drawn = next((i.targets for i in effects if (i.op, i.thing) == ("Get", name)), ())
        noise = tuple(t for i in effects if (i.op, i.thing) == ("gauss", name) for t in i.targets)
        yield BufferUse(name, tuple((a.state, plan.planes[a.state].width) for a in put), drawn, noise)


def _learning_program(plan: Learning, page: WindowPage, made: Compiled, parts: Phases) -> LearningProgram:
    from sqmagic.runtime.windows.program import LearningProgram

    acting = 0 if isinstance(made.acting, str) else flops(made.acting[0].regions)
    return LearningProgram(
        window=_window(page, plan, header("training.h")),
        inputs=plan.inputs,
        bases=plan.bases,
        numbers=plan.numbers,
        kept=made.kept,
        followers=tuple(_followers(parts.learning, plan)),
        flops=acting + flops(plan.regions),
        ends=tuple((r.ending.state, r.ending.like, r.ending.cut) for r in plan.regions if r.ending),
    )


def _followers(system: System, plan: Learning) -> Iterator[tuple[str, str, float]]:
    """The parameters of slowly moving copies, with those that they follow."""
    for copy, source, tau in followers(system):
        for name in (p for p in plan.parameters if p.startswith(f"{copy}.")):
            yield name, source + name.removeprefix(copy), tau


def _window(page: WindowPage, plan: Acting | Learning, top: tuple[str, str]) -> WindowProgram:
    from sqmagic.runtime.kernels.program import Page, Weights
    from sqmagic.runtime.windows.program import Plane, WindowProgram

    return WindowProgram(
        page=Page(page.text, (*engine(), top), ""),
        members=page.members,
        planes=tuple(Plane(s, page.states[s], h.first, h.after, h.width) for s, h in plan.planes.items()),
        between=tuple(page.between.items()),
        parameters=tuple(Weights(member, name, plan.parameters[name]) for name, member in page.parameters.items()),
        gradients=tuple((member, name) for name, member in page.gradients.items()),
    )
