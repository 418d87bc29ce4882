"""What is taken for data and was likely meant as a parameter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeGuard

from sqmagic.equations.lints.facts import Facts, as_within, warning
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Equation, Expr, Read, System, Weight, reads, walk
from sqmagic.equations.terms import terms
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
                yield as_within(equation, _told(equation, weight, factor))


def data_like_a_bias(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`tanh(W @ x_t + b)`: what is defined nowhere, is the same at every step, and is only ever added to what weights
    make. Where nothing runs over time all data are like that, and it must stand beside a matrix product."""
    plain = {i.state for i in system.inputs if not i.indexed and i.kind == "real" and i.sizes is None}
    found = [
        (e, addend, beside) for e in system.equations for addend, beside in _addends(e.value, bool(system.indices))
    ]
    values = [e.value for e in system.equations] + [g.value for g in system.goals]
    elsewhere = Counter(r.state for v in values for r in reads(v)) - Counter(addend.state for _, addend, _ in found)
    seen: set[str] = set()
    for equation, addend, beside in found:
        name = addend.state
        if name in plain - set(elsewhere) - seen:
            seen.add(name)
            own = name.rpartition(".")[2]
            message = f"nothing defines `{own}`, so it is data that is given, and is added to `{show(beside)}`"
            note = (
                "what is to be learned itself, such as a bias, is declared: with its sizes, or as its use tells them."
            )
            problem = replace(warning("SQ619", message, equation, (note,), None), before=f"{own} : param()")
            yield as_within(equation, problem)


def _addends(value: Expr, over_time: bool) -> Iterator[tuple[Read, Expr]]:
    """What stands bare in a sum, and what of the sum weights make."""
    inner = {id(part) for node in walk(value) if _is_sum(node) for part in node.args if _is_sum(part)}
    for node in walk(value):
        if _is_sum(node) and id(node) not in inner:
            parts = [factor for term in terms(node) for factor in term.factors[:1] if len(term.factors) == 1]
            made = next((part for term in terms(node) for part in term.factors if _is_made(part, over_time)), None)
            if made is not None:
                yield from ((part, made) for part in parts if isinstance(part, Read) and not part.context)


def _is_sum(node: Expr) -> TypeGuard[Apply]:
    return isinstance(node, Apply) and node.op in ("add", "sub")


def _is_made(part: Expr, over_time: bool) -> bool:
    """Whether weights make a value: by a matrix product, or by a layer, which has a bias of its own."""
    match part:
        case Apply("matmul", args):
            return any(isinstance(a, Weight) for a in args)
        case Apply("dense" | "conv"):
            return over_time
        case _:
            return False


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


def _told(equation: Equation, weight: Read, factor: Expr) -> Problem:
    name, other = weight.state, show(factor)
    notes = (
        f"a product with learned weights is `{name} @ {other}`, or `{name}({other})`, which adds a bias;",
        f"what is to be learned itself is declared, as in `{name} : param(64)`.",
    )
    message = f"nothing defines `{name}`, so it is data that is given, and `{name}*{other}` multiplies part by part"
    return warning("SQ619", message, equation, notes, None)
