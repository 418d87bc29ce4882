r"""Formulas as LaTeX, in the subset that MathJax, KaTeX and TeX (with amsmath, amssymb and xcolor) typeset alike.

Colours of states are left out: a document takes them by names alone, and MathJax and KaTeX have no names in common
with it but the few of xcolor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from sqmagic.board.formula import Atom, Brace, Formula, Fraction, Hat, Root, Row, Script, Tint
from sqmagic.board.lines import Line, lines, notes
from sqmagic.board.names import GREEK, MINUS
from sqmagic.equations.system import System

_LETTERS = {letter: word for word, letter in GREEK.items() if word not in {"lam", "eps"}} | {"ε": "varepsilon"}
_SIGNS = {letter: f"\\{word}" for letter, word in _LETTERS.items()} | {
    MINUS: "-",
    "⊙": r"\odot",
    "·": r"\cdot",
    "∗": "*",
    "∼": r"\sim",
    "⊤": r"\top",
    "ℓ": r"\ell",
    "𝒩": r"\mathcal{N}",
    "\u2009": r"\,",
    ";": r"\,;\,",
    "<‖": r"\lVert",
    "‖>": r"\rVert",
    "∑": r"\sum",
    "∂": r"\partial ",
    "≠": r"\ne",
    "←": r"\leftarrow",
    "(·)": r"(\cdot)",
    "𝟏": r"\mathbf{1}",
    "<|": r"\lvert",
    "|>": r"\rvert",
    "+=": r"\mathrel{+}=",
    "−=": r"\mathrel{-}=",
}
_FENCES = {"(": "(", ")": ")", "[": "[", "]": "]", "<‖": r"\lVert", "‖>": r"\rVert", "<|": r"\lvert", "|>": r"\rvert"}
_FUNCTIONS = {"tanh", "log", "exp", "sin", "cos", "max", "min"}


def latex(system: System, shapes: Mapping[str, tuple[int, ...]] | None = None) -> str:
    r"""The forward equations as `\begin{aligned} … \end{aligned}`, without delimiters.

    `shapes` gives each state's shape, without batch and time, to be shown in grey at the right.
    """
    shapes = shapes or {}
    rows = [_line(line, shapes) for line in lines(system, notes(system, shapes))]
    return "\n".join((r"\begin{aligned}", " \\\\\n".join(rows), r"\end{aligned}"))


def _line(line: Line, shapes: Mapping[str, tuple[int, ...]]) -> str:
    if line.left is None:
        return f"& {write(line.right)}"
    relation = _SIGNS.get(line.relation, line.relation)
    shape = shapes.get(line.state) if line.state else None
    size = rf" && \textcolor{{gray}}{{{shape_latex(shape)}}}" if shape else ""
    return f"{write(line.left)} &{relation} {write(line.right)}{size}"


def shape_latex(shape: tuple[int, ...]) -> str:
    sizes = r" \times ".join(map(str, shape))
    return r"\in \mathbb{R}" + (rf"^{{{sizes}}}" if shape != (1,) else "")


def write(formula: Formula) -> str:
    match formula:
        case Atom():
            return _atom(formula)
        case Row((Atom(left, "mark"), body, Atom(right, "mark"))) if left in _FENCES and _tall(body):
            return rf"\left{_FENCES[left]} {write(body)} \right{_FENCES[right]}"
        case Row(parts):
            return " ".join(write(p) for p in parts)
        case Script(Tint(Script(base, below, None)) | Script(base, below, None), None, above) if below and above:
            return write(Script(base, below, above))
        case Script(base, below, above):
            under = f"_{{{write(below)}}}" if below else ""
            over = f"^{{{write(above)}}}" if above else ""
            return _base(base) + under + over
        case Fraction(over, under, small):
            return rf"\{'tfrac' if small else 'frac'}{{{write(over)}}}{{{write(under)}}}"
        case Root(body):
            return rf"\sqrt{{{write(body)}}}"
        case Hat(body):
            return _hat(body)
        case Brace(body, note):
            return rf"\underbrace{{{write(body)}}}_{{{write(note)}}}"
        case Tint(body):
            return write(body)
        case _:
            assert_never(formula)


def _tall(formula: Formula) -> bool:
    """Whether there is a fraction in it, which signs around it must be as high as."""
    match formula:
        case Fraction(_, _, small):
            return not small
        case Row(parts):
            return any(map(_tall, parts))
        case Script(body) | Tint(body) | Brace(body) | Root(body):
            return _tall(body)
        case Atom() | Hat():
            return False
        case _:
            assert_never(formula)


def _hat(body: Formula) -> str:
    """A hat as wide as a word; i and j lose their dots."""
    match body:
        case Atom("i" | "j" as dotted, "letter"):
            return rf"\hat{{\{dotted}math}}"
        case Atom(_, "letter"):
            return rf"\hat{{{write(body)}}}"
        case _:
            return rf"\widehat{{{write(body)}}}"


def _base(base: Formula) -> str:
    """A base in braces, but for one plain token: a prime is a superscript, and two of them clash."""
    text = write(base)
    return text if isinstance(base, Atom | Hat) and "'" not in text else f"{{{text}}}"


def _atom(atom: Atom) -> str:
    stem = atom.text.rstrip("\u2032")
    primes = "'" * (len(atom.text) - len(stem))
    match atom.role:
        case "letter" | "number" | "infix" | "mark":
            return _SIGNS.get(stem, _escaped(stem)) + primes
        case "word":
            return rf"\mathrm{{{_escaped(stem)}}}" + primes
        case "function":
            return (rf"\{stem}" if stem in _FUNCTIONS else rf"\operatorname{{{_escaped(stem)}}}") + primes
        case "text":
            return rf"\text{{{_escaped(atom.text)}}}"
        case _:
            assert_never(atom.role)


def _escaped(text: str) -> str:
    """A word in which nothing is a command: names hold letters, digits and `_`; a minus is TeX's own."""
    return "".join(rf"\{c}" if c in "_#$%&{}" else _SIGNS.get(c, c) if c in "−·" else c for c in text)
