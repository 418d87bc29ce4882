"""Formulas as one line of Unicode text, for terminals, titles and whoever cannot see the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from sqmagic.board.formula import Atom, Brace, Formula, Fraction, Hat, Root, Row, Script, Tint
from sqmagic.board.lines import Line, lines, notes
from sqmagic.equations.system import System

_BELOW = dict(zip("0123456789aehijklmnoprstuvx+−", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ₊₋", strict=True))
_ABOVE = {"⊤": "ᵀ"} | dict(zip("0123456789−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻", strict=True))
_SIGNS = {"<‖": "‖", "‖>": "‖", "<|": "|", "|>": "|", "\u2009": " "}


def plain(system: System, shapes: Mapping[str, tuple[int, ...]] | None = None) -> str:
    """The forward equations, a line each; `shapes` as for `latex`."""
    shapes = shapes or {}
    told = lines(system, notes(system, shapes, linear=True))
    return "\n".join(line_plain(line, shapes.get(line.state) if line.state else None) for line in told)


Small: TypeAlias = Callable[[str], str]


def subscript(text: str) -> str:
    return _raised("_", text, _BELOW)


def line_plain(line: Line, shape: tuple[int, ...] | None = None, small: Small = subscript) -> str:
    left = "" if line.left is None else f"{write(line.left, small)} {line.relation} "
    return left + write(line.right, small) + (f"  {shape_plain(shape)}" if shape else "")


def shape_plain(shape: tuple[int, ...]) -> str:
    return f"∈ ℝ^{'×'.join(map(str, shape))}" if shape != (1,) else "∈ ℝ"


def write(formula: Formula, small: Small = subscript) -> str:
    """`small` writes what stands below."""
    match formula:
        case Atom(",", "infix"):
            return ", "
        case Atom(text, "infix"):
            return f" {text} "
        case Atom(text):
            return _SIGNS.get(text, text)
        case Row(parts):
            return "".join(write(p, small) for p in parts)
        case Script(base, below, above):
            under = small(write(below)) if below else ""
            over = _raised("^", write(above), _ABOVE) if above else ""
            return write(base, small) + under + over
        case Fraction(over, under):
            return f"({write(over, small)}) / ({write(under, small)})"
        case Root(body):
            return f"√({write(body, small)})"
        case Hat(body):
            return f"{write(body, small)}\u0302"
        case Brace(body, note):
            return f"{write(body, small)} {{{write(note, small)}}}"
        case Tint(body):
            return write(body, small)
        case _:
            assert_never(formula)


def _raised(sign: str, text: str, small: Mapping[str, str]) -> str:
    """Small letters where Unicode has them all, else `_t` or `_{t-1}`."""
    if all(c in small for c in text):
        return "".join(small[c] for c in text)
    return f"{sign}{text}" if len(text) == 1 else f"{sign}{{{text}}}"
