"""Where several steps of a state are read as a range, all that is read of its other steps comes in on one rail: the
widest range, from which single steps and narrower ranges are taken. Joined with the step's own it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqmagic.board.layout.graph import BLOCKS, NOTHING, Label, Node, Side, Use, Value
from sqmagic.board.names import index_text
from sqmagic.equations.system import Fixed, Index, Last, Point, Range, Read, Running, shift


@dataclass(frozen=True, slots=True)
class Carried:
    """What comes in of a state from one side, and what goes on at the other, under the name that it has there."""

    state: str
    side: Side
    entry: Value
    exit: Value
    name: Value


def carried(nodes: Sequence[Node], indexed: Mapping[str, Value]) -> tuple[list[Node], tuple[Carried, ...]]:
    """The nodes with those that take parts of such ranges and join them with the step's own, and these ranges."""
    read: dict[tuple[str, Side], dict[Value, None]] = {}
    for value in (use.value for node in nodes for use in node.ins):
        if value.state in indexed and (side := _side(value)):
            read.setdefault((value.state, side), {})[value] = None
    before, after, found = list[Node](), list[Node](), list[Carried]()
    for (state, side), values in read.items():
        if any(isinstance(value.context[0], Range) for value in values):
            entry = Value(state, (_widest([value.context[0] for value in values], side),))
            before += [_taken(entry, value) for value in values if value != entry]
            own, joined = indexed[state], Value(state, _next(entry, side))
            made = _made([*nodes, *before], entry, own, side)
            if made is None:
                made = Value("", (), -1 - len(found))
                after.append(Node("merge", NOTHING, tuple(map(Use, _ordered(entry, own, side))), (made,)))
            found.append(Carried(state, side, entry, made, joined))
    return [*before, *nodes, *after], tuple(found)


def _side(value: Value) -> Side | None:
    """Where a step, or a range of steps, comes from that is wholly before or after the step's own."""
    match value.context:
        case (Running(_, offset),) if offset:
            return value.side
        case (Range(Fixed() | Running(), Running(_, offset)),) if offset < 0:
            return "left"
        case (Range(Running(_, offset), Last() | Running()),) if offset > 0:
            return "right"
        case _:
            return None


def _widest(indices: Sequence[Index], side: Side) -> Range:
    """From the furthest step that is read up to the neighbour of the step's own."""
    far = [p for i in indices for p in (_far(i, side),)]
    ends = [p for p in far if not isinstance(p, Running)]
    name = next(p.index for i in indices for p in _near(i, side) if isinstance(p, Running))
    if side == "left":
        furthest = min(ends or far, key=_place)
        return Range(furthest, Running(name, -1))
    return Range(Running(name, 1), max(ends or far, key=_place))


def _far(index: Index, side: Side) -> Point:
    match index:
        case Range(first, last):
            return first if side == "left" else last
        case Running() | Fixed() | Last():
            return index


def _near(index: Index, side: Side) -> Iterator[Point]:
    match index:
        case Range(first, last):
            yield last if side == "left" else first
        case Running() | Fixed() | Last():
            yield index


def _place(point: Point) -> int:
    return point.value if isinstance(point, Fixed) else point.offset


def _taken(entry: Value, value: Value) -> Node:
    """A single step, or a narrower range, out of a range."""
    return Node("pointwise", Label(f"[{index_text(value.context[0])}]"), (Use(entry),), (value,))


def _next(entry: Value, side: Side) -> tuple[Index, ...]:
    """What the neighbour reads in place of what is read here."""
    moved = shift(Read(entry.state, entry.context), 1 if side == "left" else -1)
    assert isinstance(moved, Read)
    return moved.context


def _ordered(entry: Value, own: Value, side: Side) -> tuple[Value, Value]:
    return (entry, own) if side == "left" else (own, entry)


def _made(nodes: Sequence[Node], entry: Value, own: Value, side: Side) -> Value | None:
    """Where a range and the step's own are joined already, or a macro does so out of sight."""
    for node in nodes:
        values = tuple(use.value for use in node.ins)
        if node.kind == "merge" and values == _ordered(entry, own, side):
            return node.outs[0]
        if node.kind in BLOCKS and own in node.outs and entry in values:
            return own
    return None
