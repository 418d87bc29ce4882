"""The plan of a program: what runs where, by which rules, and what it costs; joins the schedule, the calculus, which
knows where gradients go, and the kernels.

The way back is counted like the way forward, for one example: flops of products, as many as forward for the adjoint or
the gradient of each of two that meet; numbers read at a step (values, and adjoints of what was made of them) and
written (adjoints). An input's gradient is not asked for, and what lets no gradient pass costs nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial

from sqmagic.calculus.adjoint.carrying import carries, differentiated, trained
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Apply, Equation, Expr, Read, System, Target, Weight, reads
from sqmagic.faster import Rewritten
from sqmagic.kernels import ScanPage
from sqmagic.schedule.dependence import Dependence
from sqmagic.schedule.domains import Domains
from sqmagic.schedule.plan.costs import flops, size, summed
from sqmagic.schedule.plan.facts import Cost, Part, phases_of, plan
from sqmagic.schedule.plan.lengths import merged


def planned(
    system: System,
    shapes: Shapes,
    order: Dependence,
    held: Domains,
    pages: Mapping[int, ScanPage],
    rewritten: Rewritten | None = None,
) -> tuple[Part, ...]:
    """The plan's parts, with what each costs on the way back and keeps for it, and for recurrences the rules that made
    them faster for torch."""
    costs = _in_reverse(system, shapes, order)
    found = []
    for part in plan(system, shapes, order, held):
        rules = Counter(_rules(rewritten, part.number) if part.kind != "once" else ())
        told = ", ".join(f"{count} {rule}" for rule, count in rules.items())
        reverse, page = costs.get(part.number), pages.get(part.number)
        if page is not None and part.why_not:
            early = [f"{len(page.made)} beforehand, at all steps at once"] * bool(page.made)
            part = replace(part, phases=(*early, *_phases(page)), why_not="")
        phases = (*part.phases, f"rewritten for torch: {told}") if rules else part.phases
        kept = () if page is None or reverse is None else tuple(dict.fromkeys(_kept(page, shapes)))
        method = "" if page is None else page.method.name
        found.append(replace(part, phases=phases, reverse=reverse, kept=kept, method=method))
    return tuple(found)


def _phases(page: ScanPage) -> Iterator[str]:
    """A line for each group of each phase; what has a component for each step of a range is T wide, or `8 * T`; t wide
    where it grows."""
    if page.other is None:
        yield from phases_of(page.scan)
        return
    grown = [memory.seen for memory in page.scan.memories.values()]
    name, more = ("t", grown[0]) if grown else ("T", page.more)
    rows = name if not more else f"({name} {'+' if more > 0 else '-'} {abs(more)})"
    for one, other in zip(phases_of(page.scan), phases_of(page.other.scan), strict=True):
        yield merged(one, other, rows, within=False)


def _kept(page: ScanPage, shapes: Shapes) -> Iterator[str]:
    """The states that are kept for the way back; what has no name in the program is a part of one that has."""
    for name in page.kept:
        yield name if name in shapes.states else f"a part of {name.rpartition('.')[0]}"


def _rules(rewritten: Rewritten | None, number: int) -> list[str]:
    """The rules that changed a recurrence, each as often as it did."""
    if rewritten is None:
        return []
    states = {s for component in rewritten.program.regions[number] for s in component.states}
    return [r.rule for r in rewritten.rewrites if r.target.state in states]


# --- the way back --------------------------------------------------------------------------------


def _in_reverse(system: System, shapes: Shapes, order: Dependence) -> dict[int, Cost]:
    """By the number of their component, what the parts through which a gradient goes cost on the way back."""
    known = differentiated(system)
    found = {}
    for number, component in enumerate(order.components):
        own = [system.equations[n] for n in component.equations]
        own = [e for e in own if known.intersection(t.state for t in e.targets) and carries(e.value, known)]
        if own:
            share = partial(_share, shapes=shapes, known=known, beside=own)
            count = summed(flops(e.value, shapes, component.kind != "once", share) for e in own)
            found[number] = Cost(count, _numbers(own, shapes, known))
    return found


def _share(node: Apply, shapes: Shapes, known: Collection[str], beside: Sequence[Equation]) -> Fraction:
    """How often the flops of a product are needed once more: for the gradient of a layer's weights, and for each
    operand through which a gradient goes, or as much of it as one goes through."""
    own = Fraction(node.layer is not None and trained(node))
    return sum((_wanted(operand, shapes, known, beside) for operand in node.args), own)


def _wanted(operand: Expr, shapes: Shapes, known: Collection[str], beside: Sequence[Equation]) -> Fraction:
    """The part of an operand, of what it is joined from, through which a gradient goes."""
    if isinstance(operand, Weight):
        return Fraction(trained(operand))
    parts = _parts(operand, beside)
    wanted = [part for part in parts if carries(part, known)]
    if len(wanted) == len(parts) or not wanted:
        return Fraction(bool(wanted))
    return Fraction(sum(size(part, shapes) for part in wanted), size(operand, shapes))


def _parts(operand: Expr, beside: Sequence[Equation]) -> tuple[Expr, ...]:
    """What an operand is joined from, where it stands or in an equation of its own."""
    match operand:
        case Apply("concat", parts):
            return parts
        case Read(state, context):
            found = [e.value for e in beside if e.targets == (Target(state, context),)]
            return next((v.args for v in found if isinstance(v, Apply) and v.op == "concat"), (operand,))
        case _:
            return (operand,)


def _numbers(equations: Collection[Equation], shapes: Shapes, known: Collection[str]) -> int:
    """Each state's value and adjoint, and of what is read the value, and the adjoint where one is needed."""
    own = {t.state for e in equations for t in e.targets}
    others = {r.state for e in equations for r in reads(e.value)} - own
    return sum(_times(state, known) * math.prod(shapes.states[state]) for state in (*own, *others))


def _times(state: str, known: Collection[str]) -> int:
    return 2 if state in known else 1
