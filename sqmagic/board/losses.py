"""How losses are set: `1/n ‖p − y‖²`, `−y⊤ log p`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from sqmagic.board.binding import (
    PRODUCT,
    SQUARED,
    SUM,
    TIGHT,
    TRANSPOSED,
    Bound,
    Notes,
    Rule,
    Write,
    is_scalar,
    log,
    raised,
    settings,
)
from sqmagic.board.formula import SPACE, Atom, Formula, Fraction, Script, fence, letter, mark, row, set_name
from sqmagic.board.names import MINUS, Name, name
from sqmagic.equations.system import Apply, Expr, Read

Body: TypeAlias = Callable[[Write, Expr, Expr, Notes], Formula]

_ONE = Atom("1", "number")


def rules(write: Write) -> dict[str, Rule]:
    """A rule for each loss; `write` sets their predictions and targets."""
    return {
        "mse": partial(_mean, write, _squares),
        "mae": partial(_mean, write, _distances),
        "huber": partial(_huber, write),
        "cross_entropy": partial(_cross_entropy, write, ""),
        "binary_cross_entropy": partial(_binary_cross_entropy, write, ""),
        "cross_entropy_logits": partial(_cross_entropy, write, "softmax"),
        "binary_cross_entropy_logits": partial(_binary_cross_entropy, write, "sigmoid"),
    }


def _mean(write: Write, body: Body, expr: Apply, known: Notes) -> Bound:
    """1/n in front; a scalar has no mean to take."""
    prediction, target = expr.args
    inner = body(write, prediction, target, known)
    if is_scalar(prediction, known):
        return Bound(inner, PRODUCT)
    n = _components(prediction)
    factor = fence(row(_ONE, mark("/"), n)) if known.linear else Fraction(_ONE, n, small=True)
    return Bound(row(factor, SPACE, inner), PRODUCT)


def _components(expr: Expr) -> Formula:
    """n, how many components a loss is the mean over; with the prediction's letter where it has one."""
    return Script(letter("n"), set_name(Name(name(expr.state).base))) if isinstance(expr, Read) else letter("n")


def _difference(write: Write, left: Expr, right: Expr, known: Notes) -> Formula:
    return row(write(left, known, SUM), Atom(MINUS, "infix"), write(right, known, PRODUCT))


def _squares(write: Write, prediction: Expr, target: Expr, known: Notes) -> Formula:
    ends = ("(", ")") if is_scalar(prediction, known) else ("<‖", "‖>")
    return Script(fence(_difference(write, prediction, target, known), *ends), None, SQUARED)


def _distances(write: Write, prediction: Expr, target: Expr, known: Notes) -> Formula:
    difference = _difference(write, prediction, target, known)
    if is_scalar(prediction, known):
        return fence(difference, "<|", "|>")
    return Script(fence(difference, "<‖", "‖>"), _ONE)


def _huber(write: Write, expr: Apply, known: Notes) -> Bound:
    prediction, target = expr.args
    head = Script(Atom("huber", "function"), settings(expr))
    return Bound(row(head, fence(_difference(write, prediction, target, known))), TIGHT)


def _cross_entropy(write: Write, through: str, expr: Apply, known: Notes) -> Bound:
    """`−y⊤ log p`, the sum over classes; `through` is the function that makes p of logits."""
    prediction, target = _through(expr.args[0], through), expr.args[1]
    return Bound(row(mark(MINUS), _weighed(write, target, write(prediction, known, TIGHT), known)), SUM)


def _weighed(write: Write, target: Expr, prediction: Formula, known: Notes) -> Formula:
    weight = write(target, known, TIGHT)
    return row(weight if is_scalar(target, known) else raised(weight, TRANSPOSED), SPACE, log(prediction))


def _through(expr: Expr, op: str) -> Expr:
    return Apply(op, (expr,)) if op else expr


def _binary_cross_entropy(write: Write, through: str, expr: Apply, known: Notes) -> Bound:
    """`−1/n (y⊤ log p + (1 − y)⊤ log(1 − p))`."""

    def both(write: Write, prediction: Expr, target: Expr, known: Notes) -> Formula:
        made = _through(prediction, through)
        other_target, other = (row(_ONE, Atom(MINUS, "infix"), write(e, known, PRODUCT)) for e in (target, made))
        hit = _weighed(write, target, write(made, known, TIGHT), known)
        number = is_scalar(prediction, known)
        rest = fence(other_target) if number else Script(fence(other_target), None, TRANSPOSED)
        miss = row(rest, SPACE, log(fence(other)))
        return fence(row(hit, Atom("+", "infix"), miss))

    return Bound(row(mark(MINUS), _mean(write, both, expr, known).formula), SUM)
