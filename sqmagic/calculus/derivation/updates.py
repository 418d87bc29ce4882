"""What the transforms on a layer make of its update: `clip_grad`, the optimisers and `target`, by the equations that
run.

The moments of an optimiser and the number of its step are inputs (`F.weight.m`, `F.step`); what they become stands as
an update too. A layer without an optimiser of its own is left to the one that is given to `fit`. A target's copy
(`F.weight.target`) follows what the parameter has become (`F.weight.new`), by whichever optimiser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from sqmagic.calculus.derivation.forms import Chain, Form
from sqmagic.calculus.terms import ONE, less, op, over, times, total
from sqmagic.equations.ops import TRANSFORMS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Const, Expr, Layer, Read, Update, Weight

TINY = Const(1e-6)
"""What clipping adds to the norm, as torch does, so that nothing is divided by 0."""

Found: TypeAlias = tuple[list[Chain], dict[str, Shape]]


def updates(
    layer: Layer, names: Sequence[str], shapes: Mapping[str, Shape], line: int
) -> tuple[list[Chain], dict[str, Shape]]:
    """The chains of all transforms of a layer's parameters, and the shapes of what they keep."""
    chains: list[Chain] = []
    given: dict[str, Shape] = {}
    clipped = False
    for update in layer.updates:
        if update.transform == "clip_grad":
            chains += _clipped(layer.name, names, _settings(update), shapes, line, again=clipped)
            clipped = True
    for update in layer.updates:
        rule = OPTIMISERS.get(update.transform)
        if rule is not None:
            if update.transform == "adam_opt":
                chains.append(_counted(layer.name, line))
            for name in names:
                g = Read(f"^{name}.clipped") if clipped else Read(f"^{name}")
                more, needed = rule(layer.name, name, g, _settings(update), shapes[name], line)
                chains += more
                given |= needed
    for update in layer.updates:
        if update.transform == "target":
            for name in names:
                chains.append(_followed(name, _settings(update)["tau"], shapes[name], line))
                given |= {f"{name}.target": shapes[name], f"{name}.new": shapes[name]}
    return chains, given


def _settings(update: Update) -> Mapping[str, float]:
    own = {**dict(TRANSFORMS[update.transform]), **dict(update.settings)}
    return {name: float(value) for name, value in own.items()}


def _clipped(
    owner: str, names: Sequence[str], own: Mapping[str, float], shapes: Mapping[str, Shape], line: int, *, again: bool
) -> list[Chain]:
    """All adjoints of a layer together become no longer than `max_norm`."""
    assert not again, "a layer is clipped once"
    squares = [op("sum", op("square", _flat(Read(f"^{name}"), shapes[name]))) for name in names]
    norm = Read(f"^{owner}.norm")
    chains = [Chain("update", (norm,), "=", (Form(op("sqrt", total(squares)), "norm"),), (1,), line=line)]
    factor = op("minimum", ONE, over(Const(own["max_norm"]), op("add", norm, TINY)))
    for name in names:
        value = times(factor, Read(f"^{name}"))
        left = Read(f"^{name}.clipped")
        chains.append(Chain("update", (left,), "=", (Form(value, "clip_grad"),), shapes[name], line=line))
    return chains


def _flat(expr: Expr, shape: Shape) -> Expr:
    return op("flatten", expr) if len(shape) > 1 else expr


def _counted(owner: str, line: int) -> Chain:
    """The number of a layer's step, by which its moments are corrected."""
    value = op("add", Read(f"{owner}.step"), ONE)
    return Chain("update", (Read(f"{owner}.step'"),), "<-", (Form(value, "adam_opt"),), (1,), line=line)


def _adam(owner: str, name: str, g: Expr, own: Mapping[str, float], shape: Shape, line: int) -> Found:
    m, v, k = Read(f"{name}.m"), Read(f"{name}.v"), Read(f"{owner}.step'")
    new_m = total([times(Const(own["beta1"]), m), times(_rest(own["beta1"]), g)])
    new_v = total([times(Const(own["beta2"]), v), times(_rest(own["beta2"]), op("square", g))])
    first = over(Read(f"{name}.m'"), less(ONE, op("power", Const(own["beta1"]), k)))
    second = over(Read(f"{name}.v'"), less(ONE, op("power", Const(own["beta2"]), k)))
    step = over(first, op("add", op("sqrt", second), Const(own["eps"])))
    weight = less(Weight(name), times(Const(own["lr"]), step))
    chains = [
        Chain("update", (Read(f"{name}.m'"),), "<-", (Form(new_m, "adam_opt"),), shape, line=line),
        Chain("update", (Read(f"{name}.v'"),), "<-", (Form(new_v, "adam_opt"),), shape, line=line),
        Chain("update", (Weight(name),), "<-", (Form(weight, "adam_opt"),), shape, line=line),
    ]
    return chains, {f"{name}.m": shape, f"{name}.v": shape, f"{owner}.step": (1,)}


def _sgd(owner: str, name: str, g: Expr, own: Mapping[str, float], shape: Shape, line: int) -> Found:
    if not own["momentum"]:
        weight = less(Weight(name), times(Const(own["lr"]), g))
        return [Chain("update", (Weight(name),), "<-", (Form(weight, "sgd_opt"),), shape, line=line)], {}
    new = total([times(Const(own["momentum"]), Read(f"{name}.m")), g])
    weight = less(Weight(name), times(Const(own["lr"]), Read(f"{name}.m'")))
    chains = [
        Chain("update", (Read(f"{name}.m'"),), "<-", (Form(new, "sgd_opt"),), shape, line=line),
        Chain("update", (Weight(name),), "<-", (Form(weight, "sgd_opt"),), shape, line=line),
    ]
    return chains, {f"{name}.m": shape}


def _followed(name: str, tau: float, shape: Shape, line: int) -> Chain:
    """The copy comes nearer, by a share `tau` of what is between them."""
    copy, own = Read(f"{name}.target"), Read(f"{name}.new")
    value = total([times(_rest(tau), copy), times(Const(tau), own)]) if tau != 1.0 else own
    return Chain("update", (Read(f"{name}.target'"),), "<-", (Form(value, "target"),), shape, line=line)


def _rest(beta: float) -> Expr:
    return less(ONE, Const(beta))


OPTIMISERS: dict[str, Callable[[str, str, Expr, Mapping[str, float], Shape, int], Found]] = {
    "adam_opt": _adam,
    "sgd_opt": _sgd,
}
"""Transforms that move weights; a dash marks what a moment becomes (`F.weight.m'`)."""
