"""Where the lines of a grid are where nothing but the number of tracks between them has changed."""

from __future__ import annotations

from collections.abc import Sequence

from sqmagic.board.layout.grid import Plan

Lines = Sequence[int]
"""For each line of the grid before its place in the grid afterwards."""


def widened(plan: Plan, before: int, after: int) -> tuple[Lines, Lines]:
    """Lines that run upright, by their place from left to right, and those that run across, from the bottom."""
    columns, rows = plan.columns.count, plan.rows.count
    return _tracked(columns, before, after, 1), _tracked(rows, before, after, 0)


def _tracked(count: int, before: int, after: int, border: int) -> Lines:
    """Between borders, if there are any: tracks, a centre line, tracks and so on."""
    lines = [0] * border
    for first in range(border, border + (count + 1) * (after + 1), after + 1):
        lines += [first + min(k, after - 1) for k in range(before)]
        lines.append(first + after)
    return lines if border else lines[:-1]
