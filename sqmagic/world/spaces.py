"""What an environment shows and takes, as shapes, types and bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Space:
    """`count` is how many values an integer has, from 0; 0 means real numbers (or bytes) between `low` and `high`."""

    shape: tuple[int, ...]
    dtype: str
    low: Array
    high: Array
    count: int = 0

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))


def counted(count: int) -> Space:
    return Space((), "int32", np.array(0), np.array(count - 1), count)


def bounded(shape: tuple[int, ...], dtype: str, low: float | Array, high: float | Array) -> Space:
    kind = np.dtype(dtype)
    lows, highs = (np.broadcast_to(np.asarray(edge, dtype=kind), shape).copy() for edge in (low, high))
    return Space(shape, dtype, lows, highs)
