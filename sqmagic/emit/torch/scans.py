"""Recurrences as methods of their own, for which compiled code may stand in: `h, c = self.scan_2(x, c_0, h_0, T)`.

The method is the loop that would otherwise stand in `forward`; what it takes is what its lines use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqmagic.emit.torch.facts import Facts, base_cases, end_cases, fixed
from sqmagic.emit.torch.lines import INDENT, WIDE, indented
from sqmagic.emit.torch.reading import still
from sqmagic.emit.torch.statements import statements
from sqmagic.equations.system import Context, Read, reads
from sqmagic.schedule.dependence import Component

WINDOW = ("T", "batch", "end", "lengths")
"""What a method knows of the window besides states."""


@dataclass(frozen=True, slots=True)
class ScanMethod:
    """`arguments` are Python names, `places` where among them each state, or point of one, stands; `states` what it
    returns, in order; `before` and `after` the base and end cases of each; `lines` its body without indentation, and
    `taken` the lines before its call that take points of other states out of their rows.
    """

    name: str
    arguments: tuple[str, ...]
    places: Mapping[tuple[str, Context], int]
    states: tuple[str, ...]
    before: Mapping[str, tuple[Context, ...]]
    after: Mapping[str, tuple[Context, ...]]
    lines: tuple[str, ...]
    taken: tuple[str, ...] = ()

    def place(self, name: str) -> int | None:
        return self.arguments.index(name) if name in self.arguments else None


def scan_method(facts: Facts, states: Sequence[str], region: Sequence[Component], number: int) -> ScanMethod:
    """The method of a recurrence, the component of this number; `region` are the components that compute its states,
    what rules have taken out of the loop among them.
    """
    points = _points(facts, region)
    facts = replace(facts, given=facts.given | {(read.state, read.context) for read in points})
    lines = [line for component in region for line in statements(facts, component)]
    own = {facts.name(t.state) for c in region for n in c.equations for t in facts.system.equations[n].targets}
    words = _words(lines)
    named = {n: key for key, n in facts.variables.items() if n in words and n not in own}
    used = {n: key for n, key in named.items() if not key[1] or fixed(key[1])}
    taken = {name.partition(".")[2].partition(".")[0].partition("[")[0] for name in facts.owners.values()}
    name = f"scan_{number}"
    while name in taken:
        name += "_"
    window = [n for n in WINDOW if n == "T" or n in words]
    return ScanMethod(
        name=name,
        arguments=(*used, *window),
        places={key: place for place, key in enumerate(used.values())},
        states=tuple(states),
        before={s: tuple(context for _, context in base_cases(facts, s)) for s in states},
        after={s: tuple(context for _, context in end_cases(facts, s)) for s in states},
        lines=tuple(lines),
        taken=tuple(f"{facts.name(r.state, r.context)} = {text}" for r, text in points.items()),
    )


def _points(facts: Facts, region: Sequence[Component]) -> dict[Read, str]:
    """The points of other states that a recurrence reads in their rows, `x_T`, and where they stand: C is given these
    rows alone."""
    equations = [facts.system.equations[n] for component in region for n in component.equations]
    own = {t.state for e in equations for t in e.targets}
    found = dict.fromkeys(r for e in equations for r in reads(e.value) if fixed(r.context) and r.state not in own)
    return {r: still(facts, r).text for r in found if (r.state, r.context) not in facts.given}


def prepared(facts: Facts, region: Sequence[Component], method: ScanMethod, given: Sequence[str]) -> list[str] | None:
    """A method that takes what a scan's takes, and computes what else is `given`; None where that does not tell it."""
    lines = [line for component in region for line in statements(facts, component)]
    own = {facts.name(t.state) for c in region for n in c.equations for t in facts.system.equations[n].targets}
    others = {*facts.variables.values(), *WINDOW} - own - {*method.arguments}
    asked = others & _words(lines)
    if asked == {"batch"} and method.places:
        (state, context), place = next(iter(method.places.items()))
        axis = int(state in facts.stored and not context)
        lines.insert(0, f"batch = {method.arguments[place]}.shape[{axis}]")
    elif asked:
        return None
    results = [facts.name(state) for state in given]
    doc = f'"""What `{method.name}` as compiled code is given besides."""'
    found = f"return {', '.join(results)}" if len(results) > 1 else f"return ({results[0]},)"
    return [
        f"def {method.name}_ready({', '.join(['self', *method.arguments])}):",
        *indented([doc, *lines, found]),
    ]


def _words(lines: list[str]) -> set[str]:
    """The names that stand in the lines, their comments apart."""
    return {word for line in lines for word in _WORD.findall(line.partition("# ")[0])}


_WORD = re.compile(r"(?<![\w.])\w+")


def call(facts: Facts, method: ScanMethod) -> list[str]:
    """The lines of `forward`."""
    results = ", ".join(facts.name(s) for s in method.states)
    line = f"{results} = self.{method.name}({', '.join(method.arguments)})"
    if len(line) <= WIDE:
        return [*method.taken, line]
    return [*method.taken, f"{results} = self.{method.name}(", *(f"{INDENT}{a}," for a in method.arguments), ")"]


def written(facts: Facts, method: ScanMethod) -> list[str]:
    """The method's own text."""
    results = ", ".join(facts.name(s) for s in method.states)
    body = [*method.lines, f"return {results}"]
    return [f"def {method.name}({', '.join(['self', *method.arguments])}):", *indented(body)]
