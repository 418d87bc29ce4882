"""What is checked: the sheet of a program, the System without effects that it is of, and the shapes of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.calculus.derivation.derive import derive
from sqmagic.calculus.derivation.forms import Derivation
from sqmagic.calculus.outside import from_outside, given_states
from sqmagic.equations.ops import has_effect
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Apply, Read, System, walk
from sqmagic.schedule.domains import domains


def sheet_of(system: System, shapes: Shapes) -> tuple[Derivation, System, Shapes]:
    """The sheet, the System without effects that it is of, and the shapes of that."""
    closed = from_outside(system, domains(system))
    sizes = with_points(_with_choices(system, shapes), dict(given_states(closed)))
    return derive(closed, sizes, domains(closed), system), closed, sizes


def _with_choices(system: System, shapes: Shapes) -> Shapes:
    """What picks a component is a whole number, wherever it comes from (an action that a buffer gives back)."""
    values = [e.value for e in system.equations] + [g.value for g in system.goals]
    found = {
        node.args[1].state
        for value in values
        for node in walk(value)
        if isinstance(node, Apply) and node.op in ("index", "log_prob") and isinstance(node.args[1], Read)
    }
    fresh = {t.state for e in system.equations if has_effect(e.value) for t in e.targets} & found - shapes.integers
    classes = {**shapes.classes, **{state: shapes.classes.get(state, 2) for state in fresh}}
    return replace(shapes, integers=shapes.integers | fresh, classes=classes)


def with_points(shapes: Shapes, names: Mapping[str, str]) -> Shapes:
    states = {**shapes.states, **{name: shapes.states[state] for name, state in names.items()}}
    whole = shapes.integers | {name for name, state in names.items() if state in shapes.integers}
    classes = {**shapes.classes, **{n: shapes.classes[s] for n, s in names.items() if s in shapes.classes}}
    return replace(shapes, states=states, integers=whole, classes=classes)
