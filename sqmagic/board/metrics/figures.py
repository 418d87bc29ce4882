"""The figures of one part of a picture: the checklist by which pictures are judged, point by point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.coordinates import Wire
from sqmagic.board.layout.graph import GOALS
from sqmagic.board.layout.rails import Rail, rails
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.layout.sizes import WIRE, label_size
from sqmagic.board.metrics.lines import close_pairs, crossings, pieces
from sqmagic.board.metrics.places import along_borders, collisions, overlaps, passes, solid, strays

WIDTH = 700
"""The width in pixels at which a picture must still be read: that of a notebook's column."""

_PIXELS = 4 / 3
"""Pixels to a point where a picture is shown in its own size."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The number before each figure is its point in the checklist; lengths are in points (1/72 inch)."""

    undrawn: int
    """1: wires that are absent, do not reach both of their ends, or found no free way."""
    rise: float
    """2: the greatest difference between the heights at which a state enters and leaves."""
    rail_bends: int
    """3: bends and changes of height on rails that go through."""
    against_time: int
    """4: neighbours on a rail that stand against its direction."""
    upwards: float
    """5: the share of wires between operators, off the rails, that follow the flow."""
    overlaps: int
    """6: pairs of nodes that overlap."""
    through: int
    """7: wires that run through a node."""
    close: int
    """8: pieces of wires of different values that look like one, or run along a border."""
    crossings: int
    """9: crossings of wires."""
    wires: int
    """9: wires in all; crossings are allowed by their number."""
    bends: float
    """10: corners that one sees, for each wire; those on a stretch that wires of one value share count once."""
    most_bends: int
    """10: bends of the wire that has most."""
    crooked: int
    """10: wires with bends between nodes that stand straight above each other with nothing between."""
    unnamed: int
    """11: values with a name that is written nowhere."""
    collisions: int
    """11: names that lie on a node, a wire, a border or another name."""
    letters: float
    """12: the smallest letters but subscripts, in pixels, where the part is 700 wide, or less if it is smaller."""
    aspect: float | None
    """13: the cell's width for its height, where there is a cell."""
    unbridged: int
    """14: crossings without a bridge, and bridges without a crossing."""
    shortest: float
    """15: the shortest straight piece before an arrowhead."""
    uneven: float
    """16: how far layers that one bus feeds are from standing in one line."""
    strays: int
    """What stands in the box of a macro instance and is not its own, or the other way round."""


def measured(scene: Scene) -> Mapping[str, Figures]:
    """The figures of each part of a picture."""
    return {name: figures(part) for name, part in scene.parts.items()}


def figures(part: Part) -> Figures:
    """The figures of one part, by its own measures alone."""
    own, wires, bounds = rails(part.graph), part.placed.wires, part.bounds()
    bends = [_bends(part, wire) for wire in wires]
    seen = {
        (wire.net, corner) for wire, count in zip(wires, bends, strict=True) for corner in wire.corners[1 : 1 + count]
    }
    stops = {n for rail in own for n in rail.stops}  # these give their value along the rail
    crossed, bridges = crossings(part), {(round(x, 3), round(y, 3)) for x, y in part.placed.crossings}
    return Figures(
        undrawn=_undrawn(part),
        rise=_rise(part),
        rail_bends=sum(_rail_bends(part, rail) for rail in own),
        against_time=sum(_against_time(part, rail) for rail in own),
        upwards=_upwards(part, own),
        overlaps=len(overlaps(part)),
        through=len(passes(part)),
        close=len(close_pairs(part)) + len(along_borders(part)),
        crossings=len(crossed),
        wires=len(wires),
        bends=len(seen) / max(1, len(wires)),
        most_bends=max(bends, default=0),
        crooked=sum(_crooked(part, wire) for wire in wires if part.graph.nets[wire.net].source not in stops),
        unnamed=_unnamed(part),
        collisions=len(collisions(part)),
        letters=_letters(part) * min(_PIXELS, WIDTH / (bounds.right - bounds.left)),
        aspect=_aspect(part.placed.cell),
        unbridged=len(crossed ^ bridges),
        shortest=min((_last_piece(wire) for wire in wires if wire.arrow), default=WIRE * 2),
        uneven=max(_spreads(part), default=0.0),
        strays=len(strays(part)),
    )


# --- wires -------------------------------------------------------------------------------------------


def _undrawn(part: Part) -> int:
    drawn = {(wire.net, wire.sink) for wire in part.placed.wires if not wire.forced and _reaches(part, wire)}
    return sum((net, sink) not in drawn for net, value in enumerate(part.graph.nets) for sink in value.sinks)


def _reaches(part: Part, wire: Wire) -> bool:
    ends = ((part.graph.nets[wire.net].source, wire.corners[0]), (wire.sink, wire.corners[-1]))
    straight = all(x == u or y == v for (x, y), (u, v) in pairwise(wire.corners))
    # a merged wire goes on a little beyond its merge
    return straight and all(part.placed.box(n).grown(14.5).meets(Box(x, y, x, y).grown(0.1)) for n, (x, y) in ends)


def _bends(part: Part, wire: Wire) -> int:
    """Of a wire into a merge, without the corner by which it joins."""
    spot = part.placed.spots[wire.sink]
    joins = part.graph.nodes[wire.sink].kind == "merge" and wire.corners[-1] != spot
    return max(0, len(wire.corners) - 2 - joins)


def _crooked(part: Part, wire: Wire) -> bool:
    """There are bends, and a straight line would have hit nothing."""
    source = part.graph.nets[wire.net].source
    kinds = {part.graph.nodes[n].kind for n in (source, wire.sink)}
    (x, y), (u, v) = wire.corners[0], part.placed.spots[wire.sink]
    upward = not part.placed.turned
    aligned = (abs(x - u) < 0.5 and y < v) if upward else (abs(y - v) < 0.5 and x < u)
    if not aligned or _bends(part, wire) == 0 or kinds & {"entry", "exit", "merge"}:
        return False
    line = Box(min(x, u), min(y, v), max(x, u), max(y, v)).grown(8.0)
    blocked = any(part.placed.box(n).meets(line) for n in solid(part) if n not in (source, wire.sink))
    others = (p for other in part.placed.wires if other.net != wire.net for p in pieces(part, other))
    return not blocked and not any(p.across != upward and p.box().meets(line) for p in others)


def _last_piece(wire: Wire) -> float:
    (x, y), (u, v) = wire.corners[-2:]
    return abs(u - x) + abs(v - y)


# --- rails and flow ----------------------------------------------------------------------------------


def _rise(part: Part) -> float:
    nodes, spots = part.graph.nodes, part.placed.spots
    found = [0.0]
    for n, node in enumerate(nodes):
        if node.kind == "exit":
            entries = [m for m, e in enumerate(nodes) if e.kind == "entry" and e.state == node.state != ""]
            facing = [abs(spots[m][1] - spots[n][1]) for m in entries if nodes[m].side != node.side]
            found += [min(facing)] if facing else []
    return max(found)


def _rail_bends(part: Part, rail: Rail) -> int:
    line = [rail.entry, *rail.stops, *([rail.exit] if rail.through else [])]
    count = 0
    for source, sink in pairwise(line):
        count += abs(part.placed.spots[source][1] - part.placed.spots[sink][1]) > 0.5
        for wire in part.placed.wires:
            if wire.sink == sink and part.graph.nets[wire.net].source == source:
                count += len(wire.corners) - 2
    return count


def _against_time(part: Part, rail: Rail) -> int:
    xs = [part.placed.spots[n][0] for n in (rail.entry, *rail.stops, rail.exit)]
    return sum((b <= a) if rail.toward == "right" else (a <= b) for a, b in pairwise(xs))


def _upwards(part: Part, own: tuple[Rail, ...]) -> float:
    """Values that hang under a rail flow down, those on rails across; only the others count."""
    graph, spots = part.graph, part.placed.spots
    apart = rows(graph, own).hanging | {n for rail in own for n in (rail.entry, *rail.stops)}
    edge = {"entry", "exit", "target", "aside"} | GOALS
    axis = 0 if part.placed.turned else 1
    counted = [
        spots[net.source][axis] <= spots[sink][axis] + 0.5
        for n, net in enumerate(graph.nets)
        for sink in net.sinks
        if not {net.source, sink} & apart
        and not {graph.nodes[net.source].kind, graph.nodes[sink].kind} & edge
        and (n, sink) not in graph.loops
    ]
    return fmean(counted or [True])


def _spreads(part: Part) -> Iterator[float]:
    """For each merge on its rail's height, how far the layers that it feeds are from one line."""
    graph, spots = part.graph, part.placed.spots
    for n, node in enumerate(graph.nodes):
        heights = {spots[m][1] for m in graph.sources(n) if graph.nodes[m].kind == "entry"}
        fed = [spots[s] for s in graph.users(n) if graph.nodes[s].kind == "layer"]
        if node.kind == "merge" and spots[n][1] in heights and fed:
            axis = 0 if part.placed.turned else 1
            yield max(s[axis] for s in fed) - min(s[axis] for s in fed)


# --- names and sizes ---------------------------------------------------------------------------------


def _unnamed(part: Part) -> int:
    """A circle names what it holds, everything else a tag beside its wires."""
    nodes, told = part.graph.nodes, {tag.state for tag in part.tags if tag.role == "value"}
    circles = {"input", "target", "output"}
    nets = (n for n in part.graph.nets if n.value.state and nodes[n.source].kind not in circles)
    return sum(net.value.state not in told and {nodes[s].kind for s in net.sinks} != {"output"} for net in nets)


def _letters(part: Part) -> float:
    sizes = [label_size(part.graph.nodes[n]) for n in solid(part) if part.graph.nodes[n].label.base]
    return min([*sizes, *(WIRE for _ in part.tags)], default=WIRE)


def _aspect(cell: Box | None) -> float | None:
    return None if cell is None else (cell.right - cell.left) / (cell.top - cell.bottom)
