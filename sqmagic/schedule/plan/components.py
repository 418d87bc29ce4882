"""Functions over the components of a vector, as values made from values: softmax, what probabilities give, losses,
layer norms and their ways back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from sqmagic.equations.system import Apply
from sqmagic.schedule.plan.matrices import spread
from sqmagic.schedule.plan.nodes import Fold, Map, Number, Vector
from sqmagic.schedule.plan.values import Work, chosen, fold, mean, pointwise

Function: TypeAlias = Callable[..., int]
"""From an operator, what is known, and the values of the operator's arguments to its own value."""


def _folded(node: Apply, work: Work, x: int, rows: int = 1) -> int:
    return fold(node.op, x, work, rows)


def _mean(node: Apply, work: Work, x: int, rows: int = 1) -> int:
    return mean(x, work, rows)


def _norm(node: Apply, work: Work, x: int, rows: int = 1) -> int:
    return pointwise("sqrt", (fold("sum", pointwise("square", (x,), work), work, rows),), work)


def _of_rows(op: str, x: int, number: int, work: Work) -> int:
    """A matrix and a number for each of its rows, or a vector and a number."""
    each = work.width(x) // work.width(number)
    return pointwise(op, (x, spread(number, each, each, work)), work)


def _shifted(x: int, work: Work, rows: int) -> int:
    """Less the largest. A product is read from memory for that: multiplied once more it would not be rounded before the
    largest is taken off, and what is large would not be 0 there."""
    if _is_product(x, work):
        x = pointwise("kept", (x,), work)
    return _of_rows("sub", x, fold("max", x, work, rows), work)


def _is_product(number: int, work: Work) -> bool:
    node = work.graph.nodes[number]
    while isinstance(node, Map) and node.op in ("neg", "copy", "during"):
        node = work.graph.nodes[node.args[0]]
    return isinstance(node, Map) and node.op in ("mul", "square")


def _softmax(node: Apply, work: Work, x: int, rows: int = 1) -> int:
    powers = pointwise("exp", (_shifted(x, work, rows),), work)
    return _of_rows("div", powers, fold("sum", powers, work, rows), work)


def _log_softmax(node: Apply, work: Work, x: int, rows: int = 1) -> int:
    shifted = _shifted(x, work, rows)
    total = fold("sum", pointwise("exp", (shifted,), work), work, rows)
    return _of_rows("sub", shifted, pointwise("log", (total,), work), work)


# --- of probabilities ----------------------------------------------------------------------------


def _argmax(node: Apply, work: Work, x: int) -> int:
    return work.graph.put(Number(0.0) if work.width(x) == 1 else Fold("argmax", x))


def _log_prob(node: Apply, work: Work, p: int, which: int) -> int:
    return pointwise("log", (chosen(p, which, work),), work)


def _times_log(weight: int, p: int, work: Work) -> int:
    """weight * log(p), and 0 where the weight is 0."""
    product = pointwise("mul", (weight, pointwise("log", (p,), work)), work)
    return pointwise("where", (weight, product, weight), work)


def _entropy(node: Apply, work: Work, p: int) -> int:
    return pointwise("neg", (fold("sum", _times_log(p, p, work), work),), work)


# --- losses --------------------------------------------------------------------------------------


def _apart(p: int, y: int, work: Work) -> int:
    return pointwise("sub", (p, y), work)


def _mse(node: Apply, work: Work, p: int, y: int) -> int:
    return mean(pointwise("square", (_apart(p, y, work),), work), work)


def _mae(node: Apply, work: Work, p: int, y: int) -> int:
    return mean(pointwise("abs", (_apart(p, y, work),), work), work)


def _huber(node: Apply, work: Work, p: int, y: int) -> int:
    """Of the difference d, held within delta: held * (d - held/2)."""
    delta, apart = float(node.attribute("delta", 1.0)), _apart(p, y, work)
    ends = (work.graph.put(Number(-delta)), work.graph.put(Number(delta)))
    held = pointwise("clip", (apart, *ends), work)
    half = pointwise("mul", (work.graph.put(Number(0.5)), held), work)
    return mean(pointwise("mul", (held, _apart(apart, half, work)), work), work)


def _one_less(x: int, work: Work) -> int:
    return pointwise("sub", (work.graph.put(Number(1.0)), x), work)


def _binary(node: Apply, work: Work, p: int, y: int) -> int:
    both = (_times_log(y, p, work), _times_log(_one_less(y, work), _one_less(p, work), work))
    return mean(pointwise("neg", (pointwise("add", both, work),), work), work)


def _binary_logits(node: Apply, work: Work, a: int, y: int) -> int:
    return mean(_apart(pointwise("softplus", (a,), work), pointwise("mul", (y, a), work), work), work)


def _cross_entropy(node: Apply, work: Work, p: int, y: int) -> int:
    return pointwise("neg", (fold("sum", _times_log(y, p, work), work),), work)


def _cross_entropy_logits(node: Apply, work: Work, a: int, y: int) -> int:
    logs = _log_softmax(node, work, a)
    return pointwise("neg", (fold("sum", pointwise("mul", (y, logs), work), work),), work)


# --- layer norms ---------------------------------------------------------------------------------


def _scaled(x: int, node: Apply, work: Work) -> tuple[int, int]:
    """What a layer norm makes of its input before its weights, and the deviation that it divides by."""
    eps = work.graph.put(Number(float(node.attribute("eps", 1e-5))))
    centred = pointwise("sub", (x, mean(x, work)), work)
    variance = mean(pointwise("square", (centred,), work), work)
    deviation = pointwise("sqrt", (pointwise("add", (variance, eps), work),), work)
    return pointwise("div", (centred, deviation), work), deviation


def _layer_norm(node: Apply, work: Work, x: int) -> int:
    scaled, _ = _scaled(x, node, work)
    weight, bias = (work.graph.put(Vector(f"{node.layer}.{n}", 0, work.width(x))) for n in ("weight", "bias"))
    return pointwise("add", (pointwise("mul", (scaled, weight), work), bias), work)


def _layer_norm_input(node: Apply, work: Work, g: int, x: int) -> int:
    """Of g times the weights what is neither their mean nor along the input, over the deviation."""
    scaled, deviation = _scaled(x, node, work)
    weight = work.graph.put(Vector(f"{node.layer}.weight", 0, work.width(x)))
    g = pointwise("mul", (g, weight), work)
    along = pointwise("mul", (scaled, mean(pointwise("mul", (g, scaled), work), work)), work)
    rest = pointwise("sub", (pointwise("sub", (g, mean(g, work)), work), along), work)
    return pointwise("div", (rest, deviation), work)


def _layer_norm_weight(node: Apply, work: Work, g: int, x: int) -> int:
    return pointwise("mul", (g, _scaled(x, node, work)[0]), work)


FUNCTIONS: Mapping[str, Function] = {
    "sum": _folded,
    "max": _folded,
    "min": _folded,
    "mean": _mean,
    "norm": _norm,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "argmax": _argmax,
    "log_prob": _log_prob,
    "entropy": _entropy,
    "mse": _mse,
    "mae": _mae,
    "huber": _huber,
    "binary_cross_entropy": _binary,
    "binary_cross_entropy_logits": _binary_logits,
    "cross_entropy": _cross_entropy,
    "cross_entropy_logits": _cross_entropy_logits,
    "layer_norm": _layer_norm,
    "layer_norm_input": _layer_norm_input,
    "layer_norm_weight": _layer_norm_weight,
}
"""One row for each operator whose value is made from the values of its arguments alone."""
