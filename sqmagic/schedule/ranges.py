"""Ranges that grow or shrink with t, at all steps at once: what lies outside of a step's own range is left out there.

`softmax(k_{1:t} @ q_t) @ v_{1:t}` is, for all steps, a product of matrices, a softmax of rows in which what is later
has no share, and another product. So is whatever goes through a range by products, functions of each of its numbers,
softmaxes and reductions; the sum of a range of scalars is a running sum. `form` tells how the parts of such an
expression lie along the range; it is None for what has to be computed step by step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import SCALAR, shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Fixed,
    Last,
    Position,
    Range,
    Read,
    Running,
    Weight,
    reads,
    runs,
)

APART = frozenset(("during", "window_sum", "batch_mean", "batch_norm", "dropout", "module", "split"))
"""Operators that are more than a function of their arguments at one step."""

REDUCTIONS = frozenset(("sum", "mean", "max", "min", "norm"))
ROW_BY_ROW = frozenset(("dense", "layer_norm", "softmax", "log_softmax"))
STEEP = frozenset(("exp", "log", "sqrt", "div"))
"""Functions whose derivative may be infinite outside of a step's range where it is finite in it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What a range goes through: t + `more` steps from where the sequence begins, or, `ahead`, T - t + `more` of them
    to where it ends. Ranges of one axis may meet, whatever steps they begin at."""

    ahead: bool
    more: int


@dataclass(frozen=True, slots=True)
class Plain:
    """Nothing that runs along a range."""


@dataclass(frozen=True, slots=True)
class Each:
    """A number for each step of a range."""

    axis: Axis


@dataclass(frozen=True, slots=True)
class Rows:
    """A vector for each step of a range, one below the other; `turned`, side by side."""

    axis: Axis
    turned: bool = False


@dataclass(frozen=True, slots=True)
class Pairs:
    """A vector for each pair of a step and a step of its range: `tanh(M(k_{1:t}) + q_t)`."""

    axis: Axis


Form: TypeAlias = Plain | Each | Rows | Pairs


def at_once(expr: Expr, states: Mapping[str, Shape], parameters: Mapping[str, Shape]) -> bool:
    """Whether an expression can be computed at all steps at once, or at many of them."""
    return form(expr, states, parameters) == Plain()


def form(expr: Expr, states: Mapping[str, Shape], parameters: Mapping[str, Shape]) -> Form | None:
    match expr:
        case Const() | Weight() | Position():
            return Plain()
        case Read(state, (Range() as index,)) if (axis := axis_of(index)) is not None:
            match states[state]:
                case (1,):
                    return Each(axis)
                case (_,):
                    return Rows(axis)
                case _:
                    return None
        case Read():
            return None if grows(expr) else Plain()
        case Apply(op, args):
            forms = tuple(form(a, states, parameters) for a in args)
            if op in APART or ALL_OPS[op].effect or None in forms:
                return None
            if all(f == Plain() for f in forms):
                return Plain()
            return _applied(expr, forms, [shape_of(a, states, parameters) for a in args])
        case _:
            assert_never(expr)


def _applied(node: Apply, forms: tuple[Form | None, ...], shapes: list[Shape]) -> Form | None:
    rows = row_by_row(node, forms, shapes) or _paired(node, forms, shapes)
    if rows is not None:
        return Each(rows.axis) if node.op in REDUCTIONS else rows
    match node.op, forms:
        case "matmul", (Pairs(axis), Plain()) if len(shapes[1]) == 1:
            return Each(axis)
        case "flatten", (Pairs(axis),) if shapes[0][-1] == 1:
            return Each(axis)
        case "matmul", (Each(axis), Pairs(other)):
            return Plain() if axis == other else None
        case "matmul", (Rows(axis, turned=False), Plain()) if len(shapes[1]) == 1:
            return Each(axis)
        case "matmul", (Plain(), Rows(axis, turned=True)) if len(shapes[0]) == 1:
            return Each(axis)
        case "matmul", (Each(axis), Rows(other, turned=False)) | (Rows(other, turned=True), Each(axis)):
            return Plain() if axis == other else None
        case "matmul", (Each(axis), Each(other)):
            return Plain() if axis == other else None
        case "transpose", (Rows(axis, turned),):
            return Rows(axis, not turned)
        case "stop", (Each() | Rows() | Pairs() as inner,):
            return inner
        case "softmax" | "log_softmax", (Each() as inner,):
            return inner
        case reduction, (Each(),) if reduction in REDUCTIONS:
            return Plain()
        case op, _ if ALL_OPS[op].pointwise and not any(isinstance(f, Rows | Pairs) for f in forms):
            axes = {f.axis for f in forms if isinstance(f, Each)}
            beside = [s for f, s in zip(forms, shapes, strict=True) if f == Plain()]
            return Each(axes.pop()) if len(axes) == 1 and all(s == SCALAR for s in beside) else None
        case _:
            return None


def row_by_row(node: Apply, forms: Sequence[Form | None], shapes: Sequence[Shape]) -> Rows | None:
    """The rows to each of which an operator does the same, if it does no more: its result has a row for each, or a
    number. What it takes besides are scalars that stand still, and vectors that meet each row."""
    pointwise = ALL_OPS[node.op].pointwise
    if not (pointwise or node.op in ROW_BY_ROW or node.op in REDUCTIONS):
        return None
    found = set()
    for argument, kind, shape in zip(node.args, forms, shapes, strict=True):
        if kind != Plain() or runs(argument) or len(shape) > 1 or not pointwise:
            found.add(kind)
    match list(found):
        case [Rows(turned=False) as rows]:
            return rows
        case _:
            return None


def _paired(node: Apply, forms: Sequence[Form | None], shapes: Sequence[Shape]) -> Pairs | None:
    """What each step does to the rows of its range with a vector or number of its own, or goes on to do to what came of
    it. What is steep is left to single steps, which have no rows outside of their ranges."""
    pointwise = ALL_OPS[node.op].pointwise
    if not (pointwise or node.op in ROW_BY_ROW or node.op in REDUCTIONS):
        return None
    if node.op in STEEP and forms[-1] != Plain():
        return None
    along, axes = [f for f in forms if f != Plain()], set()
    for kind in along:
        match kind:
            case Pairs(axis) | Rows(axis, turned=False):
                axes.add(axis)
            case _:
                return None
    beside = [shape for f, shape in zip(forms, shapes, strict=True) if f == Plain()]
    paired = beside or any(isinstance(f, Pairs) for f in along)
    if not paired or len(axes) != 1 or any(len(shape) > 1 for shape in beside):
        return None
    return Pairs(axes.pop())


def axis_of(index: Range) -> Axis | None:
    """The axis of a range one end of which moves with t, while the other is where the sequence begins or ends."""
    match index.first, index.last:
        case Fixed(first), Running(_, last):
            return Axis(False, last - first + 1)
        case Running(_, first), Last(_, last):
            return Axis(True, last - first + 1)
        case _:
            return None


def grows(expr: Expr) -> bool:
    """Whether an expression reads a range whose length changes with t (`k_{1:t}`, `r_{t:T}`)."""
    return any(
        isinstance(i, Range) and isinstance(i.first, Running) != isinstance(i.last, Running)
        for r in reads(expr)
        for i in r.context
    )


def running_sum(expr: Expr, states: Mapping[str, Shape]) -> Read | None:
    """The range of scalars of which an expression is the sum or mean, if it is one that grows or shrinks with t."""
    match expr:
        case Apply("sum" | "mean", (Read(state, (Range() as index,)) as read,)) if states[state] == SCALAR:
            return read if axis_of(index) is not None else None
        case _:
            return None


def meets(expr: Expr, states: Mapping[str, Shape]) -> bool:
    """Whether a range that grows or shrinks is in more than running sums."""
    if running_sum(expr, states) is not None:
        return False
    match expr:
        case Read():
            return grows(expr)
        case Apply(_, args):
            return any(meets(a, states) for a in args)
        case Const() | Weight() | Position():
            return False
        case _:
            assert_never(expr)
