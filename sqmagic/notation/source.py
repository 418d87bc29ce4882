"""Places in a text: a `Span` is a range of characters, and `Source` turns it into lines and columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to, and without, `stop` of the source text, counted from 0."""

    start: int
    stop: int

    def __or__(self, other: Span) -> Span:
        """The smallest span that holds both; a span from nowhere adds nothing."""
        if self == NOWHERE or other == NOWHERE:
            return other if self == NOWHERE else self
        return Span(min(self.start, other.start), max(self.stop, other.stop))


NOWHERE = Span(-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Something with a place in the text; the place takes no part in equality."""

    span: Span = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """A text and where its lines begin. Lines and columns count from 1, as editors do."""

    text: str
    starts: tuple[int, ...]

    @staticmethod
    def of(text: str) -> Source:
        text = with_line_ends(text)
        lengths = [len(line) + 1 for line in text.split("\n")]
        return Source(text, tuple(accumulate(lengths[:-1], initial=0)))

    def line_number(self, position: int) -> int:
        return max(1, bisect_right(self.starts, position))

    def column(self, position: int) -> int:
        return position - self.starts[self.line_number(position) - 1] + 1

    def line(self, number: int) -> str:
        stop = self.starts[number] - 1 if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : stop]


def with_line_ends(text: str) -> str:
    """The text, as long as before, with `\\n` where `\\r` alone ends a line."""
    return re.sub(r"\r(?!\n)", "\n", text)


T = TypeVar("T")


def unplaced(tree: T) -> T:
    """The tree without its places: what a later cell may take over, whose text is another."""
    if isinstance(tree, tuple):
        return tuple(unplaced(member) for member in tree)  # type: ignore[return-value]
    if not isinstance(tree, Placed):
        return tree
    changes = {f.name: unplaced(getattr(tree, f.name)) for f in fields(tree) if f.name != "span"}
    return replace(tree, span=NOWHERE, **changes)
