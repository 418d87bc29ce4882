"""What shape inference is told of the data, and what it finds out: `Shapes`, a frozen fact beside a System."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.proof import Proof
from sqmagic.notation.problems import Problem


@dataclass(frozen=True, slots=True)
class DataShape:
    """The shape of one example at one step, without time and batch: `(28,)`; `()` and `(1,)` are a scalar.

    `integer` says that the data are whole numbers. `classes` is how many values they have as far as the data tell: one
    more than the largest. The program may know of more.
    """

    shape: Shape
    integer: bool = False
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes of all states and of the parameters that are read; a scalar is `(1,)`.

    What is not known yet is missing from the mappings and named in `open_states` and `open_parameters`; what cannot be
    is in `problems`. `classes` has the number of values of integer states, `integers` the states that hold whole
    numbers. `varying` are states with a component, or a row, for each step of a range: such an axis has the size -1.
    """

    states: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    classes: Mapping[str, int] = field(default_factory=dict)
    integers: frozenset[str] = frozenset()
    varying: frozenset[str] = frozenset()
    open_states: tuple[str, ...] = ()
    open_parameters: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    proof: Proof | None = field(default=None, compare=False, repr=False)

    @property
    def complete(self) -> bool:
        """Whether every shape is known: nothing is left for the data to tell."""
        return not self.open_states and not self.open_parameters

    def reason(self, state: str) -> list[str]:
        """Why a state has its shape, a line for each step; empty if nothing asks for it."""
        return self.proof.of_state(state) if self.proof is not None else []
