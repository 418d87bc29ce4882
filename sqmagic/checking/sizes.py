"""Sizes for a check: what a program leaves open gets distinct primes, so that no two axes are taken for one another."""

from __future__ import annotations

from collections.abc import Mapping

from sqmagic.equations.shapes import DataShape, Shapes, infer
from sqmagic.equations.system import System

PRIMES = (3, 5, 7, 2, 11, 13)
"""In the order in which they are given; there are not many, since a check should be quick."""


def primes(system: System, integers: Mapping[str, int] | None = None) -> Shapes:
    """The shapes of a System, its open inputs and states as wide as primes of their own. What the program ties or
    declares stays so."""
    told: dict[str, DataShape] = {}
    sizes = integers or {}
    inputs = [i.state for i in system.inputs]
    while True:
        prime = PRIMES[len(told) % len(PRIMES)]
        found = infer(system, sizes=sizes, data=told, width=None)
        open_ = [s for s in inputs if s in found.open_states and s not in told]
        counted = [s for s in inputs if s in found.integers and s not in found.classes and s not in told]
        if open_ or counted:
            told |= {open_[0]: DataShape((prime,))} if open_ else {counted[0]: DataShape((), True, prime)}
            continue
        found = infer(system, sizes=sizes, data=told, width=prime)
        chosen = [s for s in inputs if s in found.classes and s not in found.integers and s not in told]
        if not chosen:
            return found
        told[chosen[0]] = DataShape((), True, found.classes[chosen[0]])
