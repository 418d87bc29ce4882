"""The columns that route best: a hill climb with a budget counted in steps of the router, never in seconds, so that one
program has one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.board.layout.columns import Columns, gathered, moved, parted, permuted
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.route import Routes, Trial, route, tried

_WORK, _EACH, _WIRE = 300_000, 60, 10
"""Steps of the router while looking for better columns: at most, for each pair of wires, and what a wire counts for
that is found at once."""

_TRIES = 5


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best places that were found, and its final routes."""
    together = gathered(plan.graph, plan.columns)
    chosen, _ = _climb(replace(plan, columns=together) if _legal(plan, together) else plan)
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


def _climb(plan: Plan) -> tuple[Plan, Trial]:
    """Take the first change that makes the whole cheaper, until none does or the budget is spent."""
    wires = sum(len(net.sinks) for net in plan.graph.nets)
    budget, spent = min(_WORK, _EACH * wires * wires), 0
    found = tried(plan, float("inf"))
    seen = {plan.columns.of}
    improved = True
    while improved:
        improved = False
        for columns in _changes(plan, found):
            if columns.of in seen or not _legal(plan, columns):
                continue
            seen.add(columns.of)
            changed = replace(plan, columns=columns)
            trial = tried(changed, found.cost - 1e-6)
            spent += trial.work + _WIRE * wires
            if trial.cost < found.cost - 1e-6:
                plan, found, improved = changed, trial, True
            if improved or spent > budget:
                break
        if spent > budget:
            break
    return plan, found


# --- what can be changed -------------------------------------------------------------------------------


def _changes(plan: Plan, found: Trial) -> Iterator[Columns]:
    """Columns change places; then nodes are moved straight above or under a neighbour, or beside it, those first whose
    wires cost most."""
    yield from _reordered(plan)
    nodes = [n for n, own in enumerate(plan.columns.of) if len(own) == 1]
    for n in sorted(nodes, key=lambda n: -found.blame[n]):
        yield from _realigned(plan, n)


def _realigned(plan: Plan, n: int) -> Iterator[Columns]:
    graph, columns = plan.graph, plan.columns
    near = (*graph.sources(n), *graph.users(n))
    for c in dict.fromkeys(c for m in near for c in columns.of[m]):
        yield moved(columns, n, c)
    for c in dict.fromkeys(c for m in near for own in columns.of[m][-1:] for c in (own, own + 1)):
        yield parted(columns, n, c)


def _reordered(plan: Plan) -> Iterator[Columns]:
    """One column, or the block of one function, moved, nearest first; then two columns swapped."""
    blocks = {c: own for own in plan.columns.of if len(own) > 1 for c in own}
    count = plan.columns.count
    order = list(range(count))
    pairs = sorted(((i, j) for i in range(count) for j in range(count) if i != j), key=lambda p: abs(p[0] - p[1]))
    for i, j in pairs:
        block = blocks.get(order[i], (order[i],))
        kept = [c for c in order if c not in block]
        at = min(j, len(kept))
        yield permuted(plan.columns, [*kept[:at], *block, *kept[at:]])
    for i, j in pairs:
        if i < j - 1:
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            yield permuted(plan.columns, swapped)


def _legal(plan: Plan, columns: Columns) -> bool:
    """A block's columns stay together, the stops of a rail in the order of its flow, and nothing on anything else."""
    if any(own[-1] - own[0] >= len(own) for own in columns.of if len(own) > 1):
        return False
    for rail in plan.rails:
        stops = [columns.of[n][0] for n in rail.stops]
        ordered = sorted(set(stops), reverse=rail.toward == "left")
        if ordered != stops:
            return False
    places = [(c, plan.rows.row[n]) for n, own in enumerate(columns.of) for c in own]
    return len(set(places)) == len(places)
