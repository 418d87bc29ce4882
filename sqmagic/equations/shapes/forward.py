"""The shape of an expression whose states and parameters have known shapes: each operator's, from its arguments'.

`infer` finds the shapes of states, whichever way they follow; this page only goes forward, so that a pass may ask for
the shape of any part of an expression. An axis of size -1 is one whose length the window decides (`k_{1:t}`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, assert_never

from sqmagic.equations.ops import ALL_OPS, OPS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Apply, Const, Expr, Fixed, Last, Position, Range, Read, Running, Weight

Rule: TypeAlias = Callable[[Apply, Sequence[Shape], Mapping[str, Shape]], Shape]

SCALAR: Shape = (1,)


def shape_of(expr: Expr, states: Mapping[str, Shape], parameters: Mapping[str, Shape]) -> Shape:
    match expr:
        case Const() | Position():
            return SCALAR
        case Read(state, context):
            shape = states[state]
            for index in context:
                if isinstance(index, Range):
                    rows = _length(index)
                    shape = (rows,) if shape == SCALAR else (rows, *shape)
            return shape
        case Weight(parameter):
            return parameters[parameter]
        case Apply(op, args):
            rule = FORWARD.get(op) or OF_DERIVED[op]
            return rule(expr, [shape_of(a, states, parameters) for a in args], parameters)
        case _:
            assert_never(expr)


def _length(index: Range) -> int:
    match index.first, index.last:
        case (Fixed(a), Fixed(b)) | (Running(_, a), Running(_, b)) | (Last(_, a), Last(_, b)):
            return b - a + 1
        case _:
            return -1


def joint(shapes: Sequence[Shape]) -> Shape:
    """The shape of what is pointwise: a width of 1 meets any width, and a vector each row of a matrix."""
    rank = max((len(s) for s in shapes), default=1)
    full = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(next((n for n in axis if n != 1), 1) for axis in zip(*full, strict=True))


# --- operators -----------------------------------------------------------------------------------


def _pointwise(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return joint(args)


def _first(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return args[0]


def _scalar(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return SCALAR


def _reduced(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return args[0][:-1] or SCALAR


def _matmul(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (*args[0][:-1], *args[1][1:]) or SCALAR


def _concat(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    total = -1 if any(a[0] < 0 for a in args) else sum(a[0] for a in args)
    return (total, *args[0][1:])


def _index(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return args[0][1:] or SCALAR


def _slice(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (int(node.attribute("stop", 0)) - int(node.attribute("start", 0)), *args[0][1:])


def _transpose(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (*args[0][:-2], args[0][-1], args[0][-2])


def _outer(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (args[0][0], args[1][0])


def _flatten(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    size = 1
    for n in args[0]:
        size = -1 if n < 0 or size < 0 else size * n
    return (size,)


def _one_hot(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (int(node.attribute("size", 0)),)


def _gauss(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return tuple(int(n) for n in str(node.attribute("shape", "1")).split("x"))


def _dense(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (*args[0][:-1], known[f"{node.layer}.weight"][0])


def _embed(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (known[f"{node.layer}.weight"][1],)


def _conv(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    out, _, size, _ = known[f"{node.layer}.weight"]
    pad = {"same": size // 2, "valid": 0}.get(str(node.attribute("pad", "same")))
    pad, stride = int(node.attribute("pad", 0)) if pad is None else pad, int(node.attribute("stride", 1))
    return (out, *((n + 2 * pad - size) // stride + 1 for n in args[0][1:]))


def _pool(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    size = int(node.attribute("size", 2))
    stride = int(node.attribute("stride", 0)) or size
    return (*args[0][:-2], *((n - size) // stride + 1 for n in args[0][-2:]))


def _second(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return args[1]


def _padded(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    rows, *rest = args[0]
    return (rows + int(node.attribute("before", 0)) + int(node.attribute("after", 0)), *rest)


def _dense_input(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return (*args[0][:-1], known[f"{node.layer}.weight"][1])


def _weight(node: Apply, args: Sequence[Shape], known: Mapping[str, Shape]) -> Shape:
    return known[f"{node.layer}.weight"]


FORWARD: dict[str, Rule] = {
    **{op: _pointwise for op, row in ALL_OPS.items() if row.pointwise},
    **{op: _scalar for op, row in OPS.items() if row.loss},
    **dict.fromkeys(("softmax", "log_softmax", "stop", "old", "batch_norm", "layer_norm", "dropout"), _first),
    **dict.fromkeys(("sum", "mean", "norm", "max", "min", "argmax", "entropy"), _reduced),
    **dict.fromkeys(("sample", "eps_greedy", "log_prob"), _scalar),
    "matmul": _matmul,
    "concat": _concat,
    "index": _index,
    "slice": _slice,
    "transpose": _transpose,
    "outer": _outer,
    "flatten": _flatten,
    "one_hot": _one_hot,
    "gauss": _gauss,
    "dense": _dense,
    "embed": _embed,
    "conv": _conv,
    "max_pool": _pool,
    "avg_pool": _pool,
}
"""Covers `OPS`, and what is pointwise besides, but for `LEFT_OUT`."""

OF_DERIVED: dict[str, Rule] = {
    **dict.fromkeys(("window_sum", "batch_mean", "during"), _first),
    **dict.fromkeys(("step_share", "size"), _scalar),
    **dict.fromkeys(("expand_as", "unflatten"), _second),
    "pad": _padded,
    "dense_input": _dense_input,
    **dict.fromkeys(
        ("conv_input", "layer_norm_input", "batch_norm_input", "max_pool_input", "avg_pool_input"), _second
    ),
    **dict.fromkeys(("conv_weight", "layer_norm_weight", "batch_norm_weight"), _weight),
}
"""Covers the rest of what only passes make."""

LEFT_OUT: frozenset[str] = frozenset(("split", "module", "reset", "step", "Add", "Get"))
"""What has several outputs, or a shape that only the outside tells."""
