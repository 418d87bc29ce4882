"""What a System must keep to be run, beyond time and shapes: goals have gradients, nothing lies idle.

Time is checked by `schedule.dependence`, shapes by `shapes`; this page says nothing of either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Set

from sqmagic.equations.gradients import carries, carrying, lets_through
from sqmagic.equations.lints.targets import has_buffer, q_learning
from sqmagic.equations.ops import OPS
from sqmagic.equations.show import show
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Fixed,
    Goal,
    Last,
    Read,
    Running,
    System,
    children,
    reads,
    shift,
    walk,
)
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source


def check(system: System, source: Source) -> tuple[Problem, ...]:
    return (*_goals(system, source), *_idle(system))


# --- gradients -----------------------------------------------------------------------------------


def _goals(system: System, source: Source) -> Iterator[Problem]:
    known = carrying(system) if system.goals else frozenset()
    whole = [(e.targets[0], e.value) for e in system.equations if len(e.targets) == 1]
    definitions = {t.state: value for t, value in whole if not isinstance(next(iter(t.context), None), Fixed | Last)}
    for goal in system.goals:
        if not carries(goal.value, known):
            yield _no_gradient(goal, definitions, known, system, source)
        elif goal.kind == "loss" and _compares_with_itself(goal.value):
            message = "the gradient of this loss is zero: the prediction is compared with itself"
            yield Problem("SQ513", message, goal.span)
        elif goal.kind == "objective" and (missing := _unmentioned(goal)):
            yield _not_mentioned(goal, missing, definitions)


def _no_gradient(
    goal: Goal, definitions: Mapping[str, Expr], known: Collection[str], system: System, source: Source
) -> Problem:
    what = "loss" if goal.kind == "loss" else "objective"
    through = " and ".join(f"`{show(r)}`" for r in goal.through)
    blocked = next((b for b in _blockers(goal, system, known)), None)
    if blocked is not None:
        form = q_learning(goal, system, source)
        no_buffer = form is not None and not has_buffer(system)
        return Problem(
            "SQ511",
            f"the gradient of this {what} is identically zero: it is blocked by `{_outline(blocked)}`",
            goal.span,
            notes=(_NO_BUFFER,) * no_buffer + (_NOGRAD,) * (blocked.op == "stop"),
            repair=form,
        )
    if goal.kind == "objective" and len(missing := _unmentioned(goal)) == len(goal.through):
        return _not_mentioned(goal, missing, definitions)
    made = through or "the prediction"
    copy = next((n for n in _made_of(goal, definitions) if isinstance(n, Apply) and n.attribute("target", False)), None)
    if copy is not None:
        message = f"the gradient of this {what} is zero: `{show(copy)}` is of a copy that follows `{copy.layer}` slowly"
        note = (
            f"a copy learns nothing itself: what is to learn is made by `{copy.layer}`, and the copy makes its target."
        )
        return Problem("SQ513", message, goal.span, notes=(note,))
    return Problem("SQ513", f"the gradient of this {what} is zero: no parameter makes {made}", goal.span)


def _compares_with_itself(loss: Expr) -> bool:
    """`p => p`, or `p => stop(p)`: least where it is. Cross-entropy is not, at p."""
    match loss:
        case Apply("mul", (_, inner)):
            return _compares_with_itself(inner)
        case Apply("mse" | "mae" | "huber", (p, target)):
            while isinstance(target, Apply) and target.op == "stop":
                target = target.args[0]
            return p == target
        case _:
            return False


def _unmentioned(goal: Goal) -> tuple[Read, ...]:
    """The states that an objective goes through, and that do not occur in it."""
    mentioned = {r.state for r in reads(goal.value)}
    return tuple(r for r in goal.through if r.state not in mentioned)


def _not_mentioned(goal: Goal, missing: tuple[Read, ...], definitions: Mapping[str, Expr]) -> Problem:
    through = " and ".join(f"`{show(r)}`" for r in missing)
    wanted = {r.state for r in missing}
    path = _path(goal.value, wanted, definitions)
    if not path:
        return Problem("SQ512", f"the objective does not mention {through}: its gradient is zero", goal.span)
    inlined = goal.value
    for name in path:
        inlined = _inlined(inlined, name.state, definitions[name.state])
    return Problem(
        "SQ512",
        f"the objective mentions {through} only through `{show(path[0])}`: its gradient is zero",
        goal.value.span,
        notes=("in `p $ e` only occurrences of p itself carry gradient.",),
        instead=show(inlined) if wanted & _open(inlined) else None,
    )


def _open(expr: Expr) -> frozenset[str]:
    """The states that an expression reads where a gradient passes."""
    if isinstance(expr, Apply) and OPS[expr.op].blocks:
        return frozenset()
    own = {expr.state} if isinstance(expr, Read) else set[str]()
    return frozenset(own).union(*map(_open, children(expr)))


def _path(value: Expr, wanted: Set[str], definitions: Mapping[str, Expr]) -> tuple[Read, ...]:
    """The names that lead from an expression to one of the states, the shortest way: each is made of the next."""
    seen: set[str] = set()
    waiting: deque[tuple[Read, ...]] = deque((read,) for read in reads(value))
    while waiting:
        path = waiting.popleft()
        state = path[-1].state
        if state in seen or state not in definitions:
            continue
        seen.add(state)
        made_of = reads(definitions[state])
        if any(r.state in wanted for r in made_of):
            return path
        waiting += [(*path, r) for r in made_of]
    return ()


_NOGRAD = "`nograd(F)(x)` is `stop(F(x))`: no gradient reaches F or x."

_NO_BUFFER = "`Add_B` and `Get_B` are not used: without a buffer each step is learned from once, in its order."


def _blockers(goal: Goal, system: System, known: Collection[str]) -> Iterator[Apply]:
    """The operators that block the way from a goal to what is trained, the nearest first.

    A `stop` in the goal itself was put there by the goal's own rule, and is none.
    """
    definitions = {t.state: e.value for e in system.equations for t in e.targets}
    seen: set[str] = set()
    waiting: list[tuple[Expr, bool]] = [(goal.value, True)]
    while waiting:
        expr, own = waiting.pop(0)
        if isinstance(expr, Apply) and OPS[expr.op].blocks:
            held = any(carries(n, known) or (isinstance(n, Apply) and n.layer) for n in walk(expr))
            if held and not (own and expr.op == "stop"):
                yield expr
            continue
        if isinstance(expr, Read) and expr.state not in seen and expr.state in definitions:
            seen.add(expr.state)
            waiting.append((definitions[expr.state], False))
        waiting += [(child, own) for child in children(expr)]


def _made_of(goal: Goal, definitions: Mapping[str, Expr]) -> Iterator[Expr]:
    """All that a gradient would go through to what makes a goal, the nearest first."""
    seen: set[str] = set()
    waiting = [goal.value]
    while waiting:
        expr = waiting.pop(0)
        yield expr
        if isinstance(expr, Read) and expr.state not in seen and expr.state in definitions:
            seen.add(expr.state)
            waiting.append(definitions[expr.state])
        if isinstance(expr, Apply) and lets_through(expr):
            waiting += expr.args


def _outline(expr: Apply) -> str:
    """`one_hot(argmax(·))`: the operators only."""
    inner = next((a for a in expr.args if isinstance(a, Apply) and OPS[a.op].blocks), None)
    return f"{expr.op}({_outline(inner) if inner is not None else '·'})"


def _inlined(expr: Expr, state: str, value: Expr) -> Expr:
    match expr:
        case Read(_, (Running(_, steps),)) if expr.state == state:
            return shift(value, steps)
        case Read(_, ()) if expr.state == state:
            return value
        case Apply(op="stop", args=(inner,)):
            return _inlined(inner, state, value)
        case Apply():
            return Apply(expr.op, tuple(_inlined(a, state, value) for a in expr.args), expr.layer, expr.attributes)
        case _:
            return expr


# --- what lies idle ------------------------------------------------------------------------------


def _idle(system: System) -> Iterator[Problem]:
    """A number that is given a name and never read."""
    expressions = [e.value for e in system.equations] + [g.value for g in system.goals]
    used = {node.state for expr in expressions for node in walk(expr) if isinstance(node, Read)}
    for equation in system.equations:
        for target in equation.targets:
            number = not target.context and all(isinstance(n, Const | Apply) for n in walk(equation.value))
            plain = not any(isinstance(n, Apply) and (n.layer or OPS[n.op].effect) for n in walk(equation.value))
            if number and plain and target.state not in used and len(system.equations) > 1:
                yield Problem("SQ601", f"`{target.state}` is not used", equation.span, severity="warning")
