"""The cell closed, each rail a loop from the cell through one step of time back into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.graph import Label
from sqmagic.board.layout.scene import Scene
from sqmagic.board.layout.sizes import CIRCLE, WIRE, label_width
from sqmagic.board.names import index_text, offset_text
from sqmagic.board.views.beside import BESIDE
from sqmagic.board.views.cells import circles, joined, key, letter, room, spread
from sqmagic.board.views.marks import About, Frame, Line, Mark, Marks, Shape, Words, bounds, centred, moved
from sqmagic.board.views.part import body
from sqmagic.board.views.rails import Pass, passes
from sqmagic.equations.system import Running

_WIDE, _HIGH = 128.0, 136.0
_FIRST, _NEXT, _OUT, _DELAY, _HEIGHT = 26.0, 26.0, 62.0, 44.0, 24.0
_CIRCLES = 30.0


def rolled(scene: Scene) -> Marks:
    """Loops of values from earlier steps lie on the right, of values from later ones on the left; they never cross."""
    part = scene.parts["c"]
    found = [p for p in passes(part) if p.inward]
    made = {p.value.state: p.label for p in passes(part) if not p.inward}
    right, left = ([p for p in found if p.side == side] for side in ("left", "right"))
    parts = scene.parts.keys() & {"b", "a"}
    high = max(_HIGH, 2 * (_FIRST + _NEXT * max(len(right), len(left)) + (_FIRST if parts else 0.0)))
    own = circles(part, 0)
    width = max(_WIDE, room(own))
    cell = Box(-width / 2, -high / 2, width / 2, high / 2)
    reach = {True: high / 2 + _CIRCLES + CIRCLE, False: -high / 2 - _CIRCLES - CIRCLE}
    placed = spread([replace(c, spot=(c.spot[0], reach[c.above])) for c in own], cell.left, cell.right)
    marks: list[Mark] = [Frame(key(), "cell", cell, About("one step")), letter(cell, key())]
    marks += [mark for c in placed for mark in joined(c, cell, key(), 0, headed=True)]
    marks += [m for i, p in enumerate(right) for m in _loop(p, i, cell.right, 1, made[p.value.state], scene.colours)]
    marks += [m for i, p in enumerate(left) for m in _loop(p, i, cell.left, -1, made[p.value.state], scene.colours)]
    return _with_parts(scene, marks, cell)


def _loop(own: Pass, number: int, border: float, sign: int, made: Label, colours: Mapping[str, int]) -> Iterator[Mark]:
    """The `number`th loop, counted from the innermost, out of a border to the right (`sign` 1) or to the left, under
    the name of what the cell makes."""
    y, x = _FIRST + _NEXT * number, border + sign * (_OUT + (_DELAY + 22) * number)
    name, about = f"loop-{own.node}", About(state=own.value.state)
    looks = ("rail", "back") if sign < 0 else ("rail",)
    label = Label(_delay(own), serif=True)
    width = max(_DELAY, label_width(label, WIRE) + 10)
    yield Line(f"r-{name}-out", ((border, y), (x, y), (x, _HEIGHT / 2)), key(), f"n-{name}", False, looks, about)
    yield Line(f"r-{name}-in", ((x, -_HEIGHT / 2), (x, -y), (border, -y)), f"n-{name}", key(), True, looks, about)
    yield Shape(f"n-{name}", "delay", centred(x, 0.0, width, _HEIGHT), label, WIRE - 1,
                About("one step later" if sign < 0 else "one step earlier", own.value.state))  # fmt: skip
    wide = label_width(made, WIRE) + 2
    middle = x - sign * (wide / 2 + 4)
    box = Box(middle - wide / 2, y + 4, middle + wide / 2, y + 6 + WIRE)
    yield Words(f"v-{name}", "value", box, made, WIRE, about, colours.get(own.value.state))


def _delay(own: Pass) -> str:
    match own.value.context:
        case (Running(index, offset),):
            return index + offset_text(offset)
        case context:
            return ",".join(map(index_text, context))


# --- beside the cell -----------------------------------------------------------------------------------


def _with_parts(scene: Scene, marks: Sequence[Mark], cell: Box) -> Marks:
    """What comes before the steps enters below all loops, what comes after them leaves above."""
    whole = bounds(marks)
    out = list(marks)
    for name, border, y in (("b", cell.left, cell.bottom + 12), ("a", cell.right, cell.top - 12)):
        part = scene.parts.get(name)
        if part is None:
            continue
        own, before = body(name, part, scene.colours), name == "b"
        kind = "output" if before else "input"
        met = next(
            (n for n, node in enumerate(part.graph.nodes) if node.kind == kind and _passes(scene, node.state)), None
        )
        height = bounds(own).top + bounds(own).bottom
        dy = -height / 2 if met is None else y - part.placed.spots[met][1]
        dx = whole.left - BESIDE - bounds(own).right if before else whole.right + BESIDE - bounds(own).left
        own = moved(own, dx, dy)
        out += own
        if met is not None:
            circle = next(m.box for m in own if isinstance(m, Shape) and m.key == f"n-{name}{met}")
            ends = ((circle.right, y), (border, y)) if before else ((border, y), (circle.left, y))
            names = (f"n-{name}{met}", key()) if before else (key(), f"n-{name}{met}")
            state = part.graph.nodes[met].state
            out.append(Line(f"r-{name}-{met}", ends, *names, True, ("rail",), About(state=state)))
    return tuple(out)


def _passes(scene: Scene, state: str) -> bool:
    return any(node.side and node.state == state for node in scene.parts["c"].graph.nodes)
