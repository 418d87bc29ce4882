"""What is told where something is read before it is there: SQ405, and the lines that would give it.

Before: a System, and where its states are, as far as that is known. Data may have earlier rows, noise may be drawn
earlier, and any state may be given a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqmagic.equations.show import show, show_index, show_state
from sqmagic.equations.system import Apply, Fixed, Input, Range, Read, Running, System, reads
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Span
from sqmagic.schedule.bounds import Reach
from sqmagic.schedule.readings import Definers


@dataclass(frozen=True, slots=True)
class There:
    """Where the states of a System are there without a gap, of those for which it is known."""

    system: System
    definers: Definers
    reach: Mapping[str, Reach]


def begins_too_late(number: int, read: Read, start: int, begins: int, there: There) -> Problem:
    """SQ405: at its first step an equation reads a state that begins only later."""
    equation = there.system.equations[number]
    own = show_state(equation.targets[0].state, (Fixed(start),))
    needed = Read(read.state, tuple(Fixed(start + i.offset) if isinstance(i, Running) else i for i in read.context))
    first_there = show_state(read.state, (Fixed(begins),))
    message = f"`{own}` needs `{show(needed)}`, but the first that is there is `{first_there}`"
    given = next((i for i in there.system.inputs if i.state == read.state), None)
    match needed.context:
        case (Fixed(first),) if given is not None:
            return _earlier_rows(given, first, own, message, equation.span)
        case (Fixed(first),) if (drawn := _drawn(read.state, first, ".".join(equation.group), there)) is not None:
            return _drawn_late(message, drawn, equation.span)
        case _:
            other = "" if "." in read.state else f", or `{show(needed)}`"  # what is a macro's own is written otherwise
            return Problem("SQ405", message, equation.span, (f"give `{own}` a value too{other}.",))


def never_there(message: str, read: Read, within: str, span: Span, there: There) -> Problem:
    """SQ405: something is read where it never is; of noise it is said how it is drawn there."""
    match read.context[:1]:
        case (Fixed(first) | Range(Fixed(first)),) if read.state in there.reach:
            given = next((i for i in there.system.inputs if i.state == read.state), None)
            if given is not None and isinstance(given.first, Fixed) and first < given.first.value:
                declared, before = _rows_from(given, first)
                note = f"where the data have a row for index {first}, declare that: `{declared}`."
                return Problem("SQ405", message, span, (note,), before=before)
            drawn = _drawn(read.state, first, within, there)
            return Problem("SQ405", message, span) if drawn is None else _drawn_late(message, drawn, span)
        case _:
            return Problem("SQ405", message, span)


def _drawn_late(message: str, drawn: Sequence[str], span: Span) -> Problem:
    note = f"noise is drawn from step 1 on; what is drawn before stands on a line of its own: `{drawn[0]}`."
    return Problem("SQ405", message, span, (note,), before="\n".join(drawn))


def _drawn(state: str, index: int, within: str, there: There) -> list[str] | None:
    """The lines that draw earlier the noise for whose lack a state is not there at an index; None if it lacks
    something else, or the noise is not of the same macro as what lacks it."""
    known = there.definers
    for _ in there.system.equations:  # at most so far from the noise
        value = there.system.equations[known.running[state]].value if state in known.running else None
        if value is None:
            return None
        if isinstance(value, Apply) and value.op == "gauss":
            macro, _, name = state.rpartition(".")
            lines = [f"gauss() -> {show_state(name, (Fixed(n),))}" for n in range(index, there.reach[state].low)]
            return lines[:8] if macro == within and lines else None
        late = {at for read in reads(value) for at in _late(read, index, there)}
        if len(late) != 1:
            return None
        ((state, index),) = late
    return None


def _late(read: Read, index: int, there: There) -> Iterator[tuple[str, int]]:
    """The state and its index, where what is read at a step is not there yet."""
    match read.context[:1]:
        case (Running(_, offset),) if read.state in there.reach and there.reach[read.state].low > index + offset:
            yield read.state, index + offset
        case _:
            pass


def _earlier_rows(given: Input, first: int, own: str, message: str, span: Span) -> Problem:
    """Data that have rows from an earlier index on are declared so."""
    declared, before = _rows_from(given, first)
    note = f"give `{own}` a value too; or, where the data have a row for index {first}, declare that: `{declared}`."
    return Problem("SQ405", message, span, (note,), before=before)


def _rows_from(given: Input, first: int) -> tuple[str, str | None]:
    """The declaration of data whose rows begin at an index, `y_{0:T} : class(8)`, and the same where its sizes are
    known."""
    sizes = " x ".join(str(size.value) for size in given.sizes or ())
    kind = (f"{given.kind}({sizes})" if given.kind != "real" else sizes) or "…"
    declared = f"{given.state}_{{{first}:{show_index(given.last)}}} : {kind}"
    return declared, declared if kind != "…" else None
