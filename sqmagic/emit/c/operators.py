"""The table of functions for C: how each is written with the engine's vectors."""

from __future__ import annotations

SUM, PRODUCT, SIGN, ATOM = range(4)
"""How tightly C binds what stands at the top of a text."""

INFIX: dict[str, tuple[str, int]] = {"add": ("+", SUM), "sub": ("-", SUM), "mul": ("*", PRODUCT), "div": ("/", PRODUCT)}

FUNCTIONS: dict[str, str] = {
    "exp": "exponential",
    "log": "logarithm",
    "sqrt": "square_root",
    "abs": "absolute",
    "sin": "sine",
    "cos": "cosine",
    "tanh": "hyperbolic_tangent",
    "sigmoid": "logistic",
    "relu": "rectified",
    "gelu": "gauss_linear",
    "softplus": "soft_plus",
    "maximum": "larger",
    "minimum": "smaller",
    "square": "square",
    "where": "where",
    "clip": "clip",
    "equal": "equal",
    "sign": "sign_of",
    "ndtr": "normal_distribution",
}

MANY: dict[str, str] = {
    "exp": "exponentials",
    "tanh": "hyperbolic_tangents",
    "sigmoid": "logistics",
    "softplus": "soft_pluses",
}
"""Functions of many vectors at once: each is a chain of instructions that wait for one another."""

FOLDS: dict[str, str] = {"sum": "sum_of", "max": "largest_of", "min": "smallest_of", "argmax": "place_of_largest"}
