"""Values of the judge: float64 arrays `[batch, *shape]`, and what stands for a value that is not defined.

A number of the program has no axes at all: it fits every batch and every shape. A parameter has a batch of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


class Undefined(Enum):
    """The one value that is not defined."""

    UNDEFINED = "undefined"

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Literal[Undefined.UNDEFINED] = Undefined.UNDEFINED

Outcome: TypeAlias = Array | Literal[Undefined.UNDEFINED]


class CannotInterpret(ValueError):
    """The judge cannot compute this: inputs are wrong, a parameter or effect is missing, a program has a fault."""


def array(value: Any) -> Array:
    return np.asarray(value, dtype=np.float64)


def number(value: float) -> Array:
    return np.asarray(value, dtype=np.float64)


def at_least_scalar(x: Array) -> Array:
    """A number as a batch of one scalar."""
    return x.reshape(1, 1) if x.ndim == 0 else x


def aligned(*values: Array) -> tuple[Array, ...]:
    """Values that meet element by element: a scalar is given as many axes as what it meets, and a vector that meets the
    rows of a matrix one for these."""
    rank = max(x.ndim for x in values)
    widths = {x.shape[2] for x in values if x.ndim == rank == 3}
    for x in values:
        is_row = x.ndim == 2 and {x.shape[1]} == widths
        if 0 < x.ndim < rank and x.shape[1:] != (1,) * (x.ndim - 1) and not is_row:
            raise CannotInterpret(f"shapes {[x.shape[1:] for x in values if x.ndim]} do not meet element by element")
    return tuple(
        x.reshape(x.shape[:1] + (1,) * (rank - x.ndim) + x.shape[1:]) if 0 < x.ndim < rank else x for x in values
    )


def same_batch(*values: Array) -> tuple[Array, ...]:
    """Values with one batch axis: numbers become scalars, and a batch of 1 is repeated."""
    full = [at_least_scalar(x) for x in values]
    batch = max(x.shape[0] for x in full)
    return tuple(np.broadcast_to(x, (batch, *x.shape[1:])) for x in full)


def stacked(rows: list[Array]) -> Array:
    """A range: of n scalars a vector of n, of vectors a matrix with a row for each, of any shape one more axis."""
    full = same_batch(*rows)
    if all(x.shape[1:] == (1,) for x in full):
        return np.concatenate(full, axis=1)
    return np.stack(aligned(*full), axis=1)


def in_rows(found: Sequence[Outcome]) -> Array:
    """A state's values at the steps, one after another; NaN where there is none, and beyond those that are smaller."""
    there = [(t, value) for t, value in enumerate(found) if value is not UNDEFINED]
    whole = np.full((len(found), *map(max, zip(*(value.shape for _, value in there), strict=True))), np.nan)
    for t, value in there:
        own = whole[t]
        own[tuple(map(slice, value.shape))] = value
    return whole
