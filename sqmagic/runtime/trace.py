"""What a net's equations come to on data: each line of a program with numbers in place of its states, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from torch import Tensor

from sqmagic.runtime.blueprint import Blank, Line, Shape
from sqmagic.runtime.states import States, placed

_SHOWN = 3
"""Numbers of a vector that are written; `…` says that there are more."""


class Cell(NamedTuple):
    """One equation at one step (None for what is not over time): with numbers put in, and what it comes to."""

    step: int | None
    substituted: str
    value: str


class Row(NamedTuple):
    """An equation as it is written, the shape of what it defines, and what it comes to at each step."""

    text: str
    shape: Shape
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """The first steps of a program in numbers; a notebook shows a table, `str` the same as text, `states` holds all."""

    rows: tuple[Row, ...]
    states: States
    example: int

    def __str__(self) -> str:
        return "\n".join(line for row in self.rows for line in _told(row))

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": str(self), "text/html": self.html}

    @property
    def html(self) -> str:
        """A table: a row for each equation, a column for each step; each value under the numbers that it comes from."""
        steps = sorted({cell.step for row in self.rows for cell in row.cells if cell.step is not None})
        left = ' style="text-align:left"'
        heads = "".join(f"<th{left}>t = {step}</th>" for step in steps)
        body = "".join(_html(row, steps) for row in self.rows)
        return f"<table><thead><tr><th{left}>equation</th><th{left}>shape</th>{heads}</tr></thead>{body}</table>"


def _told(row: Row) -> Iterator[str]:
    yield f"{row.text}   {_shape(row.shape)}"
    for cell in row.cells:
        where = "" if cell.step is None else f"t={cell.step}: "
        under = "" if cell.substituted == cell.value else f"{cell.substituted} = "
        yield f"    {where}{under}{cell.value}"


def _html(row: Row, steps: Sequence[int]) -> str:
    by_step = {cell.step: cell for cell in row.cells}
    left = ' style="text-align:left;vertical-align:top"'
    head = f"<td{left}><code>{escape(row.text)}</code></td><td{left}>{_shape(row.shape)}</td>"
    if None in by_step:
        return f"<tr>{head}<td{left} colspan='{max(len(steps), 1)}'>{_cell(by_step[None])}</td></tr>"
    return f"<tr>{head}{''.join(f'<td{left}>{_cell(by_step.get(step))}</td>' for step in steps)}</tr>"


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    under = "" if cell.substituted == cell.value else f"<br><small>= {escape(cell.substituted)}</small>"
    return f"<b>{escape(cell.value)}</b>{under}"


def _shape(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


# --- from states to rows -------------------------------------------------------------------------


def traced(lines: Sequence[Line], states: States, steps: int, example: int, only: Sequence[str] = ()) -> Trace:
    """The first `steps` steps of one example; with `only`, the lines that define one of these states."""
    wanted = {_state(states, name) for name in only}
    rows = [_row(line, states, steps, example) for line in lines if not wanted or wanted & _defined(line)]
    return Trace(tuple(row for row in rows if row is not None), states, example)


def _defined(line: Line) -> set[str]:
    return {blank.state for blank in line.targets}


def _row(line: Line, states: States, steps: int, example: int) -> Row | None:
    """None where the data do not say what the line comes to, or it is a line without a step."""
    if not line.targets or line.targets[0].state not in states:
        return None
    target = line.targets[0]
    at: Sequence[int | None] = range(1, min(steps, states.last(example)) + 1) if target.base == "t" else [None]
    found = ((step, _value(target, states, step, example)) for step in at)
    values = [(step, value) for step, value in found if value is not None]
    if not values:
        return None
    cells = (Cell(step, "".join(_put(p, states, step, example) for p in line.parts), _written(v)) for step, v in values)
    return Row(line.text, tuple(values[0][1].shape), tuple(cells))


def _put(part: str | Blank, states: States, step: int | None, example: int) -> str:
    if isinstance(part, str):
        return part
    value = _value(part, states, step, example)
    return part.text if value is None else _written(value)


def _value(blank: Blank, states: States, step: int | None, example: int) -> Tensor | None:
    """One example's [*shape], or None where there is none."""
    match blank.base:
        case "":
            value = states.get(blank.state)
        case "T":
            value = states.at(blank.state, states.last(example) + blank.offset)
        case "t" if step is not None:
            value = states.at(blank.state, step + blank.offset)
        case _:
            value = states.at(blank.state, blank.offset)
    return None if value is None else value[example]


def _written(value: Tensor) -> str:
    """`0.31`, `[0.31 -0.2 1 …]`."""
    numbers = value.detach().flatten()
    text = " ".join(f"{number:.3g}" for number in numbers[:_SHOWN].tolist())
    if value.numel() == 1:
        return text
    return f"[{text}{' …' if value.numel() > _SHOWN else ''}]"


# --- one state by its name -----------------------------------------------------------------------


def probed(states: States, name: str) -> Tensor:
    """The values of a state as it is written: `z_t`, `z`, `Enc.r_t`, `h_0`, `h_{t,2}`. Raises KeyError for others."""
    return states[name].detach()


def _state(states: States, name: str) -> str:
    """The state that a name is of, a point of a sequence such as `h_0` included. Raises KeyError for others."""
    found = placed(states, name)
    states[name]  # says what there is
    assert found is not None, "what has a value has a place"
    return found[0]
