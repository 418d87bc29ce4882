"""Everything that wires are laid from. Each column and row of their grid has a centre line, with free tracks between it
and the next: see csrc/board."""

from __future__ import annotations

from dataclasses import dataclass

from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.rails import Rail
from sqmagic.board.layout.rows import Rows

Point = tuple[int, int]

CROSSING = 4.5
"""What a crossing counts for, where a step counts for 0.4 and a bend for 2.2."""

BEND = 3.2
"""What a bend counts for, where a step counts for 0.4."""

COLUMN = 1.0
"""What a column counts for: a wide picture is shown in small letters."""

ASIDE, UPWARDS = 0.5, -1.0
"""What it counts for that joined lines go on aside; that they only go up."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that routing starts from; `crossing`, `bend`, `column` and `aside` are what each counts for."""

    graph: Graph
    rails: tuple[Rail, ...]
    rows: Rows
    columns: Columns
    crossing: float = CROSSING
    bend: float = BEND
    column: float = COLUMN
    aside: float = UPWARDS
