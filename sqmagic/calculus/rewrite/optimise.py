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
    numbers = _numbers(system)
    taken = frozenset((*(i.state for i in system.inputs), *(layer.name for layer in system.layers)))
    pieces = [[equation] for equation in system.equations]  # two recurrences may share a base case
    shapes, home, log = dict(states), dict[str, str](), list[Rewrite]()
    for members in recurrences:
        firsts = {system.equations[n].targets[0].state for n in members}
        lines = [system.equations[n] for state in firsts for n in numbers[state]]
        inside = {t.state for e in lines for t in e.targets}
        own, group = _own(system, inside, numbers), _group(lines)
        draft = Draft(system.indices[0].name, taken, shapes, parameters, inside, group)
        for place, equation in enumerate(e for number in own for e in pieces[number]):
            draft.put_in(place, equation)
            draft.made |= {t.state: None for t in equation.targets if t.state in home}
        _rewritten(draft, home)
        for number, piece in zip(own, _pieces(draft), strict=True):
            pieces[number] = piece
        first = system.equations[next(iter(members))].targets[0].state
        home |= {state: first for state in draft.made if state not in home}
        log += draft.log
    equations = tuple(equation for piece in pieces for equation in piece)
    return Optimised(replace(system, equations=equations), shapes, home, tuple(log))


def _numbers(system: System) -> dict[str, list[int]]:
    """The equations of each state, by their numbers."""
    found: dict[str, list[int]] = {}
    for number, equation in enumerate(system.equations):
        for state in dict.fromkeys(t.state for t in equation.targets):
            found.setdefault(state, []).append(number)
    return found


def _own(system: System, states: Iterable[str], numbers: Mapping[str, list[int]]) -> list[int]:
    """All equations that define these states, base cases too, or a state that such an equation defines beside one."""
    found: set[int] = set()
    waiting = list(states)
    while waiting:
        fresh = set(numbers[waiting.pop()]) - found
        found |= fresh
        waiting += [t.state for n in fresh for t in system.equations[n].targets]
    return sorted(found)


def _rewritten(draft: Draft, home: Mapping[str, str]) -> None:
    for rule, row in ROWS:
        everywhere(draft, rule, row)
    drop_unread(draft)
    _weights(draft, home)


def _pieces(draft: Draft) -> list[list[Equation]]:
    """What became of each equation of the recurrence, after what was named for it."""
    found: list[list[Equation]] = [[]]
    for equation in draft.equations:
        found[-1].append(equation)
        if not any(t.state in draft.made for t in equation.targets):
            found.append([])
    return found[:-1]


def _group(equations: Iterable[Equation]) -> tuple[str, ...]:
    """The macro instance that all of them come from, if there is one."""
    groups = {e.group for e in equations}
    return groups.pop() if len(groups) == 1 else ()


def _weights(draft: Draft, home: Mapping[str, str]) -> None:
    """What is made of parameters alone, in the recurrence and in what was named for it."""
    everywhere(draft, "let", weights)
    for state in [s for s in draft.made if s not in home]:
        line = draft.line(state)
        if line is not None and line.targets[0].context and state not in draft.inside:
            everywhere_in(draft, "let", weights, line.targets[0])
