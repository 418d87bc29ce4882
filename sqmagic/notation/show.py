"""The canonical printer: a tree as its author could have typed it.

`parse(show(program)) == program`, in ASCII and in Unicode. Parentheses stand only where the tree needs them.
A name that elaboration has made (`Enc.r_t`) is printed as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from sqmagic.notation.letters import unicode_name
from sqmagic.notation.syntax import (
    Arrow,
    Bar,
    Binary,
    Binding,
    Call,
    Declaration,
    Expression,
    IndexRange,
    Item,
    Keyword,
    Macro,
    Name,
    Negative,
    Number,
    Over,
    Part,
    Pipeline,
    Program,
    Raise,
    Regress,
    Reset,
    Return,
    Slice,
    Statement,
    Subscript,
    Tuple,
)


@dataclass(frozen=True, slots=True)
class _Script:
    """How the signs are written, and the names."""

    arrow: str
    opening: str
    goal: str
    loss: str
    bind: str
    size: str
    operators: dict[str, str]
    name: Callable[[str], str]


_OPERATORS = {"+": " + ", "-": " - ", "*": "*", "/": "/", "@": " @ "}
_ASCII = _Script("->", "--[", "=>", "==[", ":=", " x ", _OPERATORS, str)
_UNICODE = _Script("→", "──[", "⇒", "══[", "←", " × ", _OPERATORS | {"*": " ⊙ "}, unicode_name)

# how tightly an expression holds together; a part that holds less than its place demands gets parentheses
_TUPLE, _BAR, _SUM, _PRODUCT, _UNARY, _TIGHT = range(6)
_BINARY = {"+": _SUM, "-": _SUM, "*": _PRODUCT, "/": _PRODUCT, "@": _PRODUCT}


def show(program: Program, unicode: bool = False) -> str:
    """The program's canonical text, one statement a line, with a final newline; "" if it has no statement."""
    return "".join(f"{show_statement(statement, unicode)}\n" for statement in program.statements)


def show_statement(statement: Statement, unicode: bool = False) -> str:
    """One statement's canonical text; a macro takes several lines."""
    return _statement(statement, _UNICODE if unicode else _ASCII)


def show_expression(expression: Expression, unicode: bool = False) -> str:
    """One expression's canonical text."""
    return _expression(expression, _UNICODE if unicode else _ASCII)


def _statement(statement: Statement, script: _Script) -> str:
    match statement:
        case Pipeline(source, parts):
            return " ".join([_expression(source, script), *(_part(part, script) for part in parts)])
        case Binding(target, value):
            return f"{_expression(target, script)} {script.bind} {_expression(value, script)}"
        case Macro(name, formals, body):
            head = f"{script.name(name.text)}: {_row(formals, script)}".rstrip()
            lines = "\n".join(_statement(inner, script) for inner in body).split("\n")
            return "\n".join([head, *(f"    {line}" for line in lines)])
        case Declaration(name, sizes, to):
            shapes = (script.size.join(_expression(size, script) for size in part) for part in (sizes, to) if part)
            return f"{script.name(name.text)} : {f' {script.arrow} '.join(shapes)}"
        case Over(indices):
            return f"over {', '.join(_index(index, script) for index in indices)}"
        case Reset(states, on):
            return f"reset {_row(states, script)} on {script.name(on.text)}"
        case Return(value):
            return f"return {_expression(value, script)}"
        case _:
            assert_never(statement)


def _part(part: Part, script: _Script) -> str:
    match part:
        case Arrow((), outputs):
            return f"{script.arrow} {_expression(outputs, script)}"
        case Arrow(items, outputs):
            between = "|".join(_item(item, script) for item in items)
            return f"{script.opening}{between}]{script.arrow} {_expression(outputs, script)}"
        case Regress(target, loss):
            named = "" if loss is None else f"{script.loss}{_expression(loss, script, _BAR)}]"
            return f"{named}{script.goal} {_expression(target, script)}"
        case Raise(objective):
            return f"$ {_expression(objective, script, _BAR)}"
        case _:
            assert_never(part)


def _item(item: Item, script: _Script) -> str:
    function = _expression(item.function, script)
    return function if item.batch is None else f"{function}@{item.batch}"


def _index(index: IndexRange, script: _Script) -> str:
    name = script.name(index.name.text)
    if index.first is None or index.last is None:
        return name
    return f"{name} = {_expression(index.first, script)}:{_expression(index.last, script)}"


def _expression(expression: Expression, script: _Script, least: int = _TUPLE) -> str:
    """The text of an expression for a place that demands parts which hold together at least so tightly."""
    return _held(*_bare(expression, script), least)


def _held(level: int, text: str, least: int) -> str:
    return text if level >= least else f"({text})"


def _bare(expression: Expression, script: _Script) -> tuple[int, str]:
    """How tightly an expression holds together, and its text without parentheses around it."""
    match expression:
        case Number(value):
            return (_TIGHT if value >= 0 else _UNARY), _number(value)
        case Name(text):
            return _TIGHT, script.name(text)
        case Negative(operand):
            return _UNARY, f"-{_expression(operand, script, _TIGHT)}"
        case Binary(operator, left, right):
            level = _BINARY[operator]
            sides = _expression(left, script, level), _expression(right, script, level + 1)
            return level, script.operators[operator].join(sides)
        case Bar(parts):
            bare = [_bare(part, script) for part in parts]
            sign = "|" if all(level == _TIGHT for level, _ in bare) else " | "
            return _BAR, sign.join(_held(level, text, _SUM) for level, text in bare)
        case Tuple(parts):
            return _TUPLE, _row(parts, script)
        case Call(function, arguments, keywords):
            pairs = [_keyword(keyword, script) for keyword in keywords]
            inside = ", ".join([*(_expression(argument, script, _BAR) for argument in arguments), *pairs])
            return _TIGHT, f"{_expression(function, script, _TIGHT)}({inside})"
        case Subscript(operand, index):
            return _TIGHT, f"{_expression(operand, script, _TIGHT)}[{_expression(index, script, _BAR)}]"
        case Slice(operand, start, stop):
            ends = f"{_expression(start, script, _BAR)}:{_expression(stop, script, _BAR)}"
            return _TIGHT, f"{_expression(operand, script, _TIGHT)}[{ends}]"
        case _:
            assert_never(expression)


def _row(parts: tuple[Expression, ...] | tuple[Name, ...], script: _Script) -> str:
    return ", ".join(_expression(part, script, _BAR) for part in parts)


def _keyword(keyword: Keyword, script: _Script) -> str:
    return f"{script.name(keyword.name)}={_expression(keyword.value, script, _BAR)}"


def _number(value: float) -> str:
    """Whole numbers without a point; what a float's repr gives reads back as the same float."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
