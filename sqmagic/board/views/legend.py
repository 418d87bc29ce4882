"""What the shapes and lines of a picture mean: only of what occurs in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.graph import NOTHING, Graph, Label
from sqmagic.board.layout.scene import Scene
from sqmagic.board.layout.sizes import GOAL
from sqmagic.board.names import MINUS
from sqmagic.board.theme import text_width
from sqmagic.board.views.marks import About, Line, Mark, Marks, Shape, Words, centred
from sqmagic.board.views.part import words

SIZE = 11.5
_SAMPLE, _LOW, _BETWEEN, _UNDER, _ROW = 44.0, 24.0, 22.0, 26.0, 58.0
_NARROWEST = 460.0


@dataclass(frozen=True, slots=True)
class Item:
    """A sample, drawn around a spot, and what it means."""

    text: str
    sample: Callable[[str, Spot], Iterator[Mark]]


def legend(scene: Scene, marks: Sequence[Mark], whole: Box) -> Marks:
    """Rows of samples under the box that holds the rest."""
    out: list[Mark] = []
    top, middle = whole.bottom - _UNDER, (whole.left + whole.right) / 2
    number = 0
    for row in _rows(list(_items(scene, marks)), max(whole.right - whole.left, _NARROWEST)):
        x = middle - (sum(map(_width, row)) + _BETWEEN * (len(row) - 1)) / 2
        for item in row:
            spot = (x + _width(item) / 2, top - _LOW / 2)
            out += item.sample(f"legend-{number}", spot)
            out.append(
                words(f"legend-{number}-text", "legend", item.text, spot[0], top - _LOW - 12, SIZE, _width(item))
            )
            x, number = x + _width(item) + _BETWEEN, number + 1
        top -= _ROW
    return tuple(out)


def _width(item: Item) -> float:
    return max(_SAMPLE, text_width(item.text, SIZE))


def _rows(items: Sequence[Item], width: float) -> Iterator[list[Item]]:
    """As few rows as there is room for, as even as can be."""
    if not items:
        return
    needed = sum(map(_width, items)) + _BETWEEN * (len(items) - 1)
    count = int(needed // width) + 1
    rest, share = list(items), needed / count
    while rest:
        row, wide = [rest.pop(0)], 0.0
        wide = _width(row[0])
        while rest and wide + _BETWEEN + _width(rest[0]) <= width and (wide < share * 0.9 or count == 1):
            wide += _BETWEEN + _width(rest[0])
            row.append(rest.pop(0))
        yield row


# --- what occurs -----------------------------------------------------------------------------------------


def _items(scene: Scene, marks: Sequence[Mark]) -> Iterator[Item]:
    """In the order of Olah's own legend, then what he did not need."""
    looks = {mark.look for mark in marks if isinstance(mark, Shape | Words)}
    lines = {look for mark in marks if isinstance(mark, Line) for look in mark.looks}
    lines |= {"fault" for mark in marks if isinstance(mark, Shape) and mark.fault}
    open_keys = [mark.key for mark in marks if isinstance(mark, Shape) and mark.look in _INNER]
    graphs = [part.graph for name, part in scene.parts.items() if any(k.startswith(f"n-{name}") for k in open_keys)]
    if "letter" in looks:
        yield Item("the same cell", _cell(scene.letter))
    for look, text in _SHAPES.items():
        if look in looks:
            yield Item(_outside(graphs) if look == "function" else text, _shape(look))
    yield from (Item(name, _framed(name)) for name in _transforms(marks))
    if any(isinstance(mark, Line) for mark in marks):
        yield Item("vector transfer", _arrow())
    if any(len(graph.inputs[n]) > 1 for graph in graphs for n, node in enumerate(graph.nodes) if node.kind == "merge"):
        yield Item("concatenate", _concatenate)
    if any(_copied(graph) for graph in graphs):
        yield Item("copy", _copy)
    if "operand" in looks:
        yield Item("second operand", _second)
    for look, text in _LINES.items():
        if look in lines:
            yield Item(text, _arrow(look))
    for look, text in _GOALS.items():
        if look in looks:
            yield Item(text, _shape(look))


_INNER = {"layer", "pointwise", "function", "macro", "buffer"}
_SHAPES = {
    "layer": "learned layer",
    "macro": "macro",
    "pointwise": "pointwise op",
    "function": "",
    "buffer": "replay buffer",
    "delay": "one step of time",
}
_LINES = {"held": "target, no gradient", "back": "from the future", "fault": "faulty"}
_GOALS = {"loss": "loss ⇒", "objective": "objective $"}


def _outside(graphs: Sequence[Graph]) -> str:
    names = {node.label.base for graph in graphs for node in graph.nodes if node.kind == "function"}
    world = names & {"step", "reset"}
    return "environment" if world == names else "environment, function" if world else "function"


def _copied(graph: Graph) -> bool:
    return any(len(net.sinks) > 1 for net in graph.nets)


def _transforms(marks: Sequence[Mark]) -> list[str]:
    found = [m.about.title for m in marks if isinstance(m, Shape) and m.look == "frame" and not m.faint]
    return list(dict.fromkeys(found))


# --- samples ---------------------------------------------------------------------------------------------


def _shape(look: str) -> Callable[[str, Spot], Iterator[Mark]]:
    def sample(key: str, at: Spot) -> Iterator[Mark]:
        box = centred(*at, *_SIZES.get(look, (_SAMPLE, _LOW)))
        yield Shape(key, look, box, Label("t−1", serif=True) if look == "delay" else NOTHING, SIZE)
        if look == "function":
            yield Shape(f"{key}-bars", "bars", Box(box.left + 6, box.bottom, box.right - 6, box.top))

    return sample


_SIZES = {"pointwise": (_LOW, _LOW), "delay": (30.0, _LOW), "loss": (48.0, _LOW), "objective": (48.0, _LOW)}


def _framed(name: str) -> Callable[[str, Spot], Iterator[Mark]]:
    def sample(key: str, at: Spot) -> Iterator[Mark]:
        yield Shape(key, "frame", centred(*at, _SAMPLE, _LOW), about=About(name))

    return sample


def _cell(letter: str) -> Callable[[str, Spot], Iterator[Mark]]:
    def sample(key: str, at: Spot) -> Iterator[Mark]:
        box = centred(*at, _SAMPLE, _LOW)
        yield Shape(key, "cell", box, Label(letter), GOAL, About("every step has the same parameters"))

    return sample


def _arrow(look: str = "") -> Callable[[str, Spot], Iterator[Mark]]:
    def sample(key: str, at: Spot) -> Iterator[Mark]:
        (x, y), looks = at, (look,) if look else ()
        ends = ((x - 23, y), (x + 23, y)) if look != "back" else ((x + 23, y), (x - 23, y))
        yield Line(key, ends, f"{key}-from", f"{key}-to", True, looks)

    return sample


def _concatenate(key: str, at: Spot) -> Iterator[Mark]:
    x, y = at
    for i, (dy, end) in enumerate(((8.0, 23.0), (-8.0, 8.0))):
        yield Line(f"{key}-{i}", ((x - 23, y + dy), (x - 4, y + dy), (x - 4, y), (x + end, y)), f"{key}-from-{i}",
                   f"{key}-to", i == 0)  # fmt: skip


def _second(key: str, at: Spot) -> Iterator[Mark]:
    x, y = at
    yield Line(key, ((x - 23, y), (x - 1, y)), f"{key}-from", f"{key}-sign", True)
    yield Shape(f"{key}-sign", "pointwise", centred(x + _LOW / 2 - 1, y, _LOW, _LOW), Label(MINUS), SIZE)
    yield words(f"{key}-second", "operand", MINUS, x - 8, y + 12, SIZE, SIZE)


def _copy(key: str, at: Spot) -> Iterator[Mark]:
    x, y = at
    for i, dy in enumerate((8.0, -8.0)):
        yield Line(f"{key}-{i}", ((x - 23, y), (x, y), (x, y + dy), (x + 23, y + dy)), f"{key}-from",
                   f"{key}-to-{i}", True)  # fmt: skip
