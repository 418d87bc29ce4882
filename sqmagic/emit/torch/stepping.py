"""One step of a program at a time, for data that come as they are made: the methods `start` and `step`.

Between steps a program remembers the rows that later steps look back to, and what stands still. Only a program whose
every equation looks back can go on like this; of others `whole` says what needs the sequence as a whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sqmagic.emit.torch.assigning import assigned
from sqmagic.emit.torch.code import SCALAR
from sqmagic.emit.torch.facts import Facts, closure, fixed
from sqmagic.emit.torch.lines import dictionary, indented
from sqmagic.emit.torch.reading import step
from sqmagic.emit.torch.statements import once
from sqmagic.equations.show import show, show_equation, show_state
from sqmagic.equations.system import Equation, Fixed, Last, Position, Range, Read, Running, points, reads, walk
from sqmagic.notation.problems import quoted
from sqmagic.schedule.dependence import Dependence

EVER = 10**9
"""How far back a growing range looks, which stacks all there is."""


def stepping(facts: Facts, dependence: Dependence) -> list[list[str]]:
    """The methods, or why there are none."""
    if not facts.system.indices:
        return [['whole = "nothing in this program runs over time"']]
    running = _running(facts, dependence)
    why = _why_whole(facts, running)
    if why:
        return [[f"whole = {why!r}"]]
    placed = [facts.system.equations[n] for c in dependence.components for n in c.equations]
    return [_start(facts, running, placed), _step(facts, running)]


def _running(facts: Facts, dependence: Dependence) -> list[Equation]:
    """The equations over time in the order of a step, those left out that need an input which may be left out."""
    found = [facts.system.equations[n] for c in dependence.components if c.kind != "once" for n in c.equations]
    return [e for e in found if e.targets and not any(t.state in facts.needs for t in e.targets)]


def _still(facts: Facts) -> frozenset[str]:
    """The bare states and inputs that are known before the sequence begins."""
    known = {i.state for i in facts.system.inputs if not i.indexed and i.state not in facts.optional}
    for equation in (e for e in facts.system.equations if e.targets and not e.targets[0].context):
        if all(not r.context and r.state in known for r in reads(equation.value)) and not _counts_to_the_end(equation):
            known.update(t.state for t in equation.targets)
    return frozenset(known)


def _counts_to_the_end(equation: Equation) -> bool:
    return any(isinstance(n, Position) and isinstance(n.point, Last) for n in walk(equation.value))


def _why_whole(facts: Facts, running: list[Equation]) -> str | None:
    """What keeps a program from going step by step, in words."""
    firsts = {facts.stored[i.state].first for i in facts.system.inputs if i.indexed and i.state not in facts.optional}
    if len(firsts) > 1:
        return "its inputs do not begin at one step"
    still = _still(facts)
    for equation in running:
        line = show_equation(equation)
        if _counts_to_the_end(equation):
            return f"`{line}` counts up to the end of the sequence"
        for read in reads(equation.value):
            if not read.context and read.state not in still:
                return f"`{line}` needs `{show(read)}`, which is made from the sequence"
            for point in (p for i in read.context for p in points(i)):
                if isinstance(point, Last) or (isinstance(point, Running) and point.offset > 0):
                    return f"{quoted(line, 80)} looks ahead to `{show(read)}`"
            if fixed(read.context) and (read.state, read.context) not in facts.given:
                return f"`{line}` reads `{show(read)}`, a point within the sequence"
    return _why_base(facts, running, still)


def _why_base(facts: Facts, running: list[Equation], still: frozenset[str]) -> str | None:
    made = {t.state for e in running for t in e.targets}
    for equation in facts.system.equations:
        for target in equation.targets:
            if target.state not in made or not fixed(target.context):
                continue
            if any(isinstance(i, Last) for i in target.context):
                return f"`{show_state(target.state, target.context)}` is given at the end of the sequence"
            within = any(isinstance(i, Fixed) and i.value >= _first(facts, running) for i in target.context)
            if within or not all(_known_at_first(r, facts, made, still) for r in reads(equation.value)):
                return f"`{show_equation(equation)}` is made from the sequence"
    return None


def _known_at_first(read: Read, facts: Facts, made: Collection[str], still: Collection[str]) -> bool:
    """Whether a base case may read it: what stands still, or another base case, which is asked for itself."""
    if read.context:
        return read.state in made and fixed(read.context) and (read.state, read.context) in facts.given
    return read.state in still


def _first(facts: Facts, running: list[Equation]) -> int:
    """The index of the first step."""
    inputs = [facts.stored[i.state].first for i in facts.system.inputs if i.indexed and i.state not in facts.optional]
    return min(inputs or [facts.computed[t.state].first for e in running for t in e.targets], default=1)


def _lookback(running: list[Equation]) -> dict[str, int]:
    """How many steps back each state is read."""
    found: dict[str, int] = {}
    for read in (r for e in running for r in reads(e.value)):
        match read.context:
            case (Running(_, offset),) if offset < 0:
                found[read.state] = max(found.get(read.state, 0), -offset)
            case (Range(Running(_, offset), Running()),) if offset < 0:
                found[read.state] = max(found.get(read.state, 0), -offset)
            case (Range(Fixed(), _),):
                found[read.state] = EVER
    return found


def _rows(facts: Facts) -> dict[str, str]:
    """The arguments that bring the rows of a step."""
    index = facts.system.indices[0].name
    wanted = [i for i in facts.system.inputs if i.indexed and i.state not in facts.optional]
    return {i.state: facts.name(i.state, (Running(index),)) for i in wanted}


def _at_a_step(facts: Facts) -> Facts:
    """The facts where an input's tensor is the row of one step."""
    rows = {facts.name(state): row for state, row in _rows(facts).items()}
    return replace(facts, like=rows.get(facts.like, facts.like), masked=False)


def _start(facts: Facts, running: list[Equation], placed: list[Equation]) -> list[str]:
    """`placed` are all equations, each after what it needs."""
    here, still = _at_a_step(facts), _still(facts)
    rows = _rows(facts)
    bare_inputs = [facts.name(i.state) for i in facts.system.inputs if i.state in still]
    lines = [line for state in still_inputs(facts, still) for line in _shaped(facts, facts.name(state), state)]
    made = {t.state for e in running for t in e.targets}
    bases = [e for e in facts.system.equations if any(fixed(t.context) and t.state in made for t in e.targets)]
    needed = closure(facts.system, [*_needed_still(facts, running), *(r.state for e in bases for r in reads(e.value))])
    held: dict[str, list[str]] = {state: [] for state in _lookback(running)}
    for equation in placed:
        bare = [t for t in equation.targets if not t.context and t.state in needed]
        base = [t for t in equation.targets if fixed(t.context) and t.state in made]
        if bare or base:
            lines += once(here, equation)
        for target in base:
            assert isinstance(target.context[0], Fixed), "a base case stands at a number"
            entry = f"{target.context[0].value}: {facts.name(target.state, target.context)}"
            held.setdefault(target.state, []).append(entry)
    known = ", ".join(f'"{s}": {facts.name(s)}' for s in _needed_still(facts, running))
    past = ", ".join(f'"{s}": {{{", ".join(entries)}}}' for s, entries in held.items())
    doc = '"""What a sequence begins with, given the inputs of its first step; `step` goes on from there."""'
    signature = ", ".join(["self", *rows.values(), *bare_inputs])
    ending = f"return {_first(facts, running) - 1}, {{{known}}}, {{{past}}}"
    sizes = [f"batch = {_batch(facts)}"] if any("batch" in line for line in lines) else []
    body = [doc, *sizes, *lines, ending]
    return [f"def start({signature}):", *indented("\n".join(body).split("\n"))]


def still_inputs(facts: Facts, still: frozenset[str]) -> list[str]:
    return [i.state for i in facts.system.inputs if i.state in still]


def _needed_still(facts: Facts, running: list[Equation]) -> list[str]:
    """The bare states that the equations over time read, in program order."""
    read = dict.fromkeys(r.state for e in running for r in reads(e.value) if not r.context)
    bare = [i.state for i in facts.system.inputs if not i.indexed and i.state not in facts.optional]
    told = [s for s in bare if facts.name(s) in (facts.like, _batch(facts).removesuffix(".shape[0]"))]
    return [state for state in dict.fromkeys([*told, *read]) if state not in facts.numbers]


def _batch(facts: Facts) -> str:
    """The number of examples: that of the rows, or of a bare input."""
    bare = [facts.name(i.state) for i in facts.system.inputs if not i.indexed and i.state not in facts.optional]
    named = [*_rows(facts).values(), *bare]
    return f"{named[0]}.shape[0]" if named else "1"


def _shaped(facts: Facts, name: str, state: str) -> list[str]:
    return [f"{name} = {name}.reshape(-1, 1)"] if facts.shapes[state] == SCALAR else []


def _step(facts: Facts, running: list[Equation]) -> list[str]:
    here, rows, back = _at_a_step(facts), _rows(facts), _lookback(running)
    states = [*rows, *dict.fromkeys(t.state for e in running for t in e.targets)]
    lines = ["t, still, past = memory", "t = t + 1"]
    lines += [f'{facts.name(s)} = still["{s}"]' for s in _needed_still(facts, running)]
    lines += [line for s, row in rows.items() for line in _shaped(facts, row, s)]
    lines += [line for e in _numbers(facts, running) for line in once(here, e)]
    begun = {s: _begun(s, rows, back) for s in states}
    lines += [f"{facts.name(s)} = {entries}" for s, entries in begun.items() if entries != "{}"]
    empty = [facts.name(s) for s in states if begun[s] == "{}"]
    lines += [f"{', '.join(empty)} = {', '.join(['{}'] * len(empty))}"] * bool(empty)
    for equation in running:
        lines += _equation(here, equation, _first(facts, running))
    lines += [f"held = {dictionary({s: facts.name(s) for s in states})}"]
    lines += ["states = {name: rows[t] for name, rows in held.items() if t in rows}"]
    lines += [f"past = {dictionary({s: _kept(facts.name(s), n) for s, n in back.items()})}"]
    lines += ["return (t, still, past), states"]
    if any("batch" in line for line in lines):
        lines.insert(2 + len(_needed_still(facts, running)) * (not rows), f"batch = {_batch(facts)}")
    doc = '"""One step of a sequence: the memory after it, and every state at it."""'
    body = indented("\n".join([doc, *lines]).split("\n"))
    return [f"def step({', '.join(['self', 'memory', *rows.values()])}):", *body]


def _numbers(facts: Facts, running: list[Equation]) -> list[Equation]:
    """The numbers that the equations over time need."""
    read = closure(facts.system, (r.state for e in running for r in reads(e.value) if r.state in facts.numbers))
    return [e for e in facts.system.equations if any(t.state in read and not t.context for t in e.targets)]


def _begun(state: str, rows: Mapping[str, str], back: Mapping[str, int]) -> str:
    entries = [f'**past["{state}"]'] * (state in back) + [f"t: {rows[state]}" for _ in range(state in rows)]
    return f"{{{', '.join(entries)}}}"


def _kept(name: str, steps: int) -> str:
    if steps == EVER:
        return name
    return f"{{step: row for step, row in {name}.items() if step > t{f' - {steps}'}}}"


def _equation(here: Facts, equation: Equation, first: int) -> list[str]:
    own = here.computed[equation.targets[0].state]
    held = frozenset(here.stored)
    place = step(here, held, {}, own)
    lines = assigned(here, equation, place, [f"{here.name(t.state)}[t]" for t in equation.targets])
    return [f"if t >= {own.first}:", *indented(lines)] if own.first > first else lines
