"""Goals: `p => target` holds the target fixed, `p $ e` everything in e but p."""

from __future__ import annotations

from sqmagic.equations.elaborate.expressions import Lowering
from sqmagic.equations.elaborate.lines import Fault, Line
from sqmagic.equations.elaborate.trees import parts
from sqmagic.equations.system import Apply, Expr, Goal, Read, Weight, reads, with_children
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Expression, Raise, Regress


def loss_goal(prediction: Expression, goal: Regress, lowering: Lowering, number: int, line: Line) -> Goal:
    assert goal.loss is not None, "the loss rule has named every loss"
    kind, settings, weight = lowering.loss(goal.loss)
    p = lowering.value(prediction)
    y = Apply("stop", (lowering.value(goal.target),), span=goal.target.span)
    loss: Expr = Apply(kind, (p, y), None, settings, span=line.span)
    if weight is not None:
        loss = Apply("mul", (Apply("stop", (weight,), span=weight.span), loss), span=line.span)
    return Goal("loss", tuple(r for r in (p,) if isinstance(r, Read)), loss, number, span=line.span)


def objective_goal(through: Expression, goal: Raise, lowering: Lowering, number: int, line: Line) -> Goal:
    states = tuple(lowering.value(p) for p in parts(through))
    bad = next((p for p in states if not isinstance(p, Read)), None)
    if bad is not None:
        raise Fault(_no_state(bad, through))
    reads_ = tuple(s for s in states if isinstance(s, Read))
    keys = {r.state for r in reads_}
    value = _held(lowering.value(goal.objective), keys)
    return Goal("objective", reads_, value, number, span=line.span)


def _held(value: Expr, through: set[str]) -> Expr:
    """Every part that does not mention `through` held fixed, in parts as large as may be."""
    found = [r for r in reads(value) if r.state not in through]
    if not found:
        return value
    if all(r.state not in through for r in reads(value)):
        return Apply("stop", (value,), span=value.span)
    assert isinstance(value, Apply), "a read either is of one of the states or is not"
    return with_children(value, tuple(_held(a, through) for a in value.args))


def _no_state(bad: Expr, through: Expression) -> Problem:
    """An objective through a parameter, or through what has no name."""
    match bad:
        case Weight(parameter):
            message = f"an objective is raised through states, and `{parameter}` is a parameter"
            note = f"name what is made of it, and raise the objective through that: `exp({parameter}) -> sigma`."
            return Problem("SQ225", message, through.span, notes=(note,))
        case _:
            return Problem("SQ225", "an objective is raised through a state: give it a name first", through.span)
