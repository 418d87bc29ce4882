"""How tightly formulas bind, what the printer knows of a system, and what several rules of setting share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from sqmagic.board.formula import (
    SPACE,
    Atom,
    Brace,
    Formula,
    Fraction,
    Hat,
    Root,
    Row,
    Script,
    Tint,
    fence,
    letter,
    listed,
    mark,
    number,
    row,
)
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import SCALAR, shape_of
from sqmagic.equations.system import Apply, Const, Expr, Position, Read, Value, Weight

LOOSE, SUM, SERIES, PRODUCT, BESIDE, TIGHT, ATOM = range(7)
"""A series, such as Σ_t x_t y_t, takes in the products at its right and leaves what is added to it. What stands side by
side, `A x`, binds tighter than `⊙`."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A formula and how tightly its outermost sign binds."""

    formula: Formula
    level: int = ATOM


@dataclass(frozen=True, slots=True)
class Notes:
    """What the printer knows of a system: bare numbers and other scalars, which states carry gradient (see `facts`),
    each state's colour, and in `sizes` the shapes of states and parameters, as far as they are known, or any that have
    as many axes. `linear` writes quotients and roots on one line; `fractional` is what stands in a fraction, where a
    quotient is written on one line too, since a fraction in one is too small to read.

    For a derivation also: which layer's delta or activation a state is, the parameters, and in `shapes` those of all
    states, whose sums over components are then written as products.
    """

    constants: frozenset[str] = frozenset()
    scalars: frozenset[str] = frozenset()
    carrying: frozenset[str] = frozenset()
    colours: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, Shape] = field(default_factory=dict)
    linear: bool = False
    fractional: bool = False
    deltas: Mapping[str, str] = field(default_factory=dict)
    activations: Mapping[str, str] = field(default_factory=dict)
    parameters: frozenset[str] = frozenset()
    shapes: Mapping[str, Shape] = field(default_factory=dict)


Rule: TypeAlias = Callable[[Apply, Notes], Bound]
Write: TypeAlias = Callable[[Expr, Notes, int], Formula]
"""An expression as a formula that binds at least as tightly as the level given."""


_REDUCTIONS = {"index", "sum", "mean", "max", "min", "norm", "argmax", "log_prob", "entropy", "size", "step_share"}
_OF_ALL = {"size", "step_share"}
_SAME = {"window_sum", "batch_mean", "during", "stop", "old"}


def is_scalar(expr: Expr, known: Notes) -> bool:
    match expr:
        case Const() | Position():
            return True
        case Read(state):
            return state in known.scalars
        case Apply(op, (first, *_)) if op in _SAME:
            return is_scalar(first, known)
        case Apply(op, args) if ALL_OPS[op].pointwise:
            return all(is_scalar(a, known) for a in args)
        case Apply(op, args):
            return op in _REDUCTIONS and not (args and rank(args[0], known) == 2 and op not in _OF_ALL)
        case Weight():
            return False
        case _:
            assert_never(expr)


def uncopied(expr: Expr, known: Notes, beside: Expr) -> Expr:
    """The number itself, where `beside` what it is computed with its copies say nothing: `c x` for `c 𝟏 ⊙ x`."""
    match expr:
        case Apply("expand_as", (number, _)) if is_scalar(number, known) and not is_scalar(beside, known):
            return number
        case _:
            return expr


def rank(expr: Expr, known: Notes) -> int | None:
    """How many axes a value has, if that is known."""
    try:
        return len(shape_of(expr, known.sizes, known.sizes))
    except KeyError:
        return None


EACH = Const(1.0)
"""What stands for as many ones as a matrix has rows."""


def each_row(operands: Sequence[Expr], known: Notes) -> tuple[Expr, ...]:
    """What meets component by component; a vector that meets each row of a matrix is `𝟏 xᵀ`."""
    ranks = [rank(x, known) for x in operands]
    if 2 not in ranks:
        return tuple(operands)
    return tuple(
        Apply("outer", (EACH, x)) if axes == 1 and not _is_number(x, known) else x
        for x, axes in zip(operands, ranks, strict=True)
    )


def _is_number(expr: Expr, known: Notes) -> bool:
    return is_scalar(expr, known) or shape_of(expr, known.sizes, known.sizes) == SCALAR


def settings(expr: Apply) -> Formula | None:
    own = ALL_OPS[expr.op].settings
    chosen = [(k, v) for k, v in expr.attributes if k in dict(own)]
    if not chosen:
        return None
    values = [row(*([] if len(own) == 1 else [Atom(k, "word"), mark("=")]), setting(v)) for k, v in chosen]
    return listed(values, mark(","))


def setting(value: Value) -> Formula:
    return Atom(value, "word") if isinstance(value, str) else number(float(value))


def raised(base: Formula, above: Formula) -> Formula:
    match base:
        case Tint(body, state, colour) if not (isinstance(body, Script) and body.above):
            return Script(Tint(body, state, colour), None, above)
        case Tint() | Script():
            return Script(fence(base), None, above)
        case Atom() | Row() | Fraction() | Root() | Hat() | Brace():
            return Script(base, None, above)
        case _:
            assert_never(base)


TRANSPOSED = mark("⊤")
ONES = letter("𝟏")


def transposed(formula: Formula) -> Formula:
    """A matrix with its sign of transposition straight above its index."""
    match formula:
        case Script(base, below, None):
            return Script(base, below, TRANSPOSED)
        case _:
            return raised(formula, TRANSPOSED)


SQUARED = Atom("2", "number")


def log(body: Formula) -> Formula:
    return row(Atom("log", "function"), SPACE, body)
