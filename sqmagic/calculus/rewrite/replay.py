"""Who checks the log of rewrites: each entry again, by the rules and the exact normal form alone.

`replay` knows nothing of how rules came to be applied. It takes the program and the log, and refuses an entry whose
`before` does not stand at its place, whose two sides are not one normal form, that names what is there already, whose
conditions are not those that its rule asks for, or of whose conditions one is false. What it gives is the program
that the log leads to. It never looks at a float.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqmagic.calculus.rewrite.exact import Known, NoForm, equal
from sqmagic.calculus.rewrite.forms import closed, now, pure
from sqmagic.calculus.rewrite.log import Condition, Kind, Rewrite, Rule, part, put
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.show import show_target
from sqmagic.equations.system import Equation, Read, Running, System, reads, runs, shift


class RefusedRewrite(Exception):
    """An entry of a log that does not follow: its number, from 0, and why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"entry {number}: {why}")
        self.number, self.why = number, why


class _Refused(Exception):
    """Why an entry does not follow."""


@dataclass(slots=True)
class _State:
    """The program so far; `original` are the states that are the user's, `named` the lines of the names made."""

    system: System
    equations: list[Equation]
    shapes: dict[str, Shape]
    parameters: Mapping[str, Shape]
    original: frozenset[str]
    named: dict[str, Equation] = field(default_factory=dict)

    def known(self) -> Known:
        return Known(self.shapes, self.parameters, self.named)


def replay(
    system: System, states: Mapping[str, Shape], parameters: Mapping[str, Shape], log: Sequence[Rewrite]
) -> System:
    """The System that a log leads to. Raises RefusedRewrite at the first entry that does not follow."""
    original = frozenset({i.state for i in system.inputs} | {t.state for e in system.equations for t in e.targets})
    at = _State(system, list(system.equations), dict(states), parameters, original)
    for number, entry in enumerate(log):
        try:
            _entry(entry, at)
        except (_Refused, NoForm, KeyError, AssertionError, IndexError) as why:
            raise RefusedRewrite(number, str(why)) from None
    return replace(system, equations=tuple(at.equations))


def _entry(entry: Rewrite, at: _State) -> None:
    found = [n for n, e in enumerate(at.equations) if entry.target in e.targets]
    if len(found) != 1:
        raise _Refused(f"no equation defines {show_target(entry.target)}")
    equation = at.equations[found[0]]
    if part(equation.value, entry.path) != entry.before:
        raise _Refused(f"`before` does not stand in the equation of {show_target(entry.target)}")
    if entry.rule not in _NEEDS:
        raise _Refused(f"there is no rule {entry.rule}")
    if entry.after is None or entry.rule == "dead":
        _dropped(entry, equation, found[0], at)
        return
    _named(entry, at)
    if entry.rule == "def":
        _by_definition(entry, at)
    elif not equal(entry.before, entry.after, at.known()):
        raise _Refused("the two sides have different normal forms")
    changed = replace(equation, value=put(equation.value, entry.path, entry.after))
    at.equations[found[0] : found[0] + 1] = [*entry.made, changed]
    for condition in entry.conditions:
        if not _HOLDS[condition.kind](condition.state, entry, at):
            raise _Refused(f"it is not so that {condition}")
    _in_order(at)


def _named(entry: Rewrite, at: _State) -> None:
    """The names that an entry makes, and that its conditions are the ones that its rule asks for."""
    needed = set(_NEEDS[entry.rule](entry))
    if needed - set(entry.conditions):
        raise _Refused(f"it is not said that {', '.join(sorted(map(str, needed - set(entry.conditions))))}")
    for each in entry.made:
        if len(each.targets) != 1 or each.targets[0].state in at.shapes:
            raise _Refused(f"{', '.join(t.state for t in each.targets)} is not one new name")
        (target,) = each.targets
        if bool(target.context) != runs(each.value) or (target.context and not now(target)):
            raise _Refused(f"{target.state} does not stand where its value is")
        at.shapes[target.state] = at.known().shape(each.value)
        at.named[target.state] = each


def _by_definition(entry: Rewrite, at: _State) -> None:
    match entry.before:
        case Read(state, (Running(_, offset),)):
            lines = [e for e in at.equations if any(t.state == state for t in e.targets)]
            if len(lines) != 1 or len(lines[0].targets) != 1 or not now(lines[0].targets[0]) or offset != 0:
                raise _Refused(f"{state} is not defined by one line alone, or not read at its own step")
            if entry.after != shift(lines[0].value, offset):
                raise _Refused(f"this is not the line of {state}")
            if not pure(lines[0].value):
                raise _Refused(f"the line of {state} has more than one value")
        case _:
            raise _Refused("only a name has a definition")


def _dropped(entry: Rewrite, equation: Equation, number: int, at: _State) -> None:
    if entry.rule != "dead" or entry.after is not None or entry.path or entry.made:
        raise _Refused("only a dead name is dropped")
    states = {t.state for t in equation.targets}
    if set(entry.conditions) != {Condition("unread", s) for s in states}:
        raise _Refused("it is not said that nobody reads it")
    if states & at.original or any(r.state in states for r in _all_reads(at)):
        raise _Refused(f"{', '.join(sorted(states))} is read, or is the user's own")
    del at.equations[number]
    for state in states:
        del at.named[state], at.shapes[state]


def _all_reads(at: _State) -> Iterable[Read]:
    for value in (*(e.value for e in at.equations), *(g.value for g in at.system.goals)):
        yield from reads(value)


# --- conditions ----------------------------------------------------------------------------------


def _made_are(*kinds: Kind) -> Callable[[Rewrite], list[Condition]]:
    return lambda entry: [Condition(kind, t.state) for e in entry.made for t in e.targets for kind in kinds]


def _let(entry: Rewrite) -> list[Condition]:
    """What has no step is made of parameters alone, else it is a function of what it reads."""
    found: list[Condition] = []
    for equation in entry.made:
        kinds: tuple[Kind, ...] = ("fresh", "pure" if reads(equation.value) else "closed")
        found += [Condition(kind, t.state) for t in equation.targets for kind in kinds]
    return found


def _of_the_name(entry: Rewrite) -> list[Condition]:
    return [Condition("one line", entry.before.state)] if isinstance(entry.before, Read) else []


_NEEDS: Mapping[Rule, Callable[[Rewrite], list[Condition]]] = {
    "def": _of_the_name,
    "affine": _made_are(),
    "concat": _made_are(),
    "let": _let,
    "hoist": _made_are("fresh", "pure", "free"),
    "stack": _made_are("fresh", "pure"),
    "map": _made_are("fresh", "pure"),
    "dead": lambda entry: [],
}
"""The conditions of each rule; that both sides have one normal form is a condition of all but `def` and `dead`."""


def _free(state: str, entry: Rewrite, at: _State) -> bool:
    """Whether a name needs, at any step, nothing that needs the equation that it is used in."""
    needs: dict[str, set[str]] = {}
    for equation in at.equations:
        for target in equation.targets:
            needs.setdefault(target.state, set()).update(r.state for r in reads(equation.value))
    found: set[str] = set()
    waiting = [state]
    while waiting:
        for other in needs.get(waiting.pop(), set()) - found:
            found.add(other)
            waiting.append(other)
    return entry.target.state not in found


def _made_line(state: str, entry: Rewrite) -> Equation | None:
    return next((e for e in entry.made if e.targets[0].state == state), None)


def _is_pure(state: str, entry: Rewrite, at: _State) -> bool:
    line = _made_line(state, entry)
    return line is not None and pure(line.value)


def _is_closed(state: str, entry: Rewrite, at: _State) -> bool:
    line = _made_line(state, entry)
    return line is not None and closed(line.value) and not line.targets[0].context


def _is_fresh(state: str, entry: Rewrite, at: _State) -> bool:
    return state not in at.original and sum(t.state == state for e in at.equations for t in e.targets) == 1


def _one_line(state: str, entry: Rewrite, at: _State) -> bool:
    return sum(t.state == state for e in at.equations for t in e.targets) == 1


_HOLDS: Mapping[Kind, Callable[[str, Rewrite, _State], bool]] = {
    "one line": _one_line,
    "pure": _is_pure,
    "free": _free,
    "closed": _is_closed,
    "fresh": _is_fresh,
    "unread": lambda state, entry, at: all(r.state != state for r in _all_reads(at)),
}


def _in_order(at: _State) -> None:
    """Refuses names by which a value needs itself within a step: such equations are true and compute nothing."""
    needs: dict[str, set[str]] = {}
    for equation in at.equations:
        for target in equation.targets:
            found = {r.state for r in reads(equation.value) if not r.context or _within(r)}
            needs.setdefault(target.state, set()).update(found if not target.context or now(target) else ())
    done: set[str] = set()
    for state in at.named:
        _walk(state, needs, done, [])


def _within(read: Read) -> bool:
    return any(isinstance(i, Running) and i.offset == 0 for i in read.context)


def _walk(state: str, needs: Mapping[str, set[str]], done: set[str], path: list[str]) -> None:
    if state in path:
        raise _Refused(f"{state} needs itself within a step")
    if state in done or state not in needs:
        return
    for other in sorted(needs[state]):
        _walk(other, needs, done, [*path, state])
    done.add(state)
