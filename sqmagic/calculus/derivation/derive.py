"""`derive`: from a System to what its sheet shows. One pass over the adjoint; nothing is known of any architecture.

Before: a System without effects whose shapes and domains are known. After: its `Derivation`. Every line of the text has
a row: what it says forward, the adjoint of each state that it defines (a sum over the uses, each with its line and how
many steps away it is), the delta of each layer, and the adjoints and updates of parameters. The rows and the forms say
what the adjoint's System says; that they do is what `checking` shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqmagic.calculus.adjoint.system import Held, Sizes, adjoint
from sqmagic.calculus.adjoint.uses import Source, Use, whole
from sqmagic.calculus.derivation.adjoints import adjoints, parts
from sqmagic.calculus.derivation.facts import Facts, facts_of, is_point, line_of
from sqmagic.calculus.derivation.forms import Chain, Derivation, Form, Loss, Relation, Row, Term
from sqmagic.calculus.derivation.updates import updates
from sqmagic.calculus.terms import ONE, ZERO, op, total
from sqmagic.equations.ops import OPS, has_effect
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Read,
    Running,
    System,
    Weight,
    reads,
    walk,
)


def derive(system: System, sizes: Sizes, held: Held, written: System | None = None) -> Derivation:
    """The sheet of a System. `sizes` are its shapes, `held` its domains, as for `adjoint`.

    `written` is the program with its effects, whose lines are shown where the System has inputs (`calculus.outside`).
    """
    made = adjoint(system, sizes, held, layers=True)
    effects = {t: e for e in (written or system).equations if has_effect(e.value) for t in e.targets}
    facts = facts_of(system, made, held, effects)
    owners: set[str] = set()
    told = [*_equations(facts, owners), *_calls(written or system), *_goals(facts, owners)]
    given = {state: shape for chains in told for state, shape in chains.given.items()}
    losses = tuple(
        Loss(goal.kind, goal.line, None if each is None else (each.first, each.last))
        for goal, each in zip(system.goals, held.goals, strict=True)
    )
    return Derivation(
        _rows(told), losses, made.system, made.shapes, made.parameters, facts.deltas, facts.activations, given
    )


@dataclass(frozen=True, slots=True)
class _Told:
    """The chains of one equation or goal, for a row."""

    line: int
    forward: tuple[Chain, ...]
    backward: tuple[Chain, ...] = ()
    update: tuple[Chain, ...] = ()
    given: Mapping[str, Shape] = field(default_factory=dict)
    goal: bool = False


def with_lines(derivation: Derivation, put_in: Sequence[Equation]) -> Derivation:
    """The sheet with the lines of equations that were put in where their states are read: each says what it defines."""
    rows = list(derivation.rows)
    for equation in put_in:
        left = tuple(Read(t.state, t.context) for t in equation.targets)
        chain = Chain("state", left, "=", (Form(equation.value),), note="put in where it is read", line=equation.line)
        place = next((n for n, row in enumerate(rows) if row.line >= equation.line), len(rows))
        if place < len(rows) and rows[place].line == equation.line:
            rows[place] = replace(rows[place], forward=(chain, *rows[place].forward))
        else:
            rows.insert(place, Row(equation.line, (chain,), (), ()))
    return replace(derivation, rows=tuple(rows), put_in=tuple(put_in))


# --- lines ---------------------------------------------------------------------------------------


def _rows(told: Sequence[_Told]) -> tuple[Row, ...]:
    """One row for each line of the text, in the order of the program; what rules made stands where it was made."""
    rows: list[Row] = []
    places: dict[int, int] = {}
    for each in told:
        if each.line and each.line in places:
            row = rows[places[each.line]]
            forward, backward = (*row.forward, *each.forward), (*row.backward, *each.backward)
            rows[places[each.line]] = Row(each.line, forward, backward, (*row.update, *each.update))
        else:
            later = [n for n, row in enumerate(rows) if row.line > each.line > 0] if each.goal else []
            rows.insert(min(later, default=len(rows)), Row(each.line, each.forward, each.backward, each.update))
            places = {row.line: n for n, row in enumerate(rows)}
    return tuple(rows)


def _equations(facts: Facts, owners: set[str]) -> Iterator[_Told]:
    """Every equation, in the order of the program; a parameter's adjoint stands where it is first used."""
    for number, equation in enumerate(facts.made.sources):
        if not equation.targets:
            continue
        source = Source(False, number, facts.made.steps[number])
        backward = [chain for target in equation.targets for chain in adjoints(target, equation.line, facts)]
        backward += parts(source, equation.line, facts)
        update, given = _updates(equation.value, equation.line, owners, facts) if facts.system.goals else ((), {})
        yield _Told(equation.line, _forward(equation, facts), tuple(backward), update, given)


def _goals(facts: Facts, owners: set[str]) -> Iterator[_Told]:
    for number, goal in enumerate(facts.system.goals):
        steps = facts.made.goal_steps[number]
        relation: Relation = "+=" if goal.kind == "loss" else "-="
        chain = Chain("goal", (), relation, (Form(goal.value),), line=goal.line)
        backward = parts(Source(True, number, steps), goal.line, facts)
        update, given = _updates(goal.value, goal.line, owners, facts)
        yield _Told(goal.line, (chain,), tuple(backward), update, given, goal=True)


def _calls(system: System) -> Iterator[_Told]:
    """Calls for their effect alone."""
    for equation in system.equations:
        if not equation.targets:
            yield _Told(
                equation.line, (Chain("effect", (), "=", (Form(equation.value),), line=equation.line),), goal=True
            )


def _forward(equation: Equation, facts: Facts) -> tuple[Chain, ...]:
    effect = next((facts.effects[t] for t in equation.targets if t in facts.effects), None)
    if effect is not None:
        left = tuple(Read(t.state, t.context) for t in effect.targets)
        chain = Chain("effect", left, "=", (Form(effect.value),), line=effect.line)
        return (chain,) if equation.targets[0] == effect.targets[0] else ()
    left = tuple(Read(t.state, t.context) for t in equation.targets)
    match equation.value:
        case Apply("dropout", (Apply("equal"),)) as drawn:  # a mask, which is dropout of ones
            ones = replace(drawn, args=(ONE,))
            return (Chain("effect", left, "=", (Form(ones, "mask"),), line=equation.line),)
    shape = facts.made.shapes.get(left[0].state) if len(left) == 1 and not is_point(equation.targets[0]) else None
    note = _when(equation, facts)
    return (Chain("state", left, "=", (Form(equation.value),), shape, note, equation.line),)


def _when(equation: Equation, facts: Facts) -> str:
    """At which steps an equation holds, unless at all of the window, and that what it reads of itself after is zero."""
    (target, *others) = equation.targets
    steps = facts.steps.get(target.state)
    if others or steps is None or is_point(target):
        return ""
    first, last = steps
    now, end = facts.index, facts.index.upper()
    early, late = f"{first - 1} < " * (first > 1), f" < {end}{f' − {-1 - last}' * (last < -1)}" * (last < 0)
    limits = f"{now} > {first - 1}" if early and not late else f"{early}{now}{late}" if late else ""
    ahead = any(
        read.state == target.state and any(isinstance(i, Running) and i.offset > 0 for i in read.context)
        for read in reads(equation.value)
    )
    given = any(t.state == target.state and is_point(t) for e in facts.system.equations for t in e.targets)
    return "; ".join([*([limits] if limits else []), *(["zero after"] if ahead and not given else [])])


# --- parameters ----------------------------------------------------------------------------------


def _updates(value: Expr, line: int, owners: set[str], facts: Facts) -> tuple[tuple[Chain, ...], Mapping[str, Shape]]:
    """The adjoints and updates of the parameters that stand first in this value."""
    chains: list[Chain] = []
    given: dict[str, Shape] = {}
    for owner in dict.fromkeys(_owners(value)):
        if owner in owners:
            continue
        owners.add(owner)
        names = [n for n in facts.made.parameters if n == owner or n.rpartition(".")[0] == owner]
        layer = next((each for each in facts.system.layers if each.name == owner), None)
        chains += [_gradient(name, line, facts) for name in names]
        trained = [name for name in names if name in facts.made.gradients]
        if layer is not None and trained:
            more, needed = updates(layer, trained, facts.made.parameters, line)
            chains += more
            given |= needed
    return tuple(chains), given


def _owners(value: Expr) -> Iterator[str]:
    for node in walk(value):
        match node:
            case Apply(op_, layer=str(layer)) if OPS[op_].parameters:
                yield layer
            case Weight(parameter):
                yield parameter.removesuffix(".weight").removesuffix(".bias")
            case _:
                pass


def _gradient(name: str, line: int, facts: Facts) -> Chain:
    read, shape = Read(f"^{name}"), facts.made.parameters[name]
    if name not in facts.made.gradients:
        return Chain("gradient", (read,), "=", (Form(ZERO, "frozen"),), shape, "no update", line)
    terms: dict[int, list[Expr]] = {}
    for source, expr in facts.made.parameter_uses[name]:
        summed = whole(Use((), expr, source), facts.index)
        terms.setdefault(line_of(source, facts), []).append(facts.form(summed))
    told = tuple(Term(facts.collected(total(found)), number) for number, found in sorted(terms.items()))
    value = op("batch_mean", total(term.expr for term in told))
    return Chain("gradient", (read,), "=", (Form(value, "", told),), shape, line=line)
