"""How far apart two values are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqmagic.equations.interpret import UNDEFINED


def difference(value: Any, expected: NDArray[np.float64]) -> float:
    """Relative to the largest component; of what is not defined the truth must be 0."""
    if value is UNDEFINED:
        return 0.0 if not np.abs(expected).max(initial=0.0) else float("inf")
    if value.shape[1:] == (1,):
        value = value.reshape((len(value),) + (1,) * (expected.ndim - 1))
    if not (np.isfinite(value).all() and np.isfinite(expected).all()):
        return float("inf")
    try:
        apart = np.abs(np.broadcast_to(value, (max(len(value), len(expected)), *expected.shape[1:])) - expected)
    except ValueError:
        return float("inf")
    return float(apart.max(initial=0.0) / max(1e-3, np.abs(expected).max(initial=0.0)))
