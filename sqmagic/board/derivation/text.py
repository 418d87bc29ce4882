"""The sheet as lines of Unicode text: each line of the notation, and below it what it says in each column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.board.derivation.chains import Entry, Said, Step
from sqmagic.board.formula import Formula
from sqmagic.board.plain import shape_plain, write


def text(title: str, head: Sequence[Formula], rows: Sequence[Entry], columns: Sequence[str], foot: str = "") -> str:
    parts = [title] if title else []
    parts += ["   ".join(map(write, head))] if head else []
    for entry in rows:
        chains = [each for name in columns for each in getattr(entry, name)]
        if chains:
            parts.append("\n".join(["", _heading(entry), *(line for each in chains for line in _lines(each))]))
    return "\n".join([*parts, *(["", foot] if foot else [])]).strip("\n")


def _heading(entry: Entry) -> str:
    return f"{entry.line}  {entry.text}".rstrip() if entry.line else "made by a rule"


def _lines(said: Said) -> Iterator[str]:
    """A line for each form; the signs of all but the first stand below the first's."""
    left = "" if said.left is None else write(said.left)
    for n, step in enumerate(said.steps):
        start = left if n == 0 else " " * len(left)
        yield f"   {start} {equation(step)}{_aside(said, n)}".rstrip()


def equation(step: Step) -> str:
    """`= Fᵀ δₜ^F {line 4} + …`."""
    pieces = "".join(f" {write(piece)}" for piece in step.pieces)
    return f"{step.relation}{pieces}".replace("  ", " ").strip()


def _aside(said: Said, n: int) -> str:
    told = "; ".join(said.beside(n, shape_plain, write))
    return f"   [{told}]" if told else ""
