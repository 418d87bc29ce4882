"""From text to a generated module, without a Net around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import torch

from sqmagic.emit.torch.facts import optional_inputs
from sqmagic.emit.torch.names import python_name
from sqmagic.emit.torch.write import class_name, emit, refused
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.shapes import DataShape, Shapes, infer, settle
from sqmagic.equations.show import show_goal
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source
from sqmagic.runtime.blueprint import Blueprint, InputSpec, Settled
from sqmagic.runtime.blueprint import DataShape as Told
from sqmagic.runtime.net import Net
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains


@dataclass(frozen=True)
class Emitted:
    system: System
    shapes: Shapes
    domains: Domains
    source: str
    namespace: ModuleType

    def make(self, **modules: Any) -> Any:
        """The generated module with random parameters, all of float64."""
        torch.manual_seed(0)
        module = self.namespace.__dict__[class_name("net")](**modules).double()
        for parameter in module.parameters():
            torch.nn.init.uniform_(parameter, -0.7, 0.7)
        return module


def emitted(
    text: str, *, data: Mapping[str, DataShape] | None = None, width: int = 5, kernel: Kernel | None = None
) -> Emitted:
    source = Source.of(text)
    elaborated = elaborate(parse(text), source, kernel)
    order = dependence(elaborated.system, source)
    held = domains(elaborated.system, order)
    shapes = infer(elaborated.system, data=data, width=width)
    system = settle(elaborated.system, shapes)
    problems = [*elaborated.problems, *order.problems, *held.problems, *shapes.problems, *refused(system)]
    assert not [p for p in problems if p.severity == "error"], problems
    assert shapes.complete
    return written(system, shapes, held)


def written(system: System, shapes: Shapes, held: Domains) -> Emitted:
    source = emit(system, shapes, dependence(system), held)
    namespace = ModuleType("generated")
    exec(compile(source, "<generated>", "exec"), namespace.__dict__)
    return Emitted(system, shapes, held, source, namespace)


# --- with a net around it ------------------------------------------------------------------------


def net(text: str, *, width: int = 5, modules: Mapping[str, torch.nn.Module] | None = None) -> Net:
    """The net of a program, its shapes settled as soon as text and data tell them."""
    source, known = Source.of(text), dict(modules or {})
    elaborated = elaborate(parse(text), source, Kernel(modules=frozenset(known)))
    order = dependence(elaborated.system, source)
    held = domains(elaborated.system, order)
    problems = [*elaborated.problems, *order.problems, *held.problems]
    assert not [p for p in problems if p.severity == "error"], problems
    return Net(
        Blueprint(
            name="net",
            names={state: python_name(state) for state in _states(elaborated.system)},
            settle=partial(_settle, elaborated.system, width, held),
            notation=lambda: text,
            elaborated=lambda: text,
            latex=lambda: "",
            diagram=lambda: None,
            goals=tuple(show_goal(g) for g in elaborated.system.goals),
            updates={
                layer.name: tuple((u.transform, {k: float(v) for k, v in u.settings}) for u in layer.updates)
                for layer in elaborated.system.layers
            },
            modules=known,
        )
    )


def _states(system: System) -> list[str]:
    return [i.state for i in system.inputs] + [t.state for e in system.equations for t in e.targets]


def _settle(system: System, width: int, held: Domains, data: Mapping[str, Told]) -> Settled:
    told = {state: DataShape(*d) for state, d in data.items()}
    shapes = infer(system, data=told, width=None)
    unknown = [i.state for i in system.inputs if i.state not in told and i.sizes is None]
    missing = tuple(
        s for s in unknown if s not in shapes.states or (s in shapes.integers and s not in shapes.classes)
    )
    shapes = shapes if missing else infer(system, data=told, width=width)
    settled = settle(system, shapes)
    assert not shapes.problems, shapes.problems
    optional = optional_inputs(system)
    inputs = tuple(
        InputSpec(
            i.state,
            python_name(i.state),
            f"{i.state}_t" if i.indexed else i.state,
            i.indexed,
            "class" if i.state in shapes.integers else "real",
            getattr(i.first, "value", 1),
            getattr(i.last, "offset", 0),
            shapes.states.get(i.state),
            shapes.classes.get(i.state),
            tuple(shapes.reason(i.state)),
            i.state in optional,
        )
        for i in system.inputs
    )
    if missing:
        return Settled(None, inputs, missing)
    return Settled(written(settled, shapes, held).source, inputs)
