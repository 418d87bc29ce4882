"""What is wrong with a program, said in the notation's own words.

A `Problem` is data: a code, a sentence, a place, and where there is a likely one a repaired line ready to
paste. `describe` turns it into the lines that a user sees; `NotationError` carries several at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqmagic.notation.source import NOWHERE, Source, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or (as a warning) likely to be.

    `message` is one sentence; `notes` are further lines (a chain of reasons, a numeric example); `repair` is
    the repaired line or lines.
    """

    code: str
    message: str
    span: Span = NOWHERE
    notes: tuple[str, ...] = ()
    repair: str | None = None
    severity: Severity = "error"


def describe(problem: Problem, source: Source) -> list[str]:
    """The lines that a user sees: heading, the line with a caret span, notes, repair."""
    lines = [f"{problem.code}: {problem.message}"]
    if problem.span != NOWHERE:
        lines += _excerpt(problem.span, source)
    lines += [f"  {note}" for note in problem.notes]
    if problem.repair is not None:
        lines += ["  write instead:"]
        lines += [f"    {line}" for line in problem.repair.split("\n")]
    return lines


def _excerpt(span: Span, source: Source) -> list[str]:
    number = source.line_number(span.start)
    text = source.line(number)
    column = source.column(span.start)
    width = max(1, min(span.stop, span.start + len(text) - column + 1) - span.start)
    start, shown = _window(text, column - 1, width)
    label = f"  line {number} | "
    return [label + shown, " " * (len(label) + column - 1 - start) + "^" * min(width, len(shown))]


def _window(text: str, column: int, width: int, most: int = 100) -> tuple[int, str]:
    """Where the shown part of a line begins, and that part: long lines are cut around the caret."""
    if len(text) <= most:
        return 0, text.replace("\t", " ")
    start = max(0, min(column - most // 4, len(text) - most))
    return start, text[start : start + most].replace("\t", " ")


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
