"""What a recurrence's kernel cannot compute and what needs nothing of the recurrence gets a name of its own, so that it
is computed for all steps before the recurrence runs: the row of a table, a function on inputs, what dropout draws.

Before: a settled System with its shapes, and one of its recurrences. After: a System with the same values, in which
equations of new names stand before those that read them. Dropout of what the recurrence computes is a product with a
mask, which is dropout of ones. What only torch knows, and what looks at all examples together, stays where it is.

So gets what is made of ranges up to T alone, whose rows are as many as there are steps: to a kernel it is a matrix that
stands still. Its plan is made as if there were `rows` of them (`lengths`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Equation,
    Expr,
    Fixed,
    Index,
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
from sqmagic.schedule.plan.lower import value
from sqmagic.schedule.plan.values import NotForKernels, Work

_STAYS = frozenset(("module", "batch_norm"))


@dataclass(frozen=True, slots=True)
class Beforehand:
    """The System, its shapes, and the new names; what ranges are made of has as many rows as are given in `shapes`, and
    -1 in `told`. The ranges have T + `more` rows, None if there are none."""

    system: System
    shapes: Shapes
    told: Shapes
    made: tuple[str, ...]
    more: int | None = None


@dataclass(slots=True)
class _Draft:
    shapes: dict[str, Shape]
    known: Shapes
    own: frozenset[str]
    equation: Equation
    index: str
    rows: int
    told: dict[str, Shape]
    more: set[int]
    ranges: dict[Expr, Read]
    made: list[Equation] = field(default_factory=list)


def beforehand(system: System, shapes: Shapes, component: Component, rows: int) -> Beforehand | None:
    """None where nothing can be taken out."""
    own = frozenset(component.states)
    states = dict(shapes.states)
    told: dict[str, Shape] = {}
    more: set[int] = set()
    ranges: dict[Expr, Read] = {}
    equations: list[Equation] = []
    made: list[str] = []
    for number, equation in enumerate(system.equations):
        if number in component.equations and len(equation.targets) == 1:
            draft = _Draft(states, shapes, own, equation, system.indices[0].name, rows, told, more, ranges)
            found = replace(equation, value=_apart(equation.value, draft))
            equations += draft.made
            made += [t.state for e in draft.made for t in e.targets]
            equation = found
        equations.append(equation)
    if not made or len(more) > 1:
        return None
    return Beforehand(
        replace(system, equations=tuple(equations)),
        replace(shapes, states=states),
        replace(shapes, states=states | told),
        tuple(dict.fromkeys(made)),
        next(iter(more), None),
    )


def _apart(expr: Expr, draft: _Draft) -> Expr:
    if _is_of_ranges(expr, draft):
        return _ranged(expr, draft)
    if not any(read.state in draft.own for read in reads(expr)):
        return _named(expr, draft) if _is_wanted(expr, draft) else expr
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
