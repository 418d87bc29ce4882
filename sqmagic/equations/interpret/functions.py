"""Rows of the functions without parameters: element by element, over components, and of structure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from sqmagic.equations.interpret.rule import Rule, Situation, Values, setting
from sqmagic.equations.interpret.values import Array, CannotInterpret, aligned, array, at_least_scalar, same_batch
from sqmagic.equations.system import Apply

# --- element by element --------------------------------------------------------------------------


def _pointwise(function: Callable[..., Array]) -> Rule:
    return lambda node, args, situation: function(*aligned(*args))


def _sigmoid(x: Array) -> Array:
    """Exact at both ends: exp is only taken of what is not positive."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


_erf = np.vectorize(math.erf, otypes=[np.float64])


def _gelu(x: Array) -> Array:
    """x times the normal distribution function of x."""
    return array(x * 0.5 * (1.0 + _erf(x / math.sqrt(2.0))))


def _relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def _where(condition: Array, x: Array, y: Array) -> Array:
    return np.where(condition != 0.0, x, y)


def _clip(x: Array, low: Array, high: Array) -> Array:
    return np.minimum(np.maximum(x, low), high)


def _same(x: Array) -> Array:
    return x


# --- over components -----------------------------------------------------------------------------


def _reduction(function: Callable[..., Any]) -> Rule:
    """Over the last axis; of a vector a width of 1 is left."""

    def rule(node: Apply, args: Values, situation: Situation) -> Array:
        x = at_least_scalar(args[0])
        return array(function(x, axis=-1)).reshape(x.shape[:-1] if x.ndim > 2 else (x.shape[0], 1))

    return rule


def _norm(x: Array, axis: int) -> Array:
    return array(np.sqrt(np.sum(x * x, axis=axis)))


def log_softmax(x: Array) -> Array:
    x = at_least_scalar(x)
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return array(shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True)))


def _softmax(x: Array) -> Array:
    x = at_least_scalar(x)
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return array(powers / np.sum(powers, axis=-1, keepdims=True))


def _one_hot(node: Apply, args: Values, situation: Situation) -> Array:
    size = int(node.attribute("size", 0))
    if not size:
        raise CannotInterpret("`one_hot` does not say how many values there are: settle the shapes first")
    return array(np.eye(size)[whole(args[0])])


def whole(x: Array) -> Any:
    """One whole number for each example."""
    x = at_least_scalar(x)
    if x.shape[1:] != (1,) or not np.all(x == np.rint(x)):
        raise CannotInterpret("an index, a class or an action must be one whole number for each example")
    return x[:, 0].astype(np.int64)


# --- structure -----------------------------------------------------------------------------------


def _concat(node: Apply, args: Values, situation: Situation) -> Array:
    if any(x.ndim == 0 for x in args):
        raise CannotInterpret("a number is joined with `|`, and its width is not known: pass `shapes`")
    return np.concatenate(same_batch(*args), axis=1)


def _index(node: Apply, args: Values, situation: Situation) -> Array:
    x, which = same_batch(*args)
    chosen = array(x[np.arange(x.shape[0]), whole(which)])
    return chosen.reshape(-1, 1) if chosen.ndim == 1 else chosen


def _slice(node: Apply, args: Values, situation: Situation) -> Array:
    return at_least_scalar(args[0])[:, int(setting(node, "start")) : int(setting(node, "stop"))]


def _split(node: Apply, args: Values, situation: Situation) -> Values:
    return tuple(np.split(at_least_scalar(args[0]), situation.outputs, axis=1))


def _transpose(node: Apply, args: Values, situation: Situation) -> Array:
    return np.swapaxes(args[0], -1, -2)


def _outer(node: Apply, args: Values, situation: Situation) -> Array:
    x, y = same_batch(*args)
    return x[:, :, None] * y[:, None, :]


def _flatten(node: Apply, args: Values, situation: Situation) -> Array:
    x = at_least_scalar(args[0])
    return x.reshape(x.shape[0], -1)


def _matmul(node: Apply, args: Values, situation: Situation) -> Array:
    """The last axis of x meets the first of y; of two vectors a scalar is left."""
    x, y = same_batch(*args)
    product = np.stack([np.tensordot(a, b, axes=(-1, 0)) for a, b in zip(x, y, strict=True)])
    return product.reshape(-1, 1) if product.ndim == 1 else product


def _log_prob(node: Apply, args: Values, situation: Situation) -> Array:
    return np.log(_index(node, args, situation))


def _entropy(node: Apply, args: Values, situation: Situation) -> Array:
    p = at_least_scalar(args[0])
    found = array(-np.sum(times_log(p, np.log(p)), axis=-1))
    return found if found.ndim > 1 else found.reshape(-1, 1)


def times_log(y: Array, logs: Array) -> Array:
    """y * log(p), and 0 where y is 0 whatever p is."""
    return np.where(y == 0.0, 0.0, y * logs)


FUNCTIONS: dict[str, Rule] = {
    "add": _pointwise(np.add),
    "sub": _pointwise(np.subtract),
    "mul": _pointwise(np.multiply),
    "div": _pointwise(np.divide),
    "neg": _pointwise(np.negative),
    "matmul": _matmul,
    "concat": _concat,
    "index": _index,
    "slice": _slice,
    "split": _split,
    "transpose": _transpose,
    "outer": _outer,
    "flatten": _flatten,
    "exp": _pointwise(np.exp),
    "log": _pointwise(np.log),
    "sqrt": _pointwise(np.sqrt),
    "square": _pointwise(np.square),
    "abs": _pointwise(np.abs),
    "sin": _pointwise(np.sin),
    "cos": _pointwise(np.cos),
    "tanh": _pointwise(np.tanh),
    "sigmoid": _pointwise(_sigmoid),
    "relu": _pointwise(_relu),
    "gelu": _pointwise(_gelu),
    "softplus": _pointwise(softplus),
    "maximum": _pointwise(np.maximum),
    "minimum": _pointwise(np.minimum),
    "where": _pointwise(_where),
    "clip": _pointwise(_clip),
    "softmax": _pointwise(_softmax),
    "log_softmax": _pointwise(log_softmax),
    "sum": _reduction(np.sum),
    "mean": _reduction(np.mean),
    "norm": _reduction(_norm),
    "max": _reduction(np.max),
    "min": _reduction(np.min),
    "argmax": _reduction(np.argmax),
    "one_hot": _one_hot,
    "stop": _pointwise(_same),
    "old": _pointwise(_same),
    "log_prob": _log_prob,
    "entropy": _entropy,
}
