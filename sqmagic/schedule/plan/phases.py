"""A step's values divided into phases: in each, products whose operands are known, then lines on what they gave.

A phase has a group for each width of values. Within a group all values are computed unit by unit, so that what one
line gives another of the same group takes from a register; what a product, a fold over components or a line of
another width takes must stand in memory, whole, from an earlier phase. What costs little is computed again rather
than kept. Before: the graph of a step. After: `Phase`s, in which every value that is kept is computed once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqmagic.schedule.plan.nodes import (
    Cut,
    Graph,
    Join,
    Length,
    Map,
    Node,
    Number,
    Operation,
    Places,
    Product,
    Row,
    Share,
    Spread,
    Step,
    Still,
    Vector,
    needed,
)
from sqmagic.schedule.plan.values import CHEAP


@dataclass(frozen=True, slots=True)
class Store:
    """A value put into a plane (rows of memory, by name) at a component."""

    value: int
    plane: str
    start: int


@dataclass(frozen=True, slots=True)
class Group:
    """What is computed of one width in a phase: stacks of products on the same operands, and what is stored; `computed`
    are all values that it does not read from memory."""

    width: int
    stacks: tuple[tuple[int, ...], ...]
    stores: tuple[Store, ...]
    computed: frozenset[int]

    @property
    def products(self) -> tuple[int, ...]:
        return tuple(p for stack in self.stacks for p in stack)


@dataclass(frozen=True, slots=True)
class Plane:
    """Rows that a step leaves in memory: of a state, or of a value in between. `needed` says that other phases or
    steps read them; one that is not is written only where it is asked for.
    """

    name: str
    width: int
    needed: bool


@dataclass(frozen=True, slots=True)
class Phases:
    """`homes` says in which plane, and at which component, a value stands."""

    phases: tuple[tuple[Group, ...], ...]
    planes: tuple[Plane, ...]
    homes: Mapping[int, tuple[str, int]]


def phases(graph: Graph, values: Mapping[str, int], read: Iterable[str]) -> Phases:
    """The phases of a step. `values` are the states' values, `read` the states that other steps read."""
    work = _Work(graph, _levels(graph), values)
    for state, number in values.items():
        work.planes[state] = graph.width(number)
        work.keep(number, state, 0)
        if not _stands(graph, number):
            work.homes.setdefault(number, (state, 0))
    work.needed.update(read)
    while work.waiting:
        level = max(level for level, _ in work.waiting)
        for key in sorted(k for k in work.waiting if k[0] == level):
            work.groups[key] = work.waiting.pop(key)
            for store in list(work.groups[key].values()):
                work.visit(store.value, *key)
    return Phases(_gathered(work), _planes(work), work.homes)


def _stands(graph: Graph, number: int) -> bool:
    """Whether a value is in memory, or is a number, before the step begins."""
    match graph.nodes[number]:
        case Row() | Still() | Vector() | Number() | Step() | Length() | Share() | Places():
            return True
        case Cut(arg):
            return _stands(graph, arg)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class _Levels:
    """The phase in which each value can be computed, and the one from which all of it can be read; `inline`: what any
    phase may compute for itself."""

    level: list[int]
    ready: list[int]
    inline: list[bool]


def _levels(graph: Graph) -> _Levels:
    """In the order of the graph, in which what a value is made from comes before it."""
    found = _Levels([], [], [])
    for number, node in enumerate(graph.nodes):
        inline = _stands(graph, number) or _is_inline(node, graph, found)
        level = 0 if inline else _level(graph, number, found)
        found.inline.append(inline)
        found.level.append(level)
        found.ready.append(0 if _stands(graph, number) else level if isinstance(node, Cut) else level + 1)
    return found


def _is_inline(node: Node, graph: Graph, found: _Levels) -> bool:
    match node:
        case Map(op, args):
            return op in CHEAP and all(found.inline[a] for a in args)
        case Spread(arg):
            return _stands(graph, arg)
        case _:
            return False


def _level(graph: Graph, number: int, found: _Levels) -> int:
    node = graph.nodes[number]
    match node:
        case Map(_, args, wide):
            return max(_when(graph, a, wide, found) for a in args)
        case Join(args):
            return max(found.level[a] for a in args)
        case _:
            return max(found.ready[a] for a in needed(node))


def _when(graph: Graph, number: int, wide: int, found: _Levels) -> int:
    """From which phase a line of a width can take a value: at once in a register, else from memory."""
    register = isinstance(graph.nodes[number], Operation) and graph.width(number) == wide
    return found.level[number] if register or found.inline[number] else found.ready[number]


@dataclass(slots=True)
class _Work:
    """Groups by (level, width), each with what it stores by (plane, component); `waiting` are those not yet seen."""

    graph: Graph
    levels: _Levels
    values: Mapping[str, int]
    planes: dict[str, int] = field(default_factory=dict)
    homes: dict[int, tuple[str, int]] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)
    waiting: dict[tuple[int, int], dict[tuple[str, int], Store]] = field(default_factory=dict)
    groups: dict[tuple[int, int], dict[tuple[str, int], Store]] = field(default_factory=dict)
    products: dict[tuple[int, int], dict[int, None]] = field(default_factory=dict)
    computed: dict[tuple[int, int], set[int]] = field(default_factory=dict)
    seen: dict[tuple[int, int], set[int]] = field(default_factory=dict)

    def keep(self, number: int, plane: str, start: int) -> None:
        """A value into a plane; a concatenation part by part, each as soon as it is there."""
        node = self.graph.nodes[number]
        if isinstance(node, Join):
            for part in node.args:
                self.keep(part, plane, start)
                start += self.graph.width(part)
            return
        key = (self.levels.level[number], self.graph.width(number))
        self.waiting.setdefault(key, {})[plane, start] = Store(number, plane, start)

    def in_memory(self, number: int) -> None:
        """Sees to it that a value, whole, can be read from memory."""
        node = self.graph.nodes[number]
        if isinstance(node, Cut):
            self.in_memory(node.arg)
        elif not _stands(self.graph, number):
            if number not in self.homes:
                self.homes[number] = (f"value_{number}", 0)
                self.planes[f"value_{number}"] = self.graph.width(number)
                self.keep(number, f"value_{number}", 0)
            self.needed.add(self.homes[number][0])

    def visit(self, number: int, level: int, wide: int) -> None:
        """What a group needs to compute a value; what it has seen for another needs nothing more."""
        stack, seen = [number], self.seen.setdefault((level, wide), set())
        while stack:
            number = stack.pop()
            if number in seen or _stands(self.graph, number):
                continue
            seen.add(number)
            node = self.graph.nodes[number]
            if not self.here(number, level, wide):
                self.in_memory(number)
                continue
            self.computed.setdefault((level, wide), set()).add(number)
            if isinstance(node, Map):
                stack.extend(node.args)
            elif isinstance(node, Product):
                self.products.setdefault((level, wide), {})[number] = None
                for operand in needed(node):
                    self.in_memory(operand)
            else:
                for arg in needed(node):
                    self.in_memory(arg)

    def here(self, number: int, level: int, wide: int) -> bool:
        """Whether a group computes a value itself: it belongs there, or costs little."""
        if self.levels.inline[number]:
            return True
        node = self.graph.nodes[number]
        if not isinstance(node, Operation) or self.graph.width(number) != wide:
            return False
        return self.levels.level[number] == level or (isinstance(node, Map) and node.op in CHEAP)


def _gathered(work: _Work) -> tuple[tuple[Group, ...], ...]:
    found: dict[int, list[Group]] = {}
    for key in sorted(work.groups):
        level, wide = key
        stores = tuple(sorted(work.groups[key].values(), key=lambda s: s.value))
        stacks = _stacks(work.graph, sorted(work.products.get(key, {})))
        group = Group(wide, stacks, stores, frozenset(work.computed.get(key, ())))
        found.setdefault(level, []).append(group)
    return tuple(tuple(found[level]) for level in sorted(found))


def _stacks(graph: Graph, products: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Products on the same operands together."""
    found: dict[tuple[int, ...], list[int]] = {}
    for number in products:
        found.setdefault(tuple(needed(graph.nodes[number])), []).append(number)
    return tuple(tuple(stack) for stack in found.values())


def _planes(work: _Work) -> tuple[Plane, ...]:
    return tuple(Plane(name, width, name in work.needed) for name, width in work.planes.items())
