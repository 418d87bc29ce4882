"""What a sheet shows, as data: a row for each line of the notation, with its equations forward, back and of update.

Every right side is an expression of `equations.system` over the states of `Derivation.system`, so that the tree that is
printed is the tree that `equations.interpret` computes. Three things are said once, at the head of a sheet, and need
not be printed where they stand: `during(x, t, …)` is x, because the adjoint of a state is 0 outside of its domain;
`batch_mean(x)` is x, because an update is the mean over the batch; and `stop(x)` is x where no gradient could pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Equation, Expr, System

Kind = Literal["state", "goal", "effect", "adjoint", "delta", "gradient", "update"]
Relation = Literal["=", "+=", "-=", "<-"]


@dataclass(frozen=True, slots=True)
class Term:
    """A summand of an adjoint: what the use of a state `offset` steps from here, in a line of the text, brings.

    `line` is 0 where a rule made the use. `expr` bears its own sign; the terms add up to the form that they are of.
    """

    expr: Expr
    line: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Form:
    """A right side, and the rule by which it follows from the one before it (or from the program)."""

    expr: Expr
    rule: str = ""
    terms: tuple[Term, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """`left = form = form = …`, all of one value. What a call for its effect gives has no left side.

    `left` reads a state (`h_t`), an adjoint (`^h_t`, a read of the state "^h"), the delta of a layer (a read of one of
    `Derivation.deltas`) or a parameter's adjoint (`^F.weight`), or is a `Weight` that an update changes. A goal has
    None, and is what `kind` "goal" says. `note` stands beside it, such as "held fixed". `of` is the part of an equation
    whose adjoint this is, where that is no state and no layer. `detail` marks what a sheet may fold away.
    """

    kind: Kind
    left: tuple[Expr, ...]
    relation: Relation
    forms: tuple[Form, ...]
    shape: Shape | None = None
    note: str = ""
    line: int = 0
    detail: bool = False
    of: Expr | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """All that one line of the text says; `line` is 0 for what rules made. Each column in the order of the program."""

    line: int
    forward: tuple[Chain, ...]
    backward: tuple[Chain, ...]
    update: tuple[Chain, ...]


@dataclass(frozen=True, slots=True)
class Loss:
    """How a goal enters the whole: the mean over steps `first` to T + `last` (None: it does not run), with a sign."""

    kind: Literal["loss", "objective"]
    line: int
    steps: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Derivation:
    """The whole sheet. `system` defines every state that a form reads; those in `given` are inputs of the check (the
    moments of an optimiser, the number of its step).

    `deltas` say of which layer the adjoint of what it gives has which name (`{"^f.1": "F"}`), and `activations` the
    same of what it gives (`{"f.1": "F"}`): print them δ^F and a^F, with the running index. `"F 2"` is the second time
    that F is applied. `put_in` are equations whose values stand where their states are read; these names say the same.
    """

    rows: tuple[Row, ...]
    losses: tuple[Loss, ...]
    system: System
    shapes: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    deltas: Mapping[str, str]
    activations: Mapping[str, str]
    given: Mapping[str, Shape]
    put_in: tuple[Equation, ...] = ()

    @property
    def chains(self) -> tuple[Chain, ...]:
        return tuple(chain for row in self.rows for chain in (*row.forward, *row.backward, *row.update))
