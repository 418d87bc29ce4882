"""What is tangled, crooked or too wide even after the climb is sought elsewhere: changes are drawn by lot, and of each
only the wires that it touches are laid anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from sqmagic.board.layout.anneal import Judge, annealed
from sqmagic.board.layout.carry import widened
from sqmagic.board.layout.excess import Excess, Found, beyond, dear, found
from sqmagic.board.layout.grid import BEND, COLUMN, CROSSING, Plan
from sqmagic.board.layout.guess import guesser
from sqmagic.board.layout.laid import TRACKS, Laid, Layer, layer
from sqmagic.board.layout.route import route, standing

_WARM, _DRAWN, _MOST, _HOPELESS = (25.0, 12.0, 25.0), 50_000, 3500, 4.0
"""How much worse a change may be at first, each time that it is sought; for how many wires changes are drawn then,
where each counts all wires there are; how many changes at most; and of how much there may be too much after the first
time, lest it be left as it is."""

_DEARER, _CHEAPER, _MORE = 1.5, 0.7, 5.0
"""By what the prices of what there is too much of, and of anything else, are multiplied; and what each that is too many
costs beyond that."""

_SLACK = 4.0
"""By how much more than what is there a plan may seem to cost, at a guess, and still be laid."""

_NEARLY = 2.0
"""How much more a plan may cost than the best before it to get its routes, if it is neater than what has them."""


def untangled(best: Found) -> Found:
    """The first that is neat, or the best of all that were sought."""
    lay, guess = layer(best.plan), guesser(best.plan)
    for seed, warmth in enumerate(_WARM):
        if best.neat or (seed and best.excess.whole > _HOPELESS):
            break
        best = _sought(best, seed, warmth, lay, guess)
    return best


def _sought(best: Found, seed: int, warmth: float, lay: Layer, guess: Callable[[Plan], float]) -> Found:
    wires, start = len(best.routes.paths), _priced(best.plan, best.excess)
    columns = start.columns.count - best.excess.columns

    def weighed(at: Laid) -> Laid:
        return replace(at, cost=at.cost + _MORE * _whole(at, wires, columns))

    first = lay(start, inf, None)
    assert first is not None, "a plan may cost anything"
    last = weighed(first)
    for at in annealed(last, min(_MOST, _DRAWN // wires), seed, warmth, _judge(lay, guess, weighed), _NEARLY):
        last = min(last, at, key=_cost)
        if best.routes.missing or _whole(at, wires, columns) < best.excess.whole:
            best = _better(best, at)
            if best.neat:
                return best
    return _better(best, last)


def _better(best: Found, at: Laid) -> Found:
    """What is there or, if that is better, what was laid in haste, its wires laid again where that makes it cheaper, at
    the usual prices or at those of the search."""
    hasty = _settled(at, 0)
    if dear(best) <= dear(hasty):
        return best
    usual = replace(at, plan=replace(at.plan, crossing=CROSSING, bend=BEND, column=COLUMN))
    return min(_settled(usual, 3), _settled(at, 3), hasty, key=dear)


def _whole(at: Laid, wires: int, columns: float) -> float:
    """How many crossings, bends and columns there are too many."""
    return sum(beyond(wires, at.crossings, at.corners)) + max(0.0, at.plan.columns.count - columns)


def _priced(plan: Plan, excess: Excess) -> Plan:
    """What there is too much of is dearer, anything else cheaper."""

    def times(more: float) -> float:
        return _DEARER if more else _CHEAPER

    crossing, bend = CROSSING * times(excess.crossings), BEND * times(excess.bends)
    return replace(plan, crossing=crossing, bend=bend, column=COLUMN * (_DEARER if excess.columns else 1.0))


def _judge(lay: Layer, guess: Callable[[Plan], float], weighed: Callable[[Laid], Laid]) -> Judge:
    """What is laid must seem worth it at a guess; what was laid once lies there still, and what was too dear is not
    tried again for less."""
    guesses: dict[object, float] = {}
    known: dict[object, Laid] = {}
    refused: dict[object, float] = {}
    least = inf

    def guessed(plan: Plan) -> float:
        key = _key(plan)
        if key not in guesses:
            guesses[key] = guess(plan) + standing(plan)
        return guesses[key]

    def judge(plan: Plan, most: float, now: Laid) -> Laid | None:
        nonlocal least
        key = _key(plan)
        if key == _key(now.plan):
            return None
        at = known.get(key)
        if at is None and refused.get(key, -inf) < most:
            worth = guessed(plan) - guessed(now.plan) <= most - now.cost + _SLACK
            laid = lay(plan, most, now) if worth else None
            at = weighed(laid) if laid else None
            if at and at.cost < least:
                anew = lay(plan, at.cost, None)
                at = min(at, weighed(anew), key=_cost) if anew else at
                least = at.cost
            if at:
                known[key] = at
            else:
                refused[key] = most
        return at if at and at.cost < most else None

    return judge


def _cost(at: Laid) -> float:
    return at.cost


def _key(plan: Plan) -> object:
    return plan.rows.row, plan.columns.of, plan.columns.pins


def _settled(at: Laid, rounds: int) -> Found:
    """With more tracks, and in so many rounds."""
    columns, rows = widened(at.plan, TRACKS, TRACKS + 1)
    lying = {job: tuple((columns[x], rows[y]) for x, y in way) for job, way in at.ways.items()}
    return found(at.plan, route(at.plan, TRACKS + 1, rounds, lying=lying))
