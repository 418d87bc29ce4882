"""Warnings of where returns end, in programs that act: SQ411 a goal that counts where an end is given, SQ412 no end.

Before: a System and its domains. `W_T -> G_{T+1}` gives a return its end, and `V_{t-1} => G_t` counts wherever both are
there: at T + 1 too, where no step led from what `V_T` values to what `W_T` does. Without an end a return is 0 there, as
if every episode were over with the window.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqmagic.equations.lints.facts import Facts, offset, read_facts
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Equation, Goal, Last, Read, Running, System, reads, shift
from sqmagic.equations.terms import terms
from sqmagic.notation.problems import Problem
from sqmagic.schedule.domains import Domains


def ends_of_returns(system: System, held: Domains) -> Iterator[Problem]:
    facts = read_facts(system)
    if facts.outputs:
        yield from _past_the_window(system, held)
        yield from _cut_off(system, held, facts)


def _past_the_window(system: System, held: Domains) -> Iterator[Problem]:
    for goal, own in zip(system.goals, held.goals, strict=True):
        if own is None:
            continue
        there = [_at(read, own.last) for read in goal.through]
        if not any(n is not None and n >= 0 for n in there):
            continue
        for read in reads(goal.value):
            at = _at(read, own.last)
            if at is not None and at > 0 and any(_is_end(p, at) for p in held.bases.get(read.state, ())):
                yield _problem(goal, read, at, own.last, system)
                break


def _at(read: Read, last: int) -> int | None:
    """Where a goal reads a state at its last step, counted from T."""
    first = next(iter(read.context), None)
    return first.offset + last if isinstance(first, Running) else None


def _is_end(point: object, at: int) -> bool:
    return isinstance(point, Last) and point.offset == at


def _problem(goal: Goal, read: Read, at: int, last: int, system: System) -> Problem:
    through = goal.through[0]
    index = through.context[0].index if isinstance(through.context[0], Running) else "t"
    mine = Read(through.state, (Last(index, _at(through, last) or 0),))
    end = Read(read.state, (Last(index, at),))
    return Problem(
        "SQ411",
        f"`{show(read)}` is given at T + {at}, and the goal counts there: `{show(mine)}` is set beside `{show(end)}`",
        goal.span,
        (
            f"three steps, and an episode that ends at the third: `{show(mine)}` is of the next episode's first "
            f"observation, and `{show(end)}` is of the one before.",
            f"what also reads the step's reward ends at T: write what `{show(read)}` is made of in its place.",
        ),
        _written_out(goal, read, system),
        "warning",
    )


def _written_out(goal: Goal, read: Read, system: System) -> str | None:
    """The loss with the equation of its target in the target's place."""
    match goal.value:
        case Apply("mse", (_, Apply("stop", (target,)))) if target == read:
            own = (e for e in system.equations for t in e.targets if t.state == read.state and len(e.targets) == 1)
            running = [e for e in own if isinstance(next(iter(e.targets[0].context), None), Running)]
            steps = read.context[0].offset if isinstance(read.context[0], Running) else 0
            return f"{show(goal.through[0])} => {show(shift(running[0].value, steps))}" if running else None
        case _:
            return None


# --- no end --------------------------------------------------------------------------------------


def _cut_off(system: System, held: Domains, facts: Facts) -> Iterator[Problem]:
    """`r_t + gamma*(1-cut_t)*G_{t+1} -> G_t` that a value learns. An advantage has its baseline taken off: 0 is its
    end."""
    for goal in system.goals:
        match goal:
            case Goal("loss", (Read() as prediction,), Apply(_, (_, Apply("stop", (target,))))):
                pass
            case _:
                continue
        for read in reads(target):
            equation, at, own = facts.definitions.get(read.state), offset(read), offset(prediction)
            if equation is None or at is None or own is None or not _is_return(equation, read.state, facts):
                continue
            if not any(isinstance(point, Last) for point in held.bases.get(read.state, ())):
                past = held.states[read.state].last + 1
                yield _ends_too_early(equation, prediction, read, (past + own - at, past))


def _is_return(equation: Equation, state: str, facts: Facts) -> bool:
    """Whether a state adds rewards to what it is itself a step later, and takes nothing off."""
    ahead = any(r.state == state and (offset(r) or 0) > 0 for r in reads(equation.value))
    rewarded = any(r.state == facts.reward for r in reads(equation.value))
    return ahead and rewarded and all(term.positive for term in terms(equation.value))


def _ends_too_early(equation: Equation, prediction: Read, read: Read, at: tuple[int, int]) -> Problem:
    index = read.context[0].index if isinstance(read.context[0], Running) else "t"
    value, end = (Read(r.state, (Last(index, n),)) for r, n in zip((prediction, read), at, strict=True))
    name = show(Read(read.state, equation.targets[0].context))
    return Problem(
        "SQ412",
        f"`{name}` is cut off where the window ends: what comes later counts 0, though the episode goes on",
        equation.span,
        (
            "three steps with reward 1 of an episode without end: with gamma 0.9 the third is worth 10, but here 1.",
            f"`{show(value)} -> {show(end)}` lets it go on with what the value expects; have the goal read the step's "
            f"reward too, `{show(prediction)} => {show(shift(equation.value, offset(read) or 0))}`.",
            "where every window ends with an episode nothing is lost.",
        ),
        severity="warning",
    )
