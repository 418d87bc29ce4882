"""Wires that are laid by difference: what a change does not touch lies where it lay."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from math import inf

import pytest
from boards import generated

from sqmagic.board.layout import laid
from sqmagic.board.layout.anneal import annealed
from sqmagic.board.layout.carry import carried, widened
from sqmagic.board.layout.changes import aligned, changes, legal, places
from sqmagic.board.layout.columns import columns
from sqmagic.board.layout.excess import found
from sqmagic.board.layout.grid import Plan, Point
from sqmagic.board.layout.laid import TRACKS, Laid, layer
from sqmagic.board.layout.rails import rails
from sqmagic.board.layout.route import route, trier
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.scene import scene
from sqmagic.board.layout.untangle import untangled

SEEDS = (3, 39, 53, 156)


@cache
def plan_of(seed: int) -> Plan:
    graph = scene(generated(seed), {}).parts["c"].graph
    own = rails(graph)
    heights = rows(graph, own)
    return Plan(graph, own, heights, columns(graph, own, heights))


def changed(plan: Plan, count: int) -> list[Plan]:
    """Some legal changes of every kind, spread over all that there are."""
    every = [change for change in changes(plan, [0.0] * len(plan.graph.nodes)) if legal(change) and change != plan]
    return every[:: max(1, len(every) // count)]


def steps(way: tuple[Point, ...]) -> Iterator[frozenset[Point]]:
    """The edges of the grid on which a wire lies."""
    for (x, y), (u, v) in pairwise(way):
        line = [(k, y) for k in range(min(x, u), max(x, u) + 1)] if y == v else []
        line = line or [(x, k) for k in range(min(y, v), max(y, v) + 1)]
        yield from map(frozenset, pairwise(line))


def lie_apart(at: Laid) -> bool:
    """No edge of the grid belongs to two nets."""
    owners = {(edge, net) for (net, _), way in at.ways.items() for edge in steps(way)}
    return len(owners) == len({edge for edge, _ in owners})


@pytest.mark.parametrize("seed", SEEDS)
def test_wires_of_a_plan_that_has_not_changed_lie_where_they_lay(seed: int) -> None:
    plan = plan_of(seed)
    lay = layer(plan)
    first = lay(plan, inf, None)
    assert first is not None
    assert lay(plan, inf, first) == first


@pytest.mark.parametrize("seed", SEEDS)
def test_wires_that_are_all_laid_anew_cost_what_a_trial_says(seed: int) -> None:
    plan = plan_of(seed)
    first, trial = layer(plan)(plan, inf, None), trier(plan)(plan, inf)
    assert first is not None
    shared = (trial.cost - first.cost) / plan.bend  # corners at which a net forks in two directions
    assert shared == pytest.approx(round(shared), abs=1e-6)
    assert 0 <= round(shared) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_change_wires_keep_apart_and_most_lie_where_they_lay(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(seed)
    lay, count = layer(plan), 0
    added = laid.added

    def counted(*given: object) -> float:
        nonlocal count
        count += 1
        return added(*given)  # type: ignore[arg-type]

    first = lay(plan, inf, None)
    assert first is not None
    monkeypatch.setattr(laid, "added", counted)
    after = [lay(change, inf, first) for change in changed(plan, 60)]
    assert all(at is not None and lie_apart(at) for at in after)
    assert 0 < count < len(after) * len(first.ways) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_laid_by_difference_is_given_up_where_it_costs_too_much(seed: int) -> None:
    plan = plan_of(seed)
    lay = layer(plan)
    first = lay(plan, inf, None)
    assert first is not None
    for change in changed(plan, 30):
        whole = lay(change, inf, first)
        assert whole is not None
        assert lay(change, whole.cost, first) is None
        assert lay(change, whole.cost + 4 * plan.bend, first) == whole  # corners that will be shared count at first


@pytest.mark.parametrize("seed", SEEDS)
def test_wires_laid_in_haste_lie_on_a_grid_with_more_tracks(seed: int) -> None:
    plan = plan_of(seed)
    at = layer(plan)(plan, inf, None)
    assert at is not None
    across, up = widened(plan, TRACKS, TRACKS + 1)
    ways = {job: tuple((across[x], up[y]) for x, y in way) for job, way in at.ways.items()}
    routes = route(plan, TRACKS + 1, 0, lying=ways)
    for job, way in ways.items():
        assert set(way) <= set(routes.paths[job])
        assert len(routes.crossings) >= at.crossings


def test_lines_keep_their_places_before_a_new_column_and_move_on_after_it() -> None:
    plan = plan_of(3)
    node, to = next((n, c) for n in range(len(plan.graph.nodes)) for c, apart in places(plan, n) if apart and c > 0)
    after = aligned(plan, node, to, True)
    if after.columns.count == plan.columns.count:  # its own was left empty
        after = aligned(plan, node, plan.columns.count, True)
    across, up = carried(plan, after, TRACKS)
    assert list(up) == list(range(len(up)))
    assert list(across) == sorted(across)
    assert across[0] == 0
    assert across[-1] == 2 + TRACKS + after.columns.count * (TRACKS + 1) - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_plans_sought_by_lot_are_legal_and_each_is_better(seed: int) -> None:
    plan = plan_of(seed)
    lay = layer(plan)
    first = lay(plan, inf, None)
    assert first is not None
    sought = [list(annealed(first, 150, 1, 12.0, lay)) for _ in range(2)]
    costs = [at.cost for at in sought[0]]
    assert all(legal(at.plan) for at in sought[0])
    assert costs == sorted(costs, reverse=True)
    assert len(costs) > 3
    assert sought[0] == sought[1]


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_what_is_tangled_gets_less_so(seed: int) -> None:
    plan = plan_of(seed)
    start = found(plan, route(plan, 2, 1))
    assert start.excess.whole > 0
    assert untangled(start).excess.whole < start.excess.whole
