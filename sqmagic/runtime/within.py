"""States that are computed where they are read and not held: their values from those of the states that are."""

from __future__ import annotations

import torch
from torch import Tensor

from sqmagic.runtime.compiled import Compiled
from sqmagic.runtime.errors import UnsupportedError
from sqmagic.runtime.states import States, held, lengths, state_of


def is_inside(net: Compiled, name: str) -> bool:
    """Whether a name is of such a state, as it is written: `a_t`, `a`, `Enc.a_t`."""
    return state_of(name, net.settled.inside) is not None


def inside(net: Compiled, states: States, name: str) -> Tensor:
    """Its values on what a call has given, [time, batch, *shape]. Raises UnsupportedError where it draws by itself."""
    state = state_of(name, net.settled.inside)
    assert state is not None and net.blueprint.inside is not None, "whoever names such states lends what computes them"
    rows = {state: (ends, value.detach().double().cpu().numpy()) for state, (ends, value) in held(states).items()}
    weights = {n: p.detach().double().cpu().numpy() for n, p in net.state_dict().items()}
    try:
        found = net.blueprint.inside(tuple(states), state, rows, weights, states.horizon, lengths(states))
    except ValueError as why:
        raise UnsupportedError(f"`{name}` is computed within others, and by itself cannot be: {why}") from None
    return torch.as_tensor(found).to(net.reference)
