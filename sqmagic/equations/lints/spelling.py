"""Names that are spelled like something else: a layer like a function of another case, a name with a prime like a
transpose. Both read well, and mean a layer or data of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqmagic.equations.elaborate.functions import RECURRENT, in_lower_case, last_part
from sqmagic.equations.lints.facts import Facts
from sqmagic.equations.system import Apply, Equation, Expr, Goal, Read, System, Weight, walk
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import NOWHERE, Source


def function_in_capitals(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`x --[M|ReLU]-> h`: a new dense layer with the name of a function, but for capitals and underscores."""
    likely = {layer.name: _meant(layer.name) for layer in system.layers if _is_new(layer.function, layer.sizes_in)}
    told: set[object] = set()
    for line in _lines(system):
        used = [n.layer for n in walk(line.value) if isinstance(n, Apply) and n.op == "dense" and n.layer]
        found = dict.fromkeys(name for name in used if likely.get(name) is not None)
        place = line.span if line.span != NOWHERE else tuple(found)
        if found and place not in told:
            told.add(place)
            yield _capitals(
                {last_part(name): str(likely[name]) for name in _same_place(line, system, likely)}, line, source
            )


def _lines(system: System) -> tuple[Equation | Goal, ...]:
    return (*system.equations, *system.goals)


def _same_place(line: Equation | Goal, system: System, likely: Mapping[str, str | None]) -> list[str]:
    """Such layers of all that one statement became."""
    beside = [e for e in _lines(system) if e is line or (e.span == line.span != NOWHERE)]
    calls = [n for e in beside for n in reversed(tuple(walk(e.value))) if isinstance(n, Apply)]  # in the order written
    used = [n.layer for n in calls if n.op == "dense" and n.layer]
    return [name for name in dict.fromkeys(used) if likely.get(name) is not None]


def _is_new(function: str, sizes_in: object) -> bool:
    return function == "dense" and sizes_in is None


def _meant(layer: str) -> str | None:
    """The function that a layer's name is spelled like, or "" for a cell that is none."""
    own = last_part(layer)
    return in_lower_case(own) or ("" if re.split(r"[_\d]", own.lower())[0] in RECURRENT else None)


def _capitals(found: Mapping[str, str], line: Equation | Goal, source: Source) -> Problem:
    names = " and ".join(f"`{name}`" for name in found)
    verb = "is a dense layer" if len(found) == 1 else "are dense layers"
    message = f"{names} {verb}: a capitalised name that nothing else is called is a layer with weights of its own"
    functions = {name: function for name, function in found.items() if function}
    notes = [f"the function is written `{function}`." for function in dict.fromkeys(functions.values())]
    if len(functions) < len(found):
        notes.append("a recurrent cell is written as its equations; a macro, or a torch module, may bear its name.")
    text = source.text[line.span.start : line.span.stop] if line.span != NOWHERE else ""
    repair = text
    for name, function in functions.items():
        repair = re.sub(rf"(?<![\w.]){re.escape(name)}(?![\w'])", function, repair)
    return Problem("SQ620", message, line.span, tuple(notes), repair if repair != text else None, "warning")


def primed(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`K' @ q`: a prime belongs to the name, and does not transpose."""
    made = {t.state for e in system.equations for t in e.targets}
    known = made | {i.state for i in system.inputs} | {layer.name for layer in system.layers}
    seen: set[str] = set()
    for line in _lines(system):
        for name in _transposed(line.value):
            base = name.rstrip("'")
            if base != name and base in known and name not in made | seen:
                seen.add(name)
                yield _prime(last_part(name), last_part(base), line, source)


def _transposed(value: Expr) -> Iterator[str]:
    """The names of layers that are called, and of what stands in a matrix product."""
    for node in walk(value):
        match node:
            case Apply("dense", _, str() as layer):
                yield layer
            case Apply("matmul", args):
                for side in args:
                    match side:
                        case Read(state):
                            yield state
                        case Weight(parameter):
                            yield parameter.removesuffix(".weight")
                        case _:
                            pass
            case _:
                pass


def _prime(name: str, base: str, line: Equation | Goal, source: Source) -> Problem:
    message = f"`{name}` is a name of its own beside `{base}`, and nothing defines it: a prime transposes nothing"
    note = f"the transpose of `{base}` is `transpose({base})`."
    text = source.text[line.span.start : line.span.stop] if line.span != NOWHERE else ""
    written = re.compile(
        rf"(?<![\w.]){re.escape(base)}(_\{{[^{{}}]*\}}|_\w+)?['′](_\{{[^{{}}]*\}}|_\w+)?(?!\w)(?=\s*(.?))"
    )
    repair = written.sub(lambda m: f"transpose({base}{m[1] or m[2] or ''})" + " @ " * (m[3] == "("), text)
    return Problem("SQ621", message, line.span, (note,), repair if repair != text else None, "warning")
