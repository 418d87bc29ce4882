"""A program as a page of Python that runs with torch alone: one class, whose methods compute states and goals.

`emit` gives the page, `refused` says what keeps a program from having one. Before: a System whose shapes, order and
domains are known and in which no operator needs inference (`settle`). After: text; the same System gives the same text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sqmagic.emit.torch.acting import copying
from sqmagic.emit.torch.code import ATOM, SCALAR, Code, within
from sqmagic.emit.torch.facts import SAMPLE, Facts, closure, fixed, gather, least_steps
from sqmagic.emit.torch.layers import argument, making
from sqmagic.emit.torch.lines import broken, dictionary
from sqmagic.emit.torch.losses import REFUSED, RULES
from sqmagic.emit.torch.names import class_name
from sqmagic.emit.torch.place import Place, filled, translate
from sqmagic.emit.torch.prelude import PRELUDE
from sqmagic.emit.torch.reading import bare, moved, window
from sqmagic.emit.torch.scans import ScanMethod, call, prepared, scan_method, written
from sqmagic.emit.torch.statements import once, over_steps, statements
from sqmagic.emit.torch.stepping import stepping
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.show import show_goal, show_state
from sqmagic.equations.system import Apply, Equation, Expr, Goal, Input, System, reads, runs, walk
from sqmagic.notation.problems import Problem
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Domains, Interval
from sqmagic.schedule.ranges import grows

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Faster:
    """The same program rewritten so that it runs faster. `regions` are its components, together those that compute what
    a component of the program computes, in the order of those; `made` are the names that the program does not know.
    """

    system: System
    shapes: Shapes
    domains: Domains
    regions: tuple[tuple[Component, ...], ...]
    made: frozenset[str]


class Compiled(Protocol):
    """A scan for which there is compiled code: the method that computes what that is given besides, if there is one."""

    @property
    def ready(self) -> Sequence[str]: ...


def refused(system: System) -> tuple[Problem, ...]:
    """What torch code cannot have: SQ701 an environment or buffer, SQ702 the slowly moving copy of a layer, SQ703
    statistics over the window of what is computed step by step, SQ704 what of an adjoint has no code yet.
    """
    problems: dict[str, Problem] = {}
    for node in (n for e in _exprs(system) for n in walk(e) if isinstance(n, Apply)):
        if node.op in REFUSED:
            problems.setdefault(node.op, Problem("SQ701", REFUSED[node.op], node.span))
        if node.attribute("target", False):
            message = f"`target({node.layer})` needs a training loop with a slowly moving copy, which there is not yet"
            problems.setdefault("target", Problem("SQ702", message, node.span))
        if node.op.startswith("batch_norm_"):
            message = "the adjoint of `batch_norm` has no code of its own yet"
            problems.setdefault("batch_norm_", Problem("SQ704", message, node.span))
        if node.op == "window_sum" and any(runs(end) for end in node.args[1:]):
            message = "the adjoint of a range that grows has no code of its own yet"
            problems.setdefault("window_sum", Problem("SQ704", message, node.span))
    for equation in system.equations:
        if grows(equation.value) and any(isinstance(n, Apply) and n.op == "batch_norm" for n in walk(equation.value)):
            message = (
                "`batch_norm` stands in one line with a range that grows: give the range's result a name of its own"
            )
            problems.setdefault("batch_norm", Problem("SQ703", message, equation.span))
    return tuple(problems.values())


def _exprs(system: System) -> list[Expr]:
    return [e.value for e in system.equations] + [g.value for g in system.goals]


def emit(
    system: System,
    shapes: Shapes,
    dependence: Dependence,
    domains: Domains,
    name: str = "net",
    scans: Mapping[int, Compiled] | None = None,
    faster: Faster | None = None,
    acting: Sequence[list[str]] | None = None,
) -> str:
    """The page. Nothing that `refused` names may be in the system, and nothing in the facts may be a problem.

    The components in `scans` (by number) become methods of their own, `scan_2`, that compiled code may stand in for,
    with those that compute what it is given besides.
    With `faster`, whole sequences are computed as that says, and single steps as the system says. `acting` are the
    methods of a program that acts; its examples are all as long as the window.
    """
    facts = gather(system, shapes, domains, recorded=acting is not None)
    whole, regions = _whole(facts, dependence, faster)
    apart = _apart(whole, dependence, regions, scans or ())
    methods = [_init(facts), _forward(whole, regions, apart)]
    methods += [written(whole, method) for method in apart.values()]
    methods += [list(scan.ready) for scan in (scans or {}).values() if scan.ready]
    methods += [_loss(facts)] if system.goals else []
    methods += stepping(facts, dependence) if acting is None else acting
    body = [line for method in methods for line in ["", *method]]
    page = [f"class {class_name(name)}(nn.Module):", *_indented([*_doc(facts, name), *_tables(facts), *body])]
    brought = [
        line for word, text in PRELUDE.items() if _uses(page, word, r"\(") for line in [*text.split("\n"), "", ""]
    ]
    top = ["# written by sqmagic: it needs torch alone", "import torch", "from torch import nn", "", ""]
    return "\n".join([*top, *brought, *(part for line in page for part in broken(line))]).rstrip() + "\n"


def scan_methods(
    system: System,
    shapes: Shapes,
    dependence: Dependence,
    domains: Domains,
    faster: Faster | None,
    scans: Collection[int],
    *,
    recorded: bool = False,
) -> dict[int, ScanMethod]:
    """The methods that the page has for these components; `recorded` says that it is that of a program that acts."""
    whole, regions = _whole(gather(system, shapes, domains, recorded=recorded), dependence, faster)
    return _apart(whole, dependence, regions, scans)


def prepared_method(
    system: System,
    shapes: Shapes,
    dependence: Dependence,
    domains: Domains,
    method: ScanMethod,
    made: Collection[str],
    given: Sequence[str],
) -> list[str] | None:
    """The method that computes what compiled code is given besides, in a System in which that has names: of those that
    are `made`, the ones that are read."""
    region = [c for c in dependence.components if set(made).intersection(c.states)]
    return prepared(gather(system, shapes, domains), region, method, given)


Regions: TypeAlias = Sequence[tuple[Component, ...]]


def _whole(facts: Facts, dependence: Dependence, faster: Faster | None) -> tuple[Facts, Regions]:
    """What whole sequences are computed from: the program's components as they are, or rewritten."""
    if faster is None:
        return facts, [c.apart for c in dependence.components]
    return gather(faster.system, faster.shapes, faster.domains, faster.made), faster.regions


def _apart(facts: Facts, dependence: Dependence, regions: Regions, scans: Collection[int]) -> dict[int, ScanMethod]:
    """What of the program stands in methods of its own; what rules have taken out of a loop stands in there, too."""
    parts = zip(dependence.components, regions, strict=True)
    return {n: scan_method(facts, c.states, region, n) for n, (c, region) in enumerate(parts) if n in scans}


def _computed(facts: Facts, region: tuple[Component, ...]) -> list[str]:
    return [line for component in region for line in statements(facts, component)]


def _indented(lines: Iterable[str], depth: int = 1) -> list[str]:
    return [INDENT * depth + line if line else "" for line in lines]


def _uses(lines: Iterable[str], word: str, after: str = r"(?!\w)") -> bool:
    """Whether a name stands in the lines, their comments apart."""
    pattern = re.compile(rf"(?<![\w.]){word}{after}")
    return any(pattern.search(line.partition("# ")[0]) for line in lines)


# --- the class -----------------------------------------------------------------------------------


def _doc(facts: Facts, name: str) -> list[str]:
    lines = [f'"""{name}', ""]
    for item in facts.system.inputs:
        axes = ("time, batch" if item.indexed else "batch") + "".join(f", {n}" for n in facts.shapes[item.state])
        what = "whole numbers" if item.state in facts.integers else "numbers"
        lines.append(f"{facts.name(item.state)}: {what} [{axes}]")
    return [*lines, '"""'] if facts.system.inputs else [f'"""{name}"""']


def _tables(facts: Facts) -> list[str]:
    """What a reader of results must know: which rows a state has, and how its inputs are called."""
    inputs = {i.state: f'"{facts.name(i.state)}"' for i in facts.system.inputs}
    rows = {state: (i.first, i.last) for state, i in facts.stored.items()}
    lines = ["", f"inputs = {dictionary(inputs)}"]
    if rows:
        lines.append("# the index of a state's first row, and of its last one counted from T")
        lines.append(f"rows = {dictionary({k: repr(v) for k, v in rows.items()})}")
    if any(facts.goals):
        lines.append("# the first step at which each goal counts, and the last counted from T")
        lines.append(f"goals = [{', '.join(repr((s.first, s.last)) if s else 'None' for s in facts.goals)}]")
    if least_steps(facts) > 1:
        lines.append("# how many steps there must be for every point that is read")
        lines.append(f"least = {least_steps(facts)}")
    return "\n".join(lines).split("\n")


def _init(facts: Facts) -> list[str]:
    modules = [argument(layer) for layer in facts.system.layers if layer.function == "module"]
    lines = ["super().__init__()", *making(facts.system, facts.parameters), *copying(facts)]
    if facts.like == SAMPLE:
        lines.append('self.register_buffer("_sample", torch.empty(0), persistent=False)')
    return [f"def __init__({', '.join(['self', *modules])}):", *_indented(lines)]


# --- the methods that compute --------------------------------------------------------------------


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


def _forward(facts: Facts, regions: Regions, apart: Mapping[int, ScanMethod]) -> list[str]:
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
        lines += [f"if {given}:", *_indented([*_tidy(made), *more])]
    lines = [*_preamble(facts, lines), *lines, "return states"]
    doc = '"""Every state by its name'
    doc += '; what needs an input that is left out is left out too."""' if facts.optional else '."""'
    return [f"def forward({_signature(facts, required)}):", *_indented([doc, *_tidy(lines)])]


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
    found = [f"batch = {batch}"] if _uses(lines, "batch") else []
    if _uses(lines, "end"):
        found.append("end = T if lengths is None else lengths" if facts.masked else "end = T")
    if _uses([*lines, *found], "T"):
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


# --- the goals -----------------------------------------------------------------------------------


def _loss(facts: Facts) -> list[str]:
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
    return [f"def loss({_signature(facts, needed)}):", *_indented([doc, call, *preamble, *_tidy(lines)])]


def collecting(facts: Facts, dependence: Dependence) -> list[str]:
    """The method that adds what is old to what was recorded. The facts are of the System that gives it."""
    lines = [f'{facts.name(i.state)} = recorded["{i.state}"]' for i in facts.system.inputs]
    lines += [line for item in facts.system.inputs for line in _shaped(facts, item)]
    made = [line for component in dependence.components for line in statements(facts, component)]
    old = [e.targets[0] for e in facts.system.equations if isinstance(e.value, Apply) and e.value.op == "old"]
    results = dictionary({t.state: facts.name(t.state, t.context if fixed(t.context) else ()) for t in old})
    doc = '"""What was recorded, and beside it what is old: as it is before the weights move."""'
    body = [doc, *lines, *_preamble(facts, made), *made, f"return recorded | {results}"]
    return ["@torch.no_grad()", "def collect(self, recorded):", *_indented(_tidy("\n".join(body).split("\n")))]


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
