"""What wires do to one another, piece by straight piece: cross, run close together, touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

from sqmagic.board.layout.boxes import Box, Spot
from sqmagic.board.layout.coordinates import Wire
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.scene import Part

APART, ALONGSIDE = 8.0, 6.0
"""Lines of different values closer than this, over more than that, look like one."""

_JOIN = 6.0
"""So near to a merge its wires are one."""

_TOUCH = 6.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A straight piece of a net's wires; `across` ones lie at a y, others at an x, from `low` to `high`."""

    net: int
    across: bool
    at: float
    low: float
    high: float

    def box(self) -> Box:
        return Box(self.low, self.at, self.high, self.at) if self.across else Box(self.at, self.low, self.at, self.high)

    def spot(self, along: float) -> Spot:
        return (along, self.at) if self.across else (self.at, along)


def pieces(part: Part, wire: Wire) -> Iterator[Piece]:
    """From the outline of the source, which hides what is before, to the sink: beyond a merge a wire is drawn over the
    one that goes on from there."""
    corners = list(wire.corners)
    if part.graph.nodes[wire.sink].kind == "merge" and corners[-1] != part.placed.spots[wire.sink]:
        corners.pop()
    corners[0] = _outside(part.placed.box(part.graph.nets[wire.net].source), corners[0], corners[1])
    for (x, y), (u, v) in pairwise(corners):
        across = y == v
        low, high = sorted((x, u) if across else (y, v))
        yield Piece(wire.net, across, y if across else x, low, high)


def _outside(box: Box, start: Spot, then: Spot) -> Spot:
    (x, y), (u, v) = start, then
    if not box.grown(0.1).meets(Box(x, y, x, y).grown(0.05)):
        return start
    if y == v:
        return (box.right if u > x else box.left, y)
    return (x, box.top if v > y else box.bottom)


def all_pieces(part: Part) -> list[Piece]:
    """Each once, though wires of one net share their way."""
    return list(dict.fromkeys(p for wire in part.placed.wires for p in pieces(part, wire)))


def crossings(part: Part) -> set[Spot]:
    """Where pieces of different nets cross at right angles; how they meet in a merge is no crossing."""
    laid = all_pieces(part)
    found: set[Spot] = set()
    for p in (p for p in laid if p.across):
        for q in (q for q in laid if not q.across and q.net != p.net):
            if p.low + 1 < q.at < p.high - 1 and q.low + 1 < p.at < q.high - 1:
                found.add((round(q.at, 3), round(p.at, 3)))
    return found


def close_pairs(part: Part) -> list[tuple[Piece, Piece]]:
    """Pieces of different nets that run alongside too close, or of which one ends on the other."""
    joins = _joins(part.graph)
    return [(p, q) for p, q in combinations(all_pieces(part), 2) if p.net != q.net and _close(part, joins, p, q)]


def _close(part: Part, joins: dict[frozenset[int], list[int]], p: Piece, q: Piece) -> bool:
    if p.across != q.across:
        return _touches(part, joins, p, q) or _touches(part, joins, q, p)
    if abs(p.at - q.at) >= APART:
        return False
    low, high = max(p.low, q.low), min(p.high, q.high)
    spots = [p.spot(low), p.spot(high)]
    return high - low > ALONGSIDE and not all(_in_join(part, joins, p.net, q.net, spot) for spot in spots)


def _touches(part: Part, joins: dict[frozenset[int], list[int]], p: Piece, q: Piece) -> bool:
    """An end of p lies on q, as if p came from it."""
    if not q.low - _TOUCH < p.at < q.high + _TOUCH:
        return False
    near = [end for end in (p.low, p.high) if abs(end - q.at) < _TOUCH]
    return any(not _in_join(part, joins, p.net, q.net, p.spot(end)) for end in near)


def _joins(graph: Graph) -> dict[frozenset[int], list[int]]:
    """For two nets the merges in which they meet."""
    found: dict[frozenset[int], list[int]] = {}
    for n, node in enumerate(graph.nodes):
        if node.kind == "merge":
            for pair in combinations(dict.fromkeys((*graph.inputs[n], *graph.outputs[n])), 2):
                found.setdefault(frozenset(pair), []).append(n)
    return found


def _in_join(part: Part, joins: dict[frozenset[int], list[int]], a: int, b: int, spot: Spot) -> bool:
    places = (part.placed.spots[n] for n in joins.get(frozenset((a, b)), ()))
    return any(abs(x - spot[0]) <= _JOIN and abs(y - spot[1]) <= _JOIN for x, y in places)
