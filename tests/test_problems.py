"""Every kind of mistake, and exactly what its author is told.

A mistake is a folder with the program and the message; a new one needs no Python, only `pytest --update-golden`
and a look at what was written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sqmagic.notation.codes import CODES
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError, Problem
from sqmagic.notation.reader import logical_lines

MISTAKES = sorted((Path(__file__).parent / "problems").glob("*/program.sqn"))


def compile_front(text: str) -> None:
    """What a cell goes through before anything runs."""
    parse(text)


def rejection(path: Path) -> NotationError:
    with pytest.raises(NotationError) as caught:
        compile_front(path.read_bytes().decode())
    return caught.value


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.parent.name)
def test_a_mistake_is_told_in_these_words(path: Path, golden: Callable[[Path, str], None]) -> None:
    golden(path.with_name("message.txt"), f"{rejection(path)}\n")


def with_repairs(text: str, problems: Sequence[Problem]) -> str:
    """The text with each repair pasted over the statement that it is for, blanks before it included."""
    for problem in reversed([problem for problem in problems if problem.repair is not None]):
        line = next(line for line in logical_lines(text) if problem.span.start <= line.stop)
        start = text.rfind("\n", 0, line.start) + 1 if problem.code == "SQ107" else line.start
        text = text[:start] + str(problem.repair) + text[line.stop :]
    return text


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.parent.name)
def test_a_repair_pasted_in_reads(path: Path) -> None:
    error = rejection(path)
    left = sum(problem.repair is None for problem in error.problems)
    try:
        parse(with_repairs(error.source.text, error.problems))
    except NotationError as after:
        assert len(after.problems) == left
    else:
        assert left == 0


def test_every_code_has_a_case() -> None:
    told = {problem.code for path in MISTAKES for problem in rejection(path).problems}
    assert {code for code in told if code.startswith("SQ1")} == CODES.keys()
