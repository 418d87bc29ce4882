"""Random values for a check: parameters, inputs, and what an optimiser has kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Fixed, Input, Last, System

Arrays = dict[str, NDArray[np.float64]]


def drawn(system: System, shapes: Shapes, horizon: int, batch: int, seed: int) -> tuple[Arrays, Arrays]:
    """Parameters and inputs. Every other draw is positive, since a program may take logarithms."""
    random = np.random.default_rng(seed)
    positive = bool(seed % 2)
    parameters = {}
    for name, shape in shapes.parameters.items():
        value = random.normal(size=shape) * 0.6 * _share(shape, positive)
        parameters[name] = np.abs(value) if positive else value
    inputs: Arrays = {}
    for item in system.inputs:
        shape = (*_rows(item, horizon), batch, *shapes.states[item.state])
        if item.state in shapes.integers:
            inputs[item.state] = random.integers(0, shapes.classes.get(item.state, 2), shape).astype(np.float64)
        else:
            inputs[item.state] = random.uniform(0.25, 1.25, shape) if seed % 2 else random.normal(size=shape)
    return parameters, inputs


FEW = 8
"""So many weights make a sum whose size is about theirs."""


def _share(shape: tuple[int, ...], positive: bool) -> float:
    """Weights of wide layers are smaller, so that sums of many do not saturate what comes after: where a sigmoid is 1
    but for rounding, 1 - sigmoid has no digits that could be checked."""
    few = min(1.0, FEW / max(1, prod(shape[1:])))
    return few if positive else sqrt(few)


def _rows(item: Input, horizon: int) -> tuple[int, ...]:
    if not item.indexed:
        return ()
    assert isinstance(item.first, Fixed), "inputs begin at a number"
    assert isinstance(item.last, Last), "inputs end at the end"
    return (max(0, horizon + item.last.offset - item.first.value + 1),)


def kept(given: Mapping[str, tuple[int, ...]], seed: int) -> Arrays:
    """What an optimiser keeps: moments, second moments that are positive, and the number of its step."""
    random = np.random.default_rng(seed)
    found: Arrays = {}
    for name, shape in given.items():
        value = random.normal(size=shape)
        found[name] = np.full(shape, 3.0) if name.endswith(".step") else np.abs(value) if name.endswith(".v") else value
    return found
