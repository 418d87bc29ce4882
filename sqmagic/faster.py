"""A program rewritten so that its recurrences run faster, ready for code: rules, then order, steps and shapes anew.

Joins `calculus.rewrite`, which changes the equations, and `schedule`, which says what became of them. A recurrence is
left as it is where the rules would change at which steps a state holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqmagic.calculus.rewrite import Optimised, Rewrite, optimise
from sqmagic.emit.torch.write import Faster
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Context, Running, System, reads
from sqmagic.schedule.dependence import Component, Dependence, dependence
from sqmagic.schedule.domains import Domains, Interval, domains


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The program for code, and the log of the rules that made it."""

    program: Faster
    rewrites: tuple[Rewrite, ...]


def faster(system: System, shapes: Shapes, order: Dependence, held: Domains) -> Rewritten | None:
    """None where there is nothing to do. Before: a settled System without faults, its shapes, order and domains."""
    loops = [c for joined in order.components for c in joined.apart if c.recurs and not c.effects and not c.shifts]
    while loops:
        found = optimise(system, shapes.states, shapes.parameters, [c.equations for c in loops])
        if not found.rewrites:
            return None
        anew = dependence(found.system)
        steps = domains(found.system, anew)
        moved = _moved(system, found, held, steps, anew)
        if not moved:
            regions = _regions(order, anew, found)
            sizes = replace(shapes, states=found.shapes)
            made = frozenset(found.home)
            needed = _where_read(found.system, steps, made)
            return Rewritten(Faster(found.system, sizes, needed, regions, made), found.rewrites)
        kept = [c for c in loops if not moved.intersection(c.states)]
        loops = kept if len(kept) < len(loops) else []
    return None


def _moved(system: System, found: Optimised, held: Domains, steps: Domains, anew: Dependence) -> set[str]:
    """The states whose steps are not what they were."""
    states = {s for s in held.states if held.states[s] != steps.states.get(s)}
    if states or steps.goals != held.goals or steps.horizon != held.horizon or anew.problems or steps.problems:
        return states or {t.state for e in system.equations for t in e.targets}
    return set()


def _where_read(system: System, held: Domains, made: frozenset[str]) -> Domains:
    """The domains with each made name at the steps at which it is read, and no others: at what nobody asks for, a
    product would cost time, and with a weight that is not finite turn the adjoint of its operand, 0, into NaN.
    """
    states, equations = dict(held.states), list(held.equations)
    readers: dict[str, list[tuple[int, Context]]] = {}
    for number, equation in enumerate(system.equations):
        for read in (r for r in reads(equation.value) if r.state in made):
            readers.setdefault(read.state, []).append((number, read.context))
    for number, equation in reversed(list(enumerate(system.equations))):
        own = {t.state for t in equation.targets} & made & states.keys()
        steps = [_asked_for(equations, readers.get(state, ())) for state in own]
        if own and None not in steps:
            first, last = min(s.first for s in steps if s), max(s.last for s in steps if s)
            states |= dict.fromkeys(own, Interval(first, last))
            equations[number] = Interval(first, last)
    return replace(held, states=states, equations=tuple(equations))


def _asked_for(held: Sequence[Interval | None], readers: Iterable[tuple[int, Context]]) -> Interval | None:
    """From the first step at which a state is read to the last; None if that is not for each reader to say."""
    found = []
    for number, context in readers:
        steps = held[number]
        match context:
            case (Running(_, offset),) if steps is not None:
                found.append(Interval(steps.first + offset, steps.last + offset))
            case _:
                return None
    return Interval(min(s.first for s in found), max(s.last for s in found)) if found else None


def _regions(order: Dependence, anew: Dependence, found: Optimised) -> tuple[tuple[Component, ...], ...]:
    """For each component of the program those of the rewritten one that compute its states, and names made for it."""
    component_of = {number: n for n, c in enumerate(order.components) for number in c.equations}
    home = {s: n for n, c in enumerate(order.components) if c.recurs for s in c.states}
    origins: list[int] = []
    count = 0
    for equation in found.system.equations:
        made = next((t.state for t in equation.targets if t.state in found.home), None)
        origins.append(component_of[count] if made is None else home[found.home[made]])
        count += made is None
    regions: list[list[Component]] = [[] for _ in order.components]
    for component in anew.components:
        regions[origins[component.equations[0]]].append(component)
    return tuple(map(tuple, regions))
