"""The order of the columns that routes best: a hill climb with a budget counted in steps of the router, never in
seconds, so that one program has one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqmagic.board.layout.columns import permuted
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.route import Routes, route

_WORK, _WIRES = 160_000, 3_000
"""Steps of the router (about a second's), and wires laid, while looking for an order."""

_TRIES = 5


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best order that was found, and its final routes."""
    chosen = _climb(plan)
    return chosen, _final(chosen)


def _final(plan: Plan) -> Routes:
    """With more tracks; wires that find no way go first the next time, and the tracks grow."""
    urgent: frozenset[int] = frozenset()
    routes = route(plan, 2, 3)
    for extra in range(_TRIES):
        if not routes.missing:
            break
        urgent |= {net for net, _ in routes.missing}
        routes = min(routes, route(plan, 2 + extra, 3, urgent), key=lambda r: len(r.missing))
    return routes


def _climb(plan: Plan) -> Plan:
    order, first = list(range(plan.columns.count)), route(plan, 1, 0)
    cost, work = first.cost, first.work
    trials = _WIRES // max(1, sum(len(net.sinks) for net in plan.graph.nets))
    seen = {tuple(order)}
    improved = True
    while improved and work < _WORK and len(seen) < trials:
        improved = False
        for trial in _moves(plan, order):
            if tuple(trial) in seen:
                continue
            seen.add(tuple(trial))
            tried = route(replace(plan, columns=permuted(plan.columns, trial)), 1, 0)
            work += tried.work
            if tried.cost < cost - 1e-6:
                order, cost, improved = trial, tried.cost, True
            if improved or work >= _WORK or len(seen) >= trials:
                break
    return replace(plan, columns=permuted(plan.columns, order))


def _moves(plan: Plan, order: Sequence[int]) -> Iterator[list[int]]:
    """Every order that is one column, or the block of one function, moved, nearest first; then two columns swapped."""
    blocks = {c: own for own in plan.columns.of if len(own) > 1 for c in own}
    count = len(order)
    pairs = sorted(((i, j) for i in range(count) for j in range(count) if i != j), key=lambda p: abs(p[0] - p[1]))
    for i, j in pairs:
        block = blocks.get(order[i], (order[i],))
        kept = [c for c in order if c not in block]
        at = min(j, len(kept))
        moved = [*kept[:at], *(c for c in order if c in block), *kept[at:]]
        if _legal(plan, moved, blocks):
            yield moved
    for i, j in pairs:
        if i < j - 1:
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            if _legal(plan, swapped, blocks):
                yield swapped


def _legal(plan: Plan, order: Sequence[int], blocks: dict[int, tuple[int, ...]]) -> bool:
    """A function's columns stay together, and the stops of a rail in the order of its flow."""
    place = {c: i for i, c in enumerate(order)}
    if any(max(place[c] for c in b) - min(place[c] for c in b) >= len(b) for b in set(blocks.values())):
        return False
    for rail in plan.rails:
        stops = [place[plan.columns.of[n][0]] for n in rail.stops]
        if sorted(stops, reverse=rail.toward == "left") != stops:
            return False
    return True
