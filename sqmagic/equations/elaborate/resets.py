"""`reset h on cut`: in what makes `h_t`, `h_{t-1}` is read as h's base value where cut is set.

States that start anew on one flag do so together: what makes one of them reads the base values of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.equations.elaborate.expressions import Lowering
from sqmagic.equations.elaborate.lines import Fault, Line
from sqmagic.equations.elaborate.names import spell
from sqmagic.equations.system import Apply, Equation, Expr, Fixed, Read, Running, Target, reads, with_children
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Name, Reset


def with_resets(
    lines: tuple[Line, ...], equations: tuple[Equation, ...], lowering: Lowering, problems: list[Problem]
) -> tuple[Equation, ...]:
    """A reset that is written again, of one state on one flag, changes nothing more."""
    done: set[tuple[str, str]] = set()
    written = [line.statement for line in lines if isinstance(line.statement, Reset)]
    together: dict[str, set[str]] = {}
    for statement in written:
        anew = (lowering.names.state(name.text)[0] for name in statement.states)
        together.setdefault(_key(statement.on, lowering), set()).update(anew)
    inside = {flag: _made_within_a_step(states, equations) for flag, states in together.items()}
    for line in lines:
        if isinstance(line.statement, Reset):
            on = line.statement.on
            for name in (n for n in line.statement.states if (n.text, on.text) not in done):
                try:
                    equations = _reset(name, on, equations, inside[_key(on, lowering)], lowering, line)
                    problems += _passed_over(name, on, equations, inside[_key(on, lowering)], lowering, line)
                    done.add((name.text, on.text))
                except Fault as fault:
                    problems.append(fault.problem)
    return equations


def _key(on: Name, lowering: Lowering) -> str:
    """The flag's name, whether `cut` or `cut_t` is written."""
    return lowering.names.state(on.text)[0]


def _reset(
    name: Name, on: Name, equations: tuple[Equation, ...], inside: set[str], lowering: Lowering, line: Line
) -> tuple[Equation, ...]:
    """In what makes the states that are reset, `h_{t-1}` is read as its base value where the flag is set."""
    if not lowering.names.indices:
        note = "a reset belongs to a recurrence: `h_{t-1}` is read as its base value where the flag is set."
        raise Fault(Problem("SQ229", f"`{name.text}` does not run over time", name.span, notes=(note,)))
    state = lowering.names.state(name.text)[0]
    if not any(t.state == state and _runs(t) for e in equations for t in e.targets):
        here = spell(state, lowering.names.here())
        raise Fault(Problem("SQ228", f"`{name.text}` is reset, but nothing defines `{here}`", name.span))
    flag = _flag(on, lowering)
    bases = {
        t.context[0].value: e.value
        for e in equations
        for t in e.targets
        if t.state == state and t.context and isinstance(t.context[0], Fixed)
    }
    if not bases and _looks_ahead(state, equations):
        ahead, near = (lowering.names.written(state, (Running(lowering.names.indices[0], n),)) for n in (1, -1))
        message = f"`{name.text}` is reset, but it looks ahead, at `{ahead}`: a reset is of `{near}`"
        note = f"what comes later is left out by a factor on `{ahead}` that is 0 where it belongs to another sequence."
        raise Fault(Problem("SQ228", message, line.span, notes=(note,)))
    if not bases:
        raise Fault(
            Problem(
                "SQ228",
                f"`{name.text}` is reset, but it has no base case to start from",
                line.span,
                before=f"0 -> {spell(state, (Fixed(0),))}",
            )
        )
    last = max(bases)
    fresh: Expr = bases[last] if not reads(bases[last]) else Read(state, (Fixed(last),))

    def change(expr: Expr) -> Expr:
        if isinstance(expr, Read):
            before = expr.state == state and expr.context[:1] == (Running(lowering.names.indices[0], -1),)
            return Apply("where", (flag, fresh, expr), span=expr.span) if before else expr
        return with_children(expr, tuple(change(c) for c in (expr.args if isinstance(expr, Apply) else ())))

    return tuple(
        replace(e, value=change(e.value)) if any(t.state in inside for t in e.targets) else e for e in equations
    )


def _passed_over(
    name: Name, on: Name, equations: tuple[Equation, ...], inside: set[str], lowering: Lowering, line: Line
) -> list[Problem]:
    """SQ629 what makes `h_t` reads `h_{t-2}` as well, which is no base value where the flag is set."""
    names = lowering.names
    state, index = names.state(name.text)[0], names.indices[0]
    found = [r for e in equations if any(t.state in inside for t in e.targets) for r in reads(e.value)]
    back = [r.context[0].offset for r in found if r.state == state and isinstance(r.context[0], Running)]
    if min(back, default=0) >= -1:
        return []
    far, near = (names.written(state, (Running(index, steps),)) for steps in (min(back), -1))
    kept = "past" if state != "past" else "before"
    before, here, base = (spell(kept, (i,)) for i in (Running(index, -1), Running(index), Fixed(0)))
    message = f"`{name.text}` starts anew on `{on.text}`, but what makes it reads `{far}`, which is from before"
    note = (
        f"a reset is of `{near}`. What passes it on starts anew as well: `{near} -> {here}`, "
        f"`{before}` for what lies one step further back, `0 -> {base}`, and `reset {name.text}, {kept} on {on.text}`."
    )
    return [Problem("SQ629", message, line.span, notes=(note,), severity="warning")]


def _flag(on: Name, lowering: Lowering) -> Expr:
    """`cut` is `cut_t`, unless the program defines a bare cut."""
    flag = lowering.value(on)
    bare = isinstance(flag, Read) and not flag.context and flag.state not in lowering.names.bare
    return replace(flag, context=lowering.names.here()) if bare and isinstance(flag, Read) else flag


def _looks_ahead(state: str, equations: tuple[Equation, ...]) -> bool:
    found = [r.context[0] for e in equations for r in reads(e.value) if r.state == state and r.context]
    steps = [point.offset for point in found if isinstance(point, Running)]
    return max(steps, default=0) > 0 and min(steps, default=0) >= 0


def _runs(target: Target) -> bool:
    return bool(target.context) and isinstance(target.context[0], Running)


def _made_within_a_step(states: set[str], equations: tuple[Equation, ...]) -> set[str]:
    """The states that these are made from at the same step, and these themselves."""
    by_state: Mapping[str, Equation] = {t.state: e for e in equations for t in e.targets if _runs(t)}
    inside, waiting = set(states), list(states)
    while waiting:
        equation = by_state.get(waiting.pop())
        for read in reads(equation.value) if equation else ():
            if read.state not in inside and read.context[:1] and read.context[0] == Running(_index(read), 0):
                inside.add(read.state)
                waiting.append(read.state)
    return inside


def _index(read: Read) -> str:
    return read.context[0].index if isinstance(read.context[0], Running) else ""
