"""How the states that a derivation adds are named: ĥ_t, δ^F_t, a^F_t, Ŵ_Gen, and m_F, v_F, k of an optimiser."""

from __future__ import annotations

import re

from sqmagic.board.binding import Notes
from sqmagic.board.formula import (
    Formula,
    Script,
    Tint,
    bias,
    fence,
    hatted,
    letter,
    listed,
    mark,
    matrix,
    owned,
    set_name,
    word,
)
from sqmagic.board.names import MINUS, Name, index_text, name, state_name
from sqmagic.equations.system import Context

_PART = re.compile(r"(.+)\.(\d+)")
_POINT = re.compile(r"(.+)_\{?(-?\d+|[A-Z](?:[+-]\d+)?)\}?")
_KEPT = re.compile(r"(.+)\.(m|v|step|target|new)'?")


def owner(state: str, known: Notes) -> str:
    """The state of the program that an adjoint, a delta or a named part belongs to."""
    bare = state.removeprefix("^")
    part = _PART.fullmatch(bare)
    point = _point(f"^{part[1]}" if part else state, known)
    return point[1] if point else part[1] if part else bare


def _point(state: str, known: Notes) -> re.Match[str] | None:
    """`^h_0`, the adjoint of h at a point; that of a state which is itself called so is none."""
    bare = state.removeprefix("^")
    return _POINT.fullmatch(bare) if state != bare and bare not in known.shapes else None


def state_formula(state: str, context: Context, known: Notes) -> Formula:
    """A state at a context, in the colour of its owner."""
    kept = _parameters_own(state, known)
    if kept is not None:
        return kept
    mine = owner(state, known) if state not in known.colours else state
    return Tint(_body(state, context, known), mine, known.colours.get(mine))


def _body(state: str, context: Context, known: Notes) -> Formula:
    if state in known.deltas:
        return _of_layer("δ", known.deltas[state], context)
    if state in known.activations:
        return _of_layer("a", known.activations[state], context)
    hat = state.startswith("^")
    part, point = _PART.fullmatch(state), _point(state, known)
    if part:
        return _part(state_name(part[1].removeprefix("^"), context), part[2], hat)
    if point and not context:
        parts = name(point[1])
        place = point[2].replace("-", MINUS)
        return set_name(Name(parts.base, (*parts.below, place), parts.above), True)
    return set_name(state_name(state.removeprefix("^"), context), hat)


def _part(parts: Name, number: str, hat: bool) -> Formula:
    """`h^(2)`: the second part of what defines h, where it has a name because it is used twice."""
    below = word(",".join(parts.below)) if parts.below else None
    return Script(hatted(parts.base) if hat else word(parts.base), below, fence(word(number)))


def _of_layer(base: str, layer: str, context: Context) -> Formula:
    """`δ_t^F`; of a layer that is applied several times with a number, `δ_t^{F,2}`."""
    below = word(",".join(index_text(i) for i in context)) if context else None
    of, _, number = layer.partition(" ")
    above = set_name(name(of))
    return Script(letter(base), below, listed([above, word(number)], mark(",")) if number else above)


# --- parameters, and what optimisers keep of them ------------------------------------------------


def parameter(state: str, hat: bool = False, slow: bool = False) -> Formula:
    """`F`, `b_F`, or `b` by itself; with a `hat`, its adjoint; `slow` is a target's copy."""
    layer, dot, part = state.rpartition(".")
    match part:
        case "weight" if dot:
            return matrix(layer, slow, hat)
        case "bias" if dot:
            return bias(layer, slow, hat)
        case _:
            return set_name(name(state), hat)


def _parameters_own(state: str, known: Notes) -> Formula | None:
    """What is a parameter's, or its layer's: an adjoint, the length of all of them, moments, the number of steps."""
    bare = state.removeprefix("^")
    if state != bare and bare in known.parameters:
        return parameter(bare, hat=True)
    if bare.endswith(".clipped") and bare.removesuffix(".clipped") in known.parameters:
        return _clipped(parameter(bare.removesuffix(".clipped"), hat=True))
    owners = {p.rpartition(".")[0] or p for p in known.parameters}
    if bare.endswith(".norm") and bare.removesuffix(".norm") in owners:
        return fence(_together(bare.removesuffix(".norm"), known), "<‖", "‖>")
    kept = _KEPT.fullmatch(state)
    match kept.groups() if kept else None:
        case (str(mine), "step") if mine in owners:
            return Script(letter("k"), set_name(name(mine)))
        case (str(mine), ("m" | "v") as base) if mine in known.parameters:
            return _moment(str(base), mine)
        case (str(mine), ("target" | "new") as which) if mine in known.parameters:
            return parameter(mine, slow=which == "target")
        case _:
            return None


def _clipped(formula: Formula) -> Formula:
    match formula:
        case Script(base, below, None):
            return Script(base, below, word("clip"))
        case Script():
            return Script(fence(formula), None, word("clip"))
        case _:
            return Script(formula, None, word("clip"))


def _together(layer: str, known: Notes) -> Formula:
    """All adjoints of a layer's parameters, its weights first."""
    mine = [p for p in sorted(known.parameters, reverse=True) if layer in (p, p.rpartition(".")[0])]
    return listed([parameter(p, hat=True) for p in mine])


def _moment(base: str, mine: str) -> Formula:
    """`m_F`, and for a bias `m_{b_F}`."""
    layer, dot, part = mine.rpartition(".")
    if dot and part == "weight":
        return owned(base, name(layer))
    return Script(letter(base), parameter(mine))
