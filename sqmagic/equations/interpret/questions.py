"""What can be asked of the judge; the key under which each answer is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from sqmagic.equations.show import show_state
from sqmagic.equations.system import Apply, Fixed, System


@dataclass(frozen=True, slots=True)
class ValueOf:
    """A state at an index, or bare."""

    lane: int
    state: str
    at: int | None


@dataclass(frozen=True, slots=True)
class ResultOf:
    """All outputs of an equation (by number) at a step, or once."""

    lane: int
    equation: int
    at: int | None


@dataclass(frozen=True, slots=True)
class GoalOf:
    """A goal (by number) at a step, or once."""

    lane: int
    goal: int
    at: int | None


@dataclass(frozen=True, slots=True)
class EndOf:
    """The last step of a recurrence that looks ahead, None if it has none."""

    lane: int
    recurrence: int


@dataclass(frozen=True, slots=True)
class Owner:
    """An equation or a goal, by number."""

    kind: Literal["equation", "goal"]
    number: int


@dataclass(frozen=True, slots=True)
class Site:
    """A batch_norm, or a mean over the batch, in an equation or a goal."""

    owner: Owner
    node: Apply


@dataclass(frozen=True, slots=True)
class ArgumentOf:
    """What a batch_norm, or a mean over the batch, is given at a step, or once: its arguments by number."""

    lane: int
    site: Site
    at: int | None
    argument: int = 0


@dataclass(frozen=True, slots=True)
class StatisticsOf:
    """Mean and variance of what a batch_norm is given: at one step, or over the window and all examples."""

    site: Site
    at: int | None


@dataclass(frozen=True, slots=True)
class AverageOf:
    """What a mean over the batch gives at a step, or once: all examples count alike."""

    site: Site
    at: int | None


Question: TypeAlias = ValueOf | ResultOf | GoalOf | EndOf | ArgumentOf | StatisticsOf | AverageOf
"""`lane` is the number of a `Lane`; `at` is an index of the sequence, None for what is there once for an example."""


def named(question: Question, system: System) -> str:
    """What a question is about, in the notation's words."""
    match question:
        case ValueOf(_, state, at):
            return f"`{show_state(state, () if at is None else (Fixed(at),))}`"
        case ResultOf(_, equation, at) if system.equations[equation].targets:
            target = system.equations[equation].targets[0]
            return f"`{show_state(target.state, target.context if at is None else (Fixed(at),))}`"
        case ResultOf() | GoalOf() | EndOf() | ArgumentOf() | StatisticsOf() | AverageOf():
            return "what is asked for"
        case _:
            assert_never(question)
