"""About how wide a formula is set, in em: enough to make columns, for no font is at hand."""

from __future__ import annotations

from typing import assert_never

from sqmagic.board.formula import Atom, Brace, Formula, Fraction, Hat, Root, Row, Script, Tint
from sqmagic.board.theme import text_width

_SMALL = 0.72


def width(formula: Formula) -> float:
    """Rather too wide than too narrow: math fonts differ."""
    return 1.08 * _width(formula)


def _width(formula: Formula) -> float:
    match formula:
        case Atom("⊤" | "∑", _):
            return 0.9
        case Atom("\u2009" | "<‖" | "‖>" | "<|" | "|>", _):
            return 0.3
        case Atom(text, "infix"):
            return 0.9 if text == "," else text_width(text, 1.0) + 0.55
        case Atom(text, "letter" | "number"):
            return max(0.56 * len(text), text_width(text, 1.0, serif=True))
        case Atom(text):
            return text_width(text, 1.0, serif=True)
        case Row(parts):
            return sum(map(_width, parts))
        case Script(base, below, above):
            return _width(base) + _SMALL * max(_width(below) if below else 0.0, _width(above) if above else 0.0)
        case Fraction(over, under, small):
            return (_SMALL if small else 1.0) * max(_width(over), _width(under)) + 0.2
        case Root(body):
            return _width(body) + 0.8
        case Brace(body, note):
            return max(_width(body), _SMALL * _width(note))
        case Hat(body) | Tint(body):
            return _width(body)
        case _:
            assert_never(formula)
