"""Ranges that grow with t in a recurrence, as kernels have them: matrices with a row for each step, of which each step
sees the first so many.

`softmax(h_{0:t-1} @ q_t) @ h_{0:t-1}` reads a matrix, `h.past`, that stands in memory from before the first step. Of a
state of others it is made beforehand; one of the recurrence itself puts a row into it at each step. On the way back its
gradient is a matrix too, to which each step adds what it gives to the rows that it has seen; so that when the way back
comes to a step, the row of that step has all that later ones give.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqmagic.equations.shapes import Shape
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Read,
    Running,
    Target,
    children,
    reads,
    with_children,
)
from sqmagic.schedule.dependence import Dependence
from sqmagic.schedule.plan.values import NotForKernels

LATER = ".later"
"""After the name of a state with a memory: what later steps give to the adjoint of its row at a step."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A matrix of `rows`, `more` than there are steps, each of so many numbers. `state` is that of the recurrence whose
    rows they are, "" where they are given; `first` is the index of the first. At step t, `seen` + t are seen."""

    state: str
    first: int
    seen: int
    more: int
    rows: int
    width: int


def joined(order: Dependence, states: frozenset[str]) -> Dependence:
    """The order in which a recurrence is one again: where it puts rows into a matrix that it reads, the matrix stands
    between its equations."""
    components = list(order.components)
    parts = [c for c in components if c.kind != "once" and not states.isdisjoint(c.states)]
    if len(parts) < 2 and all(part.kind == "forward scan" for part in parts):
        return order
    whole = replace(
        parts[-1],
        kind="forward scan",
        states=tuple(s for p in parts for s in p.states),
        equations=tuple(n for p in parts for n in p.equations),
        shifts=(),
    )
    end = components.index(parts[-1])
    before = [c for c in components[:end] if c not in parts]
    return replace(order, components=(*before, whole, *components[end + 1 :]))


def held_at_step(
    equation: Equation, memories: Mapping[str, Memory], shapes: dict[str, Shape], index: str
) -> Iterator[Equation]:
    """An equation; where it sees a memory, what it reads of other steps has a name at its own step, so that no value
    that is as long as the memory is read at any other. (The shapes of the names are noted.)"""
    found = dict.fromkeys(reads(equation.value))
    names: dict[Read, Read] = {}
    for read in found if memories.keys() & {r.state for r in found} else ():
        match read.context:
            case (Running(_, offset),) if offset:
                name = f"{equation.targets[0].state}.seen{len(names) + 1}"
                names[read] = Read(name, (Running(index),))
                shapes[name] = shapes[read.state]
    for read, here in names.items():
        yield replace(equation, targets=(Target(here.state, here.context),), value=read)
    yield replace(equation, value=_with(equation.value, names))


def _with(expr: Expr, names: Mapping[Read, Read]) -> Expr:
    match expr:
        case Read():
            return names.get(expr, expr)
        case _:
            return with_children(expr, tuple(_with(c, names) for c in children(expr)))


def with_later(
    equations: Sequence[Equation], memories: Mapping[str, Memory], bases: Mapping[str, tuple[str, Fixed]], index: str
) -> tuple[Equation, ...]:
    """The equations of an adjoint, those of states with a memory with what later steps give; `bases` are the names of
    base cases, each with its state and where it stands. Raises NotForKernels."""
    first = {memory.state: memory.first for memory in memories.values() if memory.state}
    own: dict[str, Read] = {f"^{state}": Read(state + LATER, (Running(index),)) for state in first}
    cases = {
        f"^{name}": Read(state + LATER, (at,))
        for name, (state, at) in bases.items()
        if at.value >= first.get(state, at.value + 1)
    }
    found = []
    for equation in equations:
        later = (own | cases).get(equation.targets[0].state) if equation.targets else None
        found.append(equation if later is None else replace(equation, value=Apply("add", (equation.value, later))))
    there = {t.state for e in equations for t in e.targets}
    if own.keys() - there:
        raise NotForKernels("nothing but a range that grows reads it")
    return (*found, *(Equation((Target(name),), later) for name, later in cases.items() if name not in there))
