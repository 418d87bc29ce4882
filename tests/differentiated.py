"""The adjoint of a System, computed by the judge, beside what torch.autograd says of the code generated for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqmagic.calculus.adjoint import Adjoint, adjoint
from sqmagic.checking.autograd import Derivatives, derivatives
from sqmagic.equations.interpret import Run, interpret
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Equation, Running, System
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains

Arrays = Mapping[str, NDArray[Any]]


def adjoint_of(system: System, shapes: Shapes, inputs: Collection[str] = ()) -> tuple[Adjoint, Domains]:
    """The adjoint, and the domains of the System that it gives, which must have an order and no fault."""
    made = adjoint(system, shapes, domains(system), inputs=inputs)
    order = dependence(made.system)
    assert order.problems == ()
    held = domains(made.system, order)
    assert [p.message for p in held.problems if p.severity == "error"] == []
    return made, held


def differentiable(system: System, shapes: Shapes) -> list[str]:
    """The inputs that have a derivative: real ones that do not reach past T, where no equation holds."""
    return [i.state for i in system.inputs if i.state not in shapes.integers and getattr(i.last, "offset", 0) <= 0]


def disagreement(
    system: System,
    shapes: Shapes,
    parameters: Arrays,
    inputs: Arrays,
    *,
    horizon: int,
    batch: int,
    training: bool = False,
) -> float:
    """The worst relative error of all adjoints: of states at every step and point, of inputs and of parameters."""
    wanted = differentiable(system, shapes)
    made, _ = adjoint_of(system, shapes, wanted)
    run = interpret(
        made.system,
        parameters=parameters,
        inputs=inputs,
        horizon=horizon if system.indices else None,
        shapes=Shapes(made.shapes, shapes.parameters),
        batch=batch,
        training=training,
    )
    names = frozenset(t.state for e in system.equations for t in e.targets if f"^{t.state}" in made.shapes)
    by_torch = derivatives(system, shapes, names, parameters, inputs, horizon=horizon, batch=batch, training=training)
    return max([0.0, *_errors(system, made, run, by_torch, wanted, batch)])


def _errors(
    system: System, made: Adjoint, run: Run, by_torch: Derivatives, inputs: list[str], batch: int
) -> list[float]:
    defined = {e.targets[0].state: e for e in reversed(made.system.equations) if e.targets}
    found = []
    for name, value in by_torch.states.items():
        found.append(_of_state(f"^{name}", value * batch, by_torch.first.get(name), defined, run))
    for item in (i for i in system.inputs if i.state in inputs):
        first = getattr(item.first, "value", 1) if item.indexed else None
        found.append(_of_state(f"^{item.state}", by_torch.inputs[item.state] * batch, first, defined, run))
    for name, value in by_torch.parameters.items():
        found.append(error(run.value(made.gradients[name])[0] if name in made.gradients else np.zeros(1), value))
    return found


def _of_state(
    name: str, expected: NDArray[np.float64], first: int | None, defined: Mapping[str, Equation], run: Run
) -> float:
    if name not in defined:
        return error(np.zeros(1), expected)
    if not any(isinstance(i, Running) for e in [defined[name]] for i in e.targets[0].context):
        return error(run.value(name), expected)
    assert first is not None
    return max([0.0, *(error(run.value(name, first + row), value) for row, value in enumerate(expected))])


def error(found: Any, expected: NDArray[np.float64]) -> float:
    """Relative to the largest component; what is not there or not finite is infinitely wrong."""
    if not isinstance(found, np.ndarray) or not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return float("inf")
    scale = max(1e-3, float(np.abs(expected).max(initial=0.0)))
    return float(np.abs(np.broadcast_to(found, expected.shape) - expected).max(initial=0.0)) / scale
