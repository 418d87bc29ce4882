"""The columns that route best: a hill climb with a budget counted in steps of the router, never in seconds, so that one
program has one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf

from sqmagic.board.layout.anneal import annealed, guessed
from sqmagic.board.layout.changes import changes, legal, returning
from sqmagic.board.layout.columns import Columns, columns, gathered
from sqmagic.board.layout.grid import BEND, CROSSING, Plan, Point
from sqmagic.board.layout.guess import guesser
from sqmagic.board.layout.instances import intrusions
from sqmagic.board.layout.route import Routes, Try, route, standing, trier
from sqmagic.board.layout.rows import Rows, rows

_WORK, _LEAST, _EACH, _WIRE, _LOOK = 450_000, 30_000, 250, 15, 3
"""Steps of the router while looking for better columns: at most, at least, for each pair of wires, and what a wire
counts for that is found at once, or whose cost is guessed."""

_PROBE = 0.2
"""The share of the budget that each of several starts gets."""

_CROSSED, _BENT, _WINDING = 0.4, 0.8, 5
"""More crossings, or bends, for each wire are too many, and so are more bends of one."""

_LOTS, _STEPS, _WARM, _SHARE = 4, 1000, 12.0, 0.12
"""How often at most a plan is sought by lot while there is too much of something, at a guess, in how many steps, and
the share of the budget of the climb from there."""

_TANGLED = ((1.5, 0.7, 25.0), (3.0, 0.7, 25.0), (1.5, 1.0, 15.0), (3.0, 0.7, 25.0)) * 2
_CROOKED = ((1.5, 1.0, 15.0), (3.0, 0.7, 25.0)) * 3
_WIRES = 50_000
"""How often at most after that by laying wires, where there are too many crossings alone or too many bends: by what the
prices of what there is too much of and of anything else are multiplied then, and how much worse a plan may be at first;
and how many wires are laid each time."""

_HOPELESS = 15.0
"""What is too tangled by more than this, divided by how often that was done, is left as it is: it is sought the longer
the nearer it is."""

_NEARLY, _ALMOST, _MANY = 2.0, 1.5, 40
"""How much more a plan may cost than the best before it, and how many crossings or bends it may have too many as its
wires are laid in haste, to get its routes; and how many at most get theirs."""

_DEARER, _CHEAPER = 1.5, 0.7
"""The same while it is sought at a guess."""

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
    tried = trier(plan)
    probed = [_climb(start, tried, share, wires) if share else start for start in starts]
    chosen = min(probed, key=lambda found: tried(found, inf).cost)
    chosen = _climb(chosen, tried, budget - share * len(starts), wires)
    found = _Found(chosen, _final(chosen))
    return (found if wires > _LARGE else _untangled(found, probed, tried, int(_SHARE * budget))).pair


def _untangled(found: _Found, probed: Sequence[Plan], tried: Try, share: int) -> _Found:
    """What is crooked or tangled is sought elsewhere, with dearer bends or crossings: first at a guess, then by laying
    wires, which takes longer and finds more."""
    by_guess, wires = guessed(found.plan), len(found.routes.paths)
    for seed in range(_LOTS):
        if found.neat:
            return found
        start = _priced(found.plan if seed % 2 else probed[seed // 2 % len(probed)], found.excess, _DEARER, _CHEAPER)
        again = _climb(_last(annealed(start, _STEPS, seed, _WARM, by_guess)), tried, share, wires)
        found = min(found, _Found(again, _final(again)), key=_dear)
    crooked = found.excess[1] > 0
    for seed, (dearer, cheaper, warmth) in enumerate(_CROOKED if crooked else _TANGLED):
        if found.neat or seed * sum(found.excess) > _HOPELESS:
            return found
        start = _priced(found.plan, found.excess, dearer, cheaper)
        if seed % 2 == 0 and (seed or not crooked):
            start = _last(annealed(start, _STEPS, seed, _WARM, by_guess))
        found = _hot(found, start, seed, warmth, tried)
    return found


def _hot(found: _Found, start: Plan, seed: int, warmth: float, tried: Try) -> _Found:
    """Until nothing is crooked or tangled: of what is drawn by lot, what seems nearly good enough gets its routes, and
    the last in any case."""
    wires = sum(len(net.sinks) for net in start.graph.nets)
    drawn = annealed(start, _WIRES // wires, seed, warmth, lambda at, most: tried(at, most).cost, _NEARLY)
    plan, seen = start, set[tuple[Rows, Columns]]()
    for plan in drawn:
        trial, key = tried(plan, inf), (plan.rows, plan.columns)
        if key not in seen and len(seen) < _MANY and sum(_beyond(wires, trial.crossings, trial.bends)) <= _ALMOST:
            seen.add(key)
            found = min(found, _Found(plan, _final(plan)), key=_dear)
            if found.neat:
                return found
    return min(found, _Found(plan, _final(plan)), key=_dear)


def _last(plans: Iterator[Plan]) -> Plan:
    *_, last = plans
    return last


def _priced(plan: Plan, excess: tuple[float, float], dearer: float, cheaper: float) -> Plan:
    """What there is too much of is dearer, anything else cheaper."""
    crossing, bend = (dearer if more else cheaper for more in excess)
    return replace(plan, crossing=CROSSING * crossing, bend=BEND * bend)


@dataclass(frozen=True, slots=True)
class _Found:
    plan: Plan
    routes: Routes

    @property
    def excess(self) -> tuple[float, float]:
        """How many more crossings, and bends, there are than may be, in all and on one wire."""
        wires, crossings, bends = len(self.routes.paths), len(self.routes.crossings), self.routes.corners
        winding = sum(max(0, _bends(path) - _WINDING) for path in self.routes.paths.values())
        crossed, bent = _beyond(wires, crossings, bends)
        return crossed, bent + winding

    @property
    def neat(self) -> bool:
        return not self.routes.missing and self.excess == (0.0, 0.0)

    @property
    def pair(self) -> tuple[Plan, Routes]:
        return self.plan, self.routes


def _beyond(wires: int, crossings: int, bends: int) -> tuple[float, float]:
    return max(0.0, crossings - max(1.0, _CROSSED * wires)), max(0.0, bends - _BENT * wires)


def _bends(path: Sequence[Point]) -> int:
    return sum((a[0] == b[0]) != (b[0] == c[0]) for a, b, c in zip(path, path[1:], path[2:], strict=False))


def _dear(found: _Found) -> tuple[int, float, float]:
    """What is missing or out of place, then by how much it is too tangled and crooked, then the cost as if all counted
    alike."""
    plan, routes = found.plan, found.routes
    wrong = len(routes.missing) + intrusions(plan.graph, plan.rows, plan.columns)
    more = (plan.crossing - CROSSING) * len(routes.crossings) + (plan.bend - BEND) * routes.corners
    return wrong, sum(found.excess), routes.cost + standing(plan) - more


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


def _climb(plan: Plan, tried: Try, budget: int, wires: int) -> Plan:
    """Take the first change that makes the whole cheaper, go on from there through those that are left and round
    again, until none does or the budget is spent."""
    found, spent, guess = tried(plan, inf), 0, guesser(plan)
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
