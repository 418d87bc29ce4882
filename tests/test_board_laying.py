"""Wires that are laid by difference: what a change does not touch lies where it lay."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from math import inf

import pytest
from boards import generated

from sqmagic.board.layout.carry import widened
from sqmagic.board.layout.columns import columns
from sqmagic.board.layout.excess import found
from sqmagic.board.layout.grid import Plan, Point
from sqmagic.board.layout.laid import TRACKS, Laid, annealed, changed, climbed, guessed, laid, legal, tried, under
from sqmagic.board.layout.rails import rails
from sqmagic.board.layout.route import route
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.scene import scene
from sqmagic.board.layout.untangle import untangled
from sqmagic.board.layout.wires import Places, Wiring, places_of, prices_of, ways_of, wiring

SEEDS = (3, 39, 53, 156)


@cache
def plan_of(seed: int) -> Plan:
    graph = scene(generated(seed), {}).parts["c"].graph
    own = rails(graph)
    heights = rows(graph, own)
    return Plan(graph, own, heights, columns(graph, own, heights))


def some(own: Wiring, plan: Plan, count: int) -> list[Plan]:
    """Some legal changes of every kind, spread over all that there are."""
    every = [change for change in changed(own, plan) if change != plan]
    return every[:: max(1, len(every) // count)]


def steps(way: tuple[Point, ...]) -> Iterator[frozenset[Point]]:
    """The edges of the grid on which a wire lies."""
    for (x, y), (u, v) in pairwise(way):
        line = [(k, y) for k in range(min(x, u), max(x, u) + 1)] if y == v else []
        line = line or [(x, k) for k in range(min(y, v), max(y, v) + 1)]
        yield from map(frozenset, pairwise(line))


def lie_apart(own: Wiring, at: Laid) -> bool:
    """No edge of the grid belongs to two nets."""
    owners = {(edge, net) for (net, _), way in ways_of(own, at.ways).items() for edge in steps(way)}
    return len(owners) == len({edge for edge, _ in owners})


def first_of(own: Wiring, plan: Plan) -> Laid:
    first = laid(own, plan)
    assert first is not None
    return first


@pytest.mark.parametrize("seed", SEEDS)
def test_wires_of_a_plan_that_has_not_changed_lie_where_they_lay(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    first = first_of(own, plan)
    again = laid(own, plan, inf, first)
    assert again == first
    assert again.anew == 0 < first.anew


@pytest.mark.parametrize("seed", SEEDS)
def test_wires_that_are_all_laid_anew_cost_what_a_trial_says(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    shared = (tried(own, plan) - first_of(own, plan).cost) / plan.bend  # corners at which a net forks in two directions
    assert shared == pytest.approx(round(shared), abs=1e-6)
    assert 0 <= round(shared) <= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_change_wires_keep_apart_and_most_lie_where_they_lay(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    first = first_of(own, plan)
    after = [laid(own, change, inf, first) for change in some(own, plan, 60)]
    assert all(at is not None and lie_apart(own, at) for at in after)
    assert first.anew == len(ways_of(own, first.ways))
    assert 0 < sum(at.anew for at in after if at) < len(after) * len(own.jobs) / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_laid_by_difference_is_given_up_where_it_costs_too_much(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    first = first_of(own, plan)
    for change in some(own, plan, 30):
        whole = laid(own, change, inf, first)
        assert whole is not None
        assert laid(own, change, whole.cost, first) is None
        assert (
            laid(own, change, whole.cost + 4 * plan.bend, first) == whole
        )  # corners that will be shared count at first


@pytest.mark.parametrize("seed", SEEDS)
def test_wires_laid_in_haste_lie_on_a_grid_with_more_tracks(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    at = first_of(own, plan)
    across, up = widened(plan, TRACKS, TRACKS + 1)
    ways = {job: tuple((across[x], up[y]) for x, y in way) for job, way in ways_of(own, at.ways).items()}
    routes = route(own, plan, TRACKS + 1, 0, lying=ways)
    for job, way in ways.items():
        assert set(way) <= set(routes.paths[job])
        assert len(routes.crossings) >= at.crossings


def test_wires_keep_their_places_before_a_new_column_and_move_on_after_it() -> None:
    plan = plan_of(3)
    own = wiring(plan)
    after = next(at for at in changed(own, plan) if at.columns.count == plan.columns.count + 1 and at.rows == plan.rows)
    gone = {c: {b for a, b in zip(plan.columns.of, after.columns.of, strict=True) if a == (c,)} for c in range(99)}
    moves = {2 * c + 2: 2 * to[0] + 2 for c, where in gone.items() if len(where) == 1 for to in where}  # centre lines
    assert len(moves) == plan.columns.count - 1
    first = first_of(own, plan)
    then = laid(own, after, inf, first)
    assert then is not None
    ways, now = ways_of(own, first.ways), ways_of(own, then.ways)
    kept = list(now.items())[: len(now) - then.anew]
    assert len(kept) > len(now) / 2
    for job, way in kept:
        assert [y for _, y in way] == [y for _, y in ways[job]]
        assert {moves[x] for x, _ in ways[job] if x in moves} == {x for x, _ in way if x in moves.values()}


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (lambda p: (p[0][1:], *p[1:]), "a row and columns for each node"),
        (lambda p: ((99, *p[0][1:]), *p[1:]), "out of range"),
        (lambda p: (*p[:2], (*p[2][:-1], (0, 0)), *p[3:]), "no place"),
        (lambda p: (*p[:4], 1), "out of range"),
        (lambda p: (*p[:4], 1 << 20), "a row and columns for each node"),
    ],
)
def test_places_that_are_none_are_refused(spoilt: Callable[[Places], Places], why: str) -> None:
    plan = plan_of(3)
    own = wiring(plan)
    with pytest.raises(ValueError, match=why):
        own.core.guess(spoilt(places_of(plan)), prices_of(plan))


@pytest.mark.parametrize(
    "way",
    [
        (0,),
        (0, 2, 0, 0),
        (99, 2, 0, 0, 1, 0),
        (0, 1, 0, 0),
        (0, 2, 0, 0, 1, 1),
        (0, 2, 0, 0, 0, 0),
        (0, 2, 0, 0, 999, 0),
    ],
)
def test_ways_that_are_none_are_refused(way: tuple[int, ...]) -> None:
    plan = plan_of(3)
    own = wiring(plan)
    with pytest.raises(ValueError, match="do not lie on the plan's grid"):
        own.core.routed(places_of(plan), prices_of(plan), 1, 0, bytes(len(plan.graph.nets)), array("i", way).tobytes())


@pytest.mark.parametrize("seed", SEEDS)
def test_changes_are_legal_and_differ(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    every = changed(own, plan)
    assert all(legal(own, at) for at in every)
    assert len({(at.rows, at.columns) for at in every}) > len(plan.graph.nodes)
    assert {at.columns.count - plan.columns.count for at in every} >= {0, 1}
    assert {at.rows.count - plan.rows.count for at in every} >= {0, 1}


@pytest.mark.parametrize("seed", (*SEEDS, 2249))
def test_the_first_plan_is_legal(seed: int) -> None:
    """In 2249 stops of a rail stood in the columns of what they use, against the rail's flow."""
    assert legal(wiring(plan_of(seed)), plan_of(seed))


def test_nodes_in_one_place_are_not_legal() -> None:
    plan = plan_of(3)
    one, other = (n for n, own in enumerate(plan.columns.of) if own == (1,))
    row = list(plan.rows.row)
    row[one] = row[other]
    assert legal(wiring(plan), plan)
    assert not legal(wiring(plan), replace(plan, rows=replace(plan.rows, row=tuple(row))))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_node_goes_under_its_neighbours(seed: int) -> None:
    plan = plan_of(seed)
    own, of = wiring(plan), plan.columns.of
    near = {m for m in range(len(of)) for n in plan.graph.users(m) if of[m] and of[n]}
    moved = [(n, at) for n in sorted(near) for at in under(own, plan, n)]
    assert moved or seed == 156  # where everything stands in one column
    for n, at in moved:
        assert at.rows == plan.rows
        beside = {*plan.graph.sources(n), *plan.graph.users(n)}
        assert any(set(at.columns.of[n]) & set(at.columns.of[m]) for m in beside)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_climb_ends_where_no_change_that_seems_worth_it_is_cheaper(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    top = climbed(own, plan, inf)
    assert legal(own, top)
    assert tried(own, top) < tried(own, plan)
    assert climbed(own, plan, inf) == top
    assert climbed(own, top, inf) == top
    most = guessed(own, top) + 4.0
    worth = [at for at in changed(own, top) if guessed(own, at) <= most]
    assert min(tried(own, at) for at in worth) >= tried(own, top) - 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_plans_sought_by_lot_are_legal_and_each_is_better(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    first = first_of(own, plan)
    sought = [list(annealed(own, first, 150, 1, 12.0, 0.0, plan.columns.count)) for _ in range(2)]
    costs = [at.cost for at in sought[0]]
    assert all(legal(own, at.plan) for at in sought[0])
    assert costs == sorted(costs, reverse=True)
    assert len(costs) > 1
    assert sought[0] == sought[1]


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_what_is_tangled_gets_less_so(seed: int) -> None:
    plan = plan_of(seed)
    own = wiring(plan)
    start = found(own, plan, route(own, plan, 2, 1))
    assert start.excess.whole > 0
    assert untangled(own, start).excess.whole < start.excess.whole
