"""A program's picture: laid out by us, painted by Graphviz, both only when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from sqmagic.board.dot import About, dot
from sqmagic.board.layout.scene import Scene, scene
from sqmagic.board.paint import Source, paint, source
from sqmagic.board.prose import prose
from sqmagic.board.svg import Theme, finished
from sqmagic.equations.system import System


@dataclass(frozen=True)
class Diagram:
    """`svg` is text to look at, `dot` a `graphviz.Source` with every position in it; both are the same in every
    process. `rows` are the lines of the user's text by their numbers, shown where a node is hovered over."""

    system: System
    title: str = "Diagram"
    rows: tuple[tuple[int, str], ...] = ()
    prefix: str = "sq"
    theme: Theme = "auto"
    expand: tuple[str, ...] = ()

    @cached_property
    def scene(self) -> Scene:
        lines = (*(e.line for e in self.system.equations), *(g.line for g in self.system.goals))
        return _laid_out(self.system, self.rows, self.expand, lines)

    @cached_property
    def _dot(self) -> tuple[str, dict[str, About]]:
        return dot(self.scene, self.prefix)

    @property
    def dot(self) -> Source:
        """Paint it again with any Graphviz: `diagram.dot.render(neato_no_op=2, format="pdf")`."""
        return source(self._dot[0])

    @cached_property
    def svg(self) -> str:
        text, about = self._dot
        return finished(paint(text), about, self.prefix, self.title, self.prose, self.theme)

    @cached_property
    def prose(self) -> str:
        """The picture in words."""
        return prose(self.system)

    def save(self, path: str | Path) -> Path:
        """Write the picture as `.svg` or `.dot`; returns where it lies."""
        place = Path(path)
        forms = {".svg": lambda: self.svg, ".dot": lambda: self._dot[0], ".gv": lambda: self._dot[0]}
        if place.suffix not in forms:
            raise ValueError(
                f"a picture is saved as .svg or .dot, and {place.name!r} ends in neither: for a PNG or PDF save the"
                " .svg and convert it, or give the .dot to `neato -n2`"
            )
        place.write_text(forms[place.suffix](), encoding="utf-8")
        return place

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/svg+xml": self.svg, "text/plain": f"{self.title}: {self.prose}"}


@lru_cache(maxsize=16)
def _laid_out(
    system: System, rows: tuple[tuple[int, str], ...], expand: tuple[str, ...], lines: tuple[int, ...]
) -> Scene:
    """A cell that is run again unchanged is not laid out again; equal systems may stand on different `lines`."""
    return scene(system, dict(rows), expand)


def picture(
    system: System,
    *,
    title: str = "Diagram",
    rows: Sequence[tuple[int, str]] = (),
    prefix: str = "sq",
    theme: Theme = "auto",
    expand: Sequence[str] = (),
) -> Diagram:
    """The picture of a program.

    `rows` are the numbered lines of the user's text, `prefix` begins every id in the picture (letters, digits, `-` and
    `_`), `theme` is `light`, `dark` or, following the reader's system, `auto`. `expand` are the macros,
    or instances of macros, to unfold: `("Enc",)`, `("all",)`.
    """
    if not prefix.replace("-", "").replace("_", "").isalnum() or not prefix[0].isalpha():
        raise ValueError(
            f"the prefix of a picture's ids begins with a letter, then letters, digits, - and _: {prefix!r}"
        )
    return Diagram(system, title, tuple(rows), prefix, theme, tuple(expand))
