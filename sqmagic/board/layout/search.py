"""The columns that route best: a hill climb with a budget counted in steps of the router, never in seconds, so that one
program has one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sqmagic.board.layout.changes import changes, returning
from sqmagic.board.layout.columns import columns, gathered
from sqmagic.board.layout.graph import Side
from sqmagic.board.layout.grid import CROSSING, Plan
from sqmagic.board.layout.guess import guess
from sqmagic.board.layout.route import Routes, route, tried
from sqmagic.board.layout.rows import rows

_WORK, _LEAST, _EACH, _WIRE, _LOOK = 450_000, 30_000, 250, 15, 3
"""Steps of the router while looking for better columns: at most, at least, for each pair of wires, and what a wire
counts for that is found at once, or whose cost is guessed."""

_PROBE = 0.2
"""The share of the budget that each of several starts gets."""

_TANGLED, _MORE, _DEARER = 0.4, 1.5, 2.0
"""So many crossings for each wire are a tangle, for which each start gets so many times the budget, and a crossing
counts for so many times as much."""

_SLACK = 5.0
"""By how much more than what is there a plan may seem to cost, at a guess, and still be tried."""

_TRIES = 5

_BORDER: dict[Side, int] = {"left": -1, "right": -2}
"""In place of a column, where values of other steps come in and go out."""


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best places that were found, and its final routes.

    Each start gets a share of the budget, and the one that has come furthest gets the rest. What is tangled even then
    gets more, for every start, and with dearer crossings.
    """
    wires, starts = sum(len(net.sinks) for net in plan.graph.nets), list(_starts(plan))
    budget = min(_WORK, _LEAST + _EACH * wires * wires)
    share = int(budget * _PROBE) if len(starts) > 1 else 0
    probed = [_climb(start, share, wires) if share else start for start in starts]
    chosen = _climb(_cheapest(probed), budget - share * len(starts), wires)
    found, most = [(chosen, _final(chosen))], max(1.0, _TANGLED * wires)
    if len(found[0][1].crossings) > most:
        more = min(int(_MORE * budget), _WORK)
        dearer = (replace(start, crossing=_DEARER * start.crossing) for start in (chosen, *probed))
        found += [(again, _final(again)) for again in (_climb(start, more, wires) for start in dearer)]
    return min(found, key=lambda each: _dear(each[0], each[1], most))


def _dear(plan: Plan, routes: Routes, most: float) -> tuple[int, float, float]:
    """What is missing, then by how much it is tangled, then the cost as if crossings counted alike in all plans."""
    count = len(routes.crossings)
    return len(routes.missing), max(0.0, count - most), routes.cost - (plan.crossing - CROSSING) * count


def _cheapest(plans: Iterable[Plan]) -> Plan:
    return min(plans, key=lambda found: tried(found, float("inf")).cost)


def _starts(plan: Plan) -> Iterator[Plan]:
    """The plan, its macros gathered, and with the rails that return in the other order if there are several."""
    for turned in (False, True) if len(returning(plan)) > 1 else (False,):
        heights = rows(plan.graph, plan.rails, turned)
        walked = columns(plan.graph, plan.rails, heights)
        start = Plan(plan.graph, plan.rails, heights, walked)
        together = replace(start, columns=gathered(plan.graph, walked))
        yield together if _legal(together) else start


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


def _climb(plan: Plan, budget: int, wires: int) -> Plan:
    """Take the first change that makes the whole cheaper, go on from there through those that are left and round
    again, until none does or the budget is spent."""
    found, spent = tried(plan, float("inf")), 0
    seen, guessed = {(plan.rows, plan.columns)}, guess(plan)
    improved, begin = True, 0
    while (improved or begin) and spent <= budget:
        begin = begin if improved else 0
        improved = False
        for k, changed in enumerate(changes(plan, found.blame)):
            if k < begin:
                continue
            key = (changed.rows, changed.columns)
            if key in seen or not _legal(changed):
                continue
            seen.add(key)
            spent += _LOOK * wires
            if guess(changed) > guessed + _SLACK:
                if spent > budget:
                    break
                continue
            trial = tried(changed, found.cost - 1e-6)
            spent += trial.work + _WIRE * wires
            if trial.cost < found.cost - 1e-6:
                plan, found, improved, begin = changed, trial, True, k
                guessed = guess(plan)
            if improved or spent > budget:
                break
    return plan


# --- what is allowed ----------------------------------------------------------------------------------


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
    places += [(_BORDER[node.side], plan.rows.row[n]) for n, node in enumerate(plan.graph.nodes) if node.side]
    return len(set(places)) == len(places)
