"""Rails: the straight lines on which states travel through time, left to right for what comes from earlier steps and
right to left for what comes from later ones."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from sqmagic.board.layout.graph import BLOCKS, SIGNS, Graph, Side


@dataclass(frozen=True, slots=True)
class Rail:
    """A state's way from its entry to its exit.

    On a `through` rail the value is only worked on (LSTM's c), or passed through one function of the outside (S
    through step): `stops` are the nodes that lie on it, in the order of the flow. On any other the value ends
    somewhere, and a new one begins at `source`, to leave at the same height; `stops` is then at most one sign beside
    the entry.
    """

    state: str
    toward: Side
    entry: int
    exit: int
    source: int
    stops: tuple[int, ...]
    through: bool


def rails(graph: Graph) -> tuple[Rail, ...]:
    exits = {(n.state, n.side): i for i, n in enumerate(graph.nodes) if n.kind == "exit"}
    taken: set[int] = set()
    left: set[int] = set()
    out: list[Rail] = []
    for i, node in enumerate(graph.nodes):
        if node.kind != "entry":
            continue
        toward: Side = "right" if node.side == "left" else "left"
        leaves = exits[(node.state, toward)]
        source = graph.sources(leaves)[0]
        stops = () if leaves in left else _through(graph, i, source, taken)
        through = bool(stops)
        stops = stops or _beside(graph, i, taken)
        taken.update(stops)
        left.add(leaves)
        out.append(Rail(node.state, toward, i, leaves, source, stops, through))
    return tuple(out)


def _through(graph: Graph, entry: int, source: int, taken: set[int]) -> tuple[int, ...]:
    """The shortest way from an entry to where its state is made, over signs only, or through one function."""
    path = _shortest(graph, entry, source)
    if any(n in taken for n in path):
        return ()
    if not path and graph.nodes[source].kind in BLOCKS and entry in graph.sources(source) and source not in taken:
        return (source,)
    return path


def _shortest(graph: Graph, entry: int, source: int) -> tuple[int, ...]:
    before: dict[int, int] = {}
    queue = deque([entry])
    while queue:
        at = queue.popleft()
        if at == source:
            break
        for user in graph.users(at):
            if graph.nodes[user].kind in SIGNS and user not in before:
                before[user] = at
                queue.append(user)
    path = []
    step = source
    while step in before:
        path.append(step)
        step = before[step]
    return tuple(reversed(path))


def _beside(graph: Graph, entry: int, taken: set[int]) -> tuple[int, ...]:
    """A sign that alone uses the entry and uses nothing else, such as ×γ, stands on the entry's line."""
    users = [u for u in graph.users(entry) if graph.nodes[u].kind != "exit"]
    if len(users) != 1 or users[0] in taken:
        return ()
    node = graph.nodes[users[0]]
    return (users[0],) if node.kind in SIGNS and len(graph.sources(users[0])) == 1 else ()


def rail_of(rails: tuple[Rail, ...]) -> dict[int, Rail]:
    """The rail on which a node lies."""
    return {n: rail for rail in rails for n in (rail.entry, *rail.stops)}
