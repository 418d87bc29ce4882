"""Targets of values: one that looks back in time, one that looks over the end of an episode."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.lints.facts import Facts, is_learned, offset, read_facts, warning
from sqmagic.equations.show import show
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Goal,
    Read,
    System,
    Target,
    reads,
    shift,
    walk,
)
from sqmagic.equations.terms import Term, terms, total
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source


def looks_back(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`V_t => V_{t-1}*gamma + r_t`: the target reads the past of its own state."""
    for goal, prediction, past in looking_back(system):
        target = goal.value.args[1] if isinstance(goal.value, Apply) else goal.value
        here, there = show(prediction), show(past)
        yield warning(
            "SQ611",
            f"the target of `{here}` reads `{there}`: it looks back in time, and its fixed point is no value function",
            goal,
            (
                f"rewards 0, 0, 1 and gamma 0.9: the state two steps before the reward is worth 0.81, but nothing that "
                f"comes later reaches `{here}` through `{there}`.",
                f"with no reward at all `{here}` would have to be 0.9 times `{there}`, wherever the two lie.",
            ),
            _forward(prediction, past, target, facts, source, goal),
        )


def looking_back(system: System) -> Iterator[tuple[Goal, Read, Read]]:
    for goal in system.goals:
        match goal:
            case Goal("loss", (prediction,), Apply(args=(_, target))):
                at = offset(prediction)
                own = [r for r in reads(target) if r.state == prediction.state and at is not None]
                for read in own[:1]:
                    steps = offset(read)
                    if steps is not None and at is not None and steps < at:
                        yield goal, prediction, read
            case _:
                pass


def _forward(prediction: Read, past: Read, target: Expr, facts: Facts, source: Source, goal: Goal) -> str | None:
    """`V_{t-1} => r_t + gamma * V_t * (1 - d_t)`: the two change places."""
    found = terms(target)
    carried = [t for t in found if past in t.factors]
    if len(carried) != 1:
        return None
    others = tuple(f for f in carried[0].factors if f != past)
    done = tuple(Apply("sub", (Const(1.0), r)) for r in _flag_at(prediction, facts.done))
    moved = Term(carried[0].positive, (*others, prediction, *done))
    swapped = total((*(t for t in found if t is not carried[0]), moved))
    return f"{head(goal, source, '=>')}{show(past)} => {show(swapped)}"


def head(goal: Goal, source: Source, sign: str) -> str:
    """The part of the goal's line that names its states, as a line of its own."""
    line = source.line(goal.line) if goal.line else ""
    head = line.partition(sign)[0].rstrip()
    return f"{head}\n" if "->" in head else ""


def _flag_at(read: Read, flag: str | None) -> tuple[Expr, ...]:
    return () if flag is None else (replace(read, state=flag),)


def bootstraps_across_done(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """A reward plus a later value, without `(1 - d_t)`."""
    if facts.reward is None or facts.done is None:
        return
    backward = {id(goal) for goal, _, _ in looking_back(system)}
    places: list[tuple[Equation | Goal, Expr, str]] = [
        (e, e.value, show(Read(e.targets[0].state, e.targets[0].context))) for e in system.equations if e.targets
    ]
    places += [
        (g, g.value.args[1], f"the target of `{show(g.through[0])}`")
        for g in system.goals
        if id(g) not in backward and g.kind == "loss" and g.through and isinstance(g.value, Apply)
    ]
    for at, value, name in places:
        found = terms(value)
        for reward in (r for t in found for f in t.factors for r in [f] if _is_read_of(r, facts.reward)):
            for term in found:
                if term.positive and not _ends(term, reward, facts) and (carried := _later_value(term, reward, facts)):
                    yield _across(at, name, term, carried, reward, found, facts, source)


def _is_read_of(expr: Expr, state: str) -> bool:
    return isinstance(expr, Read) and expr.state == state


def _later_value(term: Term, reward: Expr, facts: Facts) -> Read | None:
    """A value at the reward's step or after it: made by a layer, not by the environment."""
    at = offset(reward) if isinstance(reward, Read) else None
    for factor in term.factors:
        if isinstance(factor, Read) and factor.state in facts.definitions and factor.state not in facts.outputs:
            steps = offset(factor)
            if steps is not None and at is not None and steps >= at:
                return factor
    return None


def _ends(term: Term, reward: Expr, facts: Facts) -> bool:
    """Whether a flag is among what the term is multiplied with, by itself or, at the reward's step, within what has a
    name: `1 - d_t -> m_t`."""
    direct = [read for factor in term.factors for read in reads(factor)]
    if any(read.state in facts.flags for read in direct):
        return True
    at = offset(reward) if isinstance(reward, Read) else None
    waiting, seen = [read for read in direct if offset(read) == at], set[str]()
    while waiting:
        read = waiting.pop()
        equation = facts.definitions.get(read.state)
        if read.state in facts.flags:
            return True
        if read.state in seen or at is None or equation is None or is_learned(equation.value):
            continue
        seen.add(read.state)
        waiting += [r for r in reads(shift(equation.value, at)) if offset(r) == at]
    return False


def _across(
    at: Equation | Goal,
    name: str,
    term: Term,
    carried: Read,
    reward: Expr,
    found: tuple[Term, ...],
    facts: Facts,
    source: Source,
) -> Problem:
    assert facts.done is not None and isinstance(reward, Read), "the rule has found both"
    flag = Read(facts.done, reward.context)
    ended = Term(term.positive, (*term.factors, Apply("sub", (Const(1.0), flag))))
    repaired = total(tuple(ended if t is term else t for t in found))
    quoted = name if " " in name else f"`{name}`"
    return warning(
        "SQ612",
        f"{quoted} bootstraps across `{show(flag)}`: `{show(carried)}` may belong to the next episode",
        at,
        (
            f"an episode that ends with reward 1 before one worth 10: with gamma 0.9 its last step is worth 1, "
            f"but here 1 + 0.9 * 10 = 10. Multiply `{show(carried)}` by `1 - {show(flag)}`.",
        ),
        f"{show(repaired)} -> {name}"
        if isinstance(at, Equation)
        else f"{head(at, source, '=>')}{show(at.through[0])} => {show(repaired)}",
    )


# --- buffers that look ahead ----------------------------------------------------------------------


def without_discount(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`B : buffer(9, steps=3)` whose draws are taken without the discount that comes after the fields."""
    steps = {b.name: dict(b.settings).get("steps", 1) for b in system.buffers}
    added = [e.value for e in system.equations if isinstance(e.value, Apply) and e.value.op == "Add"]
    fields = {value.layer: len(value.args) for value in added}
    for equation in system.equations:
        name = equation.value.layer if isinstance(equation.value, Apply) and equation.value.op == "Get" else None
        if name is None or steps.get(name, 1) == 1 or len(equation.targets) > fields.get(name, 0):
            continue
        names = ", ".join(t.state for t in equation.targets)
        yield warning(
            "SQ627",
            f"`{name}` looks {steps[name]} steps ahead, and the discount of what comes after them is not taken",
            equation,
            (
                f"after the fields `Get_{name}` gives it, 0 where the episode ended: a target is `u + g*max(w)` then.",
                "three steps and gamma 0.9: what comes after them counts 0.729, after two at an episode's end 0.81, "
                "and 0.9 is right for neither.",
            ),
            f"Get_{name}() -> {names}, g" if len(equation.targets) == fields.get(name) else None,
        )


# --- action values -------------------------------------------------------------------------------


def q_learning(goal: Goal, system: System, source: Source) -> str | None:
    """For `q_{t-1} $ r_t + … argmax(q_t) …` the form that has a gradient; None if the goal is of another kind."""
    facts = read_facts(system)
    best = [n for n in walk(goal.value) if isinstance(n, Apply) and n.op == "argmax"]
    rewards = [r for r in reads(goal.value) if r.state == facts.reward]
    if len(goal.through) != 1 or not best or not rewards:
        return None
    (q,) = goal.through
    later = next((r for r in reads(best[0]) if r.state == q.state), None)
    if later is None:
        return None
    ended = tuple(Apply("sub", (Const(1.0), replace(rewards[0], state=flag))) for flag in facts.outputs[3:4])
    future = Term(True, (_discount(system), Apply("max", (later,)), *ended))
    taken = Apply("index", (q, replace(q, state="a")))
    return f"{head(goal, source, '$')}{show(taken)} => {show(total((Term(True, (rewards[0],)), future)))}"


def _discount(system: System) -> Expr:
    """The program's own number between 0 and 1, if it has one."""
    for equation in system.equations:
        match equation:
            case Equation(targets=(Target(state, ()),), value=Const(value)) if 0 < value < 1:
                return Read(state)
            case _:
                pass
    return Const(0.99)


def has_buffer(system: System) -> bool:
    return any(isinstance(e.value, Apply) and e.value.op in ("Add", "Get") for e in system.equations)
