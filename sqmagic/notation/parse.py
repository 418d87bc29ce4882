"""`parse`: from a cell's text to its tree, or to every independent mistake in it."""

from __future__ import annotations

from sqmagic.notation.explain import find_problems
from sqmagic.notation.problems import NotationError
from sqmagic.notation.reader import Stuck, read
from sqmagic.notation.rejected import Rejected
from sqmagic.notation.source import Source, with_line_ends
from sqmagic.notation.syntax import Program
from sqmagic.notation.wellformed import judge


def parse(text: str) -> Program:
    """The tree of a program as it was written, each node with its place in `text`.

    Raises `NotationError` with every independent mistake, at most 20 of them (codes SQ1xx, see `codes`).
    """
    text = with_line_ends(text)
    try:
        program = read(text)
        problems = judge(program)
    except (Stuck, Rejected):
        problems = find_problems(text)
    if problems:
        raise NotationError(problems, Source.of(text))
    return program
