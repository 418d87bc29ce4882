"""The size of one axis: a number, or a number of steps that the text leaves open (`k_{1:t}` has t rows)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from sqmagic.equations.system import Fixed, Last, Point, Range, Running


@dataclass(frozen=True, slots=True)
class Steps:
    """`t`, `T - t + 1`. `parts` are (index, how many times), sorted and never empty or zero."""

    parts: tuple[tuple[str, int], ...]
    constant: int = 0

    def __str__(self) -> str:
        plus = [(n, name) for name, n in self.parts if n > 0]
        minus = [(-n, name) for name, n in self.parts if n < 0]
        words = [f"+ {_times(n, name)}" for n, name in plus] + [f"- {_times(n, name)}" for n, name in minus]
        if self.constant:
            words.append(f"{'+' if self.constant > 0 else '-'} {abs(self.constant)}")
        return " ".join(words).removeprefix("+ ")


Dimension: TypeAlias = int | Steps
Shape: TypeAlias = tuple[int, ...]


def plus(a: Dimension, b: Dimension) -> Dimension:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    counts = Counter(_parts(a))
    counts.update(_parts(b))
    return _linear(counts, _constant(a) + _constant(b))


def times(a: Dimension, n: int) -> Dimension:
    if isinstance(a, int):
        return n * a
    return _linear({name: n * k for name, k in _parts(a).items()}, n * _constant(a))


def divided(a: Dimension, n: int) -> Dimension | None:
    """a / n where that is whole, else None."""
    if _constant(a) % n or any(k % n for k in _parts(a).values()):
        return None
    return _linear({name: k // n for name, k in _parts(a).items()}, _constant(a) // n)


def rows(window: Range) -> Dimension:
    """How many indices a range holds, both ends included: 4 for `t-3:t`, t for `1:t`, T for `1:T`."""
    return plus(plus(_position(window.last), times(_position(window.first), -1)), 1)


def _position(point: Point) -> Dimension:
    match point:
        case Running(index, offset):
            return Steps(((index, 1),), offset)
        case Last(index, offset):
            return Steps(((index.upper(), 1),), offset)
        case Fixed(value):
            return value
        case _:
            assert_never(point)


def _linear(parts: Mapping[str, int], constant: int) -> Dimension:
    kept = tuple(sorted((name, n) for name, n in parts.items() if n))
    return Steps(kept, constant) if kept else constant


def _parts(a: Dimension) -> dict[str, int]:
    return dict(a.parts) if isinstance(a, Steps) else {}


def _constant(a: Dimension) -> int:
    return a.constant if isinstance(a, Steps) else a


def _times(n: int, name: str) -> str:
    return name if n == 1 else f"{n}{name}"
