"""What a sheet says once, above its rows: what is learnt, what a hat and a δ are, and where adjoints are 0."""

from __future__ import annotations

from collections.abc import Iterator

from sqmagic.board.binding import Notes
from sqmagic.board.formula import (
    SPACE,
    Atom,
    Brace,
    Formula,
    Fraction,
    Hat,
    Script,
    fence,
    letter,
    mark,
    row,
    word,
)
from sqmagic.board.names import index_text
from sqmagic.calculus.derivation.forms import Derivation, Loss
from sqmagic.equations.system import Fixed, Last

_EQUAL = Atom("=", "infix")
_ONE = Atom("1", "number")


def conventions(derivation: Derivation, index: str | None, known: Notes) -> tuple[Formula, ...]:
    """One formula or sentence for each convention; `index` is the running one, None where nothing runs."""
    return tuple(_said(derivation, index, known))


def _said(derivation: Derivation, index: str | None, known: Notes) -> Iterator[Formula]:
    if not derivation.losses:
        return
    yield row(letter("L"), _EQUAL, _whole(derivation.losses, index or "t", known))
    value = _at(letter("v"), index)
    yield row(_at(Hat(letter("v")), index), _EQUAL, _quotient(letter("L"), value))
    if index:
        yield row(_at(Hat(letter("v")), index), _EQUAL, Atom("0", "number"), Atom(" where there is no ", "text"), value)
    if derivation.deltas:
        layer = letter("F")
        yield row(Script(letter("δ"), word(index) if index else None, layer), _EQUAL,
                  Script(Hat(letter("a")), word(index) if index else None, layer),
                  Atom(" for ", "text"),
                  Script(letter("a"), word(index) if index else None, layer), _EQUAL,
                  letter("F"), SPACE, mark("(·)"), Atom("+", "infix"), Script(letter("b"), layer))  # fmt: skip
    if any(" " in each for each in derivation.deltas.values()):
        second = row(letter("F"), mark(","), Atom("2", "number"))
        yield row(Script(letter("δ"), word(index) if index else None, second),
                  Atom(" where F is applied the second time", "text"))  # fmt: skip
    if any(each.update for each in derivation.rows):
        yield Atom("updates: the mean over the batch", "text")


def _at(base: Formula, index: str | None) -> Formula:
    return Script(base, word(index)) if index else base


def _quotient(over: Formula, under: Formula) -> Formula:
    partial = mark("∂")
    return row(partial, over, Atom("/", "mark"), partial, under)


def _whole(losses: tuple[Loss, ...], index: str, known: Notes) -> Formula:
    """`1/T Σ_t ℓ_t`; where goals count at different steps, a sum for each, and which line it is of."""
    spans = list(dict.fromkeys(loss.steps for loss in losses))
    if len(spans) == 1:
        return _mean(spans[0], index, known)
    parts = [Brace(_mean(span, index, known), _lines(losses, span)) for span in spans]
    return row(parts[0], *(p for part in parts[1:] for p in (Atom("+", "infix"), part)))


def _lines(losses: tuple[Loss, ...], span: tuple[int, int] | None) -> Formula:
    numbers = sorted({str(loss.line) for loss in losses if loss.steps == span}, key=int)
    return Atom(f"line{'s' * (len(numbers) > 1)} {', '.join(numbers)}", "text")


def _mean(span: tuple[int, int] | None, index: str, known: Notes) -> Formula:
    if span is None:
        return letter("ℓ")
    first, last = span
    count = word(index_text(Last(index, last - first + 1)))
    if known.linear:
        share: Formula = fence(row(_ONE, mark("/"), fence(count) if last - first + 1 else count))
    else:
        share = Fraction(_ONE, count, small=True)
    below = row(word(index), mark("="), word(index_text(Fixed(first))))
    above = word(index_text(Last(index, last)))
    return row(share, SPACE, Script(mark("∑"), below, above), SPACE, Script(letter("ℓ"), word(index)))
