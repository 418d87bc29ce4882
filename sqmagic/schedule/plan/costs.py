"""What products cost: how many flops, for one example over all steps, as a polynomial in T.

A product with a weight costs the same at each step, one with `k_{1:t}` more at each. So shapes are worked out with a
large number in place of t and a far larger one in place of T (Kronecker's substitution): in that base, the digits of
what is counted are the coefficients of its powers of t and T, which are then added up for t from 1 to T.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import zip_longest
from typing import TypeAlias

from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.shapes.dimension import Steps, rows
from sqmagic.equations.shapes.forward import LEFT_OUT, shape_of
from sqmagic.equations.system import Apply, Expr, Fixed, Index, Range, Read, children, walk, with_children

Flops: TypeAlias = tuple[Fraction, ...]
"""The coefficients of 1, T, T² and so on."""

_STEP = 1 << 256
"""Stands for t."""

_POWERS = 4
"""Of t there are fewer: each operand of a product and what it gives have one number of rows."""

_STEPS = _STEP**_POWERS
"""Stands for T."""


def flops(
    value: Expr, shapes: Shapes, over_time: bool, share: Callable[[Apply], Fraction] = lambda _: Fraction(1)
) -> Flops:
    """Of the products in an expression (a multiplication and an addition each) `share` times, once or at all steps."""
    long = _at_large(value)
    count = sum((share(node) * product(node, shapes) for node in walk(long) if isinstance(node, Apply)), Fraction(0))
    return _added_up(count, over_time)


def product(node: Apply, shapes: Shapes) -> int:
    """The flops of a dense layer, a convolution or a product of matrices; 0 of what else there is. Of what a function
    of the kernel gives, whose shape it alone knows, one row is counted, and of an image none."""
    match node:
        case Apply("dense", (operand,), layer=str(layer)):
            return 2 * math.prod(shapes.parameters[f"{layer}.weight"]) * math.prod(_shape(operand, shapes)[:-1])
        case Apply("conv", layer=str(layer)):
            return 2 * math.prod(shapes.parameters[f"{layer}.weight"]) * math.prod(_shape(node, shapes, (0, 0))[1:])
        case Apply("matmul", (left, right)):
            return 2 * math.prod(_shape(left, shapes, (0,))) * math.prod(_shape(right, shapes, (0,))[1:])
        case _:
            return 0


def summed(several: Iterable[Flops]) -> Flops:
    return tuple(sum(each, Fraction(0)) for each in zip_longest(*several, fillvalue=Fraction(0)))


def size(expr: Expr, shapes: Shapes) -> int:
    """How many numbers; none are counted of what a function of the kernel gives."""
    return math.prod(_shape(expr, shapes, (0,)))


def _shape(expr: Expr, shapes: Shapes, unknown: Shape = (1,)) -> Shape:
    if any(isinstance(part, Apply) and part.op in LEFT_OUT for part in walk(expr)):
        return unknown
    return shape_of(expr, shapes.states, shapes.parameters)


# --- many steps ----------------------------------------------------------------------------------


def _at_large(expr: Expr) -> Expr:
    """The expression with ranges of known length, t and T being large numbers."""
    match expr:
        case Read(state, context):
            return Read(state, tuple(map(_long, context)))
        case _:
            return with_children(expr, tuple(map(_at_large, children(expr))))


def _long(index: Index) -> Index:
    match index:
        case Range():
            return Range(Fixed(1), Fixed(_number(rows(index))))
        case _:
            return index


def _number(length: int | Steps) -> int:
    match length:
        case Steps(parts, constant):
            return constant + sum(n * (_STEPS if name.isupper() else _STEP) for name, n in parts)
        case _:
            return length


def _added_up(count: Fraction, over_time: bool) -> Flops:
    assert count.denominator == 1, "a share of a product is a whole number of flops"
    return summed(_term(digit, n, over_time) for n, digit in enumerate(_digits(count.numerator)))


def _digits(number: int) -> Iterator[int]:
    """In the base of t, those above the half of it negative."""
    while number:
        digit = (number + _STEP // 2) % _STEP - _STEP // 2
        yield digit
        number = (number - digit) // _STEP


def _term(times: int, place: int, over_time: bool) -> Flops:
    """So many times a power of t and one of T, once or at all steps."""
    of_window, of_step = divmod(place, _POWERS)
    total = _SUMS[of_step] if over_time else (Fraction(1),)
    return (*(Fraction(0),) * of_window, *(times * each for each in total))


_SUMS: tuple[Flops, ...] = (
    (Fraction(0), Fraction(1)),
    (Fraction(0), Fraction(1, 2), Fraction(1, 2)),
    (Fraction(0), Fraction(1, 6), Fraction(1, 2), Fraction(1, 3)),
    (Fraction(0), Fraction(0), Fraction(1, 4), Fraction(1, 2), Fraction(1, 4)),
)
"""The sums for t from 1 to T of t to the power of 0, 1, 2 and 3."""
