"""What one sees of a program that is understood: its picture, its equations or derivation, the filled-in text.

A program that was refused is drawn as far as it can be read (`sketch`), with its faults marked.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

from sqmagic.acted import bound
from sqmagic.board.derivation.sheet import Sheet
from sqmagic.board.diagram import LOOK, Diagram, Look, picture
from sqmagic.board.errors import PictureError
from sqmagic.board.faults import NO_FAULTS, Faults, faults
from sqmagic.board.lanes import Lane, lanes
from sqmagic.board.paint import PAINTERS, Painter
from sqmagic.board.payload import MIME, payload
from sqmagic.board.places import places
from sqmagic.board.sheet import bundle
from sqmagic.calculus.phases import opaque
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.elaborate.stacks import in_words, layered
from sqmagic.equations.shapes import Shape, infer
from sqmagic.equations.show import show_state
from sqmagic.equations.system import Running, System
from sqmagic.notation.problems import NotationError, Problem
from sqmagic.notation.salvage import salvage
from sqmagic.notation.show import show
from sqmagic.notation.source import Source
from sqmagic.pipeline import Sizes, Understood, states

if TYPE_CHECKING:
    from sqmagic.runtime.net import Net


Derive = Literal["forward", "full", "off"]


@dataclass(frozen=True, slots=True)
class Page:
    """How a net shows itself: its picture, and with it the forward equations, the full derivation or nothing.

    `check` says whether every form of a derivation is held against torch.autograd before it is shown.
    """

    look: Look = LOOK
    derive: Derive = "forward"
    check: bool = True


PAGE = Page()


def elaborated_text(known: Understood, sizes: Sizes) -> str:
    """The filled-in program; shapes that the text, or the environment, settles are among what is filled in."""
    system, world = known.system, known.kernel.world
    whole = system if world is None else bound(system, world)
    shapes = infer(whole, sizes=sizes.integers, width=None, measure=sizes.measure, source=known.source)
    declared = {d.state for d in system.declared} | {i.state for i in system.inputs if i.sizes is not None}
    declared |= opaque(system)
    index = system.indices[0].name if system.indices else ""
    running = {t.state for e in system.equations for t in e.targets if t.context} | {
        i.state for i in system.inputs if i.indexed
    }
    lines = [
        (f"{show_state(state, (Running(index),) if state in running else ())} : {' x '.join(map(str, shape))}", "shape")
        for state, shape in shapes.states.items()
        if state not in {*declared, *shapes.varying} and not shapes.problems
    ]
    written = layered(known.program)
    return known.elaborated.text(tuple((written(text), rule) for text, rule in lines))


def drawn(name: str, known: Understood, page: Page) -> Diagram:
    return _picture(name, known.system, known.source, page.look)


def planned(name: str, page: Page, sized: str, forward: Sequence[Lane], back: Sequence[Lane]) -> str:
    """A plan as a picture; `sized` says of how many steps and examples its costs are."""
    return lanes(name, sized, forward, back, page.look.theme)


def derived(
    name: str, known: Understood, integers: Mapping[str, int], page: Page, shapes: Mapping[str, Shape]
) -> Sheet:
    """The derivation; `shapes` are those to be shown, as far as they are known.

    Raises NotationError of a program whose shapes contradict one another, and WrongForm, an internal error, if a form
    is not what torch.autograd computes: such a form is never shown.
    """
    from sqmagic.checking.check import CannotTell, sheet

    try:
        derivation, found = sheet(known.system, integers=integers, checking=page.check)
    except CannotTell as wrong:
        raise NotationError(in_words(wrong.problems, known.program), known.source) from None
    checked = found if isinstance(found, str) else (found.forms, found.worst)
    return Sheet(derivation, known.system, name, rows(known.source), checked, shapes)


def shown(
    name: str, known: Understood, integers: Mapping[str, int], page: Page, shapes: Mapping[str, Shape]
) -> dict[str, object]:
    """What a notebook shows of a program, by mime type."""
    sheet = derived(name, known, integers, page, shapes) if page.derive == "full" else None
    text, picture = show(known.program), drawn(name, known, page)
    equations = page.derive != "off"
    indices = [index.name for index in known.system.indices]
    named = places(known.program, known.source, states(known.system), indices)
    told = payload(picture, text, shapes, named, equations=equations, derivation=sheet)
    return {**bundle(picture, text, shapes, equations=equations, derivation=sheet), MIME: told}


def show_as(net: Net, name: str, known: Understood, integers: Mapping[str, int], page: Page) -> None:
    """A net that is there already shows itself in another way."""
    told = (name, known, integers, page)
    lanes = partial(planned, name, page)
    net.show_as(partial(drawn, name, known, page), partial(shown, *told), partial(derived, *told), lanes)


def rows(source: Source) -> tuple[tuple[int, str], ...]:
    """The numbered lines of the text, for those who show them beside what became of them."""
    return tuple((n, line) for n, line in enumerate(source.text.split("\n"), 1) if line.strip())


def _picture(name: str, system: System, source: Source, look: Look, faults: Faults = NO_FAULTS) -> Diagram:
    """A picture whose ids begin with a short name for text and look, so that two on one page have ids of their own."""
    prefix = f"sq-{sha256(f'{source.text.strip()}{look}'.encode()).hexdigest()[:8]}"
    return picture(
        system,
        title=name,
        rows=rows(source),
        prefix=prefix,
        view=look.view,
        theme=look.theme,
        expand=look.expand,
        legend=look.legend,
        painter=_painter(),
        faults=faults,
    )


def _painter() -> Painter:
    """The Graphviz inside, unless SQMAGIC_GRAPHVIZ asks for the one on this machine."""
    wanted = os.environ.get("SQMAGIC_GRAPHVIZ") or "wasm"
    found = next((painter for painter in PAINTERS if painter == wanted), None)
    if found is None:
        raise PictureError(f"SQMAGIC_GRAPHVIZ is {wanted!r}, and there are: {', '.join(PAINTERS)}")
    return found


def sketch(
    text: str,
    name: str = "net",
    look: Look = LOOK,
    kernel: Kernel | None = None,
    problems: Sequence[Problem] = (),
) -> Diagram | None:
    """What can be drawn of a program, right or wrong, the errors among the problems marked; None where nothing can."""
    source, read = Source.of(text), salvage(text)
    if read is None:
        return None
    meant = elaborate(read.program, source, kernel or Kernel())
    if not meant.system.equations and not meant.system.goals:
        return None
    places = [problem.span for problem in problems if problem.severity == "error"]
    return _picture(name, meant.system, source, look, faults(meant.system, places, read.lost | meant.lost))
