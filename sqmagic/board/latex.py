r"""Formulas as LaTeX, in the subset that MathJax and KaTeX both typeset and in `\textcolor{#rrggbb}` colours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from sqmagic.board.formula import Atom, Formula, Fraction, Root, Row, Script, Tint
from sqmagic.board.lines import Line, lines, notes
from sqmagic.board.names import GREEK, MINUS
from sqmagic.board.theme import LIGHT
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
    "<|": r"\lvert",
    "|>": r"\rvert",
    "+=": r"\mathrel{+}=",
    "−=": r"\mathrel{-}=",
}
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
    size = rf" && \textcolor{{{LIGHT['quiet']}}}{{\in \mathbb{{R}}^{{{_shape(shape)}}}}}" if shape else ""
    return f"{write(line.left)} &{relation} {write(line.right)}{size}"


def _shape(shape: tuple[int, ...]) -> str:
    return r" \times ".join(map(str, shape))


def write(formula: Formula) -> str:
    match formula:
        case Atom():
            return _atom(formula)
        case Row(parts):
            return " ".join(write(p) for p in parts)
        case Script(base, below, above):
            under = f"_{{{write(below)}}}" if below else ""
            over = f"^{{{write(above)}}}" if above else ""
            return _base(base) + under + over
        case Fraction(over, under, small):
            return rf"\{'tfrac' if small else 'frac'}{{{write(over)}}}{{{write(under)}}}"
        case Root(body):
            return rf"\sqrt{{{write(body)}}}"
        case Tint(body, _, colour):
            return rf"\textcolor{{{colour}}}{{{write(body)}}}" if colour else write(body)
        case _:
            assert_never(formula)


def _base(base: Formula) -> str:
    """A base in braces, but for one plain token: a prime is a superscript, and two of them clash."""
    text = write(base)
    return text if isinstance(base, Atom) and "'" not in text else f"{{{text}}}"


def _atom(atom: Atom) -> str:
    stem = atom.text.rstrip("\u2032")
    primes = "'" * (len(atom.text) - len(stem))
    match atom.role:
        case "letter" | "number" | "infix" | "mark":
            return _SIGNS.get(stem, _escaped(stem)) + primes
        case "word":
            return rf"\mathrm{{{_escaped(stem)}}}" + primes
        case "function":
            return rf"\{stem}" if stem in _FUNCTIONS else rf"\operatorname{{{_escaped(stem)}}}"
        case _:
            assert_never(atom.role)


def _escaped(text: str) -> str:
    """A word in which nothing is a command: names hold letters, digits and `_`; a minus is TeX's own."""
    return "".join(rf"\{c}" if c in "_#$%&{}" else _SIGNS.get(c, c) if c in "−·" else c for c in text)
