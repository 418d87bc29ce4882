"""`Sheet`: the derivation of a program, to look at in a notebook, to copy into a paper, to read in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import assert_never

from sqmagic.board.binding import Notes
from sqmagic.board.derivation.chains import Entry, entries, known_of
from sqmagic.board.derivation.head import conventions
from sqmagic.board.derivation.page import COLUMNS, equation, page
from sqmagic.board.derivation.paper import aligned, paper
from sqmagic.board.derivation.text import text
from sqmagic.board.formula import Formula
from sqmagic.board.mathml import write
from sqmagic.calculus.derivation.forms import Derivation
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import System


@dataclass(frozen=True, repr=False)
class Sheet:
    """The columns of a program's derivation. `forward`, `backward` and `update` are sheets of one column.

    `system` is the program itself, `texts` its lines by their numbers. `checked` says how many forms were held against
    torch.autograd and by how much the worst was off, or why that was not done. `shapes` are those of the
    states, as far as they are known, to be shown.
    """

    derivation: Derivation
    system: System
    title: str = ""
    texts: tuple[tuple[int, str], ...] = ()
    checked: tuple[int, float] | str = ""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    columns: tuple[str, ...] = tuple(COLUMNS)

    @property
    def forward(self) -> Sheet:
        """What the states are: read down."""
        return replace(self, columns=("forward",))

    @property
    def backward(self) -> Sheet:
        """The adjoints of the states: read up."""
        return replace(self, columns=("backward",))

    @property
    def update(self) -> Sheet:
        """The adjoints of the parameters, and what becomes of these."""
        return replace(self, columns=("update",))

    @cached_property
    def html(self) -> str:
        """The table, without scripts and styles sheets."""
        known = known_of(self.derivation, self.system)
        return page(self.title, self._head(), self._entries(known), self.columns, known.colours, self.foot, self.latex)

    @cached_property
    def latex(self) -> str:
        r"""An `align*` to copy."""
        return aligned(self._paper, "align*")

    @cached_property
    def text(self) -> str:
        """Lines of Unicode."""
        known = known_of(self.derivation, self.system, colours=False, linear=True)
        return text(self.title, self._head(linear=True), self._entries(known), self.columns, self.foot)

    @property
    def foot(self) -> str:
        """How far what is shown was checked."""
        match self.checked:
            case (forms, worst):
                return f"{forms} forms checked against torch.autograd, worst error {worst:.0e}"
            case str(why):
                return f"not checked against torch.autograd{': ' * bool(why)}{why}"
            case _:
                assert_never(self.checked)

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, str]:
        return self.bundle()

    def bundle(self) -> dict[str, str]:
        """Mime type to text, for a notebook."""
        return {
            "text/plain": self.text,
            "text/html": self.html,
            "text/latex": f"$$\n{aligned(self._paper, 'aligned')}\n$$",
        }

    def rows(self) -> tuple[tuple[Entry, tuple[str, ...]], ...]:
        """Each row with what it says in reverse and of update, as MathML."""
        told = self._entries(known_of(self.derivation, self.system))
        return tuple((row, tuple(equation(said) for said in (*row.backward, *row.update))) for row in told)

    def conventions(self) -> tuple[str, ...]:
        """What is said once, above all rows, each as MathML."""
        return tuple(f"<math>{write(each)}</math>" for each in self._head())

    @property
    def _paper(self) -> str:
        known = known_of(self.derivation, self.system, colours=False)
        return paper(self._head(), self._entries(known), self.columns)

    def _entries(self, known: Notes) -> tuple[Entry, ...]:
        return entries(self.derivation, self.system, dict(self.texts), self.shapes, known)

    def _head(self, *, linear: bool = False) -> tuple[Formula, ...]:
        """The conventions, where there is something that they are about."""
        if self.columns == ("forward",):
            return ()
        known = known_of(self.derivation, self.system, linear=linear)
        return conventions(self.derivation, self.system.indices[0].name if self.system.indices else None, known)
