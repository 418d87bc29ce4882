"""The slowly moving copy of a layer: `target(F, tau=0.005)` as a layer of its own.

Before: a System in which uses of a layer are marked `target`. After: those uses are of another layer, `F_target`, with
the same shapes, which no update reaches and which bears the transform; the layer itself no longer bears it. What the
copy does (each step of learning moves it by tau towards the layer) is for whoever runs the System.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Apply, Expr, Layer, System, children, walk, with_children


def copies(system: System) -> Mapping[str, str]:
    """The copy's name for each layer that has one."""
    values = [e.value for e in system.equations] + [g.value for g in system.goals]
    used = dict.fromkeys(
        n.layer for v in values for n in walk(v) if isinstance(n, Apply) and n.layer and n.attribute("target", False)
    )
    taken = {layer.name for layer in system.layers}
    found: dict[str, str] = {}
    for layer in used:
        name = f"{layer}_target"
        while name in taken:
            name += "_"
        taken.add(name)
        found[str(layer)] = name
    return found


def with_copies(system: System, shapes: Shapes) -> tuple[System, Shapes]:
    """The System in which copies are layers, and the shapes of their parameters; the very ones if there are none."""
    named = copies(system)
    if not named:
        return system, shapes
    layers = [each for layer in system.layers for each in _with_copy(layer, named)]
    equations = tuple(replace(e, value=_renamed(e.value, named)) for e in system.equations)
    goals = tuple(replace(g, value=_renamed(g.value, named)) for g in system.goals)
    parameters = dict(shapes.parameters)
    for layer, name in named.items():
        own = {p: s for p, s in shapes.parameters.items() if p.startswith(f"{layer}.")}
        parameters |= {f"{name}{p.removeprefix(layer)}": shape for p, shape in own.items()}
    return replace(system, equations=equations, goals=goals, layers=tuple(layers)), replace(
        shapes, parameters=parameters
    )


def _with_copy(layer: Layer, named: Mapping[str, str]) -> tuple[Layer, ...]:
    if layer.name not in named:
        return (layer,)
    moving = tuple(u for u in layer.updates if u.transform == "target")
    own = replace(layer, updates=tuple(u for u in layer.updates if u.transform != "target"))
    return own, replace(layer, name=named[layer.name], updates=moving)


def _renamed(expr: Expr, named: Mapping[str, str]) -> Expr:
    inner = with_children(expr, tuple(_renamed(c, named) for c in children(expr)))
    if not isinstance(inner, Apply) or not inner.attribute("target", False) or inner.layer is None:
        return inner
    marks = tuple((name, value) for name, value in inner.attributes if name != "target")
    return replace(inner, layer=named[inner.layer], attributes=marks)
