"""How often a wire must bend at least before it arrives, if nothing stood in its way."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from sqmagic.board.layout.ports import E, N, S, W

_STEPS = {E: (1, 0), N: (0, 1), W: (-1, 0), S: (0, -1)}


def least(way: int, end: int, dx: int, dy: int) -> int:
    """Bends of a wire that goes `way` and arrives going `end` at what lies (dx, dy) from it."""
    (x, y), (u, v) = _STEPS[way], _STEPS[end]
    ahead, onward = dx * x + dy * y, dx * u + dy * v
    aside = abs(dx * y) + abs(dy * x)
    if way == end:
        return (0 if ahead >= 0 else 4) if not aside else 2 if ahead > 0 else 4
    if (way + 2) % 4 == end:
        return 2 if aside else 4
    return 1 if ahead >= 0 and onward > 0 else 3


def _mask(ways: Iterable[int]) -> int:
    return sum(1 << way for way in ways)


_LEAST = {
    mask: tuple(
        min((least(way, end, dx, dy) for end in range(4) if mask >> end & 1), default=0)
        for way, dx, dy in product(range(4), (0, 1, -1), (0, 1, -1))
    )
    for mask in range(16)
}


def table(ways: Iterable[int]) -> tuple[int, ...]:
    """`least` for the best of several ways to arrive, at `9 * way + 3 * i + j`: only the signs of dx and dy matter,
    and i and j are 0 where they are 0, 1 where they are positive, else 2."""
    return _LEAST[_mask(ways)]
