"""What stands at the edge of a region: inputs below, targets and outputs above, and where values of other steps enter
and leave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from sqmagic.board.layout.delays import delayed
from sqmagic.board.layout.graph import GOALS, Graph, Node, Side, Use, Value, connect
from sqmagic.board.layout.normalise import value_label
from sqmagic.board.layout.ranges import carried
from sqmagic.equations.system import Running

_LOST = "the line that defines it is faulty"
_OPPOSITE: dict[Side, Side] = {"left": "right", "right": "left"}


def bounded(nodes: Sequence[Node], timed: bool, away: Iterable[str] = (), lost: Collection[str] = ()) -> Graph:
    """The graph of a region's nodes with its boundary.

    `away` are states whose last value is used after the steps, `lost` those whose own lines are too faulty to draw.
    """
    nodes = _with_asides(nodes, away)
    made = {value for node in nodes for value in node.outs}
    indexed = {v.state: v for v in made if v.state and any(isinstance(i, Running) for i in v.context)}
    nodes, ranges = carried(nodes, indexed) if timed else (nodes, ())
    made |= {value for node in nodes for value in node.outs}
    nodes = delayed(nodes, indexed, made) if timed else nodes
    made |= {value for node in nodes for value in node.outs}
    used = list(dict.fromkeys(use.value for node in nodes for use in node.ins))
    edge: list[Node] = []
    leaving: dict[tuple[str, Side], None] = {}
    for value in (v for v in used if v not in made):
        side = value.side if timed and value.state in indexed else None
        node = _edge_node(value, side, nodes)
        edge.append(replace(node, faulty=True, title=_LOST) if value.state in lost else node)
        if side:
            leaving[(value.state, _OPPOSITE[side])] = None
    leaving |= {(state, "right"): None for state in away if state in indexed}
    going = {(each.state, _OPPOSITE[each.side]): (each.name, each.exit) for each in ranges}
    exits = [_exit(s, side, *going.get((s, side), (indexed[s], indexed[s]))) for s, side in leaving]
    shown = _circled(nodes, {state for state, _ in leaving}, set(away))
    circles = [_circle(value) for value in shown]
    return connect([*(_through(node, shown) for node in nodes), *edge, *circles, *exits], timed)


def _exit(state: str, side: Side, name: Value, value: Value) -> Node:
    return Node("exit", value_label(name), (Use(value),), (), side=side, state=state)


def _edge_node(value: Value, side: Side | None, nodes: Sequence[Node]) -> Node:
    label = value_label(value)
    if side:
        return Node("entry", label, outs=(value,), side=side, state=value.state)
    uses = [(node, use) for node in nodes for use in node.ins if use.value == value]
    is_target = all(_takes_target(node, use) for node, use in uses)
    return Node("target" if is_target else "input", label, outs=(value,), state=value.state)


def _takes_target(node: Node, use: Use) -> bool:
    return node.kind == "aside" or (node.kind in GOALS and use.held)


def _with_asides(nodes: Sequence[Node], away: Iterable[str]) -> list[Node]:
    """Signs that only turn a given target into what the loss reads (`one_hot(y)`) stand beside the loss; what other
    steps read too stands in the cell, where its rail is."""
    users: dict[Value, list[tuple[int, Use]]] = {}
    for n, node in enumerate(nodes):
        for use in node.ins:
            users.setdefault(use.value, []).append((n, use))
    made = {value for node in nodes for value in node.outs}
    elsewhere = {value.state for value in users if value not in made} | set(away)
    out = list(nodes)
    for n in reversed(range(len(nodes))):
        node = nodes[n]
        after = [(out[m], use) for value in node.outs for m, use in users.get(value, [])]
        given = [value for use in node.ins for value in [use.value] if value not in made]
        alone = len(given) == len(node.ins) == 1 and len(users[given[0]]) == 1
        alone = alone and not any(value.state in elsewhere for value in node.outs if value.state)
        if node.kind == "pointwise" and alone and after and all(_takes_target(m, use) for m, use in after):
            out[n] = replace(node, kind="aside")
    return out


def _circled(nodes: Sequence[Node], carried: set[str], away: set[str]) -> dict[Value, Value]:
    """Circles are for what nothing else uses, and for predictions, which go on from there to their loss; the value
    behind a circle has a name of its own. What a folded macro only hands on to itself is its own affair."""
    users: dict[Value, list[Node]] = {}
    for node in nodes:
        for use in node.ins:
            users.setdefault(use.value, []).append(node)
    makers = [node for node in nodes if node.kind not in {"function", "buffer", "delay"}]
    made = [value for node in makers for value in node.outs if value.state]
    inner = {
        v for node in nodes if node.kind == "macro" for v in node.outs if _is_local(v, node) and v.state in carried
    }
    unused = [v for v in made if v not in users and v.state not in away and v not in inner]
    predicted = [v for v in made if v in users and v.state not in carried and all(n.kind in GOALS for n in users[v])]
    return {value: replace(value, number=-1) for value in made if value in unused or value in predicted}


def _is_local(value: Value, macro: Node) -> bool:
    return value.state.startswith(f"{macro.state}.")


def _circle(value: Value) -> Node:
    return Node("output", value_label(value), (Use(value),), (replace(value, number=-1),), state=value.state)


def _through(node: Node, shown: dict[Value, Value]) -> Node:
    """A goal reads a prediction from its circle."""
    if node.kind not in GOALS:
        return node
    return replace(node, ins=tuple(replace(u, value=shown.get(u.value, u.value)) for u in node.ins))
