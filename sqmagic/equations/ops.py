"""The operators: one row each. Tables that interpret operators (interpret, shapes, adjoint, latex, torch, C, board)
have one row for each row here; a test asserts that every table covers `OPS` or says what it leaves out. `DERIVED` are
the operators that no program can write and that passes put in; what computes, emits or prints covers `ALL_OPS`.

Conventions that every table keeps. A state has shape `[batch, *shape]`; a scalar is a vector of width 1. Pointwise
operators broadcast a width of 1, and a vector to each row of a matrix. Reductions (`sum`, `mean`, `max`, `norm`,
`argmax`) and `softmax` work over the last axis; a reduction of a vector leaves width 1, a reduction of a matrix
`[n, m]` a vector of n.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqmagic.equations.system import Apply, Expr, Value, walk


@dataclass(frozen=True, slots=True)
class Op:
    """A row: `least` to `most` arguments (None: any number), the layer's parameters, what kind of function it is.

    `settings` are the keyword (or, after the arguments, positional) settings with their defaults.
    `blocks` says that its Autodiff is zero: no gradient passes.
    """

    name: str
    least: int
    most: int | None
    summary: str
    parameters: tuple[str, ...] = ()
    settings: tuple[tuple[str, Value], ...] = ()
    pointwise: bool = False
    blocks: bool = False
    effect: bool = False
    loss: bool = False
    outputs: int | None = 1  # None: as many as the statement names


def _pointwise(name: str, summary: str, arity: int = 1) -> Op:
    return Op(name, arity, arity, summary, pointwise=True)


def _loss(name: str, summary: str, settings: tuple[tuple[str, Value], ...] = ()) -> Op:
    return Op(name, 2, 2, summary, settings=settings, loss=True)


_CONV: tuple[tuple[str, Value], ...] = (("size", 3), ("stride", 1), ("pad", "same"))
_NORM: tuple[tuple[str, Value], ...] = (("eps", 1e-5), ("momentum", 0.1))
_POOL: tuple[tuple[str, Value], ...] = (("size", 2), ("stride", 0))
_ANY = ""
"""A bound that is not there."""

_ROWS = (
    # arithmetic
    _pointwise("add", "a + b, element by element", 2),
    _pointwise("sub", "a - b, element by element", 2),
    _pointwise("mul", "a * b, element by element", 2),
    _pointwise("div", "a / b, element by element", 2),
    _pointwise("neg", "-x"),
    Op("matmul", 2, 2, "a @ b, the matrix product"),
    # structure
    Op("concat", 1, None, "a|b, the arguments one after the other along the feature axis"),
    Op("index", 2, 2, "x[i], the component that an integer names, counted from 0; of a matrix, the row"),
    Op("slice", 1, 1, "x[start:stop], components start up to, and without, stop", settings=(("start", 0), ("stop", 0))),
    Op("split", 1, 1, "x in equal parts, as many as are named", outputs=None),
    Op("transpose", 1, 1, "rows for columns"),
    Op("outer", 2, 2, "the matrix of all products a_i * b_j"),
    Op("flatten", 1, 1, "all axes as one"),
    # pointwise functions
    _pointwise("exp", "e to the x"),
    _pointwise("log", "the natural logarithm"),
    _pointwise("sqrt", "the square root"),
    _pointwise("square", "x * x"),
    _pointwise("abs", "the absolute value"),
    _pointwise("sin", "the sine"),
    _pointwise("cos", "the cosine"),
    _pointwise("tanh", "the hyperbolic tangent"),
    _pointwise("sigmoid", "1 / (1 + exp(-x))"),
    _pointwise("relu", "max(x, 0)"),
    _pointwise("gelu", "x times the normal distribution function of x (exact, with erf)"),
    _pointwise("softplus", "log(1 + exp(x))"),
    _pointwise("maximum", "the larger, element by element (written max(a, b))", 2),
    _pointwise("minimum", "the smaller, element by element (written min(a, b))", 2),
    Op("where", 3, 3, "a where c is not 0, else b", pointwise=True),
    Op("clip", 3, 3, "x held between a and b", pointwise=True),
    # over components
    Op("softmax", 1, 1, "exp(x) / sum(exp(x))"),
    Op("log_softmax", 1, 1, "log(softmax(x))"),
    Op("sum", 1, 1, "the sum of the components"),
    Op("mean", 1, 1, "the mean of the components"),
    Op("norm", 1, 1, "the Euclidean length"),
    Op("max", 1, 1, "the largest component"),
    Op("min", 1, 1, "the smallest component"),
    Op("argmax", 1, 1, "the number of the largest component, from 0", blocks=True),
    Op("one_hot", 1, 1, "1 at the component that an integer names, 0 elsewhere", blocks=True),
    # gradient
    Op("stop", 1, 1, "x, held fixed: no gradient passes", blocks=True),
    Op("old", 1, 1, "x as it was when the window was collected", blocks=True),
    # layers
    Op("dense", 1, 1, "W x + b", parameters=("weight", "bias")),
    Op(
        "conv",
        1,
        1,
        "a two-dimensional convolution",
        parameters=("weight", "bias"),
        settings=_CONV,
    ),
    Op("embed", 1, 1, "the row of a table that an integer names", parameters=("weight",)),
    Op(
        "batch_norm",
        1,
        1,
        "(x - mean) / sqrt(variance + eps) * weight + bias, over time x batch",
        parameters=("weight", "bias"),
        settings=_NORM,
    ),
    Op(
        "layer_norm",
        1,
        1,
        "(x - mean) / sqrt(variance + eps) * weight + bias, over components",
        parameters=("weight", "bias"),
        settings=(("eps", 1e-5),),
    ),
    Op("dropout", 1, 1, "in training, components set to 0 with probability p, the rest scaled", settings=(("p", 0.5),)),
    Op("max_pool", 1, 1, "the largest of each square of an image", settings=_POOL),
    Op("avg_pool", 1, 1, "the mean of each square of an image", settings=_POOL),
    Op("module", 1, None, "a torch module of the kernel"),
    # losses, from a prediction and a target
    _loss("mse", "the mean of (p - y) squared"),
    _loss("mae", "the mean of |p - y|"),
    _loss("huber", "the mean of (p - y)²/2 within delta of the target, straight beyond", settings=(("delta", 1.0),)),
    _loss("cross_entropy", "-sum(y * log(p))"),
    _loss("binary_cross_entropy", "-mean(y * log(p) + (1 - y) * log(1 - p))"),
    _loss("cross_entropy_logits", "cross_entropy(softmax(a), y), computed from a"),
    _loss("binary_cross_entropy_logits", "binary_cross_entropy(sigmoid(a), y), computed from a"),
    # chance and the outside
    Op("sample", 1, 1, "an action drawn from a policy", blocks=True, effect=True),
    Op("gauss", 0, 0, "standard normal noise of the shape that its use demands", blocks=True, effect=True),
    Op("log_prob", 2, 2, "the log-probability of an action under a policy"),
    Op("entropy", 1, 1, "-sum(p * log(p))"),
    Op(
        "eps_greedy",
        1,
        1,
        "the best action, or with probability eps a random one",
        settings=(("eps", 0.1),),
        blocks=True,
        effect=True,
    ),
    Op("reset", 0, 0, "a fresh environment: S_0, O_0", blocks=True, effect=True, outputs=None),
    Op("step", 1, 2, "one step of the environment: S, O, r, d, cut, O'", blocks=True, effect=True, outputs=None),
    Op("Add", 1, None, "puts a transition into a buffer", blocks=True, effect=True, outputs=0),
    Op("Get", 0, 0, "a batch of transitions from a buffer", blocks=True, effect=True, outputs=None),
)

OPS: dict[str, Op] = {row.name: row for row in _ROWS}

_DERIVED_ROWS = (
    # sums over what a state has beside its own axes
    Op("window_sum", 3, 3, "the sum of x over the steps from first to last", settings=(("index", "t"),)),
    Op("batch_mean", 1, 1, "the mean of x over the batch"),
    Op("step_share", 0, 0, "1 / the mean number of steps from first to T + last", settings=(("first", 1), ("last", 0))),
    Op(
        "during",
        2,
        2,
        "x where the step, its second argument, lies from first to T + last; else 0, and x need not be defined",
        settings=(("first", _ANY), ("last", _ANY)),
    ),
    # element by element
    _pointwise("equal", "1 where x = y, else 0", 2),
    _pointwise("sign", "1, 0 or -1"),
    _pointwise("ndtr", "the normal distribution function"),
    _pointwise("power", "x to the y", 2),
    Op("derivative", 1, 1, "f'(x)", settings=(("function", ""),), pointwise=True),
    # structure
    Op("size", 1, 1, "how many components x has"),
    Op("expand_as", 2, 2, "x copied to the shape of y"),
    Op("pad", 1, 1, "x with zeros before and after it", settings=(("before", 0), ("after", 0))),
    Op("unflatten", 2, 2, "the components of x in the shape of y"),
    # adjoints of layers and of pooling, named as in torch.nn.grad: from the adjoint of the output, and the input
    Op("dense_input", 1, 1, "the transposed product with the weights", parameters=("weight",)),
    Op("conv_input", 2, 2, "the adjoint of a convolution's input", parameters=("weight",), settings=_CONV),
    Op("conv_weight", 2, 2, "the adjoint of a convolution's weights", settings=_CONV),
    Op(
        "layer_norm_input", 2, 2, "the adjoint of layer_norm's input", parameters=("weight",), settings=(("eps", 1e-5),)
    ),
    Op("layer_norm_weight", 2, 2, "the adjoint of layer_norm's weights", settings=(("eps", 1e-5),)),
    Op("batch_norm_input", 2, 2, "the adjoint of batch_norm's input", parameters=("weight",), settings=_NORM),
    Op("batch_norm_weight", 2, 2, "the adjoint of batch_norm's weights", settings=_NORM),
    Op("max_pool_input", 2, 2, "the adjoint of max_pool's input", settings=_POOL),
    Op("avg_pool_input", 2, 2, "the adjoint of avg_pool's input", settings=_POOL),
)

DERIVED: dict[str, Op] = {row.name: row for row in _DERIVED_ROWS}
"""What only passes make, the adjoint above all."""

ALL_OPS: dict[str, Op] = OPS | DERIVED


def has_effect(expr: Expr) -> bool:
    """Whether to compute an expression acts on the outside, or draws by chance."""
    return any(isinstance(node, Apply) and ALL_OPS[node.op].effect for node in walk(expr))


ALIASES: dict[str, str] = {"sigma": "sigmoid", "σ": "sigmoid", "ce": "cross_entropy", "bce": "binary_cross_entropy"}
"""Other spellings of a function's name; a σ on the board is the logistic sigmoid."""

TRANSFORMS: dict[str, tuple[tuple[str, Value], ...]] = {
    "nograd": (),
    "freeze": (),
    "clip_grad": (("max_norm", 1.0),),
    "adam_opt": (("lr", 1e-3), ("beta1", 0.9), ("beta2", 0.999), ("eps", 1e-8)),
    "sgd_opt": (("lr", 1e-2), ("momentum", 0.0)),
    "target": (("tau", 0.005),),
    "cache": (),
    "recompute": (),
}
"""Transforms of functions with their settings and defaults."""
