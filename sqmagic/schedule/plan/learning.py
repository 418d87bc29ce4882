"""Learning from a window as C runs it: the goals, their adjoint and the gradients of parameters, all in one program.

Before: the learning System with its adjoint. After: a `Learning`: regions in the order in which they run, forward and
back, and for each gradient what is added up over steps and examples. Goals are states of their own, so that they can be
added up too. Raises NotForKernels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqmagic.equations.shapes import Shape, Shapes
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import Apply, Const, Equation, Expr, Fixed, Last, Position, Read, Running, System, Target
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, Interval, domains
from sqmagic.schedule.plan.endings import Ending, endings
from sqmagic.schedule.plan.gradients import Gradient, Outer
from sqmagic.schedule.plan.gradients import Rows as Places
from sqmagic.schedule.plan.regions import (
    Gathered,
    Known,
    Region,
    Rows,
    all_parameters,
    gathered,
    planes,
    read_rows,
    region,
    width_of,
    with_rows,
    with_wide_planes,
)
from sqmagic.schedule.plan.scans import Held, numbers_among
from sqmagic.schedule.plan.values import NotForKernels


@dataclass(frozen=True, slots=True)
class Mean:
    """A goal as a state, its mean taken over steps; a loss is lowered, what is no loss is raised."""

    state: str
    loss: bool
    steps: Interval


@dataclass(frozen=True, slots=True)
class Learning:
    """`sums` are the gradients of parameters, by the steps over which they are added up. `inputs` are the states that
    are given; `bases` the rows that an input gives each time, and `numbers` those that are the same each time, by
    (state, index). `parameters` are those that are read."""

    regions: tuple[Region, ...]
    planes: Mapping[str, Held]
    inputs: tuple[str, ...]
    bases: Mapping[tuple[str, int], str]
    numbers: Mapping[tuple[str, int], float]
    parameters: Mapping[str, Shape]
    sums: Mapping[Interval, Mapping[str, Gradient]]
    goals: tuple[Mean, ...]


@dataclass(slots=True)
class _Naming:
    """Gradients as they are found; `made` gives a name to what is added up and has none."""

    shapes: dict[str, Shape]
    parameters: Mapping[str, Shape]
    made: list[Equation] = field(default_factory=list)
    sums: dict[Interval, dict[str, Gradient]] = field(default_factory=dict)

    def place(self, expr: Expr, base: str) -> Places:
        """What is added up, as rows of memory."""
        match expr:
            case Read(state, (Running(_, offset),)):
                return Places(state, offset, 0, width_of(state, self.shapes), True)
            case _:
                state = f"{base}.{len(self.made) + 1}"
                self.shapes[state] = shape_of(expr, self.shapes, self.parameters)
                self.made.append(Equation((Target(state, (Running("t"),)),), expr))
                return Places(state, 0, 0, width_of(state, self.shapes), True)


def learned(
    found: System,
    shapes: Shapes,
    gradients: Mapping[str, str],
    kept: Collection[str],
    also: Mapping[str, Rows],
    step: Sequence[Target] = (),
) -> Learning:
    """`found` is learning with its adjoint; `gradients` say which bare state is the adjoint of which parameter, `kept`
    are states that acting computes as well, `also` rows that must be there besides, `step` what the environment's step
    gives, if it is learned from as it is."""
    naming = _Naming(dict(shapes.states), shapes.parameters)
    bare = {e.targets[0].state: e.value for e in found.equations if e.targets and not e.targets[0].context}
    for parameter, hat in gradients.items():
        if bare[hat] != Apply("batch_mean", (Const(0.0),)):
            _summed(parameter, bare[hat], naming)
    goals = _goals(found, naming)
    running = tuple(e for e in found.equations if e.targets and not _is_bare(e))
    still = tuple(e for e in found.equations if e.targets and _is_bare(e) and not e.targets[0].state.startswith("^"))
    system = replace(found, equations=(*still, *running, *naming.made), goals=())
    order = dependence(system)
    held = domains(system, order)
    if order.problems or held.problems:
        raise NotForKernels("by itself it has no order")
    numbers = [n for n, e in enumerate(system.equations) if held.equations[n] is not None]
    regions = gathered(system, order, held, numbers, kept, _saved(system, held, step))
    bases, constants = _bases(system, held)
    rows = _rows(system, held, regions, [*bases, *constants], also)
    known = Known(naming.shapes, shapes.parameters, numbers_among(system), planes(rows, naming.shapes), True)
    made = with_wide_planes([region(g, known) for g in regions])
    means = [Mean(s, loss, held.states[s]) for s, loss in goals]
    return Learning(
        made,
        known.planes,
        tuple(i.state for i in system.inputs if i.indexed),
        bases,
        constants,
        all_parameters(made),
        naming.sums,
        tuple(means),
    )


def _saved(system: System, held: Domains, step: Sequence[Target]) -> tuple[Ending, ...]:
    """What need be computed only where an episode ends, where the state that it is like is there, and what tells so."""
    given = {i.state for i in system.inputs if i.indexed}

    def is_there(ending: Ending) -> bool:
        own, like = held.states[ending.state], held.states[ending.like]
        return {ending.cut, ending.after} <= given and like.first <= own.first and own.last <= like.last

    return tuple(ending for ending in endings(system, step) if is_there(ending))


def _is_bare(equation: Equation) -> bool:
    return not equation.targets[0].context


def _goals(system: System, naming: _Naming) -> list[tuple[str, bool]]:
    found = []
    for number, goal in enumerate(system.goals, 1):
        state = f"{goal.kind}_{number}.value"
        naming.shapes[state] = shape_of(goal.value, naming.shapes, naming.parameters)
        if naming.shapes[state] != (1,):
            raise NotForKernels("a goal is no number")
        naming.made.append(Equation((Target(state, (Running("t"),)),), goal.value))
        found.append((state, goal.kind == "loss"))
    return found


# --- gradients -----------------------------------------------------------------------------------


def _summed(parameter: str, expr: Expr, naming: _Naming) -> None:
    match expr:
        case Apply("batch_mean", (inner,)):
            _summed(parameter, inner, naming)
        case Apply("add", parts):
            for part in parts:
                _summed(parameter, part, naming)
        case Apply("window_sum", (body, Position(Fixed(first)), Position(Last(_, last)))):
            steps = Interval(first, last)
            for gradient in _body(parameter, body, naming):
                own = naming.sums.setdefault(steps, {}).setdefault(parameter, Gradient())
                naming.sums[steps][parameter] = replace(
                    own, outers=(*own.outers, *gradient.outers), sums=(*own.sums, *gradient.sums)
                )
        case _:
            raise NotForKernels(f"the gradient of `{parameter}` is no sum over the window")


def _body(parameter: str, body: Expr, naming: _Naming) -> Iterator[Gradient]:
    match body:
        case Apply("add", parts) if len(naming.parameters[parameter]) > 1:
            for part in parts:
                yield from _body(parameter, part, naming)
        case Apply("neg", (Apply("outer", (left, right)),)):
            yield from _body(parameter, Apply("outer", (Apply("neg", (left,)), right)), naming)
        case Apply("outer", (left, right)):
            rows, column = naming.place(left, f"^{parameter}"), 0
            for part in _parts(right):
                other = naming.place(part, parameter)
                yield Gradient(outers=(Outer(rows, other, column),))
                column += other.width
        case _ if len(naming.parameters[parameter]) == 1:
            yield Gradient(sums=(naming.place(body, f"^{parameter}"),))
        case _:
            raise NotForKernels(f"the gradient of `{parameter}` is no sum of products")


def _parts(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Apply("concat", args):
            return tuple(p for a in args for p in _parts(a))
        case _:
            return (expr,)


# --- rows ----------------------------------------------------------------------------------------


def _bases(system: System, held: Domains) -> tuple[dict[tuple[str, int], str], dict[tuple[str, int], float]]:
    """Rows beside the steps: those that an input gives, and those that are numbers."""
    given: dict[tuple[str, int], str] = {}
    numbers: dict[tuple[str, int], float] = {}
    known = numbers_among(system)
    for number, equation in enumerate(system.equations):
        if held.equations[number] is not None or _is_bare(equation):
            continue
        match equation.targets, equation.value:
            case (Target(state, (Fixed(index),)),), Const(value):
                numbers[state, index] = value
            case (Target(state, (Fixed(index),)),), Read(name, ()) if any(i.state == name for i in system.inputs):
                given[state, index] = name
            case (Target(state, (Fixed(index),)),), Read(name, ()) if isinstance(own := known.get(name), Const):
                numbers[state, index] = own.value
            case _:
                raise NotForKernels(f"`{equation.targets[0].state}` is computed at a point of its own")
    return given, numbers


def _rows(
    system: System,
    held: Domains,
    regions: Sequence[Gathered],
    points: Sequence[tuple[str, int]],
    also: Mapping[str, Rows],
) -> dict[str, Rows]:
    rows: dict[str, Rows] = {s: Rows(i.first, i.last) for s, i in held.states.items()}
    for each in regions:
        for state, own in read_rows(each.equations, each.steps):
            with_rows(rows, state, own)
    for state, index in points:
        with_rows(rows, state, Rows(index, min(index, 0)))
    for state, own in also.items():
        with_rows(rows, state, own)
    bare = {i.state for i in system.inputs if not i.indexed}
    return {state: own for state, own in rows.items() if state not in bare}
