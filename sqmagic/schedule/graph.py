"""Graphs whose nodes are numbers: strongly connected components, a stable order, a shortest cycle, least values.

Nothing here recurses, so that a program of any length meets no limit of Python. A graph is a sequence: `graph[n]`
are the successors of n, each of which must come before n.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import TypeAlias, TypeVar

Graph: TypeAlias = Sequence[Collection[int]]
Label = TypeVar("Label")


def strong_components(graph: Graph) -> list[list[int]]:
    """The strongly connected components, each sorted; one that needs another comes after it (Tarjan, 1972)."""
    order: list[int] = [-1] * len(graph)
    low: list[int] = [0] * len(graph)
    waiting: list[int] = []
    on_stack = [False] * len(graph)
    found: list[list[int]] = []
    count = 0
    for root in range(len(graph)):
        if order[root] >= 0:
            continue
        path: list[tuple[int, Iterator[int]]] = []
        visit: int | None = root
        while visit is not None or path:
            if visit is not None:
                order[visit] = low[visit] = count
                count += 1
                waiting.append(visit)
                on_stack[visit] = True
                path.append((visit, iter(graph[visit])))
            node, successors = path[-1]
            visit = None
            for successor in successors:
                if order[successor] < 0:
                    visit = successor
                    break
                if on_stack[successor]:
                    low[node] = min(low[node], order[successor])
            if visit is not None:
                continue
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == order[node]:
                start = _place(waiting, node)
                found.append(sorted(waiting[start:]))
                for member in waiting[start:]:
                    on_stack[member] = False
                del waiting[start:]
    return found


def _place(waiting: list[int], node: int) -> int:
    """Where a node stands, sought from the end: what is passed over leaves with it."""
    place = len(waiting) - 1
    while waiting[place] != node:
        place -= 1
    return place


def stable_order(graph: Graph, rank: Callable[[int], tuple[int, ...]]) -> list[int]:
    """Every node after its successors in an acyclic graph; of those that may come next, the one of least rank."""
    readers: list[list[int]] = [[] for _ in graph]
    missing = [len(set(successors)) for successors in graph]
    for node, successors in enumerate(graph):
        for successor in set(successors):
            readers[successor].append(node)
    ready = [(rank(node), node) for node in range(len(graph)) if not missing[node]]
    heapify(ready)
    order: list[int] = []
    while ready:
        _, node = heappop(ready)
        order.append(node)
        for reader in readers[node]:
            missing[reader] -= 1
            if not missing[reader]:
                heappush(ready, (rank(reader), reader))
    assert len(order) == len(graph), "an acyclic graph has an order"
    return order


def least(
    values: Mapping[int, int], edges: Mapping[int, Sequence[tuple[int, Label]]], along: Callable[[Label, int], int]
) -> dict[int, int]:
    """The least value that reaches each node: its own, or another's carried along edges, of which a single one may
    lessen it, but no way round."""
    waiting = [(value, node) for node, value in values.items()]
    heapify(waiting)
    found: dict[int, int] = {}
    while waiting:
        value, node = heappop(waiting)
        if node not in found or value < found[node]:
            found[node] = value
            for other, label in edges[node]:
                heappush(waiting, (along(label, value), other))
    return found


def shortest_cycle(graph: Graph, start: int) -> list[int]:
    """A shortest cycle through `start`, which stands first; `start` must lie on one."""
    before: dict[int, int] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for successor in graph[node]:
            if successor == start:
                return _path(before, start, node)
            if successor not in before:
                before[successor] = node
                waiting.append(successor)
    raise AssertionError("the node lies on no cycle")


def _path(before: dict[int, int], start: int, node: int) -> list[int]:
    path = [node]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]
