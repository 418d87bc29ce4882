"""The parser's engine: text in, tree out, or the first place where it got stuck.

lark's LALR(1) parser with its contextual lexer builds the tree while it reads, without recursion, in time
linear in the text. What is said to a user about a place where it got stuck is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import pairwise

from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from sqmagic.notation.build import Build, place
from sqmagic.notation.problems import Problem
from sqmagic.notation.rejected import Rejected
from sqmagic.notation.source import Span
from sqmagic.notation.syntax import Program

DEEPEST = 100  # brackets within brackets, and operators within operators: no pass over a tree meets Python's limit

_BLANK = " \t\r\f\v\u00a0" + "".join(map(chr, range(0x2000, 0x200C))) + "\u202f\u3000\ufeff"  # as in grammar.lark
_FIRST_LINE = re.compile(rf"(?:[{_BLANK}]*(?:#[^\n]*)?\n)*([{_BLANK}]*)")
_WITHOUT_WIDTH = str.maketrans("", "", "\r\u200b\ufeff")


class Stuck(Exception):
    """The text goes on in a way that the grammar does not know.

    `at` is the place; `kind` the terminal that stands there, or "" for a character of none; `expected` the
    terminals that could have stood there.
    """

    def __init__(self, at: Span, kind: str, expected: frozenset[str]) -> None:
        self.at, self.kind, self.expected = at, kind, expected
        super().__init__(at, kind, expected)


def read(text: str) -> Program:
    """The tree of a text, judged by the grammar alone. Raises `Stuck` or `Rejected` at the first mistake."""
    first = _FIRST_LINE.match(text)
    assert first is not None
    try:
        tree = grammar().parse(f"\n{text}\n{first[1]}")
    except UnexpectedInput as error:
        raise _stuck(error) from None
    assert isinstance(tree, Program)
    return tree


def logical_lines(text: str) -> list[Span]:
    """Where each statement's text stands, lines that go on with the line before joined, indentation aside."""
    lark = grammar()
    wrap, end = (lark.get_terminal(name).pattern.to_regexp() for name in ("WRAP", "_NL"))
    whole = f"\n{text}\n"
    breaks = [m.span() for m in re.finditer(f"{wrap}|(?P<end>{end})", whole) if m["end"]]
    ends = ((start, start + len(whole[start:stop].rstrip(_BLANK))) for (_, start), (stop, _) in pairwise(breaks))
    return [Span(start - 1, stop - 1) for start, stop in ends]


def width(indentation: str) -> int:
    """How far a line is indented; a tab reaches to the next multiple of four."""
    return len(indentation.translate(_WITHOUT_WIDTH).expandtabs(4))


@cache
def grammar(strict: bool = False) -> Lark:
    """The parser, built at its first use. `strict` asks lark to refuse conflicts and colliding terminals."""
    return Lark(
        files("sqmagic.notation").joinpath("grammar.lark").read_text(encoding="utf-8"),
        start="program",
        parser="lalr",
        lexer="contextual",
        postlex=_Layout(),
        transformer=Build(),
        keep_all_tokens=True,
        maybe_placeholders=False,
        strict=strict,
    )


class _Layout(PostLex):
    """Marks where a block begins and ends by the indentation of its lines, and bounds nesting."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        levels: list[int] = []
        depth = 0
        for token in stream:
            yield token
            match token.type:
                case "_NL":
                    depth = 0
                    yield from _blocks(levels, token)
                case "LPAR" | "SQUARE" | "OPEN" | "LOSS":
                    depth += 1
                    if depth > DEEPEST:
                        raise Rejected(Problem("SQ109", "brackets stand more than 100 deep; name a part", place(token)))
                case "RPAR" | "CLOSE":
                    depth -= 1
                case _:
                    pass


def _blocks(levels: list[int], newline: Token) -> Iterator[Token]:
    """The tokens that open or close blocks after a line's end; `levels` are the open blocks' indentations."""
    indentation = newline.rpartition("\n")[2]
    column = width(indentation)
    if not levels:
        levels.append(column)
    if column > levels[-1]:
        levels.append(column)
        yield Token.new_borrow_pos("_INDENT", indentation, newline)
    while column < levels[-1] and len(levels) > 1:
        levels.pop()
        yield Token.new_borrow_pos("_DEDENT", "", newline)
    if column != levels[-1]:
        stop = place(newline).stop
        message = "this line is indented like no line before it that it could stand beside"
        raise Rejected(Problem("SQ107", message, Span(stop - len(indentation), stop)))


def _stuck(error: UnexpectedInput) -> Stuck:
    match error:
        case UnexpectedToken():
            accepts = error.accepts if error.interactive_parser else error.expected
            return Stuck(place(error.token), error.token.type, frozenset(accepts or ()))
        case UnexpectedCharacters():
            assert error.pos_in_stream is not None
            at = error.pos_in_stream - 1
            return Stuck(Span(at, at + 1), "", frozenset(error.allowed))
        case _:
            raise AssertionError(f"lark raised {error!r}")
