"""The columns that route best: a hill climb with a budget counted in steps of the router, never in seconds, so that one
program has one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sqmagic.board.layout.anneal import annealed
from sqmagic.board.layout.changes import changes, legal, returning
from sqmagic.board.layout.columns import columns, gathered
from sqmagic.board.layout.grid import BEND, CROSSING, Plan, Point
from sqmagic.board.layout.guess import guesser
from sqmagic.board.layout.instances import intrusions
from sqmagic.board.layout.route import Routes, route, standing, tried
from sqmagic.board.layout.rows import rows

_WORK, _LEAST, _EACH, _WIRE, _LOOK = 450_000, 30_000, 250, 15, 3
"""Steps of the router while looking for better columns: at most, at least, for each pair of wires, and what a wire
counts for that is found at once, or whose cost is guessed."""

_PROBE = 0.2
"""The share of the budget that each of several starts gets."""

_CROSSED, _BENT, _WINDING, _DEARER = 0.4, 0.8, 5, 1.5
"""More crossings, or bends, for each wire are too many, and so are more bends of one; they then count for so many times
as much."""

_LOTS, _STEPS, _SHARE = 10, 1000, 0.12
"""How often at most a plan is sought by lot while there is too much of something, in how many steps, and the share of
the budget of the climb from there."""

_LARGE = 60
"""With more wires than that a lot takes too long."""

_SLACK = 4.0
"""By how much more than what is there a plan may seem to cost, at a guess, and still be tried."""

_TRIES = 5


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best places that were found, and its final routes.

    Each start gets a share of the budget, and the one that has come furthest gets the rest. What is crooked or tangled
    even then is sought elsewhere, with dearer bends or crossings.
    """
    wires, starts = sum(len(net.sinks) for net in plan.graph.nets), list(_starts(plan))
    budget = min(_WORK, _LEAST + _EACH * wires * wires)
    share = int(budget * _PROBE) if len(starts) > 1 else 0
    probed = [_climb(start, share, wires) if share else start for start in starts]
    chosen = _climb(_cheapest(probed), budget - share * len(starts), wires)
    found = _Found(chosen, _final(chosen))
    for seed in range(_LOTS if wires <= _LARGE else 0):
        crossed, bent = found.excess
        if not crossed and not bent:
            break
        dearer = replace(
            found.plan if seed % 2 else probed[seed // 2 % len(probed)],
            crossing=CROSSING * (_DEARER if crossed else 1.0),
            bend=BEND * (_DEARER if bent else 1.0),
        )
        again = _climb(annealed(dearer, _STEPS, seed), int(_SHARE * budget), wires)
        found = min(found, _Found(again, _final(again)), key=_dear)
    return found.plan, found.routes


@dataclass(frozen=True, slots=True)
class _Found:
    plan: Plan
    routes: Routes

    @property
    def excess(self) -> tuple[float, float]:
        """How many more crossings, and bends, there are than may be, in all and on one wire."""
        wires, crossings, bends = len(self.routes.paths), len(self.routes.crossings), self.routes.corners
        winding = sum(max(0, _bends(path) - _WINDING) for path in self.routes.paths.values())
        return max(0.0, crossings - max(1.0, _CROSSED * wires)), max(0.0, bends - _BENT * wires) + winding


def _bends(path: Sequence[Point]) -> int:
    return sum((a[0] == b[0]) != (b[0] == c[0]) for a, b, c in zip(path, path[1:], path[2:], strict=False))


def _dear(found: _Found) -> tuple[int, float, float]:
    """What is missing or out of place, then by how much it is too tangled and crooked, then the cost as if all counted
    alike."""
    plan, routes = found.plan, found.routes
    wrong = len(routes.missing) + intrusions(plan.graph, plan.rows, plan.columns)
    more = (plan.crossing - CROSSING) * len(routes.crossings) + (plan.bend - BEND) * routes.corners
    return wrong, sum(found.excess), routes.cost + standing(plan) - more


def _cheapest(plans: Iterable[Plan]) -> Plan:
    return min(plans, key=lambda found: tried(found, float("inf")).cost)


def _starts(plan: Plan) -> Iterator[Plan]:
    """The plan, its macros gathered, and with the rails that return in the other order if there are several."""
    for turned in (False, True) if len(returning(plan)) > 1 else (False,):
        heights = rows(plan.graph, plan.rails, turned)
        walked = columns(plan.graph, plan.rails, heights)
        start = Plan(plan.graph, plan.rails, heights, walked)
        together = replace(start, columns=gathered(plan.graph, walked))
        yield together if legal(together) else start


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
    found, spent, guess = tried(plan, float("inf")), 0, guesser(plan)
    seen, guessed = {(plan.rows, plan.columns)}, guess(plan)
    improved, begin = True, 0
    while (improved or begin) and spent <= budget:
        begin = begin if improved else 0
        improved = False
        for k, changed in enumerate(changes(plan, found.blame)):
            if k < begin:
                continue
            key = (changed.rows, changed.columns)
            if key in seen or not legal(changed):
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
