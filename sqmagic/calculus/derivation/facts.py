"""What is known of a program while its sheet is made: its adjoint, and which names are shown as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqmagic.calculus.adjoint.layers import PARAMETERS
from sqmagic.calculus.adjoint.reverse import Named
from sqmagic.calculus.adjoint.system import Adjoint, Held
from sqmagic.calculus.adjoint.uses import Source
from sqmagic.calculus.derivation.signs import signed
from sqmagic.calculus.derivation.tidy import tidy
from sqmagic.calculus.derivation.unfold import apart, plainly, size, unfolded
from sqmagic.calculus.normalform import Known
from sqmagic.equations.system import Apply, Equation, Expr, Fixed, Last, System, Target

SMALL = 9
"""The adjoint of a part of so many nodes is written out where it is used, and not given a line of its own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a program while its sheet is made. `values` are the names to put back, `late` by how many steps
    a goal was moved, `effects` the statements that define what is given from outside."""

    system: System
    made: Adjoint
    index: str
    values: Mapping[str, Expr]
    deltas: Mapping[str, str]
    activations: Mapping[str, str]
    known: Known
    late: Mapping[int, int]
    steps: Mapping[str, tuple[int, int]]
    effects: Mapping[Target, Equation]

    def form(self, expr: Expr) -> Expr:
        """An expression as it is shown."""
        return self.collected(apart(plainly(unfolded(expr, self.values, self.index)), self.index))

    def collected(self, expr: Expr) -> Expr:
        """Its signs and numbers in front."""
        return tidy(signed(expr, self.known.scalar), self.known)


def facts_of(system: System, made: Adjoint, held: Held, effects: Mapping[Target, Equation]) -> Facts:
    index = system.indices[0].name if system.indices else "t"
    layers = {name: part for name, part in made.parts.items() if part.node is not None and part.node.op in PARAMETERS}
    applied = _applications(made, {name: str(_node(part).layer) for name, part in layers.items()})
    deltas = {name: told for name, told in applied.items() if name.startswith("^")}
    activations = {name: told for name, told in applied.items() if not name.startswith("^")}
    values = {name: part.value for name, part in made.parts.items() if name not in layers and not name.startswith("^")}
    hats = {name: part.value for name, part in made.parts.items() if name not in layers and name.startswith("^")}
    small = {name: value for name, value in hats.items() if size(unfolded(value, values, index)) <= SMALL}
    return Facts(
        system,
        made,
        index,
        {**values, **small},
        deltas,
        activations,
        Known(made.shapes, *_side_conditions(system)),
        {n: max(0, each.last) for n, each in enumerate(held.goals) if each is not None},
        {state: (each.first, each.last) for state, each in held.states.items()},
        effects,
    )


def _applications(made: Adjoint, layers: Mapping[str, str]) -> dict[str, str]:
    """Each part's layer; of one that is applied several times with the number of the application, `E 2`, as its δ and a
    are others each time. They are counted in the order of the program."""
    places = {t.state: n for n, e in enumerate(made.sources) for t in e.targets}

    def place(part: str) -> tuple[int, int]:
        owner, _, number = part.rpartition(".")
        return places.get(owner, len(places)), int(number)

    parts = sorted({name.removeprefix("^") for name in layers}, key=place)
    told: dict[str, str] = {}
    for layer in dict.fromkeys(layers.values()):
        mine = [p for p in parts if layer in (layers.get(p), layers.get(f"^{p}"))]
        told |= {p: layer if len(mine) == 1 else f"{layer} {n}" for n, p in enumerate(mine, 1)}
    return {name: told[name.removeprefix("^")] for name in layers}


def _node(part: Named) -> Apply:
    assert part.node is not None
    return part.node


def _side_conditions(system: System) -> tuple[frozenset[str], frozenset[str]]:
    """States that are nowhere 0, and those whose components add up to 1."""
    made = {t.state: e.value for e in system.equations for t in e.targets}
    positive = {s for s, v in made.items() if isinstance(v, Apply) and v.op in ("softmax", "sigmoid", "exp")}
    simplex = {s for s, v in made.items() if isinstance(v, Apply) and v.op in ("softmax", "one_hot")}
    return frozenset(positive), frozenset(simplex)


def line_of(source: Source, facts: Facts) -> int:
    return facts.system.goals[source.number].line if source.goal else facts.made.sources[source.number].line


def is_point(target: Target) -> bool:
    return any(isinstance(i, Fixed | Last) for i in target.context)
