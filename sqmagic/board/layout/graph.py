"""What is drawn, before it has a place: nodes, the values on their wires, and the nets that join them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from sqmagic.equations.system import Context, Fixed, Last, Range, Running, points

Kind = Literal[
    "layer",  # learned, with a tab for its name
    "pointwise",  # on values: ×, +, tanh
    "merge",  # concatenation: wires that join
    "delay",  # what it was a step earlier, or will be a step later
    "function",  # the outside: step, sample
    "buffer",  # what was stored, and what is drawn from it
    "macro",  # an instance of a macro, folded
    "aside",  # on a target alone: stands beside the loss
    "loss",
    "objective",
    "input",
    "output",
    "target",
    "entry",  # where a value of another step comes in
    "exit",  # where it goes out
]
GOALS = frozenset({"loss", "objective"})
OUTER = GOALS | {"input", "output", "target", "aside"}
"""What stands outside the cell."""
SIGNS = frozenset({"pointwise", "delay"})
"""What may lie on a rail, one wire in at either end."""
BLOCKS = frozenset({"function", "buffer", "macro"})
"""What may have several results, each leaving upwards from a pin of its own."""
HEADED = GOALS | SIGNS | BLOCKS | {"aside", "output"}
"""What a wire enters with an arrowhead."""

Side = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Value:
    """What a wire carries: a state at a context, or, if `state` is empty, the intermediate result of that number."""

    state: str
    context: Context = ()
    number: int = 0

    @property
    def side(self) -> Side | None:
        """Where a value of another step comes from: earlier steps are left, later ones right. What every step has of
        all steps comes from neither."""
        if any(isinstance(i, Range) and isinstance(i.first, Fixed) and isinstance(i.last, Last) for i in self.context):
            return None
        ends = [p for i in self.context for p in points(i)]
        if any(isinstance(p, Last) or (isinstance(p, Running) and p.offset > 0) for p in ends):
            return "right"
        if any(isinstance(i, Range | Fixed) or (isinstance(i, Running) and i.offset < 0) for i in self.context):
            return "left"
        return None


@dataclass(frozen=True, slots=True)
class Label:
    """A word with what stands below it; `serif` for the names of states and parameters."""

    base: str
    below: str = ""
    serif: bool = False

    @property
    def text(self) -> str:
        """One string for both, to be parted again where it is painted."""
        return self.base + lowered(self.below) if self.below else self.base


NOTHING = Label("")
LOWER, LEVEL = "_\u2060", "\u2060"
"""What begins and ends a part that stands below in a text: DOT has no subscripts, `svg` sets them."""


def lowered(text: str) -> str:
    return f"{LOWER}{text}{LEVEL}"


@dataclass(frozen=True, slots=True)
class Use:
    """A value as an operand; `held` says that no gradient passes here (a dashed wire), `faulty` that it is wrong."""

    value: Value
    held: bool = False
    faulty: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A drawn thing. `tab` is a layer's name, `frame` the transforms of its update, `title` its statement."""

    kind: Kind
    label: Label
    ins: tuple[Use, ...] = ()
    outs: tuple[Value, ...] = ()
    tab: Label | None = None
    frame: str = ""
    group: tuple[str, ...] = ()
    title: str = ""
    side: Side | None = None
    state: str = ""
    faulty: bool = False


@dataclass(frozen=True, slots=True)
class Net:
    """A value, the node that makes it and the nodes that use it (by number), each once."""

    value: Value
    source: int
    sinks: tuple[int, ...]
    held: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Graph:
    """`timed` graphs flow upwards inside a cell, others from left to right.

    `inputs` and `outputs` are the nets of each node. Of a faulty program, `loops` are the wires (net, sink) that close
    a cycle within a step, and `faulty` all wires of such cycles and those that are wrong for another reason.
    """

    nodes: tuple[Node, ...]
    nets: tuple[Net, ...]
    timed: bool
    net_of: dict[Value, int] = field(hash=False)
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]
    loops: frozenset[tuple[int, int]]
    faulty: frozenset[tuple[int, int]]

    def sources(self, node: int) -> tuple[int, ...]:
        """The nodes that feed a node, in the order of its operands; loops apart."""
        return tuple(self.nets[n].source for n in self.inputs[node] if (n, node) not in self.loops)

    def joined(self, node: int) -> int | None:
        """The merge in which what this merge makes, without a name, is joined by more."""
        users = self.users(node) if self.nodes[node].kind == "merge" else ()
        named = any(value.state for value in self.nodes[node].outs)
        return users[0] if len(users) == 1 and not named and self.nodes[users[0]].kind == "merge" else None

    def users(self, node: int) -> tuple[int, ...]:
        return tuple(s for n in self.outputs[node] for s in self.nets[n].sinks)


def connect(nodes: Iterable[Node], timed: bool) -> Graph:
    """Nets from the nodes' ins and outs. Every used value must have a source among the nodes."""
    given = tuple(nodes)
    source = {value: i for i, node in enumerate(given) for value in node.outs}
    sinks: dict[Value, dict[int, bool]] = {}
    for i, node in enumerate(given):
        for use in node.ins:
            sinks.setdefault(use.value, {})
            sinks[use.value][i] = sinks[use.value].get(i, True) and use.held
    nets = tuple(
        Net(value, source[value], tuple(users), frozenset(i for i, held in users.items() if held))
        for value, users in sinks.items()
    )
    net_of = {net.value: n for n, net in enumerate(nets)}
    inputs = tuple(tuple(dict.fromkeys(net_of[u.value] for u in node.ins)) for node in given)
    outputs = tuple(tuple(net_of[v] for v in node.outs if v in net_of) for node in given)
    loops = _loops(nets, outputs)
    wrong = {(net_of[use.value], i) for i, node in enumerate(given) for use in node.ins if use.faulty}
    return Graph(given, nets, timed, net_of, inputs, outputs, loops, frozenset(wrong | _cycles(nets, outputs, loops)))


def _loops(nets: Sequence[Net], outputs: Sequence[Sequence[int]]) -> frozenset[tuple[int, int]]:
    """The wires that lead back to a node on the way to them, in a walk from each node onwards."""
    found: set[tuple[int, int]] = set()
    done: set[int] = set()
    for start in range(len(outputs)):
        way: dict[int, Iterator[tuple[int, int]]] = {}
        if start not in done:
            way[start] = _onwards(nets, outputs[start])
        while way:
            at, rest = next(reversed(way.items()))
            wire = next(rest, None)
            if wire is None:
                done.add(at)
                del way[at]
            elif wire[1] in way:
                found.add(wire)
            elif wire[1] not in done:
                way[wire[1]] = _onwards(nets, outputs[wire[1]])
    return frozenset(found)


def _onwards(nets: Sequence[Net], outputs: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((net, sink) for net in outputs for sink in nets[net].sinks)


def _cycles(
    nets: Sequence[Net], outputs: Sequence[Sequence[int]], loops: Iterable[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Every wire on a cycle that a loop closes: those from what its sink reaches to what reaches its source."""
    found: set[tuple[int, int]] = set()
    before: dict[int, set[int]] = {}
    for net, drawn in enumerate(nets):
        for sink in drawn.sinks:
            before.setdefault(sink, set()).add(net)
    for net, sink in loops:
        after = _reached([sink], lambda n: (s for m in outputs[n] for s in nets[m].sinks))
        leading = _reached([nets[net].source], lambda n: (nets[m].source for m in before.get(n, ())))
        both = after & leading
        found |= {(m, s) for n in both for m in outputs[n] for s in nets[m].sinks if s in both}
    return found


def _reached(starts: Iterable[int], onwards: Callable[[int], Iterable[int]]) -> set[int]:
    found = set(starts)
    waiting = list(found)
    while waiting:
        new = set(onwards(waiting.pop())) - found
        found |= new
        waiting += new
    return found
