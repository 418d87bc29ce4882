"""The shape that a torch module gives, found by asking it once."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import nn

Shape = tuple[int, ...]


def given_shape(modules: Mapping[str, nn.Module], name: str, shapes: tuple[Shape, ...]) -> Shape | None:
    """The shape of one example that comes out of a module, for those that go in; None if it does not take them."""
    module = deepcopy(modules[name]).to("meta").eval()
    try:
        with torch.no_grad():
            out = module(*(torch.empty(2, *shape, device="meta") for shape in shapes))
    except (RuntimeError, TypeError, ValueError, NotImplementedError):
        return None
    return tuple(out.shape[1:]) if isinstance(out, torch.Tensor) and out.ndim > 1 else None
