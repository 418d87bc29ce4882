"""The exact normal form by which a rewrite is checked: sums of products with rational coefficients, never floats.

What an expression gives from component `low` up to, and without, `high` is a polynomial over atoms. Rules used: `ring`
(a commutative ring under + and the elementwise product), `affine` and `concat` (a layer is a sum of products of blocks
of its weights), `linear` (a block of weights goes through a sum and past a factor), `slice-concat` (a part of what is
joined is that part), and `def` for names that rules have made. Everything else is an atom, told apart by its operator
and the forms of its arguments; `stop` is one, so that equal forms have equal derivatives too. Equality is over the
reals. Before: shapes of all states; an expression whose names go round in a circle has no form.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TypeAlias, assert_never

from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import FORWARD, shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Last,
    Position,
    Read,
    Running,
    Weight,
    children,
    shift,
    walk,
)

Atom: TypeAlias = Hashable
Monomial: TypeAlias = frozenset[tuple[Atom, int]]
Form: TypeAlias = frozenset[tuple[Monomial, Fraction]]
Sum: TypeAlias = dict[Monomial, Fraction]

_ONE: Monomial = frozenset()
DEEPEST = 200
"""How far names are opened; one that goes round in a circle is opened no further."""


class NoForm(Exception):
    """Why an expression has no normal form."""


@dataclass(frozen=True, slots=True)
class Known:
    """Shapes of states and parameters, and the lines of the names that are opened."""

    states: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    names: Mapping[str, Equation]

    def shape(self, expr: Expr) -> Shape:
        if any(isinstance(n, Apply) and n.op not in FORWARD for n in walk(expr)):
            raise NoForm("it has several results")
        return shape_of(expr, self.states, self.parameters)

    def width(self, expr: Expr) -> int:
        shape = self.shape(expr)
        if len(shape) != 1 or shape[0] < 0:
            raise NoForm("it is no vector")
        return shape[0]


def equal(one: Expr, other: Expr, known: Known) -> bool:
    """Whether two expressions have one shape and one normal form. Raises NoForm."""
    if known.shape(one) != known.shape(other):
        return False
    if len(known.shape(one)) != 1 or known.shape(one)[0] < 0:
        return _whole(one, known, 0) == _whole(other, known, 0)
    width = known.width(one)
    ends = sorted(_cuts(one, known, 0) | _cuts(other, known, 0) | {0, width})
    return all(_form(one, low, high, known, 0) == _form(other, low, high, known, 0) for low, high in pairwise(ends))


# --- where a value falls into parts --------------------------------------------------------------


def _opened(read: Read, known: Known, depth: int) -> Expr | None:
    """What a name that is made stands for, at the step at which it is read."""
    line = known.names.get(read.state)
    if line is None:
        return None
    if depth > DEEPEST:
        raise NoForm(f"{read.state} is defined by itself")
    match read.context:
        case ():
            return line.value
        case (Running(_, offset),):
            return shift(line.value, offset)
        case _:
            raise NoForm(f"{read.state} is read at a point")


def _cuts(expr: Expr, known: Known, depth: int) -> set[int]:
    """The components at which a vector, or the rows of a matrix, falls into parts."""
    match expr:
        case Read():
            line = _opened(expr, known, depth)
            return set() if line is None else _cuts(line, known, depth + 1)
        case Apply("concat", parts):
            found, start = set(), 0
            for each in parts:
                found |= {start, *(start + n for n in _cuts(each, known, depth))}
                start += known.shape(each)[0]
            return found
        case Apply("slice", (whole,)):
            start, stop = _bounds(expr)
            return {n - start for n in _cuts(whole, known, depth) if start < n < stop}
        case Apply("matmul", (matrix, _)) if len(known.shape(matrix)) == 2:
            return _cuts(matrix, known, depth)
        case Apply("transpose", (Apply("slice", (Apply("transpose", (matrix,)),)),)):
            return _cuts(matrix, known, depth)
        case Apply(op, args) if op in _BY_COMPONENT:
            return set().union(*(_cuts(a, known, depth) for a in args if known.shape(a) != (1,)))
        case Const() | Weight() | Position() | Apply():
            return set()
        case _:
            assert_never(expr)


_WORDS = """
    add sub mul div neg exp log sqrt square abs sin cos tanh sigmoid relu gelu softplus maximum minimum where clip
    stop old equal sign ndtr power"""
_BY_COMPONENT = frozenset(_WORDS.split())


def _bounds(expr: Apply) -> tuple[int, int]:
    return int(expr.attribute("start", 0)), int(expr.attribute("stop", 0))


# --- polynomials ---------------------------------------------------------------------------------


def _frozen(found: Sum) -> Form:
    return frozenset((m, c) for m, c in found.items() if c)


def _plus(left: Form, right: Form, sign: int = 1) -> Form:
    found = dict(left)
    for monomial, factor in right:
        found[monomial] = found.get(monomial, Fraction(0)) + sign * factor
    return _frozen(found)


def _times(left: Form, right: Form) -> Form:
    found: Sum = {}
    for a, x in left:
        for b, y in right:
            powers = dict(a)
            for atom, power in b:
                powers[atom] = powers.get(atom, 0) + power
            key = frozenset(powers.items())
            found[key] = found.get(key, Fraction(0)) + x * y
    return _frozen(found)


def _atom(atom: Atom) -> Form:
    return frozenset({(frozenset({(atom, 1)}), Fraction(1))})


def _form(expr: Expr, low: int, high: int, known: Known, depth: int) -> Form:
    """What a vector gives from `low` up to, and without, `high`."""
    match expr:
        case Const(value):
            if value != value or value in (float("inf"), float("-inf")):
                return _atom(("number", repr(value)))
            return frozenset({(_ONE, Fraction(value))}) if value else frozenset()
        case Read():
            line = _opened(expr, known, depth)
            if line is not None:
                return _form(line, low, high, known, depth + 1)
            return _atom(("state", expr.state, expr.context, low, high))
        case Weight(parameter, frozen):
            return _atom(("weight", parameter, frozen, low, high))
        case Position(point):
            return _atom(("number of", point))
        case Apply("add" | "sub", (left, right)):
            a, b = (_at(e, low, high, known, depth) for e in (left, right))
            return _plus(a, b, 1 if expr.op == "add" else -1)
        case Apply("neg", (inner,)):
            return _plus(frozenset(), _at(inner, low, high, known, depth), -1)
        case Apply("mul", (left, right)):
            return _times(_at(left, low, high, known, depth), _at(right, low, high, known, depth))
        case Apply("concat", parts):
            return _of_parts(parts, low, high, known, depth)
        case Apply("slice", (whole,)) if len(known.shape(whole)) == 1:
            return _form(whole, low + _bounds(expr)[0], high + _bounds(expr)[0], known, depth)
        case Apply("matmul", (matrix, operand)) if len(known.shape(matrix)) == 2 and len(known.shape(operand)) == 1:
            return _product(matrix, operand, low, high, known, depth)
        case Apply("dense", (operand,), str(layer)) if not expr.attribute("target", False):
            return _layer(expr, layer, operand, low, high, known, depth)
        case Apply(op, args) if op in _BY_COMPONENT:
            return _atom((op, expr.attributes, *(_at(a, low, high, known, depth) for a in args)))
        case Apply():
            return _atom(("part", low, high, _whole(expr, known, depth)))
        case _:
            assert_never(expr)


def _at(expr: Expr, low: int, high: int, known: Known, depth: int) -> Form:
    """An argument of what goes by component: a scalar is met whole by every part."""
    if known.width(expr) == 1:
        return _form(expr, 0, 1, known, depth)
    return _form(expr, low, high, known, depth)


def _of_parts(parts: tuple[Expr, ...], low: int, high: int, known: Known, depth: int) -> Form:
    start = 0
    for each in parts:
        width = known.width(each)
        if start <= low and high <= start + width:
            return _form(each, low - start, high - start, known, depth)
        start += width
    raise NoForm("a part reaches over what is joined")


# --- products with weights -----------------------------------------------------------------------


def _layer(expr: Apply, layer: str, operand: Expr, low: int, high: int, known: Known, depth: int) -> Form:
    frozen = bool(expr.attribute("frozen", False))
    found = _product(Weight(f"{layer}.weight", frozen), operand, low, high, known, depth)
    if f"{layer}.bias" in known.parameters:
        found = _plus(found, _atom(("weight", f"{layer}.bias", frozen, low, high)))
    return found


def _product(matrix: Expr, operand: Expr, low: int, high: int, known: Known, depth: int) -> Form:
    """A sum over the parts of the operand: of each monomial of a part, the block of weights applied to it."""
    width = known.width(operand)
    if known.shape(matrix)[1] != width:
        raise NoForm("a product's sizes differ")
    ends = sorted(_cuts(operand, known, depth) | {0, width})
    found: Form = frozenset()
    for first, last in pairwise(ends):
        block = _block(matrix, (low, high), (first, last), known, depth)
        for monomial, factor in _form(operand, first, last, known, depth):
            found = _plus(found, frozenset({(frozenset({((block, monomial), 1)}), factor)}))
    return found


def _block(matrix: Expr, rows: tuple[int, int], wide: tuple[int, int], known: Known, depth: int) -> Atom:
    """Rows and columns of a matrix: of which parameter, or of what else."""
    match matrix:
        case Weight(parameter, frozen):
            return ("block", parameter, frozen, rows, wide)
        case Read():
            line = _opened(matrix, known, depth)
            if line is not None:
                return _block(line, rows, wide, known, depth + 1)
        case Apply("transpose", (Apply("slice", (Apply("transpose", (inner,)),)) as cut,)):
            start = _bounds(cut)[0]
            return _block(inner, rows, (wide[0] + start, wide[1] + start), known, depth)
        case Apply("slice", (inner,)):
            start = _bounds(matrix)[0]
            return _block(inner, (rows[0] + start, rows[1] + start), wide, known, depth)
        case Apply("concat", parts):
            return _row_of_blocks(parts, rows, wide, known, depth)
    return ("rows", rows, wide, _whole(matrix, known, depth))


def _row_of_blocks(
    parts: tuple[Expr, ...], rows: tuple[int, int], wide: tuple[int, int], known: Known, depth: int
) -> Atom:
    start = 0
    for each in parts:
        height = known.shape(each)[0]
        if start <= rows[0] and rows[1] <= start + height:
            return _block(each, (rows[0] - start, rows[1] - start), wide, known, depth)
        start += height
    raise NoForm("rows reach over what is joined")


# --- everything else -----------------------------------------------------------------------------


def _whole(expr: Expr, known: Known, depth: int) -> Atom:
    """What is not opened: its operator and settings, and its arguments, vectors in their normal form."""
    if isinstance(expr, Read) and (line := _opened(expr, known, depth)) is not None:
        return _whole(line, known, depth + 1)
    if isinstance(expr, Apply):
        args = tuple(_argument(a, known, depth) for a in children(expr))
        return (expr.op, expr.layer, expr.attributes, args)
    match expr:
        case Read(state, context):
            return ("state", state, context)
        case Weight(parameter, frozen):
            return ("weight", parameter, frozen)
        case Const(value):
            return ("number", repr(value))
        case Position(Fixed() | Last() | Running() as point):
            return ("number of", point)


def _argument(expr: Expr, known: Known, depth: int) -> Atom:
    shape = known.shape(expr)
    if len(shape) != 1 or shape[0] < 0:
        return _whole(expr, known, depth)
    ends = sorted(_cuts(expr, known, depth) | {0, shape[0]})
    return tuple((low, high, _form(expr, low, high, known, depth)) for low, high in pairwise(ends))
