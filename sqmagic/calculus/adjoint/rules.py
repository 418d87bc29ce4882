"""One rule for each primitive: what the adjoint of its value gives to each of its arguments.

A rule is given an application with the adjoint g of its value, and the number of an argument; it gives an expression
of that argument's shape, linear in g. None is for an architecture: an LSTM is what its lines say. At a kink (relu at 0,
two components that are both the largest) a rule gives one of the values that there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sqmagic.calculus.adjoint.call import Call, Rule, beside, copied, reduced, share
from sqmagic.calculus.adjoint.layers import LAYERS
from sqmagic.calculus.adjoint.losses import LOSSES
from sqmagic.calculus.terms import ONE, ZERO, less, minus, op, over, times
from sqmagic.equations.system import Const, Expr, reads

# --- element by element --------------------------------------------------------------------------


def pointwise(*slopes: Callable[[Call], Expr]) -> Rule:
    """g times what the rule for an argument gives, summed where that argument was broadcast."""

    def rule(call: Call, i: int) -> Expr:
        return reduced(slopes[i](call), call.shape, call.shapes[i])

    return rule


def _times_slope(slope: Callable[[Expr], Expr]) -> Rule:
    """A function of one argument, its slope told from that."""
    return pointwise(lambda c: times(beside(c), slope(c.args[0])))


def _of_value(slope: Callable[[Expr], Expr]) -> Rule:
    """The same, the slope told from the function's value."""
    return pointwise(lambda c: times(beside(c), slope(c.out)))


def _sigmoid(call: Call, i: int) -> Expr:
    return times(times(beside(call), call.out), less(ONE, call.out))


def _gelu_slope(x: Expr) -> Expr:
    """The normal distribution function, and x times the normal density."""
    density = times(Const(1.0 / math.sqrt(2.0 * math.pi)), op("exp", minus(over(op("square", x), Const(2.0)))))
    return op("add", op("ndtr", x), times(x, density))


def _extreme(call: Call, i: int) -> Expr:
    """Where the two are equal each has half, as torch has it, so that max(x, x) has the slope of x. The other has
    nothing, be g what it may; of two with NaN among them none is the other. A number is a bound: there x has all.
    """
    own, other = call.args[i], call.args[1 - i]
    if isinstance(other, Const):
        return reduced(op("where", op("equal", own, call.out), call.g, ZERO), call.shape, call.shapes[i])
    shared = op("where", op("equal", own, other), over(call.g, Const(2.0)), ZERO)
    return reduced(op("where", op("equal", other, call.out), shared, call.g), call.shape, call.shapes[i])


def _where(call: Call, i: int) -> Expr:
    condition = call.args[0]
    chosen = op("where", condition, call.g, ZERO) if i == 1 else op("where", condition, ZERO, call.g)
    return ZERO if i == 0 else reduced(chosen, call.shape, call.shapes[i])


def _clip(call: Call, i: int) -> Expr:
    kept = op("equal", call.args[0], call.out)
    mask = kept if i == 0 else times(op("equal", call.args[i], call.out), less(ONE, kept))
    return reduced(op("where", mask, call.g, ZERO), call.shape, call.shapes[i])


# --- over components -----------------------------------------------------------------------------


def _rows(expr: Expr, call: Call) -> Expr:
    """A sum over components, in the shape of what it is a sum of where that has rows."""
    return op("expand_as", expr, call.out) if len(call.shape) > 1 else expr


def _softmax(call: Call, i: int) -> Expr:
    return times(call.out, less(call.g, _rows(op("sum", times(call.out, call.g)), call)))


def _log_softmax(call: Call, i: int) -> Expr:
    return less(call.g, times(op("exp", call.out), _rows(op("sum", call.g), call)))


def _mean(call: Call, i: int) -> Expr:
    row = call.args[0]
    for _ in call.shapes[0][1:]:
        row = op("index", row, ZERO)
    return copied(times(share(1.0, call.shapes[0][-1:], row), call.g), call)


def _norm(call: Call, i: int) -> Expr:
    """Of nothing the length has no slope, and 0 is one of those that there are."""
    length = copied(call.out, call)
    return times(copied(call.g, call), op("where", length, over(call.args[0], length), ZERO))


def _largest(call: Call, i: int) -> Expr:
    """All that are the largest share alike."""
    mask = op("equal", call.args[0], copied(call.out, call))
    return times(copied(over(call.g, op("sum", mask)), call), mask)


def _entropy(call: Call, i: int) -> Expr:
    return times(copied(minus(call.g), call), op("add", op("log", call.args[0]), ONE))


# --- structure -----------------------------------------------------------------------------------


def _matmul(call: Call, i: int) -> Expr:
    left, right = call.args
    match (len(call.shapes[0]), len(call.shapes[1])), i:
        case (1, 1), _:
            return times(call.g, call.args[1 - i])
        case (2, 1), 0:
            return op("outer", call.g, right)
        case (2, 1), _:
            return op("matmul", call.g, left)
        case (1, 2), 0:
            return op("matmul", right, call.g)
        case (1, 2), _:
            return op("outer", left, call.g)
        case (2, 2), 0:
            return op("matmul", call.g, op("transpose", right))
        case (2, 2), _:
            return op("matmul", op("transpose", left), call.g)
        case ranks, _:
            raise AssertionError(f"a product of arrays of ranks {ranks} has no rule yet")


def _concat(call: Call, i: int) -> Expr:
    """Each part gets its slice; one of a growing range ends where the others begin."""
    if len(call.args) == 1:
        return call.g
    before = sum(shape[0] for shape in call.shapes[:i])
    assert all(shape[0] > 0 for shape in call.shapes[: i + 1]), "a range that grows has nothing after it"
    names = [",".join(dict.fromkeys(read.state for read in reads(part))) for part in call.node.args]
    of = names[i] if names[i] and names.count(names[i]) == 1 else str(i + 1)
    return op("slice", call.g, start=before, stop=before + call.shapes[i][0], of=of)


def _picked(call: Call) -> Expr:
    """1 at the component that was picked. `picks` tells whoever computes with it that what it multiplies reaches no
    other, be it what it may."""
    return op("one_hot", call.args[1], size=call.shapes[0][0], picks=True)


def _index(call: Call, i: int) -> Expr:
    """g at the component that was picked."""
    if i == 1:
        return ZERO
    which = _picked(call)
    match len(call.shapes[0]):
        case 1:
            return times(call.g, which)
        case 2:
            return op("outer", which, call.g)
        case _:
            return op("unflatten", op("flatten", op("outer", which, op("flatten", call.g))), call.args[0])


def _log_prob(call: Call, i: int) -> Expr:
    return over(times(call.g, _picked(call)), call.args[0]) if i == 0 else ZERO


def _slice(call: Call, i: int) -> Expr:
    start, stop = int(call.node.attribute("start", 0)), int(call.node.attribute("stop", 0))
    return op("pad", call.g, before=start, after=call.shapes[0][0] - stop)


def _outer(call: Call, i: int) -> Expr:
    return op("matmul", call.g, call.args[1]) if i == 0 else op("matmul", call.args[0], call.g)


def _unflatten(call: Call, i: int) -> Expr:
    return op("unflatten", call.g, call.args[0])


RULES: dict[str, Rule] = {
    "add": pointwise(lambda c: c.g, lambda c: c.g),
    "sub": pointwise(lambda c: c.g, lambda c: minus(c.g)),
    "mul": pointwise(
        lambda c: times(beside(c, c.shapes[1]), c.args[1]), lambda c: times(beside(c, c.shapes[0]), c.args[0])
    ),
    "div": pointwise(
        lambda c: over(beside(c, c.shapes[1]), c.args[1]), lambda c: minus(over(times(beside(c), c.out), c.args[1]))
    ),
    "neg": pointwise(lambda c: minus(c.g)),
    "matmul": _matmul,
    "concat": _concat,
    "index": _index,
    "slice": _slice,
    "transpose": lambda c, i: op("transpose", c.g),
    "outer": _outer,
    "flatten": _unflatten,
    "exp": _of_value(lambda y: y),
    "log": pointwise(lambda c: over(beside(c), c.args[0])),
    "sqrt": pointwise(lambda c: over(beside(c), times(Const(2.0), c.out))),
    "square": _times_slope(lambda x: times(Const(2.0), x)),
    "abs": _times_slope(lambda x: op("sign", x)),
    "sin": _times_slope(lambda x: op("cos", x)),
    "cos": _times_slope(lambda x: minus(op("sin", x))),
    "tanh": _of_value(lambda y: less(ONE, op("square", y))),
    "sigmoid": _sigmoid,
    "relu": pointwise(lambda c: op("where", c.out, c.g, ZERO)),
    "gelu": _times_slope(_gelu_slope),
    "softplus": _times_slope(lambda x: op("sigmoid", x)),
    "maximum": _extreme,
    "minimum": _extreme,
    "where": _where,
    "clip": _clip,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "sum": lambda c, i: copied(c.g, c),
    "mean": _mean,
    "norm": _norm,
    "max": _largest,
    "min": _largest,
    **LAYERS,
    **LOSSES,
    "log_prob": _log_prob,
    "entropy": _entropy,
}
"""Covers `OPS` but for what lets no gradient pass and `LEFT_OUT`."""


class NoAdjoint(ValueError):
    """A gradient reaches an operator whose adjoint is not known here."""


LEFT_OUT: dict[str, str] = {
    "split": "its outputs' adjoints, one after the other, are the adjoint of what was split",
    "embed": "the number that it is given is whole",
    "module": "only torch knows the adjoint of a torch module",
}
"""Why an operator that blocks nothing has no row in `RULES`."""
