"""From text to generated code, with the System and the shapes that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

import sqmagic
from sqmagic.calculus.logits import SUFFIX, logits
from sqmagic.equations.shapes import DataShape, Shapes, settle
from sqmagic.equations.system import System
from sqmagic.equations.within import within
from sqmagic.pipeline import Sizes, generate, understand
from sqmagic.runtime.net import Net


@dataclass(frozen=True)
class Emitted:
    """What a program means, the System of what runs, and its source."""

    meant: System
    system: System
    shapes: Shapes
    source: str


def emitted(text: str, *, width: int = 5, data: Mapping[str, DataShape] | None = None) -> Emitted:
    """The generated code of a program; inputs that nothing tells a shape of are as wide as `width`."""
    known = understand(text)
    told = dict(data or {})
    made = generate("net", known, Sizes(width=width), told)
    if made.source is None:
        told |= {state: DataShape((width,)) for state in made.missing}
        made = generate("net", known, Sizes(width=width), told)
    assert made.source is not None, made.missing
    meant = logits(settle(known.system, made.shapes))
    system = within(meant, made.shapes.varying)
    states = dict(made.shapes.states)
    for target in (t for e in system.equations for t in e.targets):
        states.setdefault(target.state, states.get(target.state.removesuffix(SUFFIX), ()))
    return Emitted(meant, system, replace(made.shapes, states=states), made.source)


def net(text: str, *, width: int = 5, **more: Any) -> Net:
    return sqmagic.compile(text, width=width, **more)


def randomised(module: torch.nn.Module, seed: int = 0) -> None:
    """Parameters of float64, none of them 0 or 1."""
    torch.manual_seed(seed)
    module.double()
    for parameter in module.parameters():
        torch.nn.init.uniform_(parameter, -0.9, 0.9)
    for name, buffer in module.named_buffers():
        torch.nn.init.uniform_(buffer, *((0.3, 1.5) if name.endswith("var") else (-0.5, 0.5)))
