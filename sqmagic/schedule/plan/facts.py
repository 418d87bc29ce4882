"""What of a program runs where: a frozen fact that prints well.

What is in no recurrence runs once over time x batch; each recurrence is a scan, with its phases; what is not indexed
runs once. Counts are for one example: `flops` of products, over all steps; `numbers` that are read and written at a
step, besides weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.show import show_equation, show_state
from sqmagic.equations.system import Equation, Running, System, Target, reads
from sqmagic.schedule import ranges
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Domains
from sqmagic.schedule.plan.costs import Flops, flops, summed
from sqmagic.schedule.plan.nodes import needed, width
from sqmagic.schedule.plan.phases import Group, Store
from sqmagic.schedule.plan.scans import Scan, scans

KINDS = {
    "once": "once for an example",
    "parallel": "all steps at once",
    "forward scan": "step by step, from the first",
    "reverse scan": "step by step, from the last",
}


class Cost(NamedTuple):
    """For one example: flops over all steps, numbers at a step."""

    flops: Flops
    numbers: int


@dataclass(frozen=True, slots=True)
class Part:
    """A component: the `kind` of its loop and `how` it runs, its equations as text, the `phases` of a step if it is a
    scan that kernels run, and why kernels do not run it if they do not. `reverse` is what the way back costs, or None
    where no gradient comes; `kept` is what kernels keep for it, `method` what they stand in for.
    """

    number: int
    states: tuple[str, ...]
    kind: str
    how: str
    equations: tuple[str, ...]
    flops: Flops
    numbers: int
    over_time: bool
    phases: tuple[str, ...] = ()
    why_not: str = ""
    reverse: Cost | None = None
    kept: tuple[str, ...] = ()
    method: str = ""

    @property
    def title(self) -> str:
        return f"{', '.join(self.states) or 'effects'}: {self.how}"

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands below the title."""
        kept = [f"kept for the way back, besides what is given: {', '.join(self.kept)}"] if self.kept else []
        why_not = [f"no kernel: {self.why_not}"] if self.why_not else []
        return (*self.equations, *self.phases, *kept, *why_not)


def plan(system: System, shapes: Shapes, order: Dependence, held: Domains) -> tuple[Part, ...]:
    """The parts of a program in the order in which they run."""
    found = scans(system, shapes, order, held)
    return tuple(_part(n, c, system, shapes, found.get(n)) for n, c in enumerate(order.components))


def _part(number: int, component: Component, system: System, shapes: Shapes, scan: Scan | str | None) -> Part:
    equations = tuple(system.equations[n] for n in component.equations)
    growing = component.growing and not (
        component.kind == "parallel"
        and all(ranges.at_once(e.value, shapes.states, shapes.parameters) for e in equations)
    )
    return Part(
        number=number,
        states=tuple(dict.fromkeys(_named(t) for e in equations for t in e.targets)) or component.states,
        kind="growing" if growing else component.kind,
        how="all steps, one after the other" if growing else KINDS[component.kind],
        equations=tuple(map(show_equation, equations)),
        flops=summed(flops(e.value, shapes, component.kind != "once") for e in equations),
        numbers=sum(map(_size, _touched(equations, shapes.states))),
        over_time=component.kind != "once",
        phases=tuple(phases_of(scan)) if isinstance(scan, Scan) else (),
        why_not=scan if isinstance(scan, str) else "",
    )


def _named(target: Target) -> str:
    """A state, or the point of one that is defined."""
    at_a_point = not any(isinstance(index, Running) for index in target.context)
    return show_state(target.state, target.context) if at_a_point else target.state


def _size(shape: Shape) -> int:
    size = 1
    for n in shape:
        size *= max(n, 1)
    return size


def _touched(equations: tuple[Equation, ...], states: Mapping[str, Shape]) -> Iterator[Shape]:
    """What is written, and what is read of others."""
    own = {t.state for e in equations for t in e.targets}
    others = dict.fromkeys(r for e in equations for r in reads(e.value) if r.state not in own)
    yield from (states[s] for s in own)
    yield from (states[r.state] for r in others)


def phases_of(scan: Scan) -> Iterator[str]:
    """A line for each group of each phase."""
    names = {number: state for state, number in scan.values.items()}
    for n, phase in enumerate(scan.phases.phases, 1):
        for group in phase:
            yield f"phase {n}, {group.width} wide: {_told(scan, group, names)}"


def _told(scan: Scan, group: Group, names: Mapping[int, str]) -> str:
    products = []
    for stack in group.stacks:
        taken = sum(width(scan.nodes[operand]) for operand in needed(scan.nodes[stack[0]]))
        products.append(f"{len(stack)} product{'s' * (len(stack) > 1)} on {taken} numbers")
    stored = dict.fromkeys(names.get(s.value, _part_of(s, scan)) for s in group.stores)
    return "; ".join([*products, ", ".join(stored)])


def _part_of(store: Store, scan: Scan) -> str:
    return f"a part of {store.plane}" if store.plane in scan.held else "a value in between"
