"""What is known at a place of a cell, finished or not: for completion and for help. Nothing here changes the kernel."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqmagic.equations.elaborate import elaborate
from sqmagic.equations.shapes import Shapes, infer
from sqmagic.equations.system import System
from sqmagic.nets import kernel_of
from sqmagic.notation.salvage import salvage
from sqmagic.notation.source import Source
from sqmagic.notation.syntax import Macro
from sqmagic.notebook.tokens import MAGIC, NAME, mode_at, tokens
from sqmagic.schedule.domains import Interval, domains

_MAGIC = re.compile(MAGIC)
_END = re.compile(r"[^\W\d_][^\W_]*['′″]*(?:_\w+['′″]*)*(?:_\{[^{}\s]*\}?['′″]*)?$|_\{[^{}\s]*$")


@dataclass(frozen=True, slots=True)
class Place:
    """A cursor in a cell of ours: `head` is its first line up to the cursor (None further down), `body` the program,
    `mode` how the table of colours reads on there, and `word` the name that ends at the cursor."""

    head: str | None
    body: str
    mode: str
    word: str


def word_at(cell: str, cursor: int) -> str:
    """The name around a cursor, whole, with the subscript that stands at it."""
    start, stop = cell.rfind("\n", 0, cursor) + 1, cell.find("\n", cursor)
    line = cell[start : stop if stop >= 0 else len(cell)]
    at = cursor - start
    return next((m[0] for m in re.finditer(NAME, line) if m.start() <= at <= m.end()), "")


def place(cell: str, cursor: int) -> Place | None:
    """The place of a cursor; None in cells that are not ours."""
    found = _MAGIC.match(cell)
    if found is None:
        return None
    end = cell.find("\n", found.end())
    first = cell.rfind("\n", 0, found.end()) + 1
    body = cell[end + 1 :] if end >= 0 else ""
    if end < 0 or cursor <= end:
        return Place(cell[first:cursor], body, "options", "")
    before = cell[end + 1 : cursor]
    ended = _END.search(before)
    word = ended[0] if ended else ""
    return Place(None, body, mode_at(before[: len(before) - len(word)]), word)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a program and its kernel know. Lines that cannot be read are left out."""

    source: Source
    system: System
    shapes: Shapes
    domains: Mapping[str, Interval]
    macros: Mapping[str, Macro]
    modules: Collection[str]
    written: tuple[str, ...]

    @property
    def states(self) -> tuple[str, ...]:
        system = self.system
        found = [i.state for i in system.inputs] + [t.state for e in system.equations for t in e.targets]
        return tuple(dict.fromkeys(found))

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(layer.name for layer in self.system.layers)


_NOTHING = System((), (), (), (), ())


def scope(body: str, namespace: Mapping[str, object], macros: Mapping[str, Macro]) -> Scope:
    """All that can be known of a program that is being written."""
    source, kernel = Source.of(body), kernel_of(namespace, macros)
    read = salvage(body)
    own: Mapping[str, Macro] = {}
    system = _NOTHING
    if read is not None:
        meant = elaborate(read.program, source, kernel)
        system, own = meant.system, meant.macros
    shapes = infer(system, sizes=kernel.integers, width=None, source=source)
    held = domains(system).states if system.equations else {}
    return Scope(source, system, shapes, held, {**macros, **own}, kernel.modules, tuple(_written(body)))


def _written(body: str) -> list[str]:
    """The names of states as they stand in the text, each once."""
    found: dict[str, None] = {}
    run: tuple[int, int] | None = None
    for token in tokens(body):
        if token.kind == "state":
            run = (token.start, token.stop)
        elif token.kind == "context" and run is not None and run[1] == token.start:
            found.pop(body[run[0] : run[1]], None)
            run = (run[0], token.stop)
        else:
            continue
        found[body[run[0] : run[1]]] = None
    return list(found)
