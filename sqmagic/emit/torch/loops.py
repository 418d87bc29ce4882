"""Recurrences, and ranges that grow, as loops over t.

What a loop computes itself is held by index, `h[t - 1]`, and put together as one tensor when it has run; what was
computed before it comes row by row from the loop's header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from sqmagic.emit.torch.assigning import assigned, at_own_end, no_rows, zero_row
from sqmagic.emit.torch.code import ATOM
from sqmagic.emit.torch.facts import Facts, base_cases, end_cases
from sqmagic.emit.torch.growing import Growing, growing
from sqmagic.emit.torch.lines import WIDE, beside
from sqmagic.emit.torch.names import free
from sqmagic.emit.torch.place import Place
from sqmagic.emit.torch.reading import end, may_be_filled, moved, signed, step, still, window
from sqmagic.equations.show import show_equation, show_target
from sqmagic.equations.system import Apply, Equation, Expr, Range, Read, Running, Target, reads, runs, shift
from sqmagic.schedule.dependence import Component
from sqmagic.schedule.domains import Interval


@dataclass(frozen=True, slots=True)
class _Loop:
    """A loop over `steps`. The states in `held` are held by index; `rows` come from the loop's header; `passing` are
    names that rules have given, which each step makes for itself. `shifts` say by how many steps an equation runs ahead
    of the loop, whose own are `steps`; `reach` says how many steps ahead one that goes backward reads a state.
    """

    equations: tuple[Equation, ...]
    held: tuple[str, ...]
    steps: Interval
    rows: Mapping[Read, str]
    backward: bool
    passing: Mapping[Read, str]
    shifts: Mapping[Equation, int]
    reach: Mapping[str, int]


def loop(facts: Facts, component: Component) -> list[str]:
    """A recurrence, or a range that grows, one step after the other."""
    return _written(facts, _loop_of(facts, component))


def _loop_of(facts: Facts, component: Component) -> _Loop:
    equations = tuple(facts.system.equations[n] for n in component.equations)
    backward, shifts = component.kind == "reverse scan", component.shifts or (0,) * len(equations)
    passing = {} if any(shifts) else _passing(facts, component)
    every = tuple(t.state for e in equations for t in e.targets)
    by = dict(zip(equations, shifts, strict=True))
    intervals = [_moved(facts.computed[t.state], -by[e]) for e in equations for t in e.targets]
    steps = Interval(min(i.first for i in intervals), max(i.last for i in intervals))
    own = frozenset(every)
    found = dict.fromkeys(r for e in equations for r in reads(shift(e.value, by[e])) if r.state not in own)
    rows = {r: _row_name(facts, r) for r in found if in_every_step(facts, r, steps)}
    passed = {r.state for r in passing}
    held = tuple(s for s in every if s not in passed)
    return _Loop(equations, held, steps, rows, backward, passing, by, _reach(equations) if backward else {})


def _moved(steps: Interval, by: int) -> Interval:
    return Interval(steps.first + by, steps.last + by)


def _row_name(facts: Facts, read: Read) -> str:
    """The name of a row in a loop; one that no line of the program reads, for its equation is shifted, gets its own."""
    known = facts.variables.get((read.state, read.context))
    offset = next(i.offset for i in read.context if isinstance(i, Running))
    own = f"{facts.name(read.state)}_t{'p' if offset > 0 else 'm'}{abs(offset)}"
    return known if known is not None else free(own, facts.variables.values())


def _passing(facts: Facts, component: Component) -> dict[Read, str]:
    """The names that rules have given in a loop, and that are read at their own step there and nowhere else."""
    equations = [facts.system.equations[n] for n in component.equations]
    inside = {t.state for e in equations for t in e.targets if t.state in facts.made}
    found = {r: facts.name(r.state) for e in equations for r in reads(e.value) if r.state in inside}
    outside = {state for state in inside if facts.readers.get(state, frozenset()).difference(component.equations)}
    apart = {r.state for r in found if not _at_this_step(r)} | outside
    return {r: name for r, name in found.items() if r.state not in apart}


def _at_this_step(read: Read) -> bool:
    match read.context:
        case (Running(_, 0),):
            return True
        case _:
            return False


def in_every_step(facts: Facts, read: Read, steps: Interval) -> bool:
    """Whether a row is there for each step of a loop."""
    match read.context:
        case (Running(_, offset),):
            stored = facts.stored[read.state]
            return steps.first + offset >= stored.first and steps.last + offset <= stored.last
        case _:
            return False


def _written(facts: Facts, loop: _Loop) -> list[str]:
    lines, empty = [], []
    for state in loop.held:
        if base_cases(facts, state) or _after(facts, loop, state):
            lines += _held_at_first(facts, loop, state)
        else:
            empty.append(facts.name(state))
    if empty:
        lines.append(f"{', '.join(empty)} = {', '.join(['{}'] * len(empty))}")
    standing, grown = _standing_still(facts, loop), _growing(facts, loop)
    lines += [f"{name} = {_taken_once(facts, read)}" for read, name in standing.items()]
    lines += [each.begins for each in grown.values()]
    lines += _header(facts, loop)
    names = {**standing, **{read: each.name for read, each in grown.items()}}
    done: set[Equation] = set()
    for equation in loop.equations:
        parts = _parts(facts, loop, equation)
        made = _in_parts(facts, loop, parts) if len(parts) > 1 else _in_loop(facts, loop, equation, names)
        added = [grown.pop(read).adds for read in _reads_of(loop, equation) if read in grown]
        lines += [f"    {line}" for line in (*added, *made) if equation not in done]
        done.update(parts)
    lines += [line for s in loop.held for line in _collected(facts, s)]
    return lines + [line for s in loop.held if not loop.backward for line in at_own_end(facts, s)]


def _growing(facts: Facts, loop: _Loop) -> dict[Read, Growing]:
    """The ranges of the loop's own states to which each step adds a row."""
    always = [e for e in loop.equations if _moved(facts.computed[e.targets[0].state], -loop.shifts[e]) == loop.steps]
    found = dict.fromkeys(r for e in always for r in _reads_of(loop, e) if r.state in loop.held)
    after = {state: [k for k, _ in _after(facts, loop, state)] for state in loop.held}
    return growing(facts, found, loop.steps, after, loop.backward)


def _reads_of(loop: _Loop, equation: Equation) -> dict[Read, None]:
    """What an equation reads at a step of the loop."""
    return dict.fromkeys(reads(shift(equation.value, loop.shifts[equation])))


def _header(facts: Facts, loop: _Loop) -> list[str]:
    names, sources = handed_out(facts, loop.steps, loop.rows, loop.backward)
    line = f"for {', '.join(names)} in {sources[0]}:"
    if len(names) > 1:
        line = f"for {', '.join(names)} in zip({', '.join(sources)}):"
    if len(line) <= WIDE:
        return [line]
    return [f"for {', '.join(names)} in zip(", *(f"    {source}," for source in sources), "):"]


def handed_out(
    facts: Facts, steps: Interval, rows: Mapping[Read, str], backward: bool = False
) -> tuple[list[str], list[str]]:
    """The names that a loop binds at each step, and what they go through."""
    indices = f"range({steps.first}, {end(steps.last + 1)})"
    if backward:
        indices = f"range({end(steps.last)}, {steps.first - 1}, -1)"
    place = window(facts, steps)
    tensors = [place.read(read).text + ".flip(0)" * backward for read in rows]
    return ["t", *rows.values()], [indices, *tensors]


def _held_at_first(facts: Facts, loop: _Loop, state: str) -> list[str]:
    """The rows that a loop starts from, by index: base cases, end cases, and zero past an anticipative domain."""
    past, beyond = _after(facts, loop, state), zero_row(facts, state)
    before = [f"{k}: {facts.name(state, c)}" for k, c in base_cases(facts, state)]
    after = [f"{end(k)}: {row}" for k, row in past]
    lines = [f"{facts.name(state)} = {{{', '.join(before + after)}}}"]
    if any(row == beyond.name for _, row in past):
        lines = [*beyond.lines, *lines]
    if loop.backward and facts.masked and len(past) > 1:
        (first, _), *_, (last, _) = past
        own = [f"    {line}" for line in _past_own_end(facts, loop, state)[1:]]
        lines += ["if lengths is not None:", f"    for t in range({end(first)}, {end(last)}):", *own]
    return lines


def _after(facts: Facts, loop: _Loop, state: str) -> list[tuple[int, str]]:
    """The rows past a state's equation, by their distance from T: end cases, and zeros as far as the loop looks."""
    rows = {k: facts.name(state, c) for k, c in end_cases(facts, state)}
    last = facts.computed[state].last
    for k in range(last + 1, last + 1 + loop.reach.get(state, 0)):
        rows.setdefault(k, zero_row(facts, state).name)
    return sorted(rows.items())


def _reach(equations: Iterable[Equation]) -> dict[str, int]:
    """How many steps ahead each state is read."""
    found: dict[str, int] = {}
    for read in (r for e in equations for r in reads(e.value)):
        for ahead in (i.offset for i in read.context if isinstance(i, Running)):
            found[read.state] = max(found.get(read.state, 0), ahead)
    return found


def _standing_still(facts: Facts, loop: _Loop) -> dict[Read, str]:
    """The names of rows that are the same at all steps, and so are taken once. Taken at each step, the way back would
    make as many tensors of all rows, most of them 0."""
    taken, own = {*facts.variables.values()}, {t.state for e in loop.equations for t in e.targets}
    names: dict[Read, str] = {}
    for read in dict.fromkeys(r for e in loop.equations for r in reads(e.value) if r.state not in own):
        if read.context and not runs(read) and (read.state, read.context) not in facts.given:
            word = "rows" if isinstance(read.context[0], Range) else "row"
            names[read] = free(f"{facts.name(read.state)}_{word}", taken)
            taken.add(names[read])
    return names


def _taken_once(facts: Facts, read: Read) -> str:
    """`e[0:T].transpose(0, 1).contiguous()`: each example's rows side by side, as every step multiplies by them."""
    ranged = isinstance(read.context[0], Range)
    return still(facts, read).text + ".contiguous()" * ranged


def _in_loop(facts: Facts, loop: _Loop, equation: Equation, names_of_rows: Mapping[Read, str]) -> list[str]:
    own = facts.computed[equation.targets[0].state]
    by = loop.shifts[equation]
    own, at = _moved(own, -by), moved("t", by)
    place = step(facts, frozenset(loop.held), {**loop.rows, **loop.passing}, own)
    names = [facts.name(t.state) + f"[{at}]" * (t.state in loop.held) for t in equation.targets]
    value = shift(equation.value, by)
    stacked, place = _stacked_once(facts, loop, value, _with_names(place, names_of_rows), names_of_rows)
    lines = [*stacked, *assigned(facts, replace(equation, value=value), place, names, show_equation(equation))]
    if loop.backward and facts.masked:
        held = [t.state for t in equation.targets if t.state in loop.held]
        lines += [line for state in held for line in _past_own_end(facts, loop, state, at)]
    guards = [f"t >= {own.first}"] * (own.first > loop.steps.first)
    guards += [f"t <= {end(own.last)}"] * (own.last < loop.steps.last)
    return [f"if {' and '.join(guards)}:", *(f"    {line}" for line in lines)] if guards else lines


def _stacked_once(
    facts: Facts, loop: _Loop, value: Expr, place: Place, named: Collection[Read]
) -> tuple[list[str], Place]:
    """The lines that stack ranges of the loop's own states that an equation reads several times, and the place that has
    them: `h_rows = torch.stack([h[step] for step in range(0, t)], dim=1)`."""
    often = (r for r, count in Counter(reads(value)).items() if count > 1 and r.state in loop.held)
    ranges = [r for r in often if any(isinstance(i, Range) for i in r.context) and r not in named]
    taken = {*facts.variables.values()}
    names: dict[Read, str] = {}
    for read in ranges:
        names[read] = free(f"{facts.name(read.state)}_rows", taken)
        taken.add(names[read])
    return [f"{name} = {place.read(read).text}" for read, name in names.items()], _with_names(place, names)


def _with_names(place: Place, names: Mapping[Read, str]) -> Place:
    """A place where some of what is read has a name."""
    found = {read: replace(place.read(read), text=name, tight=ATOM) for read, name in names.items()}
    return replace(place, read=lambda read: found.get(read) or place.read(read))


def _parts(facts: Facts, loop: _Loop, equation: Equation) -> list[Equation]:
    """The equations of a loop that take what each step makes apart, this one among them, if they take all of it."""
    source = _cut(loop, equation)
    if source is None or (loop.backward and facts.masked):
        return []
    found = sorted((e for e in loop.equations if _cut(loop, e) == source), key=_start)
    ends = [_start(e) for e in found] + [facts.shapes[source.state][0]]
    wide = [facts.shapes[e.targets[0].state][0] for e in found]
    whole = all(a + n == b for a, b, n in zip(ends, ends[1:], wide, strict=False))
    own = {facts.computed[e.targets[0].state] for e in found}
    return found if whole and _start(found[0]) == 0 and own == {loop.steps} else []


def _cut(loop: _Loop, equation: Equation) -> Read | None:
    match equation:
        case Equation((_,), Apply("slice", (Read() as source,))) if source in loop.passing:
            return source
        case _:
            return None


def _start(equation: Equation) -> int:
    assert isinstance(equation.value, Apply)
    return int(equation.value.attribute("start", 0))


def _in_parts(facts: Facts, loop: _Loop, parts: list[Equation]) -> list[str]:
    """`f[t], i[t] = gates.chunk(2, dim=-1)`"""
    source = _cut(loop, parts[0])
    assert source is not None, "parts have a whole"
    names = ", ".join(f"{facts.name(e.targets[0].state)}[t]" for e in parts)
    wide = [facts.shapes[e.targets[0].state][0] for e in parts]
    how = f"chunk({len(wide)}, dim=-1)" if len(set(wide)) == 1 else f"split({wide}, dim=-1)"
    said = ", ".join(show_target(e.targets[0]) for e in parts)
    whole = show_target(Target(source.state, source.context))
    return beside(f"{names} = {loop.passing[source]}.{how}", f"{said} = parts of {whole}")


def _past_own_end(facts: Facts, loop: _Loop, state: str, at: str = "t") -> list[str]:
    """Of examples that end before the window, the boundary stands at their own end."""
    name, axes = facts.name(state), ", None" * len(facts.shapes[state])
    lines = [
        f"    {name}[{at}] = torch.where(({at} < lengths{signed(k)})[:{axes}], {name}[{at}], {row})"
        for k, row in _after(facts, loop, state)
    ]
    return ["if lengths is not None:", *lines] if lines else []


def _collected(facts: Facts, state: str) -> list[str]:
    """The rows that a loop left by index, as one tensor."""
    name, stored = facts.name(state), facts.stored[state]
    if may_be_filled(stored):
        first = f"{stored.first}, " if stored.first else ""
        return [f"{name} = torch.stack([{name}[t] for t in range({first}{end(stored.last + 1)})])"]
    return [f"{name} = stacked({name}, {stored.first}, {end(stored.last)}, {no_rows(facts, facts.shapes[state])})"]
