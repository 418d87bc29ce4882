"""What is taken for data and was likely meant as a parameter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from sqmagic.equations.lints.facts import Facts, as_within, warning
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Equation, Expr, Read, System, reads, walk
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source


def data_like_a_weight(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`W*x_t`: what begins with a capital, is defined nowhere and is a factor of a state."""
    plain = {i.state for i in system.inputs if not i.indexed and i.kind == "real" and i.sizes is None}
    likely = {state for state in plain if state[:1].isupper()} - _elsewhere(system)
    seen: set[str] = set()
    for equation in system.equations:
        for weight, factor in _products(equation.value):
            if weight.state in likely - seen:
                seen.add(weight.state)
                yield as_within(equation, _told(equation, weight, factor, source))


def _products(value: Expr) -> Iterator[tuple[Read, Expr]]:
    for node in walk(value):
        match node:
            case Apply("mul", (Read(context=()) as weight, factor)) if reads(factor):
                yield weight, factor
            case _:
                pass


def _elsewhere(system: System) -> set[str]:
    """The states that are read in another way than as the left factor of a product."""
    values = [e.value for e in system.equations] + [g.value for g in system.goals]
    every = Counter(r.state for value in values for r in reads(value) if not r.context)
    return set(every - Counter(weight.state for e in system.equations for weight, _ in _products(e.value)))


def _told(equation: Equation, weight: Read, factor: Expr, source: Source) -> Problem:
    name, other = weight.state, show(factor)
    notes = (
        f"a product with learned weights is `{name} @ {other}`, or `{name}({other})`, which adds a bias;",
        f"what is to be learned itself is declared, as in `{name} : param(64)`.",
    )
    message = f"nothing defines `{name}`, so it is data that is given, and `{name}*{other}` multiplies part by part"
    return warning("SQ619", message, equation, notes, None)
