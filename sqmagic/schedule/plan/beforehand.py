"""What a recurrence's kernel cannot compute and what needs nothing of the recurrence gets a name of its own, so that it
is computed for all steps before the recurrence runs: the row of a table, a function on inputs, what dropout draws.

Before: a settled System with its shapes, and one of its recurrences. After: a System with the same values, in which
equations of new names stand before those that read them. Dropout of what the recurrence computes is a product with a
mask, which is dropout of ones. What only torch knows, and what looks at all examples together, stays where it is.

So gets what is made of ranges up to T alone, whose rows are as many as there are steps: to a kernel it is a matrix that
stands still. Its plan is made as if there were `rows` of them (`lengths`). And so do ranges that grow with t, of which
a step sees the first so many rows (`memories`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.shapes.forward import LEFT_OUT, shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Equation,
    Expr,
    Fixed,
    Index,
    Input,
    Last,
    Range,
    Read,
    Running,
    System,
    Target,
    children,
    reads,
    runs,
    walk,
    with_children,
)
from sqmagic.schedule.dependence import Component
from sqmagic.schedule.domains import Domains, Interval
from sqmagic.schedule.plan.lower import value
from sqmagic.schedule.plan.memories import Memory, held_at_step
from sqmagic.schedule.plan.values import NotForKernels, Work
from sqmagic.schedule.ranges import grows

_STAYS = frozenset(("module", "batch_norm"))


@dataclass(frozen=True, slots=True)
class Beforehand:
    """The System, its shapes, and the new names; what ranges are made of has as many rows as are given in `shapes`, and
    -1 in `told`. The ranges have T + `more` rows, None if there are none; `memories` are those that grow."""

    system: System
    shapes: Shapes
    told: Shapes
    made: tuple[str, ...]
    more: int | None = None
    memories: Mapping[str, Memory] = field(default_factory=dict)


@dataclass(slots=True)
class _Draft:
    """What is known and found so far: `own` are the states of the recurrence, `steps` those at which it runs forward if
    that is what it does; `equation` is the one at hand, and `made` stands before it."""

    shapes: dict[str, Shape]
    known: Shapes
    held: Domains
    own: frozenset[str]
    steps: Interval | None
    index: str
    rows: int
    equation: Equation
    told: dict[str, Shape] = field(default_factory=dict)
    more: set[int] = field(default_factory=set)
    ranges: dict[Expr, Read] = field(default_factory=dict)
    memories: dict[str, Memory] = field(default_factory=dict)
    made: list[Equation] = field(default_factory=list)


def beforehand(system: System, shapes: Shapes, component: Component, held: Domains, rows: int) -> Beforehand | None:
    """None where nothing can be taken out."""
    index, own = system.indices[0].name, frozenset(component.states)
    first = system.equations[component.equations[0]]
    draft = _Draft({**shapes.states}, shapes, held, own, _steps(component, held), index, rows, first)
    equations: list[Equation] = []
    for number, equation in enumerate(system.equations):
        if number in component.equations and len(equation.targets) == 1:
            draft.equation, made = equation, len(draft.made)
            found = replace(equation, value=_apart(equation.value, draft))
            equations += draft.made[made:]
            equations += held_at_step(found, draft.memories, draft.shapes, index)
        else:
            equations.append(equation)
    going = [name for name, memory in draft.memories.items() if memory.state]
    if not (draft.made or going) or len(draft.more) > 1 or (draft.memories and not _grow_alike(draft, equations)):
        return None
    return Beforehand(
        replace(
            system,
            inputs=(*system.inputs, *(Input(name, False) for name in going)),
            equations=tuple(equations),
        ),
        replace(shapes, states=draft.shapes),
        replace(shapes, states=draft.shapes | draft.told),
        tuple(dict.fromkeys(t.state for e in draft.made for t in e.targets)),
        next(iter(draft.more), None),
        draft.memories,
    )


def _steps(component: Component, held: Domains) -> Interval | None:
    found = {held.equations[n] for n in component.equations}
    return next(iter(found)) if len(found) == 1 and component.kind == "forward scan" else None


def _grow_alike(draft: _Draft, equations: Sequence[Equation]) -> bool:
    """Whether all ranges grow, each by the same, and no layer is applied to their rows: at each step its weights would
    have a gradient."""
    alike = len({memory.seen for memory in draft.memories.values()}) == 1 and draft.told.keys() <= draft.memories.keys()
    nodes = (n for e in equations if draft.own & {t.state for t in e.targets} for n in walk(e.value))
    operands = (n.args[0] for n in nodes if isinstance(n, Apply) and n.op == "dense")
    seeing = [o for o in operands if any(r.state in draft.memories for r in reads(o))]
    return alike and not any(_has_row_for_each(operand, draft) for operand in seeing)


def _has_row_for_each(expr: Expr, draft: _Draft) -> bool:
    """Whether what is made of a range has a row for each of its steps, or may have."""
    if any(isinstance(n, Apply) and n.op in LEFT_OUT for n in walk(expr)):
        return True
    return shape_of(expr, draft.shapes, draft.known.parameters)[0] == draft.rows


def _apart(expr: Expr, draft: _Draft) -> Expr:
    if _is_of_ranges(expr, draft):
        return _ranged(expr, draft)
    if (seen := _seen(expr, draft)) is not None:
        return seen
    if not any(read.state in draft.own for read in reads(expr)):
        if _is_wanted(expr, draft):
            return _named(expr, draft)
        return with_children(expr, tuple(_apart(c, draft) for c in children(expr))) if grows(expr) else expr
    if isinstance(expr, Apply) and expr.op == "dropout" and (shape := _shape(expr, draft)):
        ones = _made(Const(1.0), (1,), draft, (Running(draft.index),))
        draft.shapes[ones.state] = shape
        mask = _made(replace(expr, args=(ones,)), shape, draft, (Running(draft.index),))
        return Apply("mul", (_apart(expr.args[0], draft), mask))
    return with_children(expr, tuple(_apart(child, draft) for child in children(expr)))


def _is_of_ranges(expr: Expr, draft: _Draft) -> bool:
    """Whether it is made of ranges up to T, and is the same at all steps."""
    found = reads(expr)
    apart = not runs(expr) and not any(read.state in draft.own for read in found)
    ops = {node.op for node in walk(expr) if isinstance(node, Apply)}
    drawn = any(ALL_OPS[op].effect for op in ops) or ops & {*_STAYS, "dropout"}
    return apart and not drawn and any(_rows_more(i) is not None for r in found for i in r.context)


def _rows_more(index: Index) -> int | None:
    """Of a range of T + so many rows, how many."""
    match index:
        case Range(Fixed(first), Last(_, last)):
            return last - first + 1
        case _:
            return None


def _ranged(expr: Expr, draft: _Draft) -> Read:
    """A name for what is made of ranges, once for all places where it stands."""
    if expr in draft.ranges:
        return draft.ranges[expr]
    told = shape_of(expr, draft.shapes, draft.known.parameters)
    draft.more.update(more for r in reads(expr) for i in r.context if (more := _rows_more(i)) is not None)
    found = draft.ranges[expr] = _made(expr, tuple(draft.rows if n < 0 else n for n in told), draft, ())
    draft.told[found.state] = told
    return found


def _seen(expr: Expr, draft: _Draft) -> Read | None:
    """A name for a range that grows with t, or what is made of each of its rows: of other states for all steps
    beforehand, of the recurrence's own as it goes."""
    read = _row_by_row(expr)
    if expr in draft.ranges:
        return draft.ranges[expr]
    match read, draft.steps:
        case Read(state, (Range(Fixed(first), Running(_, last)),)), Interval(begin, end) if begin + last >= first:
            own = state in draft.own
        case _:
            return None
    if own and (expr != read or last >= 0 or any(m.state == state for m in draft.memories.values())):
        return None
    told = shape_of(expr, draft.shapes, draft.known.parameters)
    shape = tuple(draft.rows if n < 0 else n for n in told)
    stop = end if own or last < 0 <= draft.held.states[state].last - end else end + last
    if own:
        made = Read(f"{state}.past")
        draft.shapes[made.state] = shape
    else:
        made = _made(_up_to(expr, stop), shape, draft, ())
        draft.told[made.state] = told
    seen, beside = last - first + 1, stop - end + begin - first
    draft.more.add(stop - first + 1)
    draft.memories[made.state] = Memory(state if own else "", first, seen, beside, draft.rows, prod(shape[1:]))
    draft.ranges[expr] = made
    return made


def _row_by_row(expr: Expr) -> Read | None:
    """The range of which an expression makes something, the same of each row."""
    match expr:
        case Read(_, (Range(),)):
            return expr
        case Apply(op, (inner,)) if op == "dense" or ALL_OPS[op].pointwise:
            return _row_by_row(inner)
        case _:
            return None


def _up_to(expr: Expr, stop: int) -> Expr:
    """What is made of a range that grows, of one up to T + `stop`."""
    match expr:
        case Read(state, (Range(first, Running(index)),)):
            return Read(state, (Range(first, Last(index, stop)),))
        case _:
            return with_children(expr, tuple(_up_to(c, stop) for c in children(expr)))


def _is_wanted(expr: Expr, draft: _Draft) -> bool:
    """Whether it is a vector that no kernel computes, and may be computed elsewhere. Dropout of what stands still is
    drawn at each step: at all of them at once it would be one draw."""
    nodes = [node for node in walk(expr) if isinstance(node, Apply)]
    drawn_anew = any(node.op == "dropout" and not runs(node) for node in nodes)
    if not nodes or drawn_anew or any(node.op in _STAYS for node in nodes) or not _shape(expr, draft):
        return False
    try:
        value(expr, Work(draft.shapes, draft.known.parameters, {}, draft.own))
    except NotForKernels:
        return True
    return False


def _shape(expr: Expr, draft: _Draft) -> Shape | None:
    shape = shape_of(expr, draft.shapes, draft.known.parameters)
    return shape if len(shape) == 1 and shape[0] > 0 else None


def _named(expr: Expr, draft: _Draft) -> Read:
    shape = _shape(expr, draft)
    assert shape is not None, "it is a vector"
    return _made(expr, shape, draft, (Running(draft.index),) if runs(expr) else ())


def _made(expr: Expr, shape: Shape, draft: _Draft, context: Context) -> Read:
    """A name for an expression."""
    number = 1
    while (name := f"{draft.equation.targets[0].state}.ready{number}") in draft.shapes:
        number += 1
    draft.shapes[name] = shape
    draft.made.append(replace(draft.equation, targets=(Target(name, context),), value=expr))
    return Read(name, context)
