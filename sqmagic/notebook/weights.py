"""What an edited cell keeps of the net that it replaces, and how that is said."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from sqmagic.notation.problems import NotationError
from sqmagic.runtime.blueprint import InputSpec, Shape
from sqmagic.runtime.errors import UnsettledError
from sqmagic.runtime.net import Net


def inherit(net: Net, former: Net, name: str, foreign: Collection[str] = ()) -> str:
    """Takes over the former net's weights of the same name and shape; says which.

    `foreign` are the torch modules of the kernel that the program calls: they stay as they are. What the former net
    knew of the shapes of data, the new one is told where its program leaves them open.
    """
    if not net.is_settled:
        _settle_like(net, former)
    kept = net.keep_weights(former)
    if not former.is_settled:
        return ""
    if not net.is_settled:
        return f"{name} keeps the weights that still fit as soon as its shapes are known"
    return _told(name, kept, _shapes(net, foreign), _shapes(former, foreign))


def _settle_like(net: Net, former: Net) -> None:
    """Tells a net what the former one knew of its data, as far as both read them alike."""
    known = {(spec.state, spec.indexed): spec for spec in former.inputs if spec.shape is not None}
    alike = [known[spec.state, spec.indexed] for spec in net.inputs if (spec.state, spec.indexed) in known]
    try:
        net.settle({spec.state: _example(spec) for spec in alike})
    except (NotationError, UnsettledError):
        return  # the program now says otherwise, or more is open: wait for data


def _example(spec: InputSpec) -> Tensor:
    """Data that tell of an input what is known of it."""
    leading = (1, 1) if spec.indexed else (1,)
    if spec.classes is not None:
        return torch.full(leading, spec.classes - 1)
    return torch.zeros(*leading, *(spec.shape or ()))


def _shapes(net: Net, foreign: Collection[str]) -> dict[str, Shape]:
    own = (item for item in net.state_dict().items() if item[0].partition(".")[0] not in foreign)
    return {name: tuple(value.shape) for name, value in own}


def _told(name: str, kept: Collection[str], own: Mapping[str, Shape], before: Mapping[str, Shape]) -> str:
    reshaped = [key for key in own if key in before and key not in kept]
    new = [key for key in own if key not in before]
    if not reshaped and not new:
        return f"{name} keeps all its weights" if own else ""
    clauses = [f"keeps {_layers(kept, own)}"] if kept else ["keeps none of its former weights"]
    if new:
        clauses += [f"new: {_layers(new, own)}"]
    if reshaped:
        changes = (f"{key} ({_text(own[key])}, was {_text(before[key])})" for key in reshaped)
        clauses += [f"of another shape, so new: {', '.join(changes)}"]
    return f"{name} {'; '.join(clauses)}"


def _layers(names: Collection[str], own: Collection[str]) -> str:
    """Parameters by name; a layer's name for all that it has."""
    whole = {key: all(k in names for k in own if _layer(k) == _layer(key)) for key in names}
    return ", ".join(dict.fromkeys(_layer(key) if whole[key] else key for key in names))


def _layer(parameter: str) -> str:
    return parameter.rpartition(".")[0] or parameter


def _text(shape: Shape) -> str:
    return " x ".join(map(str, shape))
