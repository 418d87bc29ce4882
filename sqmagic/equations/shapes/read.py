"""From a System to what is stated on its shapes: declarations first, then equations and goals, then the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import assert_never

from sqmagic.equations.ops import OPS
from sqmagic.equations.shapes.builder import Argument, Builder, Measure, Site
from sqmagic.equations.shapes.classes import NUMBERS, STATE, WIDE, Reason
from sqmagic.equations.shapes.dimension import rows
from sqmagic.equations.shapes.facts import DataShape
from sqmagic.equations.shapes.integers import numbers
from sqmagic.equations.shapes.layers import sizes_text
from sqmagic.equations.shapes.rules import RULES, SEVERAL
from sqmagic.equations.shapes.unknowns import Fault, Form
from sqmagic.equations.shapes.waiting import AtMost, Rows, Scalar
from sqmagic.equations.system import (
    Apply,
    Const,
    Declared,
    Equation,
    Expr,
    Goal,
    Input,
    Position,
    Range,
    Read,
    Size,
    System,
    Weight,
    children,
)
from sqmagic.notation.source import NOWHERE, Source, Span


def read_system(
    system: System,
    sizes: Mapping[str, int],
    data: Mapping[str, DataShape],
    measure: Measure | None,
    source: Source | None,
    undecided: frozenset[str],
) -> Builder:
    b = Builder(system, sizes, source, measure, undecided=undecided)
    constants = numbers(system)
    _make_states(b, constants)
    declared: list[Input | Declared] = [*system.inputs, *system.declared]
    for one in declared:
        if b.states[one.state] is not None and one.sizes is not None:
            _declare(b, one)
    shaped: set[str] = set(data)
    for equation in system.equations:
        if not constants.issuperset(t.state for t in equation.targets) or not equation.targets:
            shaped |= _equation(b, equation)
    for state, form in b.states.items():
        if form is not None and state not in shaped:
            b.unknowns.dimensions.mark(form.last, NUMBERS)
    for goal in system.goals:
        _goal(b, goal)
    for state, shape in data.items():
        _given(b, state, shape)
    return b


# --- states --------------------------------------------------------------------------------------


def _make_states(b: Builder, constants: frozenset[str]) -> None:
    inputs = dict.fromkeys(i.state for i in b.system.inputs)
    for state in dict.fromkeys([*inputs, *(t.state for e in b.system.equations for t in e.targets)]):
        if state in constants:
            b.states[state] = None
        else:
            free = b.unknowns.free(WIDE if state in inputs else STATE)
            b.states[state] = Form(free.lead, free.last, b.unknowns.dimensions.fresh())
    b.outside += [i.state for i in b.system.inputs if _is_open(i, b.sizes)]


def _is_open(one: Input, sizes: Mapping[str, int]) -> bool:
    """Whether the data must tell an input's shape: it is not declared, or with a name that the kernel does not know."""
    return one.sizes is None or any(isinstance(s.value, str) and s.value not in sizes for s in one.sizes)


def _state(b: Builder, state: str) -> Form:
    found = b.states[state]
    assert found is not None, f"{state} is no number"
    return found


def _declare(b: Builder, one: Input | Declared) -> None:
    """`x_t : 28` is a shape; `y : class(10)` an integer, and 10 the number of its values."""
    sizes: tuple[Size, ...] = one.sizes or ()
    state, written = _state(b, one.state), b.written(one.state)
    text = sizes_text(sizes) if one.kind == "real" else f"{one.kind}({sizes_text(sizes)})"
    why = b.declaration(written, f"{written} : {text}", one.span)
    clash = "`{1}` is {a}, but declared {b}"
    stated = why._replace(link="", clash=clash, heads=("{1} is", "{1} is"))
    if one.kind == "real":
        b.unknowns.equal(state, b.unknowns.of([b.size(size, why) for size in sizes], why), stated)
        return
    b.unknowns.equal(state, b.unknowns.scalar(why), stated)
    assert state.classes is not None, "every state may be an integer"
    counted = stated._replace(clash="`{1}` has {a} values, but is declared to have {b}")
    b.unknowns.equal_dimensions(state.classes, b.size(sizes[0], why), counted)


def _given(b: Builder, state: str, data: DataShape) -> None:
    """The shape that the data have, last, so that what the program says of them is the first chain of a clash."""
    form = b.states.get(state)
    if form is None:
        return
    written = b.written(state)
    span = next((i.span for i in b.system.inputs if i.state == state), NOWHERE)
    why = Reason("the data given for {0}", (written,), code="SQ309", declares=True)
    clash = "`{0}` is given with shape {b}, but it is {a} in the program"
    stated = why._replace(link="", span=span, clash=clash, heads=("{0} is", "{0} is"))
    axes = [b.unknowns.number(n, why) for n in data.shape or (1,)]
    b.unknowns.equal(form, b.unknowns.of(axes, why), stated)
    if data.integer and data.classes is not None and form.classes is not None:
        over = stated._replace(clash="`{0}` has {a} values in the data, but {b} in the program")
        heads = ("the number of {0}'s values is", "the number of {0}'s values is")
        rule = AtMost(b.unknowns.number(data.classes, why), form.classes, over._replace(heads=heads))
        b.unknowns.wait(rule, dimensions=(form.classes,))


# --- equations and goals -------------------------------------------------------------------------


def _equation(b: Builder, equation: Equation) -> set[str]:
    """States what an equation says; the states that it gives more than a number."""
    targets = [t.state for t in equation.targets]
    values = _values(b, equation.value, targets, equation.line, equation.span)
    shaped: set[str] = set()
    for target, value in zip(equation.targets, values, strict=False):
        state = b.states[target.state]
        if value is not None and state is not None:
            why = _defined(b, equation, target.state)
            b.unknowns.equal(value, state, why)
            b.same_classes(value, state, why)
            shaped.add(target.state)
    return shaped


def _defined(b: Builder, equation: Equation, state: str) -> Reason:
    """`M_2 gives p_t`, where a layer's name says enough; else the whole right-hand side."""
    span, written = equation.span, b.written(state)
    clash = "`{1}` is {b}, but what it is made from, `{0}`, is {a}"
    value = _shaping(equation.value)
    if isinstance(value, Apply) and value.layer is not None and value.op in ("dense", "conv", "embed", "module"):
        about: tuple[Expr | str, ...] = (equation.value, written, value.layer)
        return Reason("`{2}` gives `{1}`", about, equation.line, span, clash, through=value.layer)
    link = "`{1}` is `{0}`" if isinstance(value, Read) else ""
    return Reason(link, (equation.value, written), equation.line, span, clash)


def _shaping(expr: Expr) -> Expr:
    """The operator that a value has its shape from: what works component by component on one value is passed over."""
    while isinstance(expr, Apply) and len(expr.args) == 1 and (OPS[expr.op].pointwise or expr.op in _KEEPING):
        expr = expr.args[0]
    return expr


_KEEPING = ("softmax", "log_softmax", "stop", "old", "dropout", "batch_norm", "layer_norm")


def _goal(b: Builder, goal: Goal) -> None:
    (value,) = _values(b, goal.value, [""], goal.line, goal.span)
    if value is None:
        return
    kind = "an objective" if goal.kind == "objective" else "a weighted loss"
    link = f"{kind} is a scalar"
    clash = f"{kind} must be a scalar, but `{{0}}` has more components"
    why = Reason(link, (goal.value,), goal.line, goal.span, clash)
    rule = Scalar(value, why, b.broadcasts.get(value.last))
    b.unknowns.wait(rule, shapes=(value,))


# --- expressions ---------------------------------------------------------------------------------


def _values(b: Builder, expr: Expr, targets: Sequence[str], line: int, span: Span) -> list[Argument]:
    """The shapes of a statement's results, one for each target."""
    done: list[Argument] = []
    for node in postorder(expr):
        count = len(children(node))
        args = done[len(done) - count :]
        del done[len(done) - count :]
        if node is expr and isinstance(node, Apply) and node.op in SEVERAL:
            return SEVERAL[node.op](b, Site(node, line, span), args, targets)
        done.append(_value(b, node, args, line, span))
    return done


def _value(b: Builder, node: Expr, args: list[Argument], line: int, span: Span) -> Argument:
    match node:
        case Const() | Position():
            return None
        case Read():
            return _read(b, node, line, span)
        case Weight(parameter):
            return b.weight(parameter)
        case Apply():
            return RULES[node.op](b, Site(node, line, span), args)
        case _:
            assert_never(node)


def _read(b: Builder, read: Read, line: int, span: Span) -> Argument:
    """A state; over a range, with a row for each index."""
    form = b.states[read.state]
    windows = [index for index in read.context if isinstance(index, Range)]
    if form is None or not windows:
        return form
    for window in reversed(windows):
        form = _rows(b, read, form, window, line, read.span if read.span != NOWHERE else span)
    return form


def _rows(b: Builder, read: Read, form: Form, window: Range, line: int, span: Span) -> Form:
    count = rows(window)
    why = Reason("`{0}` has a row for each index, " + str(count), (read, b.written(read.state)), line, span)
    if isinstance(count, int) and count <= 0:
        clash = "`{0}` holds no index: it ends before it begins"
        b.unknowns.fault(Fault(why._replace(clash=clash, code="SQ306")))
        return b.unknowns.free()
    result = b.unknowns.free()
    rule = Rows(form, b.unknowns.number(count, why), result, why)
    b.unknowns.wait(rule, shapes=(form,), makes=(result,))
    return result


def postorder(expr: Expr) -> Iterator[Expr]:
    """Every node after its children, left to right; expressions may be deep, so nothing recurs."""
    stack: list[tuple[Expr, bool]] = [(expr, False)]
    while stack:
        node, entered = stack.pop()
        inner = children(node)
        if entered or not inner:
            yield node
        else:
            stack.append((node, True))
            stack += [(child, False) for child in reversed(inner)]
