"""The equations of a scan as a graph of values: names within the step gone, layers as products, concatenations split.

`lowered` gives the graph and the number of each state's value, or says in words why an equation is not for kernels.
Before: a settled System whose shapes are known. What is read at the reader's own step is its value; what is read at
other steps, or computed by others, is a `Row`. A layer on a concatenation is a sum of layers on its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import TypeAlias, assert_never

from sqmagic.equations.shapes import Shape
from sqmagic.equations.shapes.forward import LEFT_OUT, shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Last,
    Point,
    Position,
    Range,
    Read,
    Running,
    Weight,
    shift,
    walk,
)
from sqmagic.schedule.plan.components import FUNCTIONS
from sqmagic.schedule.plan.matrices import (
    contract,
    dense_by_rows,
    dense_input_by_rows,
    multiplied,
    outer,
    spread,
    turn,
)
from sqmagic.schedule.plan.nodes import Length, Map, Number, Product, Row, Share, Step, Still, Vector
from sqmagic.schedule.plan.values import (
    NotForKernels,
    Work,
    as_wide,
    chosen,
    cut,
    fold,
    is_at,
    join,
    pointwise,
    product,
    terms,
    zeros,
)


def lowered(
    equations: tuple[Equation, ...],
    shapes: Mapping[str, Shape],
    parameters: Mapping[str, Shape],
    constants: Mapping[str, Expr],
) -> Work:
    """The values of a scan's equations, which stand in an order in which one step can be computed.

    Raises NotForKernels.
    """
    own = frozenset(t.state for e in equations for t in e.targets)
    work = Work(shapes, parameters, constants, own)
    for equation in equations:
        states = [t.state for t in equation.targets]
        if len(states) == 1:
            work.values[states[0]] = as_wide(value(equation.value, work), _size_of(shapes[states[0]]), work)
        else:
            work.values |= _several(equation, states, work)
    return work


def _several(equation: Equation, states: list[str], work: Work) -> dict[str, int]:
    """Equal parts of a vector."""
    match equation.value:
        case Apply("split", (whole,)):
            number = value(whole, work)
            size = work.width(number) // len(states)
            return {state: cut(number, n * size, size, work) for n, state in enumerate(states)}
        case _:
            raise NotForKernels("a function has several results")


def _size_of(shape: Shape) -> int:
    """How many numbers it has."""
    if any(n < 0 for n in shape):
        raise NotForKernels("it stacks a range whose length changes with t")
    return prod(shape)


def value(expr: Expr, work: Work) -> int:
    match expr:
        case Const(number):
            return work.graph.put(Number(number))
        case Read():
            return _read(expr, work)
        case Weight(parameter):
            return work.graph.put(Vector(parameter, 0, _size_of(work.parameters[parameter])))
        case Position(point):
            return work.graph.put(_position(point))
        case Apply(op):
            if op not in RULES:
                raise NotForKernels(f"`{op}` has no kernel")
            return RULES[op](expr, work)
        case _:
            assert_never(expr)


def _position(point: Point) -> Step | Number | Length:
    match point:
        case Running(_, offset):
            return Step(offset)
        case Fixed(number):
            return Number(float(number))
        case Last(_, offset):
            return Length(offset)
        case _:
            assert_never(point)


def _read(read: Read, work: Work) -> int:
    match read.context:
        case () if read.state in work.constants:
            return value(work.constants[read.state], work)
        case (Fixed() | Last() as point,) if (here := _from_here(point, work)) is not None:
            return _read(replace(read, context=(Running("t", here),)), work)
        case (Running(_, offset),) if read.state in work.again:
            return value(shift(work.again[read.state], offset), work)
        case (Running(_, 0),) if read.state in work.own:
            return work.values[read.state]
        case (Running(_, offset),):
            width = _size_of(work.shapes[read.state])
            return work.graph.put(Row(read.state, offset, width, read.state in work.own))
        case () | (Fixed() | Last(),):
            if read.state in work.own:
                raise NotForKernels("it reads a fixed point of itself")
            return work.graph.put(Still(read.state, read.context, _size_of(work.shapes[read.state])))
        case (Range(Running(index, first), Running(_, last)),):
            return join(
                [_read(replace(read, context=(Running(index, n),)), work) for n in range(first, last + 1)], work
            )
        case _:
            raise NotForKernels(f"it reads a range of `{read.state}`")


def _from_here(point: Fixed | Last, work: Work) -> int | None:
    match point, work.here:
        case Fixed(number), Fixed(here):
            return number - here
        case Last(_, number), Last(_, here):
            return number - here
        case _:
            return None


def _during(node: Apply, work: Work) -> int:
    """A value at the steps from `first` to T + `last`; `setting` says of which step, t + it or a number."""
    body, step = node.args
    match step:
        case Position(Running(_, offset)):
            told = f"t:{offset}"
        case Position(Fixed() | Last() as point) if (here := _from_here(point, work)) is not None:
            told = f"t:{here}"
        case _:
            raise NotForKernels("a part of it holds at steps of its own")
    number = value(body, work)
    setting = f"{told}:{node.attribute('first', '')}:{node.attribute('last', '')}"
    return work.graph.put(Map("during", (number,), work.width(number), setting))


Rule: TypeAlias = Callable[[Apply, Work], int]


# --- component by component ----------------------------------------------------------------------


def vector(expr: Expr, width: int, work: Work) -> int:
    """An expression as a value of a width."""
    return as_wide(value(expr, work), width, work)


def _alike(node: Apply, work: Work) -> tuple[int, ...]:
    """The arguments' values, each a scalar or as wide as all; a vector that meets each row of a matrix is repeated."""
    numbers = tuple(value(a, work) for a in node.args)
    wide = max(map(work.width, numbers))
    return tuple(_as_rows(a, n, wide, node, work) for a, n in zip(node.args, numbers, strict=True))


def _as_rows(expr: Expr, number: int, wide: int, node: Apply, work: Work) -> int:
    width = work.width(number)
    if width in (1, wide):
        return number
    own, whole = _shape(expr, work), _shape(node, work)
    if whole[-len(own) :] != own:
        raise NotForKernels("it joins matrices of different shapes")
    return spread(number, 1, wide // width, work)


def _pointwise(node: Apply, work: Work) -> int:
    return pointwise(node.op, _alike(node, work), work)


def _mul(node: Apply, work: Work) -> int:
    """A factor 1 changes nothing, whatever it multiplies; one that picks leaves nothing of what it does not pick."""
    numbers = _alike(node, work)
    for (one, other), factor in zip((numbers, numbers[::-1]), node.args, strict=True):
        if work.graph.nodes[one] == Number(1.0):
            return other
        if isinstance(factor, Apply) and factor.attribute("picks", False):
            return pointwise("where", (one, other, work.graph.put(Number(0.0))), work)
    return pointwise("mul", numbers, work)


def _add(node: Apply, work: Work) -> int:
    """Products of the same width are one, with the terms of both."""
    left, right = _alike(node, work)
    match work.graph.nodes[left], work.graph.nodes[right]:
        case (Product() as one, Product() as other) if one.width == other.width:
            return product((*one.terms, *other.terms), (*one.biases, *other.biases), one.width, work)
        case (Product() as one, Vector(parameter, start, width)) | (
            Vector(parameter, start, width),
            Product() as one,
        ) if width == one.width:
            return product(one.terms, (*one.biases, (parameter, start)), width, work)
        case _:
            return pointwise("add", (left, right), work)


def _same(node: Apply, work: Work) -> int:
    return value(node.args[0], work)


# --- structure -----------------------------------------------------------------------------------


def _concat(node: Apply, work: Work) -> int:
    return join([value(a, work) for a in node.args], work)


def _slice(node: Apply, work: Work) -> int:
    """Components, or rows."""
    row = _row_of(node.args[0], work)
    start, stop = int(node.attribute("start", 0)), int(node.attribute("stop", 0))
    return cut(value(node.args[0], work), start * row, (stop - start) * row, work)


def _index(node: Apply, work: Work) -> int:
    row = _row_of(node.args[0], work)
    match node.args[1]:
        case Const(number):
            return cut(value(node.args[0], work), int(number) * row, row, work)
        case which if row == 1:
            return chosen(value(node.args[0], work), value(which, work), work)
        case _:
            raise NotForKernels("which row of a matrix it reads is known only as it runs")


def _pad(node: Apply, work: Work) -> int:
    row = _row_of(node.args[0], work)
    before, after = int(node.attribute("before", 0)) * row, int(node.attribute("after", 0)) * row
    parts = [*zeros(before, work), value(node.args[0], work), *zeros(after, work)]
    return join(parts, work)


# --- matrices ------------------------------------------------------------------------------------


def _shape(expr: Expr, work: Work) -> Shape:
    untold = next((n.op for n in walk(expr) if isinstance(n, Apply) and n.op in LEFT_OUT), None)
    if untold is not None:
        raise NotForKernels(f"`{untold}` has no kernel")
    return shape_of(expr, work.shapes, work.parameters)


def _row_of(expr: Expr, work: Work) -> int:
    """How many numbers one of its rows has; a component of a vector is one."""
    return _size_of(_shape(expr, work)[1:])


def _outer(node: Apply, work: Work) -> int:
    return outer(value(node.args[0], work), value(node.args[1], work), work)


def _transpose(node: Apply, work: Work) -> int:
    match node.args[0], _shape(node.args[0], work):
        case Apply("outer", (left, right)), _:
            return outer(value(right, work), value(left, work), work)
        case whole, (rows, columns):
            return turn(value(whole, work), rows, columns, work)
        case _:
            raise NotForKernels("it transposes what is no matrix")


# --- layers --------------------------------------------------------------------------------------


def _dense(node: Apply, work: Work) -> int:
    weight, bias = f"{node.layer}.weight", f"{node.layer}.bias"
    if len(shape := _shape(node.args[0], work)) > 1:
        return dense_by_rows(value(node.args[0], work), shape, str(node.layer), work)
    units, components = work.parameters[weight]
    biases = ((bias, 0),) if bias in work.parameters else ()
    return product(terms(weight, value(node.args[0], work), components, work), biases, units, work)


def _matmul(node: Apply, work: Work) -> int:
    ranks = [len(_shape(a, work)) for a in node.args]
    match node.args:
        case (Weight(weight), operand) if ranks == [2, 1]:
            units, components = work.parameters[weight]
            return product(terms(weight, value(operand, work), components, work), (), units, work)
        case (operand, Weight(weight)) if ranks == [1, 2]:
            units = work.parameters[weight][1]
            return product(terms(weight, value(operand, work), units, work, True), (), units, work)
    one, other = (value(a, work) for a in node.args)
    if max(ranks) > 1:
        return multiplied(one, other, (_shape(node.args[0], work), _shape(node.args[1], work)), work)
    return fold("sum", pointwise("mul", (one, other), work), work)


def _dense_input(node: Apply, work: Work) -> int:
    """The transposed weights times a value."""
    weight = f"{node.layer}.weight"
    units = work.parameters[weight][1]
    if len(shape := _shape(node.args[0], work)) > 1:
        return dense_input_by_rows(value(node.args[0], work), shape, str(node.layer), work)
    return product(terms(weight, value(node.args[0], work), units, work, True), (), units, work)


def _expand_as(node: Apply, work: Work) -> int:
    """A scalar for all, or a number for each row."""
    number, size = value(node.args[0], work), _size_of(_shape(node.args[1], work))
    wide = work.width(number)
    return as_wide(number, size, work) if wide in (1, size) else spread(number, size // wide, size // wide, work)


def _size(node: Apply, work: Work) -> int:
    return work.graph.put(Number(float(_size_of(_shape(node.args[0], work)))))


def _one_hot(node: Apply, work: Work) -> int:
    match node.args[0]:
        case Const(number):
            size = int(node.attribute("size", 0))
            one = work.graph.put(Map("copy", (work.graph.put(Number(1.0)),), 1))
            return join([*zeros(int(number), work), one, *zeros(size - int(number) - 1, work)], work)
        case which:
            return is_at(value(which, work), int(node.attribute("size", 0)), work)


def _step_share(node: Apply, work: Work) -> int:
    """Of a scan by itself the results' adjoints are given as they are."""
    more = int(node.attribute("last", 0)) - int(node.attribute("first", 1)) + 1
    return work.graph.put(Share(more) if work.whole else Number(1.0))


_EACH = [
    "sub",
    "div",
    "neg",
    "exp",
    "log",
    "sqrt",
    "square",
    "abs",
    "sin",
    "cos",
    "tanh",
    "sigmoid",
    "relu",
    "gelu",
    "softplus",
    "maximum",
    "minimum",
    "where",
    "clip",
]


def _of_values(node: Apply, work: Work) -> int:
    if any(len(_shape(a, work)) > 1 for a in node.args):
        raise NotForKernels(f"`{node.op}` of a matrix has no kernel")
    return FUNCTIONS[node.op](node, work, *(value(a, work) for a in node.args))


def _sum(node: Apply, work: Work) -> int:
    """Of products of two matrices one after the other: neither these nor their products are put side by side."""
    match node.args[0]:
        case Apply("flatten", (Apply("mul", (left, right)),)):
            numbers = (value(left, work), value(right, work))
            if (size := work.width(numbers[0])) == work.width(numbers[1]) > 1:
                return contract(*numbers, 1, size, 1, work)
    return _by_rows(node, work)


def _by_rows(node: Apply, work: Work) -> int:
    """Of a matrix row by row."""
    *rows, _ = _shape(node.args[0], work)
    return FUNCTIONS[node.op](node, work, value(node.args[0], work), prod(rows))


RULES: dict[str, Rule] = {
    **dict.fromkeys(_EACH, _pointwise),
    **dict.fromkeys(("equal", "sign", "ndtr"), _pointwise),
    **dict.fromkeys(FUNCTIONS, _of_values),
    **dict.fromkeys(("max", "min", "mean", "norm", "softmax", "log_softmax"), _by_rows),
    "sum": _sum,
    "during": _during,
    "dense_input": _dense_input,
    "expand_as": _expand_as,
    "size": _size,
    "pad": _pad,
    "one_hot": _one_hot,
    "step_share": _step_share,
    "add": _add,
    "mul": _mul,
    "stop": _same,
    "old": _same,
    "flatten": _same,
    "unflatten": _same,
    "transpose": _transpose,
    "outer": _outer,
    "concat": _concat,
    "slice": _slice,
    "index": _index,
    "dense": _dense,
    "matmul": _matmul,
}
"""One row for each operator that kernels compute."""
