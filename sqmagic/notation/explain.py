"""Every independent mistake of a text that does not read, each told once, with a repair if that reads.

The text is cut into its statements and each is read alone, so that one mistake neither hides nor causes another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from sqmagic.notation.build import NO_BLOCK
from sqmagic.notation.mistakes.place import BLOCK, Mistake, Place
from sqmagic.notation.mistakes.rows import recognise
from sqmagic.notation.problems import Problem
from sqmagic.notation.reader import Stuck, logical_lines, read, width
from sqmagic.notation.rejected import Rejected
from sqmagic.notation.source import NOWHERE, Span
from sqmagic.notation.wellformed import RETURN_OUTSIDE, judge, judge_statements

MOST = 20  # problems told at once

_EDITS = 8  # a line may bear the same mistake several times; more than that is not repaired
_GOES_ON = re.compile(r"--[\[>]|->|=>|==\[|[$→⟶⇒⟹]|[─–—═]+[\[→>]")
_LONGEST = 500  # characters of a line that is shown repaired
_INDENTED = "only a macro's heading, as in `Enc: h_{t-1}, x_t`, opens an indented block"


def find_problems(text: str) -> list[Problem]:
    """The problems of a text that does not read, in the order of their places: at least one, at most 20."""
    found = list(islice(_problems(text), MOST)) or _problems_of(text)
    if any(problem.message.endswith(NO_BLOCK) for problem in found):
        return [problem for problem in found if problem.message != RETURN_OUTSIDE]  # that is why it stands outside
    return found


def _problems(text: str) -> Iterator[Problem]:
    for block in _blocks(text):
        start, stop = block[0].start, block[-1].stop
        whole = [_moved(problem, start) for problem in _problems_of(text[start:stop])]
        alone = list(islice(_line_by_line(text, block), MOST)) if whole and len(block) > 1 else []
        yield from alone or whole


def _blocks(text: str) -> list[list[Span]]:
    """The statements of a text, each with those that are indented under it."""
    blocks: list[list[Span]] = []
    for line in logical_lines(text):
        if blocks and _column(text, line) > _column(text, blocks[0][0]):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return blocks


def _column(text: str, line: Span) -> int:
    return width(text[text.rfind("\n", 0, line.start) + 1 : line.start])


def _line_by_line(text: str, block: list[Span]) -> Iterator[Problem]:
    """The problems of a macro's lines, each line read alone."""
    for line, below in zip(block, [*block[1:], None], strict=True):
        piece = text[line.start : line.stop]
        heads = below is not None and _column(text, below) > _column(text, line)
        try:
            statements = read(piece + BLOCK if heads else piece).statements
        except Rejected as rejected:
            yield _moved(rejected.problem, line.start)
        except Stuck as stuck:
            if below is not None and stuck.kind == "_INDENT":
                indentation = text[text.rfind("\n", 0, line.start) + 1 : line.start]
                yield Problem("SQ107", _INDENTED, below, repair=indentation + text[below.start : below.stop])
            else:
                yield _moved(explain(piece, BLOCK if heads else "", stuck), line.start)
        else:
            yield from (_moved(problem, line.start) for problem in judge_statements(statements))


def _problems_of(text: str) -> list[Problem]:
    try:
        return judge(read(text))
    except Rejected as rejected:
        return [rejected.problem]
    except Stuck as stuck:
        return [explain(text, "", stuck)]


def _moved(problem: Problem, by: int) -> Problem:
    assert problem.span != NOWHERE
    return replace(problem, span=Span(problem.span.start + by, problem.span.stop + by))


def explain(line: str, below: str, stuck: Stuck) -> Problem:
    """What is wrong with a statement that does not read, where `below` stands for the block under it."""
    mistake = recognise(_place(line, below, stuck))
    span = Span(mistake.start, max(mistake.stop, mistake.start + 1))
    found = _repaired(line, below, mistake)
    if found is None:
        return Problem(mistake.code, mistake.message, span)
    repair, others = found
    return Problem(mistake.code, mistake.message, span, tuple(others), repair)


def _place(line: str, below: str, stuck: Stuck) -> Place:
    plain = re.sub(r"#[^\n]*", lambda comment: " " * len(comment[0]), line) + below
    start = min(stuck.at.start, len(line))
    stop = start if stuck.kind in ("_NL", "$END") else stuck.at.stop
    return Place(plain[:start], plain[start:stop], plain[stop:], stuck.kind, stuck.expected)


def _repaired(line: str, below: str, mistake: Mistake) -> tuple[str, list[str]] | None:
    """The line with the mistake's edit, and with those of the mistakes that then show, and what is said of the ones
    that are unlike the first; None if it never reads."""
    first, others = mistake.message, dict[str, None]()
    for _ in range(_EDITS):
        if mistake.edit is None or len(line) > _LONGEST:
            return None
        start, stop, instead = mistake.edit
        line = (line[:start] + instead + line[stop:]).rstrip()
        lead = "x " if _GOES_ON.match(line) else ""
        try:
            return None if judge_statements(read(lead + line + below).statements) else (line, list(others))
        except Rejected:
            return None
        except Stuck as stuck:
            at = Span(stuck.at.start - len(lead), stuck.at.stop - len(lead))
            mistake = recognise(_place(line, below, Stuck(at, stuck.kind, stuck.expected)))
            if mistake.code != "SQ103" and mistake.message != first:
                others[mistake.message] = None
    return None
