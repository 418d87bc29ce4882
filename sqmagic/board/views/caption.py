"""Numbers and base cases in small letters under the picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.scene import Told
from sqmagic.board.theme import text_width
from sqmagic.board.views.marks import Marks
from sqmagic.board.views.part import words

SIZE = 13.0
_UNDER, _LINE, _NARROWEST = 20.0, 18.0, 420.0


def caption(told: Sequence[Told], whole: Box) -> Marks:
    """Under the box that holds the rest."""
    if not told:
        return ()
    middle, top = (whole.left + whole.right) / 2, whole.bottom - _UNDER
    rows = _filled([line.text for line in told], max(whole.right - whole.left, _NARROWEST))
    return tuple(
        words(f"caption-{i}", "caption", row, middle, top - _LINE * (i + 0.5), SIZE, _width(row), serif=True)
        for i, row in enumerate(rows)
    )


def _width(text: str) -> float:
    return text_width(text, SIZE, serif=True)


def _filled(texts: Sequence[str], width: float) -> Iterator[str]:
    line = ""
    for text in texts:
        longer = f"{line}    {text}" if line else text
        if line and _width(longer) > width:
            yield line
            longer = text
        line = longer
    yield line
