"""Where the lines of a grid are after a plan has changed: the columns and rows whose nodes went on together keep their
lines, what is between them keeps its order, and what is gone is pressed together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from sqmagic.board.layout.grid import Plan

Lines = Sequence[int]
"""For each line of the grid before its place in the grid afterwards."""


def carried(before: Plan, after: Plan, tracks: int) -> tuple[Lines, Lines]:
    """Lines that run upright, by their place from left to right, and those that run across, from the bottom."""
    across, up = after.columns, after.rows
    columns = _kept(
        pair for own, now in zip(before.columns.of, across.of, strict=True) for pair in zip(own, now, strict=True)
    )
    levels = _kept(zip(before.rows.row, up.row, strict=True))
    return (
        _lines(columns, before.columns.count, across.count, tracks, True),
        _lines(levels, before.rows.count, up.count, tracks, False),
    )


def widened(plan: Plan, before: int, after: int) -> tuple[Lines, Lines]:
    """The same where nothing but the number of tracks has changed."""
    columns, rows = plan.columns.count, plan.rows.count
    return _tracked(columns, before, after, 1), _tracked(rows, before, after, 0)


def _tracked(count: int, before: int, after: int, border: int) -> Lines:
    """Between borders, if there are any: tracks, a centre line, tracks and so on."""
    lines = [0] * border
    for first in range(border, border + (count + 1) * (after + 1), after + 1):
        lines += [first + min(k, after - 1) for k in range(before)]
        lines.append(first + after)
    return lines if border else lines[:-1]


def _kept(moves: Iterable[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Pairs of an old place and a new one, in the same order on both sides, for which most nodes speak."""
    votes: dict[tuple[int, int], int] = {}
    for move in moves:
        votes[move] = votes.get(move, 0) + 1
    pairs = sorted(votes)
    if all(a < c and b < d for (a, b), (c, d) in pairwise(pairs)):
        return tuple(pairs)
    weights: list[int] = []
    before: list[int] = []
    for k, (a, b) in enumerate(pairs):
        earlier = [(weights[j], j) for j in range(k) if pairs[j][0] < a and pairs[j][1] < b]
        weight, last = max(earlier, default=(0, -1))
        weights.append(weight + votes[a, b])
        before.append(last)
    return tuple(_chain(pairs, before, max(range(len(pairs)), key=weights.__getitem__)))[::-1]


def _chain(pairs: Sequence[tuple[int, int]], before: Sequence[int], last: int) -> Iterator[tuple[int, int]]:
    while last >= 0:
        yield pairs[last]
        last = before[last]


@lru_cache(maxsize=4096)
def _lines(kept: tuple[tuple[int, int], ...], old: int, new: int, tracks: int, upright: bool) -> Lines:
    """Upright lines have a border on either side; across there are tracks under the first row and above the last."""
    each, border = tracks + 1, int(upright)
    first = border + tracks
    ends = ((border - 1, border - 1), (first + old * each, first + new * each))
    anchors = [ends[0], *((first + a * each, first + b * each) for a, b in kept), ends[1]]
    out = [0] if upright else []
    for (a, b), (c, d) in pairwise(anchors):
        out += [b + min(k, d - b - 1) for k in range(1, c - a)]
        out.append(d)
    return out if upright else out[:-1]
