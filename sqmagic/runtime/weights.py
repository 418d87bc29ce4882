"""A copy of a net's weights, to go back to."""

from __future__ import annotations

import torch

from sqmagic.runtime.compiled import Compiled


class Weights:
    """A copy of all parameters and buffers."""

    def __init__(self, net: Compiled) -> None:
        self._own = [*net.parameters(), *net.buffers()]
        self._copies = [value.detach().clone() for value in self._own]

    def take(self, other: Weights) -> None:
        self._copies = other._copies

    def take_now(self) -> None:
        """The weights as they are now, in the memory of the copies."""
        with torch.no_grad():
            for value, copy in zip(self._own, self._copies, strict=True):
                copy.copy_(value)

    def restore(self) -> None:
        with torch.no_grad():
            for value, copy in zip(self._own, self._copies, strict=True):
                value.copy_(copy)

    def are_finite(self) -> bool:
        return all(bool(torch.isfinite(v).all()) for v in self._own if v.is_floating_point())
