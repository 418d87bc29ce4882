"""Problems as those tools tell them whose output editors and builds read: `file:line:column: error SQ101: …`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from sqmagic.notation.problems import Problem, describe
from sqmagic.notation.source import NOWHERE, Source
from sqmagic.shell.files import STANDARD


def tell(file: str, source: Source, problems: Iterable[Problem]) -> None:
    for problem in problems:
        print("\n".join(lines(file, source, problem)), file=sys.stderr)


def lines(file: str, source: Source, problem: Problem) -> list[str]:
    """The place, then what a notebook shows below the message: the line with a caret, the reasons, a repair."""
    _, *rest = describe(problem, source)
    return [f"{place(file, source, problem)}: {problem.severity} {problem.code}: {problem.message}", *rest]


def place(file: str, source: Source, problem: Problem) -> str:
    shown = "<stdin>" if file == STANDARD else file
    at = max(problem.span.start, 0) if problem.span != NOWHERE else 0
    return f"{shown}:{source.line_number(at)}:{source.column(at)}"
