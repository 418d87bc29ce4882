"""What reads a recurrence's matrices at the step itself is computed in its loop: then they need not be written for all
steps and read again, unless somebody asks for them.

Before: a settled System with its shapes, order and domains. After: the same order, but that a recurrence and such
equations are one component with `parts`. Code for torch computes these one after the other, as if they were apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Apply, Expr, Read, Running, System, Weight, reads, walk
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Domains
from sqmagic.schedule.plan.lower import value
from sqmagic.schedule.plan.values import NotForKernels, Work


@dataclass(frozen=True, slots=True)
class _Known:
    system: System
    shapes: Shapes
    held: Domains
    optional: frozenset[str]


def with_readouts(
    system: System, shapes: Shapes, order: Dependence, held: Domains, optional: Iterable[str] = ()
) -> Dependence:
    """`optional` are the inputs that may be left out."""
    known = _Known(system, shapes, held, _needing(system, order, optional))
    components = list(order.components)
    for recurrence in order.components:
        if _has_matrices(recurrence, known):
            _join(recurrence, components, known)
    return replace(order, components=tuple(components))


def _needing(system: System, order: Dependence, optional: Iterable[str]) -> frozenset[str]:
    """The states that need such an input."""
    found = set(optional)
    for component in order.components:
        if any(r.state in found for n in component.equations for r in reads(system.equations[n].value)):
            found.update(component.states)
    return frozenset(found)


def _has_matrices(component: Component, known: _Known) -> bool:
    return component.is_plain and any(len(known.shapes.states[s]) > 1 for s in component.states)


def _join(recurrence: Component, components: list[Component], known: _Known) -> None:
    """Puts the recurrence and what reads it in the place of the last of these; nothing between needs it."""
    parts, states, end = [recurrence], set(recurrence.states), 0
    first = components.index(recurrence)
    for place, other in enumerate(components[first + 1 :], first + 1):
        if states.intersection(r.state for r in _reads(other, known)):
            if not _is_readout(other, recurrence, states, known):
                break
            parts.append(other)
            states.update(other.states)
            end = place
    if len(parts) > 1:
        joined = replace(
            recurrence,
            states=tuple(s for p in parts for s in p.states),
            equations=tuple(n for p in parts for n in p.equations),
            parts=tuple(parts),
        )
        components[first : end + 1] = [*(c for c in components[first : end + 1] if c not in parts), joined]


def _weights(expr: Expr, known: _Known) -> int:
    """How many numbers it multiplies with: where they are many, one product over all steps is better."""
    layers = {node.layer for node in walk(expr) if isinstance(node, Apply) and node.layer is not None}
    found = {f"{layer}.weight" for layer in layers} | {n.parameter for n in walk(expr) if isinstance(n, Weight)}
    return sum(prod(known.shapes.parameters.get(name, ())) for name in found)


def _reads(component: Component, known: _Known) -> list[Read]:
    return [r for n in component.equations for r in reads(known.system.equations[n].value)]


def _is_readout(other: Component, recurrence: Component, states: set[str], known: _Known) -> bool:
    """Whether it is computed at the same steps, from what is there at the step itself, by what kernels have."""
    if other.kind != "parallel" or other.growing or other.effects or known.optional.intersection(other.states):
        return False
    (number,) = other.equations
    equation, index = known.system.equations[number], known.system.indices[0].name
    found = reads(equation.value)
    here = all(r.context in ((), (Running(index),)) for r in found)
    sizes = {r.state: prod(s) for r in found if r.state in states and len(s := known.shapes.states[r.state]) > 1}
    same = {known.held.equations[n] for n in (number, *recurrence.equations)}
    if not here or not sizes or len(same) > 1 or len(equation.targets) != 1:
        return False
    if _weights(equation.value, known) > sum(sizes.values()):
        return False
    try:
        value(equation.value, Work(known.shapes.states, known.shapes.parameters, {}, frozenset()))
    except NotForKernels:
        return False
    return True
