"""The rules of losses: the slope by the prediction, and by the target."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

from sqmagic.calculus.adjoint.call import Call, Rule, reduced, share
from sqmagic.calculus.terms import ONE, less, minus, op, over, times
from sqmagic.equations.system import Const, Expr

Slope: TypeAlias = Callable[[Call, Expr, Expr, Callable[[float], Expr]], Expr]
"""From a prediction, a target, and a factor over how many components they have."""


def _loss(slope: Slope, target: Slope) -> Rule:
    """The slope by the prediction, and by the target."""

    def rule(call: Call, i: int) -> Expr:
        p, y = call.args
        shape = max(call.shapes, key=lambda s: (len(s), math.prod(s)))
        whole = p if call.shapes[0] == shape else y
        value = times(call.g, (slope, target)[i](call, p, y, lambda factor: share(factor, shape, whole)))
        return reduced(value, shape, call.shapes[i])

    return rule


def _mse(call: Call, p: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    return times(n(2.0), less(p, y))


def _mae(call: Call, p: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    return times(n(1.0), op("sign", less(p, y)))


def _huber(call: Call, p: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    delta = float(call.node.attribute("delta", 1.0))
    return times(n(1.0), op("clip", less(p, y), Const(-delta), Const(delta)))


def _share_of_rows(call: Call, expr: Expr) -> Expr:
    """Of several distributions, one a row, the mean counts."""
    rows = math.prod(call.shapes[0][:-1])
    return expr if rows == 1 else over(expr, Const(float(rows)))


def _cross_entropy(call: Call, p: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    return _share_of_rows(call, minus(over(y, p)))


def _cross_entropy_logits(call: Call, a: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    mass = op("sum", y)
    mass = mass if len(call.shapes[0]) == 1 else op("expand_as", mass, y)
    return _share_of_rows(call, less(times(op("softmax", a), mass), y))


def _binary(call: Call, p: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    return times(n(1.0), less(over(less(ONE, y), less(ONE, p)), over(y, p)))


def _binary_logits(call: Call, a: Expr, y: Expr, n: Callable[[float], Expr]) -> Expr:
    return times(n(1.0), less(op("sigmoid", a), y))


def _opposite(slope: Slope) -> Rule:
    """A loss of the difference: what it gives to the target is what it gives to the prediction, with the other sign."""
    return _loss(slope, lambda call, p, y, n: minus(slope(call, p, y, n)))


def _log_odds(p: Expr) -> Expr:
    return less(op("log", p), op("log", less(ONE, p)))


LOSSES: dict[str, Rule] = {
    "mse": _opposite(_mse),
    "mae": _opposite(_mae),
    "huber": _opposite(_huber),
    "cross_entropy": _loss(_cross_entropy, lambda c, p, y, n: _share_of_rows(c, minus(op("log", p)))),
    "binary_cross_entropy": _loss(_binary, lambda c, p, y, n: times(n(-1.0), _log_odds(p))),
    "cross_entropy_logits": _loss(
        _cross_entropy_logits, lambda c, a, y, n: _share_of_rows(c, minus(op("log_softmax", a)))
    ),
    "binary_cross_entropy_logits": _loss(_binary_logits, lambda c, a, y, n: times(n(-1.0), a)),
}
