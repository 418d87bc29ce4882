"""Ways to look at a program over time: its cell alone, in a chain of three, between its ghosts, or rolled up.

Each is a function from what was laid out to marks on the page; a program without time has one way only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from sqmagic.board.layout.scene import Scene
from sqmagic.board.views.caption import caption
from sqmagic.board.views.legend import legend as explained
from sqmagic.board.views.marks import Marks, bounds
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import passes
from sqmagic.board.views.rolled import rolled
from sqmagic.board.views.starts import untold
from sqmagic.board.views.strip import chain, ghosts, single

View = Literal["chain", "single", "ghost", "rolled"]

VIEWS: dict[View, Callable[[Scene], Marks]] = {"chain": chain, "single": single, "ghost": ghosts, "rolled": rolled}
_STARTS = {"chain", "ghost"}


def seen(scene: Scene, view: View = "chain", *, legend: bool = True) -> Marks:
    """All marks of a picture: the view, what is told under it and, if wanted, the legend."""
    timed = scene.parts.get("c")
    if timed:
        marks = VIEWS[view](scene)
    else:
        marks = tuple(mark for name, part in scene.parts.items() for mark in body(name, part, scene.colours))
    if not marks:
        return ()
    told = untold(scene.told, passes(timed)) if timed and view in _STARTS else scene.told
    marks += caption(told, bounds(marks))
    return marks + explained(scene, marks, bounds(marks)) if legend else marks
