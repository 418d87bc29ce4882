"""Whole sequences: the methods `forward` and `loss` of a page, and `collect`, which adds what is old to what there is.

What a call leaves out is left out: components that need an input that no prediction needs come after the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from sqmagic.emit.torch.code import ATOM, SCALAR, Code, within
from sqmagic.emit.torch.facts import Facts, closure, fixed
from sqmagic.emit.torch.lines import dictionary, indented, uses
from sqmagic.emit.torch.losses import RULES
from sqmagic.emit.torch.place import Place, filled, translate
from sqmagic.emit.torch.reading import bare, moved, window
from sqmagic.emit.torch.scans import ScanMethod, call
from sqmagic.emit.torch.statements import once, over_steps, statements
from sqmagic.equations.show import show_goal, show_state
from sqmagic.equations.system import Apply, Equation, Goal, Input, reads
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Interval
from sqmagic.schedule.ranges import grows

Regions: TypeAlias = Sequence[tuple[Component, ...]]
"""For each component of a program those that compute it."""


def _signature(facts: Facts, needed: frozenset[str]) -> str:
    """The parameters of a method: inputs that are needed first, then the others, then what the window is."""
    names = [facts.name(i.state) for i in facts.system.inputs if i.state in needed]
    names += [f"{facts.name(i.state)}=None" for i in facts.system.inputs if i.state not in needed]
    keywords = ["horizon=None"] if _asks_horizon(facts) else []
    keywords += ["lengths=None"] if facts.masked else []
    return ", ".join(["self", *names, *(["*", *keywords] if keywords else [])])


def _asks_horizon(facts: Facts) -> bool:
    return bool(facts.system.indices) and not any(
        i.indexed and i.state not in facts.optional for i in facts.system.inputs
    )


def forward(facts: Facts, regions: Regions, apart: Mapping[int, ScanMethod]) -> list[str]:
    """Components that every call computes, and after them those that need an input which may be left out."""
    required = frozenset(i.state for i in facts.system.inputs) - facts.optional
    always: list[str] = []
    results: dict[str, str] = {}
    later: dict[frozenset[str], tuple[list[str], dict[str, str]]] = {}
    for item in facts.system.inputs:
        lines, found = _shaped(facts, item), {item.state: facts.name(item.state)}
        if item.state in required:
            always += lines
            results |= found
        else:
            later[frozenset((item.state,))] = (lines, found)
    for number, region in enumerate(regions):
        equations = [facts.system.equations[n] for n in sorted(n for c in region for n in c.equations)]
        needs = frozenset().union(*(facts.needs.get(t.state, frozenset()) for e in equations for t in e.targets))
        lines, found = later.setdefault(needs, ([], {})) if needs else (always, results)
        made = call(facts, apart[number]) if number in apart else _computed(facts, region)
        lines += ["", *made, ""] if len(made) > 2 else made
        found |= _results(facts, equations)
    lines = [*always, "", *f"states = {dictionary(results)}".split("\n")]
    for needs, (made, found) in sorted(later.items(), key=lambda entry: len(entry[0])):
        given = " and ".join(f"{facts.name(i.state)} is not None" for i in facts.system.inputs if i.state in needs)
        more = f"states |= {dictionary(found)}".split("\n")
        lines += [f"if {given}:", *indented([*_tidy(made), *more])]
    lines = [*_preamble(facts, lines), *lines, "return states"]
    doc = '"""Every state by its name'
    doc += '; what needs an input that is left out is left out too."""' if facts.optional else '."""'
    return [f"def forward({_signature(facts, required)}):", *indented([doc, *_tidy(lines)])]


def _shaped(facts: Facts, item: Input) -> list[str]:
    """A scalar input may come without its axis of size 1."""
    name = facts.name(item.state)
    if facts.shapes[item.state] != SCALAR:
        return []
    return [f"{name} = {name}.reshape({f'*{name}.shape[:2]' if item.indexed else f'{name}.shape[0]'}, 1)"]


def _results(facts: Facts, equations: Iterable[Equation]) -> dict[str, str]:
    found = {}
    for target in (t for e in equations for t in e.targets if t.state not in facts.made):
        over_time = bool(target.context) and not fixed(target.context)
        name = facts.name(target.state, () if over_time else target.context)
        key = target.state if over_time else show_state(target.state, target.context)
        found[key] = f"{facts.like}.new_full((batch, 1), {name})" if target.state in facts.numbers else name
    return found


def _preamble(facts: Facts, lines: list[str]) -> list[str]:
    """How long the window is, how many examples there are, and where each ends: what of it the lines use."""
    batch, horizon = _batch(facts), _horizon(facts)
    found = [f"batch = {batch}"] if uses(lines, "batch") else []
    if uses(lines, "end"):
        found.append("end = T if lengths is None else lengths" if facts.masked else "end = T")
    if uses([*lines, *found], "T"):
        found.insert(0, f"T = {horizon}")
    if found[:2] == [f"T = {horizon}", f"batch = {batch}"] and horizon.replace("[0]", "[1]") == batch:
        found[:2] = [f"T, batch = {batch.removesuffix('[1]')}[:2]"]
    return found


def _horizon(facts: Facts) -> str:
    """The number of steps, from the rows of an input."""
    given = []
    for item in (i for i in facts.system.inputs if i.indexed):
        stored = facts.stored[item.state]
        given.append((item, moved(f"{facts.name(item.state)}.shape[0]", stored.first - stored.last - 1)))
    return _first_given(facts, given, "horizon")


def _batch(facts: Facts) -> str:
    """The number of examples, from any input; one where there is none."""
    sizes = [(i, f"{facts.name(i.state)}.shape[{int(i.indexed)}]") for i in facts.system.inputs]
    return _first_given(facts, sizes, "1 if lengths is None else len(lengths)" if facts.masked else "1")


def _first_given(facts: Facts, sizes: list[tuple[Input, str]], otherwise: str) -> str:
    """What an input tells: one that is always there, or else the first that is."""
    always = [text for item, text in sizes if item.state not in facts.optional]
    if always:
        return always[0]
    return " else ".join([*(f"{text} if {facts.name(i.state)} is not None" for i, text in sizes), otherwise])


def _computed(facts: Facts, region: tuple[Component, ...]) -> list[str]:
    return [line for component in region for line in statements(facts, component)]


# --- the goals -----------------------------------------------------------------------------------


def loss(facts: Facts) -> list[str]:
    """What all goals add up to: losses less objectives, each the mean over its own steps and the batch."""
    needed = closure(facts.system, (r.state for g in facts.system.goals for r in reads(g.value)))
    needed = frozenset(i.state for i in facts.system.inputs if i.state in needed or i.state not in facts.optional)
    given = ", ".join(f"{facts.name(i.state)}={facts.name(i.state)}" for i in facts.system.inputs if i.state in needed)
    keywords = ["horizon=horizon"] * _asks_horizon(facts) + ["lengths=lengths"] * facts.masked
    lines = _taken(facts)
    several = len(facts.system.goals) > 1
    for position, (goal, steps) in enumerate(zip(facts.system.goals, facts.goals, strict=True)):
        value = _goal(facts, goal, steps)
        sign = "-" if goal.kind == "objective" else "+"
        start = "return " if not several else "total = " if position == 0 else f"total = total {sign} "
        lead = "-" if sign == "-" and (position == 0 or not several) else ""
        lines += ["", f"# {show_goal(goal)}", f"{start}{lead}{value}"]
    lines += ["return total"] * several
    call = f"states = self.forward({', '.join([given, *keywords] if given else keywords)})"
    preamble = _preamble(facts, lines)
    doc = '"""The losses, less the objectives: each the mean over its steps and the batch."""'
    return [f"def loss({_signature(facts, needed)}):", *indented([doc, call, *preamble, *_tidy(lines)])]


def collecting(facts: Facts, dependence: Dependence) -> list[str]:
    """The method that adds what is old to what was recorded. The facts are of the System that gives it."""
    lines = [f'{facts.name(i.state)} = recorded["{i.state}"]' for i in facts.system.inputs]
    lines += [line for item in facts.system.inputs for line in _shaped(facts, item)]
    made = [line for component in dependence.components for line in statements(facts, component)]
    old = [e.targets[0] for e in facts.system.equations if isinstance(e.value, Apply) and e.value.op == "old"]
    results = dictionary({t.state: facts.name(t.state, t.context if fixed(t.context) else ()) for t in old})
    doc = '"""What was recorded, and beside it what is old: as it is before the weights move."""'
    body = [doc, *lines, *_preamble(facts, made), *made, f"return recorded | {results}"]
    return ["@torch.no_grad()", "def collect(self, recorded):", *indented(_tidy("\n".join(body).split("\n")))]


def _taken(facts: Facts) -> list[str]:
    """The states that the goals read, from the dictionary, and numbers as they are."""
    read = [r for g in facts.system.goals for r in reads(g.value)]
    numbers = closure(facts.system, (r.state for r in read if r.state in facts.numbers))
    lines = [line for e in facts.system.equations if _is_of(e, numbers) for line in once(facts, e)]
    taken = {}
    for r in read:
        if r.state not in facts.numbers:
            point = (r.state, r.context) in facts.given
            key = show_state(r.state, r.context) if point else r.state
            taken[key] = facts.name(r.state, r.context if point else ())
    return [*lines, *(f'{name} = states["{key}"]' for key, name in taken.items())]


def _is_of(equation: Equation, states: frozenset[str]) -> bool:
    return any(t.state in states for t in equation.targets)


def _goal(facts: Facts, goal: Goal, steps: Interval | None) -> str:
    if steps is None:
        return f"{within(_scalar(goal, bare(facts)), ATOM)}.mean()"
    value = over_steps(facts, goal.value, steps) if grows(goal.value) else _scalar(goal, window(facts, steps))
    if not facts.masked:
        return f"{within(value, ATOM)}.mean()"
    return f"average({value.text}, own_steps({steps.first}, {steps.last}, {steps.last}, T, lengths))"


def _scalar(goal: Goal, place: Place) -> Code:
    return filled(translate(goal.value, place, RULES), place, SCALAR)


def _tidy(lines: list[str]) -> list[str]:
    """No blank line at an end, and no two together."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return kept[:-1] if kept and not kept[-1] else kept
