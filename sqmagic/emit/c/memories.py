"""Ranges that grow with t as C has them: what fills their matrices, and what each step adds to their gradients.

A matrix has as many rows as there are steps, and in a function of one step `seen` of them count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from sqmagic.emit.c.gradients import gradient_columns, gradient_key
from sqmagic.emit.c.places import INDENT, Writing, ahead, base_key, hat, moved, own_place
from sqmagic.schedule.plan.gradients import Rows
from sqmagic.schedule.plan.memories import Memory

SEEN = "rows_seen"
"""The number of rows that a step sees, or of all."""


def filled(writing: Writing) -> Iterator[str]:
    """The lines that fill matrices, and begin gradients with zeros, before the first step."""
    scan, names = writing.scan, writing.names
    for name, memory in scan.memories.items():
        if memory.state and writing.way is not None:
            state, plane = names[f"row:{memory.state}"], names[f"own:{name}"]
            row = f"s->{state} + {moved('k', memory.first - scan.rows[memory.state])} * s->{state}_step"
            yield f"for (long k = 0; k < {_every(memory)}; k++)"
            yield (
                f"{INDENT}remember(me, s->batch, {row}, s->{state}_row, s->{plane} + k * {memory.width}, "
                f"s->{plane}_row, {memory.width});"
            )
        elif memory.state:
            held, plane = scan.held[memory.state], names[f"own:{name}"]
            for index in range(memory.first, scan.steps.first):
                base = names[base_key(memory.state, index - held.first)]
                place = ahead(f"s->{plane}", (index - memory.first) * memory.width)
                yield f"remember(me, s->batch, s->{base}, s->{base}_row, {place}, s->{plane}_row, {memory.width});"
        if writing.way is not None and name in writing.way.growing:
            place, pitch = _gradient(writing, name, memory)
            guard = "" if memory.state else f"if ({place}) "
            yield f"{guard}remember(me, s->batch, 0, 0, {place}, {pitch}, {pitch});"


def after_each_step(writing: Writing) -> list[str]:
    """The lines at the end of a step: own states put their rows into matrices, gradients grow."""
    scan, found = writing.scan, list[str]()
    for name, memory in scan.memories.items():
        if writing.way is not None:
            found += _grown(writing, name, memory)
        elif memory.state:
            row = own_place(writing, memory.state, 0, "")
            plane = writing.names[f"own:{name}"]
            found.append(
                f"remember(me, s->batch, {row.pointer}, {row.stride}, "
                f"s->{plane} + {moved('t', -memory.first)} * {memory.width}, s->{plane}_row, {memory.width});"
            )
    return [*found, "if (me->by_units)", f"{INDENT}meet(me);"] if found else []


def _grown(writing: Writing, name: str, memory: Memory) -> Iterator[str]:
    gradient = writing.way.growing.get(name) if writing.way is not None else None
    if gradient is None:
        return
    (place, pitch), seen = _gradient(writing, name, memory), _bare(moved("t", memory.seen))
    lines = []
    for rows in gradient.sums:
        pointer, apart = _here(writing, rows)
        count = f"({seen}) * {memory.width}" if memory.width > 1 else seen
        lines.append(f"add_seen(me, s->batch, {pointer}, {apart}, {count}, {place}, {pitch});")
    for outer in gradient.outers:
        (left, left_apart), (right, right_apart) = _here(writing, outer.left), _here(writing, outer.right)
        into = f"{place} + {outer.column}" if outer.column else place
        lines.append(
            f"add_outer(me, s->batch, {left}, {left_apart}, {seen}, {right}, {right_apart}, {outer.right.width}, "
            f"{into}, {pitch}, {gradient_columns(gradient)});"
        )
    yield from lines if memory.state else [f"if ({place}) {{", *(INDENT + line for line in lines), "}"]


def _gradient(writing: Writing, name: str, memory: Memory) -> tuple[str, str]:
    """Where a memory's gradient stands, and how far apart those of two examples are."""
    if memory.state:
        plane = writing.names[f"own:{hat(name)}"]
        return f"s->{plane}", f"s->{plane}_row"
    every = _every(memory)
    pitch = every if memory.width == 1 else f"({every}) * {memory.width}"
    return f"s->{writing.names[gradient_key(name)]}", pitch


def _every(memory: Memory) -> str:
    """How many rows a memory has."""
    return _bare(moved("s->steps", memory.more))


def _here(writing: Writing, rows: Rows) -> tuple[str, str]:
    """Where rows stand at step t, and how far apart those of two examples are."""
    scan, names = writing.scan, writing.names
    start = f" + {rows.start}" if rows.start else ""
    if rows.own:
        found = own_place(writing, rows.state, rows.offset, "")
        return found.pointer + start, found.stride
    if rows.still:
        member = names[f"still:{rows.state}"]
        return f"s->{member}{start}", f"s->{member}_row"
    member = names[f"row:{rows.state}"]
    step = moved("t", rows.offset - scan.rows[rows.state])
    return f"s->{member} + {step} * s->{member}_step{start}", f"s->{member}_row"


def _bare(text: str) -> str:
    return text.removeprefix("(").removesuffix(")")


# --- how many rows a function sees ---------------------------------------------------------------

_FUNCTION = re.compile(r"^(?P<head>(?:INLINE|static|long|void) [^;{}]*\)\n\{\n)(?P<body>.*?)^\}", re.M | re.S)
_STRUCT = re.compile(r"^typedef struct \{\n.*?^\} scan;", re.M | re.S)
_USED = re.compile(rf"\b{SEEN}\b")
_ALONE = re.compile(rf"(?<!\w)\({SEEN}\)")


def with_seen(page: str, at_step: int, of_all: int) -> str:
    """The page with the number of rows said in each function that goes by it: at a step those seen, t + `at_step`,
    otherwise all, of which there are `of_all` more than steps."""
    every, page = _bare(moved("s->steps", of_all)), _ALONE.sub(SEEN, page)

    def said(found: re.Match[str]) -> str:
        if not _USED.search(found["body"]):
            return found[0]
        here = _bare(moved("t", at_step)) if "long t," in found["head"] else every
        return f"{found['head']}{INDENT}const long {SEEN} = {here};\n{found['body']}}}"

    said_of_all = partial(_USED.sub, moved("s->steps", of_all))
    return _STRUCT.sub(lambda found: said_of_all(found[0]), _FUNCTION.sub(said, page))
