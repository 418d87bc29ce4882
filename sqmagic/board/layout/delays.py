"""A value of several steps ago comes in as what it was a step ago, and waits: one rail with a delay on it for each
distance that is read. What is to come is awaited in the same way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from sqmagic.board.layout.graph import Label, Node, Use, Value
from sqmagic.board.names import MINUS
from sqmagic.equations.system import Running


def delayed(nodes: Sequence[Node], indexed: Collection[str], made: Collection[Value]) -> list[Node]:
    """The nodes, and delays before them for the states in `indexed` that are read more than one step away, and not
    made here from what other steps have."""
    distances: dict[tuple[str, str, int], set[int]] = {}
    for value in (use.value for node in nodes for use in node.ins if use.value not in made):
        match value.context:
            case (Running(index, offset),) if offset and value.state in indexed:
                sign = 1 if offset > 0 else -1
                distances.setdefault((value.state, index, sign), set()).add(abs(offset))
    found = [node for key, far in distances.items() for node in _delays(*key, far)]
    return [*found, *nodes]


def _delays(state: str, index: str, sign: int, far: set[int]) -> Iterator[Node]:
    for near, further in pairwise(sorted({1, *far})):
        before, after = (Value(state, (Running(index, sign * k),)) for k in (near, further))
        label = Label(f"{index}{'+' if sign > 0 else MINUS}{further - near}")
        title = f"{further - near} step{'s' if further - near > 1 else ''} {'later' if sign > 0 else 'earlier'}"
        yield Node("delay", label, (Use(before),), (after,), title=title)
