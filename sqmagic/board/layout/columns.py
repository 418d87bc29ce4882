"""Where nodes stand from left to right: a walk from the rails back to what feeds them gives each a column, straight
above what it uses where that is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sqmagic.board.layout.graph import BLOCKS, GOALS, Graph
from sqmagic.board.layout.rails import Rail, rail_of
from sqmagic.board.layout.rows import Rows, instances, span

NO_PIN = -1
_SIDES = 1
"""Values that come into a block from the side."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of each node, from the left: none for an entry or exit, one for most, one for each pin of a block.

    `pins` are the nets that leave a block upwards, one for each of its columns, or `NO_PIN`.
    """

    of: tuple[tuple[int, ...], ...]
    pins: tuple[tuple[int, ...], ...]
    count: int

    def pin(self, node: int, net: int) -> int:
        """The column in which a net leaves a node."""
        pins = self.pins[node]
        return self.of[node][pins.index(net)] if net in pins else self.of[node][-1]


def columns(graph: Graph, rails: Sequence[Rail], rows: Rows) -> Columns:
    spans = {path: span(graph, rows, path) for path in instances(graph)}
    walk = _Walk(graph, rows, rail_of(tuple(rails)), spans)
    for n in _order(graph, rails, rows):
        _visit(walk, n)
    for rail in rails:
        _put_in_order(walk, rail)
    place = {c: k for k, c in enumerate(sorted({c for own in walk.of.values() for c in own}))}
    every = range(len(graph.nodes))
    of = tuple(tuple(place[c] for c in walk.of.get(n, ())) for n in every)
    return Columns(of, tuple(walk.pins.get(n, ()) for n in every), max(1, len(place)))


def gathered(graph: Graph, columns: Columns) -> Columns:
    """The columns of each macro instance side by side, where its first one stands."""
    owner: dict[int, tuple[str, ...]] = {}
    for n, node in enumerate(graph.nodes):
        for c in columns.of[n]:
            owner[c] = max(owner.get(c, ()), node.group, key=len)
    first: dict[tuple[str, ...], int] = {}
    for c in range(columns.count):
        for depth in range(1, len(owner.get(c, ())) + 1):
            first.setdefault(owner[c][:depth], c)
    places = {c: [first[owner[c][:depth]] for depth in range(1, len(owner[c]) + 1)] for c in owner}
    return permuted(columns, sorted(range(columns.count), key=lambda c: (*places.get(c, []), c)))


def permuted(columns: Columns, order: Sequence[int]) -> Columns:
    """The columns in another order: `order[i]` is the old number of the i-th column."""
    place = {old: new for new, old in enumerate(order)}
    moved = tuple(tuple(place[c] for c in own) for own in columns.of)
    pins = tuple(
        tuple(net for _, net in sorted(zip(own, nets, strict=True))) if nets else nets
        for own, nets in zip(moved, columns.pins, strict=True)
    )
    return Columns(tuple(tuple(sorted(own)) for own in moved), pins, columns.count)


@dataclass(slots=True)
class _Walk:
    """Columns while they are being given out: the rows that macro instances span, `taken` places, and nets that already
    have a node straight above."""

    graph: Graph
    rows: Rows
    rail: dict[int, Rail]
    spans: dict[tuple[str, ...], tuple[int, int]]
    of: dict[int, tuple[int, ...]] = field(default_factory=dict)
    pins: dict[int, tuple[int, ...]] = field(default_factory=dict)
    taken: set[tuple[int, int]] = field(default_factory=set)
    topped: set[int] = field(default_factory=set)
    next: int = 0

    def fresh(self, count: int = 1) -> tuple[int, ...]:
        self.next += count
        return tuple(range(self.next - count, self.next))


def _order(graph: Graph, rails: Sequence[Rail], rows: Rows) -> list[int]:
    """Rails from the bottom up, in the order of time; then what returns, the goals, and the rest."""
    out: list[int] = []
    for rail in sorted((r for r in rails if r.through), key=lambda r: rows.row[r.source]):
        out += rail.stops if rail.toward == "right" else reversed(rail.stops)
    out += [rail.source for rail in rails if not rail.through]
    out += [n for n, node in enumerate(graph.nodes) if node.kind in GOALS]
    return [*out, *(n for n, node in enumerate(graph.nodes) if node.kind not in {"entry", "exit"})]


def _visit(walk: _Walk, n: int) -> None:
    if n in walk.of:
        return
    walk.of[n] = ()
    graph, rail = walk.graph, walk.rail.get(n)
    nets = graph.inputs[n]
    if rail:  # the rail's own line comes last
        nets = tuple(sorted(nets, key=lambda net: walk.rail.get(graph.nets[net].source) is rail))
    for net in nets:
        if graph.nodes[graph.nets[net].source].kind != "entry":
            _visit(walk, graph.nets[net].source)
    if graph.nodes[n].kind in BLOCKS:
        _spread(walk, n)
        return
    above = _above(walk, n, nets)
    if above is not None and rail and any(walk.of.get(m) == (above,) for m in rail.stops if m != n):
        above = None
    walk.of[n] = walk.fresh() if above is None else (above,)
    walk.taken.add((walk.of[n][0], walk.rows.row[n]))


def _put_in_order(walk: _Walk, rail: Rail) -> None:
    """Stops that stand against the flow of their rail get columns of their own, last of all."""
    stops = rail.stops if rail.toward == "right" else rail.stops[::-1]
    places = [walk.of[n] for n in stops]
    if any(a >= b for a, b in pairwise(places)):
        for n in stops:
            walk.of[n] = walk.fresh()


def _spread(walk: _Walk, n: int) -> None:
    """A block has a column for each result that leaves it upwards, and for each value that must come from below; inputs
    of its own stand under it."""
    graph, rail = walk.graph, walk.rail.get(n)
    along = rail.state if rail else ""
    pins = tuple(net for net in graph.outputs[n] if not along or graph.nets[net].value.state != along)
    below = len(graph.inputs[n]) - (1 if rail else _SIDES)
    spare = max(1, len(pins), below) - len(pins)
    walk.pins[n] = (*(NO_PIN for _ in range(spare // 2)), *pins, *(NO_PIN for _ in range(spare - spare // 2)))
    walk.of[n] = walk.fresh(len(walk.pins[n]))
    own = [s for s in graph.sources(n) if graph.nodes[s].kind == "input" and graph.users(s) == (n,)]
    for column, source in zip(walk.of[n], own, strict=False):
        walk.of[source] = (column,)


def _above(walk: _Walk, n: int, nets: Sequence[int]) -> int | None:
    """The column of the value that the node stands straight above, or under if it hangs."""
    graph, kind = walk.graph, walk.graph.nodes[n].kind
    for net in nets if kind in GOALS else reversed(nets):
        source = graph.nets[net].source
        if graph.nodes[source].kind == "entry" or not walk.of[source]:
            continue
        if n in walk.rows.hanging:
            if source in walk.rows.hanging:
                return walk.of[source][0]
            continue
        column = _free_above(walk, n, net)
        if column is not None:
            walk.topped.add(net)
            return column
    return None


def _free_above(walk: _Walk, n: int, net: int) -> int | None:
    graph, source, row = walk.graph, walk.graph.nets[net].source, walk.rows.row
    node = graph.nodes[source]
    on_rail = source in walk.rail and node.kind not in BLOCKS
    many = node.kind == "merge" and len(graph.nets[net].sinks) > 1
    apart = graph.nodes[n].kind == "output" and (source in walk.rail or source in walk.rows.hanging)
    if on_rail or many or apart or net in walk.topped or node.kind in {"target", "aside"} or row[source] >= row[n]:
        return None
    pins = walk.pins.get(source, ())
    column = walk.of[source][pins.index(net)] if net in pins else walk.of[source][-1]
    blocked = any((column, q) in walk.taken for q in range(row[source] + 1, row[n] + 1))
    return None if blocked or _intrudes(walk, n, column) else column


def _intrudes(walk: _Walk, n: int, column: int) -> bool:
    """In this column a node would stand among those of a macro instance that is not its own, or another among its."""
    nodes, row = walk.graph.nodes, walk.rows.row
    for m in (m for m, own in walk.of.items() if column in own):
        for a, b in ((n, m), (m, n)):
            for path in (nodes[b].group[:depth] for depth in range(1, len(nodes[b].group) + 1)):
                low, high = walk.spans[path]
                if nodes[a].group[: len(path)] != path and low <= row[a] <= high:
                    return True
    return False
