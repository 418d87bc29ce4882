"""One program, two phases: acting step by step, and learning from the window that was acted.

Before: a System with effects, and the steps at which each of its states is there. After: two Systems with the same
equations. `acting` holds the effects and what they need; each happens once. `learning` holds the goals and what they
are made from; what an effect gave, or what was taken as an action, is an input there, a row for each step. The base
cases of its recurrences are inputs too: the rows in which the window before this one ended. What is `old` is an input
as well: it is computed once a window, by a third System that has all the equations of the second and those of `old`.

It does not ask how either is computed, nor in which order effects happen (`schedule.effects`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sqmagic.equations.elaborate.lines import World
from sqmagic.equations.lints.facts import as_within
from sqmagic.equations.ops import ALL_OPS, has_effect
from sqmagic.equations.show import show, show_equation, show_state
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Input,
    Last,
    Read,
    Running,
    System,
    children,
    reads,
    walk,
    with_children,
)
from sqmagic.notation.problems import Problem

Rows = Mapping[str, tuple[int, int]]
"""The index of a state's first row, base cases counted, and of its last, counted from T."""


@dataclass(frozen=True, slots=True)
class Phases:
    """`recorded` are the states that learning reads of acting, and `carried` its inputs for base cases, each with the
    state and the index that it stands for. `collecting` gives what is `old`, where something is. `behaved` are actions
    that a behaviour policy gives. `drawn` says that learning reads what buffers give, so that its batch is theirs."""

    acting: System
    learning: System
    recorded: Rows
    carried: Mapping[str, tuple[str, int]]
    collecting: System | None = None
    behaved: tuple[str, ...] = ()
    drawn: bool = False


def acts(system: System) -> bool:
    """Whether a program has an environment or a buffer, and so two phases."""
    return any(n.op in ("reset", "step", "Add", "Get") for e in system.equations for n in _applied(e.value))


def opaque(system: System) -> frozenset[str]:
    """The states of the environment, which have no parts."""
    outside = [e for e in system.equations if isinstance(e.value, Apply) and e.value.op in ("reset", "step")]
    return frozenset(e.targets[0].state for e in outside if e.targets)


def obstacles(system: System, world: World) -> tuple[Problem, ...]:
    """What keeps a program from being acted: SQ705 a goal that mixes what a buffer gives with the present steps,
    SQ706 a draw within an expression, SQ707 acting that looks ahead, SQ708 an input that no environment brings, SQ709
    a state of the environment that is computed with, SQ710 an action of another kind than the environment takes, SQ711
    a reset at another index than 0."""
    return tuple(dict.fromkeys([*_obstacles(system), *_of_another_kind(system, world)]))


def phases(system: System, rows: Rows) -> Phases:
    """The two Systems. Nothing that `obstacles` names may be in the one."""
    system = _noise_of_draws(system)
    recorded, behaved, old = _recorded(system), _behaved(system), _old(system)
    goals = [r.state for g in system.goals for r in reads(g.value)]
    wanted = _closure(system, goals, recorded)
    carried = dict(_bases(system, wanted - recorded))
    effects = [e for e in system.equations if _is_effect(e)]
    needed = _closure(
        system,
        [*recorded, *(s for s, _ in carried.values()), *(r.state for e in effects for r in reads(e.value))],
        frozenset(),
    )
    acted = tuple(e for e in system.equations if _is_effect(e) or any(t.state in needed for t in e.targets))
    acting = replace(system, inputs=tuple(i for i in system.inputs if i.state in needed), equations=acted, goals=())
    taken = {s: rows[s] for s in rows if s in recorded and s in wanted}
    learned = _closure(system, goals, recorded | old)
    learning = _learning(system, learned, recorded | old, rows, carried)
    before = _closure(system, old & wanted, recorded)
    collecting = replace(_learning(system, before, recorded, rows, carried), goals=()) if before else None
    return Phases(acting, learning, taken, carried, collecting, behaved, _draws(system, taken))


# --- what is recorded ----------------------------------------------------------------------------


def _applied(expr: Expr) -> Iterator[Apply]:
    return (n for n in walk(expr) if isinstance(n, Apply))


def _is_effect(equation: Equation) -> bool:
    return has_effect(equation.value)


def _runs(equation: Equation) -> bool:
    return not equation.targets or any(isinstance(i, Running) for t in equation.targets for i in t.context)


def _recorded(system: System) -> frozenset[str]:
    """What effects give at every step, and the actions that are taken."""
    given = {t.state for e in system.equations if _is_effect(e) for t in e.targets}
    return frozenset(given | _actions(system))


def _actions(system: System) -> set[str]:
    steps = [n for e in system.equations for n in _applied(e.value) if n.op == "step"]
    return {a.state for n in steps for a in n.args[1:] if isinstance(a, Read)}


def _behaved(system: System) -> tuple[str, ...]:
    actions = _actions(system)
    return tuple(i.state for i in system.inputs if i.state in actions)


def _old(system: System) -> frozenset[str]:
    """What is kept as it was when the window was collected."""
    return frozenset(
        t.state for e in system.equations if isinstance(e.value, Apply) and e.value.op == "old" for t in e.targets
    )


def _drawn(system: System) -> frozenset[str]:
    """What buffers give."""
    return frozenset(
        t.state for e in system.equations if isinstance(e.value, Apply) and e.value.op == "Get" for t in e.targets
    )


def _draws(system: System, recorded: Iterable[str]) -> bool:
    return bool(_drawn(system).intersection(recorded))


# --- noise beside what buffers give ----------------------------------------------------------------


def _of_draws(system: System) -> dict[str, str]:
    """The states that are drawn by chance for what a buffer gives, with that buffer: noise that goals read beside it
    and nothing of the present steps does, and what is drawn by a mean or by probabilities that are made from it."""
    recorded, drawn = _recorded(system), _drawn(system)
    buffers = {
        t.state: e.value.layer or ""
        for e in system.equations
        if isinstance(e.value, Apply) and e.value.op == "Get"
        for t in e.targets
    }
    by_chance = [e for e in system.equations if _runs(e) and any(n.op in _CHANCE for n in _applied(e.value))]
    sources = {
        t.state: _closure(system, [r.state for r in reads(e.value)], recorded) for e in by_chance for t in e.targets
    }
    found = {
        state: buffers[min(above & drawn)]
        for state, above in sources.items()
        if above & drawn and not (above & recorded) - drawn
    }
    free = {state for state, above in sources.items() if not above & recorded} - _taken_by_present(system)
    for goal in system.goals:
        read = _closure(system, (r.state for r in reads(goal.value)), recorded) & recorded
        if read & drawn:
            found |= {state: buffers[min(read & drawn)] for state in read & free}
    return found


_CHANCE = ("gauss", "sample", "eps_greedy")


def _taken_by_present(system: System) -> frozenset[str]:
    """What actions, effects and the goals of the present steps are made from."""
    recorded, drawn = _recorded(system), _drawn(system)
    starts = [r.state for e in system.equations if _is_effect(e) for r in reads(e.value)]
    found = set(_closure(system, [*starts, *_actions(system)], frozenset()))
    for goal in system.goals:
        read = _closure(system, (r.state for r in reads(goal.value)), recorded)
        found |= frozenset() if read & drawn else read
    return frozenset(found)


def _noise_of_draws(system: System) -> System:
    """The same System, where noise for what a buffer gives is told the buffer: there are as many rows of it."""
    own = _of_draws(system)
    equations = [
        replace(e, value=_told(e.value, own[e.targets[0].state])) if e.targets and e.targets[0].state in own else e
        for e in system.equations
    ]
    return replace(system, equations=tuple(equations))


def _told(value: Expr, buffer: str) -> Expr:
    if isinstance(value, Apply) and value.op == "gauss":
        return replace(value, attributes=tuple(sorted({**dict(value.attributes), "buffer": buffer}.items())))
    return with_children(value, tuple(_told(part, buffer) for part in children(value)))


# --- learning ------------------------------------------------------------------------------------


def _learning(
    system: System, wanted: frozenset[str], given: frozenset[str], rows: Rows, carried: Mapping[str, tuple[str, int]]
) -> System:
    """The equations of what is wanted, where what is given is an input, and so are base cases that are carried."""
    index = system.indices[0].name
    named = {place: name for name, place in carried.items() if place[0] in wanted - given}
    inputs = [_row_input(s, *rows[s], index) for s in rows if s in wanted & given]
    inputs += [Input(s, False) for s in sorted(_old(system) & wanted & given) if s not in rows]
    inputs += [Input(name, False) for name in named.values()]
    equations = []
    for equation in system.equations:
        own = {t.state for t in equation.targets}
        if not own or not own <= wanted or own & given:
            continue
        base = _base(equation)
        at = None if base is None else named.get(base)
        equations.append(equation if at is None else replace(equation, value=Read(at), line=0))
    return replace(system, inputs=tuple(inputs), equations=tuple(equations))


def _row_input(state: str, first: int, last: int, index: str) -> Input:
    return Input(state, True, first=Fixed(first), last=Last(index, last))


def _base(equation: Equation) -> tuple[str, int] | None:
    match equation.targets:
        case (target,) if len(target.context) == 1 and isinstance(target.context[0], Fixed):
            return target.state, target.context[0].value
        case _:
            return None


def _bases(system: System, states: frozenset[str]) -> Iterator[tuple[str, tuple[str, int]]]:
    """The base cases of these states over time, each with the name of the input that stands for it."""
    running = {t.state for e in system.equations if _runs(e) for t in e.targets}
    for equation in system.equations:
        base = _base(equation)
        if base is not None and base[0] in states & running:
            state, at = base
            yield f"{state}.before" if at == 0 else f"{state}.before_{abs(at) + (at > 0)}", (state, at)


def _closure(system: System, states: Iterable[str], known: frozenset[str]) -> frozenset[str]:
    """These states and all that they are made from; what is known is not followed."""
    sources: dict[str, set[str]] = {}
    for equation in system.equations:
        for target in equation.targets:
            sources.setdefault(target.state, set()).update(r.state for r in reads(equation.value))
    found: set[str] = set()
    stack = list(states)
    while stack:
        state = stack.pop()
        if state not in found:
            found.add(state)
            stack.extend(() if state in known else sources.get(state, ()))
    return frozenset(found)


# --- what stands in the way ----------------------------------------------------------------------


def _obstacles(system: System) -> Iterator[Problem]:
    resets = [e for e in system.equations if isinstance(e.value, Apply) and e.value.op == "reset"]
    steps = [e for e in system.equations if isinstance(e.value, Apply) and e.value.op == "step"]
    yield from _within(system)
    recorded, drawn, chance = _recorded(system), _drawn(system), frozenset(_of_draws(system))
    for goal in system.goals:
        found = (_closure(system, (r.state for r in reads(goal.value)), recorded) & recorded) - chance
        if found & drawn and found - drawn:
            one, other = sorted(found & drawn)[0], sorted(found - drawn)[0]
            message = f"a goal reads `{one}`, which a buffer draws, and `{other}` of the present steps"
            note = f"the two are not of the same examples: put `{other}` into the buffer too, and take it from there."
            yield Problem("SQ705", message, goal.span, (note,))
    yield from _ahead(system)
    yield from _begun_elsewhere(resets)
    yield from _unbrought(system)
    yield from _opened(system, (*resets, *steps))


def _begun_elsewhere(resets: Iterable[Equation]) -> Iterator[Problem]:
    """`reset() -> S_1`: what runs begins every episode at index 0."""
    for equation in resets:
        wrong = [t for t in equation.targets if t.context and t.context[0] != Fixed(0)]
        if wrong:
            given = show_state(wrong[0].state, wrong[0].context)
            names = ", ".join(show_state(t.state, (Fixed(0),)) for t in equation.targets)
            message = f"`reset` gives `{given}`, but an environment begins at index 0"
            yield Problem("SQ711", message, equation.span, repair=f"reset() -> {names}")


def _within(system: System) -> Iterator[Problem]:
    """A draw that gradients pass beside: recorded as a whole it would hide them. An action is recorded as it is."""
    actions = _actions(system)
    for equation in (e for e in system.equations if _is_effect(e)):
        value = equation.value
        if isinstance(value, Apply) and (ALL_OPS[value.op].effect or value.op == "stop"):
            continue
        if equation.targets and all(t.state in actions for t in equation.targets):
            continue
        draw = next(n for n in _applied(value) if ALL_OPS[n.op].effect)
        note = f"write `{show(draw)} -> e_t` on a line of its own, and `e_t` here; or hold all of it fixed: `stop(…)`."
        message = f"`{show(draw)}` stands within `{show_equation(equation)}`"
        yield as_within(equation, Problem("SQ706", message, equation.span, (note,)))


def _ahead(system: System) -> Iterator[Problem]:
    """What effects need must be there when they happen."""
    effects = [e for e in system.equations if _is_effect(e)]
    needed = _closure(system, (r.state for e in effects for r in reads(e.value)), frozenset())
    for equation in system.equations:
        if not (_is_effect(equation) or any(t.state in needed for t in equation.targets)) or not _runs(equation):
            continue
        for read in reads(equation.value):
            if any(isinstance(i, Last) or (isinstance(i, Running) and i.offset > 0) for i in read.context):
                what = show_equation(equation)
                message = f"`{what}` looks ahead to `{show(read)}`, and the environment waits for it"
                yield Problem("SQ707", message, equation.span)


def _unbrought(system: System) -> Iterator[Problem]:
    behaved = _behaved(system)
    for item in system.inputs:
        if item.state not in behaved:
            name = show_state(item.state, (Running(system.indices[0].name),) if item.indexed and system.indices else ())
            message = f"nothing gives `{name}` a value: beside the environment there are no data"
            yield Problem("SQ708", message, item.span)


def _opened(system: System, outside: Iterable[Equation]) -> Iterator[Problem]:
    states = {e.targets[0].state for e in outside if e.targets}
    for equation in system.equations:
        if isinstance(equation.value, Apply) and equation.value.op == "step":
            continue
        for read in (r for r in reads(equation.value) if r.state in states):
            message = f"`{show(read)}` is a state of the environment: it is passed to `step`, and has no parts"
            yield Problem("SQ709", message, equation.span)


def _of_another_kind(system: System, world: World) -> Iterator[Problem]:
    """A choice where real numbers are taken, noise on top of numbers where one of several actions is."""
    actions = _actions(system)
    for equation in system.equations:
        if len(equation.targets) != 1 or equation.targets[0].state not in actions:
            continue
        name, value = show(Read(equation.targets[0].state, equation.targets[0].context)), equation.value
        if not world.actions and isinstance(value, Apply) and value.op in ("sample", "eps_greedy", "argmax"):
            message = f"{world.name} takes real numbers as actions, and `{name}` is one of several to choose from"
            note = f"draw it by its mean and deviation: `sample(mu_t, sigma_t) -> {name}`."
        elif world.actions and any(n.op == "gauss" for n in _applied(value)):
            message = f"{world.name} takes one of {world.actions} actions, and `{name}` is a real number"
            note = f"draw it by the probabilities of all: `sample(pi_t) -> {name}`, where `pi_t` is a softmax."
        else:
            continue
        yield as_within(equation, Problem("SQ710", message, equation.span, (note,)))
