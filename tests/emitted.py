"""From text to a generated module, without a Net around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch

from sqmagic.emit.torch.write import class_name, emit, refused
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.shapes import DataShape, Shapes, infer, settle
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source
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
