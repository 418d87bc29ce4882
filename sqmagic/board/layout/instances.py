"""The room that macro instances take on the grid: what is not theirs should stand outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import OUTER, Graph
from sqmagic.board.layout.rows import Rows, instances


@dataclass(frozen=True, slots=True)
class Room:
    """The columns and rows, first to last, that the nodes of an instance span."""

    path: tuple[str, ...]
    left: int
    right: int
    bottom: int
    top: int

    def meets(self, other: Room) -> bool:
        across = self.left <= other.right and other.left <= self.right
        return across and self.bottom <= other.top and other.bottom <= self.top


def rooms(graph: Graph, rows: Rows, columns: Columns) -> list[Room]:
    out = []
    for path in instances(graph):
        own = [n for n, node in enumerate(graph.nodes) if node.group[: len(path)] == path and columns.of[n]]
        across, up = [c for n in own for c in columns.of[n]], [rows.row[n] for n in own]
        out.append(Room(path, min(across), max(across), min(up), max(up)))
    return out


def strangers(graph: Graph, rows: Rows, columns: Columns, room: Room) -> Iterator[int]:
    """Nodes that stand in the room of an instance and are not its own."""
    for n, node in enumerate(graph.nodes):
        own = columns.of[n]
        if node.kind in OUTER or not own or node.group[: len(room.path)] == room.path:
            continue
        if own[0] <= room.right and room.left <= own[-1] and room.bottom <= rows.row[n] <= room.top:
            yield n


def intrusions(graph: Graph, rows: Rows, columns: Columns) -> int:
    """How many nodes and instances stand in the room of an instance that is not theirs."""
    own = rooms(graph, rows, columns)
    crossed = sum(a.meets(b) and not _nested(a.path, b.path) for a, b in combinations(own, 2))
    return crossed + sum(1 for room in own for _ in strangers(graph, rows, columns, room))


def _nested(a: Sequence[str], b: Sequence[str]) -> bool:
    short, long = sorted((a, b), key=len)
    return long[: len(short)] == short
