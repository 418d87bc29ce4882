"""What keeps a program from having a page of torch code, in words."""

from __future__ import annotations

from sqmagic.equations.system import Apply, Expr, System, runs, walk
from sqmagic.notation.problems import Problem
from sqmagic.schedule.ranges import grows

REFUSED: dict[str, str] = {
    "reset": "`reset` is bound to no environment",
    "step": "`step` is bound to no environment",
    "Add": "`Add` is bound to no replay buffer",
    "Get": "`Get` is bound to no replay buffer",
}
"""Operators that torch code cannot have, and what is said of them."""


def refused(system: System) -> tuple[Problem, ...]:
    """What torch code cannot have: SQ701 an environment or buffer, SQ702 the slowly moving copy of a layer, SQ703
    statistics over the window of what is computed step by step, SQ704 what of an adjoint has no code yet.
    """
    problems: dict[str, Problem] = {}
    for node in (n for e in _exprs(system) for n in walk(e) if isinstance(n, Apply)):
        if node.op in REFUSED:
            problems.setdefault(node.op, Problem("SQ701", REFUSED[node.op], node.span))
        if node.attribute("target", False):
            message = f"`target({node.layer})` needs a training loop with a slowly moving copy, which there is not yet"
            problems.setdefault("target", Problem("SQ702", message, node.span))
        if node.op.startswith("batch_norm_"):
            message = "the adjoint of `batch_norm` has no code of its own yet"
            problems.setdefault("batch_norm_", Problem("SQ704", message, node.span))
        if node.op == "window_sum" and any(runs(end) for end in node.args[1:]):
            message = "the adjoint of a range that grows has no code of its own yet"
            problems.setdefault("window_sum", Problem("SQ704", message, node.span))
    for equation in system.equations:
        if grows(equation.value) and any(isinstance(n, Apply) and n.op == "batch_norm" for n in walk(equation.value)):
            message = (
                "`batch_norm` stands in one line with a range that grows: give the range's result a name of its own"
            )
            problems.setdefault("batch_norm", Problem("SQ703", message, equation.span))
    return tuple(problems.values())


def _exprs(system: System) -> list[Expr]:
    return [e.value for e in system.equations] + [g.value for g in system.goals]
