"""Formulas as MathML, which needs no script and survives in a notebook that nobody has trusted.

Each state bears `data-value`, as its wires in the picture do. JupyterLab takes the tags, and leaves what stands within,
from a page that nobody has trusted: so that `h_{t−1}` does not become ht−1 there, the signs that say what is below and
above stand within too, unseen, and spaces between tags, which are none to MathML.
"""

from __future__ import annotations

from html import escape
from typing import assert_never

from sqmagic.board.formula import Atom, Brace, Formula, Fraction, Hat, Root, Row, Script, Tint
from sqmagic.board.lines import Line
from sqmagic.board.theme import LIGHT

FONTS = "'STIX Two Math','Cambria Math','Latin Modern Math','DejaVu Math TeX Gyre',math"
"""Fonts that know how far down a subscript stands. A browser that is asked for `math` alone takes, where it has none of
its own choice, one that does not."""

MATH = f'<math style="font-family:{FONTS}">'
"""How an element begins in a page that has no style sheet of ours."""

_FULL = ' displaystyle="true"'
_APPLIED = "<mo>&#x2061;</mo>"
_SIGNS = {"<‖": "‖", "‖>": "‖", "<|": "|", "|>": "|"}


def line_mathml(line: Line, shape: tuple[int, ...] | None = None) -> str:
    """One line as a `<math>` element, its shape in grey after it."""
    parts = [] if line.left is None else [write(line.left), f"<mo>{escape(line.relation)}</mo>"]
    return f"<math>{''.join([*parts, write(line.right), _shape(shape)])}</math>"


def _shape(shape: tuple[int, ...] | None) -> str:
    if not shape:
        return ""
    return _element("mrow", shape_mathml(shape), mathcolor=LIGHT["quiet"])


def shape_mathml(shape: tuple[int, ...]) -> str:
    """`∈ ℝ^64`, to stand after an equation."""
    sizes = "<mo>×</mo>".join(f"<mn>{n}</mn>" for n in shape)
    space = _element("mo", "∈", lspace="1em")
    return space + (f"<msup><mi>ℝ</mi>{_told('^', sizes)}</msup>" if shape != (1,) else "<mi>ℝ</mi>")


def write(formula: Formula, full: bool = True) -> str:
    """`full` sets a fraction at full size; within one there is none."""

    def inner(part: Formula) -> str:
        return write(part, full)

    match formula:
        case Atom():
            return _atom(formula)
        case Row(parts):
            return f"<mrow>{''.join(inner(p) for p in parts)}</mrow>"
        case Script(Atom(text, "function"), below, above) if below or above:
            return f"<mrow>{inner(Script(Atom(text, 'word'), below, above))}{_APPLIED}</mrow>"
        case Script(base, below, above) if below and above:
            return f"<msubsup>{inner(base)}{_told('_', inner(below))}{_told('^', inner(above))}</msubsup>"
        case Script(base, below, _) if below:
            return f"<msub>{inner(base)}{_told('_', inner(below))}</msub>"
        case Script(base, _, above) if above:
            return f"<msup>{inner(base)}{_told('^', inner(above))}</msup>"
        case Script(base):
            return inner(base)
        case Fraction(over, under, small):
            size = _FULL if full and not small else ""
            return f"<mfrac{size}>{_told('(', write(over, False), ')/')}{_told('(', write(under, False), ')')}</mfrac>"
        case Root(body):
            return f"<msqrt>{inner(body)}</msqrt>"
        case Hat(body):
            return f'<mover accent="true">{inner(_dotless(body))}{_hat(body)}</mover>'
        case Brace(body, note):
            braced = f"<munder>{inner(body)}{_stretched('⏟')}</munder>"
            return f"<munder>{braced} {inner(note)}</munder>"
        case Tint(body, state, colour):
            tint = {"mathcolor": colour} if colour else {}
            return _element("mrow", inner(body), **{"data-value": state}, **tint)
        case _:
            assert_never(formula)


def _told(before: str, part: str, after: str = "") -> str:
    """A part with signs around it that take no room and are not seen, nor read aloud."""
    if before in "_^" and part.count("<mi>") + part.count("<mn>") + part.count("<mo") + part.count("<mi ") > 1:
        before, after = before + "{", "}"
    return f"<mrow>{_unseen(before)}{part}{_unseen(after) if after else ''}</mrow>"


def _unseen(text: str) -> str:
    return f'<mphantom><mtext mathsize="0%">{text}</mtext></mphantom>'


def _dotless(body: Formula) -> Formula:
    """i and j lose their dots below a hat."""
    match body:
        case Atom("i" | "j" as dotted, "letter"):
            return Atom({"i": "ı", "j": "ȷ"}[dotted], "letter")
        case _:
            return body


def _hat(body: Formula) -> str:
    """A letter's own, or one as wide as a word: of the two characters fonts stretch the combining one."""
    return '<mo stretchy="false">ˆ</mo>' if isinstance(body, Atom) and body.role == "letter" else _stretched("&#x302;")


def _stretched(sign: str) -> str:
    """As wide as what it stands by. Browsers take such a sign for as narrow as it is by itself, and where they draw a
    page in tiles leave out what lies on the others, unless it has an outline."""
    return f'<mo stretchy="true" style="outline:30em solid transparent">{sign}</mo>'


def _atom(atom: Atom) -> str:
    text = escape(_SIGNS.get(atom.text, atom.text))
    match atom.role:
        case "letter" if text.endswith("\u2032"):
            stem = text.rstrip("\u2032")
            return f"<msup><mi>{stem}</mi><mo>{text[len(stem) :]}</mo></msup>"
        case "letter":
            return f"<mi>{text}</mi>"
        case "word":
            return f'<mi mathvariant="normal">{text}</mi>'
        case "function":
            return f'<mi mathvariant="normal">{text}</mi>{_APPLIED}'
        case "number":
            return f"<mn>{text}</mn>"
        case "infix":  # also at the start of a line, where a sign would else be taken for that of a number
            return f' <mo form="infix">{text}</mo> ' if text in "+\u2212" else f" <mo>{text}</mo> "
        case "text":
            return f"<mtext>{text.replace(' ', chr(0xA0))}</mtext>"  # spaces at the ends would be lost
        case "mark" if atom.text == "\u2009":
            return "<mtext>\u2009</mtext>"
        case "mark":
            return f'<mo stretchy="false" lspace="0" rspace="0">{text}</mo>'
        case _:
            assert_never(atom.role)


def _element(tag: str, body: str, **attributes: str) -> str:
    told = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{tag}{told}>{body}</{tag}>"
