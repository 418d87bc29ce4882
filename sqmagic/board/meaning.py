"""The three rules of a function or transform in words and formulas, as one line each of plain text.

Forward is what the board sets of an application, Autodiff and Update are what the adjoint's own rules give for it, so
that help says what runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import normalize

from sqmagic.board.binding import Notes
from sqmagic.board.operators import formula
from sqmagic.board.plain import write
from sqmagic.calculus.adjoint.call import Call
from sqmagic.calculus.adjoint.layers import PARAMETERS
from sqmagic.calculus.adjoint.reverse import hat
from sqmagic.calculus.adjoint.rules import LEFT_OUT, RULES
from sqmagic.equations.ops import ALIASES, OPS, TRANSFORMS, Op
from sqmagic.equations.system import Apply, Expr, Read, Value

_ARGUMENTS = {0: (), 1: ("x",), 2: ("a", "b"), 3: ("c", "a", "b")}
_NAMED = {"clip": ("x", "a", "b"), "index": ("x", "i"), "log_prob": ("pi", "a"), "step": ("S", "a")}
_IMAGE, _VECTOR, _SCALAR = (2, 5, 7), (5,), (1,)
_OF_IMAGES = {"conv", "max_pool", "avg_pool"}
_OF_MATRICES = {"transpose", "flatten"}
_SHAPES = {"index": (_VECTOR, _SCALAR), "matmul": ((3, 5), _VECTOR)}
_WRITTEN = {"maximum": "max", "minimum": "min"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """`heading` is how it is written, `summary` what it does; then what each of its three rules says."""

    heading: str
    summary: str
    forward: str
    autodiff: tuple[str, ...]
    update: tuple[str, ...]


def meaning(name: str, layer: str = "F") -> Meaning | None:
    """What a function or transform means that is there from the start, in a layer of that name; None for others."""
    name = ALIASES.get(name, name)
    if name in TRANSFORMS:
        summary, forward, autodiff, update = _OF_TRANSFORMS[name]
        return Meaning(
            f"{name}({', '.join((layer, *_settings(TRANSFORMS[name])))})", summary, forward, autodiff, update
        )
    return _function(OPS[name], layer) if name in OPS else None


def _function(op: Op, layer: str) -> Meaning:
    by_count = ("p", "y") if op.loss else _ARGUMENTS[2 if op.name == "concat" else min(op.least, 3)]
    names = _NAMED.get(op.name, by_count)
    written = _WRITTEN.get(op.name, op.name) + (f"_{layer}" if op.parameters else "")
    heading = f"{written}({', '.join((*names, *_settings(op.settings)))})"
    settings = (("start", 1), ("stop", 3)) if op.name == "slice" else op.settings
    node = Apply(op.name, tuple(Read(n) for n in names), layer if op.parameters else None, settings)
    out = "l" if op.loss else "y"
    call = _call(node, names, out)
    forward = f"{out} = {_text(node)}" if not op.effect and op.name not in {"module", "split"} else op.summary
    return Meaning(heading, op.summary, forward, tuple(_autodiff(op, call, names)), tuple(_update(op, call)))


def _settings(settings: tuple[tuple[str, Value], ...]) -> tuple[str, ...]:
    return tuple(f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}" for name, value in settings)


def _call(node: Apply, names: tuple[str, ...], out: str) -> Call:
    shape = _IMAGE if node.op in _OF_IMAGES else (3, 5) if node.op in _OF_MATRICES else _VECTOR
    shapes = _SHAPES.get(node.op, (shape,) * len(names))
    parameters = {f"{node.layer}.{p}": _VECTOR for p in OPS[node.op].parameters}
    return Call(node, Read(hat(out)), Read(out), tuple(Read(n) for n in names), _SCALAR if OPS[node.op].loss else shape,
                shapes, parameters)  # fmt: skip


def _autodiff(op: Op, call: Call, names: tuple[str, ...]) -> Iterator[str]:
    if op.blocks:
        yield "0: no gradient passes"
    elif op.name in _SAID:
        yield _SAID[op.name]
    else:
        for i, name in enumerate(names):
            yield f"{_text(Read(hat(name)))} = {_text(RULES[op.name](call, i))}"


def _update(op: Op, call: Call) -> Iterator[str]:
    if op.name == "module":
        yield "its parameters, if it has any, learn as torch computes"
    elif not op.parameters:
        yield "none: it has no parameters"
    for name, rule in PARAMETERS.get(op.name, {}).items():
        yield f"the adjoint of {call.node.layer}.{name} = {_text(rule(call))}, summed over steps and examples"


def _text(expr: Expr) -> str:
    return normalize("NFC", write(formula(expr, Notes(linear=True))))


_SAID = LEFT_OUT | {
    "embed": f"none: {LEFT_OUT['embed']}",
    "dropout": "what was set to 0 receives 0, the rest the adjoint, scaled as the components were",
}
_AS_BEFORE = ("as before",)
_OF_TRANSFORMS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "nograd": ("no gradient passes and nothing is learnt", "as before", ("0: no gradient passes",), ("none",)),
    "freeze": ("nothing is learnt, but gradient passes", "as before", _AS_BEFORE, ("none",)),
    "clip_grad": (
        "the gradient of its parameters is held to a length",
        "as before",
        _AS_BEFORE,
        ("the gradient times min(1, max_norm / its length), then as before",),
    ),
    "adam_opt": ("its parameters learn by Adam", "as before", _AS_BEFORE, ("Adam's step with these settings",)),
    "sgd_opt": (
        "its parameters learn by gradient descent",
        "as before",
        _AS_BEFORE,
        ("the gradient times lr, with momentum",),
    ),
    "target": (
        "a copy of the function that follows it slowly",
        "as before, with the copy's parameters",
        ("0: no gradient passes",),
        ("the copy moves by tau towards the parameters",),
    ),
    "cache": ("its values are kept for the way back", "as before", _AS_BEFORE, _AS_BEFORE),
    "recompute": ("its values are computed again on the way back", "as before", _AS_BEFORE, _AS_BEFORE),
}
