"""Every kind of mistake, and exactly what its author is told.

A mistake is a folder with the program and the message; a new one needs no Python, only `pytest --update-golden`
and a look at what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sqmagic
from sqmagic.emit.torch.refusals import refused
from sqmagic.nets import kernel_of
from sqmagic.notation.parse import parse
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
    # of data, of the kernel, and of adjoints, which no text can show: see test_shapes, test_runtime, test_adjoint
    elsewhere = {"SQ309", "SQ628", "SQ704"}
    assert codes - told == elsewhere


# --- layers that are given several values --------------------------------------------------------

_values = st.sampled_from(["x_t", "h_{t-1}", "(x_t)", "2*x_t", "x_t|u_t", "3", "0.5", "-1", "(4)", "relu(x_t)"])
_lists = st.lists(_values, min_size=1, max_size=3).map(", ".join)


@st.composite
def _calls(draw: st.DrawFn) -> str:
    """`M(3, 4)`, `nograd(embed(5))`, `clip(x_t)@32`: a function as it may stand in an arrow, seldom rightly."""
    name = draw(
        st.sampled_from(["M", "N_1", "embed", "embed_E", "layer_norm", "dropout", "tanh", "clip", "conv", "Enc"])
    )
    text = name + draw(st.just("") | _lists.map("({})".format) | _lists.map("( {} )".format))
    text = draw(st.sampled_from(["{}", "{}", "nograd({})", "freeze({})", "target({}, tau=0.1)"])).format(text)
    return text + draw(st.just("") | st.just("(7)") | st.just("@32"))


@st.composite
def _statements(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return f"{draw(_calls())}({draw(_lists)}) -> y_t"
    arrow = "|".join(draw(st.lists(_calls(), min_size=1, max_size=3)))
    return f"{draw(_lists)}{draw(st.sampled_from([' ', '', chr(10) + '  ']))}--[{arrow}]-> y_t"


@given(st.lists(_statements(), min_size=1, max_size=2), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_repair_of_a_layer_that_is_given_several_values_reads(statements: list[str], in_a_macro: bool) -> None:
    lines = [*statements, "0 -> h_0", "x_t -> h_t"]
    macro = (
        [f"    {line}" for s in statements for line in s.split(chr(10))] if in_a_macro else ["    tanh(a_t|b_t) -> y_t"]
    )
    text = chr(10).join(["Enc: a_t, b_t", *macro, "    return y_t", *lines]) + chr(10)
    problems, _ = said(text)
    source = Source.of(text)
    for problem in problems:
        line = repaired(problem, source)
        if line is not None:
            number = source.line_number(problem.span.start)
            start = source.starts[number - 1]
            pasted = text[:start] + line + text[start + len(source.line(number)) :]
            assert pasted != text, problem
            assert parse(pasted).statements, problem
            assert (problem.message, problem.span) not in [(p.message, p.span) for p in said(pasted)[0]], pasted
