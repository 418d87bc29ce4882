"""A program's picture: laid out by us, painted by Graphviz, both only when it is looked at."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from html import escape
from pathlib import Path

from sqmagic.board.convert import pdf, png
from sqmagic.board.dot import Drawing, dot
from sqmagic.board.faults import NO_FAULTS, Faults
from sqmagic.board.layout.scene import Scene, scene
from sqmagic.board.paint import PAINTERS, Painter, Source, paint, source
from sqmagic.board.prose import prose
from sqmagic.board.style import style
from sqmagic.board.svg import finished
from sqmagic.board.theme import PALETTES, THEMES, Palette, Theme
from sqmagic.board.unrolling import Unrolling, unrolling
from sqmagic.board.views import VIEWS, View, seen
from sqmagic.equations.system import System


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is to be seen; see `picture`."""

    view: View = "chain"
    theme: Theme = "auto"
    expand: tuple[str, ...] = ()
    legend: bool = True


LOOK = Look()


@dataclass(frozen=True, repr=False)
class Diagram:
    """`svg` is text to look at, `dot` a `graphviz.Source` with every position in it; both are the same in every
    process. `rows` are the lines of the user's text by their numbers, shown where a node is hovered over."""

    system: System
    title: str = "Diagram"
    rows: tuple[tuple[int, str], ...] = ()
    prefix: str = "sq"
    theme: Theme = "auto"
    expand: tuple[str, ...] = ()
    view: View = "chain"
    legend: bool = True
    painter: Painter = "wasm"
    faults: Faults = NO_FAULTS

    @cached_property
    def scene(self) -> Scene:
        lines = (*(e.line for e in self.system.equations), *(g.line for g in self.system.goals))
        return _laid_out(self.system, self.rows, self.expand, self.faults, lines)

    @cached_property
    def _drawing(self) -> Drawing:
        return dot(seen(self.scene, self.view, legend=self.legend), self.prefix, self._palette)

    @property
    def _palette(self) -> Palette:
        """What is seen where no style sheet is read."""
        return PALETTES["light" if self.theme == "auto" else self.theme]

    @property
    def dot(self) -> Source:
        """Paint it again with any Graphviz: `diagram.dot.render(neato_no_op=2, format="pdf")`."""
        return source(self._drawing.text)

    @cached_property
    def svg(self) -> str:
        about, colours = self._drawing.about, self.scene.colours
        shown = dict.fromkeys(a.state for a in about.values() if a.state)
        values = {state: f"s{colours[state]}" if state in colours else "border" for state in shown}
        owners = dict.fromkeys(a.parameter for a in about.values() if a.parameter)
        return self._finished(style(f"#{self.prefix}", self.theme, values, owners))

    @property
    def bare(self) -> str:
        """The same without a style sheet: for pages that have one, and for converters that read none."""
        return self._finished("")

    def _finished(self, styles: str) -> str:
        painted = paint(self._drawing.text, self.painter)
        return finished(painted, self._drawing, self.prefix, self.title, self.prose, styles)

    @property
    def width(self) -> float:
        """Pixels at which a page shows it."""
        return min(float(self.svg.partition('width="')[2].partition('"')[0]), _WIDEST)

    @property
    def html(self) -> str:
        """The picture as an image that holds all of itself, which pages show that do not trust a notebook."""
        source = f"data:image/svg+xml;base64,{b64encode(self.svg.encode()).decode()}"
        words = escape(f"{self.title}: {self.prose}")
        return f'<img src="{source}" width="{self.width:.0f}" alt="{words}">'

    @cached_property
    def prose(self) -> str:
        """The picture in words."""
        return prose(self.system)

    def shown(self, view: View | None = None, theme: Theme | None = None, legend: bool | None = None) -> Diagram:
        """The same picture in another view or theme, with or without legend; what is not said stays as it is."""
        legend = self.legend if legend is None else legend
        return replace(self, view=view or self.view, theme=theme or self.theme, legend=legend)

    def unfolded(self, *macros: str) -> Diagram:
        """The same picture with these macros, or instances of macros, unfolded; all of them unless some are named."""
        return replace(self, expand=macros or ("all",))

    def unrolling(self, seconds: float = 2.0) -> Unrolling:
        """The cell as it unrolls, each view for some seconds, as an SVG that moves by itself.

        Raises ValueError for a program without time.
        """
        if "c" not in self.scene.parts:
            raise ValueError("nothing runs over time in this program, so there is nothing to unroll")
        views: tuple[View, ...] = ("rolled", "single", "ghost", "chain")
        return unrolling([self.shown(view, legend=False) for view in views], self._palette.paper, seconds)

    def painted_by(self, painter: Painter) -> Diagram:
        """The same picture from the Graphviz inside (`wasm`) or from the one installed on this machine (`system`)."""
        return replace(self, painter=painter)

    def save(self, path: str | Path) -> Path:
        """Write the picture as `.svg`, `.pdf`, `.png` or `.dot`; returns where it lies.

        Raises PictureError where a PDF or PNG needs a package that is not installed.
        """
        place = Path(path)
        form = place.suffix.lower()
        if form not in _FORMS:
            raise ValueError(
                f"a picture is saved as one of {', '.join(_FORMS)}, and {place.name!r} ends in none of them"
            )
        made = self._as(form)
        place.write_bytes(made)
        return place

    def _as(self, form: str) -> bytes:
        match form:
            case ".svg":
                return self.svg.encode()
            case ".pdf":
                return pdf(self.bare, self._palette.paper, self.title)
            case ".png":
                return png(self.bare, self._palette.paper)
            case _:
                return self._drawing.text.encode()

    def __repr__(self) -> str:
        return f"<picture of {self.title}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "image/svg+xml": self.svg, "text/plain": f"{self.title}: {self.prose}"}


_WIDEST = 1000.0
_FORMS = (".svg", ".pdf", ".png", ".dot", ".gv")


@lru_cache(maxsize=16)
def _laid_out(
    system: System, rows: tuple[tuple[int, str], ...], expand: tuple[str, ...], faults: Faults, lines: tuple[int, ...]
) -> Scene:
    """A cell that is run again unchanged is not laid out again; equal systems may stand on different `lines`."""
    return scene(system, dict(rows), expand, faults)


def picture(
    system: System,
    *,
    title: str = "Diagram",
    rows: Sequence[tuple[int, str]] = (),
    prefix: str = "sq",
    theme: Theme = "auto",
    expand: Sequence[str] = (),
    view: View = "chain",
    legend: bool = True,
    painter: Painter = "wasm",
    faults: Faults = NO_FAULTS,
) -> Diagram:
    """The picture of a program.

    `rows` are the numbered lines of the user's text, `prefix` begins every id in the picture (letters, digits, `-` and
    `_`). `theme` is `light`, `dark`, `chalkboard`, `colour-blind`, `print` or, following the reader's system, `auto`.
    `expand` are the macros, or instances of macros, to unfold: `("Enc",)`, `("all",)`. A program over time is seen as a
    `chain` of three cells, as a `single` one, between its `ghost`s, or `rolled` up. `painter` is the Graphviz that
    paints: the one inside (`wasm`) or, on request, the one on this machine (`system`). `faults` are marked.
    """
    if not prefix.replace("-", "").replace("_", "").isalnum() or not prefix[0].isalpha():
        raise ValueError(
            f"the prefix of a picture's ids begins with a letter, then letters, digits, - and _: {prefix!r}"
        )
    for word, value, known in (("theme", theme, THEMES), ("view", view, VIEWS), ("painter", painter, PAINTERS)):
        if value not in known:
            raise ValueError(f"no {word} is called {value!r}: there are {', '.join(known)}")
    return Diagram(system, title, tuple(rows), prefix, theme, tuple(expand), view, legend, painter, faults)
