"""Every kind of mistake, and exactly what its author is told.

A mistake is a folder with the program and the message; a new one needs no Python, only `pytest --update-golden`
and a look at what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import sqmagic
from sqmagic.emit.torch.write import refused
from sqmagic.nets import kernel_of
from sqmagic.notation.problems import NotationError, Problem, describe, repaired
from sqmagic.notation.reader import logical_lines
from sqmagic.notation.source import Source
from sqmagic.pipeline import Sizes, generate, understand

MISTAKES = sorted((Path(__file__).parent / "problems").glob("*/program.sqn"))


def said(text: str, world: str | None = None) -> tuple[Sequence[Problem], str]:
    """What a cell's author is told: its errors, or else its warnings, or what keeps it from becoming torch code."""
    try:
        known = understand(text, kernel_of({}, {}, world))
        if refused(known.system) and not known.warnings:
            raise NotationError(refused(known.system), known.source)
        if known.system.equations and not known.warnings:
            generate("net", known, Sizes(), {})
        told = "\n\n".join("\n".join(describe(w, known.source)) for w in known.warnings)
        return known.warnings, told
    except NotationError as error:
        return error.problems, str(error)


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.parent.name)
def test_a_mistake_is_told_in_these_words(path: Path, golden: Callable[[Path, str], None]) -> None:
    problems, text = said(path.read_bytes().decode(), world(path))
    assert problems, "a mistake is told"
    golden(path.with_name("message.txt"), f"{text}\n")


def world(path: Path) -> str | None:
    """The environment that a mistake's program is bound to: what stands in `world.txt`, if there is one."""
    named = path.with_name("world.txt")
    return named.read_text().strip() if named.exists() else None


def with_repairs(text: str, problems: Sequence[Problem]) -> str:
    """The text with each repair pasted over the statement that it is for, blanks before it included."""
    source = Source.of(text)
    for problem in reversed([problem for problem in problems if repaired(problem, source) is not None]):
        line = next(line for line in logical_lines(text) if problem.span.start <= line.stop)
        whole = problem.code == "SQ107" or problem.repair is None
        start = text.rfind("\n", 0, line.start) + 1 if whole else line.start
        text = text[:start] + str(repaired(problem, source)) + text[line.stop :]
    return text


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.parent.name)
def test_a_repair_pasted_in_heals(path: Path) -> None:
    text = path.read_bytes().decode()
    problems, _ = said(text, world(path))
    repairs = {problem.code for problem in problems if repaired(problem, Source.of(text)) is not None}
    after, _ = said(with_repairs(text, problems), world(path))
    assert not repairs & {problem.code for problem in after}


def test_every_code_has_a_case() -> None:
    written = (path.read_text() for path in Path(sqmagic.__file__).parent.rglob("*.py"))
    codes = {code for text in written for code in re.findall(r'"(SQ\d{3})"', text)}
    told = {problem.code for path in MISTAKES for problem in said(path.read_bytes().decode(), world(path))[0]}
    elsewhere = {"SQ309", "SQ704"}  # of data, and of adjoints, which no text can show: see test_shapes, test_adjoint
    assert codes - told == elsewhere
