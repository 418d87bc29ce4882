"""The height of every node: what uses a value stands above what makes it, rails have rows of their own.

Heights are ranks first (whole numbers for operators, fractions for what lies between them), then dense rows. A sign
that carries the value of a rail down to a state that returns below it (tanh and × under LSTM's c) *hangs*: its rank
counts down from the rail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from sqmagic.board.layout.graph import BLOCKS, GOALS, SIGNS, Graph
from sqmagic.board.layout.rails import Rail

_EDGE = {"entry", "exit", "input", "output", "target", "aside"}
_MERGE, _FUNCTION, _RAIL, _RETURN = 0.25, 0.5, 0.6, 0.3
_INPUTS, _OUTPUTS, _ABOVE = -2.0, 2.0, 3.0
_APART = 0.04
"""By less than this a rail that goes through is raised, that it has a row to itself."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A row for each node, from the bottom; `hanging` are the nodes whose flow is downwards."""

    row: tuple[int, ...]
    count: int
    hanging: frozenset[int]


def rows(graph: Graph, rails: Sequence[Rail], turned: bool = False) -> Rows:
    """`turned` puts rails on which states return the other way round where several would be at one height."""
    lines = {n: frozenset((rail.entry, *rail.stops)) for rail in rails for n in rail.stops}
    ranks = _Ranks(graph, tuple(rails), *_hanging(graph, rails), [0.0] * len(graph.nodes), {}, lines)
    if not _settle(ranks, _feeding(graph, rails)):
        ranks.of[:] = [0.0] * len(graph.nodes)
        _settle(ranks, {})
    _place_returning(ranks, turned)
    _place_hanging(ranks)
    _place_edge(ranks)
    levels = sorted({round(rank, 4) for rank in ranks.of})
    index = {level: i for i, level in enumerate(levels)}
    return Rows(tuple(index[round(rank, 4)] for rank in ranks.of), len(levels), frozenset(ranks.hanging))


@dataclass(frozen=True, slots=True)
class _Ranks:
    """The ranks while they are being found. `hanging` gives a node's depth under its rail, `rail_under` that rail;
    `top` is the rank under which a rail's nodes hang, and `lines` what else lies on a node's rail."""

    graph: Graph
    rails: tuple[Rail, ...]
    hanging: dict[int, int]
    rail_under: dict[int, Rail]
    of: list[float]
    top: dict[Rail, float]
    lines: dict[int, frozenset[int]]


# --- what hangs --------------------------------------------------------------------------------------


def _hanging(graph: Graph, rails: Sequence[Rail]) -> tuple[dict[int, int], dict[int, Rail]]:
    on_rail = {n for rail in rails for n in rail.stops}
    carrier = {rail.stops[-1]: rail for rail in rails if rail.through and graph.nodes[rail.source].kind in SIGNS}
    returning = {rail.source for rail in rails if not rail.through and rail.toward == "right"}
    goes_down: dict[int, bool] = {}

    def leads(n: int) -> bool:
        if n not in goes_down:
            goes_down[n] = False
            users = [u for u in graph.users(n) if graph.nodes[u].kind != "exit"]
            plain = graph.nodes[n].kind in SIGNS and n not in on_rail
            goes_down[n] = plain and (n in returning or (bool(users) and all(leads(u) for u in users)))
        return goes_down[n]

    depth: dict[int, int] = {}
    under: dict[int, Rail] = {}
    changed = True
    while changed:
        changed = False
        for n in (n for n in range(len(graph.nodes)) if n not in depth and leads(n)):
            above = [s for s in graph.sources(n) if s in carrier or s in depth]
            if above:
                depth[n] = 1 + max(depth.get(s, 0) for s in above)
                under[n] = max((under.get(s) or carrier[s] for s in above), key=lambda r: r.entry)
                changed = True
    return depth, under


# --- ranks -------------------------------------------------------------------------------------------


def instances(graph: Graph) -> tuple[tuple[str, ...], ...]:
    """Every instance, outer ones before those inside them."""
    found = {node.group[:depth] for node in graph.nodes for depth in range(1, len(node.group) + 1)}
    return tuple(sorted(found, key=lambda path: (len(path), path)))


def span(graph: Graph, rows: Rows, path: tuple[str, ...]) -> tuple[int, int]:
    """The lowest and highest row of an instance."""
    own = [rows.row[n] for n, node in enumerate(graph.nodes) if node.group[: len(path)] == path]
    return min(own), max(own)


def _feeding(graph: Graph, rails: Sequence[Rail]) -> dict[tuple[str, ...], tuple[list[int], list[int]]]:
    """For each macro instance its nodes, and what feeds them from outside, but for its neighbours on a rail."""
    out = {}
    for path in instances(graph):
        own = [n for n, node in enumerate(graph.nodes) if node.group[: len(path)] == path]
        beside = {n for rail in rails if set(rail.stops) & set(own) for n in (rail.entry, *rail.stops)}
        out[path] = (
            own,
            [s for s in dict.fromkeys(s for n in own for s in graph.sources(n)) if s not in {*own, *beside}],
        )
    return out


def _settle(ranks: _Ranks, feeding: dict[tuple[str, ...], tuple[list[int], list[int]]]) -> bool:
    """Raise ranks until nothing changes: a program within one step has no cycle, so this ends.

    A macro instance stands above all that feeds it, that nothing else need stand among its nodes. Where rails lead back
    and forth between instances that has no end; then it says so.
    """
    graph = ranks.graph
    for _ in range(len(graph.nodes) + 8):
        before = list(ranks.of)
        for n, node in enumerate(graph.nodes):
            if node.kind not in _EDGE and node.kind not in GOALS and n not in ranks.hanging:
                ranks.of[n] = max(ranks.of[n], _least(ranks, n))
        for own, outside in feeding.values():
            _gather(ranks, own, max([0.0, *(_rank(ranks, s) for s in outside)]))
        for k, rail in enumerate(ranks.rails):
            if rail.through:
                _lift(ranks, rail, k)
        if ranks.of == before:
            return True
    return False


def _gather(ranks: _Ranks, own: Sequence[int], below: float) -> None:
    for n in own:
        if below and n not in ranks.hanging:
            least = below + _MERGE if ranks.graph.nodes[n].kind == "merge" else floor(below + 1e-6) + 1.0
            ranks.of[n] = max(ranks.of[n], least)


def _least(ranks: _Ranks, n: int) -> float:
    graph, node = ranks.graph, ranks.graph.nodes[n]
    line = ranks.lines.get(n, frozenset())
    if node.kind == "merge":  # level with the merge that it goes on from
        before = [ranks.of[s] for s in graph.sources(n) if graph.joined(s) == n]
        others = [_rank(ranks, s) for s in graph.sources(n) if graph.joined(s) != n]
        return max([*before, *(rank + _MERGE for rank in (others if before else [0.0, *others]))])
    highest = max([0.0, *(_rank(ranks, s) for s in graph.sources(n) if s not in line)])
    if node.kind in BLOCKS and highest == 0:
        return _FUNCTION
    return floor(highest + 1e-6) + 1.0


def _rank(ranks: _Ranks, n: int) -> float:
    """What hangs under a rail counts as being on it for whoever stands further up."""
    if n in ranks.hanging:
        return ranks.top.get(ranks.rail_under[n], 0.0) + _RAIL
    return ranks.of[n]


def _lift(ranks: _Ranks, rail: Rail, k: int) -> None:
    """All stops of a rail at one height, high enough for what hangs under it."""
    height = max(ranks.of[n] for n in rail.stops)
    if ranks.graph.nodes[rail.source].kind in SIGNS:
        height = float(floor(height))
        for n, depth in ranks.hanging.items():
            feet = [ranks.of[s] for s in ranks.graph.sources(n) if s not in ranks.hanging and s not in rail.stops]
            if ranks.rail_under[n] is rail and feet:
                height = max(height, floor(max(feet)) + 1.0 + depth)
        ranks.top[rail] = height
        height += _RAIL
    height = floor(height * 20 + 1e-6) / 20 + _APART * (k + 1) / (len(ranks.rails) + 1)
    for n in rail.stops:
        ranks.of[n] = max(ranks.of[n], height)


def _place_returning(ranks: _Ranks, turned: bool) -> None:
    """A rail that ends in a merge runs at its height; any other just above what makes its state."""
    taken = {round(ranks.of[rail.entry], 4) for rail in ranks.rails if rail.through}
    for rail in ranks.rails:
        if rail.through:
            ranks.of[rail.entry] = ranks.of[rail.exit] = ranks.of[rail.source]
            taken.add(round(ranks.of[rail.source], 4))
    leaving: set[int] = {rail.exit for rail in ranks.rails if rail.through}
    returning = [rail for rail in ranks.rails if not rail.through]
    for k, rail in enumerate(reversed(returning) if turned else returning):
        height = _returning_height(ranks, rail, k)
        while round(height, 4) in taken:
            height += 0.013
        taken.add(round(height, 4))
        for n in (rail.entry, *rail.stops, *([] if rail.exit in leaving else [rail.exit])):
            ranks.of[n] = height
        leaving.add(rail.exit)


def _returning_height(ranks: _Ranks, rail: Rail, k: int) -> float:
    merges = [u for u in ranks.graph.users(rail.entry) if ranks.graph.nodes[u].kind == "merge"]
    if merges:
        return min(ranks.of[m] for m in merges)
    at = ranks.of[rail.source]
    above = _RETURN if at - floor(at) < _RETURN else at - floor(at) + _APART
    return floor(at) + above + 0.02 * k


def _place_hanging(ranks: _Ranks) -> None:
    for n, depth in ranks.hanging.items():
        ranks.of[n] = ranks.top[ranks.rail_under[n]] - depth


def _place_edge(ranks: _Ranks) -> None:
    highest = max(ranks.of, default=0.0)
    outer = {"input": _INPUTS, "output": highest + _OUTPUTS, "target": highest + _ABOVE}
    outer["aside"] = outer["target"]
    for n, node in enumerate(ranks.graph.nodes):
        if node.kind in GOALS:
            ranks.of[n] = highest + _ABOVE
        ranks.of[n] = outer.get(node.kind, ranks.of[n])
