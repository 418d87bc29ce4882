"""Images, `[batch, channels, height, width]`: convolution and pooling as plainly as NumPy has them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sqmagic.equations.interpret.values import Array, array


def convolution(x: Array, weight: Array, stride: int, pad: int) -> Array:
    """Cross-correlation with a kernel `[out, in, size, size]`, as every deep-learning library has it."""
    size = weight.shape[-1]
    patches = _squares(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))), size, stride)
    return array(np.einsum("bchwij,ocij->bohw", patches, weight))


def pooling(x: Array, size: int, stride: int, over: Callable[..., Array]) -> Array:
    """`over` (np.max, np.mean) of each square; what is left of a square at the edge is left out."""
    return over(_squares(x, size, stride), axis=(-2, -1))


def _squares(x: Array, size: int, stride: int) -> Array:
    """`[batch, channels, rows, columns, size, size]`, a view."""
    return sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
