"""`check`: every right side that a sheet shows, computed in float64 by the judge, against torch.autograd.

The program is unrolled over a few steps by the code that is generated for it; a probe on every state gives what torch
says its adjoint is. States before the first step and past the last one are random, sizes are distinct primes, a draw
near a kink is not used, and what is not finite is wrong. A form that fails is never shown: `WrongForm` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqmagic.calculus.derivation.derive import with_lines
from sqmagic.calculus.derivation.forms import Derivation
from sqmagic.checking.bench import Bench, CannotCheck, bench_of
from sqmagic.checking.boundaries import drawn_states, with_random_boundaries
from sqmagic.checking.judging import is_judged, judged
from sqmagic.checking.sizes import primes
from sqmagic.checking.subject import sheet_of, with_points
from sqmagic.equations.shapes import Shapes, settle
from sqmagic.equations.show import show
from sqmagic.equations.system import Equation, System
from sqmagic.equations.within import within
from sqmagic.notation.problems import Problem
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains

WORST = 1e-9
"""The largest relative error of a form that is right."""


class WrongForm(AssertionError):
    """A form of a sheet is not what torch computes: an error of sqmagic, and not of the program."""


class CannotTell(ValueError):
    """There is no sheet of a program whose shapes are wrong; `problems` say what is."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.message for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Checked:
    """How many right sides were checked, and the worst error, relative to the largest component."""

    forms: int
    worst: float


def check(system: System, *, integers: Mapping[str, int] | None = None) -> tuple[Derivation, Checked]:
    """The sheet of a System as it is before shapes are known, checked; sizes are the check's own.

    Raises WrongForm, which names the first form that fails, and CannotCheck.
    """
    sheet, bench = prepared(system, integers=integers)
    return sheet, checked(sheet, bench)


def checked(sheet: Derivation, bench: Bench) -> Checked:
    """Raises WrongForm, which names the first form that fails."""
    sides = [(chain, form.expr) for chain in sheet.chains if is_judged(chain, bench) for form in chain.forms]
    found = judged(sides, bench)
    for (chain, expr), wrong in zip(sides, found, strict=True):
        if not wrong <= WORST:
            left = ", ".join(map(show, chain.left)) or chain.kind
            raise WrongForm(f"sqmagic is wrong: {left} is not {show(expr)} (by {wrong:.1e})")
    return Checked(len(found), max(found, default=0.0))


def prepared(system: System, *, integers: Mapping[str, int] | None = None) -> tuple[Derivation, Bench]:
    """The sheet of a System, and a bench on which its forms can be judged."""
    modules = [layer.name for layer in system.layers if layer.function == "module"]
    if modules:
        raise CannotCheck(f"`{modules[0]}` is a torch module, and what it computes is its own")
    shapes = primes(system, integers)
    if shapes.problems:
        raise CannotCheck(f"of the sizes that the check chose, {shapes.problems[0].message}")
    settled = settle(system, shapes)
    told, bench = sheet_and_bench(within(settled, shapes.varying), shapes)
    return with_lines(told, _put_in(settled, shapes)), bench


def _put_in(settled: System, shapes: Shapes) -> tuple[Equation, ...]:
    """The equations that `within` leaves out."""
    return tuple(e for e in settled.equations if any(t.state in shapes.varying for t in e.targets))


def unchecked(system: System, *, integers: Mapping[str, int] | None = None) -> Derivation:
    """The sheet alone. Raises CannotTell where the shapes of some states contradict one another."""
    shapes = primes(system, integers)
    if any(t.state not in shapes.states for e in system.equations for t in e.targets):
        raise CannotTell(shapes.problems)
    settled = settle(system, shapes)
    return with_lines(sheet_of(within(settled, shapes.varying), shapes)[0], _put_in(settled, shapes))


def sheet(
    system: System, *, integers: Mapping[str, int] | None = None, checking: bool = True
) -> tuple[Derivation, Checked | str]:
    """The sheet, and what the check found: why it cannot be checked, and nothing where it need not be."""
    if not checking:
        return unchecked(system, integers=integers), ""
    try:
        return check(system, integers=integers)
    except CannotCheck as why:
        return unchecked(system, integers=integers), str(why)


def sheet_and_bench(system: System, shapes: Shapes) -> tuple[Derivation, Bench]:
    """The same for a System whose shapes are known."""
    sheet, closed, shapes = sheet_of(system, shapes)
    order = dependence(closed)
    opened = with_random_boundaries(closed, order, domains(closed, order))
    return sheet, bench_of(opened, with_points(shapes, drawn_states(opened)), sheet)
