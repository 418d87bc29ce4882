"""`parse`: from a cell's text to its tree, or every independent mistake in it."""

from __future__ import annotations

from sqmagic.notation.problems import NotationError, Problem
from sqmagic.notation.reader import Stuck, read
from sqmagic.notation.rejected import Rejected
from sqmagic.notation.source import Source
from sqmagic.notation.syntax import Program


def parse(text: str) -> Program:
    """The tree of a program, as it was written and with places in `text`.

    Raises `NotationError` with every independent mistake that was found (at most 20).
    """
    try:
        return read(text)
    except Stuck as stuck:
        problem = Problem("SQ101", "this cannot stand here", stuck.at)
    except Rejected as rejected:
        problem = rejected.problem
    raise NotationError([problem], Source.of(text))
