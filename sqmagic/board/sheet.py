"""What a cell's output holds: one static page for every viewer, without scripts, readable without styles.

The picture is an `<img>` with a data URI and the equations are MathML, because these survive where nobody has trusted
the notebook; the picture alone, the equations as LaTeX and the plain text stand beside it for other viewers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sqmagic.board.derivation.sheet import Sheet
from sqmagic.board.diagram import Diagram
from sqmagic.board.errors import PictureError
from sqmagic.board.latex import latex
from sqmagic.board.lines import Line, lines, notes
from sqmagic.board.mathml import MATH, line_mathml
from sqmagic.board.plain import line_plain
from sqmagic.board.theme import text_width
from sqmagic.equations.system import System

_SIDE, _BOTH, _SIGN = 600.0, 900.0, 8.0
"""Pixels: a wider picture stands over its equations, and so does one that is wider together with them; how wide a sign
of a line's text is."""

Shapes = Mapping[str, tuple[int, ...]]


def bundle(
    drawn: Diagram,
    notation: str,
    shapes: Shapes | None = None,
    *,
    equations: bool = True,
    derivation: Sheet | None = None,
) -> dict[str, str]:
    """Mime type to text: plain text, HTML, LaTeX and, where it can be drawn, SVG.

    Without `equations` there is the picture alone; a whole `derivation` stands below it. Else, beside the picture stand
    its program's equations, each at the line of the picture's rows, or of `notation` if it has none; an equation that a
    rule made stands under its own words. `shapes` are the states' shapes without batch and time, shown in grey.
    """
    shapes = shapes or {}
    if derivation is not None:
        told = derivation.bundle()
        out = {**told, "text/html": f"{_picture(drawn)}{told['text/html']}"}
    elif equations:
        out = _with_equations(drawn, notation, shapes)
    else:
        out = {"text/plain": plain_text(notation, shapes), "text/html": _picture(drawn)}
    try:
        return out | {"image/svg+xml": drawn.svg}
    except PictureError:
        return out


def _with_equations(drawn: Diagram, notation: str, shapes: Shapes) -> dict[str, str]:
    rows = drawn.rows or tuple(enumerate(notation.split("\n"), 1))
    return {
        "text/plain": plain_text(notation, shapes),
        "text/html": html(drawn.system, drawn, rows, shapes),
        "text/latex": f"$$\n{latex(drawn.system, shapes)}\n$$",
    }


def _picture(drawn: Diagram) -> str:
    return f"<div>{_image(drawn)[0]}</div>"


def plain_text(notation: str, shapes: Shapes) -> str:
    """The notation itself, and the shapes that are known."""
    told = ", ".join(f"{state}: {'x'.join(map(str, shape))}" for state, shape in shapes.items())
    return f"{notation.strip()}\n\nshapes: {told}" if told else notation.strip()


def html(system: System, drawn: Diagram, rows: Sequence[tuple[int, str]], shapes: Shapes) -> str:
    """A table of two cells, side by side unless the picture is wide: the picture, and a row for each line with its
    number, its text and its equations."""
    left, middle = ' style="text-align:left"', ' style="text-align:left;vertical-align:middle"'
    row = '<tr style="background:none">'  # pages of notebooks have every second row grey
    told = list(entries(system, dict(rows), shapes))
    body = "".join(
        f"{row}<td>{entry.number}</td><td{left}><code>{escape(entry.text)}</code></td>"
        f"<td{left}>{''.join(map(_apart, entry.equations))}</td></tr>"
        for entry in told
    )
    body = body.replace("<math>", MATH)  # our own renderer, which has a style sheet, is told of plain ones
    image, width = _image(drawn)
    over = width > _SIDE or width + _width(told) > _BOTH
    between = f"</td></tr>{row}<td{middle}>" if over else f"</td><td{middle}>"
    return f"<table>{row}<td{middle}>{image}{between}<table>{body}</table></td></tr></table>"


def _apart(equation: str) -> str:
    """An equation on a line of its own; what stands above and below its letters needs room."""
    return f'<div style="padding:3px 0">{equation}</div>'


def _width(told: Sequence[Entry]) -> float:
    """About how wide the sheet is: its texts, its equations, and what lies between."""
    texts = max((len(part) for entry in told for part in entry.text.split("\n")), default=0)
    return 80 + _SIGN * texts + max((entry.width for entry in told), default=0.0)


def _image(drawn: Diagram) -> tuple[str, float]:
    """The picture, or why there is none, and how wide it is."""
    try:
        return drawn.html, drawn.width
    except PictureError as refusal:
        return f"<p>{escape(str(refusal))}</p>", 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the sheet; `number` is empty where a rule made the equations, `width` is about that of the widest."""

    number: str
    text: str
    equations: tuple[str, ...]
    width: float


def entries(system: System, texts: Mapping[int, str], shapes: Shapes) -> Iterator[Entry]:
    told = lines(system, notes(system, shapes))
    words = lines(system, notes(system, shapes, linear=True))
    run: list[tuple[Line, Line]] = []
    for line, word in zip(told, words, strict=True):
        if run and not (line.line and line.line == run[-1][0].line):
            yield _entry(run, texts, shapes)
            run = []
        run.append((line, word))
    if run:
        yield _entry(run, texts, shapes)


def _entry(run: Sequence[tuple[Line, Line]], texts: Mapping[int, str], shapes: Shapes) -> Entry:
    number = run[0][0].line
    text = texts.get(number, "").strip() if number else ""
    equations = tuple(line_mathml(line, shapes.get(line.state) if line.state else None) for line, _ in run)
    plain = [line_plain(word, shapes.get(word.state) if word.state else None) for _, word in run]
    width = max(text_width(each, 15, serif=True) for each in plain)
    return Entry(str(number) if text else "", text or "\n".join(line_plain(word) for _, word in run), equations, width)
