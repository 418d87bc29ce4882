"""What is wrong with a program, said in the notation's own words.

A `Problem` is data: a code, a sentence, a place, and where there is a likely one a repaired line ready to
paste. `describe` turns it into the lines that a user sees; `NotationError` carries several at once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqmagic.notation.source import NOWHERE, Source, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or (as a warning) likely to be.

    `message` is one sentence; `notes` are further lines (a chain of reasons, a numeric example). Where there is a
    likely repair, `repair` is the repaired line or lines, or `instead` is what should stand in place of the span, or
    `before` a line to put before it, or `bars` are where a comma should be `|`; `repaired` gives the text to paste.
    """

    code: str
    message: str
    span: Span = NOWHERE
    notes: tuple[str, ...] = ()
    repair: str | None = None
    severity: Severity = "error"
    instead: str | None = field(default=None, kw_only=True)
    before: str | None = field(default=None, kw_only=True)
    bars: tuple[Span, ...] = field(default=(), kw_only=True)


def repaired(problem: Problem, source: Source) -> str | None:
    """The repaired line or lines, ready to paste; None where nothing is offered."""
    if problem.repair is not None or problem.span == NOWHERE:
        return problem.repair
    number = source.line_number(problem.span.start)
    line, column = source.line(number), source.column(problem.span.start) - 1
    if source.line_number(problem.span.stop) != number:
        return None  # over several lines: which of them to paste over?
    if problem.before is not None:
        indent = line[: len(line) - len(line.lstrip())]
        return "\n".join([*(indent + each for each in problem.before.split("\n")), line])
    if problem.instead is not None:
        return line[:column] + problem.instead + line[column + problem.span.stop - problem.span.start :]
    for gap in reversed(problem.bars):
        at = source.column(gap.start) - 1
        line = (
            line[:at] + re.sub(r"\s*,\s*", " | ", source.text[gap.start : gap.stop]) + line[at + gap.stop - gap.start :]
        )
    return line if problem.bars else None


def describe(problem: Problem, source: Source) -> list[str]:
    """The lines that a user sees: heading, the line with a caret span, notes, repair."""
    lines = [f"{problem.code}: {problem.message}"]
    if problem.span != NOWHERE:
        lines += _excerpt(problem.span, source)
    lines += [f"  {note}" for note in problem.notes]
    text = repaired(problem, source)
    if text is not None:
        lines += ["  write instead:"]
        lines += [f"    {line}" for line in text.split("\n")]
    return lines


def quoted(text: str, most: int = 40) -> str:
    """A piece of the user's text as it stands within a message, cut if it is long."""
    return f"`{text if len(text) <= most else text[: most - 1] + '…'}`"


def _excerpt(span: Span, source: Source) -> list[str]:
    number = source.line_number(span.start)
    text = source.line(number)
    column = source.column(span.start)
    width = max(1, min(span.stop, span.start + len(text) - column + 1) - span.start)
    start, shown = _window(text, column - 1)
    label = f"  line {number} | "
    before = column - 1 - start
    marked = shown[before : before + width]
    return [(label + shown).rstrip(), " " * (len(label) + _cells(shown[:before])) + "^" * max(1, _cells(marked))]


def _visible(text: str) -> str:
    """The text with a blank for each tab and a mark for each control character, as long as before."""
    return "".join(s if s.isprintable() else " " if s.isspace() else "\ufffd" for s in text)


def _cells(text: str) -> int:
    """How many cells a text takes where letters have one width: marks take none, wide letters two."""
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return len(text) + wide - sum(unicodedata.combining(sign) > 0 for sign in text)


def _window(text: str, column: int, most: int = 100) -> tuple[int, str]:
    """Where the shown part of a line begins, and that part: long lines are cut around the caret."""
    if len(text) <= most:
        return 0, _visible(text)
    start = max(0, min(column - most // 4, len(text) - most))
    shown = _visible(text[start : start + most])
    before, after = "…" if start > 0 else "", "…" if start + most < len(text) else ""
    return start, before + shown[len(before) : most - len(after)] + after


class NotationWarning(UserWarning):
    """A program runs, but perhaps not as it was meant."""


class NotationError(Exception):
    """A program was rejected: every independent problem that was found, in the order of their places."""

    def __init__(self, problems: Sequence[Problem], source: Source) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: p.span.start))
        self.source = source
        super().__init__("\n\n".join("\n".join(describe(p, source)) for p in self.problems))

    def __reduce__(self) -> tuple[type[NotationError], tuple[Sequence[Problem], Source]]:
        return NotationError, (self.problems, self.source)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a Python traceback."""
        return str(self).split("\n")
