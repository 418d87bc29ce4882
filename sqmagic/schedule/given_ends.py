"""A warning, SQ411: in a program that acts, a goal that counts where a value is given past the window.

Before: a System and its domains. `W_T -> G_{T+1}` gives a return its end, and `V_{t-1} => G_t` counts wherever both are
there: at T + 1 too, where no step led from what `V_T` values to what `W_T` does.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Goal, Last, Read, Running, System, reads, shift
from sqmagic.notation.problems import Problem
from sqmagic.schedule.domains import Domains


def past_the_window(system: System, held: Domains) -> Iterator[Problem]:
    if not any(isinstance(e.value, Apply) and e.value.op == "step" for e in system.equations):
        return
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
