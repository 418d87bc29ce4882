"""`old(x)`, x as it was when the window was collected, as a state of its own.

Before: a System in which `old(x)` stands within equations and goals. After: each is read from a state, `x.old` or, of
what is no state, `old.1`, whose equation is `x.old_t = old(x_t)`. When that equation is computed, once a window, is
for whoever runs the System. Kept: every value, if the weights have not moved since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.equations.shapes import Shapes
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import (
    Apply,
    Context,
    Equation,
    Expr,
    Read,
    Running,
    System,
    Target,
    children,
    runs,
    walk,
    with_children,
)


def with_collected(system: System, shapes: Shapes) -> tuple[System, Shapes]:
    """The System in which what is `old` has a state, and the shapes with those of these states; the very ones if
    nothing is."""
    values = [e.value for e in system.equations] + [g.value for g in system.goals]
    found = dict.fromkeys(_plain(n) for v in values for n in walk(v) if isinstance(n, Apply) and n.op == "old")
    if not found:
        return system, shapes
    named: dict[Apply, Read] = {}
    taken = {t.state for e in system.equations for t in e.targets} | {i.state for i in system.inputs}
    for node in found:
        read = Read(_name(node.args[0], taken), _context(node, system))
        taken.add(read.state)
        named[node] = read
    own = tuple(Equation((Target(r.state, r.context),), n, span=n.span) for n, r in named.items())
    equations = tuple(replace(e, value=_renamed(e.value, named)) for e in system.equations)
    goals = tuple(replace(g, value=_renamed(g.value, named)) for g in system.goals)
    states = {r.state: shape_of(n, shapes.states, shapes.parameters) for n, r in named.items()}
    return (
        replace(system, equations=(*equations, *own), goals=goals),
        replace(shapes, states={**shapes.states, **states}),
    )


def _plain(node: Apply) -> Apply:
    """What is old within what is old is as old."""
    return replace(node, args=tuple(_without(a) for a in node.args))


def _without(expr: Expr) -> Expr:
    if isinstance(expr, Apply) and expr.op == "old":
        return _without(expr.args[0])
    return with_children(expr, tuple(_without(c) for c in children(expr)))


def _name(expr: Expr, taken: set[str]) -> str:
    if isinstance(expr, Read) and f"{expr.state}.old" not in taken:
        return f"{expr.state}.old"
    return next(name for n in range(1, len(taken) + 2) if (name := f"old.{n}") not in taken)


def _context(node: Apply, system: System) -> Context:
    return (Running(system.indices[0].name),) if runs(node) else ()


def _renamed(expr: Expr, named: Mapping[Apply, Read]) -> Expr:
    if isinstance(expr, Apply) and expr.op == "old":
        return named[_plain(expr)]
    return with_children(expr, tuple(_renamed(c, named) for c in children(expr)))
