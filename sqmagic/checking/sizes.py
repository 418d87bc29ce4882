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
        found = infer(system, sizes=sizes, data=told, width=None)
        open_ = [state for state in inputs if state in found.open_states and state not in told]
        counted = [s for s in inputs if s in found.integers and s not in found.classes and s not in told]
        if open_:
            told[open_[0]] = DataShape((PRIMES[len(told) % len(PRIMES)],))
        elif counted:
            told[counted[0]] = DataShape((), True, PRIMES[len(told) % len(PRIMES)])
        else:
            return infer(system, sizes=sizes, data=told, width=PRIMES[len(told) % len(PRIMES)])
