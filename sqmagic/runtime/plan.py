"""What runs where, and what it costs: what a net is told of its schedule, with the sizes of its last call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqmagic.runtime.blueprint import PlanPart


class Size(NamedTuple):
    """Of a call: steps, examples, and the bytes of a number."""

    steps: int
    batch: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs where, and what it costs; `scans` says how each recurrence ran last, by the name of its method;
    `rewrites` are the steps by which recurrences were made faster for torch, each by a rule. With the `size` of the
    last call, costs are numbers.
    """

    parts: tuple[PlanPart, ...]
    scans: Mapping[str, str]
    rewrites: tuple[object, ...] = ()
    size: Size | None = None

    def __str__(self) -> str:
        lines = [line for part in self.parts for line in [self._title(part), *(f"    {each}" for each in part.lines)]]
        ran = [f"{name}: {path}" for name, path in self.scans.items()]
        rules = len(self.rewrites)
        rewritten = [f"rewritten for torch in {rules} steps, each by a rule: see `plan.rewrites`"] * bool(rules)
        return "\n".join([*self._head(), *lines, *rewritten, *ran])

    __repr__ = __str__

    def _head(self) -> list[str]:
        if self.size is None or not self.parts:
            return []
        flops, moved = (sum(self._total(part)[n] for part in self.parts) for n in (0, 1))
        steps, batch, _ = self.size
        return [f"forward, T = {steps}, B = {batch}: {_counted(flops)} flops, {_counted(moved)} bytes besides weights"]

    def _title(self, part: PlanPart) -> str:
        """`h: step by step, from the first (432 T B flops, 48 T B numbers = 8,640 flops, 3,840 bytes)`"""
        if not part.numbers:
            return part.title  # words alone
        of = " T B" if part.over_time else " B"
        counts = [f"{part.flops:,}{of} flops"] * bool(part.flops) + [f"{part.numbers:,}{of} numbers"]
        found = ""
        if self.size is not None:
            flops, moved = self._total(part)
            found = " = " + ", ".join([f"{_counted(flops)} flops"] * bool(flops) + [f"{_counted(moved)} bytes"])
        return f"{part.title} ({', '.join(counts)}{found})"

    def _total(self, part: PlanPart) -> tuple[int, int]:
        assert self.size is not None, "a call tells how much there is"
        times = self.size.batch * (self.size.steps if part.over_time else 1)
        return part.flops * times, part.numbers * times * self.size.bytes


def _counted(number: int) -> str:
    """A number, in thousands, millions or billions where it is large."""
    for size, name in ((10**9, " billion"), (10**6, " million")):
        if number >= size:
            return f"{number / size:.3g}{name}"
    return f"{number:,}"
