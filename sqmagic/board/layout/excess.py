"""What there is too much of in a picture: crossings, bends, width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from sqmagic.board.layout.coordinates import Placed, place
from sqmagic.board.layout.frames import groups
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.grid import BEND, COLUMN, CROSSING, Plan, Point
from sqmagic.board.layout.instances import nested
from sqmagic.board.layout.route import Routes
from sqmagic.board.layout.sizes import WIRE, label_size
from sqmagic.board.layout.wires import Wiring, places_of

_CROSSED, _BENT, _WINDING = 0.4, 0.8, 5
"""More crossings, or bends, for each wire are too many, and so are more bends of one."""

_SHOWN, _SMALL = 700.0, 9.0
"""Where a picture is that wide, letters must not be smaller."""

_EACH, _OUTSIDE, _TOWER = 50.0, 108.0, 0.61
"""About how wide a column is; what stands on both sides of a cell; and how wide a tower is for its height."""


_INTRUSION = 30.0


@dataclass(frozen=True, slots=True)
class Excess:
    """How many more crossings, bends (or bent wires that could be straight) and columns there are than may be."""

    crossings: float
    bends: float
    columns: float

    @property
    def whole(self) -> float:
        return self.crossings + self.bends + self.columns


@dataclass(frozen=True, slots=True)
class Found:
    """A plan with its final routes; how many nodes and macro instances stand in the room or the box of one that is not
    theirs."""

    plan: Plan
    routes: Routes
    excess: Excess
    intrusions: int

    @property
    def neat(self) -> bool:
        return not self.routes.missing and self.excess.whole == 0


def found(wires: Wiring, plan: Plan, routes: Routes) -> Found:
    crossed, bent = beyond(len(routes.paths), len(routes.crossings), routes.corners)
    winding = sum(max(0, _bends(path) - _WINDING) for path in routes.paths.values())
    placed = place(plan, routes)
    excess = Excess(crossed, bent + winding + routes.crooked, _too_wide(plan.graph, placed) / _EACH)
    return Found(plan, routes, excess, wires.core.intrusions(places_of(plan)) + _astray(plan.graph, placed))


def _astray(graph: Graph, placed: Placed) -> int:
    """How many nodes, of those that one sees, and how many other boxes the box of a macro instance touches."""
    boxes = groups(graph, placed)
    seen = [n for n, node in enumerate(graph.nodes) if node.kind not in {"entry", "exit", "merge"}]
    nodes = (
        graph.nodes[n].group[: len(group.path)] != group.path and placed.box(n).meets(group.box)
        for group in boxes
        for n in seen
    )
    pairs = (not nested(a.path, b.path) and a.box.meets(b.box) for a, b in combinations(boxes, 2))
    return sum(nodes) + sum(pairs)


def beyond(wires: int, crossings: int, bends: int) -> tuple[float, float]:
    """By how much there are more crossings, and bends, than so many wires may have."""
    return max(0.0, crossings - max(1.0, _CROSSED * wires)), max(0.0, bends - _BENT * wires)


def dear(one: Found) -> tuple[int, float, float]:
    """What is missing or out of place, then by how much there is too much of anything, then the cost as if all counted
    alike."""
    plan, routes = one.plan, one.routes
    wrong = len(routes.missing) + one.intrusions
    more = (plan.crossing - CROSSING) * len(routes.crossings) + (plan.bend - BEND) * routes.corners
    return wrong, one.excess.whole, routes.cost + COLUMN * plan.columns.count + _INTRUSION * one.intrusions - more


def _bends(path: Sequence[Point]) -> int:
    return sum((a[0] == b[0]) != (b[0] == c[0]) for a, b, c in zip(path, path[1:], path[2:], strict=False))


def _too_wide(graph: Graph, placed: Placed) -> float:
    """By how much a cell is wider than one in which the smallest letters can be read; a tower is only stretched."""
    cell = placed.cell
    if cell is None or cell.right - cell.left < _TOWER * (cell.top - cell.bottom):
        return 0.0
    smallest = min([WIRE, *(label_size(node) for node in graph.nodes if node.label.base)])
    ends = [end for (x, _), (w, _) in zip(placed.spots, placed.extents, strict=True) for end in (x - w / 2, x + w / 2)]
    width = max(ends) - min(ends) + _OUTSIDE
    return max(0.0, width - smallest * _SHOWN / _SMALL)
