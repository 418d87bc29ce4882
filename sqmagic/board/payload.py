"""What our own renderer is told of a program: every way to see it, so that it can be switched without a kernel.

The picture that was asked for is `image/svg+xml` in the same output and is not held twice; the others are texts of SVG
without style sheets, compressed. Version 1 is `Payload`; `labextension/src/payload.ts` reads it.
"""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import NotRequired, TypedDict

from sqmagic.board.derivation.sheet import Sheet
from sqmagic.board.diagram import Diagram
from sqmagic.board.errors import PictureError
from sqmagic.board.places import Place, Places
from sqmagic.board.sheet import Shapes, entries
from sqmagic.board.views import VIEWS

MIME = "application/vnd.seqnet+json"
VERSION = 1


class Row(TypedDict):
    """A row of the sheet: the number of its line (0: a rule made it), its text, its equations as MathML."""

    line: int
    text: str
    equations: list[str]


class State(TypedDict):
    """The name of a state's colour, and where it stands in the text: line, first column, column after the last."""

    colour: str
    places: list[Place]


class Direction(TypedDict):
    """A sheet and pictures by `view/fold`, each gzip in base64; `whole` is the view of a program without time."""

    sheet: list[Row]
    pictures: dict[str, str]


class Derived(Direction):
    """What is read up: the conventions that stand above its rows, as MathML, and how far these were checked."""

    head: list[str]
    foot: str


class Payload(Direction):
    """What is shown at first is `shown`, the key of the picture that the output itself holds, in `theme`."""

    version: int
    title: str
    prose: str
    shown: str
    theme: str
    source: list[tuple[int, str]]
    states: dict[str, State]
    backward: NotRequired[Derived]


def payload(
    drawn: Diagram,
    notation: str,
    shapes: Shapes,
    named: Places,
    *,
    equations: bool = True,
    derivation: Sheet | None = None,
) -> Payload:
    """The payload of a program whose picture is `drawn`.

    `named` says where states stand in the text. Without `equations` the sheet is empty; `derivation` adds what is read
    up. Without a picture (no engine to paint it) there is the sheet alone.
    """
    rows = drawn.rows or tuple(enumerate(notation.split("\n"), 1))
    sheet = [
        Row(line=int(entry.number or 0), text=entry.text, equations=list(entry.equations))
        for entry in entries(drawn.system, dict(rows), shapes)
    ]
    told = Payload(
        version=VERSION,
        title=drawn.title,
        prose=drawn.prose,
        shown=_key(drawn),
        theme=drawn.theme,
        source=[(number, line) for number, line in rows],
        states={state: State(colour=_colour(drawn, state), places=named.get(state, [])) for state in _states(drawn)},
        sheet=sheet if equations else [],
        pictures=dict(_pictures(drawn)),
    )
    if derivation is not None:
        up = [Row(line=row.line, text=row.text, equations=list(said)) for row, said in derivation.rows()]
        head = list(derivation.conventions())
        told["backward"] = Derived(sheet=up, pictures={}, head=head, foot=derivation.foot)
    return told


def packed(svg: str) -> str:
    """A picture as the payload holds it, the same bytes in every process."""
    return b64encode(gzip.compress(svg.encode(), 9, mtime=0)).decode()


@lru_cache(maxsize=16)
def _pictures(drawn: Diagram) -> tuple[tuple[str, str], ...]:
    """All other views, folded and unfolded; none where there is no way to paint."""
    others = {_key(other): other for other in _others(drawn)}
    others.pop(_key(drawn), None)
    try:
        return tuple((key, packed(other.bare)) for key, other in others.items())
    except PictureError:
        return ()


def _others(drawn: Diagram) -> Iterable[Diagram]:
    views = VIEWS if _timed(drawn) else (drawn.view,)
    folds = ((), ("all",)) if any(e.group for e in drawn.system.equations) else (drawn.expand,)
    return (replace(drawn, view=view, expand=fold) for fold in folds for view in views)


def _key(drawn: Diagram) -> str:
    folds: Mapping[tuple[str, ...], str] = {(): "folded", ("all",): "unfolded"}
    return f"{drawn.view if _timed(drawn) else 'whole'}/{folds.get(drawn.expand, 'asked')}"


def _timed(drawn: Diagram) -> bool:
    return "c" in drawn.scene.parts


def _states(drawn: Diagram) -> Iterable[str]:
    system = drawn.system
    return dict.fromkeys([i.state for i in system.inputs] + [t.state for e in system.equations for t in e.targets])


def _colour(drawn: Diagram, state: str) -> str:
    colours = drawn.scene.colours
    return f"s{colours[state]}" if state in colours else "border"
