"""Actions: a policy that nothing samples, an action that reaches no `step`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqmagic.equations.lints.facts import Facts, warning
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Equation, Expr, Read, System, reads, walk
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source

DRAWS = ("sample", "eps_greedy")


def unsampled(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`pi_t $ …` in a program whose actions come from elsewhere: nothing draws from pi, nor are they made from it."""
    actions = passed(system)
    if not actions:
        return
    draws = [e.value for e in system.equations if _draws(e.value)]
    chosen = [e.value for e in system.equations if any(t.state in actions for t in e.targets)]
    drawn = made_from(system, [*draws, *chosen])
    for goal in system.goals:
        if goal.kind != "objective" or not scores(goal.value):
            continue
        for policy in goal.through:
            if policy.state not in drawn:
                action = show(Read(actions[0], policy.context))
                yield Problem(
                    "SQ617",
                    f"`{show(policy)}` is a policy, and nothing samples it: `{action}` comes from elsewhere",
                    goal.span,
                    (
                        "three steps with the actions 0, 0, 1 of another policy that prefers 0: 0 is praised twice as "
                        f"often as 1, whatever `{show(policy)}` itself would do.",
                    ),
                    severity="warning",
                    before=f"sample({show(policy)}) -> {action}",
                )


def reaches_no_step(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`sample(pi_t) -> a_t` in a program whose environment is passed another action."""
    taken = passed(system)
    steps = [e.value for e in system.equations if isinstance(e.value, Apply) and e.value.op == "step"]
    if not steps:
        return
    reaching = made_from(system, steps) | set(taken)
    replayed = {
        t.state for e in system.equations if isinstance(e.value, Apply) and e.value.op == "Get" for t in e.targets
    }
    for equation in system.equations:
        if made_from(system, [equation.value]) & replayed:  # what would have been done at a replayed state
            continue
        if _draws(equation.value) and equation.targets and taken and equation.targets[0].state not in reaching:
            target = equation.targets[0]
            action = show(Read(target.state, target.context))
            yield warning(
                "SQ618",
                f"`{action}` is an action that reaches no `step`",
                equation,
                (
                    f"three steps with 0, 1, 1 as `{action}` and 1, 0, 0 as `{taken[0]}`: `step` is passed 1, 0, 0, "
                    "and the rewards are what these earn; 0, 1, 1 changes none of them.",
                ),
                None,
            )


def drawn_by_no_probability(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`sample(l_t)` where l_t is what a layer gives, which may be below 0: a draw by logits."""
    for equation in system.equations:
        match equation.value:
            case Apply("sample", (Read() as policy, *_)) if _may_be_negative(policy, facts):
                target = equation.targets[0] if equation.targets else None
                name = "a_t" if target is None else show(Read(target.state, target.context))
                yield warning(
                    "SQ626",
                    f"`sample` draws by probabilities, and `{show(policy)}` may be below 0",
                    equation,
                    (
                        f"three actions with 2, 1, -1 as `{show(policy)}`: by their softmax the third is drawn now and "
                        "then, but here never, and the first twice as often as the second.",
                    ),
                    f"sample(softmax({show(policy)})) -> {name}",
                )
            case _:
                pass


def _may_be_negative(policy: Read, facts: Facts) -> bool:
    """Whether a layer, or a logarithm, made a state, through names."""
    seen: set[str] = set()
    state = policy.state
    while state not in seen:
        seen.add(state)
        match facts.definitions.get(state):
            case Equation(value=Read(other)):
                state = other
            case Equation(value=Apply(op)):
                return op in ("dense", "log", "log_softmax", "tanh")
            case _:
                return False
    return False


def passed(system: System) -> list[str]:
    """The states that are passed to the environment as actions."""
    steps = [e.value for e in system.equations if isinstance(e.value, Apply) and e.value.op == "step"]
    return [a.state for step in steps for a in step.args[1:] if isinstance(a, Read)]


def _draws(value: Expr) -> bool:
    return any(isinstance(n, Apply) and n.op in DRAWS for n in walk(value))


def scores(value: Expr) -> bool:
    """Whether an objective holds the logarithm of a probability."""
    return any(isinstance(n, Apply) and n.op in ("log", "log_prob") for n in walk(value))


def made_from(system: System, values: Sequence[Expr]) -> set[str]:
    """The states that some values are made from, however far back."""
    makers: dict[str, list[Equation]] = {}
    for equation in system.equations:
        for target in equation.targets:
            makers.setdefault(target.state, []).append(equation)
    found: set[str] = set()
    waiting = [r.state for v in values for r in reads(v)]
    while waiting:
        state = waiting.pop()
        if state not in found:
            found.add(state)
            waiting += [r.state for e in makers.get(state, ()) for r in reads(e.value)]
    return found
