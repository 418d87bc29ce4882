"""What a function's name means: a builtin (with or without a parameter's name), a macro, a module, or a dense layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeAlias

from sqmagic.equations.elaborate.lines import Kernel
from sqmagic.equations.ops import ALIASES, OPS, TRANSFORMS, Op
from sqmagic.notation.syntax import Macro


@dataclass(frozen=True, slots=True)
class Builtin:
    """`tanh`, or `conv_K` with the layer K; layer None for a layer that is not named (`batch_norm`)."""

    op: Op
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class Instance:
    """A macro under a name of its own: `Enc_1` is macro Enc, instance Enc_1."""

    macro: Macro
    name: str


@dataclass(frozen=True, slots=True)
class Module:
    """A torch module of the kernel."""

    name: str


@dataclass(frozen=True, slots=True)
class Dense:
    """A capitalised name that is nothing else: a dense layer."""

    layer: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A lower-case name that nothing is called, with the names nearest to it."""

    name: str
    nearest: tuple[str, ...]


Meaning: TypeAlias = Builtin | Instance | Module | Dense | Unknown


def meaning(text: str, macros: Mapping[str, Macro], kernel: Kernel) -> Meaning:
    """The meaning of a name in a function's place; macros come first, then modules, then builtins."""
    if text in macros:
        return Instance(macros[text], text)
    if text in kernel.modules:
        return Module(text)
    builtin = _builtin(text)
    if builtin:
        return builtin
    stem = text.partition("_{")[0] if text.endswith("}") else text.rpartition("_")[0]
    if stem in macros and "." not in text:
        return Instance(macros[stem], text.replace("_{", "_").removesuffix("}"))
    if last_part(text)[:1].isupper():
        return Dense(text.replace("_{", "_").removesuffix("}") if text.endswith("}") else text)
    return Unknown(text, nearest(text, [*OPS, *TRANSFORMS, *ALIASES, *macros, *kernel.modules]))


def _builtin(text: str) -> Builtin | None:
    """`conv_K`, `dense_{M_1}`, `batch_norm`: the longest builtin that the name begins with, and what follows it."""
    whole = ALIASES.get(text, text)
    if whole in OPS:
        return Builtin(OPS[whole])
    stem, brace, inner = text.partition("_{")
    if brace and stem in OPS:
        return Builtin(OPS[stem], inner.removesuffix("}"))
    words = text.split("_")
    for count in range(len(words) - 1, 0, -1):
        stem, layer = "_".join(words[:count]), "_".join(words[count:])
        if stem in OPS and (OPS[stem].parameters or stem in ("Add", "Get")):
            return Builtin(OPS[stem], layer)
    return None


def is_loss(text: str) -> bool:
    """Whether a name is a loss's, as in `==[0.5*mse]=>`."""
    full = ALIASES.get(text, text)
    return full in OPS and OPS[full].loss


_PLAIN_NAMES = {"embedding": "embed", "cat": "concat", "convolution": "conv", "batchnorm1d": "batch_norm"}
"""What functions are called elsewhere, without capitals and underscores."""

_LAYERS_TOO = frozenset({"dense", "matmul", "index", "slice", "module", "maximum", "minimum", "mean"})
"""Operators that are written otherwise, or whose capitalised names are usual for layers: `Mean` of a policy."""

RECURRENT = frozenset({"lstm", "gru", "rnn", "lstmcell", "grucell", "rnncell"})
"""Cells that have names elsewhere and are equations here, in lower case."""


def in_lower_case(name: str) -> str | None:
    """The builtin that a capitalised name differs from by case and underscores alone: `relu` of `ReLU` or `ReLU_1`,
    `conv_K` of `Conv2d_K`."""
    for stem, layer in ((name, ""), name.rpartition("_")[::2]):
        op = OPS.get(_spelled_like(stem))
        if op is not None and not (op.effect or op.name in _LAYERS_TOO or op.name.endswith("_logits")):
            return f"{op.name}_{layer}" if layer and op.parameters else op.name
    return None


def _spelled_like(name: str) -> str:
    plain = name.replace("_", "").lower()
    known = {op.replace("_", ""): op for op in OPS} | _PLAIN_NAMES
    return known.get(plain) or known.get(plain.removesuffix("2d"), "")


def last_part(text: str) -> str:
    """`R` of `Enc_1.R`."""
    return text.rpartition(".")[2]


def nearest(text: str, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(get_close_matches(text, sorted(set(names)), n=2, cutoff=0.6))
