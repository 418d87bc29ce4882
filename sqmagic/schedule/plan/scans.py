"""The scans of a program that kernels can run, and why others cannot.

Before: a settled System with its shapes, dependence and domains. After: for each scan, in the order of components,
a `Scan` in its phases, or the reason in words. Kernels take states over one interval of steps; a matrix is its rows,
one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.system import Apply, Const, Equation, Expr, Read, System, children, reads
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Domains, Interval
from sqmagic.schedule.plan.lower import lowered
from sqmagic.schedule.plan.memories import Memory
from sqmagic.schedule.plan.nodes import Graph, Node, Product, Row, Still, Vector, width
from sqmagic.schedule.plan.phases import Phases, phases
from sqmagic.schedule.plan.values import NotForKernels

MOST = 64
"""Groups of a step. A C compiler takes a tenth of a second for each, or less."""


@dataclass(frozen=True, slots=True)
class Held:
    """The rows that a state has while a scan runs: from index `first`, `before` of them base cases, `after` of them
    past the last step, `ends` of which are end cases and the others zeros. `reach` is how many steps away the scan
    reads it.
    """

    first: int
    before: int
    after: int
    ends: int
    width: int
    reach: int


@dataclass(frozen=True, slots=True)
class Scan:
    """A recurrence as kernels run it: `component` is its number in the dependence, `steps` go from the first to
    T + the last, backward if it looks ahead. `values` are the states' values in the graph; `held` the own states;
    `rows` the other states that are read, with the index of their first row; `stills` what stands still;
    `parameters` the weights that are read; `constants` bare states that are numbers. `edge`, if there is one, are the
    phases of one more step past the others, which gives `edge_values`. `memories` are the ranges that grow with t, by
    the names of their matrices; those of own states are not among the `stills`.
    """

    component: int
    equations: tuple[Equation, ...]
    steps: Interval
    backward: bool
    nodes: tuple[Node, ...]
    values: Mapping[str, int]
    phases: Phases
    held: Mapping[str, Held]
    rows: Mapping[str, int]
    stills: tuple[Still, ...]
    parameters: Mapping[str, Shape]
    constants: Mapping[str, Expr] = field(default_factory=dict)
    edge: Phases | None = None
    edge_values: Mapping[str, int] = field(default_factory=dict)
    memories: Mapping[str, Memory] = field(default_factory=dict)

    @property
    def flops(self) -> int:
        """Of the products, for an example at a step."""
        groups = [group for phase in self.phases.phases for group in phase]
        return sum(self._flops(p) for group in groups for p in group.products)

    def _flops(self, number: int) -> int:
        node = self.nodes[number]
        assert isinstance(node, Product), "stacks are of products"
        return sum(2 * width(self.nodes[t.operand]) * node.width for t in node.terms)


def scans(system: System, shapes: Shapes, dependence: Dependence, domains: Domains) -> dict[int, Scan | str]:
    """For each recurrence, by the number of its component, a scan or why there is none."""
    found: dict[int, Scan | str] = {}
    constants = numbers_among(system)
    for number, component in enumerate(dependence.components):
        if component.recurs:
            try:
                found[number] = scan_of(system, shapes, component, number, domains, constants)
            except NotForKernels as reason:
                found[number] = str(reason)
    return found


def seeing(scan: Scan, memories: Mapping[str, Memory]) -> Scan:
    """The scan with ranges that grow. Raises NotForKernels."""
    read = {still.state for still in scan.stills}
    found = {name: memory for name, memory in memories.items() if name in read}
    own = {name for name, memory in found.items() if memory.state}
    only_here(scan.nodes, found)
    return replace(scan, memories=found, stills=tuple(s for s in scan.stills if s.state not in own))


def only_here(nodes: Sequence[Node], memories: Mapping[str, Memory]) -> None:
    """Raises NotForKernels where a value that is as long as a memory is read at another step."""
    long = min((memory.rows for memory in memories.values()), default=0)
    if long and any(isinstance(n, Row) and n.offset and n.width >= long for n in nodes):
        raise NotForKernels("what is made of a range that grows is read at another step")


def scan_of(
    system: System,
    shapes: Shapes,
    component: Component,
    number: int,
    domains: Domains,
    constants: Mapping[str, Expr],
) -> Scan:
    """Raises NotForKernels."""
    equations = tuple(system.equations[n] for n in component.equations)
    steps = _steps(component, domains)
    work = lowered(equations, shapes.states, shapes.parameters, constants)
    reach = reach_of(work.graph)
    backward = component.kind == "reverse scan"
    found = phases(work.graph, work.values, [s for s, k in reach.items() if k])
    if (count := sum(map(len, found.phases))) > MOST:
        raise NotForKernels(f"compiling a step of {count} phases would take long")
    rows = {n.state for n in work.graph.nodes if isinstance(n, Row) and not n.own}
    return Scan(
        component=number,
        equations=equations,
        steps=steps,
        backward=backward,
        nodes=tuple(work.graph.nodes),
        values=work.values,
        phases=found,
        held={s: _held(steps, domains.rows(s), prod(shapes.states[s]), reach.get(s, 0), backward) for s in work.values},
        rows={state: domains.rows(state).first for state in sorted(rows)},
        stills=tuple(n for n in work.graph.nodes if isinstance(n, Still)),
        parameters={p: shapes.parameters[p] for p in used_parameters(work.graph)},
        constants={s: e for s, e in constants.items() if _is_read(s, equations, constants)},
    )


def _steps(component: Component, domains: Domains) -> Interval:
    if component.growing:
        raise NotForKernels("it stacks a range whose length changes with t")
    if component.effects:
        raise NotForKernels("it acts on the outside")
    intervals = {domains.equations[n] for n in component.equations}
    if len(intervals) > 1:
        raise NotForKernels("its equations hold at different steps")
    (steps,) = intervals
    assert steps is not None, "a scan runs over steps"
    return steps


def numbers_among(system: System) -> dict[str, Expr]:
    """Bare states that are numbers, as `gamma`."""
    found: dict[str, Expr] = {}
    for equation in system.equations:
        match equation.targets:
            case (target,) if not target.context and _is_number(equation.value, found):
                found[target.state] = equation.value
    return found


def _is_number(expr: Expr, known: Mapping[str, Expr]) -> bool:
    match expr:
        case Const():
            return True
        case Read(state, ()):
            return state in known
        case Apply("add" | "sub" | "mul" | "div" | "neg"):
            return all(_is_number(c, known) for c in children(expr))
        case _:
            return False


def _is_read(state: str, equations: tuple[Equation, ...], constants: Mapping[str, Expr]) -> bool:
    """Whether equations read a number, or numbers that are made from it."""
    exprs = [*(e.value for e in equations), *constants.values()]
    return any(r.state == state for e in exprs for r in reads(e))


def reach_of(graph: Graph) -> dict[str, int]:
    """How many steps away the own states are read."""
    found: dict[str, int] = {}
    for node in graph.nodes:
        if isinstance(node, Row) and node.own:
            found[node.state] = max(found.get(node.state, 0), abs(node.offset))
    return found


def _held(steps: Interval, rows: Interval, wide: int, reach: int, backward: bool) -> Held:
    before, ends = steps.first - rows.first, rows.last - steps.last
    return Held(rows.first, before, max(ends, reach * backward), ends, wide, reach)


def used_parameters(graph: Graph) -> list[str]:
    """The parameters that values are made from."""
    found: dict[str, None] = {}
    for node in graph.nodes:
        match node:
            case Vector(parameter):
                found[parameter] = None
            case Product(terms, biases):
                found.update(dict.fromkeys(t.weight for t in terms))
                found.update(dict.fromkeys(b for b, _ in biases))
    return list(found)
