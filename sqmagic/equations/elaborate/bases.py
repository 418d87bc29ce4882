"""Rule base: a free parameter that is declared at a point of a sequence, `h_0 : param(8)`, is that point's base case.

It becomes two lines, `h0 : param(8)` and `h_0 := h0`: the parameter has a name of its own, for the state at that point
has a row for each example. A name that occurs at no running index is a plain one, and nothing is made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.elaborate.lines import Line
from sqmagic.equations.elaborate.names import BadContext, Split, is_fixed, split
from sqmagic.equations.elaborate.trees import defined, written
from sqmagic.equations.show import show_index
from sqmagic.equations.system import Context, Fixed, Index, Last
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Binding, Call, Declaration, Name, Statement

RULE = "base"


def learned_bases(statements: tuple[Statement, ...], running: tuple[str, ...]) -> tuple[Line, ...]:
    """The statements as lines, each such declaration as the two lines that it stands for."""
    names = tuple(written(statements))
    taken = frozenset(name.text for name in names)
    places = [found for name in names if (found := _split(name, running)) is not None]
    sequences = frozenset(name.base for name in places if name.context and not is_fixed(name.context))
    return tuple(line for s in statements for line in _lines(s, sequences, taken, running))


def given_parameters(lines: tuple[Line, ...]) -> Iterator[Problem]:
    """`b : param(8)` beside `F(x) -> b`: every read of b would be of the one, and the other lost."""
    free = {
        line.statement.name.text: line
        for line in lines
        if isinstance(line.statement, Declaration) and is_free(line.statement)
    }
    for line in lines:
        for name in defined(line.statement):
            if name.text in free and line.span != free[name.text].span:
                message = f"`{name.text}` is declared as a free parameter, and is given a value"
                note = "what is learned is given no value: one of the two needs another name."
                yield Problem("SQ226", message, line.span, notes=(note,))


def is_free(declaration: Declaration) -> bool:
    """`b : param(64)`."""
    match declaration:
        case Declaration(_, (Call(Name("param")),), ()):
            return True
        case _:
            return False


def _lines(
    statement: Statement, sequences: frozenset[str], taken: frozenset[str], running: tuple[str, ...]
) -> Iterator[Line]:
    match statement:
        case Declaration(name) if is_free(statement):
            found = _split(name, running)
            context = (found.context if found is not None else None) or ()
            if found is not None and _is_point(context) and found.base in sequences:
                own = replace(name, text=_fresh(found.base, context, taken))
                yield Line(replace(statement, name=own), statement.span, rules=(RULE,))
                yield Line(Binding(name, own, span=statement.span), statement.span, rules=(RULE,))
                return
        case _:
            pass
    yield Line(statement, statement.span)


def _is_point(context: Context) -> bool:
    return bool(context) and all(isinstance(index, Fixed | Last) for index in context)


def _fresh(base: str, context: Context, taken: frozenset[str]) -> str:
    """`h0` for `h_0`, `h_minus1` for `h_{-1}`, `h0_1` for `h_{0,1}`, `VT1` for `V_{T+1}`."""
    name = base + "_".join(map(_spelled, context))
    while name in taken:
        name += "'"
    return name


def _spelled(index: Index) -> str:
    return show_index(index).replace("-", "_minus").replace("+", "")


def _split(name: Name, running: tuple[str, ...]) -> Split | None:
    """The name taken apart; None where its braces hold no context, which is told elsewhere."""
    try:
        return split(name.text, running)
    except BadContext:
        return None
