"""Where in the user's text each state stands, so that it can be lit up there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from typing import TypeAlias

from sqmagic.equations.elaborate.names import BadContext, split
from sqmagic.equations.show import show_index
from sqmagic.equations.system import Context, Fixed
from sqmagic.notation.source import Placed, Source, Span
from sqmagic.notation.syntax import Call, Item, Keyword, Macro, Name, Program

_CALL = re.compile(r"\.\d+$")

Place: TypeAlias = tuple[int, int, int]
"""A line's number from 1, and the columns in it, counted from 0, up to and without the last."""


def places(
    program: Program, source: Source, states: Collection[str], indices: Collection[str]
) -> dict[str, list[Place]]:
    """Every place where one of the states is named, in the order of the text.

    Within a macro, its own states are meant, in every instance; what stands for an argument is no state.
    """
    found: dict[str, list[Place]] = {}
    for name, macro in _named(program.statements, ""):
        for state in _meant(name.text, macro, states, tuple(indices)):
            found.setdefault(state, []).append(_place(name.span, source))
    return found


def _named(tree: object, macro: str) -> Iterator[tuple[Name, str]]:
    """The names that can be states, each with the macro in whose body it stands."""
    match tree:
        case tuple():
            for member in tree:
                yield from _named(member, macro)
        case Name():
            yield tree, macro
        case Item(Name()) | Keyword():
            return
        case Call(Name(), arguments):
            yield from _named(arguments, macro)
        case Macro(name, _, body):
            yield from _named(body, name.text)
        case Placed():
            for field in fields(tree):
                yield from _named(getattr(tree, field.name), macro)
        case _:
            return


def _meant(text: str, macro: str, states: Collection[str], indices: tuple[str, ...]) -> Iterator[str]:
    keys = _keys(text, indices)
    if not macro:
        found = next((key for key in keys if key in states), None)
        if found is not None:
            yield found
        return
    for state in states:
        owner, _, own = state.rpartition(".")
        if own in keys and _is_instance(owner, macro):
            yield state


def _is_instance(path: str, macro: str) -> bool:
    """Whether a path of instances ends in one of the macro: `Enc`, `Enc_1`, or `Enc.2` for its second call."""
    instance = _CALL.sub("", path).rpartition(".")[2]
    return macro in (instance, instance.rpartition("_")[0])


def _keys(text: str, indices: tuple[str, ...]) -> tuple[str, ...]:
    """What the state of a name may be called, likeliest first: layers of a stack have their number in their name."""
    try:
        parts = split(text, indices)
    except BadContext:
        return (text,)
    return (text, f"{parts.base}{_stacked(parts.context or ())}", parts.base)


def _stacked(context: Context) -> str:
    return "".join(f"_{show_index(index)}" for index in context[1:] if isinstance(index, Fixed))


def _place(span: Span, source: Source) -> Place:
    start = source.column(span.start) - 1
    return source.line_number(span.start), start, start + span.stop - span.start


Places: TypeAlias = Mapping[str, list[Place]]
