"""What an equation looks like: a small tree that `latex`, `mathml` and `plain` write each in its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqmagic.board.names import MINUS, Name, name, number_text

Role = Literal["letter", "word", "function", "number", "infix", "mark", "text"]


@dataclass(frozen=True, slots=True)
class Atom:
    """One token. A `letter` is italic, a `word` and a `function` upright, an `infix` has space around it, and `text`
    is prose."""

    text: str
    role: Role


@dataclass(frozen=True, slots=True)
class Row:
    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What stands below and above a base; either may be missing, or both."""

    base: Formula
    below: Formula | None = None
    above: Formula | None = None


@dataclass(frozen=True, slots=True)
class Fraction:
    """A quotient; `small` for a factor in front, such as 1/n."""

    over: Formula
    under: Formula
    small: bool = False


@dataclass(frozen=True, slots=True)
class Root:
    body: Formula


@dataclass(frozen=True, slots=True)
class Hat:
    """The adjoint of what `body` names."""

    body: Formula


@dataclass(frozen=True, slots=True)
class Brace:
    """A part with a brace below it, and below that what is said of it."""

    body: Formula
    note: Formula


@dataclass(frozen=True, slots=True)
class Tint:
    """A state: `colour` is its own (or None), and `state` is what a reader of the page can light up."""

    body: Formula
    state: str
    colour: str | None


Formula: TypeAlias = Atom | Row | Script | Fraction | Root | Hat | Brace | Tint

SPACE = Atom("\u2009", "mark")
COMMA = Atom(",", "infix")


def letter(text: str) -> Atom:
    return Atom(text, "letter")


def mark(text: str) -> Atom:
    return Atom(text, "mark")


def row(*parts: Formula) -> Row:
    return Row(tuple(parts))


def fence(body: Formula, left: str = "(", right: str = ")") -> Row:
    return row(mark(left), body, mark(right))


def listed(parts: Sequence[Formula], separator: Atom = COMMA) -> Formula:
    return Row(tuple(p for part in parts for p in (separator, part))[1:])


def number(value: float) -> Formula:
    """`0.999`, `2 · 10^{−5}`."""
    mantissa, exponential, exponent = number_text(value).partition("e")
    if not exponential:
        return Atom(mantissa, "number")
    power = Script(Atom("10", "number"), None, Atom(exponent.replace("+", "").replace(f"{MINUS}0", MINUS), "number"))
    return power if mantissa == "1" else row(Atom(mantissa, "number"), Atom("·", "infix"), power)


# --- names ---------------------------------------------------------------------------------------


def word(text: str) -> Formula:
    """A letter in italics, a longer word upright, a number as it is, `a,b` or `t−1` in parts."""
    parts = [p for p in _split(text) if p]
    return _word(parts[0]) if len(parts) == 1 else Row(tuple(_word(p) for p in parts))


def _split(text: str) -> list[str]:
    out, current = [], ""
    for c in text:
        if c in f"+,:{MINUS}":
            out += [current, c]
            current = ""
        else:
            current += c
    return [*out, current]


def _word(text: str) -> Atom:
    if text in {"+", ",", ":", MINUS}:
        return mark(text)
    if text.isdigit():
        return Atom(text, "number")
    return Atom(text, "letter" if len(text.rstrip("\u2032")) == 1 else "word")


def set_name(parts: Name, hat: bool = False) -> Formula:
    """A name with its scripts; with a `hat`, what names its adjoint."""
    below = word(",".join(parts.below)) if parts.below else None
    above = _path(parts.above)
    base = hatted(parts.base) if hat else word(parts.base)
    return Script(base, below, above) if below or above else base


def hatted(base: str) -> Formula:
    """A hat over a name; primes stand behind it."""
    stem = base.rstrip("\u2032")
    hat = Hat(word(stem))
    return row(hat, mark(base[len(stem) :])) if len(stem) < len(base) else hat


def matrix(layer: str, slow: bool = False, hat: bool = False) -> Formula:
    """A layer's weights: its own name if that is a letter, else W with the name below it; `slow` is a target copy."""
    parts = name(layer)
    formula = set_name(parts, hat) if len(parts.base.rstrip("\u2032")) == 1 else owned("W", parts, hat)
    return _slow(formula) if slow else formula


def bias(layer: str, slow: bool = False, hat: bool = False) -> Formula:
    formula = owned("b", name(layer), hat)
    return _slow(formula) if slow else formula


def owned(base: str, owner: Name, hat: bool = False) -> Formula:
    """A letter with its owner's name below it."""
    return Script(hatted(base) if hat else letter(base), set_name(Name(owner.base, owner.below)), _path(owner.above))


def of_layer(function: str, layer: str | None, star: Atom | None = None) -> Formula:
    """`BN_N`: a function with its layer's name below it; where that is the function's own, it is said once."""
    parts = name(layer) if layer else Name(function)
    head = Atom(function, "function")
    if parts.base != function:
        return Script(head, set_name(parts), star)
    below = word(",".join(parts.below)) if parts.below else None
    above = [f for f in (_path(parts.above), star) if f is not None]
    return Script(head, below, row(*above) if above else None) if below or above else head


def _path(instances: tuple[str, ...]) -> Formula | None:
    return listed([set_name(name(p)) for p in instances], mark(".")) if instances else None


def _slow(formula: Formula) -> Formula:
    """The slowly moving copy that `target(Q)` reads."""
    if isinstance(formula, Script) and formula.above is None:
        return Script(formula.base, formula.below, mark(MINUS))
    return Script(formula, None, mark(MINUS))
