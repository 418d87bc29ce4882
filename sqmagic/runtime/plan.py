"""What runs where, and what it costs: what a net is told of its schedule, with the sizes of its last call."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from itertools import zip_longest
from typing import NamedTuple

from sqmagic.runtime.blueprint import Flops, Lane, Lanes, PlanPart


class Size(NamedTuple):
    """Of a call: steps, examples, and the bytes of a number."""

    steps: int
    batch: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs where, and what it costs; `scans` says how each recurrence ran last, by the name of its method;
    `rewrites` are the steps by which recurrences were made faster for torch, each by a rule. With the `size` of the
    last call, costs are numbers. `windows` says where a program that acts does so, and learns, and why. A notebook
    shows the picture that `draw` makes, and what `str` says below it.
    """

    parts: tuple[PlanPart, ...]
    scans: Mapping[str, str]
    draw: Lanes
    rewrites: tuple[object, ...] = ()
    size: Size | None = None
    windows: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [line for part in self.parts for line in self._told(part)]
        ran = [f"{name}: {path}" for name, path in self.scans.items()]
        rules = len(self.rewrites)
        rewritten = [
            f"rewritten for torch in {rules} step{'s' * (rules > 1)}, each by a rule: see `plan.rewrites`"
        ] * bool(rules)
        return "\n".join([*self._head(), *lines, *rewritten, *ran, *self.windows])

    __repr__ = __str__

    # --- as a picture ------------------------------------------------------------------------------

    @property
    def svg(self) -> str:
        """The picture: a lane for each part, over the steps; those of the way back below, in their own order."""
        sized = "" if self.size is None else f"T = {self.size.steps:,}, B = {self.size.batch:,}"
        return self.draw(sized, self._lanes(self.parts, False), self._lanes(self.parts[::-1], True))

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The picture as an image that holds all of itself, which pages show that do not trust a notebook."""
        coded = b64encode(self.svg.encode()).decode()
        picture = f'<img src="data:image/svg+xml;base64,{coded}" alt="what runs in which loop">'
        words = f"<details><summary>in words</summary><pre>{escape(str(self))}</pre></details>"
        return {"text/plain": str(self), "text/html": picture + words, "image/svg+xml": self.svg}

    def _lanes(self, parts: tuple[PlanPart, ...], back: bool) -> list[Lane]:
        own = [part for part in parts if part.kind and (not back or part.reverse is not None)]
        most = sum(self._cost(part, back)[0] for part in own) or 1
        bare = [part for part in own if part.kind == "once" and not _own(part, back)[0]]  # base cases and numbers
        rest = [part for part in own if part not in bare]
        found = [self._lane(rows, back, most) for rows in (bare, *([part] for part in rest)) if rows]
        return found[1:] + found[:1] if bare and back else found

    def _lane(self, parts: Sequence[PlanPart], back: bool, most: int) -> Lane:
        """A part, or what is computed before everything else, together."""
        states = tuple(state for part in parts for state in part.states)
        share = sum(self._cost(part, back)[0] for part in parts) / most
        costs = tuple(self._counts(parts, back))
        hint = "\n".join(line for part in parts for line in self._told(part))
        return Lane(parts[0].kind, states, costs, share, self._ran(parts[0]), hint)

    def _ran(self, part: PlanPart) -> str:
        """By what a recurrence runs: as C, by a CUDA graph or by torch, as it did last."""
        return self.scans.get(part.method or "forward", "torch").partition(",")[0] if part.recurs else ""

    # --- in words ----------------------------------------------------------------------------------

    def _head(self) -> list[str]:
        if self.size is None or not self.parts:
            return []
        lines = [self._summed("forward", False)]
        return lines + [self._summed("in reverse", True)] * any(part.reverse for part in self.parts)

    def _summed(self, direction: str, back: bool) -> str:
        assert self.size is not None, "a call tells how much there is"
        flops, moved = (sum(self._cost(part, back)[n] for part in self.parts) for n in (0, 1))
        steps, batch, _ = self.size
        return f"{direction}, T = {steps}, B = {batch}: {counted(flops)} flops, {counted(moved)} bytes besides weights"

    def _told(self, part: PlanPart) -> Iterator[str]:
        """`h: step by step, from the first (432 T B flops, 48 T B numbers = 8,640 flops, 3,840 bytes)`"""
        yield part.title + self._bracketed(part, False)
        yield from (f"    {line}" for line in part.lines)
        if part.reverse is not None:
            yield f"    in reverse{self._bracketed(part, True)}"

    def _bracketed(self, part: PlanPart, back: bool) -> str:
        if not part.numbers:
            return ""  # words alone
        counts = ", ".join(_formulas([part], back))
        found = f" = {', '.join(self._counts([part], back))}" if self.size else ""
        return f" ({counts}{found})"

    def _counts(self, parts: Sequence[PlanPart], back: bool) -> Iterator[str]:
        """What parts cost together, in numbers if there was a call."""
        if self.size is None:
            yield from _formulas(parts, back)
            return
        flops, moved = (sum(self._cost(part, back)[n] for part in parts) for n in (0, 1))
        if flops:
            yield f"{counted(flops)} flops"
        yield f"{counted(moved)} bytes"

    def _cost(self, part: PlanPart, back: bool) -> tuple[int, int]:
        """Flops and bytes; for one example in a window of one step before there is a call."""
        flops, numbers = _own(part, back)
        steps, batch, wide = self.size or Size(1, 1, 1)
        times = batch * (steps if part.over_time else 1)
        return round(batch * sum(count * steps**n for n, count in enumerate(flops))), numbers * times * wide


def _own(part: PlanPart, back: bool) -> tuple[Flops, int]:
    return (part.reverse or ((), 0)) if back else (part.flops, part.numbers)


def _formulas(parts: Sequence[PlanPart], back: bool) -> Iterator[str]:
    """`64 T² B + 432 T B flops`, `48 T B numbers`: of parts that all run once, or of one."""
    over_time = " T B" if parts[0].over_time else " B"
    counts = [
        sum(each, Fraction(0)) for each in zip_longest(*(_own(part, back)[0] for part in parts), fillvalue=Fraction(0))
    ]
    terms = [(count, f"{_power(n)} B") for n, count in enumerate(counts) if count]
    if terms:
        joined = "".join(f" {'-+'[count > 0]} {_written(abs(count))}{of}" for count, of in reversed(terms))
        yield f"{joined.removeprefix(' + ')} flops"
    yield f"{sum(_own(part, back)[1] for part in parts):,}{over_time} numbers"


def _written(count: Fraction) -> str:
    return f"{int(count):,}" if count.denominator == 1 else f"{float(count):,.1f}"


def _power(n: int) -> str:
    return "" if n == 0 else f" T{'' if n == 1 else '⁰¹²³⁴⁵⁶⁷⁸⁹'[n]}"


def counted(number: int) -> str:
    """A number, in thousands, millions or billions where it is large."""
    for size, name in ((10**9, " billion"), (10**6, " million")):
        if number >= size:
            return f"{number / size:.3g}{name}"
    return f"{number:,}"
