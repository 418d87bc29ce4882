"""Rule C.1, context: a bare name takes the context of what defines it (`p` made from `h_t` is `p_t`).

A bare read means the bare state if one is defined, else the indexed one. An effect in a program with a running index
happens at every index, unless its outputs have fixed indices.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.elaborate.bases import is_free
from sqmagic.equations.elaborate.lines import Line, Outcome
from sqmagic.equations.elaborate.names import BadContext, Names, Split, is_fixed, spell, split
from sqmagic.equations.elaborate.trees import defined, names, nodes, over_values, parts, rename, values, written
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Running, points
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import (
    Binding,
    Call,
    Declaration,
    Expression,
    Macro,
    Name,
    Over,
    Program,
    Reset,
    Statement,
    Tuple,
)

RULE = "context"


def indices(program: Program) -> tuple[str, ...]:
    """The running indices: those of the `over` line, else `t` if anything is written at it."""
    found = [s for s in program.statements if isinstance(s, Over)]
    if found:
        return tuple(index.name.text for index in found[-1].indices)
    return ("t",) if any(_runs(name) for name in written(program.statements)) else ()


def _runs(name: Name) -> bool:
    try:
        context = split(name.text, ("t",)).context
    except BadContext:
        return False
    return context is not None and not is_fixed(context)


def readable(lines: tuple[Line, ...], running: tuple[str, ...]) -> Outcome:
    """The lines whose braces hold contexts."""
    problems = {id(line): _faults(tuple(_occurrences(line)), running) for line in lines}
    kept = tuple(line for line in lines if not problems[id(line)])
    return Outcome(kept, tuple(p for line in lines for p in problems[id(line)]))


def readable_formals(macro: Macro, running: tuple[str, ...]) -> list[Problem]:
    return _faults(macro.formals, running)


def is_readable(name: Name, running: tuple[str, ...]) -> bool:
    return _unreadable(name, running) is None


def _faults(names_: tuple[Name, ...], running: tuple[str, ...]) -> list[Problem]:
    return [problem for name in names_ if (problem := _unreadable(name, running)) is not None]


def _unreadable(name: Name, running: tuple[str, ...]) -> Problem | None:
    try:
        split(name.text, running)
    except BadContext as bad:
        known = " and ".join(f"`{i}`" for i in running) or "`t`"
        note = f"a context is {known} at a constant distance, a number, or a range of these."
        other = re.fullmatch(r"([a-z])(?:[+-]\d+)?", str(bad))
        before = f"over {other[1]}" if other and not running else None  # nothing else runs: it may be what runs here
        return Problem("SQ203", f"`{bad}` is no context in `{name.text}`", name.span, notes=(note,), before=before)
    return None


def read_names(lines: tuple[Line, ...], running: tuple[str, ...]) -> Names:
    """How the names of a program of single assignments are to be read."""
    occurring = [split(n.text, running) for line in lines for n in _occurrences(line)]
    sequences = frozenset(s.base for s in occurring if s.context and not is_fixed(s.context))
    made = [(line, split(n.text, running)) for line in lines for n in defined(line.statement)]
    is_bare = {s.base if s.context is None else spell(s.base, s.context) for _, s in made if _plain(s, sequences)}
    is_bare |= {name for line in lines for name in _free(line.statement) if split(name, running).context is None}
    indexed = {s.base for _, s in made if not _plain(s, sequences)}
    first = Names(running, sequences, dict.fromkeys(is_bare, False), frozenset(is_bare & indexed))
    return replace(first, bare=_running_bare(lines, first)) if running else first


def _free(statement: Statement) -> tuple[str, ...]:
    """The name of a free parameter: a bare one is a bare value, whatever a sequence is called."""
    return (statement.name.text,) if isinstance(statement, Declaration) and is_free(statement) else ()


def arities(lines: tuple[Line, ...], running: tuple[str, ...]) -> list[Problem]:
    """The states that have one index in one place and two in another."""
    problems: dict[str, Problem] = {}
    first: dict[str, Name] = {}
    for name in (n for line in lines for n in _occurrences(line)):
        own = split(name.text, running)
        if own.context is None:
            continue
        known = first.setdefault(own.base, name)
        other = split(known.text, running).context or ()
        if len(own.context) != len(other):
            message = f"`{name.text}` and `{known.text}` have not the same number of indices"
            problems.setdefault(own.base, Problem("SQ208", message, name.span))
    return list(problems.values())


def _occurrences(line: Line) -> Iterator[Name]:
    for value in values(line.statement):
        yield from names(value)
    yield from defined(line.statement)
    match line.statement:
        case Declaration(name):
            yield name
        case Reset(states, on):
            yield from (*states, on)
        case _:
            pass


def _plain(name: Split, sequences: frozenset[str]) -> bool:
    return name.context is None or (is_fixed(name.context) and name.base not in sequences)


def _running_bare(lines: tuple[Line, ...], names_: Names) -> dict[str, bool]:
    """Which of the bare definitions run over time: those made from what runs, and effects."""
    readers: dict[str, list[str]] = defaultdict(list)
    runs = dict(names_.bare)
    waiting: deque[str] = deque()
    for line in lines:
        mine = [n.text for n in defined(line.statement) if n.text in names_.bare]
        if not mine or not isinstance(line.statement, Binding):
            continue
        beside = any(n.text not in names_.bare for n in defined(line.statement))
        if beside or _has_effect(line.statement.value) or _reads_running(line.statement.value, names_):
            waiting.extend(mine)
        for n in names(line.statement.value):
            if n.text in names_.bare:
                readers[n.text] += mine
    while waiting:
        name = waiting.popleft()
        if not runs[name]:
            runs[name] = True
            waiting.extend(readers[name])
    return runs


def _has_effect(value: Expression) -> bool:
    return any(
        isinstance(node, Call) and isinstance(node.function, Name) and _is_effect(node.function.text)
        for node in nodes(value)
    )


def _is_effect(text: str) -> bool:
    stem = text if text in OPS else text.partition("_")[0]
    return stem in OPS and OPS[stem].effect


def _reads_running(value: Expression, names_: Names) -> bool:
    for name in names(value):
        if names_.position(name.text) is not None:
            if name.text in names_.indices:
                return True
            continue
        _, context = names_.state(name.text)
        if any(isinstance(point, Running) for index in context for point in points(index)):
            return True
    return False


def add_contexts(lines: tuple[Line, ...], names_: Names) -> Outcome:
    """Bare names written with the context that they have; names that are two states stay as they are."""
    if not names_.indices:
        return Outcome(lines)

    def full(name: Name) -> Name:
        if names_.position(name.text) is not None or split(name.text, names_.indices).context is not None:
            return name
        key, context = names_.state(name.text)
        if not context or name.text in names_.both or key != name.text:
            return name
        return replace(name, text=spell(name.text, context))

    def change(line: Line) -> Line:
        statement = over_values(line.statement, lambda value: rename(value, full))
        if isinstance(statement, Binding):
            target = tuple(full(n) for n in parts(statement.target) if isinstance(n, Name))
            whole = target[0] if len(target) == 1 else Tuple(target, span=statement.target.span)
            statement = replace(statement, target=whole)
        return line.by(RULE, statement)

    return Outcome(tuple(change(line) for line in lines))
