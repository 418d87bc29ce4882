"""Where two nets part on the same data: the first state, in the order of time and then of the program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from sqmagic.runtime.states import States

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Parting:
    """A state that differs: at its first step (None: it is not over time), in one example and component.

    `why` is set where there is more to say than that numbers differ.
    """

    state: str
    step: int | None
    example: int
    component: tuple[int, ...]
    own: float
    wanted: float
    why: str = ""


def parting(own: States, wanted: States, states: Iterable[str]) -> Parting | None:
    """The first of these states that differs; at one step, the first in the order given."""
    found = [p for state in states if (p := _of(state, own, wanted)) is not None]
    return min(found, key=lambda p: inf if p.step is None else p.step, default=None)


def _of(state: str, own: States, wanted: States) -> Parting | None:
    timed = wanted.domain(state) is not None
    if (own.domain(state) is not None) != timed:
        why = (
            "the reference's is over time, and yours is not" if timed else "yours is over time, the reference's is not"
        )
        return Parting(state, None, 0, (), 0.0, 0.0, why)
    for index in (-1, 0) if timed else ():
        before = _differing(own.at(state, index), wanted.at(state, index))
        if before is not None:
            return Parting(state, index, *before)
    mine, theirs = own[state], wanted[state]
    if mine.shape != theirs.shape:
        lead = 1 + timed
        shapes = [_shape(value.shape[lead:]) for value in (mine, theirs)]
        return Parting(state, None, 0, (), 0.0, 0.0, f"its shape is {shapes[0]}, and the reference's is {shapes[1]}")
    place = _first(mine, theirs)
    if place is None:
        return None
    step = place[0] + 1 if timed else None
    example, component = place[int(timed)], place[1 + int(timed) :]
    values = float(mine[place]), float(theirs[place])
    return Parting(state, step, example, component, *values, _domains(state, own, wanted))


def _differing(own: Tensor | None, wanted: Tensor | None) -> tuple[int, tuple[int, ...], float, float] | None:
    """The example, the component and the two numbers at which a base case differs."""
    if own is None or wanted is None or own.shape != wanted.shape:
        return None
    place = _first(own, wanted)
    return None if place is None else (place[0], place[1:], float(own[place]), float(wanted[place]))


def _first(own: Tensor, wanted: Tensor) -> tuple[int, ...] | None:
    own, wanted = own.to(torch.float64), wanted.to(torch.float64)
    wrong = ~torch.isclose(own, wanted, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    return tuple(int(n) for n in wrong.nonzero()[0]) if bool(wrong.any()) else None


def _domains(state: str, own: States, wanted: States) -> str:
    mine, theirs = own.domain(state), wanted.domain(state)
    if mine == theirs or mine is None or theirs is None:
        return ""
    return f"yours is defined at the steps {_steps(mine)}, the reference's at {_steps(theirs)}"


def _steps(domain: tuple[int, int]) -> str:
    return f"{domain[0]} to {domain[1]}"


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "1"


def scalar(own: Tensor, wanted: Tensor) -> bool:
    """Whether two numbers are the same."""
    return bool(torch.isclose(own, wanted, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))
