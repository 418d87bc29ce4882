"""Walking what was written: a state's name stands where a value is meant, a function's where it is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

from sqmagic.notation.syntax import (
    Arrow,
    Bar,
    Binary,
    Binding,
    Call,
    Declaration,
    Expression,
    Macro,
    Name,
    Negative,
    Number,
    Over,
    Part,
    Pipeline,
    Raise,
    Regress,
    Reset,
    Return,
    Slice,
    Statement,
    Subscript,
    Tuple,
)


def bottom_up(expression: Expression, change: Callable[[Expression], Expression]) -> Expression:
    """Every value in the expression changed, the inner ones first. What is called, and settings, are left alone."""

    def go(e: Expression) -> Expression:
        match e:
            case Number() | Name():
                return change(e)
            case Negative(operand) | Slice(operand):
                return change(replace(e, operand=go(operand)))
            case Binary(_, left, right):
                return change(replace(e, left=go(left), right=go(right)))
            case Bar(members) | Tuple(members):
                return change(replace(e, parts=tuple(go(m) for m in members)))
            case Call(_, arguments):
                return change(replace(e, arguments=tuple(go(a) for a in arguments)))
            case Subscript(operand, index):
                return change(replace(e, operand=go(operand), index=go(index)))
            case _:
                assert_never(e)

    return go(expression)


def rename(expression: Expression, leaf: Callable[[Name], Expression]) -> Expression:
    """Every name that stands for a value replaced."""
    return bottom_up(expression, lambda e: leaf(e) if isinstance(e, Name) else e)


def nodes(expression: Expression) -> Iterator[Expression]:
    """Every value in the expression, a whole before its parts, left to right."""
    yield expression
    for part in _within(expression):
        yield from nodes(part)


DEEPEST = 100
"""How many operations may stand within each other in one line. Walking a tree takes a few Python calls a level."""


def depth(expression: Expression) -> int:
    """How deep an expression nests, without recursion."""
    deepest, waiting = 0, [(expression, 1)]
    while waiting:
        node, level = waiting.pop()
        deepest = max(deepest, level)
        waiting += [(part, level + 1) for part in _within(node)]
    return deepest


def _within(expression: Expression) -> tuple[Expression, ...]:
    match expression:
        case Number() | Name():
            return ()
        case Negative(operand) | Slice(operand):
            return (operand,)
        case Binary(_, left, right):
            return left, right
        case Bar(members) | Tuple(members):
            return members
        case Call(_, arguments):
            return arguments
        case Subscript(operand, index):
            return operand, index
        case _:
            assert_never(expression)


def names(expression: Expression) -> Iterator[Name]:
    """The names that stand for values."""
    return (node for node in nodes(expression) if isinstance(node, Name))


def parts(expression: Expression) -> tuple[Expression, ...]:
    """The members of a tuple, or the one expression."""
    return expression.parts if isinstance(expression, Tuple) else (expression,)


def over_values(
    statement: Statement,
    change: Callable[[Expression], Expression],
    of_loss: Callable[[Expression], Expression] | None = None,
) -> Statement:
    """The statement with each expression that is read changed; what is defined stays. `of_loss` changes what stands in
    `==[…]=>`, where it is not as any other."""
    match statement:
        case Binding():
            return replace(statement, value=change(statement.value))
        case Pipeline():
            return replace(
                statement,
                source=change(statement.source),
                parts=tuple(_over_part(p, change, of_loss or change) for p in statement.parts),
            )
        case Return():
            return replace(statement, value=change(statement.value))
        case Macro() | Declaration() | Over() | Reset():
            return statement
        case _:
            assert_never(statement)


def _over_part(
    part: Part, change: Callable[[Expression], Expression], of_loss: Callable[[Expression], Expression]
) -> Part:
    match part:
        case Arrow():
            return part
        case Regress(target, loss):
            return replace(part, target=change(target), loss=loss if loss is None else of_loss(loss))
        case Raise(objective):
            return replace(part, objective=change(objective))
        case _:
            assert_never(part)


def values(statement: Statement) -> tuple[Expression, ...]:
    """The expressions that a statement reads."""
    found: list[Expression] = []

    def keep(expression: Expression) -> Expression:
        found.append(expression)
        return expression

    over_values(statement, keep)
    return tuple(found)


def defined(statement: Statement) -> tuple[Name, ...]:
    """The names that a single assignment gives a value."""
    if not isinstance(statement, Binding):
        return ()
    return tuple(name for name in parts(statement.target) if isinstance(name, Name))


def named(statement: Statement) -> tuple[Name, ...]:
    """The names that a statement, a pipeline of several stations too, gives values."""
    if not isinstance(statement, Pipeline):
        return defined(statement)
    outputs = [p for part in statement.parts if isinstance(part, Arrow) for p in parts(part.outputs)]
    return tuple(name for name in outputs if isinstance(name, Name))


def written(statements: tuple[Statement, ...]) -> Iterator[Name]:
    """Every name of a value that the statements mention, read, defined or declared, inside macros too."""
    for statement in statements:
        for value in values(statement):
            yield from names(value)
        match statement:
            case Binding(target):
                yield from names(target)
            case Pipeline(_, stations):
                for part in stations:
                    if isinstance(part, Arrow):
                        yield from names(part.outputs)
            case Macro(_, formals, body):
                yield from formals
                yield from written(body)
            case Declaration(name):
                yield name
            case Reset(states, on):
                yield from (*states, on)
            case Over() | Return():
                pass
            case _:
                assert_never(statement)
