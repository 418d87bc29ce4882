"""Numbers are written on the operator that uses them: `1−`, `×γ`, `[2]`."""

from __future__ import annotations

from typing import assert_never

from sqmagic.board.binding import Notes
from sqmagic.board.layout.glyphs import FOLDED, GLYPHS, WHERE
from sqmagic.board.layout.graph import Label
from sqmagic.board.names import MINUS, index_text
from sqmagic.board.operators import formula
from sqmagic.board.plain import write
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Apply, Const, Expr, Position, Read, Weight


def folds(expr: Expr, known: Notes) -> bool:
    """Made of numbers alone: written on the operator that uses it."""
    match expr:
        case Const() | Position():
            return True
        case Read(state, context):
            return state in known.constants and not context
        case Apply(op, args):
            return bool(args) and not OPS[op].parameters and not OPS[op].effect and all(folds(a, known) for a in args)
        case Weight():
            return False
        case _:
            assert_never(expr)


def text_of(expr: Expr, known: Notes) -> str:
    """A number as it is written on an operator."""
    return index_text(expr.point) if isinstance(expr, Position) else write(formula(expr, known)).replace(" ", "")


def folded(expr: Apply, known: Notes) -> tuple[Label, list[Expr]]:
    """The operator's label with its numbers in it, and the operands that are left."""
    text, numbers = GLYPHS[expr.op].text, [folds(a, known) for a in expr.args]
    if all(numbers) or not any(numbers):
        return Label(_named(expr, text)), list(expr.args)
    left = [a for a, number in zip(expr.args, numbers, strict=True) if not number]
    if expr.op in FOLDED:
        form = FOLDED[expr.op][0 if numbers[0] else 1]
        written = text_of(expr.args[0 if numbers[0] else 1], known)
        return Label(form.format(written).replace(f"+{MINUS}", MINUS)), left
    if expr.op == "where":
        told = ", ".join(f.format(text_of(a, known)) for f, a, n in zip(WHERE, expr.args, numbers, strict=True) if n)
        return Label(told), left
    told = ",".join(text_of(a, known) for a, number in zip(expr.args, numbers, strict=True) if number)
    return Label(f"[{told}]" if expr.op == "index" else f"{text} {told}"), left


def _named(expr: Apply, text: str) -> str:
    if expr.op == "slice":
        return f"[{expr.attribute('start', 0)}:{expr.attribute('stop', 0)}]"
    return text
