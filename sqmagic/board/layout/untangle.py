"""Plans that a climb does not reach: changes are drawn by lot, and of each only the wires that it touches are laid
anew. What is tangled, crooked or too wide even then is sought again, with dearer bends or crossings."""

from __future__ import annotations

from dataclasses import replace

from sqmagic.board.layout.carry import widened
from sqmagic.board.layout.excess import Excess, Found, beyond, dear, found
from sqmagic.board.layout.grid import BEND, COLUMN, CROSSING, Plan
from sqmagic.board.layout.laid import TRACKS, Laid, annealed, laid
from sqmagic.board.layout.route import route
from sqmagic.board.layout.wires import Wiring, ways_of

_POLISHED, _WARM = 300_000, 8.0
"""For how many wires changes are drawn for any plan, and how much worse one of them may be at first."""

_TIMES = ((25.0, 1.5), (12.0, 1.5), (25.0, 3.0), (25.0, 2.0), (25.0, 4.0), (25.0, 6.0))
"""For each time that it is sought: how much worse a change may be at first, and by what the prices of what there is too
much of are multiplied."""

_DRAWN, _MOST = 1_000_000, 70_000
"""For how many wires changes are drawn each time, where each counts all wires there are; how many changes at most."""

_CHEAPER = 0.7
"""By what the price of anything else is multiplied."""

_NEARLY = 2.0
"""How much more a plan may cost than the best before it to get its routes, if it is neater than what has them."""


def polished(own: Wiring, best: Found) -> Found:
    """Cheaper, where that can be found near by."""
    first = laid(own, best.plan)
    assert first is not None, "a plan may cost anything"
    columns = best.plan.columns.count - best.excess.columns
    *_, last = annealed(own, first, min(_MOST, _POLISHED // len(own.jobs)), 0, _WARM, 0.0, columns)
    return _better(own, best, last)


def untangled(own: Wiring, best: Found) -> Found:
    """The first that is neat, or the best of all that were sought."""
    for seed, (warmth, dearer) in enumerate(_TIMES):
        if best.neat:
            break
        best = _sought(own, best, seed, warmth, dearer)
    return best


def _sought(own: Wiring, best: Found, seed: int, warmth: float, dearer: float) -> Found:
    wires, first = len(own.jobs), laid(own, _priced(best.plan, best.excess, dearer))
    assert first is not None, "a plan may cost anything"
    last = None
    columns = best.plan.columns.count - best.excess.columns
    for at in annealed(own, first, min(_MOST, _DRAWN // wires), seed, warmth, _NEARLY, columns):
        last = at if last is None or at.cost < last.cost else last
        if best.routes.missing or _whole(at, wires, columns) < best.excess.whole:
            best = _better(own, best, at)
            if best.neat:
                return best
    assert last is not None, "what is there itself is found first"
    return _better(own, best, last)


def _better(own: Wiring, best: Found, at: Laid) -> Found:
    """What is there or, if that is better, what was laid in haste, its wires laid again where that makes it cheaper, at
    the usual prices or at those of the search."""
    hasty = _settled(own, at, 0)
    if dear(best) <= dear(hasty):
        return best
    usual = replace(at, plan=replace(at.plan, crossing=CROSSING, bend=BEND, column=COLUMN))
    return min(_settled(own, usual, 3), _settled(own, at, 3), hasty, key=dear)


def _whole(at: Laid, wires: int, columns: float) -> float:
    """How many crossings, bends and columns there are too many."""
    return sum(beyond(wires, at.crossings, at.corners)) + at.crooked + max(0.0, at.plan.columns.count - columns)


def _priced(plan: Plan, excess: Excess, dearer: float) -> Plan:
    """What there is too much of is dearer, anything else cheaper."""

    def times(more: float) -> float:
        return dearer if more else _CHEAPER

    crossing, bend = CROSSING * times(excess.crossings), BEND * times(excess.bends)
    return replace(plan, crossing=crossing, bend=bend, column=COLUMN * (dearer if excess.columns else 1.0))


def _settled(own: Wiring, at: Laid, rounds: int) -> Found:
    """With more tracks, and in so many rounds."""
    columns, rows = widened(at.plan, TRACKS, TRACKS + 1)
    lying = {job: tuple((columns[x], rows[y]) for x, y in way) for job, way in ways_of(own, at.ways).items()}
    return found(own, at.plan, route(own, at.plan, TRACKS + 1, rounds, lying=lying))
