"""What the equations leave open: a state that nothing defines is an input; one that is defined twice is an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.elaborate.declare import Declarations
from sqmagic.equations.elaborate.names import Names, spell
from sqmagic.equations.system import Apply, Equation, Fixed, Goal, Input, Read, Running, Target, points, reads
from sqmagic.notation.problems import Problem


def duplicates(equations: list[Equation]) -> Iterator[Problem]:
    first: dict[Target, Equation] = {}
    for equation in equations:
        for target in equation.targets:
            if target in first and first[target].span != equation.span:
                name = spell(target.state, target.context)
                yield Problem(
                    "SQ226",
                    f"`{name}` is given a value twice, on lines {first[target].line} and {equation.line}",
                    equation.span,
                    notes=("states are immutable: give the second one a name of its own.",),
                )
            elif target in first:
                yield Problem("SQ226", f"`{spell(target.state, target.context)}` is named twice", equation.span)
            first.setdefault(target, equation)


def inputs(
    equations: tuple[Equation, ...],
    goals: list[Goal],
    declarations: Declarations,
    names: Names,
    lost: frozenset[str],
) -> tuple[tuple[Input, ...], list[Problem]]:
    """The states that nothing defines, in the order in which they are first read."""
    running = {t.state for e in equations for t in e.targets if any(isinstance(i, Running) for i in t.context)}
    made = {target.state for equation in equations for target in equation.targets}
    found: dict[str, Input] = {}
    problems: list[Problem] = []
    for expr in [e.value for e in equations] + [g.value for g in goals]:
        for read in reads(expr):
            name = read.state
            runs = any(not isinstance(p, Fixed) for index in read.context for p in points(index))
            if name in made and (name in running or not runs or name in lost):
                continue
            if name in made and _has_end_only(name, equations, read):
                continue
            if name in made:
                problems.append(_only_points(read, equations, names))
                lost |= {name}
            elif name not in found:
                found[name] = declarations.input(name, bool(read.context), read)
    actions = _actions(equations)
    passed = {n: _behaviour(i, actions[n]) if n in actions and i.sizes is None else i for n, i in found.items()}
    return tuple(passed.values()), problems


def _actions(equations: tuple[Equation, ...]) -> dict[str, Read]:
    """The states that are passed to the environment's step as actions."""
    steps = [e.value for e in equations if isinstance(e.value, Apply) and e.value.op == "step"]
    return {action.state: action for step in steps for action in step.args[1:] if isinstance(action, Read)}


def _behaviour(action: Input, read: Read) -> Input:
    """An action that nothing defines comes from a behaviour policy, from the first step that needs one."""
    offset = next((i.offset for i in read.context if isinstance(i, Running)), 0)
    return replace(action, kind="action", first=Fixed(1 + offset))


def _has_end_only(name: str, equations: tuple[Equation, ...], read: Read) -> bool:
    """`G_T` given, and read as `G_T`."""
    return any(Target(name, read.context) in e.targets for e in equations)


def _only_points(read: Read, equations: tuple[Equation, ...], names: Names) -> Problem:
    point = next(t for e in equations for t in e.targets if t.state == read.state)
    given, here = names.written(read.state, point.context), names.written(read.state, names.here())
    other = "u" if read.state != "u" else "v"
    return Problem(
        "SQ227",
        f"`{names.written(read.state, read.context)}` is read, but only `{given}` is given a value",
        read.span,
        notes=(
            f"a recurrence needs a line that ends in `-> {here}`;",
            f"data get a name that may have such a value: `{here} -> {spell(other, names.here())}`, and "
            f"`{spell(other, point.context)}` in place of `{given}`.",
        ),
    )
