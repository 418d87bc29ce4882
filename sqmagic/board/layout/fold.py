"""An instance of a macro becomes one node, unless it is to be unfolded; what it makes for itself alone is hidden."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqmagic.board.layout.graph import Label, Node, Use, Value
from sqmagic.board.names import name
from sqmagic.equations.system import Running

ALL = "all"
"""The word that unfolds every macro."""


def folded(nodes: Sequence[Node], expand: Collection[str] = (), away: Collection[str] = ()) -> list[Node]:
    """The nodes with each instance that is not in `expand` as a single one, at the place of its last.

    `expand` are macros (`Enc`), instances (`Enc_1`) or the word `all`; one within another is seen only if that is
    unfolded too. `away` are states whose last value is used after the steps.
    """
    instances: dict[tuple[str, ...], list[int]] = {}
    for n, node in enumerate(nodes):
        path = _hidden_in(node.group, expand)
        if path:
            instances.setdefault(path, []).append(n)
    replaced = {members[-1]: _instance(path, members, nodes, away) for path, members in instances.items()}
    hidden = {n for members in instances.values() for n in members}
    return [replaced.get(n, node) for n, node in enumerate(nodes) if n in replaced or n not in hidden]


def _hidden_in(group: tuple[str, ...], expand: Collection[str]) -> tuple[str, ...]:
    """The outermost instance of a node's path that stays folded."""
    for depth, instance in enumerate(group, 1):
        if not _names(instance) & set(expand):
            return group[:depth]
    return ()


def _names(instance: str) -> set[str]:
    """What an instance is called by: `Enc_1` is an Enc."""
    return {ALL, instance, *(instance[:i] for i, letter in enumerate(instance) if letter == "_")}


def _instance(path: tuple[str, ...], members: Sequence[int], nodes: Sequence[Node], away: Collection[str]) -> Node:
    own = [nodes[n] for n in members]
    others = [node for n, node in enumerate(nodes) if n not in set(members)]
    made = dict.fromkeys(value for node in own for value in node.outs)
    taken: dict[Value, list[Use]] = {}
    for use in (use for node in own for use in node.ins if use.value not in made):
        taken.setdefault(use.value, []).append(use)
    leaving = {use.value for node in others for use in node.ins} | {v for v in made if _is_kept(v, nodes, away)}
    outs = tuple(v for v in made if v in leaving)
    parts = name(path[-1])
    label = Label(parts.base, ",".join(parts.below))
    ins = tuple(Use(v, all(u.held for u in uses), any(u.faulty for u in uses)) for v, uses in taken.items())
    faulty = any(node.faulty for node in own)
    told = [path[-1], *dict.fromkeys(node.title.strip() for node in own if node.title)]
    return Node("macro", label, ins, outs, group=path[:-1], title="\n".join(told), state=".".join(path), faulty=faulty)


def _is_kept(value: Value, nodes: Sequence[Node], away: Collection[str]) -> bool:
    """Read at another step, after the steps, or by nobody though it is no local of a macro: then it is a result."""
    if not value.state:
        return False
    if value.state in away:
        return True
    reads = [use.value for node in nodes for use in node.ins if use.value.state == value.state]
    if not reads:
        return "." not in value.state
    return any(read.context != value.context and _runs(read) for read in reads)


def _runs(value: Value) -> bool:
    return not value.context or any(not isinstance(i, Running) or i.offset for i in value.context)
