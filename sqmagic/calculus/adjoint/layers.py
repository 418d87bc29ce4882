"""The rules of layers: what the adjoint of a layer's value gives to what it was given, and to its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from sqmagic.calculus.adjoint.call import Call, Parameter, Rule
from sqmagic.calculus.terms import op, total
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Apply, Const, Expr, Value

_SETTINGS = ("size", "stride", "pad", "eps", "momentum", "p", "target")


def _alike(call: Call, name: str, *args: Expr) -> Apply:
    """An operator of the same layer and settings."""
    kept: tuple[tuple[str, Value], ...] = tuple((k, v) for k, v in call.node.attributes if k in _SETTINGS)
    return Apply(name, args, call.node.layer, kept)


def _input(call: Call, i: int) -> Expr:
    return _alike(call, f"{call.node.op}_input", call.g, call.args[0])


def _weight(call: Call) -> Expr:
    return _alike(call, f"{call.node.op}_weight", call.g, call.args[0])


def _dense_weight(call: Call) -> Expr:
    return _of_rows(call.g, call.args[0], call.shape)


def _of_rows(g: Expr, x: Expr, shape: Shape) -> Expr:
    """What each row of a matrix gives to weights, all together; of an image those of each channel."""
    match len(shape):
        case 1:
            return op("outer", g, x)
        case 2:
            return op("matmul", op("transpose", g), x)
        case _:
            channels = [Const(n) for n in range(shape[0])]
            return total(_of_rows(op("index", g, n), op("index", x, n), shape[1:]) for n in channels)


def _embed_weight(call: Call) -> Expr:
    """g in the row that was picked."""
    rows = call.parameters[f"{call.node.layer}.weight"][0]
    return op("outer", op("one_hot", call.args[0], size=rows), call.g)


def _dropout(call: Call, i: int) -> Expr:
    """The mask that was drawn, scaled, is dropout of ones: it has a name that both directions read (`masks`)."""
    raise AssertionError("dropout is taken apart into a mask and a product")


def _over_places(call: Call) -> Expr:
    """What each channel of an image, or each row of a matrix, gives to a bias."""
    g = call.g
    for _ in call.shape[1:]:
        g = op("sum", g)
    return g


def _dense_bias(call: Call) -> Expr:
    """What a vector, each row of a matrix, or each row of each channel of an image, gives to a bias."""
    g = call.g
    for _ in call.shape[1:]:
        g = op("sum", op("transpose", g))
    return g


LAYERS: dict[str, Rule] = {
    "dense": lambda c, i: _alike(c, "dense_input", c.g),
    "conv": _input,
    "batch_norm": _input,
    "layer_norm": _input,
    "dropout": _dropout,
    "max_pool": _input,
    "avg_pool": _input,
}

PARAMETERS: dict[str, Mapping[str, Parameter]] = {
    "dense": {"weight": _dense_weight, "bias": _dense_bias},
    "conv": {"weight": _weight, "bias": _over_places},
    "embed": {"weight": _embed_weight},
    "batch_norm": {"weight": _weight, "bias": _over_places},
    "layer_norm": {"weight": _weight, "bias": _dense_bias},
}
"""What the adjoint of a layer's value gives to its parameters."""
