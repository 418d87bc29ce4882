"""What goes wrong at a time limit alone: a value, or a sum over time, that goes on into the next episode.

Whether an environment has a time limit the text does not tell. So these are no warnings of a program: they are kept for
where it is known what the program learns on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqmagic.equations.lints.facts import Facts, as_within, is_learned, offset, read_facts, warning
from sqmagic.equations.lints.targets import head
from sqmagic.equations.show import show
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Goal,
    Read,
    System,
    children,
    reads,
    shift,
    walk,
    with_children,
)
from sqmagic.equations.terms import Term, factors, terms
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source

STEP = ("S", "O", "r", "d", "cut", "O'")
"""What the outputs of `step` are called where the program does not take them."""


def over_limits(system: System, source: Source) -> tuple[Problem, ...]:
    """What a program that acts does wrong where an episode is cut off."""
    facts = read_facts(system)
    if facts.reward is None:
        return ()
    values = tuple(_bootstraps(tuple(_places(system)), system, facts, source))
    return (*values, *_goes_on(system, facts, source, 6 if values else 5))


@dataclass(frozen=True, slots=True)
class Place:
    """A value that an equation or a goal takes: what is said of it, and how a line that gives another one is written;
    `beside` is what stands on the other side."""

    at: Equation | Goal
    value: Expr
    name: str
    beside: Expr | None = None

    def line(self, value: Expr, source: Source) -> str | None:
        match self.at:
            case Equation():
                return f"{show(value)} -> {self.name.strip('`')}"
            case Goal(kind="loss", value=Apply("mse" | "huber" as op)) if self.beside is not None:
                sign = "=>" if op == "mse" else f"==[{op}]=>"
                return f"{head(self.at, source, sign)}{show(self.beside)} {sign} {show(_unstopped(value))}"
            case Goal():
                return None


def _unstopped(value: Expr) -> Expr:
    """A target without its stop, which is understood."""
    return value.args[0] if isinstance(value, Apply) and value.op == "stop" else value


def _places(system: System) -> Iterator[Place]:
    for equation in system.equations:
        if len(equation.targets) == 1:
            (target,) = equation.targets
            yield Place(equation, equation.value, f"`{show(Read(target.state, target.context))}`")
    for goal in system.goals:
        match goal:
            case Goal("loss", _, Apply(op, (beside, value))) if op != "mul":
                yield Place(goal, value, f"the target of `{show(beside)}`", beside)
            case Goal(through=(prediction, *_)):
                yield Place(goal, goal.value, f"the goal of `{show(prediction)}`")
            case _:
                pass


# --- values --------------------------------------------------------------------------------------


def _bootstraps(places: tuple[Place, ...], system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`r_t + gamma*V_t*(1-d_t)`, where `V_t` is made from `O_t`: each such value is told of once."""
    told = set[Expr]()
    for place in places:
        for carried, at in _carried_over(place, facts):
            if carried in told or _is_masked(place, places, facts):
                continue
            told.add(carried)
            yield _bootstrap(place, carried, at, system, facts, source)


def _carried_over(place: Place, facts: Facts) -> Iterator[tuple[Expr, int]]:
    """Values of the next episode's first observation that are added to a reward, and the reward's step."""
    for total in _sums(place.value, facts):
        found = terms(total)
        rewards = [f for t in found for f in t.factors if isinstance(f, Read) and f.state == facts.reward]
        for at in dict.fromkeys(step for r in rewards if (step := offset(r)) is not None):
            for term in found:
                if not term.positive or _knows(term, facts, facts.outputs[4:5]):
                    continue
                for carried in (c for f in term.factors for c in [_of_next(f, at, facts)] if c is not None):
                    if _knows(term, facts, facts.outputs[3:4]) or _without_end(carried, at, place, facts):
                        yield carried, at


def _sums(expr: Expr, facts: Facts) -> Iterator[Expr]:
    """Every sum, an outer one before those in it, but for what is already told where an episode is cut off."""
    yield expr
    for term in terms(expr):
        if not _knows(term, facts, facts.outputs[4:5]):
            for factor in term.factors:
                for child in children(factor):
                    yield from _sums(child, facts)


def _knows(term: Term, facts: Facts, flags: tuple[str, ...], apart: str = "") -> bool:
    """Whether one of the flags is read in a term, or in what has a name there and is no layer's: `1 - d_t -> m_t`."""
    waiting, seen = [r for factor in term.factors for r in reads(factor)], {apart}
    while waiting:
        read = waiting.pop()
        if read.state in flags:
            return True
        value = None if read.state in seen else _definition(read, facts)
        if value is not None and not is_learned(value):
            seen.add(read.state)
            waiting += reads(value)
    return False


def _definition(read: Read, facts: Facts) -> Expr | None:
    """What is read, by its equation at that step; None for what the environment gives and what has none."""
    equation, at = facts.definitions.get(read.state), offset(read)
    if equation is None or at is None or read.state in facts.outputs:
        return None
    own = next(offset(Read(t.state, t.context)) for t in equation.targets if t.state == read.state)
    return None if own is None else shift(equation.value, at - own)


def _of_next(factor: Expr, at: int, facts: Facts) -> Expr | None:
    """What a layer makes of the observation at a step: the state, or, if it has no name, the factor itself."""
    for read in reads(factor):
        value = _definition(read, facts) if offset(read) == at else None
        if value is not None and _sees(value, at, facts, is_learned(value), frozenset({read.state})):
            return read
    own = [r for r in reads(factor) if offset(r) == at and r.state in facts.outputs[:2]]
    layers = [n for n in walk(factor) if isinstance(n, Apply) and n.layer is not None]
    return factor if own and any(r in own for n in layers for r in reads(n)) else None


def _sees(value: Expr, at: int, facts: Facts, learned: bool, seen: frozenset[str]) -> bool:
    for read in _unguarded(value, facts.outputs[4:5]):
        if offset(read) != at or read.state in seen:
            continue
        if read.state in facts.outputs[:2]:
            if learned:
                return True
            continue
        inner = _definition(read, facts)
        if inner is not None and _sees(inner, at, facts, learned or is_learned(inner), seen | {read.state}):
            return True
    return False


def _unguarded(expr: Expr, flags: tuple[str, ...]) -> Iterator[Read]:
    """What is read whether or not an episode is cut off: not what `where(cut_t, …)` or `*(1 - cut_t)` tells apart."""
    match expr:
        case Read():
            yield expr
        case Apply("where", (guard, *_)) if _is_guard(guard, flags):
            return
        case Apply("mul", args) if any(_is_guard(a, flags) for a in args):
            return
        case _:
            for child in children(expr):
                yield from _unguarded(child, flags)


def _is_guard(expr: Expr, flags: tuple[str, ...]) -> bool:
    return not is_learned(expr) and any(r.state in flags for r in reads(expr))


def _without_end(carried: Expr, at: int, place: Place, facts: Facts) -> bool:
    """A program that does not take `d_t`: its value meets that of the step before."""
    if facts.done is not None or not isinstance(carried, Read):
        return False
    met = [*reads(place.value), *(() if place.beside is None else reads(place.beside))]
    return any(r.state == carried.state and (step := offset(r)) is not None and step < at for r in met)


def _is_masked(place: Place, places: tuple[Place, ...], facts: Facts) -> bool:
    """Whether all that reads what is made here leaves out the steps where an episode is cut off."""
    if not isinstance(place.at, Equation):
        return False
    state = place.at.targets[0].state
    values = [v for p in places if p is not place for v in (p.value, p.beside) if v is not None]
    uses = [t for v in values for t in terms(v) if any(r.state == state for f in t.factors for r in reads(f))]
    return bool(uses) and all(_knows(t, facts, facts.outputs[4:5], state) for t in uses)


def _bootstrap(place: Place, carried: Expr, at: int, system: System, facts: Facts, source: Source) -> Problem:
    flag = _output(place, facts, 1, at)
    before = _output(place, facts, 5, at)
    rewards = [r for r in reads(place.value) if r.state == facts.reward]
    instead = _seen_before(carried, at, facts)
    named = None if instead is None else _named(instead, at, system)
    unsaid = named is None or _is_within(named) or len({offset(r) for r in rewards}) > 1
    line = None if named is None or unsaid else place.line(_replaced(place.value, carried, named), source)
    problem = warning(
        "SQ612",
        f"{place.name} bootstraps over a time limit: `{show(carried)}` is of the next episode where one is cut off",
        place.at,
        (
            f"`{show(flag)}` opens the next episode there already. What was seen before is `{show(before)}`: its value "
            "is the one to go on with.",
            "an episode cut off where 10 is still to come, before one worth 2: with reward 1 and gamma 0.9 its last "
            "step is worth 1 + 0.9 * 10 = 10, but here 1 + 0.9 * 2 = 2.8.",
        ),
        _with_step(line, 6, system, facts, source),
    )
    return as_within(place.at, problem) if isinstance(place.at, Equation) else problem


def _is_within(value: Expr) -> bool:
    """Whether it takes a layer of a macro, which no other line can call."""
    return any(isinstance(n, Apply) and n.layer is not None and "." in n.layer for n in walk(value))


def _output(place: Place, facts: Facts, number: int, at: int) -> Read:
    """An output of `step` at a step, by the program's name for it, or the one that it would have."""
    name = facts.outputs[number] if number < len(facts.outputs) else STEP[number]
    reward = next(r for r in reads(place.value) if r.state == facts.reward and offset(r) == at)
    return replace(reward, state=name)


def _seen_before(expr: Expr, at: int, facts: Facts) -> Expr | None:
    """The same of what was seen before the next episode began; None for what has a memory."""
    if not isinstance(expr, Read):
        found = [_seen_before(child, at, facts) for child in children(expr)]
        whole = tuple(f for f in found if f is not None)
        return with_children(expr, whole) if len(whole) == len(found) else None
    if not expr.context:
        return expr
    if offset(expr) != at or expr.state in facts.outputs[:1]:
        return None
    if expr.state in facts.outputs[1:2]:
        return replace(expr, state=facts.outputs[5] if len(facts.outputs) > 5 else STEP[5])
    value = _definition(expr, facts)
    if value is None or not _sees(value, at, facts, True, frozenset({expr.state})):
        return expr
    return _seen_before(value, at, facts)


def _named(value: Expr, at: int, system: System) -> Expr:
    """The state that the program has for a value already, if it has one."""
    for equation in system.equations:
        match equation.targets:
            case (target,) if (own := offset(Read(target.state, target.context))) is not None:
                if shift(equation.value, at - own) == value:
                    return shift(Read(target.state, target.context), at - own)
            case _:
                pass
    return value


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    if expr == old:
        return new
    return with_children(expr, tuple(_replaced(child, old, new) for child in children(expr)))


def _with_step(line: str | None, count: int, system: System, facts: Facts, source: Source) -> str | None:
    """The repaired line, after that of `step` where it takes fewer outputs than the repair reads."""
    missing = STEP[len(facts.outputs) : count]
    if line is None or not missing:
        return line
    taken = {t.state for e in system.equations for t in e.targets} | {i.state for i in system.inputs}
    if taken.intersection(missing):
        return None
    (step,) = (e for e in system.equations if isinstance(e.value, Apply) and e.value.op == "step")
    context = step.targets[0].context
    more = ", ".join(show(Read(name, context)) for name in missing)
    written = source.line(source.line_number(step.span.start)).partition("#")[0].strip()
    targets = written.rpartition("->")[2]
    if step.group or "->" not in written or targets.count(",") != len(step.targets) - 1:
        own = ", ".join(show(Read(t.state, t.context)) for t in step.targets)
        written = f"{show(step.value)} -> {own}"
    return f"{written}, {more}\n{line}"


# --- sums over time ------------------------------------------------------------------------------


def _goes_on(system: System, facts: Facts, source: Source, count: int) -> Iterator[Problem]:
    """`D_t + 0.9*A_{t+1}*(1-d_t) -> A_t`: what is summed up from the end goes on where an episode is only cut off."""
    for equation in (e for e in system.equations if len(e.targets) == 1):
        (target,) = equation.targets
        own = offset(Read(target.state, target.context))
        found = terms(equation.value)
        for term in found:
            later = [
                r
                for f in term.factors
                for r in reads(f)
                if r.state == target.state and own is not None and (offset(r) or 0) > own
            ]
            done, cut = facts.outputs[3:4], facts.outputs[4:5]
            if later and _knows(term, facts, done, target.state) and not _knows(term, facts, cut, target.state):
                problem = _summed(equation, term, later[0], found, system, facts, source, count)
                yield as_within(equation, problem)


def _summed(
    equation: Equation,
    term: Term,
    later: Read,
    found: tuple[Term, ...],
    system: System,
    facts: Facts,
    source: Source,
    count: int,
) -> Problem:
    (target,) = equation.targets
    name = show(Read(target.state, target.context))
    flags = [r for f in term.factors for r in reads(f) if r.state == facts.done]
    cut = facts.outputs[4] if len(facts.outputs) > 4 else STEP[4]
    flag = show(replace(flags[0] if flags else Read("", target.context), state=cut))
    line, ends = None, later in term.factors and not _is_return(found, facts)
    if flags and ends:
        line = f"{show(_cut_instead(equation.value, term, flags[0], cut))} -> {name}"
    return warning(
        "SQ612",
        f"`{name}` goes on over a time limit: `{show(later)}` is of the next episode where one is cut off",
        equation,
        (
            f"what comes after an episode is cut off has no part in it: multiply `{show(later)}` by `1 - {flag}`."
            if ends
            else f"where `{flag}` is 1, the value of what was seen before stands for it: "
            f"`where({flag}, …, {show(later)})`.",
            "1 at the last step of an episode that is cut off, and 5 at the first of the next: with 0.9 between them "
            "this gives 1 + 0.9 * 5 = 5.5, and nothing of 5 belongs there.",
        ),
        _with_step(line, count, system, facts, source),
    )


def _is_return(found: tuple[Term, ...], facts: Facts) -> bool:
    """Rewards summed up without a value that stands for what is still to come."""
    bare = any(isinstance(f, Read) and f.state == facts.reward for t in found for f in t.factors)
    return bare and all(term.positive for term in found)


def _cut_instead(expr: Expr, term: Term, flag: Read, cut: str) -> Expr:
    """The sum with the other flag in one of its terms."""
    match expr:
        case Apply("add" | "sub" | "neg" | "stop", args):
            return with_children(expr, tuple(_cut_instead(a, term, flag, cut) for a in args))
        case _ if factors(expr) == term.factors:
            return _replaced(expr, flag, replace(flag, state=cut))
        case _:
            return expr
