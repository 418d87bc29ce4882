"""What the cells of one kernel share: the macros that they defined, and how each net came about.

A cell that runs again with an unchanged recipe gives the very same net, so that running a notebook from the top does
not forget what was learnt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:  # this much is loaded by %load_ext
    from sqmagic.equations.system import System
    from sqmagic.notation.syntax import Macro, Program
    from sqmagic.runtime.blueprint import DataShape
    from sqmagic.runtime.net import Net


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a net depends on. The program is a tree, so spaces and comments take no part.

    `taken` are the integers and modules of the kernel by name (a module is equal to itself alone), `like` the shapes
    that data of the kernel told.
    """

    program: Program
    system: System
    taken: Mapping[str, object]
    horizon: int | None
    width: int
    like: Mapping[str, DataShape]


@dataclass(slots=True)
class Session:
    """`homes` says for each macro which cell it is of. Changed only by cells that were carried out in full."""

    macros: dict[str, Macro] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)
    recipes: WeakKeyDictionary[Net, Recipe] = field(default_factory=WeakKeyDictionary)

    def define(self, macros: Mapping[str, Macro], home: str) -> None:
        self.macros.update(macros)
        self.homes.update(dict.fromkeys(macros, home))
