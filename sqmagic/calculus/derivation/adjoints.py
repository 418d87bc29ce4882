"""The chains of the way back: adjoints of states, as sums over their uses, and of the parts that have names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqmagic.calculus.adjoint.carrying import carries
from sqmagic.calculus.adjoint.reverse import Named
from sqmagic.calculus.adjoint.system import adjoint_read, place_of
from sqmagic.calculus.adjoint.uses import Place, Source, Use, at
from sqmagic.calculus.derivation.facts import Facts, is_point, line_of
from sqmagic.calculus.derivation.forms import Chain, Form, Kind, Term
from sqmagic.calculus.derivation.steps import SLOPES, SOFTMAX, chain_rule, collapsed, divides
from sqmagic.calculus.terms import ZERO, total
from sqmagic.equations.system import Apply, Expr, Fixed, Last, Range, Read, Running, Target, reads

# --- of states -----------------------------------------------------------------------------------


def _is_constant(target: Target, facts: Facts) -> bool:
    """Whether no gradient goes on from a base case."""
    return not any(target in e.targets and carries(e.value, facts.made.carrying) for e in facts.made.sources)


def adjoints(target: Target, line: int, facts: Facts) -> Iterator[Chain]:
    """The adjoint of what an equation defines; that of what no gradient could go on from is not shown."""
    state, read = target.state, adjoint_read(target)
    if not facts.system.goals or state not in facts.made.carrying or (is_point(target) and _is_constant(target, facts)):
        return
    shape = facts.made.shapes[state]
    terms = _terms(target, facts) if read.state in facts.made.shapes else ()
    if not terms:
        if not is_point(target):
            yield Chain("adjoint", (read,), "=", (Form(ZERO, _why_dead(state, facts)),), shape, "held fixed", line)
        return
    value = total(term.expr for term in terms)
    note = f"used in line {terms[0].line}" if len(terms) == 1 and terms[0].line and not terms[0].offset else ""
    yield Chain("adjoint", (read,), "=", (Form(value, "", terms),), shape, note, line)


def _why_dead(state: str, facts: Facts) -> str:
    """Why no gradient comes to a state from which one could go on."""
    values = [e.value for e in facts.system.equations] + [g.value for g in facts.system.goals]
    read = any(r.state == state for value in values for r in reads(value))
    return "stop" if read else "unused"


def _terms(target: Target, facts: Facts) -> tuple[Term, ...]:
    """What each line brings: uses at the same distance in one line are one term, those of the same step come first."""
    given = frozenset(
        i for e in facts.system.equations for t in e.targets if t.state == target.state for i in t.context
        if isinstance(i, Fixed | Last)
    )  # fmt: skip
    place = place_of(target, facts.index, facts.steps.get(target.state), given)
    found: dict[tuple[int, int], list[Expr]] = {}
    for use in facts.made.uses.get(target.state, ()):
        for offset, expr in _placed(use, place, facts):
            found.setdefault((offset, line_of(use.source, facts)), []).append(facts.form(expr))
    ordered = sorted(found, key=lambda key: (key[0] != 0, key))
    return tuple(Term(facts.collected(total(found[key])), key[1], key[0]) for key in ordered)


def _placed(use: Use, place: Place, facts: Facts) -> Iterator[tuple[int, Expr]]:
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


# --- of parts ------------------------------------------------------------------------------------


def parts(source: Source, line: int, facts: Facts) -> list[Chain]:
    """The deltas of an equation's layers, and what else has a name because it is used twice."""
    found = facts.made.reversed.get(source)
    chains = []
    for named in found.hats if found is not None else ():
        if named.state in facts.deltas or named.state not in facts.values:
            kind: Kind = "delta" if named.state in facts.deltas else "adjoint"
            read = Read(named.state, named.context)
            of = named.node if kind == "adjoint" else None
            chains.append(Chain(kind, (read,), "=", _forms(named, source, facts), named.shape, line=line, of=of))
    return chains


def _forms(named: Named, source: Source, facts: Facts) -> tuple[Form, ...]:
    """The adjoint of a part: at a function by the chain rule, at a softmax with the loss put in."""
    value = facts.form(named.value)
    function = _applied_to(named, source, facts)
    if function is None:
        return (Form(value, "affine" if named.node is not None and isinstance(value, Read) else ""),)
    g, argument = _outer_adjoint(source, facts), Read(named.state.removeprefix("^"), named.context)
    if function.op in SLOPES and isinstance(g, Read) and argument.state in facts.activations:
        definitions = _definition(g, facts) if function.op == "sigmoid" else {}
        meets = any(divides(each, g.state.removeprefix("^")) for each in definitions.values())
        steps = collapsed(value, facts.known, definitions, g.state, facts.index) if meets else ()
        return (*chain_rule(function, g, argument, value), *steps)
    if function.op in SOFTMAX and isinstance(g, Read):
        definitions = _definition(g, facts)
        steps = collapsed(value, facts.known, definitions, g.state, facts.index) if definitions else ()
        return (Form(value, f"{function.op} adjoint"), *steps)
    return (Form(value),)


def _applied_to(named: Named, source: Source, facts: Facts) -> Apply | None:
    """The function whose value the whole equation is, where it is applied to this part."""
    whole_value = (
        facts.made.sources[source.number].value if not source.goal else facts.system.goals[source.number].value
    )
    match whole_value:
        case Apply(args=(inner,)) if inner is named.node or inner == named.node:
            return whole_value
        case _:
            return None


def _outer_adjoint(source: Source, facts: Facts) -> Expr | None:
    return None if source.goal else adjoint_read(facts.made.sources[source.number].targets[0])


def _definition(g: Read, facts: Facts) -> Mapping[str, Expr]:
    """What an adjoint is, if all of it comes from its own step."""
    for equation in facts.made.sources:
        for target in equation.targets:
            if adjoint_read(target) == g:
                terms = _terms(target, facts)
                if terms and not any(term.offset for term in terms):
                    return {g.state: total(term.expr for term in terms)}
    return {}
