"""What can be read of a text that has faulty lines: the others, each at its place, so that they can be drawn."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqmagic.notation.letters import base_of
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError
from sqmagic.notation.source import Source, with_line_ends
from sqmagic.notation.syntax import Program

_GIVEN = re.compile(r"(?:->|[─–—]>|[→⟶])([^-\[\]=$→⟶─–—]*)|^([^:=≔←⟵]*)(?::=|[≔←⟵])")
_NAME = re.compile(r"[^\W\d](?:(?!_\{)[\w₊₋'′″])*(?:_\{[^{}]*\}['′″]*)?")
_WORD = re.compile(r"[^\W\d]\w*'*")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The readable lines as a program, and the names that the others would have defined, without contexts."""

    program: Program
    lost: frozenset[str]


def salvage(text: str) -> Salvaged | None:
    """Reads a text, without the lines that have faults of writing; None where nothing can be read.

    Places in the program are those of the whole text.
    """
    readable, lost = with_line_ends(text), frozenset[str]()
    for _ in range(readable.count("\n") + 1):
        try:
            return Salvaged(parse(readable), lost)
        except NotationError as wrong:
            numbers = {wrong.source.line_number(p.span.start) for p in wrong.problems if p.span.start >= 0}
        left = _without(readable, numbers)
        lost |= _defined(readable, numbers)
        if left == readable:
            return None
        readable = left
    return None


def _without(text: str, numbers: Collection[int]) -> str:
    """The text with blanks for the lines of these numbers."""
    lines = enumerate(text.split("\n"), 1)
    return "\n".join(" " * len(line) if n in numbers else line for n, line in lines)


def _defined(text: str, numbers: Collection[int]) -> frozenset[str]:
    """The words after arrows and before `:=` in these lines."""
    source = Source.of(text)
    lines = (_NAME.sub(lambda name: base_of(name[0]), source.line(n)) for n in numbers)
    given = (match.group(1) or match.group(2) or "" for line in lines for match in _GIVEN.finditer(line))
    return frozenset(word for names in given for word in _WORD.findall(names))
