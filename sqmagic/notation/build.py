"""Nodes of the tree from the tokens and nodes of a grammar rule, called by the parser as it reduces.

Each method bears the name of a rule in grammar.lark and is given the rule's children, tokens included.
Nothing is judged here: `wellformed` looks at the finished tree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lark import Token, Transformer

from sqmagic.notation import syntax
from sqmagic.notation.letters import ascii_name
from sqmagic.notation.problems import Problem, quoted
from sqmagic.notation.rejected import Rejected
from sqmagic.notation.source import Placed, Span

# lark's callbacks are untyped: a child is a token or a node that another method made
Children: TypeAlias = list[Any]

NO_BLOCK = "and several names head a macro; indent the lines that belong to it"

_OPERATORS = {"-": "-", "−": "-", "–": "-", "+": "+", "/": "/", "@": "@"}


def place(token: Token) -> Span:
    """Where a token stands in the user's text: the parser is given one newline before it."""
    assert token.start_pos is not None and token.end_pos is not None
    return Span(token.start_pos - 1, token.end_pos - 1)


def _spot(child: Token | Placed) -> Span:
    return place(child) if isinstance(child, Token) else child.span


def _span(children: Children) -> Span:
    return Span(_spot(children[0]).start, _spot(children[-1]).stop)


def _name(token: Token) -> syntax.Name:
    return syntax.Name(ascii_name(token), span=place(token))


def _nodes(children: Children) -> Children:
    return [child for child in children if not isinstance(child, Token)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Placed):
    """What stands after `name :`, before it is known whether a block follows."""

    parts: Children
    separators: tuple[str, ...]


def _formals(shape: Shape) -> tuple[syntax.Name, ...]:
    formals = tuple(part for part in shape.parts if isinstance(part, syntax.Name))
    if len(formals) < len(shape.parts) or set(shape.separators) - {"COMMA"}:
        raise Rejected(Problem("SQ108", "a macro's formals are names of states with commas between them", shape.span))
    return formals


class Build(Transformer[Token, syntax.Program]):
    """The grammar's rules as functions from children to nodes."""

    def program(self, children: Children) -> syntax.Program:
        return syntax.Program(tuple(_nodes(children)))

    # --- statements ---

    def pipeline(self, children: Children) -> syntax.Pipeline:
        return syntax.Pipeline(children[0], tuple(children[1:]), span=_span(children))

    def arrow(self, children: Children) -> syntax.Arrow:
        items = children[1] if len(children) > 2 else ()
        return syntax.Arrow(items, children[-1], span=_span(children))

    def items(self, children: Children) -> tuple[syntax.Item, ...]:
        return tuple(_nodes(children))

    def item(self, children: Children) -> syntax.Item:
        if len(children) > 1 and not re.fullmatch("[1-9][0-9]{0,8}", children[2]):
            raise Rejected(Problem("SQ112", "a batch size is a whole number, at least 1", place(children[2])))
        batch = int(children[2]) if len(children) > 1 else None
        return syntax.Item(children[0], batch, span=_span(children))

    def regress(self, children: Children) -> syntax.Regress:
        loss = children[1] if len(children) > 2 else None
        return syntax.Regress(children[-1], loss, span=_span(children))

    def raise_(self, children: Children) -> syntax.Raise:
        return syntax.Raise(children[1], span=_span(children))

    def binding(self, children: Children) -> syntax.Binding:
        return syntax.Binding(children[0], children[2], span=_span(children))

    # --- running indices, resets and returns ---

    def over(self, children: Children) -> syntax.Over:
        return syntax.Over(tuple(_nodes(children)), span=_span(children))

    def index(self, children: Children) -> syntax.IndexRange:
        first, last = (children[2], children[4]) if len(children) > 1 else (None, None)
        return syntax.IndexRange(_name(children[0]), first, last, span=_span(children))

    def minus_number(self, children: Children) -> syntax.Negative:
        return syntax.Negative(self.number(children[1:]), span=_span(children))

    def reset(self, children: Children) -> syntax.Reset:
        *states, on = _nodes(children)
        return syntax.Reset(tuple(states), on, span=_span(children))

    def return_(self, children: Children) -> syntax.Return:
        return syntax.Return(children[1], span=_span(children))

    # --- macros and declarations ---

    def shape(self, children: Children) -> Shape:
        separators = tuple(sign.type for sign in children[1::2])
        return Shape(parts=children[::2], separators=separators, span=_span(children))

    def declaration(self, children: Children) -> syntax.Declaration:
        shape: Shape = children[2]
        name, span = _name(children[0]), _span(children[:3])
        if "COMMA" in shape.separators:
            sizes = [f"{p.value:g}" for p in shape.parts if isinstance(p, syntax.Number)]
            if len(sizes) == len(shape.parts) and "ARROW" not in shape.separators:
                message = "between the sizes of a declaration stands `x`"
                raise Rejected(Problem("SQ108", message, shape.span, instead=" x ".join(sizes)))
            message = f"{quoted(name.text + ':')} {NO_BLOCK}"
            raise Rejected(Problem("SQ108", message, span))
        if shape.separators.count("ARROW") > 1:
            raise Rejected(Problem("SQ108", "a parameter's shape has one `->`, from its input to its output", span))
        turn = (*shape.separators, "ARROW").index("ARROW") + 1
        return syntax.Declaration(name, tuple(shape.parts[:turn]), tuple(shape.parts[turn:]), span=span)

    def macro(self, children: Children) -> syntax.Macro:
        name = _name(children[0])
        nodes = _nodes(children)
        formals = _formals(nodes.pop(0)) if isinstance(nodes[0], Shape) else ()
        return syntax.Macro(name, formals, tuple(nodes), span=name.span | nodes[-1].span)

    # --- expressions ---

    def several(self, children: Children) -> syntax.Tuple:
        return syntax.Tuple(tuple(children[::2]), span=_span(children))

    def bar(self, children: Children) -> syntax.Bar:
        return syntax.Bar(tuple(children[::2]), span=_span(children))

    def binary(self, children: Children) -> syntax.Binary:
        left, sign, right = children
        return syntax.Binary(_OPERATORS.get(sign, "*"), left, right, span=_span(children))

    def negative(self, children: Children) -> syntax.Negative:
        return syntax.Negative(children[1], span=_span(children))

    def parenthesised(self, children: Children) -> Any:
        return replace(children[1], span=_span(children))

    def subscript(self, children: Children) -> syntax.Subscript:
        return syntax.Subscript(children[0], children[2], span=_span(children))

    def slice(self, children: Children) -> syntax.Slice:
        return syntax.Slice(children[0], children[2], children[4], span=_span(children))

    def call(self, children: Children) -> syntax.Call:
        function, *arguments = _nodes(children)
        keywords = tuple(a for a in arguments if isinstance(a, syntax.Keyword))
        named = {keyword.name for keyword in keywords}
        if len(named) < len(keywords):
            raise Rejected(Problem("SQ113", "an argument of this call is given twice by its name", _span(children)))
        first = len(arguments) - len(keywords)
        if any(isinstance(argument, syntax.Keyword) for argument in arguments[:first]):
            raise Rejected(Problem("SQ113", "arguments by name stand after all others", keywords[0].span))
        return syntax.Call(function, tuple(arguments[:first]), keywords, span=_span(children))

    def keyword(self, children: Children) -> syntax.Keyword:
        return syntax.Keyword(ascii_name(children[0]), children[2], span=_span(children))

    def number(self, children: Children) -> syntax.Number:
        return syntax.Number(float(children[0]), span=_span(children))

    def name(self, children: Children) -> syntax.Name:
        return _name(children[0])
