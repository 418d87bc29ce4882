"""How states are read in generated code: once, at all steps of a window at a time, or at one step of a loop.

Rows of a state over time are one tensor; `h_{t-1}` over a window is a slice of it. In a loop, what the loop itself
computes is held by index, `h[t - 1]`, and what was computed before it comes row by row from the loop's header. In a
span of a few steps, `start` up to, and without, `stop`, a range that grows has all rows that one of them has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, assert_never

from sqmagic.emit.torch.code import ATOM, SCALAR, SUM, Code
from sqmagic.emit.torch.facts import Facts
from sqmagic.emit.torch.place import Place
from sqmagic.emit.torch.scopes import SCOPES
from sqmagic.equations.system import Fixed, Index, Last, Point, Range, Read, Running
from sqmagic.schedule.domains import Interval


def bare(facts: Facts) -> Place:
    """Once for an example."""

    def read(r: Read) -> Code:
        return still(facts, r)

    return _place(facts, ("batch",), read, lambda p: _position(facts, p))


def alike(facts: Facts) -> Place:
    """Once for all examples: parameters, and what is made of them."""
    return replace(bare(facts), sizes=())


def window(facts: Facts, steps: Interval) -> Place:
    """All steps of an interval at once."""

    def read(r: Read) -> Code:
        match r.context:
            case (Running(_, offset),):
                return _value(facts, r.state, _slice(facts, r.state, steps, offset, offset), 2)
            case (Range(Running(_, first), Running(_, last)),):
                return _stacked_slices(facts, r.state, steps, first, last)
            case _:
                return still(facts, r)

    def position(p: Point) -> Code:
        if not isinstance(p, Running):
            return _position(facts, p)
        return _numbers(facts, str(steps.first + p.offset), end(steps.last + p.offset + 1))

    own = f"own_steps({steps.first}, {steps.last}, {steps.last}, T, lengths)" if facts.masked else None
    if steps.first < 1:
        lengths = "lengths" if facts.masked else "None"
        own = f"window_steps({steps.first}, {steps.last}, T, batch, {lengths})"
    return _place(facts, (count(steps), "batch"), read, position, own, steps)


def step(facts: Facts, held: frozenset[str], rows: Mapping[Read, str], steps: Interval) -> Place:
    """One step `t` of a loop: the states in `held` are held by index, `rows` come from the loop's header."""

    def read(r: Read) -> Code:
        match r.context:
            case (Running(_, offset),) if r.state in held:
                return _value(facts, r.state, f"{facts.name(r.state)}[{moved('t', offset)}]", 1)
            case (Running(_, offset),) if r in rows:
                return _value(facts, r.state, rows[r], 1)
            case (Running(_, offset),):
                return _value(facts, r.state, f"{facts.name(r.state)}[{_row(facts, r.state, 't', offset)}]", 1)
            case (Range(first, last),) if r.state in held:
                each = f"{facts.name(r.state)}[step] for step in range({_index(first)}, {_index(last, 1)})"
                return _stack(facts, r.state, f"[{each}]", -1, 1)
            case (Range(first, last),) if isinstance(first, Running) or isinstance(last, Running):
                part = f"{_place_of(facts, r.state, first)}:{_place_of(facts, r.state, last, 1)}"
                return _moved(facts, r.state, f"{facts.name(r.state)}[{part}]", -1)
            case _:
                return still(facts, r)

    def position(p: Point) -> Code:
        if isinstance(p, Running):
            text = moved("t", p.offset)
            return Code(text, 0, SCALAR, "number", SUM if p.offset else ATOM)
        return _position(facts, p)

    own = f"None if lengths is None else t <= lengths{signed(steps.last)}" if facts.masked else None
    return _place(facts, ("batch",), read, position, own)


def span(facts: Facts) -> Place:
    """The steps from `start` up to, and without, `stop`. A range of vectors has its rows first, [rows, batch, width],
    one of scalars a number for each row, [batch, rows]."""

    def read(r: Read) -> Code:
        match r.context:
            case (Running(_, offset),):
                return _value(facts, r.state, rows_between(facts, r.state, ("start", offset), ("stop", offset)), 2)
            case (Range(Running(_, first), Running(_, last)),):
                slices = [rows_between(facts, r.state, ("start", k), ("stop", k)) for k in range(first, last + 1)]
                return _stack(facts, r.state, f"[{', '.join(slices)}]", last - first + 1, 2)
            case (Range(Fixed(first), Running(_, last)),):
                return _rows_first(facts, r.state, rows_between(facts, r.state, ("", first), ("stop", last)))
            case (Range(Running(_, first), Last(_, last)),):
                return _rows_first(facts, r.state, rows_between(facts, r.state, ("start", first), ("T", last + 1)))
            case _:
                return still(facts, r)

    def position(p: Point) -> Code:
        if not isinstance(p, Running):
            return _position(facts, p)
        return _numbers(facts, moved("start", p.offset), moved("stop", p.offset))

    return _place(facts, ("stop - start", "batch"), read, position)


def _place(
    facts: Facts,
    sizes: tuple[str, ...],
    read: Callable[[Read], Code],
    position: Callable[[Point], Code],
    own: str | None = None,
    steps: Interval | None = None,
) -> Place:
    over = partial(window, facts)
    return Place(sizes, facts.like, facts.owners, facts.parameters, read, position, own, steps, over, SCOPES)


# --- what stands still ---------------------------------------------------------------------------


def still(facts: Facts, r: Read) -> Code:
    """A bare state, a point of a sequence (`h_0`, `x_1`, `h_T`) or a range between points: one value for an example."""
    match r.context:
        case ():
            if r.state in facts.numbers:
                return Code(facts.name(r.state), 0, SCALAR, "number")
            if r.state in facts.weights:
                return Code(facts.name(r.state), 0, facts.shapes[r.state])
            return _value(facts, r.state, facts.name(r.state), 1)
        case (Fixed() | Last(),) if (r.state, r.context) in facts.given:
            return _value(facts, r.state, facts.name(r.state, r.context), 1)
        case (Fixed(value),):
            return _value(facts, r.state, f"{facts.name(r.state)}[{value - facts.stored[r.state].first}]", 1)
        case (Last(_, offset),):
            place = moved("end", offset - facts.stored[r.state].first)
            return _value(facts, r.state, f"row({facts.name(r.state)}, {place})", 1)
        case (Range(first, last),):
            rows = f"{_place_of(facts, r.state, first)}:{_place_of(facts, r.state, last, 1)}"
            return _moved(facts, r.state, f"{facts.name(r.state)}[{rows}]", _length(first, last))
        case _:
            raise AssertionError("a context is empty or one index")


def _position(facts: Facts, p: Point) -> Code:
    """The number of a point; T is each example's own."""
    match p:
        case Fixed(value):
            return Code(str(value), 0, SCALAR, "number")
        case Last(_, offset):
            at = f"torch.as_tensor({moved('end', offset)}, dtype={facts.like}.dtype, device={facts.like}.device)"
            return Code(f"{at}.expand(batch)[:, None]", 1, SCALAR)
        case Running():
            raise AssertionError("a running index has no number outside of time")
        case _:
            assert_never(p)


def _numbers(facts: Facts, start: str, stop: str) -> Code:
    """The number of each step."""
    text = f"torch.arange({start}, {stop}, dtype={facts.like}.dtype, device={facts.like}.device)"
    return Code(f"{text}[:, None, None].expand(-1, batch, 1)", 2, SCALAR)


def _value(facts: Facts, state: str, text: str, lead: int) -> Code:
    return Code(text, lead, facts.shapes[state], _kind(facts, state))


def _kind(facts: Facts, state: str) -> Literal["real", "integer"]:
    return "integer" if state in facts.integers else "real"


# --- slices and ranges ---------------------------------------------------------------------------


def _slice(facts: Facts, state: str, steps: Interval, first: int, last: int) -> str:
    """The rows from steps.first + first to T + steps.last + last."""
    stored, name = facts.stored[state], facts.name(state)
    start, stop = steps.first + first - stored.first, steps.last + last - stored.last
    assert start >= 0 >= stop, f"{state} is read outside of its rows"
    return name if start == stop == 0 else f"{name}[{start or ''}:{stop or ''}]"


def rows_between(facts: Facts, state: str, start: tuple[str, int], stop: tuple[str, int]) -> str:
    """The rows from one point up to, and without, another, each a number from where a variable stands (or none)."""
    stored, name = facts.stored[state], facts.name(state)
    (low, first), (high, past) = start, stop
    before = moved(low, first - stored.first) if low else str(first - stored.first or "")
    after = "" if (high, past) == ("T", stored.last + 1) else moved(high, past - stored.first)
    return f"{name}[{before}:{after}]" if before or after else name


def _rows_first(facts: Facts, state: str, rows: str) -> Code:
    shape = facts.shapes[state]
    if shape == SCALAR:
        return Code(f"{rows}.squeeze(-1).T", 1, (-1,), _kind(facts, state))
    return Code(rows, 1, (-1, *shape), _kind(facts, state))


def _stacked_slices(facts: Facts, state: str, steps: Interval, first: int, last: int) -> Code:
    """A range of constant length, at every step: as many slices, side by side."""
    width = last - first + 1
    slices = [_slice(facts, state, steps, k, k) for k in range(first, last + 1)]
    return _stack(facts, state, f"[{', '.join(slices)}]", width, 2)


def _stack(facts: Facts, state: str, rows: str, length: int, lead: int) -> Code:
    """Scalars make a vector, others get an axis before their own."""
    shape = facts.shapes[state]
    if shape == SCALAR:
        return Code(f"torch.cat({rows}, dim=-1)", lead, (length,), _kind(facts, state))
    return Code(f"torch.stack({rows}, dim={lead})", lead, (length, *shape), _kind(facts, state))


def _moved(facts: Facts, state: str, rows: str, length: int) -> Code:
    """Rows of a tensor [time, batch, *shape] as one value [batch, length, *shape] for each example."""
    shape = facts.shapes[state]
    if shape == SCALAR:
        return Code(f"{rows}.squeeze(-1).transpose(0, 1)", 1, (length,), _kind(facts, state))
    return Code(f"{rows}.transpose(0, 1)", 1, (length, *shape), _kind(facts, state))


def _length(first: Index, last: Index) -> int:
    """How many rows a range has, or -1 where T decides."""
    match first, last:
        case Fixed(a), Fixed(b):
            return b - a + 1
        case _:
            return -1


def _row(facts: Facts, state: str, variable: str, offset: int) -> str:
    """Where the row at an index stands in a state's tensor."""
    return moved(variable, offset - facts.stored[state].first)


def _place_of(facts: Facts, state: str, point: Point, more: int = 0) -> str:
    """Where the row at a point stands in a state's tensor."""
    return _index(point, more - facts.stored[state].first)


def _index(point: Point, more: int = 0) -> str:
    match point:
        case Running(_, offset):
            return moved("t", offset + more)
        case Last(_, offset):
            return moved("T", offset + more)
        case Fixed(value):
            return str(value + more)
        case _:
            assert_never(point)


# --- indices as text -----------------------------------------------------------------------------


def moved(variable: str, offset: int) -> str:
    """`t`, `t - 1`."""
    return f"{variable}{signed(offset)}"


def signed(offset: int) -> str:
    return f" {'+' if offset > 0 else '-'} {abs(offset)}" if offset else ""


def end(last: int) -> str:
    """`T`, `T + 1`: the index at a distance from the window's end."""
    return moved("T", last)


def count(steps: Interval) -> str:
    """How many steps an interval has."""
    text = end(steps.last - steps.first + 1)
    return text if may_be_filled(steps) else f"max({text}, 0)"


def may_be_filled(steps: Interval) -> bool:
    """Whether the interval holds a step however short the window is."""
    return steps.first <= 1 + steps.last
