"""Declarations: what `x_t : 28`, `M_1 : 784 -> 128`, `b : param(64)` and `B : buffer(50000, batch=256)` say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sqmagic.equations.elaborate.lines import Fault, Kernel, Line
from sqmagic.equations.elaborate.names import Names, is_fixed
from sqmagic.equations.elaborate.settings import settings
from sqmagic.equations.system import (
    Buffer,
    Declared,
    Fixed,
    Input,
    Kind,
    Last,
    Point,
    Range,
    Read,
    Running,
    Size,
    Value,
)
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression, show_statement
from sqmagic.notation.source import Span
from sqmagic.notation.syntax import Binary, Call, Declaration, Expression, Name, Number


@dataclass(frozen=True, slots=True)
class Weights:
    """A declared layer: `M_1 : 784 -> 128`."""

    name: str
    sizes_in: tuple[Size, ...]
    sizes_out: tuple[Size, ...]
    span: Span


BUFFER: tuple[tuple[str, Value], ...] = (("batch", 256), ("steps", 1), ("gamma", 0.99))
"""The settings of a buffer: how much a draw has, how many steps it looks ahead, and how later rewards count then."""


@dataclass(frozen=True, slots=True)
class Declarations:
    """What is declared of states, layers, free parameters and buffers."""

    declared: tuple[Declared, ...]
    rows: Mapping[str, tuple[Point, Point]]
    weights: Mapping[str, Weights]
    free: Mapping[str, Weights]
    buffers: tuple[Buffer, ...]

    def input(self, name: str, indexed: bool, read: Read) -> Input:
        """A state that nothing defines, with what is declared of it."""
        found = next((d for d in self.declared if d.state == name), None)
        index = next((p.index for p in read.context if isinstance(p, Running | Last)), "t")
        first, last = self.rows.get(name, (Fixed(1), Last(index)))
        if found is None:
            return Input(name, indexed, first=first, last=last, span=read.span)
        return Input(name, indexed, found.kind, found.sizes, first, last, span=read.span)


def read_declarations(lines: tuple[Line, ...], names: Names, kernel: Kernel) -> tuple[Declarations, list[Problem]]:
    declared: list[Declared] = []
    rows: dict[str, tuple[Point, Point]] = {}
    weights: dict[str, Weights] = {}
    free: dict[str, Weights] = {}
    buffers: list[Buffer] = []
    problems: list[Problem] = []
    seen: dict[str, Declaration] = {}
    for line in lines:
        if not isinstance(line.statement, Declaration):
            continue
        try:
            found = _read(line.statement, names, kernel)
            known = seen.setdefault(found[0].state if isinstance(found, tuple) else found.name, line.statement)
            if (known.sizes, known.to) != (line.statement.sizes, line.statement.to):
                raise Fault(_twice(known, line.statement))
            match found:
                case (Declared() as state, None):
                    declared.append(state)
                case (Declared() as state, (first, last)):
                    declared.append(state)
                    rows[state.state] = (first, last)
                case Weights() as layer if layer.sizes_in:
                    weights[layer.name] = layer
                case Weights() as parameter:
                    free[parameter.name] = parameter
                case Buffer() as buffer:
                    buffers.append(buffer)
        except Fault as fault:
            problems.append(fault.problem)
    return Declarations(tuple(declared), rows, weights, free, tuple(buffers)), problems


def _twice(first: Declaration, second: Declaration) -> Problem:
    one, other = (show_statement(d).partition(" : ")[2] for d in (first, second))
    message = f"`{second.name.text}` is declared twice, as `{one}` and as `{other}`"
    return Problem("SQ241", message, second.span, notes=("one of the two lines goes.",))


def _read(
    d: Declaration, names: Names, kernel: Kernel
) -> tuple[Declared, tuple[Point, Point] | None] | Weights | Buffer:
    name = d.name.text
    sizes_of = partial(_sizes, names=names, kernel=kernel)
    if d.to:
        return Weights(name, sizes_of(d.sizes), sizes_of(d.to), d.span)
    names.taken(d.name)
    match d.sizes:
        case (Call(Name("param"), arguments),):
            return Weights(name, (), sizes_of(arguments), d.span)
        case (Name(("param" | "class" | "action") as kind, span=span),) if kind not in kernel.integers:
            raise Fault(_without_brackets(kind, span))
        case (Call(Name("buffer"), (capacity, *more), keywords) as buffer,):
            found = settings(keywords, tuple(more), BUFFER, "buffer", kernel)
            low = next((f"`{n}`" for n, v in found if n != "gamma" and not (isinstance(v, int) and v >= 1)), None)
            if len(more) > len(BUFFER) or low:
                what = f"{low} of `buffer` is a whole number from 1 on" if low else "`buffer` has three settings"
                raise Fault(Problem("SQ235", what, buffer.span))
            return Buffer(name, _size(capacity, names, kernel), found, span=d.span)
        case (Call(Name(("class" | "action") as kind), arguments, keywords, span=span),):
            if len(arguments) != 1 or keywords:
                raise Fault(_without_brackets(kind, span))
            return _state(d, "class" if kind == "class" else "action", sizes_of(arguments), names)
        case sizes:
            return _state(d, "real", sizes_of(sizes), names)


def _without_brackets(kind: str, span: Span) -> Problem:
    if kind == "param":
        message = "`param` is written with brackets: `param(3)` says its sizes, `param()` that its use tells them"
        return Problem("SQ232", message, span, instead="param()")
    return Problem("SQ232", f"`{kind}` is written with how many there are to choose from: `{kind}(10)`", span)


def _state(
    d: Declaration, kind: Kind, sizes: tuple[Size, ...], names: Names
) -> tuple[Declared, tuple[Point, Point] | None]:
    key, context = names.state(d.name.text)
    rows = (context[0].first, context[0].last) if context and isinstance(context[0], Range) else None
    if rows is None and context and is_fixed(context):
        text = f"{key}_{names.indices[0]}"
        raise Fault(Problem("SQ231", f"a whole sequence is declared at once: `{text}`", d.name.span, instead=text))
    return Declared(key, sizes, kind, span=d.span), rows


_MOST = 2**31 - 1
"""The largest size: what no machine holds one number of each of is a slip."""


def _sizes(expressions: tuple[Expression, ...], names: Names, kernel: Kernel) -> tuple[Size, ...]:
    return tuple(_size(e, names, kernel) for e in expressions)


def _size(expression: Expression, names: Names, kernel: Kernel) -> Size:
    match expression:
        case Number(value) if value == int(value) and value > 0:
            return _held(Size(int(value)), int(value), expression.span)
        case Name(text) if text in kernel.integers:
            return _held(Size(text), kernel.integers[text], expression.span)
        case Name(text) if names.position(text) is not None:
            raise Fault(_of_steps(text, names, expression.span))
        case Name(text):
            return Size(text)
        case Call(Name(text)):
            known = "there are `class(n)`, `action(n)`, `param(n)` and `buffer(n, batch=m)`."
            raise Fault(Problem("SQ232", f"`{text}(…)` is no kind of declaration", expression.span, notes=(known,)))
        case Binary("*", Number() as left, Number() as right):
            sizes = f"{show_expression(left)}, {show_expression(right)}"
            message = f"`{show_expression(expression)}` is no size: several sizes stand with commas between them"
            raise Fault(Problem("SQ232", message, expression.span, instead=sizes))
        case _:
            text = show_expression(expression)
            raise Fault(Problem("SQ232", f"`{text}` is no size: a size is a whole number from 1 on", expression.span))


def _held(size: Size, value: int, span: Span) -> Size:
    named = "" if size.value == value else f"`{size.value}` is {value} in the kernel: "
    if value < 1:
        raise Fault(Problem("SQ232", f"{named}a size is a whole number from 1 on", span))
    if value > _MOST:
        raise Fault(Problem("SQ232", f"{named}a size is at most {_MOST:,}", span))
    return size


def _of_steps(text: str, names: Names, span: Span) -> Problem:
    """`x_t : T`: how many steps there are, each call tells anew."""
    what = "counts the steps" if text in names.indices else "is the last step"
    note = (
        "a size is a whole number, or has the name of one in the kernel; how many steps there are is declared nowhere."
    )
    return Problem("SQ232", f"`{text}` {what}, and is no size", span, notes=(note,))
