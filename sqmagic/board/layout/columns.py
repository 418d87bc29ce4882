"""Where nodes stand from left to right: a walk from the rails back to what feeds them gives each a column, straight
above what it uses where that is free."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqmagic.board.layout.graph import BLOCKS, GOALS, Graph
from sqmagic.board.layout.rails import Rail, rail_of
from sqmagic.board.layout.rows import Rows


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of each node, from the left: none for an entry or exit, one for most, one for each pin of a function.

    `pins` are the nets that leave a function upwards, in the order of its columns.
    """

    of: tuple[tuple[int, ...], ...]
    pins: tuple[tuple[int, ...], ...]
    count: int

    def pin(self, node: int, net: int) -> int:
        """The column in which a net leaves a node."""
        pins = self.pins[node]
        return self.of[node][pins.index(net)] if net in pins else self.of[node][-1]


def columns(graph: Graph, rails: Sequence[Rail], rows: Rows) -> Columns:
    walk = _Walk(graph, rows, rail_of(tuple(rails)))
    for n in _order(graph, rails, rows):
        _visit(walk, n)
    count = 1 + max((c for own in walk.of.values() for c in own), default=0)
    every = range(len(graph.nodes))
    return Columns(tuple(walk.of.get(n, ()) for n in every), tuple(walk.pins.get(n, ()) for n in every), count)


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
    """Columns while they are being given out: `taken` places, and nets that already have a node straight above."""

    graph: Graph
    rows: Rows
    rail: dict[int, Rail]
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


def _spread(walk: _Walk, n: int) -> None:
    """A function has a column for each result that leaves it upwards; inputs of its own stand under it."""
    graph, rail = walk.graph, walk.rail.get(n)
    along = rail.state if rail else ""
    walk.pins[n] = tuple(net for net in graph.outputs[n] if not along or graph.nets[net].value.state != along)
    walk.of[n] = walk.fresh(max(1, len(walk.pins[n])))
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
    return None if any((column, q) in walk.taken for q in range(row[source] + 1, row[n] + 1)) else column
