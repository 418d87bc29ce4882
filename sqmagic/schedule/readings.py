"""Who reads what, and how far away: the edges of a System's dependences.

Before: a System. After: for each equation and goal its `Reading`s, and which equations define a state where.
Whether what is read can be computed is not asked here; `dependence` asks for an order, `domains` for the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from sqmagic.equations.system import (
    Equation,
    Expr,
    Fixed,
    Last,
    Point,
    Range,
    Read,
    Running,
    System,
    points,
    scoped_reads,
)
from sqmagic.equations.system import runs as expression_runs

Given: TypeAlias = Fixed | Last
"""A point of the sequence at which a program gives a state: `h_0`, `A_{T+1}`."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read. `first` and `last` are the offsets from the reader's step of what it reaches: -1 and -1 for `h_{t-1}`.

    None reaches to the sequence's beginning or end: `k_{1:t-1}` has None and -1, `r_{t:T}` has 0 and None, and
    `A_T` or `r_{1:T}`, which stand still while the reader moves, None and None. `definers` are the equations (by
    number) that make what is read: the one over time, base cases too; none for an input. `must` says that it has to be
    defined where the reader is; what stands under `during` need not.
    """

    read: Read
    first: int | None
    last: int | None
    definers: tuple[int, ...]
    must: bool = True

    @property
    def looks_back(self) -> bool:
        return self.first is None or self.first < 0

    @property
    def looks_ahead(self) -> bool:
        return self.last is None or self.last > 0

    @property
    def within_step(self) -> bool:
        """Whether it reaches the reader's own step."""
        return (self.first is None or self.first <= 0) and (self.last is None or self.last >= 0)

    @property
    def growing(self) -> bool:
        """Whether how many steps it stacks changes with t."""
        return (self.first is None) != (self.last is None)


@dataclass(frozen=True, slots=True)
class Definers:
    """Which equation defines a state: bare, over time, and at the points that base cases give."""

    bare: Mapping[str, int]
    running: Mapping[str, int]
    given: Mapping[str, Mapping[Given, int]]


def runs(equation: Equation) -> bool:
    """Whether an equation holds at every step of its domain, and not once."""
    if equation.targets:
        return any(isinstance(p, Running) for t in equation.targets for index in t.context for p in points(index))
    return expression_runs(equation.value)


def definers(system: System) -> Definers:
    bare: dict[str, int] = {}
    running: dict[str, int] = {}
    given: dict[str, dict[Given, int]] = {}
    for number, equation in enumerate(system.equations):
        for target in equation.targets:
            match target.context[:1]:
                case ():
                    bare[target.state] = number
                case (Running(),):
                    running[target.state] = number
                case (Fixed() | Last() as point,):
                    given.setdefault(target.state, {})[point] = number
                case _:
                    raise AssertionError("an equation defines a state bare, over time or at a point")
    return Definers(bare, running, given)


def readings(expr: Expr, known: Definers) -> tuple[Reading, ...]:
    """What an expression reads, each once, from left to right."""
    found: dict[Read, bool] = {}
    for read, must in scoped_reads(expr):
        found[read] = found.get(read, False) or must
    return tuple(replace(_reading(read, known), must=must) for read, must in found.items())


def _reading(read: Read, known: Definers) -> Reading:
    given = known.given.get(read.state, {})
    running = [known.running[read.state]] if read.state in known.running else []
    match read.context[:1]:
        case ():
            return Reading(read, None, None, (known.bare[read.state],) if read.state in known.bare else ())
        case (Running(_, offset),):
            return Reading(read, offset, offset, (*running, *_met(given, offset)))
        case (Fixed() | Last() as point,):
            return Reading(read, None, None, (given[point],) if point in given else tuple(running))
        case (Range(first, last),):
            return Reading(read, _offset(first), _offset(last), (*running, *_met(given, _offset(last))))
        case _:
            raise AssertionError("a context is empty or begins with an index")


def _met(given: Mapping[Given, int], offset: int | None) -> list[int]:
    """The base cases that a read up to `offset` may meet: none past the end of the window that it cannot reach."""
    far = float("inf") if offset is None else offset
    return [n for point, n in given.items() if isinstance(point, Fixed) or point.offset <= far]


def _offset(point: Point) -> int | None:
    match point:
        case Running(_, offset):
            return offset
        case Fixed() | Last():
            return None
        case _:
            assert_never(point)
