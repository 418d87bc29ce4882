"""The columns that route best: a hill climb with a budget counted in wires, never in seconds, so that one program has
one picture everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from sqmagic.board.layout.columns import columns, gathered, permuted
from sqmagic.board.layout.excess import Found, dear, found
from sqmagic.board.layout.grid import ASIDE, COLUMN, Plan
from sqmagic.board.layout.laid import climbed, legal, tried, under
from sqmagic.board.layout.route import Routes, route
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.untangle import polished, untangled
from sqmagic.board.layout.wires import Wiring, wiring

_MOST, _LEAST, _EACH = 160_000, 15_000, 70
"""Wires that are looked at while better columns are sought: at most, at least, for each pair of wires."""

_PROBE = 0.2
"""The share of the budget that each of several starts gets."""

_LARGE = 60
"""With more wires than that nothing more is sought after the climb: it would take too long."""

_HASTY, _AGAIN = 8.0, 6
"""By how much more than what is there a plan may cost in haste, and yet be better once its wires are laid for good; and
for how many that is looked at."""

_TRIES = 5


def best(plan: Plan) -> tuple[Plan, Routes]:
    """The plan with its columns in the best places that were found, and its final routes: the better of what is found
    where joined lines go on upwards, as they rather should, and where they may go on aside."""
    own = wiring(plan)
    joins = any(node.kind == "merge" for node in plan.graph.nodes)
    best = min((_best(own, each) for each in ([plan, replace(plan, aside=ASIDE)] if joins else [plan])), key=dear)
    return best.plan, best.routes


def _best(own: Wiring, plan: Plan) -> Found:
    """Each start gets a share of the budget, and the one that has come furthest gets the rest. What is crooked or
    tangled even then is sought elsewhere, with dearer bends or crossings."""
    wires, starts = len(own.jobs), list(_starts(own, plan))
    budget = min(_MOST, _LEAST + _EACH * wires * wires)
    share = int(budget * _PROBE) if len(starts) > 1 else 0
    probed = [climbed(own, start, share) if share else start for start in starts]
    chosen = min(probed, key=lambda start: tried(own, start))
    last = climbed(own, chosen, budget - share * len(starts))
    best = found(own, last, _final(own, last))
    best = best if not wires or wires > _LARGE else untangled(own, polished(own, _stood_under(own, best)))
    return _set_aside(own, best)


def _starts(own: Wiring, plan: Plan) -> Iterator[Plan]:
    """The plan, its macros gathered, and with the rails that return in the other order if there are several."""
    for turned in (False, True) if sum(not rail.through for rail in plan.rails) > 1 else (False,):
        heights = rows(plan.graph, plan.rails, turned)
        walked = columns(plan.graph, plan.rails, heights)
        start = replace(plan, rows=heights, columns=walked)
        together = replace(start, columns=gathered(plan.graph, walked))
        yield together if legal(own, together) else start


def _stood_under(own: Wiring, best: Found) -> Found:
    """With inputs in the columns of what they feed, where that is better once all have their final routes: in haste it
    may have seemed worse."""
    most = tried(own, best.plan) + _HASTY
    inputs = (n for n, node in enumerate(best.plan.graph.nodes) if node.kind == "input")
    moved = (plan for n in inputs for plan in under(own, best.plan, n))
    worth = (plan for plan in moved if tried(own, plan, most) < most)
    return min([best, *(found(own, plan, _final(own, plan)) for plan in islice(worth, _AGAIN))], key=dear)


def _set_aside(own: Wiring, best: Found) -> Found:
    """With targets, and what is done to them alone, to the right of all that stands in the cell, where that costs no
    more than the columns by which the cell is narrower."""
    plan = best.plan
    aside = [c for c in range(plan.columns.count) if _is_aside(plan, c)]
    inside = [c for c in range(plan.columns.count) if c not in aside]
    if not plan.graph.timed or not inside or all(c > inside[-1] for c in aside):
        return best
    moved = replace(plan, columns=permuted(plan.columns, [*inside, *reversed(aside)]))
    if not legal(own, moved):
        return best
    other = found(own, moved, _final(own, moved))
    narrower = COLUMN * sum(c < inside[-1] for c in aside)
    (wrong, excess, cost), (wrong_, excess_, cost_) = dear(best), dear(other)
    return other if (wrong_, excess_, cost_) <= (wrong, excess, cost + narrower) else best


def _is_aside(plan: Plan, column: int) -> bool:
    """Whether what stands in a column stands beside a loss, above the cell."""
    own = [node.kind for node, of in zip(plan.graph.nodes, plan.columns.of, strict=True) if column in of]
    return all(kind in {"target", "aside"} for kind in own)


def _final(own: Wiring, plan: Plan) -> Routes:
    """With more tracks; wires that find no way go first the next time, and the tracks grow."""
    urgent: frozenset[int] = frozenset()
    routes = route(own, plan, 2, 3)
    for extra in range(_TRIES):
        if not routes.missing:
            break
        urgent |= {net for net, _ in routes.missing}
        routes = min(routes, route(own, plan, 2 + extra, 3, urgent), key=lambda r: len(r.missing))
    return routes
