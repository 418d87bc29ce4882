"""What there is to see of a state on data, as plain values that can be sent to a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from torch import Tensor

from sqmagic.runtime.blueprint import InputSpec, Line
from sqmagic.runtime.inputs import Data
from sqmagic.runtime.states import States
from sqmagic.runtime.trace import traced

MOST = 256
"""How many components are shown; further ones are left out, and that is said."""


class Choice(TypedDict):
    """A state that can be looked at; `kind` is gate (what a sigmoid gives), state or input."""

    name: str
    kind: str


class Seen(TypedDict):
    """One state of one example: a row for each component and a column for each step; None where it has
    no value. `told` are its equation's numbers at each step."""

    name: str
    text: str
    rows: list[list[float | None]]
    left_out: int
    timed: bool
    told: list[str]


def choices(states: States, lines: Sequence[Line], inputs: Sequence[InputSpec]) -> list[Choice]:
    """The states to choose from: gates, then what else is defined, then inputs."""
    gates = [t.state for line in lines if "= sigmoid(" in line.text for t in line.targets]
    defined = [t.state for line in lines for t in line.targets]
    named = [("gate", gates), ("state", defined), ("input", [s.state for s in inputs])]
    kinds: dict[str, str] = {}
    for kind, names in named:
        for name in names:
            if name in states:
                kinds.setdefault(name, kind)
    return [Choice(name=name, kind=kind) for name, kind in kinds.items()]


def seen(states: States, lines: Sequence[Line], name: str, example: int) -> Seen:
    """A state's values in one example."""
    timed = states.domain(name) is not None
    value = states[name][:, example] if timed else states[name][example][None]
    rows = value.detach().double().reshape(len(value), -1).T
    text, told = _told(states, lines, name, example, len(value))
    return Seen(
        name=name,
        text=text,
        rows=[_numbers(row) for row in rows[:MOST]],
        left_out=max(0, len(rows) - MOST),
        timed=timed,
        told=told,
    )


def _numbers(row: Tensor) -> list[float | None]:
    """JSON knows no NaN."""
    return [float(f"{v:.6g}") if abs(v) < float("inf") else None for v in row.tolist()]


def _told(states: States, lines: Sequence[Line], name: str, example: int, steps: int) -> tuple[str, list[str]]:
    """The equation of a state, and at each step its numbers."""
    found, text = [""] * steps, ""
    own = [line for line in lines if any(t.state == name for t in line.targets)]
    for row in traced(own, states, steps, example).rows if own else ():
        for cell in row.cells:
            if cell.step is not None or not text:
                text = row.text
            if cell.step is not None:
                found[cell.step - 1] = f"{cell.substituted} = {cell.value}"
            elif states.domain(name) is None:
                found[0] = f"{cell.substituted} = {cell.value}"
    return text, found


def shortened(specs: Sequence[InputSpec], data: Data, steps: int) -> dict[str, Any]:
    """The data of the first steps alone."""
    rows = {s.state: steps + s.last - s.first + 1 for s in specs if s.indexed}
    return {state: value[: rows[state]] if state in rows else value for state, value in data.tensors.items()}


def labelled(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The sheet's rows, out of what a notebook is told of a program."""
    return list(told.get("sheet", []))


def coloured(told: Mapping[str, Any]) -> dict[str, str]:
    """The name of each state's colour, out of the same."""
    return {state: about["colour"] for state, about in told.get("states", {}).items()}
