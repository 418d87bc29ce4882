"""Recurrences made faster: System -> System, with the log of what was done.

Before: a settled System with its shapes, and which equations form its recurrences. After: the same states with the
same values and derivatives, by rules alone: layers on what is joined are split, what needs nothing of a recurrence is
named and so computed for all steps at once, products on the same operands are one, and so are functions of their parts.
Kept: every state of the program, its base cases, goals and parameters. Not touched: what is in no recurrence, whose
products are large already, and what is drawn at random.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sqmagic.calculus.rewrite.engine import Draft, drop_unread, everywhere, everywhere_in
from sqmagic.calculus.rewrite.log import Rewrite
from sqmagic.calculus.rewrite.rules import ROWS, weights
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Equation, System


@dataclass(frozen=True, slots=True)
class Optimised:
    """The System, the shapes of its states, and how it came about. `home` says for the recurrence of which state each
    name was made, `rewrites` is the log."""

    system: System
    shapes: Mapping[str, Shape]
    home: Mapping[str, str]
    rewrites: tuple[Rewrite, ...]


def optimise(
    system: System,
    states: Mapping[str, Shape],
    parameters: Mapping[str, Shape],
    recurrences: Iterable[Collection[int]],
) -> Optimised:
    """`recurrences` are numbers of equations, `states` and `parameters` the shapes of what has one."""
    found = Optimised(system, states, {}, ())
    for members in recurrences:
        found = _recurrence([system.equations[n].targets[0].state for n in members], found, parameters)
    return found


def _recurrence(members: list[str], so_far: Optimised, parameters: Mapping[str, Shape]) -> Optimised:
    system = so_far.system
    own = [e for e in system.equations if any(t.state in members for t in e.targets)]
    inside = {t.state for e in own for t in e.targets}
    draft = Draft(system, list(system.equations), dict(so_far.shapes), parameters, inside, _group(own))
    draft.made.update(dict.fromkeys(so_far.home))
    for rule, row in ROWS:
        everywhere(draft, rule, row)
    drop_unread(draft)
    _weights(draft, so_far)
    made = {state: members[0] for state in draft.made if state not in so_far.home}
    return Optimised(
        replace(system, equations=tuple(draft.equations)),
        draft.shapes,
        {**so_far.home, **made},
        (*so_far.rewrites, *draft.log),
    )


def _group(equations: Iterable[Equation]) -> tuple[str, ...]:
    """The macro instance that all of them come from, if there is one."""
    groups = {e.group for e in equations}
    return groups.pop() if len(groups) == 1 else ()


def _weights(draft: Draft, so_far: Optimised) -> None:
    """What is made of parameters alone, in the recurrence and in what was named for it."""
    everywhere(draft, "let", weights)
    own = [s for s in draft.made if s not in so_far.home]
    for state in own:
        line = draft.line(state)
        if line is not None and line.targets[0].context and state not in draft.inside:
            everywhere_in(draft, "let", weights, line.targets[0])
