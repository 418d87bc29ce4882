"""Dropout taken apart: `dropout(x)` is x times a mask that has a name, so that the way back reads what was drawn.

Before: a System. After: the same values; `h.mask` is dropout of ones (in evaluation, ones), and no other dropout is
left that a gradient passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.calculus.adjoint.reverse import postorder
from sqmagic.calculus.terms import op
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import Apply, Equation, Expr, Read, System, Target, with_children


def masks(
    system: System, shapes: Mapping[str, Shape], parameters: Mapping[str, Shape]
) -> tuple[System, dict[str, Shape]]:
    """The System, and the shapes of the masks."""
    equations: list[Equation] = []
    made: dict[str, Shape] = {}
    for equation in system.equations:
        if not any(isinstance(n, Apply) and n.op == "dropout" for n in postorder(equation.value)):
            equations.append(equation)
            continue
        value, found = _apart(equation)
        for state, drawn in found:
            target = replace(equation.targets[0], state=state)
            equations.append(replace(equation, targets=(target,), value=drawn))
            made[state] = shape_of(drawn.args[0], {**shapes, **made}, parameters)
        equations.append(replace(equation, value=value))
    return replace(system, equations=tuple(equations)), made


def _apart(equation: Equation) -> tuple[Expr, list[tuple[str, Apply]]]:
    target: Target = equation.targets[0]
    done: list[Expr] = []
    found: list[tuple[str, Apply]] = []
    for node in postorder(equation.value):
        count = len(node.args) if isinstance(node, Apply) else 0
        args = tuple(done[len(done) - count :])
        del done[len(done) - count :]
        node = with_children(node, args)
        if isinstance(node, Apply) and node.op == "dropout":
            state = f"{target.state}.mask{len(found) or ''}"
            found.append((state, replace(node, args=(op("equal", args[0], args[0]),))))
            done.append(op("mul", args[0], Read(state, target.context)))
        else:
            done.append(node)
    (value,) = done
    return value, found
