"""What the grammar lets pass and no program may contain.

Before: a tree as it was read. After: the list of its problems, each from one place in the tree; none means that
names have sound contexts, numbers are finite, sizes whole, nesting is bounded and every statement stands where
its kind may stand. What a program means is not looked at. No recursion: a tree may be as deep as its text is long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isinf

from sqmagic.notation.problems import Problem, quoted
from sqmagic.notation.reader import DEEPEST
from sqmagic.notation.syntax import (
    Call,
    Declaration,
    Expression,
    Keyword,
    Macro,
    Name,
    Node,
    Number,
    Program,
    Return,
    Statement,
    inner,
)

RETURN_OUTSIDE = "`return` ends a macro's block, and this is not in one"

_WORD = r"[A-Za-z][A-Za-z0-9]*'*(?:_[A-Za-z0-9]+'*)*(?:_\{[^{}]*\})?'*"
_INDEX = rf"[+-]?(?:[0-9]+|{_WORD})(?:[+-](?:[0-9]+|{_WORD}))*"
_CONTEXT = re.compile(rf"{_INDEX}(?::{_INDEX})?(?:,{_INDEX}(?::{_INDEX})?)*")
_NUMBER = re.compile(r"(?<![A-Za-z0-9_'])[0-9]+")
FARTHEST = 10_000
"""How far from the running index, or from end to end, a context may reach: each step of that is kept, and written."""


def judge(program: Program) -> list[Problem]:
    """Every problem of a whole program."""
    if not program.statements:
        return [Problem("SQ110", "there is no statement here; `x --[F]-> p => y` would be one")]
    return [*_misplaced(program.statements), *judge_statements(program.statements)]


def judge_statements(statements: tuple[Statement, ...]) -> list[Problem]:
    """Every problem within statements, wherever they stand."""
    return [problem for statement in statements for problem in _walk(statement)]


def _misplaced(statements: tuple[Statement, ...]) -> Iterator[Problem]:
    for statement in statements:
        match statement:
            case Return():
                yield Problem("SQ114", RETURN_OUTSIDE, statement.span)
            case Macro(_, _, body):
                inner = [inside.name.span for inside in body if isinstance(inside, Macro)]
                yield from (Problem("SQ114", "a macro cannot stand within a macro; put it before", i) for i in inner)
            case _:
                pass


def _walk(statement: Statement) -> Iterator[Problem]:
    waiting: list[tuple[Node, int]] = [(statement, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST + 1:
            yield Problem("SQ109", f"this is more than {DEEPEST} operators deep; give a part of it a name", node.span)
            return
        yield from _local(node)
        waiting += [(part, depth + 1) for part in inner(node)]


def _local(node: Node) -> Iterator[Problem]:
    """What is wrong with a node itself, its parts aside."""
    match node:
        case Name(text) if "{" in text:
            braced = text[text.index("_{") + 2 : -1]
            if not _CONTEXT.fullmatch(braced):
                start = f"{quoted(braced)} is no context" if braced else "a context is missing"
                message = f"{start}: braces hold an index such as t-1, 0 or T+1, a range such as 1:t, or both"
                yield Problem("SQ111", message, node.span)
            elif any(map(_too_far, braced.split(","))):
                yield Problem("SQ112", f"this index is too large: steps are at most {FARTHEST} apart", node.span)
        case Name(text) if len(text.rstrip("'")) - len(text.rstrip("'").rstrip("0123456789")) > 18:
            yield Problem("SQ112", "this number is too large", node.span)
        case Number(value) if isinf(value):
            yield Problem("SQ112", "this number is too large", node.span)
        case Keyword(name) if "{" in name or "'" in name:
            yield Problem("SQ113", "the name of an argument has neither a context nor a prime", node.span)
        case Declaration(_, sizes, to):
            yield from _sizes(sizes + to)
        case _:
            pass


def _too_far(index: str) -> bool:
    """A point that stands by itself may lie anywhere where a sequence may reach."""
    most = 10**9 if index.lstrip("+-").isdigit() else FARTHEST
    return any(len(number) > 10 or int(number) > most for number in _NUMBER.findall(index))


def _sizes(sizes: tuple[Expression, ...]) -> Iterator[Problem]:
    for size in sizes:
        match size:
            case Number(value) if value < 1 or (value % 1 != 0 and not isinf(value)):
                yield Problem("SQ112", "a size is a whole number, at least 1", size.span)
            case Call() if len(sizes) > 1:
                message = "a kind such as `class(10)` stands alone after the colon, not among sizes"
                yield Problem("SQ108", message, size.span)
            case _:
                pass
