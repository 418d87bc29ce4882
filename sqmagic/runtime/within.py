"""States that are computed where they are read and not held: their values from those of the states that are."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.errors import UnsupportedError
from sqmagic.runtime.states import States, held, lengths


def is_inside(net: Compiled, name: str) -> bool:
    """Whether a name is of such a state, as it is written: `a_t`, `a`, `Enc.a_t`."""
    return _stem(name) in net.settled.inside


def inside(net: Compiled, states: States, name: str) -> Tensor:
    """Its values on what a call has given, [time, batch, *shape]. Raises UnsupportedError where it draws by itself."""
    assert net.blueprint.inside is not None, "whoever names such states lends what computes them"
    rows = {state: (ends, value.detach().double().cpu().numpy()) for state, (ends, value) in held(states).items()}
    weights = {n: p.detach().double().cpu().numpy() for n, p in net.state_dict().items()}
    try:
        found = net.blueprint.inside(tuple(states), _stem(name), rows, weights, states.horizon, lengths(states))
    except ValueError as why:
        raise UnsupportedError(f"`{name}` is computed within others, and by itself cannot be: {why}") from None
    return torch.as_tensor(found).to(net.reference)


def _stem(name: str) -> str:
    return re.sub(r"_[a-z]$", "", name)
