"""Rows of the losses: one number for each example, the mean over components; cross-entropy sums over classes first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sqmagic.equations.interpret.functions import log_softmax, softplus, times_log
from sqmagic.equations.interpret.rule import Rule, Situation, Values, setting
from sqmagic.equations.interpret.values import Array, CannotInterpret, aligned, array, same_batch
from sqmagic.equations.system import Apply


def _loss(function: Callable[[Array, Array], Array]) -> Rule:
    def rule(node: Apply, args: Values, situation: Situation) -> Array:
        return _mean(function(*_pair(*args)))

    return rule


def _pair(p: Array, y: Array) -> tuple[Array, Array]:
    p, y = np.broadcast_arrays(*aligned(*same_batch(p, y)))
    return p, y


def _mean(x: Array) -> Array:
    return array(x.reshape(x.shape[0], -1).mean(axis=1, keepdims=True))


def _huber(node: Apply, args: Values, situation: Situation) -> Array:
    p, y = _pair(*args)
    error, delta = np.abs(p - y), float(setting(node, "delta"))
    return _mean(np.where(error <= delta, error * error / 2.0, delta * (error - delta / 2.0)))


def _cross_entropy(log: Callable[[Array], Array]) -> Rule:
    def rule(node: Apply, args: Values, situation: Situation) -> Array:
        p, y = same_batch(*args)
        if y.shape[1:] == (1,) and p.shape[1:] != (1,):
            raise CannotInterpret("the target of cross-entropy is one number: wrap it in one_hot, or settle the shapes")
        return _mean(-np.sum(times_log(y, log(p)), axis=-1).reshape(p.shape[0], -1))

    return rule


def _binary(p: Array, y: Array) -> Array:
    return -times_log(y, np.log(p)) - times_log(1.0 - y, np.log1p(-p))


def _binary_logits(a: Array, y: Array) -> Array:
    return y * softplus(-a) + (1.0 - y) * softplus(a)


LOSSES: dict[str, Rule] = {
    "mse": _loss(lambda p, y: np.square(p - y)),
    "mae": _loss(lambda p, y: np.abs(p - y)),
    "huber": _huber,
    "cross_entropy": _cross_entropy(np.log),
    "binary_cross_entropy": _loss(_binary),
    "cross_entropy_logits": _cross_entropy(log_softmax),
    "binary_cross_entropy_logits": _loss(_binary_logits),
}
