"""Where a gradient goes: which operators let it pass, what learns of it, and from which states it goes on to that."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TypeAlias

from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Apply, Equation, Expr, Read, System, Weight, reads

Learns: TypeAlias = Callable[[Expr], bool]


def lets_through(node: Apply) -> bool:
    """Whether a gradient passes an operator; none passes what a pass put in."""
    return node.op in OPS and not OPS[node.op].blocks


def learns(node: Expr) -> bool:
    """Whether a node has parameters of its own that a gradient reaches from here: a slowly moving copy has none."""
    match node:
        case Weight(_, frozen):
            return not frozen
        case Apply(op, layer=str()) if op in OPS and (OPS[op].parameters or op == "module"):
            return not node.attribute("frozen", False) and not node.attribute("target", False)
        case _:
            return False


def carries(expr: Expr, known: Collection[str], learns: Learns = learns) -> bool:
    """Whether a gradient goes on from an expression, given the states from which one does."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Apply) and not lets_through(node):
            continue
        if learns(node) or (isinstance(node, Read) and node.state in known):
            return True
        if isinstance(node, Apply):
            waiting += node.args
    return False


def carrying(system: System, inputs: Collection[str] = (), learns: Learns = learns) -> frozenset[str]:
    """The states from which a gradient goes on, by a worklist over readers: linear in the size of the program."""
    readers: dict[str, list[Equation]] = {}
    for equation in system.equations:
        for read in reads(equation.value):
            readers.setdefault(read.state, []).append(equation)
    found = set(inputs)
    waiting = [*system.equations, *(e for state in inputs for e in readers.get(state, ()))]
    while waiting:
        equation = waiting.pop()
        fresh = {t.state for t in equation.targets} - found
        if fresh and carries(equation.value, found, learns):
            found |= fresh
            for state in fresh:
                waiting += readers.get(state, [])
    return frozenset(found)
