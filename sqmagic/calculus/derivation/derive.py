"""`derive`: from a System to what its sheet shows. One pass over the adjoint; nothing is known of any architecture.

Before: a System without effects whose shapes and domains are known. After: its `Derivation`. Every line of the text has
a row: what it says forward, the adjoint of each state that it defines (a sum over the uses, each with its line and how
many steps away it is), the delta of each layer, and the adjoints and updates of parameters. The rows and the forms say
what the adjoint's System says; that they do is what `checking` shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqmagic.calculus.adjoint.carrying import carries
from sqmagic.calculus.adjoint.reverse import Named
from sqmagic.calculus.adjoint.rules import PARAMETERS
from sqmagic.calculus.adjoint.system import Adjoint, Held, Sizes, adjoint, adjoint_read, place_of
from sqmagic.calculus.adjoint.uses import Place, Source, Use, at, whole
from sqmagic.calculus.derivation.forms import Chain, Derivation, Form, Kind, Loss, Relation, Row, Term
from sqmagic.calculus.derivation.steps import SLOPES, SOFTMAX, chain_rule, collapsed
from sqmagic.calculus.derivation.tidy import tidy
from sqmagic.calculus.derivation.unfold import plainly, size, unfolded
from sqmagic.calculus.derivation.updates import updates
from sqmagic.calculus.normalform import Known
from sqmagic.calculus.terms import ONE, ZERO, op, total
from sqmagic.equations.ops import OPS, has_effect
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Last,
    Range,
    Read,
    Running,
    System,
    Target,
    Weight,
    reads,
    walk,
)

SMALL = 9
"""The adjoint of a part of so many nodes is written out where it is used, and not given a line of its own."""


def derive(system: System, sizes: Sizes, held: Held, written: System | None = None) -> Derivation:
    """The sheet of a System. `sizes` are its shapes, `held` its domains, as for `adjoint`.

    `written` is the program with its effects, whose lines are shown where the System has inputs (`calculus.outside`).
    """
    made = adjoint(system, sizes, held, layers=True)
    effects = {t: e for e in (written or system).equations if has_effect(e.value) for t in e.targets}
    facts = _facts(system, made, held, effects)
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
class _Facts:
    """What is known of a program while its sheet is made. `values` are the names to put back, `late` by how many steps
    a goal was moved, `effects` the statements that define what is given from outside."""

    system: System
    made: Adjoint
    index: str
    values: Mapping[str, Expr]
    deltas: Mapping[str, str]
    activations: Mapping[str, str]
    known: Known
    late: Mapping[int, int]
    steps: Mapping[str, tuple[int, int]]
    effects: Mapping[Target, Equation]

    def form(self, expr: Expr) -> Expr:
        """An expression as it is shown."""
        return tidy(plainly(unfolded(expr, self.values, self.index)), self.known)


@dataclass(frozen=True, slots=True)
class _Told:
    """The chains of one equation or goal, for a row."""

    line: int
    forward: tuple[Chain, ...]
    backward: tuple[Chain, ...] = ()
    update: tuple[Chain, ...] = ()
    given: Mapping[str, Shape] = field(default_factory=dict)
    goal: bool = False


def _facts(system: System, made: Adjoint, held: Held, effects: Mapping[Target, Equation]) -> _Facts:
    index = system.indices[0].name if system.indices else "t"
    layers = {name: part for name, part in made.parts.items() if part.node is not None and part.node.op in PARAMETERS}
    deltas = {name: str(_node(part).layer) for name, part in layers.items() if name.startswith("^")}
    activations = {name: str(_node(part).layer) for name, part in layers.items() if not name.startswith("^")}
    values = {name: part.value for name, part in made.parts.items() if name not in layers and not name.startswith("^")}
    hats = {name: part.value for name, part in made.parts.items() if name not in layers and name.startswith("^")}
    small = {name: value for name, value in hats.items() if size(unfolded(value, values, index)) <= SMALL}
    return _Facts(
        system,
        made,
        index,
        {**values, **small},
        deltas,
        activations,
        Known(made.shapes, *_side_conditions(system)),
        {n: max(0, each.last) for n, each in enumerate(held.goals) if each is not None},
        {state: (each.first, each.last) for state, each in held.states.items()},
        effects,
    )


def _node(part: Named) -> Apply:
    assert part.node is not None
    return part.node


def _side_conditions(system: System) -> tuple[frozenset[str], frozenset[str]]:
    """States that are nowhere 0, and those whose components add up to 1."""
    made = {t.state: e.value for e in system.equations for t in e.targets}
    positive = {s for s, v in made.items() if isinstance(v, Apply) and v.op in ("softmax", "sigmoid", "exp")}
    simplex = {s for s, v in made.items() if isinstance(v, Apply) and v.op in ("softmax", "one_hot")}
    return frozenset(positive), frozenset(simplex)


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


def _equations(facts: _Facts, owners: set[str]) -> Iterator[_Told]:
    """Every equation, in the order of the program; a parameter's adjoint stands where it is first used."""
    for number, equation in enumerate(facts.made.sources):
        if not equation.targets:
            continue
        source = Source(False, number, facts.made.steps[number])
        backward = [chain for target in equation.targets for chain in _adjoint(target, equation.line, facts)]
        backward += _parts(source, equation.line, facts)
        update, given = _updates(equation.value, equation.line, owners, facts) if facts.system.goals else ((), {})
        yield _Told(equation.line, _forward(equation, facts), tuple(backward), update, given)


def _goals(facts: _Facts, owners: set[str]) -> Iterator[_Told]:
    for number, goal in enumerate(facts.system.goals):
        steps = facts.made.goal_steps[number]
        relation: Relation = "+=" if goal.kind == "loss" else "-="
        chain = Chain("goal", (), relation, (Form(goal.value),), line=goal.line)
        backward = _parts(Source(True, number, steps), goal.line, facts)
        update, given = _updates(goal.value, goal.line, owners, facts)
        yield _Told(goal.line, (chain,), tuple(backward), update, given, goal=True)


def _calls(system: System) -> Iterator[_Told]:
    """Calls for their effect alone."""
    for equation in system.equations:
        if not equation.targets:
            yield _Told(
                equation.line, (Chain("effect", (), "=", (Form(equation.value),), line=equation.line),), goal=True
            )


def _forward(equation: Equation, facts: _Facts) -> tuple[Chain, ...]:
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
    shape = facts.made.shapes.get(left[0].state) if len(left) == 1 and not _is_point(equation.targets[0]) else None
    return (Chain("state", left, "=", (Form(equation.value),), shape, line=equation.line),)


def _is_point(target: Target) -> bool:
    return any(isinstance(i, Fixed | Last) for i in target.context)


def _is_constant(target: Target, facts: _Facts) -> bool:
    """Whether no gradient goes on from a base case."""
    return not any(target in e.targets and carries(e.value, facts.made.carrying) for e in facts.made.sources)


# --- adjoints of states --------------------------------------------------------------------------


def _adjoint(target: Target, line: int, facts: _Facts) -> Iterator[Chain]:
    """The adjoint of what an equation defines; that of what no gradient could go on from is not shown."""
    state, read = target.state, adjoint_read(target)
    if (
        not facts.system.goals
        or state not in facts.made.carrying
        or (_is_point(target) and _is_constant(target, facts))
    ):
        return
    shape = facts.made.shapes[state]
    terms = _terms(target, facts) if read.state in facts.made.shapes else ()
    if not terms:
        if not _is_point(target):
            yield Chain("adjoint", (read,), "=", (Form(ZERO, _why_dead(state, facts)),), shape, "held fixed", line)
        return
    value = total(term.expr for term in terms)
    note = f"used in line {terms[0].line}" if len(terms) == 1 and terms[0].line and not terms[0].offset else ""
    yield Chain("adjoint", (read,), "=", (Form(value, "", terms),), shape, note, line)


def _why_dead(state: str, facts: _Facts) -> str:
    """Why no gradient comes to a state from which one could go on."""
    values = [e.value for e in facts.system.equations] + [g.value for g in facts.system.goals]
    read = any(r.state == state for value in values for r in reads(value))
    return "stop" if read else "unused"


def _terms(target: Target, facts: _Facts) -> tuple[Term, ...]:
    """What each line brings: uses at the same distance in one line are one term, those of the same step come first."""
    given = frozenset(
        i for e in facts.system.equations for t in e.targets if t.state == target.state for i in t.context
        if isinstance(i, Fixed | Last)
    )  # fmt: skip
    place = place_of(target, facts.index, facts.steps.get(target.state), given)
    found: dict[tuple[int, int], list[Expr]] = {}
    for use in facts.made.uses.get(target.state, ()):
        for offset, expr in _placed(use, place, facts):
            found.setdefault((offset, _line(use.source, facts)), []).append(facts.form(expr))
    ordered = sorted(found, key=lambda key: (key[0] != 0, key))
    return tuple(Term(total(found[key]), key[1], key[0]) for key in ordered)


def _placed(use: Use, place: Place, facts: _Facts) -> Iterator[tuple[int, Expr]]:
    """The contributions of a use, each with how many steps from here the use is."""
    late = facts.late.get(use.source.number, 0) if use.source.goal else 0
    match use.context:
        case (Running(_, offset),):
            distances = [late - offset]
        case (Range(Running(_, first), Running(_, last)),):
            distances = [late - n for n in range(first, last + 1)]
        case _:
            distances = []
    found = list(at(use, place))
    for number, expr in enumerate(found):
        yield (distances[number] if len(distances) == len(found) else 0), expr


def _line(source: Source, facts: _Facts) -> int:
    return facts.system.goals[source.number].line if source.goal else facts.made.sources[source.number].line


# --- adjoints of parts ---------------------------------------------------------------------------


def _parts(source: Source, line: int, facts: _Facts) -> list[Chain]:
    """The deltas of an equation's layers, and what else has a name because it is used twice."""
    found = facts.made.reversed.get(source)
    chains = []
    for named in found.hats if found is not None else ():
        if named.state in facts.deltas or named.state not in facts.values:
            kind: Kind = "delta" if named.state in facts.deltas else "adjoint"
            read = Read(named.state, named.context)
            chains.append(Chain(kind, (read,), "=", _forms(named, source, facts), named.shape, line=line))
    return chains


def _forms(named: Named, source: Source, facts: _Facts) -> tuple[Form, ...]:
    """The adjoint of a part: at a function by the chain rule, at a softmax with the loss put in."""
    value = facts.form(named.value)
    function = _applied_to(named, source, facts)
    if function is None:
        return (Form(value, "affine" if named.node is not None and isinstance(value, Read) else ""),)
    g, argument = _outer_adjoint(source, facts), Read(named.state.removeprefix("^"), named.context)
    if function.op in SLOPES and isinstance(g, Read) and argument.state in facts.activations:
        return chain_rule(function, g, argument, value)
    if function.op in SOFTMAX and isinstance(g, Read):
        definitions = _definition(g, facts)
        steps = collapsed(value, facts.known, definitions, g.state, facts.index) if definitions else ()
        return (Form(value, f"{function.op} adjoint"), *steps)
    return (Form(value),)


def _applied_to(named: Named, source: Source, facts: _Facts) -> Apply | None:
    """The function whose value the whole equation is, where it is applied to this part."""
    whole_value = (
        facts.made.sources[source.number].value if not source.goal else facts.system.goals[source.number].value
    )
    match whole_value:
        case Apply(args=(inner,)) if inner is named.node or inner == named.node:
            return whole_value
        case _:
            return None


def _outer_adjoint(source: Source, facts: _Facts) -> Expr | None:
    return None if source.goal else adjoint_read(facts.made.sources[source.number].targets[0])


def _definition(g: Read, facts: _Facts) -> Mapping[str, Expr]:
    """What an adjoint is, if all of it comes from its own step."""
    for equation in facts.made.sources:
        for target in equation.targets:
            if adjoint_read(target) == g:
                terms = _terms(target, facts)
                if terms and not any(term.offset for term in terms):
                    return {g.state: total(term.expr for term in terms)}
    return {}


# --- parameters ----------------------------------------------------------------------------------


def _updates(value: Expr, line: int, owners: set[str], facts: _Facts) -> tuple[tuple[Chain, ...], Mapping[str, Shape]]:
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


def _gradient(name: str, line: int, facts: _Facts) -> Chain:
    read, shape = Read(f"^{name}"), facts.made.parameters[name]
    if name not in facts.made.gradients:
        return Chain("gradient", (read,), "=", (Form(ZERO, "frozen"),), shape, "no update", line)
    terms: dict[int, list[Expr]] = {}
    for source, expr in facts.made.parameter_uses[name]:
        summed = whole(Use((), expr, source), facts.index)
        terms.setdefault(_line(source, facts), []).append(facts.form(summed))
    told = tuple(Term(total(found), number) for number, found in sorted(terms.items()))
    value = op("batch_mean", total(term.expr for term in told))
    return Chain("gradient", (read,), "=", (Form(value, "", told),), shape, line=line)
