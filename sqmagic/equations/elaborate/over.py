"""What `over` asks for and nothing computes yet: bounds of the running index, and a layer for each of its values.

A parameter with a running subscript that is not time has a copy for each value (A.1); sharing one copy silently, or
running past a bound, would be another program, so both are refused. It does not ask about several running indices:
that is `schedule.dependence`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqmagic.equations.elaborate.lines import Line
from sqmagic.equations.elaborate.names import Names
from sqmagic.equations.system import Layer, RunningIndex
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import NOWHERE, Source, Span
from sqmagic.notation.syntax import Over

TIME = "t"


def unkept(
    lines: tuple[Line, ...], indices: tuple[RunningIndex, ...], layers: tuple[Layer, ...], names: Names, source: Source
) -> Iterator[Problem]:
    """SQ409 a bound that is not kept, SQ410 a layer that should have a copy for each value of an index."""
    for line in lines:
        if isinstance(line.statement, Over):
            yield from (_bound(index, line.span) for index in indices[:1] if not _is_window(index))
    told: set[str] = set()  # the layers of a macro bear its one name
    for layer in layers:
        subscript = _subscript(layer.name, names)
        if subscript is not None and subscript[0] not in told:
            told.add(subscript[0])
            yield _copies(layer, subscript, source)


def _is_window(index: RunningIndex) -> bool:
    """Whether the bounds are those that every index has: from 1 to its capital."""
    return index.first in (None, 1) and index.last in (None, index.capital)


def _bound(index: RunningIndex, span: Span) -> Problem:
    name = index.name
    message = f"`{name}` runs from 1 to `{index.capital}`: other bounds than these cannot be kept so far"
    counted = index.first == 1 and isinstance(index.last, int) and index.last > 0
    steps = f", here `horizon={index.last}`" if counted else ""
    note = (
        f"how many steps there are is told by the data, or by `horizon` where the program is compiled or called{steps}."
    )
    return Problem("SQ409", message, span, (note,), repair=f"over {name}")


def _subscript(layer: str, names: Names) -> tuple[str, str, str] | None:
    """Of the part of a layer's name that has a running subscript other than time: the part, its stem and the index."""
    for part in layer.split("."):
        stem, _, suffix = part.rpartition("_")
        index = re.split(r"[+-]", suffix)[0]
        if stem and index in names.indices and index != TIME:
            return stem + (f"_{{{suffix}}}" if suffix != index else f"_{suffix}"), stem, index
    return None


def _copies(layer: Layer, subscript: tuple[str, str, str], source: Source) -> Problem:
    """Offers the shared layer as a line, and says how copies are written out."""
    part, stem, index = subscript
    message = f"`{part}` has a copy of its parameters for each `{index}`, and copies cannot be run over an index so far"
    notes = (
        f"copies are written out, a statement for each: `{stem}_1`, `{stem}_2`, …;",
        f"`{stem}` without the subscript is one layer for all `{index}`.",
    )
    written = source.text[layer.span.start : layer.span.stop] if layer.span != NOWHERE else ""
    shared = re.sub(rf"(?<![\w.]){re.escape(stem)}_(?:{index}|\{{{index}[^{{}}]*\}})(?![\w])", stem, written)
    offered = shared != written and layer.function != "param"  # its declaration stands on another line
    return Problem("SQ410", message, layer.span, notes, instead=shared if offered else None)
