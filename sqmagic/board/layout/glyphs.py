"""How each operator is drawn: the kind of its node and what is written on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqmagic.board.names import MINUS


@dataclass(frozen=True, slots=True)
class Glyph:
    """`way` is how the operator becomes nodes: one of the kinds of node, or `held` for a wire without gradient."""

    way: Literal["pointwise", "layer", "merge", "function", "buffer", "loss", "held"]
    text: str = ""


def _sign(text: str) -> Glyph:
    return Glyph("pointwise", text)


def _layer(text: str) -> Glyph:
    return Glyph("layer", text)


GLYPHS: dict[str, Glyph] = {
    "add": _sign("+"),
    "sub": _sign(MINUS),
    "mul": _sign("×"),
    "div": _sign("÷"),
    "neg": _sign(MINUS),
    "matmul": _sign("@"),
    "concat": Glyph("merge"),
    "index": _sign("[ ]"),
    "slice": _sign("slice"),
    "split": Glyph("function", "split"),
    "transpose": _sign("⊤"),
    "outer": _sign("⊗"),
    "flatten": _sign("flatten"),
    "exp": _sign("exp"),
    "log": _sign("log"),
    "sqrt": _sign("√"),
    "square": _sign("( )²"),
    "abs": _sign("abs"),
    "sin": _sign("sin"),
    "cos": _sign("cos"),
    "tanh": _sign("tanh"),
    "sigmoid": _sign("σ"),
    "relu": _sign("relu"),
    "gelu": _sign("gelu"),
    "softplus": _sign("softplus"),
    "maximum": _sign("max"),
    "minimum": _sign("min"),
    "where": _sign("where"),
    "clip": _sign("clip"),
    "softmax": _sign("softmax"),
    "log_softmax": _sign("log softmax"),
    "sum": _sign("Σ"),
    "mean": _sign("mean"),
    "norm": _sign("norm"),
    "max": _sign("max"),
    "min": _sign("min"),
    "argmax": _sign("argmax"),
    "one_hot": _sign("one_hot"),
    "stop": Glyph("held"),
    "old": _sign("old"),
    "dense": _layer(""),
    "conv": _layer("conv"),
    "embed": _layer("embed"),
    "batch_norm": _layer("batch norm"),
    "layer_norm": _layer("layer norm"),
    "dropout": _sign("dropout"),
    "max_pool": _sign("max pool"),
    "avg_pool": _sign("avg pool"),
    "module": _layer(""),
    "mse": Glyph("loss", "MSE"),
    "mae": Glyph("loss", "MAE"),
    "huber": Glyph("loss", "Huber"),
    "cross_entropy": Glyph("loss", "CE"),
    "binary_cross_entropy": Glyph("loss", "BCE"),
    "cross_entropy_logits": Glyph("loss", "CE"),
    "binary_cross_entropy_logits": Glyph("loss", "BCE"),
    "sample": Glyph("function", "sample"),
    "gauss": Glyph("function", "gauss"),
    "log_prob": _sign("log p"),
    "entropy": _sign("entropy"),
    "eps_greedy": Glyph("function", "ε-greedy"),
    "reset": Glyph("function", "reset"),
    "step": Glyph("function", "step"),
    "Add": Glyph("buffer", "Add"),
    "Get": Glyph("buffer", "Get"),
}
"""Covers `OPS`."""

ACTIVATIONS = frozenset(
    str.split("tanh sigmoid relu gelu softplus softmax log_softmax exp sin cos sqrt square abs log")
)
"""Functions that share a box with the layer whose result they are of."""

WHERE = ("where {}", "{} if", "else {}")
"""What is written when the condition of `where`, its first or its second choice is a number."""

FOLDED = {"add": ("+{}", "+{}"), "sub": (f"{{}}{MINUS}", f"{MINUS}{{}}"), "mul": ("×{}", "×{}"), "div": ("{}÷", "÷{}")}
"""What is written when the left, or the right, operand is a number: `1−`, `×γ`."""
