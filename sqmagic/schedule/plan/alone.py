"""A scan as a System by itself, so that its adjoint can be taken: what it reads are inputs, and what is made of its
results is a sum with weights that are given.

The adjoint of the result `h` is the input `h.given`, base cases are inputs named `h.from0`, end cases `h.until1`, and a
point of another state `x.at1`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Equation,
    Expr,
    Fixed,
    Goal,
    Input,
    Last,
    Point,
    Read,
    Running,
    System,
    Target,
    children,
    with_children,
)
from sqmagic.schedule.domains import Domains
from sqmagic.schedule.plan.scans import Scan

GIVEN = ".given"


@dataclass(frozen=True, slots=True)
class Alone:
    """`bases` are the inputs for base and end cases by (state, point); `points` those for what stands still."""

    system: System
    shapes: Shapes
    bases: Mapping[tuple[str, Point], str]
    points: Mapping[tuple[str, Context], str]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What may ask for an adjoint."""
        return tuple(i.state for i in self.system.inputs if not i.state.endswith(GIVEN))

    def in_program(self, expr: Expr) -> Expr:
        """An expression that reads points of other states as the program does."""
        points = {name: point for point, name in self.points.items()}
        match expr:
            case Read(name, ()) if name in points:
                state, context = points[name]
                return Read(state, context, span=expr.span)
            case _:
                return with_children(expr, tuple(map(self.in_program, children(expr))))


def alone(system: System, shapes: Shapes, domains: Domains, scan: Scan, outside: Collection[str]) -> Alone:
    """The scan by itself; `outside` are the states that others read."""
    index = system.indices[0].name
    sizes: dict[str, Shape] = {s: shapes.states[s] for s in (*scan.held, *scan.rows)}
    points = {(s.state, s.context): s.state + "".join(map(_told, s.context)) for s in scan.stills}
    bases = {(state, point): state + _name(point) for state, point in _bases(scan, system)}
    inputs = [
        Input(s, True, first=Fixed(first), last=Last(index, domains.rows(s).last)) for s, first in scan.rows.items()
    ]
    own = [name for name, memory in scan.memories.items() if memory.state]
    inputs += [Input(name, False) for name in (*points.values(), *bases.values(), *own)]
    sizes |= {name: shapes.states[name] for name in own}
    sizes |= {name: shapes.states[state] for (state, _), name in (*points.items(), *bases.items())}
    goals = []
    for state in sorted(outside):
        given, read = state + GIVEN, Read(state, (Running(index),))
        inputs.append(Input(given, True, first=Fixed(scan.steps.first), last=Last(index, scan.steps.last)))
        sizes[given] = shapes.states[state]
        weight = Apply("stop", (Read(given, (Running(index),)),))
        pair = tuple(e if len(sizes[state]) == 1 else Apply("flatten", (e,)) for e in (read, weight))
        goals.append(Goal("loss", (read,), Apply("matmul", pair)))
    equations = [Equation((Target(state, (point,)),), Read(name)) for (state, point), name in bases.items()]
    equations += [Equation((Target(state, (point,)),), Const(0.0)) for state, point in _zeros(scan, system)]
    equations += [Equation((Target(state),), value) for state, value in scan.constants.items()]
    sizes |= dict.fromkeys(scan.constants, (1,))
    equations += [replace(e, value=_renamed(e.value, points)) for e in scan.equations]
    made = System(system.indices, tuple(inputs), tuple(equations), tuple(goals), system.layers)
    return Alone(made, Shapes(sizes, shapes.parameters), bases, points)


def _bases(scan: Scan, system: System) -> Iterator[tuple[str, Point]]:
    index = system.indices[0].name
    for state, held in scan.held.items():
        yield from ((state, Fixed(held.first + k)) for k in range(held.before))
        yield from ((state, Last(index, scan.steps.last + 1 + k)) for k in range(held.ends))


def _zeros(scan: Scan, system: System) -> Iterator[tuple[str, Point]]:
    """The rows past the last step that are 0 though nothing says so: in the adjoint others may read them."""
    index = system.indices[0].name
    for state, held in scan.held.items():
        yield from ((state, Last(index, scan.steps.last + 1 + k)) for k in range(held.ends, held.after))


def _name(point: Point) -> str:
    match point:
        case Fixed(value):
            return f".from{value}"
        case Last(_, offset):
            return f".until{offset}"
        case Running():
            raise AssertionError("a base case is a point")


def _told(index: object) -> str:
    match index:
        case Fixed(value):
            return f".at{value}"
        case Last(_, offset):
            return f".atT{offset:+d}"
        case _:
            raise AssertionError("what stands still is a point")


def _renamed(expr: Expr, points: Mapping[tuple[str, Context], str]) -> Expr:
    match expr:
        case Read(state, context) if context and (state, context) in points:
            return Read(points[state, context], (), span=expr.span)
        case _:
            return with_children(expr, tuple(_renamed(c, points) for c in children(expr)))
