"""Acting as C runs it: a step is effects, one by one and in order, and between them what is computed.

Before: the acting System of a program, and what is to be recorded of it. After: an `Acting`, in which an effect takes
rows that stand in memory, and gives such. An effect within an expression has a name of its own. Raises NotForKernels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes import Shape
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import Apply, Const, Equation, Expr, Fixed, Read, Running, System, Target, reads
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, Interval, domains
from sqmagic.schedule.effects import is_acted, last_uses, step_order
from sqmagic.schedule.plan.regions import (
    Gathered,
    Known,
    Region,
    Rows,
    all_parameters,
    offsets,
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
class Argument:
    """What an effect takes: the row of a state so many steps away."""

    state: str
    offset: int


@dataclass(frozen=True, slots=True)
class Outside:
    """An effect, from a step on. `targets` are the states that it gives, `thing` is the buffer."""

    begins: int
    op: str
    thing: str
    arguments: tuple[Argument, ...]
    targets: tuple[str, ...]
    setting: float
    equation: Equation | None


@dataclass(frozen=True, slots=True)
class Computed:
    """What is computed from a step on; `region` is its place among the regions."""

    begins: int
    region: int


Item: TypeAlias = Outside | Computed


@dataclass(frozen=True, slots=True)
class Acting:
    """A step is its `items`, in order. `planes` are the rows of all states of numbers; `drawn` those that buffers give,
    whose examples are not the environments'. `past` are the rows up to 0 that a window needs of the one before, by
    their first; `outside` is the state of the environment; at `first` anything is computed in the first window.
    """

    items: tuple[Item, ...]
    regions: tuple[Region, ...]
    planes: Mapping[str, Held]
    parameters: Mapping[str, Shape]
    drawn: frozenset[str]
    past: Mapping[str, int]
    outside: str
    first: int


def acted(
    system: System,
    states: Mapping[str, Shape],
    parameters: Mapping[str, Shape],
    recorded: Mapping[str, tuple[int, int]],
    carried: Collection[tuple[str, int]],
    behaved: Sequence[str],
    also: Mapping[str, Rows],
) -> Acting:
    """`recorded` are the states that learning reads with the first and the last row, `carried` the base cases that it
    takes from the window before, `behaved` what a behaviour policy gives, `also` rows that must be there besides."""
    apart, shapes = effects_apart(system, states, parameters)
    held = domains(apart, dependence(apart))
    order = step_order(apart)
    outside, drawn = _outside(apart, order), _given_by(apart, "Get") | _noise_of_draws(apart)
    rows = _rows(apart, order, held, recorded, carried, behaved, also)
    rows.pop(outside, None)
    past = _past(apart, order, recorded, carried, outside)
    known = Known(shapes, parameters, numbers_among(apart), planes(rows, shapes))
    items, regions = _items(apart, order, held, known)
    items += [Outside(held.states[s].first, "behave", "", (), (s,), 0.0, None) for s in behaved]
    read = {r.state for each in regions for e in each.scan.equations for r in reads(e.value)}
    if read & drawn:
        raise NotForKernels(f"`{min(read & drawn)}`, which a buffer gives, is read while it acts")
    firsts = [held.states[t.state].first for n in order for t in apart.equations[n].targets if t.state != outside]
    return Acting(
        tuple(items),
        with_wide_planes(regions),
        known.planes,
        all_parameters(regions),
        drawn,
        past,
        outside,
        min([*firsts, *(held.states[s].first for s in behaved), 1]),
    )


# --- effects with names of their own -------------------------------------------------------------


def effects_apart(
    system: System, states: Mapping[str, Shape], parameters: Mapping[str, Shape]
) -> tuple[System, dict[str, Shape]]:
    """The System in which an effect stands alone, and takes what has a name; and its shapes."""
    shapes, found = dict(states), list[Equation]()
    steps = domains(system, dependence(system)).equations
    for equation, own in zip(system.equations, steps, strict=True):
        found += _apart(equation, own, shapes, parameters) if is_acted(equation) else [equation]
    return replace(system, equations=tuple(found)), shapes


def _apart(
    equation: Equation, steps: Interval | None, shapes: dict[str, Shape], parameters: Mapping[str, Shape]
) -> list[Equation]:
    made: list[Equation] = []
    before: list[Equation] = []
    base = equation.targets[0].state if equation.targets else "effect"

    def named(expr: Expr) -> Read:
        state = f"{base}.{expr.op if isinstance(expr, Apply) else 'value'}{len(made) + 1}"
        shapes[state] = shape_of(expr, shapes, parameters)
        made.append(replace(equation, targets=(Target(state, (Running("t"),)),), value=expr))
        if steps is not None and steps.first < 1 and not reads(expr):  # nothing else tells where it begins
            begins = Target(state, (Fixed(steps.first - 1),))
            before.append(replace(equation, targets=(begins,), value=Const(0.0)))
        return Read(state, (Running("t"),))

    def without(expr: Expr) -> Expr:
        match expr:
            case Apply(op, args) if ALL_OPS[op].effect:
                return named(replace(expr, args=tuple(argument(a) for a in args)))
            case Apply(_, args):
                return replace(expr, args=tuple(map(without, args)))
            case _:
                return expr

    def argument(expr: Expr) -> Expr:
        plain = without(expr)
        return plain if isinstance(plain, Read) else named(plain)

    match equation.value:
        case Apply(op, args) if ALL_OPS[op].effect:
            value: Expr = replace(equation.value, args=tuple(map(argument, args)))
        case other:
            value = without(other)
    return [*before, *made, replace(equation, value=value)]


def _given_by(system: System, op: str) -> frozenset[str]:
    return frozenset(
        t.state for e in system.equations if isinstance(e.value, Apply) and e.value.op == op for t in e.targets
    )


def _noise_of_draws(system: System) -> frozenset[str]:
    """Noise of which there is a row for each example that a buffer draws."""
    return frozenset(t.state for e in system.equations if noise_for(e.value) for t in e.targets)


def noise_for(value: Expr) -> str:
    """The buffer for whose draws it is noise; empty if it is not."""
    return str(value.attribute("buffer", "")) if isinstance(value, Apply) and value.op == "gauss" else ""


def _outside(system: System, order: Sequence[int]) -> str:
    """The state of the one environment, each value of which is stepped from once."""
    steps = [e for n in order if isinstance((e := system.equations[n]).value, Apply) and e.value.op == "step"]
    if len(steps) != 1 or not all(last_uses(system, order).values()):
        raise NotForKernels("it steps from one state twice" if steps else "it steps in no environment")
    match steps[0]:
        case Equation((Target(state), *_), Apply("step", (Read(read, (Running(_, -1),)), *_))) if read == state:
            return state
        case _:
            raise NotForKernels("the environment does not go on from the state before")


# --- rows ----------------------------------------------------------------------------------------


def _rows(
    system: System,
    order: Sequence[int],
    held: Domains,
    recorded: Mapping[str, tuple[int, int]],
    carried: Collection[tuple[str, int]],
    behaved: Sequence[str],
    also: Mapping[str, Rows],
) -> dict[str, Rows]:
    rows: dict[str, Rows] = {}
    for number in order:
        equation = system.equations[number]
        own = held.equations[number] if equation.targets else None
        for state, each in read_rows((equation,), Interval(min(own.first, 1), 0) if own else Interval(1, 0)):
            with_rows(rows, state, replace(each, last=max(each.last, 0)))
    for state, (first, last) in recorded.items():
        with_rows(rows, state, Rows(first, max(last, 0)))
    for state, index in carried:
        with_rows(rows, state, Rows(index, 0))
    for state in behaved:
        with_rows(rows, state, Rows(held.states[state].first, 0))
    for state, each in also.items():
        with_rows(rows, state, each)
    return rows


def _past(
    system: System,
    order: Sequence[int],
    recorded: Mapping[str, tuple[int, int]],
    carried: Collection[tuple[str, int]],
    outside: str,
) -> dict[str, int]:
    """For each state of which a later window needs rows, the index of the first, 0 or less."""
    wanted = [(r.state, 1 + k) for n in order for r in reads(system.equations[n].value) for k in offsets(r)]
    wanted += [*((state, first) for state, (first, _) in recorded.items()), *carried]
    found: dict[str, int] = {}
    for state, index in wanted:
        if index <= 0 and state != outside:
            found[state] = min(found.get(state, 0), index)
    return found


# --- a step --------------------------------------------------------------------------------------


def _items(system: System, order: Sequence[int], held: Domains, known: Known) -> tuple[list[Item], list[Region]]:
    items, regions = list[Item](), list[Region]()
    waiting: list[Equation] = []
    begins = 0

    def computed() -> None:
        if waiting:
            regions.append(region(Gathered(Interval(begins, 0), False, True, False, waiting), known))
            items.append(Computed(begins, len(regions) - 1))
            waiting.clear()

    for number in order:
        equation = system.equations[number]
        own = held.equations[number]
        if isinstance(equation.value, Apply) and ALL_OPS[equation.value.op].effect:
            computed()
            items.append(_effect(equation, own, held, known))
            continue
        assert own is not None, "it runs over steps"
        if waiting and own.first != begins:
            computed()
        begins = own.first
        waiting.append(equation)
    computed()
    return items, regions


def _effect(equation: Equation, own: Interval | None, held: Domains, known: Known) -> Outside:
    assert isinstance(equation.value, Apply), "an effect is an operator"
    value = equation.value
    setting = float(value.attribute("eps", 0.1)) if value.op == "eps_greedy" else 0.0
    targets = tuple(t.state for t in equation.targets)
    arguments = tuple(_arguments(value.args))
    if value.op in ("sample", "eps_greedy", "gauss"):
        width_of(targets[0], known.states)
    if own is None or not equation.targets:
        reached = [held.rows(r.state).first - k for r in reads(value) for k in offsets(r)]
        first = max(reached, default=1)
    else:
        first = own.first
    return Outside(first, value.op, value.layer or noise_for(value), arguments, targets, setting, equation)


def _arguments(args: Iterable[Expr]) -> Iterator[Argument]:
    for arg in args:
        match arg:
            case Read(state, (Running(_, offset),)):
                yield Argument(state, offset)
            case Read(state, _):
                raise NotForKernels(f"an effect reads `{state}`, which stands still")
            case _:
                raise AssertionError("what an effect takes has a name")
