"""What a call is asked for in numbers, refused in words where it is none."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch

from sqmagic.runtime.errors import InputError


def whole(**asked: Any) -> None:
    """Raises InputError for the first that is no whole number; what is not asked for is None."""
    for name, value in asked.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
            raise InputError(f"`{name}` is a whole number, and not {value!r}")


def learning_rate(lr: Any) -> None:
    """Raises InputError where a learning rate is negative, or no number."""
    real(lr=lr)
    if lr is not None and not lr >= 0:
        raise InputError(f"`lr` is at least 0, and not {lr!r}")


def real(**asked: Any) -> None:
    """Raises InputError for the first that is no number; what is not asked for is None."""
    for name, value in asked.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real | torch.Tensor)):
            raise InputError(f"`{name}` is a number, and not {value!r}")
