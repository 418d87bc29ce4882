"""What a recurrence's kernel cannot compute and what needs nothing of the recurrence gets a name of its own, so that it
is computed for all steps before the recurrence runs: the row of a table, a function on inputs, what dropout draws.

Before: a settled System with its shapes, and one of its recurrences. After: a System with the same values, in which
equations of new names stand before those that read them. Dropout of what the recurrence computes is a product with a
mask, which is dropout of ones. What only torch knows, and what looks at all examples together, stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Equation,
    Expr,
    Read,
    Running,
    System,
    Target,
    children,
    reads,
    walk,
    with_children,
)
from sqmagic.schedule.dependence import Component
from sqmagic.schedule.plan.lower import value
from sqmagic.schedule.plan.values import NotForKernels, Work

_STAYS = frozenset(("module", "batch_norm"))


@dataclass(frozen=True, slots=True)
class Beforehand:
    """The System, its shapes, and the new names."""

    system: System
    shapes: Shapes
    made: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    shapes: dict[str, Shape]
    known: Shapes
    own: frozenset[str]
    equation: Equation
    index: str
    made: list[Equation] = field(default_factory=list)


def beforehand(system: System, shapes: Shapes, component: Component) -> Beforehand | None:
    """None where nothing can be taken out."""
    own = frozenset(component.states)
    states = dict(shapes.states)
    equations: list[Equation] = []
    made: list[str] = []
    for number, equation in enumerate(system.equations):
        if number in component.equations and len(equation.targets) == 1:
            draft = _Draft(states, shapes, own, equation, system.indices[0].name)
            found = replace(equation, value=_apart(equation.value, draft))
            equations += draft.made
            made += [t.state for e in draft.made for t in e.targets]
            equation = found
        equations.append(equation)
    if not made:
        return None
    return Beforehand(
        replace(system, equations=tuple(equations)), replace(shapes, states=states), tuple(dict.fromkeys(made))
    )


def _apart(expr: Expr, draft: _Draft) -> Expr:
    if not any(read.state in draft.own for read in reads(expr)):
        return _named(expr, draft) if _is_wanted(expr, draft) else expr
    if isinstance(expr, Apply) and expr.op == "dropout" and (shape := _shape(expr, draft)):
        ones = _made(Const(1.0), (1,), draft, (Running(draft.index),))
        draft.shapes[ones.state] = shape
        mask = _made(replace(expr, args=(ones,)), shape, draft, (Running(draft.index),))
        return Apply("mul", (_apart(expr.args[0], draft), mask))
    return with_children(expr, tuple(_apart(child, draft) for child in children(expr)))


def _is_wanted(expr: Expr, draft: _Draft) -> bool:
    """Whether it is a vector that no kernel computes, and may be computed elsewhere."""
    ops = {node.op for node in walk(expr) if isinstance(node, Apply)}
    if not ops or ops & _STAYS or not _shape(expr, draft):
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
    over_time = any(isinstance(index, Running) for index in _indices(expr))
    return _made(expr, shape, draft, (Running(draft.index),) if over_time else ())


def _indices(expr: Expr) -> Iterator[object]:
    for read in reads(expr):
        for index in read.context:
            yield from (
                (index,)
                if isinstance(index, Running)
                else (getattr(index, "first", None), getattr(index, "last", None))
            )


def _made(expr: Expr, shape: Shape, draft: _Draft, context: Context) -> Read:
    """A name for an expression."""
    number = 1
    while (name := f"{draft.equation.targets[0].state}.ready{number}") in draft.shapes:
        number += 1
    draft.shapes[name] = shape
    draft.made.append(replace(draft.equation, targets=(Target(name, context),), value=expr))
    return Read(name, context)
