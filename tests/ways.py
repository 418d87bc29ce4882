"""A System computed in every way there is: by compiled kernels, by torch code rewritten and as written, and unrolled.

A `Subject` is a System ready for code, with values for its parameters and inputs. Each way gives what the System
computes, and the derivative of one scalar by every parameter and every real input.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from emitted import emitted
from systems import Example
from torch import Tensor, nn
from unrolled import Unrolled

from sqmagic import kernels
from sqmagic.calculus.logits import SUFFIX, logits
from sqmagic.calculus.outside import from_outside, given_states
from sqmagic.checking.sizes import primes
from sqmagic.checking.subject import with_points
from sqmagic.emit.torch.write import emit
from sqmagic.equations.interpret import CannotInterpret, Run, interpret
from sqmagic.equations.shapes import Shapes, settle
from sqmagic.equations.system import System
from sqmagic.faster import faster
from sqmagic.runtime import generated
from sqmagic.runtime.kernels.scan import Bound, LeftOut, bind
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Way:
    """Generated code, and the scans of it that run as C."""

    name: str
    module: nn.Module
    bounds: tuple[Bound, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A System ready for code, with values of float64."""

    system: System
    shapes: Shapes
    ways: tuple[Way, ...]
    parameters: Tensors
    inputs: Tensors
    horizon: int

    @cached_property
    def run(self) -> Run:
        """What the judge says of it."""
        return interpret(
            self.system,
            parameters={n: v.numpy() for n, v in self.parameters.items()},
            inputs={n: v.numpy() for n, v in self.inputs.items()},
            horizon=self.horizon if self.system.indices else None,
            shapes=self.shapes,
            batch=next((v.shape[self.is_over_time(n)] for n, v in self.inputs.items()), 1),
        )

    def is_over_time(self, state: str) -> bool:
        return next(i.indexed for i in self.system.inputs if i.state == state)

    @cached_property
    def has_goals(self) -> bool:
        """Whether there are goals that count at some step."""
        try:
            return bool(self.system.goals) and self.run.loss() is not None
        except CannotInterpret:
            return False

    def moved(self, seed: int) -> Subject:
        """With values close by."""
        random = torch.Generator().manual_seed(seed)

        def near(value: Tensor) -> Tensor:
            if not value.is_floating_point():
                return value
            return value * (1 + 1e-6 * torch.randn(value.shape, generator=random, dtype=value.dtype))

        parts = ({n: near(v) for n, v in part.items()} for part in (self.parameters, self.inputs))
        parameters, inputs = parts
        return replace(self, parameters=parameters, inputs=inputs)

    def single(self) -> Subject:
        """With values that are of single precision too."""
        parts = ({n: v.float().double() for n, v in part.items()} for part in (self.parameters, self.inputs))
        parameters, inputs = parts
        return replace(self, parameters=parameters, inputs=inputs)


def of_text(text: str, steps: int = 4, batch: int = 3, seed: int = 0) -> Subject:
    made = emitted(text)
    return _subject(made.system, made.shapes, steps, batch, seed)


def of_system(system: System, steps: int = 4, batch: int = 2, seed: int = 0) -> Subject:
    """A program; what comes of effects is given."""
    closed = from_outside(system, domains(system))
    found = with_points(primes(system), dict(given_states(closed)))
    ready = logits(settle(closed, found))
    states = {t.state for e in ready.equations for t in e.targets} - found.states.keys()
    named = {s: found.states[s.removesuffix(SUFFIX)] for s in states}
    return _subject(ready, replace(found, states={**found.states, **named}), steps, batch, seed)


def of_example(example: Example, batch: int = 2, seed: int = 0) -> Subject:
    shapes = Shapes(dict(example.states), dict(example.parameters))
    return _subject(example.system, shapes, domains(example.system).horizon + 2, batch, seed)


def _subject(system: System, shapes: Shapes, steps: int, batch: int, seed: int) -> Subject:
    order = dependence(system)
    held = domains(system, order)
    steps = max(steps, held.horizon + 1) if system.indices else 0
    rewritten = faster(system, shapes, order, held)
    program = None if rewritten is None else rewritten.program
    pages = kernels.scan_pages(system, shapes, order, held, program)
    ways = [Way("as written", generated.build(emit(system, shapes, order, held, "net"), "net", {}))]
    if program is not None:
        source = emit(system, shapes, order, held, "net", None, program)
        ways.append(Way("rewritten", generated.build(source, "net", {})))
    if pages:
        module = generated.build(emit(system, shapes, order, held, "net", pages, program), "net", {})
        bounds = tuple(bind(type(module), kernels.program_of(page)) for page in pages.values())
        ways.append(Way("kernels", module, bounds))
    random = torch.Generator().manual_seed(seed)
    parameters = {
        name: torch.rand(value.shape, generator=random, dtype=torch.float64) * 1.4 - 0.7
        for name, value in ways[0].module.state_dict().items()
        if value.is_floating_point()
    }
    parameters |= {n: v.abs() + 0.3 for n, v in parameters.items() if n.endswith("running_var")}
    return Subject(system, shapes, tuple(ways), parameters, _inputs(system, shapes, steps, batch, random), steps)


def _inputs(system: System, shapes: Shapes, steps: int, batch: int, random: torch.Generator) -> dict[str, Tensor]:
    found = {}
    for item in system.inputs:
        rows = steps + getattr(item.last, "offset", 0) - getattr(item.first, "value", 1) + 1
        size = (*([max(rows, 0)] * item.indexed), batch, *shapes.states[item.state])
        value = torch.rand(size, generator=random, dtype=torch.float64) + 0.25
        if item.state in shapes.integers:
            value = torch.randint(0, shapes.classes.get(item.state, 2), size, generator=random).double()
        found[item.state] = value
    return found


# --- what a way gives ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Computed:
    """States that a way gives without being asked twice, and the derivatives of a sum of them all and the goals."""

    states: Tensors
    gradients: Tensors


def by_code(
    subject: Subject, way: Way, dtype: torch.dtype = torch.float64, only: Collection[str] | None = None
) -> Computed:
    """By generated code, as its module computes; the derivatives are of all states, or of those named."""
    way.module.to(dtype).eval()
    way.module.load_state_dict({**way.module.state_dict(), **subject.parameters})
    names = generated.arguments(way.module)
    whole = subject.shapes.integers
    leaves = {
        state: value.long() if state in whole else value.to(dtype, copy=True).requires_grad_()
        for state, value in subject.inputs.items()
    }
    more = {"horizon": subject.horizon}
    keywords = {names[s]: v for s, v in leaves.items()}
    found = _called(way.module, "forward", {**keywords, **more})
    states = {s: v for s, v in found.items() if not isinstance(v, LeftOut) and v.is_floating_point()}
    if only is not None:
        states = {s: v for s, v in states.items() if s in only}
    total = _weighed(subject, states, generated.rows(way.module), dtype)
    if subject.has_goals:
        total = total + _called(way.module, "loss", {**keywords, **more})
    by = {**dict(way.module.named_parameters()), **{s: v for s, v in leaves.items() if v.requires_grad}}
    return Computed({s: v.detach() for s, v in states.items()}, _derivatives(total, by))


def _called(module: nn.Module, method: str, keywords: Mapping[str, Any]) -> Any:
    return generated.call(module, method, **{n: v for n, v in keywords.items() if generated.takes(module, method, n)})


def unrolled(subject: Subject, like: Way, given: Computed, dtype: torch.dtype = torch.float64) -> Computed:
    """By the judge unrolled: what a way has given."""
    run = subject.run
    trained = {n for n, _ in like.module.named_parameters()}
    parameters = {n: v.to(dtype, copy=True).requires_grad_(n in trained) for n, v in subject.parameters.items()}
    inputs = {
        n: v.to(dtype, copy=True).requires_grad_(n not in subject.shapes.integers) for n, v in subject.inputs.items()
    }
    found = Unrolled(run, subject.shapes.states, parameters, inputs)
    rows = generated.rows(like.module)
    states: dict[str, Tensor] = {}
    for state, value in given.states.items():
        if state in rows:
            each = found.rows(state, rows[state][0], len(value))
            states[state] = torch.stack([row.expand(value.shape[1:]) for row in each]) if each else value
        elif state in subject.shapes.states:  # else it is a point, which is a row as well
            states[state] = found.value(state).expand(value.shape)
    total = _weighed(subject, states, rows, dtype)
    if subject.has_goals:
        total = total + found.loss()
    by = {n: v for n, v in {**parameters, **inputs}.items() if v.requires_grad}
    return Computed({s: v.detach() for s, v in states.items()}, _derivatives(total, by))


def _weighed(subject: Subject, states: Tensors, rows: Mapping[str, Any], dtype: torch.dtype) -> Tensor:
    """The states added up, each component with a weight of its own."""
    total = torch.zeros((), dtype=dtype)
    for state in sorted(states):
        if state in rows or state in subject.shapes.states:
            random = torch.Generator().manual_seed(sum(map(ord, state)))
            weights = torch.randn(states[state].shape, generator=random, dtype=torch.float64)
            total = total + (states[state] * weights.to(dtype)).sum()
    return total


def _derivatives(total: Tensor, by: Tensors) -> dict[str, Tensor]:
    if not total.requires_grad:
        return {name: torch.zeros_like(value) for name, value in by.items()}
    found = torch.autograd.grad(total, list(by.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(by, found, strict=True))


def error(found: Tensor, expected: Tensor) -> float:
    """The worst, relative to the largest component; what is not there or not finite is infinitely wrong."""
    if not (bool(found.isfinite().all()) and bool(expected.isfinite().all())):
        return float("inf")
    if not expected.numel():
        return 0.0
    scale = max(1.0, float(expected.abs().max()))
    return float((found.double() - expected.double()).abs().max()) / scale
