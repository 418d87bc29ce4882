"""The columns that route best: a hill climb with a budget counted in wires, never in seconds, so that one program has
one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from math import inf

from sqmagic.board.layout.changes import aligned, changes, legal, places, returning
from sqmagic.board.layout.columns import columns, gathered
from sqmagic.board.layout.excess import Found, dear, found
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.guess import guesser
from sqmagic.board.layout.route import Routes, Try, route, trier
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.untangle import untangled

_MOST, _LEAST, _EACH, _TRIED = 160_000, 15_000, 70, 13
"""Wires that are looked at while better columns are sought: at most, at least, for each pair of wires; and what a wire
counts for that is laid, where one whose cost is guessed counts for 1."""

_PROBE = 0.2
"""The share of the budget that each of several starts gets."""

_LARGE = 60
"""With more wires than that nothing more is sought after the climb: it would take too long."""

_SLACK = 4.0
"""By how much more than what is there a plan may seem to cost, at a guess, and still be tried."""

_HASTY, _AGAIN = 8.0, 6
"""By how much more than what is there a plan may cost in haste, and yet be better once its wires are laid for good; and
for how many that is looked at."""

_TRIES = 5


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best places that were found, and its final routes.

    Each start gets a share of the budget, and the one that has come furthest gets the rest. What is crooked or tangled
    even then is sought elsewhere, with dearer bends or crossings.
    """
    wires, starts = sum(len(net.sinks) for net in plan.graph.nets), list(_starts(plan))
    budget = min(_MOST, _LEAST + _EACH * wires * wires)
    share = int(budget * _PROBE) if len(starts) > 1 else 0
    tried = trier(plan)
    probed = [_climb(start, tried, share, wires) if share else start for start in starts]
    chosen = min(probed, key=lambda start: tried(start, inf).cost)
    climbed = _climb(chosen, tried, budget - share * len(starts), wires)
    last = found(climbed, _final(climbed))
    last = last if wires > _LARGE else untangled(_stood_under(last, tried))
    return last.plan, last.routes


def _starts(plan: Plan) -> Iterator[Plan]:
    """The plan, its macros gathered, and with the rails that return in the other order if there are several."""
    for turned in (False, True) if len(returning(plan)) > 1 else (False,):
        heights = rows(plan.graph, plan.rails, turned)
        walked = columns(plan.graph, plan.rails, heights)
        start = Plan(plan.graph, plan.rails, heights, walked)
        together = replace(start, columns=gathered(plan.graph, walked))
        yield together if legal(together) else start


def _stood_under(best: Found, tried: Try) -> Found:
    """With inputs in the columns of what they feed, where that is better once all have their final routes: in haste it
    may have seemed worse."""
    most = tried(best.plan, inf).cost + _HASTY
    inputs = [n for n, node in enumerate(best.plan.graph.nodes) if node.kind == "input"]
    changed = (
        aligned(best.plan, n, column, apart) for n in inputs for column, apart in places(best.plan, n) if not apart
    )
    worth = (plan for plan in changed if legal(plan) and plan != best.plan and tried(plan, most).cost < most)
    return min([best, *(found(plan, _final(plan)) for plan in islice(worth, _AGAIN))], key=dear)


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


def _climb(plan: Plan, tried: Try, budget: int, wires: int) -> Plan:
    """Take the first change that makes the whole cheaper, go on from there through those that are left and round
    again, until none does or the budget is spent."""
    best, spent, guess = tried(plan, inf), 0, guesser(plan)
    seen, guessed = {(plan.rows, plan.columns)}, guess(plan)
    improved, begin = True, 0
    while (improved or begin) and spent <= budget:
        begin = begin if improved else 0
        improved = False
        for k, changed in enumerate(changes(plan, best.blame)):
            if k < begin:
                continue
            key = (changed.rows, changed.columns)
            if key in seen or not legal(changed):
                continue
            seen.add(key)
            spent += wires
            if guess(changed) > guessed + _SLACK:
                if spent > budget:
                    break
                continue
            trial = tried(changed, best.cost - 1e-6)
            spent += _TRIED * wires
            if trial.cost < best.cost - 1e-6:
                plan, best, improved, begin = changed, trial, True, k
                guessed = guess(plan)
            if improved or spent > budget:
                break
    return plan
