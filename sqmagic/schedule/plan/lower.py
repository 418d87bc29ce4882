"""The equations of a scan as a graph of values: names within the step gone, layers as products, concatenations split.

`lowered` gives the graph and the number of each state's value, or says in words why an equation is not for kernels.
Before: a settled System whose shapes are known. What is read at the reader's own step is its value; what is read at
other steps, or computed by others, is a `Row`. A layer on a concatenation is a sum of layers on its parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, assert_never

from sqmagic.equations.shapes import Shape
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Last,
    Point,
    Position,
    Read,
    Running,
    Weight,
    shift,
)
from sqmagic.schedule.plan.nodes import (
    Cut,
    Fold,
    Graph,
    Join,
    Length,
    Map,
    Number,
    Places,
    Product,
    Row,
    Share,
    Step,
    Still,
    Term,
    Vector,
)


class NotForKernels(Exception):
    """Why an equation cannot run as a kernel, in words that follow "because"."""


@dataclass(slots=True)
class Work:
    """What is known while equations are turned into values. `constants` are bare states that are numbers; `again` are
    states over time that are computed anew where they are read; `here` is the point that stands for t, if one does;
    `whole` says that goals are among what is computed, so that adjoints have their share of a mean.
    """

    shapes: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    constants: Mapping[str, Expr]
    own: frozenset[str]
    graph: Graph = field(default_factory=Graph)
    values: dict[str, int] = field(default_factory=dict)
    again: Mapping[str, Expr] = field(default_factory=dict)
    here: Fixed | Last | None = None
    whole: bool = False

    def width(self, number: int) -> int:
        return self.graph.width(number)


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
        for state in states:
            _vector(shapes[state], f"`{state}`")
        if len(states) == 1:
            work.values[states[0]] = _as_wide(value(equation.value, work), shapes[states[0]][0], work)
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


def _vector(shape: Shape, what: str) -> int:
    if len(shape) != 1:
        raise NotForKernels(f"{what} is no vector")
    return shape[0]


def value(expr: Expr, work: Work) -> int:
    match expr:
        case Const(number):
            return work.graph.put(Number(number))
        case Read():
            return _read(expr, work)
        case Weight(parameter):
            width = _vector(work.parameters[parameter], f"`{parameter}`")
            return work.graph.put(Vector(parameter, 0, width))
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
            width = _vector(work.shapes[read.state], f"`{read.state}`")
            return work.graph.put(Row(read.state, offset, width, read.state in work.own))
        case () | (Fixed() | Last(),):
            if read.state in work.own:
                raise NotForKernels("it reads a fixed point of itself")
            return work.graph.put(Still(read.state, read.context, _vector(work.shapes[read.state], f"`{read.state}`")))
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


def pointwise(op: str, numbers: tuple[int, ...], work: Work, setting: str = "") -> int:
    width = max(work.width(n) for n in numbers)
    return work.graph.put(Map(op, numbers, width, setting))


def vector(expr: Expr, width: int, work: Work) -> int:
    """An expression as a value of a width."""
    return _as_wide(value(expr, work), width, work)


def _as_wide(number: int, width: int, work: Work) -> int:
    """A scalar where a vector is meant."""
    return number if work.width(number) == width else work.graph.put(Map("copy", (number,), width))


def _pointwise(node: Apply, work: Work) -> int:
    return pointwise(node.op, tuple(value(a, work) for a in node.args), work)


def _mul(node: Apply, work: Work) -> int:
    """A factor 1 changes nothing, whatever it multiplies; one that picks leaves nothing of what it does not pick."""
    numbers = tuple(value(a, work) for a in node.args)
    for (one, other), factor in zip((numbers, numbers[::-1]), node.args, strict=True):
        if work.graph.nodes[one] == Number(1.0):
            return other
        if isinstance(factor, Apply) and factor.attribute("picks", False):
            return pointwise("where", (one, other, work.graph.put(Number(0.0))), work)
    return pointwise("mul", numbers, work)


def _add(node: Apply, work: Work) -> int:
    """Products of the same width are one, with the terms of both."""
    left, right = (value(a, work) for a in node.args)
    match work.graph.nodes[left], work.graph.nodes[right]:
        case (Product() as one, Product() as other) if one.width == other.width:
            return _product((*one.terms, *other.terms), (*one.biases, *other.biases), one.width, work)
        case (Product() as one, Vector(parameter, start, width)) | (
            Vector(parameter, start, width),
            Product() as one,
        ) if width == one.width:
            return _product(one.terms, (*one.biases, (parameter, start)), width, work)
        case _:
            return pointwise("add", (left, right), work)


def _same(node: Apply, work: Work) -> int:
    return value(node.args[0], work)


# --- structure -----------------------------------------------------------------------------------


def _concat(node: Apply, work: Work) -> int:
    return join([value(a, work) for a in node.args], work)


def join(numbers: list[int], work: Work) -> int:
    parts = [p for n in numbers for p in _parts(n, work)]
    if len(parts) == 1:
        return parts[0]
    return work.graph.put(Join(tuple(parts), sum(work.width(p) for p in parts)))


def _parts(number: int, work: Work) -> tuple[int, ...]:
    node = work.graph.nodes[number]
    return node.args if isinstance(node, Join) else (number,)


def cut(number: int, start: int, size: int, work: Work) -> int:
    """Components of a value: of a product fewer units, of a concatenation the parts that they lie in."""
    if start == 0 and size == work.width(number):
        return number
    match work.graph.nodes[number]:
        case Product(terms, biases):
            moved = tuple(replace(t, unit=t.unit + start) for t in terms)
            return _product(moved, tuple((b, s + start) for b, s in biases), size, work)
        case Vector(parameter, first):
            return work.graph.put(Vector(parameter, first + start, size))
        case Cut(arg, first):
            return work.graph.put(Cut(arg, first + start, size))
        case Join(args):
            return _cut_of_parts(args, start, size, work)
        case Map(op, args, _, setting) if op in CHEAP and not any(_counts(work, a) for a in args):
            cuts = tuple(a if work.width(a) == 1 else cut(a, start, size, work) for a in args)
            return work.graph.put(Map(op, cuts, size, setting))
        case _:
            return work.graph.put(Cut(number, start, size))


def _counts(work: Work, number: int) -> bool:
    return isinstance(work.graph.nodes[number], Places)


def _cut_of_parts(parts: tuple[int, ...], start: int, size: int, work: Work) -> int:
    found, place = [], 0
    for part in parts:
        width = work.width(part)
        first, last = max(start, place), min(start + size, place + width)
        if first < last:
            found.append(cut(part, first - place, last - first, work))
        place += width
    return join(found, work)


def _slice(node: Apply, work: Work) -> int:
    start, stop = int(node.attribute("start", 0)), int(node.attribute("stop", 0))
    return cut(value(node.args[0], work), start, stop - start, work)


def _index(node: Apply, work: Work) -> int:
    match node.args[1]:
        case Const(number):
            return cut(value(node.args[0], work), int(number), 1, work)
        case which:
            return chosen(value(node.args[0], work), value(which, work), work)


def chosen(number: int, which: int, work: Work) -> int:
    """The component that a whole number names."""
    none = work.graph.put(Number(0.0))
    return fold("sum", pointwise("where", (_is(which, work.width(number), work), number, none), work), work)


def _is(which: int, width: int, work: Work) -> int:
    """1 at the component that a whole number names, else 0."""
    return work.graph.put(Map("equal", (which, work.graph.put(Places(width))), width))


# --- layers --------------------------------------------------------------------------------------


def _product(terms: tuple[Term, ...], biases: tuple[tuple[str, int], ...], width: int, work: Work) -> int:
    ordered = tuple(sorted(terms, key=lambda t: (t.operand, repr(t))))
    return work.graph.put(Product(ordered, biases, width))


def terms(weight: str, operand: int, pitch: int, work: Work, transposed: bool = False) -> tuple[Term, ...]:
    """Weights times a value; times each of its parts if it is a concatenation."""
    found, component = [], 0
    for part in _parts(operand, work):
        if isinstance(work.graph.nodes[part], Number | Step | Length | Share):  # a product takes what stands in memory
            part = work.graph.put(Map("copy", (part,), 1))
        found.append(Term(weight, part, 0, component, pitch, transposed))
        component += work.width(part)
    return tuple(found)


def _dense(node: Apply, work: Work) -> int:
    weight, bias = f"{node.layer}.weight", f"{node.layer}.bias"
    units, components = work.parameters[weight]
    biases = ((bias, 0),) if bias in work.parameters else ()
    return _product(terms(weight, value(node.args[0], work), components, work), biases, units, work)


def _matmul(node: Apply, work: Work) -> int:
    match node.args:
        case (Weight(weight), operand) if len(work.parameters[weight]) == 2:
            units, components = work.parameters[weight]
            return _product(terms(weight, value(operand, work), components, work), (), units, work)
        case (operand, Weight(weight)) if len(work.parameters[weight]) == 2:
            units = work.parameters[weight][1]
            return _product(terms(weight, value(operand, work), units, work, True), (), units, work)
    one, other = (value(a, work) for a in node.args)
    return fold("sum", pointwise("mul", (one, other), work), work)


def _dense_input(node: Apply, work: Work) -> int:
    """The transposed weights times a value."""
    weight = f"{node.layer}.weight"
    units = work.parameters[weight][1]
    return _product(terms(weight, value(node.args[0], work), units, work, True), (), units, work)


def _width_of(expr: Expr, work: Work) -> int:
    return _vector(shape_of(expr, work.shapes, work.parameters), "what is copied")


def _expand_as(node: Apply, work: Work) -> int:
    return _as_wide(value(node.args[0], work), _width_of(node.args[1], work), work)


def _size(node: Apply, work: Work) -> int:
    return work.graph.put(Number(float(_width_of(node.args[0], work))))


def _pad(node: Apply, work: Work) -> int:
    before, after = int(node.attribute("before", 0)), int(node.attribute("after", 0))
    parts = [*_zeros(before, work), value(node.args[0], work), *_zeros(after, work)]
    return join(parts, work)


def _zeros(width: int, work: Work) -> list[int]:
    return [work.graph.put(Map("copy", (work.graph.put(Number(0.0)),), width))] if width else []


def _one_hot(node: Apply, work: Work) -> int:
    match node.args[0]:
        case Const(number):
            size = int(node.attribute("size", 0))
            one = work.graph.put(Map("copy", (work.graph.put(Number(1.0)),), 1))
            return join([*_zeros(int(number), work), one, *_zeros(size - int(number) - 1, work)], work)
        case which:
            return _is(value(which, work), int(node.attribute("size", 0)), work)


def _step_share(node: Apply, work: Work) -> int:
    """Of a scan by itself the results' adjoints are given as they are."""
    more = int(node.attribute("last", 0)) - int(node.attribute("first", 1)) + 1
    return work.graph.put(Share(more) if work.whole else Number(1.0))


# --- over components -----------------------------------------------------------------------------


def fold(op: str, number: int, work: Work) -> int:
    return number if work.width(number) == 1 else work.graph.put(Fold(op, number))


def _fold(node: Apply, work: Work) -> int:
    return fold(node.op, value(node.args[0], work), work)


def mean(number: int, work: Work) -> int:
    return pointwise("div", (fold("sum", number, work), work.graph.put(Number(float(work.width(number))))), work)


def _mean(node: Apply, work: Work) -> int:
    return mean(value(node.args[0], work), work)


def _norm(node: Apply, work: Work) -> int:
    number = value(node.args[0], work)
    return pointwise("sqrt", (fold("sum", pointwise("square", (number,), work), work),), work)


def _softmax(node: Apply, work: Work) -> int:
    number = value(node.args[0], work)
    if node.op == "log_softmax":
        return _log_softmax(number, work)
    powers = pointwise("exp", (_shifted(number, work),), work)
    return pointwise("div", (powers, fold("sum", powers, work)), work)


def _shifted(number: int, work: Work) -> int:
    return pointwise("sub", (number, fold("max", number, work)), work)


def _log_softmax(number: int, work: Work) -> int:
    shifted = _shifted(number, work)
    total = fold("sum", pointwise("exp", (shifted,), work), work)
    return pointwise("sub", (shifted, pointwise("log", (total,), work)), work)


def _argmax(node: Apply, work: Work) -> int:
    number = value(node.args[0], work)
    return work.graph.put(Number(0.0) if work.width(number) == 1 else Fold("argmax", number))


def _log_prob(node: Apply, work: Work) -> int:
    return pointwise("log", (chosen(value(node.args[0], work), value(node.args[1], work), work),), work)


def _times_log(weight: int, number: int, work: Work) -> int:
    """weight * log(number), and 0 where the weight is 0."""
    product = pointwise("mul", (weight, pointwise("log", (number,), work)), work)
    return pointwise("where", (weight, product, weight), work)


def _entropy(node: Apply, work: Work) -> int:
    number = value(node.args[0], work)
    return pointwise("neg", (fold("sum", _times_log(number, number, work), work),), work)


# --- losses --------------------------------------------------------------------------------------


def _loss(each: Callable[[Apply, int, int, Work], int]) -> Rule:
    """The mean over the components of what a prediction and a target give."""

    def rule(node: Apply, work: Work) -> int:
        p, y = (value(a, work) for a in node.args)
        return mean(each(node, p, y, work), work)

    return rule


def _apart(p: int, y: int, work: Work) -> int:
    return pointwise("sub", (p, y), work)


def _huber(node: Apply, p: int, y: int, work: Work) -> int:
    """Of the difference d, held within delta: held * (d - held/2)."""
    delta, apart = float(node.attribute("delta", 1.0)), _apart(p, y, work)
    ends = (work.graph.put(Number(-delta)), work.graph.put(Number(delta)))
    held = pointwise("clip", (apart, *ends), work)
    half = pointwise("mul", (work.graph.put(Number(0.5)), held), work)
    return pointwise("mul", (held, _apart(apart, half, work)), work)


def _one_less(number: int, work: Work) -> int:
    return pointwise("sub", (work.graph.put(Number(1.0)), number), work)


def _binary(node: Apply, p: int, y: int, work: Work) -> int:
    both = (_times_log(y, p, work), _times_log(_one_less(y, work), _one_less(p, work), work))
    return pointwise("neg", (pointwise("add", both, work),), work)


def _binary_logits(node: Apply, a: int, y: int, work: Work) -> int:
    return _apart(pointwise("softplus", (a,), work), pointwise("mul", (y, a), work), work)


def _cross_entropy(node: Apply, work: Work) -> int:
    p, y = (value(a, work) for a in node.args)
    return pointwise("neg", (fold("sum", _times_log(y, p, work), work),), work)


def _cross_entropy_logits(node: Apply, work: Work) -> int:
    logs, y = _log_softmax(value(node.args[0], work), work), value(node.args[1], work)
    return pointwise("neg", (fold("sum", pointwise("mul", (y, logs), work), work),), work)


def _scaled(number: int, node: Apply, work: Work) -> tuple[int, int]:
    """What a layer norm makes of its input before its weights, and the deviation that it divides by."""
    eps = work.graph.put(Number(float(node.attribute("eps", 1e-5))))
    centred = pointwise("sub", (number, mean(number, work)), work)
    variance = mean(pointwise("square", (centred,), work), work)
    deviation = pointwise("sqrt", (pointwise("add", (variance, eps), work),), work)
    return pointwise("div", (centred, deviation), work), deviation


def _layer_norm(node: Apply, work: Work) -> int:
    number = value(node.args[0], work)
    scaled, _ = _scaled(number, node, work)
    width = work.width(number)
    weight, bias = (work.graph.put(Vector(f"{node.layer}.{n}", 0, width)) for n in ("weight", "bias"))
    return pointwise("add", (pointwise("mul", (scaled, weight), work), bias), work)


def _layer_norm_input(node: Apply, work: Work) -> int:
    """Of g times the weights what is neither their mean nor along the input, over the deviation."""
    g, number = (value(a, work) for a in node.args)
    scaled, deviation = _scaled(number, node, work)
    weight = work.graph.put(Vector(f"{node.layer}.weight", 0, work.width(number)))
    g = pointwise("mul", (g, weight), work)
    along = pointwise("mul", (scaled, mean(pointwise("mul", (g, scaled), work), work)), work)
    rest = pointwise("sub", (pointwise("sub", (g, mean(g, work)), work), along), work)
    return pointwise("div", (rest, deviation), work)


def _layer_norm_weight(node: Apply, work: Work) -> int:
    g, number = (value(a, work) for a in node.args)
    return pointwise("mul", (g, _scaled(number, node, work)[0]), work)


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

CHEAP = frozenset(
    (
        "copy",
        "add",
        "sub",
        "mul",
        "neg",
        "square",
        "abs",
        "relu",
        "maximum",
        "minimum",
        "where",
        "clip",
        "equal",
        "sign",
        "during",
    )
)
"""What costs less to compute again than to keep."""

RULES: dict[str, Rule] = {
    **dict.fromkeys(_EACH, _pointwise),
    **dict.fromkeys(("equal", "sign", "ndtr"), _pointwise),
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
    "concat": _concat,
    "slice": _slice,
    "index": _index,
    "dense": _dense,
    "matmul": _matmul,
    "sum": _fold,
    "max": _fold,
    "min": _fold,
    "mean": _mean,
    "norm": _norm,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "layer_norm": _layer_norm,
    "layer_norm_input": _layer_norm_input,
    "layer_norm_weight": _layer_norm_weight,
    "argmax": _argmax,
    "log_prob": _log_prob,
    "entropy": _entropy,
    "mse": _loss(lambda node, p, y, work: pointwise("square", (_apart(p, y, work),), work)),
    "mae": _loss(lambda node, p, y, work: pointwise("abs", (_apart(p, y, work),), work)),
    "huber": _loss(_huber),
    "binary_cross_entropy": _loss(_binary),
    "binary_cross_entropy_logits": _loss(_binary_logits),
    "cross_entropy": _cross_entropy,
    "cross_entropy_logits": _cross_entropy_logits,
}
"""One row for each operator that kernels compute."""
