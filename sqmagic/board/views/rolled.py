"""The cell closed, each rail a loop from the cell through one step of time back into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.graph import Label
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.layout.sizes import CIRCLE, WIRE, label_width
from sqmagic.board.names import index_text, offset_text
from sqmagic.board.views.aims import over, tops, width
from sqmagic.board.views.beside import BESIDE
from sqmagic.board.views.cells import circles, joined, key, letter, spread
from sqmagic.board.views.marks import About, Frame, Line, Mark, Marks, Shape, Words, bounds, centred, moved
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import Pass, passes
from sqmagic.equations.system import Fixed, Last, Range, Running

_WIDE, _HIGH = 128.0, 136.0
_FIRST, _NEXT, _OUT, _DELAY, _HEIGHT = 26.0, 26.0, 62.0, 44.0, 24.0
_CIRCLES = 30.0


def rolled(scene: Scene) -> Marks:
    """Loops of values from earlier steps lie on the right, of values from later ones on the left; they never cross."""
    part = scene.parts["c"]
    found = [lag for p in passes(part) if p.inward for lag in _lags(part, p)]
    made = {(p.value.state, p.back): p.label for p in passes(part) if not p.inward}
    right, left = ([p for p in found if p.side == side] for side in ("left", "right"))
    parts = scene.parts.keys() & {"b", "a"}
    high = max(_HIGH, 2 * (_FIRST + _NEXT * max(len(right), len(left)) + (_FIRST if parts else 0.0)))
    own = circles(scene, 0)
    above = tops(part, own)
    wide = max(_WIDE, width(above, own))
    cell = Box(-wide / 2, -high / 2, wide / 2, high / 2)
    reach = high / 2 + _CIRCLES + CIRCLE
    below = spread([replace(c, spot=(c.spot[0], -reach)) for c in own if not c.above], cell.left, cell.right)
    marks: list[Mark] = [Frame(key(), "cell", cell, About("one step")), letter(cell, key(), scene.letter)]
    marks += [mark for c in below for mark in joined(c, cell, key(), 0, headed=True)]
    marks += over(part, above, cell, key(), reach)
    for side, border, sign in ((right, cell.right, 1), (left, cell.left, -1)):
        marks += _loops([(p, made[p.value.state, p.back]) for p in side], border, sign, scene.colours)
    return _with_parts(scene, marks, cell)


def _lags(part: Part, own: Pass) -> Iterator[Pass]:
    """A rail once for each distance at which its value is read: those of several steps wait in delays."""
    users = part.graph.users(own.node)
    if not users or any(part.graph.nodes[n].kind != "delay" for n in users):
        yield own
    waiting = [n for n in users if part.graph.nodes[n].kind == "delay"]
    while waiting:
        n, *waiting = waiting
        if any(part.graph.nodes[m].kind != "delay" for m in part.graph.users(n)):
            yield replace(own, node=n, value=part.graph.nodes[n].outs[0])
        waiting += [m for m in part.graph.users(n) if part.graph.nodes[m].kind == "delay"]


def _loops(found: Sequence[tuple[Pass, Label]], border: float, sign: int, colours: Mapping[str, int]) -> Iterator[Mark]:
    """Loops within each other, each with the name of what the cell makes, to the right (`sign` 1) or to the left."""
    out = max([_OUT, *(label_width(made, WIRE) + 14 for _, made in found)])
    for i, (own, made) in enumerate(found):
        x, y = border + sign * (out + (_DELAY + 22) * i), _FIRST + _NEXT * i
        yield from _loop(own, border, x, y)
        wide = label_width(made, WIRE) + 2
        middle = x - sign * (wide / 2 + 4)
        box = Box(middle - wide / 2, y + 4, middle + wide / 2, y + 6 + WIRE)
        about = About(state=own.value.state)
        yield Words(f"v-loop-{own.node}", "value", box, made, WIRE, about, colours.get(own.value.state))


def _loop(own: Pass, border: float, x: float, y: float) -> Iterator[Mark]:
    """Out of the border at height y, through a delay at x, and back in as far below the middle."""
    delay, label = f"n-loop-{own.node}", Label(_delay(own), serif=True)
    about = About(state=own.value.state)
    title = f"{_steps(own)} {'later' if own.back else 'earlier'}"
    room = max(_DELAY, label_width(label, WIRE) + 10)
    yield Line(f"r-{own.node}-out", ((border, y), (x, y), (x, _HEIGHT / 2)), key(), delay, False, own.looks, about)
    yield Line(f"r-{own.node}-in", ((x, -_HEIGHT / 2), (x, -y), (border, -y)), delay, key(), True, own.looks, about)
    yield Shape(delay, "delay", centred(x, 0.0, room, _HEIGHT), label, WIRE - 1, About(title, own.value.state))


def _steps(own: Pass) -> str:
    match own.value.context:
        case (Running(_, offset),) if abs(offset) > 1:
            return f"{abs(offset)} steps"
        case _:
            return "one step"


def _delay(own: Pass) -> str:
    match own.value.context:
        case (Running(index, offset),):
            return index + offset_text(offset)
        case (Range(Fixed() | Running(), Running(index, -1)),):
            return index + offset_text(-1)
        case (Range(Running(index, 1), Last() | Running()),):
            return index + offset_text(1)
        case context:
            return ",".join(map(index_text, context))


# --- beside the cell -----------------------------------------------------------------------------------


def _with_parts(scene: Scene, marks: Sequence[Mark], cell: Box) -> Marks:
    """What comes before the steps enters below all loops, what comes after them leaves above."""
    whole = bounds(marks)
    out = list(marks)
    for name, border, y in (("b", cell.left, cell.bottom + 12), ("a", cell.right, cell.top - 12)):
        if name in scene.parts:
            part, met = scene.parts[name], _met(scene, name)
            own = body(name, part, scene.colours)
            room = bounds(own)
            dx = whole.left - BESIDE - room.right if name == "b" else whole.right + BESIDE - room.left
            dy = -(room.top + room.bottom) / 2 if met is None else y - part.placed.spots[met][1]
            own = moved(own, dx, dy)
            out += own
            if met is not None:
                out.append(_join(name, part, met, own, (border, y)))
    return tuple(out)


def _met(scene: Scene, name: str) -> int | None:
    """The first circle in a part through which it is joined to the steps."""
    passing = {p.value.state for p in passes(scene.parts["c"])}
    kind = "output" if name == "b" else "input"
    nodes = enumerate(scene.parts[name].graph.nodes)
    return next((n for n, node in nodes if node.kind == kind and node.state in passing), None)


def _join(name: str, part: Part, met: int, marks: Marks, at: Spot) -> Line:
    """The wire between a circle and the cell's border at a spot."""
    circle, about = f"n-{name}{met}", About(state=part.graph.nodes[met].state)
    box = next(m.box for m in marks if isinstance(m, Shape) and m.key == circle)
    if name == "b":
        return Line(f"r-{name}-{met}", ((box.right, at[1]), at), circle, key(), True, ("rail",), about)
    return Line(f"r-{name}-{met}", (at, (box.left, at[1])), key(), circle, True, ("rail",), about)
