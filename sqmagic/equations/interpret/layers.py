"""Rows of the operators that have parameters, and of those that stand among them in a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sqmagic.equations.interpret.functions import whole
from sqmagic.equations.interpret.images import convolution, pooling
from sqmagic.equations.interpret.rule import Rule, Situation, Values, setting
from sqmagic.equations.interpret.values import Array, CannotInterpret, array, at_least_scalar, same_batch
from sqmagic.equations.system import Apply


def parameter(node: Apply, name: str, situation: Situation) -> Array:
    """A layer's parameter. The slowly moving copy (`target`) is `Q.target.weight`, without one the parameter itself."""
    full = f"{node.layer}.{name}"
    if node.attribute("target", False) and f"{node.layer}.target.{name}" in situation.parameters:
        full = f"{node.layer}.target.{name}"
    if full not in situation.parameters:
        raise CannotInterpret(f"the parameter {full} is not given")
    return situation.parameters[full]


def _biased(x: Array, node: Apply, situation: Situation, axis: int) -> Array:
    """With the layer's bias added along an axis, if it has one."""
    if f"{node.layer}.bias" not in situation.parameters:
        return x
    bias = parameter(node, "bias", situation)
    return x + bias.reshape([-1 if n == axis % x.ndim else 1 for n in range(x.ndim)])


def _dense(node: Apply, args: Values, situation: Situation) -> Array:
    return _biased(at_least_scalar(args[0]) @ parameter(node, "weight", situation).T, node, situation, -1)


def _conv(node: Apply, args: Values, situation: Situation) -> Array:
    size, stride, pad = (setting(node, name) for name in ("size", "stride", "pad"))
    zeros = {"same": int(size) // 2, "valid": 0}.get(str(pad))
    weight = parameter(node, "weight", situation)
    x = convolution(args[0], weight, int(stride), int(pad) if zeros is None else zeros)
    return _biased(x, node, situation, 1)


def _pool(over: Callable[..., Array]) -> Rule:
    def rule(node: Apply, args: Values, situation: Situation) -> Array:
        size, stride = int(setting(node, "size")), int(setting(node, "stride"))
        return pooling(args[0], size, stride or size, over)

    return rule


def _embed(node: Apply, args: Values, situation: Situation) -> Array:
    return array(parameter(node, "weight", situation)[whole(args[0])])


def _batch_norm(node: Apply, args: Values, situation: Situation) -> Array:
    x = at_least_scalar(args[0])
    mean, variance = moments(node, x, situation)
    shape = features(x)
    weight = parameter(node, "weight", situation) / np.sqrt(variance + float(setting(node, "eps")))
    return _biased((x - mean.reshape(shape)) * weight.reshape(shape), node, situation, 1)


STATISTICAL = ("batch_norm", "batch_norm_input", "batch_norm_weight")
"""Operators that in training know something of all examples."""


def statistics(x: Array, *reverse: Array) -> tuple[Array, ...]:
    """Mean and variance (with divisor n) of each feature, the first axis after batch, over everything else.

    With an adjoint of what batch_norm gives, and what it was given there (also at steps that do not count), two means
    follow: of the adjoint, and of the adjoint times what was given less its mean.
    """
    axes = tuple(n for n in range(x.ndim) if n != 1)
    mean, variance = x.mean(axis=axes), x.var(axis=axes)
    if not reverse:
        return mean, variance
    g, given = reverse
    count = x.size / x.shape[1]
    return mean, variance, g.sum(axis=axes) / count, (g * (given - mean.reshape(features(x)))).sum(axis=axes) / count


def features(x: Array) -> tuple[int, ...]:
    """The shape in which one number for each feature meets `[batch, features, …]`."""
    return (1, -1) + (1,) * (x.ndim - 2)


def moments(node: Apply, x: Array, situation: Situation) -> tuple[Array, Array]:
    """Mean and variance of each feature: in training those of the batch, else those that are kept (0 and 1 unless
    given)."""
    if situation.statistics is not None:
        return situation.statistics[0], situation.statistics[1]
    mean = situation.parameters.get(f"{node.layer}.running_mean", np.zeros(x.shape[1]))
    return mean, situation.parameters.get(f"{node.layer}.running_var", np.ones(x.shape[1]))


def _layer_norm(node: Apply, args: Values, situation: Situation) -> Array:
    x = at_least_scalar(args[0])
    scaled = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + float(setting(node, "eps")))
    return _biased(scaled * parameter(node, "weight", situation), node, situation, -1)


def _dropout(node: Apply, args: Values, situation: Situation) -> Array:
    """In training a mask of zeros and ones is asked for: `effects["dropout"](shape, p)`."""
    if not situation.training:
        return args[0]
    if "dropout" not in situation.effects:
        raise CannotInterpret("`dropout` in training is chance: give its mask as effects['dropout'](shape, p)")
    x, p = at_least_scalar(args[0]), float(setting(node, "p"))
    return x * array(situation.effects["dropout"](x.shape, p)) / (1.0 - p)


def _module(node: Apply, args: Values, situation: Situation) -> Array:
    if node.layer is None or node.layer not in situation.effects:
        raise CannotInterpret(
            f"`{node.layer}` is a module of the kernel: give what it computes as effects['{node.layer}']"
        )
    return array(situation.effects[node.layer](*same_batch(*args)))


LAYERS: dict[str, Rule] = {
    "dense": _dense,
    "conv": _conv,
    "embed": _embed,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "dropout": _dropout,
    "max_pool": _pool(np.max),
    "avg_pool": _pool(np.mean),
    "module": _module,
}
