"""What a program puts into a buffer and what it draws from it belong to one drawn thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqmagic.board.layout.graph import Node, Use, connect


def stored(nodes: Sequence[Node]) -> list[Node]:
    """One node for each buffer, at the place of the first that uses it; apart where what is stored was drawn."""
    out = list(nodes)
    for state in dict.fromkeys(node.state for node in nodes if node.kind == "buffer"):
        own = [n for n, node in enumerate(out) if node.kind == "buffer" and node.state == state]
        ins = tuple(dict.fromkeys(use for n in own for use in out[n].ins))
        outs = tuple(value for n in own for value in out[n].outs)
        title = "\n".join(dict.fromkeys(out[n].title for n in own if out[n].title))
        whole = replace(out[own[0]], ins=ins, outs=outs, title=title)
        joined = [whole if n == own[0] else node for n, node in enumerate(out) if n not in own[1:]]
        if len(_cycles(joined)) == len(_cycles(out)):
            out = joined
    return out


def _cycles(nodes: Sequence[Node]) -> frozenset[tuple[int, int]]:
    made = {value for node in nodes for value in node.outs}
    inner = [replace(node, ins=tuple(Use(u.value) for u in node.ins if u.value in made)) for node in nodes]
    return connect(inner, timed=True).loops
