"""What no picture of a program can do without, that figures may tell it from what is needless.

A state goes from one side of the cell to the other and what is given goes from below to above: if they have no node in
common, they cross. And of the wires into a sign one comes straight from below, of those of a value one goes straight
up; every other has to turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from sqmagic.board.layout.boxes import Spot
from sqmagic.board.layout.coordinates import Wire
from sqmagic.board.layout.graph import BLOCKS, GOALS, Graph
from sqmagic.board.layout.scene import Part

_ABOVE = GOALS | {"output"}


# --- crossings ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chord:
    """A way along wires from one edge of the cell to another; no two have a net in common."""

    nodes: tuple[int, ...]
    nets: frozenset[int]
    across: bool


def forced_crossings(graph: Graph) -> int:
    """A number of crossings that every picture has in which states enter and leave at one height, at the sides, and
    inputs stand below and outputs above.

    Chords across and chords upright cross pair by pair, by Jordan's curve theorem, unless they meet in a node; and
    states that exchange their heights cross one another. As no two chords share a net, no crossing counts twice.
    """
    return max(_crossed(graph, list(_chords(graph, upright))) for upright in (False, True)) if graph.timed else 0


def _crossed(graph: Graph, chords: list[Chord]) -> int:
    apart = [(a, b) for a, b in combinations(chords, 2) if not set(a.nodes) & set(b.nodes)]
    return sum(a.across != b.across or _exchanged(graph, a, b) for a, b in apart)


def _exchanged(graph: Graph, a: Chord, b: Chord) -> bool:
    """One enters where the other leaves, and the other way round, in the same direction of time."""
    if not (a.across and b.across):
        return False
    starts, ends = ([graph.nodes[chord.nodes[k]] for chord in (a, b)] for k in (0, -1))
    if starts[0].side != starts[1].side:
        return False
    return starts[0].state == ends[1].state != starts[1].state == ends[0].state


def _chords(graph: Graph, upright_first: bool) -> Iterator[Chord]:
    """Shortest ways first come, each over nets that no other has taken."""
    used: set[int] = set()
    for across in (False, True) if upright_first else (True, False):
        for start, node in enumerate(graph.nodes):
            if node.kind != ("entry" if across else "input"):
                continue
            way = _shortest(graph, start, used)
            if way:
                nodes, nets = way
                used |= nets
                yield Chord(nodes, frozenset(nets), across)


def _faces(graph: Graph, start: int, end: int) -> bool:
    """Whether a node stands at the edge that is opposite to that of the start."""
    first, last = graph.nodes[start], graph.nodes[end]
    return last.kind == "exit" and last.side != first.side if first.side else last.kind in _ABOVE


def _shortest(graph: Graph, start: int, used: set[int]) -> tuple[tuple[int, ...], set[int]] | None:
    """The shortest way along the flow to the opposite edge, as nodes and nets."""
    before: dict[int, tuple[int, int]] = {}
    queue = deque([start])
    while queue:
        at = queue.popleft()
        if _faces(graph, start, at):
            return _traced(before, start, at)
        for net in (net for net in graph.outputs[at] if net not in used):
            for sink in graph.nets[net].sinks:
                if sink not in before and sink != start:
                    before[sink] = (at, net)
                    queue.append(sink)
    return None


def _traced(before: dict[int, tuple[int, int]], start: int, end: int) -> tuple[tuple[int, ...], set[int]]:
    nodes, nets = [end], set()
    while nodes[-1] != start:
        node, net = before[nodes[-1]]
        nodes.append(node)
        nets.add(net)
    return tuple(reversed(nodes)), nets


# --- bends -------------------------------------------------------------------------------------------

_FROM_BELOW = frozenset({"layer", "output"})
"""What takes a wire from below alone."""


def forced_corners(part: Part) -> set[tuple[int, Spot]]:
    """Corners, each with its net, of wires that could not be straight, because another of their value or another into
    the same node is: the one by which they arrive, and the one by which they leave if they have to arrive from below.
    """
    straight = [wire for wire in part.placed.wires if len(wire.corners) == 2]
    nets = {wire.net for wire in straight}
    sinks = {wire.sink for wire in straight if part.graph.nodes[wire.sink].kind not in BLOCKS}
    out: set[tuple[int, Spot]] = set()
    for wire in part.placed.wires:
        if len(wire.corners) > 2 and (wire.net in nets or wire.sink in sinks) and _is_free(part, wire):
            out.add((wire.net, wire.corners[-2]))
            if part.graph.nodes[wire.sink].kind in _FROM_BELOW:
                out.add((wire.net, wire.corners[1]))
    return out


def _is_free(part: Part, wire: Wire) -> bool:
    """Bends at rails and merges are told elsewhere."""
    kinds = {part.graph.nodes[n].kind for n in (part.graph.nets[wire.net].source, wire.sink)}
    return not kinds & {"entry", "exit", "merge"}
