"""Memories: one carried from episode to episode, a gate that closes one branch of a sum and not the other."""

from __future__ import annotations

from collections.abc import Iterator

from sqmagic.equations.lints.actions import passed
from sqmagic.equations.lints.facts import Facts, as_within, offset, warning
from sqmagic.equations.show import show
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Read,
    System,
    Target,
    reads,
    walk,
)
from sqmagic.equations.terms import Term, is_one_minus, product, terms, total
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source


def carried_over(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """A memory with a base case in a program with a done flag that nothing ever resets."""
    if facts.done is None:
        return
    based = {t.state for e in system.equations for t in e.targets if _is_before(t)}
    before = {
        r.state for e in system.equations for r in reads(e.value) if (steps := offset(r)) is not None and steps < 0
    }
    given = {t.state for e in system.equations for t in e.targets if t.context[:1] == (Fixed(0),)}
    for state in sorted((based & before) - set(facts.outputs) - set(passed(system))):
        equation = facts.definitions.get(state)
        if equation is None or _resets(state, system, facts):
            continue
        flag = facts.flags[-1]
        here = show(Read(state, equation.targets[0].context))
        none_yet = "" if state in given or flag in given else f"0 -> {flag}_0\n"
        yield Problem(
            "SQ614",
            f"`{here}` is carried from one episode into the next: nothing resets it where `{flag}` is set",
            equation.span,
            (
                f"an episode that ends at step 2: `{here}` at step 3 still remembers steps 1 and 2.",
                "a statistic of all episodes, a running mean for one, is meant to: leave it as it is.",
            ),
            severity="warning",
            before=f"{none_yet}reset {state} on {flag}",
        )


def _is_before(target: Target) -> bool:
    """Whether it is given before the first step: `h_0`, or `h_{-1}` where what the reset shows is read at 0."""
    return isinstance(first := next(iter(target.context), None), Fixed) and first.value <= 0


def _resets(state: str, system: System, facts: Facts) -> bool:
    """Whether the state's past is ever read beside a flag, or beside what is made of one: `1 - cut_t -> m_t`."""
    for equation in system.equations:
        for node in walk(equation.value):
            if isinstance(node, Apply) and node.op in ("where", "mul"):
                inside = reads(node)
                if any(r.state == state for r in inside) and any(_is_flag(r, facts) for r in inside):
                    return True
    return False


def _is_flag(read: Read, facts: Facts) -> bool:
    """A flag, or what is computed of flags alone, through names."""
    waiting, seen = [read.state], set[str]()
    while waiting:
        state = waiting.pop()
        equation = facts.definitions.get(state)
        if state in facts.flags or state in seen:
            seen.add(state)
            continue
        if equation is None or state in facts.outputs:
            return False
        seen.add(state)
        waiting += [r.state for r in reads(equation.value) if r.context]
    return not seen.isdisjoint(facts.flags)


def half_gate(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`h_{t-1} * (1 - z_t) + l_t`: z_t opens one branch, and nothing closes the other."""
    for equation in system.equations:
        found = terms(equation.value)
        if len(found) != 2:
            continue
        for kept, other in ((found[0], found[1]), (found[1], found[0])):
            gate = next((g for f in kept.factors if (g := is_one_minus(f)) is not None), None)
            memory = [f for f in kept.factors if isinstance(f, Read) and (offset(f) or 0) < 0]
            if gate is None or not _is_gate(gate, facts) or not memory or _mentions(other, gate):
                continue
            yield _half(equation, kept, other, gate, memory[0])


def _is_gate(expr: Expr, facts: Facts) -> bool:
    if isinstance(expr, Read) and expr.state in facts.definitions:
        expr = facts.definitions[expr.state].value
    return isinstance(expr, Apply) and expr.op == "sigmoid"


def _mentions(term: Term, gate: Expr) -> bool:
    return any(node == gate for factor in term.factors for node in walk(factor))


def _half(equation: Equation, kept: Term, other: Term, gate: Expr, memory: Read) -> Problem:
    target = show(Read(equation.targets[0].state, equation.targets[0].context))
    closed, factor = show(product(other.factors)), show(gate)
    repaired = total((kept, Term(other.positive, (gate, *other.factors))))
    found = warning(
        "SQ615",
        f"`{factor}` gates one branch of the sum and not the other: `{factor} *` is missing on `{closed}`",
        equation,
        (
            f"with {factor} = 0 the state should be kept, but `{target}` is `{show(memory)} + {closed}`:",
            f"from 1, with {closed} = 0.5 at each of three steps, it is 1.5, 2, 2.5 and not 1, 1, 1.",
        ),
        f"{show(repaired)} -> {target}",
    )
    return as_within(equation, found)
