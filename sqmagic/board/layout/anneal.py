"""Plans that a hill climb does not reach: from one, changes are drawn by lot and taken even where they make it worse by
a little, less and less so. The lots are the same everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from sqmagic.board.layout.changes import (
    aligned,
    heights,
    legal,
    levels,
    lifted,
    moved_column,
    places,
    returning,
    stacked,
    together,
)
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.laid import Laid

Some = TypeVar("Some")
Lots = Iterator[float]


Judge = Callable[[Plan, float, Laid], Laid | None]
"""A plan with its wires, after the one that was changed; of one that costs more than so much it need not say more."""


def annealed(found: Laid, steps: int, seed: int, warmth: float, judge: Judge, nearly: float = 0.0) -> Iterator[Laid]:
    """After what is there itself, what is found on the way and better than all before it, or worse by no more than
    `nearly`. Of so many changes, one at first may make it worse by `warmth`."""
    lots = _lots(seed)
    least = found.cost
    yield found
    for step in range(steps):
        changed = _drawn(found.plan, lots)
        if changed is None or not legal(changed):
            continue
        most = found.cost + warmth * (1 - step / steps) * next(lots) ** 2
        would = judge(changed, most, found)
        if would is not None and would.cost < most:
            found = would
            if found.cost < least + nearly - _LESS:
                least = min(found.cost, least)
                yield found


_LESS = 1e-6


def _lots(seed: int) -> Lots:
    """Numbers from 0 up to 1 as if by chance, by Knuth's linear congruence."""
    state = seed
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) / 2**53


def _one(of: Sequence[Some], lots: Lots) -> Some | None:
    return of[int(next(lots) * len(of))] if of else None


def _drawn(plan: Plan, lots: Lots) -> Plan | None:
    kind = next(lots)
    for share, change in _CHANGES:
        kind -= share
        if kind < 0:
            return change(plan, lots)
    return _column_moved(plan, lots)


def _rail_moved(plan: Plan, lots: Lots) -> Plan | None:
    rail = _one(plan.rails, lots)
    to = _one(heights(plan, rail), lots) if rail else None
    return lifted(plan, to) if to else None


def _rails_moved(plan: Plan, lots: Lots) -> Plan | None:
    rails = returning(plan)
    one, other = _one(rails, lots), _one(rails, lots)
    to = _one(together(plan, one, other), lots) if one and other and one is not other else None
    return lifted(plan, to) if to else None


def _node_moved(plan: Plan, lots: Lots) -> Plan | None:
    n = _one(range(len(plan.graph.nodes)), lots) or 0
    place = _one(places(plan, n), lots)
    return aligned(plan, n, *place) if place else None


def _node_lifted(plan: Plan, lots: Lots) -> Plan | None:
    to = _one(levels(plan, _one(range(len(plan.graph.nodes)), lots) or 0), lots)
    return lifted(plan, to) if to else None


def _stack_moved(plan: Plan, lots: Lots) -> Plan | None:
    return _one(stacked(plan, _one(range(len(plan.graph.nodes)), lots) or 0), lots)


def _column_moved(plan: Plan, lots: Lots) -> Plan | None:
    every = range(plan.columns.count)
    i, j = _one(every, lots), _one(every, lots)
    return None if i is None or j is None else replace(plan, columns=moved_column(plan.columns, i, j))


_CHANGES: tuple[tuple[float, Callable[[Plan, Lots], Plan | None]], ...] = (
    (0.25, _rail_moved),
    (0.05, _rails_moved),
    (0.30, _node_moved),
    (0.15, _node_lifted),
    (0.05, _stack_moved),
)
"""How often each is drawn; otherwise a column goes elsewhere."""
