"""A program over time has up to three parts: what comes before the steps, the cell of one step, what comes after.

Base cases and constants that are numbers or come from the outside are told in the caption and not drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqmagic.board.facts import constants, is_base_case
from sqmagic.equations.system import Equation, Expr, Goal, Last, Range, Read, Running, System, Target, points, reads


@dataclass(frozen=True, slots=True)
class Region:
    equations: tuple[Equation, ...] = ()
    goals: tuple[Goal, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.equations or self.goals)


@dataclass(frozen=True, slots=True)
class Regions:
    """`cell` is empty for a program without time, whose one part is then `after`; `told` stands in the caption."""

    before: Region
    cell: Region
    after: Region
    told: tuple[Equation, ...]


def regions(system: System) -> Regions:
    numbers = constants(system)
    told = tuple(e for e in system.equations if is_base_case(e) or any(t.state in numbers for t in e.targets))
    drawn = [e for e in system.equations if e not in told]
    steps = tuple(e for e in drawn if _runs(e.targets) or (not e.targets and _reads_step(e.value)))
    late = {t.state for e in steps for t in e.targets}
    before: list[Equation] = []
    after: list[Equation] = []
    for equation in (e for e in drawn if e not in steps):
        is_late = not steps or any(_is_late(r, late) for r in reads(equation.value))
        (after if is_late else before).append(equation)
        late |= {t.state for t in equation.targets} if is_late else set()
    each = tuple(g for g in system.goals if _reads_step(g.value))
    once = tuple(g for g in system.goals if g not in each)
    return Regions(Region(tuple(before)), Region(steps, each), Region(tuple(after), once), told)


def _runs(targets: tuple[Target, ...]) -> bool:
    return any(isinstance(i, Running) for t in targets for i in t.context)


def _reads_step(expr: Expr) -> bool:
    return any(isinstance(p, Running) for r in reads(expr) for i in r.context for p in points(i))


def _is_late(read: Read, late: set[str]) -> bool:
    """Known only after the steps: the last value of a state, or what is made of one."""
    if read.state not in late:
        return False
    ends = [p for i in read.context for p in points(i)]
    return not read.context or any(isinstance(p, Last) for p in ends) or any(isinstance(i, Range) for i in read.context)
