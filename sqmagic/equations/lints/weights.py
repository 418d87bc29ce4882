"""Objectives: a weight that cannot depend on the action it weighs, a vector where one number is meant."""

from __future__ import annotations

from collections.abc import Iterator

from sqmagic.equations.lints.actions import made_from, passed, scores
from sqmagic.equations.lints.facts import Facts, is_learned, offset, warning
from sqmagic.equations.show import show
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Goal,
    Read,
    Running,
    System,
    reads,
    shift,
)
from sqmagic.equations.terms import product, terms
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source


def weighs_the_past(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`pi_t $ A_t * log(pi_t)` where A_t holds r_t, which was there before the action of step t."""
    if facts.reward is None:
        return
    for goal in system.goals:
        if goal.kind != "objective" or len(goal.through) != 1:
            continue
        policy = goal.through[0]
        if not _is_about_actions(goal, policy, system, facts):
            continue
        at = _acted_at(policy, system, facts)
        for read in reads(goal.value):
            if read.state == policy.state or at is None:
                continue
            early = _early_reward(read, at, facts)
            if early is not None:
                yield _weight(goal, policy, read, early)
                break


def _is_about_actions(goal: Goal, policy: Read, system: System, facts: Facts) -> bool:
    """Whether an objective scores actions: it takes a logarithm, or is raised through what actions are made from, or
    through what is made of them. A trace, a value, an auxiliary prediction is no policy."""
    actions = passed(system)
    if scores(goal.value) or not actions:
        return True
    equation = facts.definitions.get(policy.state)
    own = set() if equation is None else {r.state for r in reads(equation.value)}
    return bool(own & set(actions)) or policy.state in made_from(system, [Read(a, policy.context) for a in actions])


def _acted_at(policy: Read, system: System, facts: Facts) -> int | None:
    """The step of the action that an objective is about: `k_t` made from `pi_{t-1}[a_{t-1}]` is about that of t-1."""
    at, equation = offset(policy), facts.definitions.get(policy.state)
    if at is None or equation is None or is_learned(equation.value):
        return at
    taken = passed(system)
    steps = [offset(r) for r in reads(shift(equation.value, at)) if r.state in taken]
    return min((n for n in steps if n is not None), default=at)


def _early_reward(read: Read, at: int, facts: Facts) -> Read | None:
    """A reward at the action's step or before it among the terms that make a weight, through names."""
    seen: set[Read] = set()
    waiting = [read]
    while waiting:
        node = waiting.pop()
        steps = offset(node)
        if node in seen or steps is None or steps > at:
            continue
        seen.add(node)
        if node.state == facts.reward:
            return node
        equation = facts.definitions.get(node.state)
        if equation is not None and len(equation.targets) == 1 and not is_learned(equation.value):
            waiting += reads(shift(equation.value, steps))
    return None


def _weight(goal: Goal, policy: Read, weight: Read, early: Read) -> Problem:
    index = policy.context[0].index if isinstance(policy.context[0], Running) else "t"
    own, later = show(early), show(shift(early, 1))
    return warning(
        "SQ613",
        f"`{show(weight)}` weighs the action of `{show(policy)}` with `{own}`, which cannot depend on it",
        goal,
        (
            f"the action taken at {index} is passed to the step that gives `{later}`; `{own}` was given before it.",
            "three steps with rewards 5, 0, 1: the second action is praised for the 5 that the first one earned.",
        ),
        None,
    )


def mixed_objective(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`r_t + one_hot(…)`: an objective is one number."""
    for goal in system.goals:
        if goal.kind != "objective":
            continue
        found = terms(goal.value)
        vectors = [t for t in found if any(_is_vector(f) for f in t.factors)]
        scalars = [t for t in found if all(_is_scalar(f, facts) for f in t.factors)]
        if vectors and scalars:
            vector, scalar = (f"`{show(product(each[0].factors))}`" for each in (vectors, scalars))
            yield warning(
                "SQ616",
                f"a vector is added to a scalar in an objective: {vector} to the scalar {scalar}",
                goal,
                (
                    f"three steps with 5, 0, 1 as {scalar} and (0, 1) as {vector}: the sums are (5, 6), (0, 1) and "
                    "(1, 2), and none of them is the one number that could be raised.",
                ),
                None,
            )


def _is_vector(expr: Expr) -> bool:
    return isinstance(expr, Apply) and expr.op in ("one_hot", "softmax", "log_softmax", "concat")


def _is_scalar(expr: Expr, facts: Facts) -> bool:
    match expr:
        case Const():
            return True
        case Read(state):
            return state in facts.outputs[2:5]
        case Apply(op):
            return op in ("index", "sum", "mean", "norm", "max", "min", "argmax", "log_prob", "entropy")
        case _:
            return False
