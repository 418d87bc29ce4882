"""Rows of the operators that only passes make: of the adjoint, and of the derivatives that a page shows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sqmagic.equations.interpret.layers import features, moments, parameter
from sqmagic.equations.interpret.rule import Rule, Situation, Values, setting
from sqmagic.equations.interpret.values import Array, CannotInterpret, aligned, array, at_least_scalar, same_batch
from sqmagic.equations.system import Apply

# --- element by element --------------------------------------------------------------------------


def _equal(node: Apply, args: Values, situation: Situation) -> Array:
    x, y = aligned(*args)
    return array(x == y)


_ndtr = np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2.0)), otypes=[np.float64])


def _sigmoid(x: Array) -> Array:
    return array(1.0 / (1.0 + np.exp(-x)))


DERIVATIVES: dict[str, Callable[[Array], Array]] = {
    "exp": np.exp,
    "log": lambda x: 1.0 / x,
    "sqrt": lambda x: 0.5 / np.sqrt(x),
    "square": lambda x: 2.0 * x,
    "abs": np.sign,
    "sin": np.cos,
    "cos": lambda x: -np.sin(x),
    "tanh": lambda x: 1.0 / np.square(np.cosh(x)),
    "sigmoid": lambda x: _sigmoid(x) * _sigmoid(-x),
    "relu": lambda x: array(x > 0.0),
    "gelu": lambda x: array(_ndtr(x) + x * np.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)),
    "softplus": _sigmoid,
}
"""The derivatives of the pointwise functions of one argument, from that argument."""


def _derivative(node: Apply, args: Values, situation: Situation) -> Array:
    return array(DERIVATIVES[str(setting(node, "function"))](args[0]))


# --- structure -----------------------------------------------------------------------------------


def _expand_as(node: Apply, args: Values, situation: Situation) -> Array:
    """A scalar to any shape; a vector, of which a reduction left one number for each row, to a matrix."""
    x, y = same_batch(*args)
    x = x.reshape(x.shape[:1] + (1,) * (y.ndim - 1)) if x.shape[1:] == (1,) else x
    return np.broadcast_to(x[..., None] if x.ndim < y.ndim else x, y.shape)


def _size(node: Apply, args: Values, situation: Situation) -> Array:
    return array(np.float64(at_least_scalar(args[0])[0].size))


def _power(node: Apply, args: Values, situation: Situation) -> Array:
    return array(np.power(*aligned(*args)))


def _pad(node: Apply, args: Values, situation: Situation) -> Array:
    x = at_least_scalar(args[0])
    ends = (int(setting(node, "before")), int(setting(node, "after")))
    return np.pad(x, [(0, 0), ends, *[(0, 0)] * (x.ndim - 2)])


def _unflatten(node: Apply, args: Values, situation: Situation) -> Array:
    x, y = same_batch(*args)
    return x.reshape(y.shape)


# --- over time and batch -------------------------------------------------------------------------


def _step_share(node: Apply, args: Values, situation: Situation) -> Array:
    """All steps of all examples count alike, so that an example of more steps has more of the whole."""
    more = int(setting(node, "last")) - int(setting(node, "first")) + 1
    counts = [max(0, horizon + more) for horizon in situation.horizons]
    return array(np.float64(1.0) / np.mean(counts))


def _by_the_judge(node: Apply, args: Values, situation: Situation) -> Array:
    raise CannotInterpret(f"`{node.op}` is computed step by step, or over all examples: ask the judge")


# --- layers --------------------------------------------------------------------------------------


def _dense_input(node: Apply, args: Values, situation: Situation) -> Array:
    return at_least_scalar(args[0]) @ parameter(node, "weight", situation)


def _frame(node: Apply) -> tuple[int, int]:
    """Stride and padding of a convolution."""
    zeros = {"same": int(setting(node, "size")) // 2, "valid": 0}.get(str(setting(node, "pad")))
    return int(setting(node, "stride")), int(setting(node, "pad")) if zeros is None else zeros


def _conv_input(node: Apply, args: Values, situation: Situation) -> Array:
    """Each component of the output's adjoint goes back to the square that it was made from."""
    g, x = same_batch(*args)
    stride, pad = _frame(node)
    weight = parameter(node, "weight", situation)
    size = weight.shape[-1]
    full = np.zeros((*x.shape[:2], x.shape[2] + 2 * pad, x.shape[3] + 2 * pad))
    for row in range(g.shape[2]):
        for column in range(g.shape[3]):
            square = np.einsum("bo,ocij->bcij", g[:, :, row, column], weight)
            top, left = row * stride, column * stride
            full[:, :, top : top + size, left : left + size] += square
    return full[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]]


def _conv_weight(node: Apply, args: Values, situation: Situation) -> Array:
    g, x = same_batch(*args)
    stride, pad = _frame(node)
    size = int(setting(node, "size"))
    squares = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad))), (size, size), axis=(2, 3))
    return array(np.einsum("bchwij,bohw->bocij", squares[:, :, ::stride, ::stride], g))


def _standardised(x: Array, eps: float) -> tuple[Array, Array]:
    """x with mean 0 and variance 1 over the last axis, and the deviation that it was divided by."""
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    return (x - x.mean(axis=-1, keepdims=True)) / deviation, deviation


def _layer_norm_input(node: Apply, args: Values, situation: Situation) -> Array:
    g, x = same_batch(*args)
    scaled, deviation = _standardised(x, float(setting(node, "eps")))
    g = g * parameter(node, "weight", situation)
    along = (g * scaled).mean(axis=-1, keepdims=True)
    return array((g - g.mean(axis=-1, keepdims=True) - scaled * along) / deviation)


def _layer_norm_weight(node: Apply, args: Values, situation: Situation) -> Array:
    g, x = same_batch(*args)
    each = g * _standardised(x, float(setting(node, "eps")))[0]
    return array(each.sum(axis=tuple(range(1, x.ndim - 1))))


def _batch_norm_input(node: Apply, args: Values, situation: Situation) -> Array:
    g, x = same_batch(*args)
    mean, variance = moments(node, x, situation)
    shape = features(x)
    if situation.statistics is not None and situation.counted:
        _, _, all_g, along = situation.statistics
        centred = (x - mean.reshape(shape)) / (variance + float(setting(node, "eps"))).reshape(shape)
        g = g - all_g.reshape(shape) - centred * along.reshape(shape)
    return array(g * _scale(node, variance, situation).reshape(shape))


def _scale(node: Apply, variance: Array, situation: Situation) -> Array:
    return array(parameter(node, "weight", situation) / np.sqrt(variance + float(setting(node, "eps"))))


def _batch_norm_weight(node: Apply, args: Values, situation: Situation) -> Array:
    g, x = same_batch(*args)
    mean, variance = moments(node, x, situation)
    shape = features(x)
    scaled = (x - mean.reshape(shape)) / np.sqrt(variance + float(setting(node, "eps"))).reshape(shape)
    return array((g * scaled).sum(axis=tuple(range(2, x.ndim))))


def _pool_input(share: Callable[[Array], Array]) -> Rule:
    """Each component of the output's adjoint goes back to its square, as `share` divides it there."""

    def rule(node: Apply, args: Values, situation: Situation) -> Array:
        g, x = same_batch(*args)
        size = int(setting(node, "size"))
        stride = int(setting(node, "stride")) or size
        given = np.zeros_like(x)
        for row in range(g.shape[2]):
            for column in range(g.shape[3]):
                place = (..., slice(row * stride, row * stride + size), slice(column * stride, column * stride + size))
                given[place] += share(x[place]) * g[..., row, column, None, None]
        return given

    return rule


def _largest(squares: Array) -> Array:
    """1 at the first of the largest components, 0 elsewhere."""
    flat = squares.reshape(*squares.shape[:2], -1)
    return array(np.eye(flat.shape[-1])[flat.argmax(axis=-1)].reshape(squares.shape))


def _alike(squares: Array) -> Array:
    return np.full(squares.shape, 1.0 / (squares.shape[-1] * squares.shape[-2]))


def _pointwise(function: Callable[[Array], Array]) -> Rule:
    return lambda node, args, situation: array(function(args[0]))


DERIVED: dict[str, Rule] = {
    "window_sum": _by_the_judge,
    "batch_mean": _by_the_judge,
    "during": _by_the_judge,
    "step_share": _step_share,
    "equal": _equal,
    "sign": _pointwise(np.sign),
    "ndtr": _pointwise(_ndtr),
    "derivative": _derivative,
    "power": _power,
    "size": _size,
    "expand_as": _expand_as,
    "pad": _pad,
    "unflatten": _unflatten,
    "dense_input": _dense_input,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "layer_norm_input": _layer_norm_input,
    "layer_norm_weight": _layer_norm_weight,
    "batch_norm_input": _batch_norm_input,
    "batch_norm_weight": _batch_norm_weight,
    "max_pool_input": _pool_input(_largest),
    "avg_pool_input": _pool_input(_alike),
}
