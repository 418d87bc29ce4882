"""Data to compare nets on: random numbers of the inputs' shapes, of which no two sizes are alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sqmagic.runtime.blueprint import InputSpec

CLASSES = 3
"""How many values a whole number has where nothing says it."""


def random_inputs(specs: Sequence[InputSpec], steps: int, batch: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Inputs by state: reals from -1 to 1, whole numbers among their values."""
    return {spec.state: _random(spec, steps, batch, generator) for spec in specs}


def _random(spec: InputSpec, steps: int, batch: int, generator: torch.Generator) -> Tensor:
    rows = steps + spec.last - spec.first + 1
    shape = (*((rows, batch) if spec.indexed else (batch,)), *(spec.shape or (1,)))
    if spec.kind != "real":
        return torch.randint(spec.classes or CLASSES, shape, generator=generator)
    return torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1


def random_weights(net: torch.nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """Weights by name, none of them 0; what is a variance is positive."""
    found = {}
    for name, value in net.state_dict().items():
        if not value.is_floating_point():
            found[name] = value
            continue
        drawn = torch.rand(value.shape, generator=generator, dtype=torch.float64) * 1.6 - 0.8
        found[name] = drawn.abs() + 0.3 if name.endswith("var") else drawn
    return found
