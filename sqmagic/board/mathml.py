"""Formulas as MathML, which needs no script and survives in a notebook that nobody has trusted.

Each state bears `data-value`, as its wires in the picture do.
"""

from __future__ import annotations

from html import escape
from typing import assert_never

from sqmagic.board.formula import Atom, Formula, Fraction, Root, Row, Script, Tint
from sqmagic.board.lines import Line
from sqmagic.board.theme import LIGHT

_SIGNS = {"<‖": "‖", "‖>": "‖", "<|": "|", "|>": "|"}


def line_mathml(line: Line, shape: tuple[int, ...] | None = None) -> str:
    """One line as a `<math>` element, its shape in grey after it."""
    parts = [] if line.left is None else [write(line.left), f"<mo>{escape(line.relation)}</mo>"]
    return f"<math>{''.join([*parts, write(line.right), _shape(shape)])}</math>"


def _shape(shape: tuple[int, ...] | None) -> str:
    if not shape:
        return ""
    sizes = "<mo>×</mo>".join(f"<mn>{n}</mn>" for n in shape)
    space = _element("mo", "∈", lspace="1em")
    return _element("mrow", f"{space}<msup><mi>ℝ</mi><mrow>{sizes}</mrow></msup>", mathcolor=LIGHT["quiet"])


def write(formula: Formula) -> str:
    match formula:
        case Atom():
            return _atom(formula)
        case Row(parts):
            return f"<mrow>{''.join(write(p) for p in parts)}</mrow>"
        case Script(base, below, above) if below and above:
            return f"<msubsup>{write(base)}{write(below)}{write(above)}</msubsup>"
        case Script(base, below, _) if below:
            return f"<msub>{write(base)}{write(below)}</msub>"
        case Script(base, _, above) if above:
            return f"<msup>{write(base)}{write(above)}</msup>"
        case Script(base):
            return write(base)
        case Fraction(over, under):
            return f"<mfrac>{write(over)}{write(under)}</mfrac>"
        case Root(body):
            return f"<msqrt>{write(body)}</msqrt>"
        case Tint(body, state, colour):
            tint = {"mathcolor": colour} if colour else {}
            return _element("mrow", write(body), **{"data-value": state}, **tint)
        case _:
            assert_never(formula)


def _atom(atom: Atom) -> str:
    text = escape(_SIGNS.get(atom.text, atom.text))
    match atom.role:
        case "letter":
            return f"<mi>{text}</mi>"
        case "word":
            return f'<mi mathvariant="normal">{text}</mi>'
        case "function":
            return f'<mi mathvariant="normal">{text}</mi><mo>&#x2061;</mo>'
        case "number":
            return f"<mn>{text}</mn>"
        case "infix":
            return f"<mo>{text}</mo>"
        case "mark" if atom.text == "\u2009":
            return '<mspace width="0.17em"></mspace>'
        case "mark":
            return f'<mo stretchy="false" lspace="0" rspace="0">{text}</mo>'
        case _:
            assert_never(atom.role)


def _element(tag: str, body: str, **attributes: str) -> str:
    told = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{told}>{body}</{tag}>"
