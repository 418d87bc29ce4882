"""The wires of a program, laid in C (csrc/board): its facts and those of its plans as numbers, and ways read back."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

from sqmagic.board.layout import _wires
from sqmagic.board.layout.columns import Columns
from sqmagic.board.layout.graph import BLOCKS, OUTER, SIGNS
from sqmagic.board.layout.grid import Plan, Point
from sqmagic.board.layout.instances import nested
from sqmagic.board.layout.rails import Rail, rail_of
from sqmagic.board.layout.rows import Rows, instances
from sqmagic.board.layout.terminals import Job, jobs_of, sides_of

Way = tuple[Point, ...]
"""A wire's source, its corners, its sink, as points of the grid."""

_NONE = -1

_LEFT, _RIGHT, _OUTER, _EXIT, _ENTRY, _MERGE, _HANGING, _SIGN, _STAYS = (1 << k for k in range(9))
"""Bits of a node's kind."""

_BELOW, _SIDE, _ANY, _ABOVE, _OUT = range(5)
"""How a wire comes to its sink, at a guess: from below alone, from a side or from below, from all sides, onto what
hangs, or out of the cell."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What lays the wires of a program, and the number of each wire."""

    core: _wires.Wires
    jobs: tuple[Job, ...]
    number: Mapping[Job, int]


Places = tuple[tuple[int, ...], int, tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...], int]
Prices = tuple[float, float, float, float]


def places_of(plan: Plan) -> Places:
    """Where the nodes of a plan stand, as `_wires` wants it."""
    rows, columns = plan.rows, plan.columns
    return rows.row, rows.count, columns.of, columns.pins, columns.count


def prices_of(plan: Plan) -> Prices:
    return plan.bend, plan.crossing, plan.column, plan.aside


def standing(plan: Plan, places: Places) -> Plan:
    """The plan with its nodes at other places."""
    row, rows, of, pins, columns = places
    return replace(plan, rows=Rows(row, rows, plan.rows.hanging), columns=Columns(of, pins, columns))


def wiring(plan: Plan) -> Wiring:
    """For plans of this one's program."""
    graph, rail, jobs = plan.graph, rail_of(plan.rails), jobs_of(plan.graph)
    nodes, paths = range(len(graph.nodes)), instances(graph)
    core = _wires.Wires(
        array("i", [_kind(plan, n) for n in nodes]),
        array("i", [plan.rails.index(rail[n]) if n in rail else _NONE for n in nodes]),
        array("i", [net.source for net in graph.nets]),
        array("i", _offsets([net.sinks for net in graph.nets])),
        array("i", [sink for _, sink in jobs]),
        array("i", chain.from_iterable((r.toward == "left", r.through, r.entry, r.exit) for r in plan.rails)),
        array("i", chain.from_iterable(_lines(plan, {job: k for k, job in enumerate(jobs)}))),
        array("i", chain.from_iterable(_leaving(plan, net, rail) for net in range(len(graph.nets)))),
        array("i", chain.from_iterable(_coming(plan, sink, rail) for _, sink in jobs)),
        *_lists([_levels(plan, r) for r in plan.rails]),
        *_lists([_line(plan, r) for r in plan.rails]),
        *_lists([r.stops for r in plan.rails]),
        *_lists([graph.sources(n) for n in nodes]),
        *_lists([graph.users(n) for n in nodes]),
        len(paths),
        bytes(node.group[: len(path)] == path for path in paths for node in graph.nodes),
        bytes(nested(a, b) for a in paths for b in paths),
        sides_of(plan),
    )
    return Wiring(core, jobs, {job: k for k, job in enumerate(jobs)})


def _offsets(lists: Iterable[Sequence[int]]) -> Iterator[int]:
    count = 0
    for one in lists:
        yield count
        count += len(one)
    yield count


def _lists(lists: Sequence[Sequence[int]]) -> tuple[array[int], array[int]]:
    """Lists of nodes as one, and where each begins."""
    return array("i", _offsets(lists)), array("i", chain.from_iterable(lists))


# --- the facts of a program ----------------------------------------------------------------------------


def _kind(plan: Plan, n: int) -> int:
    node = plan.graph.nodes[n]
    marks = (
        (node.side == "left", _LEFT),
        (node.side == "right", _RIGHT),
        (node.kind in OUTER, _OUTER),
        (node.kind == "exit", _EXIT),
        (node.kind == "entry", _ENTRY),
        (node.kind == "merge", _MERGE),
        (n in plan.rows.hanging, _HANGING),
        (node.kind in SIGNS, _SIGN),
        (_stays(plan, n), _STAYS),
    )
    return sum(mark for holds, mark in marks if holds)


def _stays(plan: Plan, n: int) -> bool:
    """Whether a node goes to no other height by itself; layers on a bus stay in line."""
    graph, kind = plan.graph, plan.graph.nodes[n].kind
    rails = {m for rail in plan.rails for m in (rail.entry, *rail.stops)}
    on_bus = kind == "layer" and any(graph.nodes[m].kind == "merge" for m in graph.sources(n))
    return kind in OUTER | {"entry", "exit"} or n in rails or n in plan.rows.hanging or on_bus


def _levels(plan: Plan, rail: Rail) -> list[int]:
    """What a rail on which a state returns may be level with: a merge that it feeds, or what makes its state."""
    if rail.through:
        return []
    graph = plan.graph
    found = [u for u in graph.users(rail.entry) if graph.nodes[u].kind in {"merge", "pointwise", *BLOCKS}]
    ends = graph.nodes[rail.source].kind in {"merge", "pointwise"} and rail.source not in plan.rows.hanging
    return [*found, rail.source] if ends else found


def _line(plan: Plan, rail: Rail) -> list[int]:
    """What stands at a rail's height because of it; a state that comes in from both sides leaves on one of them."""
    others = {n for other in plan.rails if other is not rail for n in (other.entry, *other.stops, other.exit)}
    return sorted({rail.entry, *rail.stops, rail.exit} - others)


def _lines(plan: Plan, number: Mapping[Job, int]) -> Iterator[tuple[int, int, int]]:
    """The wires of each rail, and those to a merge that is its bus where they stand at one height."""
    graph = plan.graph

    def wires(source: int, sink: int) -> Iterator[int]:
        return (number[net, sink] for net in graph.inputs[sink] if graph.nets[net].source == source)

    for k, rail in enumerate(plan.rails):
        line = [rail.entry, *rail.stops, *([rail.exit] if rail.through else [])]
        for source, sink in pairwise(line):
            yield from ((k, job, _NONE) for job in wires(source, sink))
        for merge in () if rail.through else graph.users(rail.entry):
            if graph.nodes[merge].kind == "merge":
                yield from ((k, job, merge) for job in wires(line[-1], merge))


def _leaving(plan: Plan, net: int, rail: Mapping[int, Rail]) -> tuple[int, int, int]:
    """The direction along a rail in which a net leaves if it does (1, -1, else 0), whether it may leave for the edge at
    its own height, and the merge for which it leaves like that."""
    graph, source = plan.graph, plan.graph.nets[net].source
    level = graph.nodes[source].kind in SIGNS | {"merge"} and source not in plan.rows.hanging
    after = graph.joined(source)
    return _flat(plan, net, rail.get(source)), level, _NONE if after is None else after


def _flat(plan: Plan, net: int, own: Rail | None) -> int:
    graph, source = plan.graph, plan.graph.nets[net].source
    node = graph.nodes[source]
    if node.side:
        return 1 if node.side == "left" else -1
    if own and (own.through if node.kind in SIGNS else net not in plan.columns.pins[source]):
        return 1 if own.toward == "right" else -1
    return int(node.kind == "merge" and len(graph.nets[net].sinks) > 1)


def _coming(plan: Plan, sink: int, rail: Mapping[int, Rail]) -> tuple[int, int, int]:
    """How a wire comes to its sink, whether that lies on a rail, and whether it is a block."""
    return _entrance(plan, sink, sink in rail), sink in rail, plan.graph.nodes[sink].kind in BLOCKS


def _entrance(plan: Plan, n: int, on_rail: bool) -> int:
    node = plan.graph.nodes[n]
    if node.side:
        return _OUT
    if n in plan.rows.hanging:
        return _ABOVE
    if node.kind in {"layer", "output"} or (on_rail and node.kind in SIGNS):
        return _BELOW
    return _ANY if node.kind == "merge" else _SIDE


# --- ways ----------------------------------------------------------------------------------------------


def ways_of(wires: Wiring, packed: bytes) -> dict[Job, Way]:
    """Ways as `_wires` gives them: a wire's number, how many points, and their x and y."""
    out: dict[Job, Way] = {}
    numbers = memoryview(packed).cast("i").tolist()
    at = 0
    while at < len(numbers):
        end = at + 2 + 2 * numbers[at + 1]
        out[wires.jobs[numbers[at]]] = tuple(zip(numbers[at + 2 : end : 2], numbers[at + 3 : end : 2], strict=True))
        at = end
    return out


def packed(wires: Wiring, ways: Mapping[Job, Iterable[Point]]) -> bytes:
    """The same the other way round."""
    out = array("i")
    for job, way in ways.items():
        points = tuple(way)
        out.extend((wires.number[job], len(points), *chain.from_iterable(points)))
    return out.tobytes()
