r"""The sheet as LaTeX for a paper: forward, backward and update, one after the other, to copy and paste.

What is written needs amsmath, amssymb and xcolor in a document, and nothing in MathJax and KaTeX. States have no
colours, for `\textcolor{#0463c1}` is known to the latter two alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqmagic.board.derivation.chains import Entry, Said, Step
from sqmagic.board.formula import Atom, Formula
from sqmagic.board.latex import shape_latex, write

_HEADINGS = {"forward": "Forward", "backward": "Backward", "update": "Update"}


def paper(head: Sequence[Formula], rows: Sequence[Entry], columns: Sequence[str]) -> str:
    r"""The lines of an `align*` or `aligned`, without it; the conventions stand where adjoints first do."""
    parts: list[str] = []
    shown = [name for name in columns if any(getattr(entry, name) for entry in rows)]
    for name in shown:
        entries = reversed(rows) if name == "backward" else rows
        lines = list(_lines(each for entry in entries for each in getattr(entry, name)))
        if name == "backward":
            lines = [rf"& {write(each)}" for each in head] + lines
        parts += [rf"& \text{{{_HEADINGS[name]}}}", *lines] if len(shown) > 1 else lines
    return " \\\\\n".join(parts)


def aligned(lines: str, environment: str) -> str:
    return f"\\begin{{{environment}}}\n{lines}\n\\end{{{environment}}}"


def _lines(chains: Iterable[Said]) -> Iterator[str]:
    for said in chains:
        for n, step in enumerate(said.steps):
            left = write(said.left) if said.left is not None and n == 0 else ""
            yield f"{left} &{_right(step)}{_aside(said, n)}"


def _right(step: Step) -> str:
    relation = write(Atom(step.relation, "infix")) if step.relation else ""
    return " ".join([relation, *map(write, step.pieces)]).rstrip()


def _aside(said: Said, n: int) -> str:
    told = r" \quad ".join(said.beside(n, shape_latex, write))
    return rf" && \textcolor{{gray}}{{{told}}}" if told else ""
