"""The room that macro instances take on the grid: what is not theirs should stand outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.rows import Rows, instances


@dataclass(frozen=True, slots=True)
class Room:
    """The columns and rows, first to last, that the nodes of an instance span."""

    path: tuple[str, ...]
    left: int
    right: int
    bottom: int
    top: int


def rooms(graph: Graph, rows: Rows, columns: Columns) -> list[Room]:
    out = []
    for path in instances(graph):
        own = [n for n, node in enumerate(graph.nodes) if node.group[: len(path)] == path and columns.of[n]]
        across, up = [c for n in own for c in columns.of[n]], [rows.row[n] for n in own]
        out.append(Room(path, min(across), max(across), min(up), max(up)))
    return out


def nested(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether one of two instances is in the other."""
    short, long = sorted((a, b), key=len)
    return long[: len(short)] == short
