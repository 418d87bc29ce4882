"""torch.autograd on the code that is generated for a System: the loss, and its derivative by states and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sqmagic.checking.probes import probed
from sqmagic.emit.torch.write import emit
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import System
from sqmagic.runtime.generated import arguments, build, call, rows, takes
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains

Arrays = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Derivatives:
    """Derivatives of the scalar that the goals add up to, by `states`, `inputs` and `parameters`, by name.

    `values` are the states' own, with the index of the first row and of the last from T in `rows`.
    A state over time is `[rows, batch, *shape]` and begins at `first`; what is bare, and a point, `[batch, *shape]`.
    """

    loss: float
    states: Mapping[str, NDArray[np.float64]]
    first: Mapping[str, int]
    inputs: Mapping[str, NDArray[np.float64]]
    parameters: Mapping[str, NDArray[np.float64]]
    values: Mapping[str, NDArray[np.float64]]
    rows: Mapping[str, tuple[int, int]]


@torch.random.fork_rng(devices=[])
def derivatives(
    system: System,
    shapes: Shapes,
    wanted: frozenset[str],
    parameters: Arrays,
    inputs: Arrays,
    *,
    horizon: int,
    batch: int,
    training: bool = False,
) -> Derivatives:
    """By torch, in float64. `wanted` are the states to differentiate by; of inputs all that are real.

    What is drawn for it changes nothing that is drawn later.
    """
    held = domains(system)
    probe = probed(system, held, wanted, dict(shapes.states))
    sizes = replace(shapes, states=probe.shapes)
    order = dependence(probe.system)
    module = build(emit(probe.system, sizes, order, domains(probe.system, order), "check"), "check", {})
    module.double().train(training)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.as_tensor(parameters[name]))
    given = {}
    for item in probe.system.inputs:
        shape = (batch, *probe.shapes[item.state])
        if item.indexed:
            count = horizon + getattr(item.last, "offset", 0) - getattr(item.first, "value", 1) + 1
            shape = (max(count, 0), *shape)
        value = torch.as_tensor(inputs[item.state]) if item.state in inputs else torch.zeros(shape, dtype=torch.float64)
        whole = item.state in shapes.integers
        given[item.state] = value.long() if whole else value.double().requires_grad_()
    names = arguments(module)
    keywords: dict[str, Any] = {names[state]: value for state, value in given.items() if state in names}
    if not system.goals:
        loss = torch.zeros(())
    else:
        taken = {n: v for n, v in keywords.items() if takes(module, "loss", n)}
        loss = call(module, "loss", **taken, **_more(module, "loss", horizon))
    by = {f"input {state}": value for state, value in given.items() if value.requires_grad}
    by |= {f"parameter {name}": value for name, value in module.named_parameters()}
    with torch.no_grad():
        values = call(module, "forward", **{**keywords, **_more(module, "forward", horizon)})
    found: Sequence[torch.Tensor] = [torch.zeros_like(value) for value in by.values()]
    if loss.requires_grad and by:
        found = torch.autograd.grad(loss, list(by.values()), allow_unused=True, materialize_grads=True)
    grads = {name: g.detach().numpy() for name, g in zip(by, found, strict=True)}
    firsts = {
        t.state: i.first
        for e, i in zip(system.equations, held.equations, strict=True)
        if i is not None
        for t in e.targets
    }
    return Derivatives(
        loss.item(),
        {state: grads[f"input {name}"] for state, name in probe.probes.items()},
        firsts,
        {i.state: grads[f"input {i.state}"] for i in system.inputs if f"input {i.state}" in grads},
        {name: grads[f"parameter {name}"] for name, _ in module.named_parameters()},
        {state: value.detach().double().numpy() for state, value in values.items()},
        rows(module),
    )


def _more(module: torch.nn.Module, method: str, horizon: int) -> dict[str, int]:
    return {"horizon": horizon} if takes(module, method, "horizon") else {}
