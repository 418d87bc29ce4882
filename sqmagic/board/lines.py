"""A system as lines of equations, in program order, each loss and objective where its line stands."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from sqmagic.board.binding import PRODUCT, SUM, Notes
from sqmagic.board.facts import carrying, coloured, constants
from sqmagic.board.formula import Atom, Formula, Script, fence, letter, listed, row, word
from sqmagic.board.hats import state_formula
from sqmagic.board.operators import formula
from sqmagic.board.theme import STATES, state_colours
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Goal,
    Last,
    Range,
    Read,
    Running,
    System,
    Target,
    points,
    walk,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One equation or goal: `left relation right`, and the line of the user's text (0: made by a rule).

    A call for its effect has no left side. `state` is what the equation defines, if one state and not a base case.
    """

    left: Formula | None
    relation: str
    right: Formula
    line: int
    state: str | None = None


def lines(system: System, known: Notes) -> tuple[Line, ...]:
    """Every equation in program order, each goal after the equations of its line or of the last line before it that has
    some; goals that a rule made stand at the end."""
    last = {equation.line: place for place, equation in enumerate(system.equations, 1) if equation.line}
    last[0] = 0
    goals: dict[int, list[Line]] = {}
    for goal in system.goals:
        place = last[max(line for line in last if line <= goal.line)] if goal.line else len(system.equations)
        goals.setdefault(place, []).append(_goal(goal, known))
    told = list(goals.get(0, []))
    for place, equation in enumerate(system.equations, 1):
        told += [_equation(equation, known), *goals.get(place, [])]
    return tuple(told)


def _equation(equation: Equation, known: Notes) -> Line:
    left = listed([state_formula(t.state, t.context, known) for t in equation.targets]) if equation.targets else None
    state = equation.targets[0].state if len(equation.targets) == 1 and not _at_point(equation.targets[0]) else None
    distribution = drawn(equation.value, known)
    if distribution is not None:
        return Line(left, "∼", distribution, equation.line, state)
    return Line(left, "=", formula(equation.value, known), equation.line, state)


def drawn(expr: Expr, known: Notes) -> Formula | None:
    """The distribution of what is drawn by chance; None of what is computed."""
    match expr:
        case Apply("sample", (policy,)):
            return formula(policy, known)
        case Apply("gauss"):
            return row(Atom("𝒩", "letter"), fence(listed([Atom("0", "number"), letter("I")])))
        case _:
            return None


def _at_point(target: Target) -> bool:
    return any(isinstance(index, Fixed | Last) for index in target.context)


def _goal(goal: Goal, known: Notes) -> Line:
    index = running_index(goal.value)
    left = Script(letter("ℓ"), word(index)) if index else letter("ℓ")
    sign, value = added("+=" if goal.kind == "loss" else "−=", goal.value)
    return Line(left, sign, formula(value, known, SUM if sign == "+=" else PRODUCT), goal.line)


def added(sign: str, value: Expr) -> tuple[str, Expr]:
    """`ℓ += x` for `ℓ −= −x`."""
    match value:
        case Apply("neg", (inner,)) if sign == "−=":
            return "+=", inner
        case _:
            return sign, value


def running_index(expr: Expr) -> str | None:
    """The index over which an expression runs, if any."""
    found = (p.index for n in walk(expr) if isinstance(n, Read) for i in n.context for p in points(i)
             if isinstance(p, Running) and not isinstance(i, Range))  # fmt: skip
    return next(found, None)


def notes(system: System, shapes: Mapping[str, tuple[int, ...]], *, linear: bool = False) -> Notes:
    """What the printer must know: gathered once from the system and, if they are known, its states' shapes."""
    plain = constants(system)
    scalars = plain | {state for state, shape in shapes.items() if shape == (1,)}
    colours = {state: STATES[number][0] for state, number in state_colours(coloured(system)).items()}
    sizes = _with_long(system, {**_axes(system), **shapes}) if shapes else _axes(system)
    return Notes(plain, scalars, carrying(system), colours, sizes, linear)


def _axes(system: System) -> dict[str, tuple[int, ...]]:
    """Shapes of parameters that have as many axes as theirs have."""
    free = {layer.name: (0,) * len(layer.sizes_out or ()) for layer in system.layers if layer.function == "param"}
    return free | {f"{layer.name}.weight": (0, 0) for layer in system.layers if layer.function == "dense"}


def _with_long(system: System, sizes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes with those of states that have a component for each step of a range, which follow from the others."""
    found = dict(sizes)
    for equation in system.equations:
        match equation.targets:
            case (Target(state),) if state not in found:
                with suppress(KeyError):  # what is open stays so
                    found[state] = shape_of(equation.value, found, found)
            case _:
                pass
    return found
