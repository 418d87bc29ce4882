"""The columns that route best: a hill climb with a budget counted in steps of the router, never in seconds, so that one
program has one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.board.layout.columns import Columns, columns, gathered, moved, parted, permuted
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.route import Routes, Trial, route, tried
from sqmagic.board.layout.rows import Order, rows

_WORK, _EACH, _WIRE = 300_000, 200, 15
"""Steps of the router while looking for better columns: at most, for each pair of wires, and what a wire counts for
that is found at once."""

_TRIES = 5


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best places that were found, and its final routes."""
    wires, starts = sum(len(net.sinks) for net in plan.graph.nets), list(_starts(plan))
    budget = min(_WORK, _EACH * wires * wires) // len(starts)
    chosen, _ = min((_climb(start, budget, wires) for start in starts), key=lambda found: found[1].cost)
    return chosen, _final(chosen)


def _starts(plan: Plan) -> Iterator[Plan]:
    """The plan, its macros gathered, and with the rails that return in the other order if there are several."""
    orders = [Order(), Order(turned=True)] if len(_returning(plan)) > 1 else [Order()]
    for order in orders:
        heights = rows(plan.graph, plan.rails, order)
        walked = columns(plan.graph, plan.rails, heights)
        start = Plan(plan.graph, plan.rails, heights, walked)
        together = replace(start, columns=gathered(plan.graph, walked))
        yield together if _legal(together) else start


def _returning(plan: Plan) -> list[int]:
    return [i for i, rail in enumerate(plan.rails) if not rail.through]


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


def _climb(plan: Plan, budget: int, wires: int) -> tuple[Plan, Trial]:
    """Take the first change that makes the whole cheaper, go on from there through those that are left and round
    again, until none does or the budget is spent."""
    found, spent = tried(plan, float("inf")), 0
    seen = {(plan.rows, plan.columns)}
    improved, begin = True, 0
    while (improved or begin) and spent <= budget:
        begin = begin if improved else 0
        improved = False
        for k, changed in enumerate(_changes(plan, found)):
            if k < begin:
                continue
            key = (changed.rows, changed.columns)
            if key in seen or not _legal(changed):
                continue
            seen.add(key)
            trial = tried(changed, found.cost - 1e-6)
            spent += trial.work + _WIRE * wires
            if trial.cost < found.cost - 1e-6:
                plan, found, improved, begin = changed, trial, True, k
            if improved or spent > budget:
                break
    return plan, found


# --- what can be changed -------------------------------------------------------------------------------


def _changes(plan: Plan, found: Trial) -> Iterator[Plan]:
    """Columns change places; then rails on which states return go to another height; then nodes are moved, straight
    above or under a neighbour or beside it, those first whose wires cost most."""
    yield from (replace(plan, columns=changed) for changed in _reordered(plan))
    for i in _returning(plan):
        order = replace(plan.rows.order, low=plan.rows.order.low ^ {i})
        yield replace(plan, rows=rows(plan.graph, plan.rails, order))
    nodes = [n for n, own in enumerate(plan.columns.of) if len(own) == 1]
    for n in sorted(nodes, key=lambda n: -found.blame[n]):
        yield from (replace(plan, columns=changed) for changed in _realigned(plan, n))


def _realigned(plan: Plan, n: int) -> Iterator[Columns]:
    near = [plan.columns.of[m] for m in (*plan.graph.sources(n), *plan.graph.users(n))]
    for c in dict.fromkeys(c for own in near for c in own):
        yield moved(plan.columns, n, c)
    for c in dict.fromkeys(c for own in near for last in own[-1:] for c in (last, last + 1)):
        yield parted(plan.columns, n, c)


def _reordered(plan: Plan) -> Iterator[Columns]:
    """One column, or all of a block, moved, nearest first; then two columns swapped, neighbours within a block too."""
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
        if i < j - 1 or (i < j and blocks.get(i, (i,)) == blocks.get(j)):
            swapped = list(order)
            swapped[i], swapped[j] = order[j], order[i]
            yield permuted(plan.columns, swapped)


def _legal(plan: Plan) -> bool:
    """A block's columns stay together, the stops of a rail in the order of its flow, and nothing on anything else."""
    of = plan.columns.of
    if any(own[-1] - own[0] >= len(own) for own in of if len(own) > 1):
        return False
    for rail in plan.rails:
        stops = [of[n][0] for n in rail.stops]
        if sorted(set(stops), reverse=rail.toward == "left") != stops:
            return False
    places = [(c, plan.rows.row[n]) for n, own in enumerate(of) for c in own]
    return len(set(places)) == len(places)
