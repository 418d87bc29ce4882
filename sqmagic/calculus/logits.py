"""Cross-entropy from the logits: `log(softmax(a))` is never computed by way of the softmax, which may round to 0 or 1.

Before: a System. After: each cross-entropy whose prediction is a softmax, and each binary one whose prediction is a
sigmoid, is computed from what that softmax or sigmoid was given, named `p.logits` in an equation of its own. The
prediction is sought through bare renamings (`q := p`). Kept: every value, every domain, and a program in which there
is nothing to do. Not touched: a prediction that the program also gives at points (`0.5 -> p_0` is no softmax).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Goal,
    Last,
    Read,
    Running,
    System,
    Target,
)

LOSSES: dict[str, tuple[str, str]] = {
    "cross_entropy": ("softmax", "cross_entropy_logits"),
    "binary_cross_entropy": ("sigmoid", "binary_cross_entropy_logits"),
}
"""A loss on probabilities: the function that makes them, and the same loss on what that function was given."""

SUFFIX = ".logits"
"""What follows a state's name in the name of its logits."""


def logits(system: System) -> System:
    """The System whose cross-entropies are computed from logits; the very one if there are none to change."""
    definitions = _definitions(system)
    named: dict[int, str] = {}
    goals = tuple(_rewritten(goal, definitions, named) for goal in system.goals)
    if goals == system.goals:
        return system
    equations: list[Equation] = []
    for number, equation in enumerate(system.equations):
        equations += _opened(equation, named[number]) if number in named else [equation]
    return replace(system, equations=tuple(equations), goals=goals)


@dataclass(frozen=True, slots=True)
class _Definition:
    """The only equation of a state, and its number."""

    number: int
    equation: Equation


def _definitions(system: System) -> dict[str, _Definition]:
    """States with one equation that defines nothing else."""
    found: dict[str, list[_Definition]] = {}
    for number, equation in enumerate(system.equations):
        for target in equation.targets:
            found.setdefault(target.state, []).append(_Definition(number, equation))
    return {s: ds[0] for s, ds in found.items() if len(ds) == 1 and len(ds[0].equation.targets) == 1}


def _rewritten(goal: Goal, definitions: Mapping[str, _Definition], named: dict[int, str]) -> Goal:
    match goal.value:
        case Apply("mul", (weight, Apply() as loss)):
            changed = _loss(loss, definitions, named)
            return goal if changed is None else replace(goal, value=replace(goal.value, args=(weight, changed)))
        case Apply() as loss:
            changed = _loss(loss, definitions, named)
            return goal if changed is None else replace(goal, value=changed)
        case _:
            return goal


def _loss(loss: Apply, definitions: Mapping[str, _Definition], named: dict[int, str]) -> Apply | None:
    """The loss on logits, or None where the prediction is not made by the function that the loss undoes."""
    if loss.op not in LOSSES:
        return None
    function, op = LOSSES[loss.op]
    prediction, target = loss.args
    found = _logits(prediction, function, definitions, named)
    return None if found is None else replace(loss, op=op, args=(found, target))


def _logits(
    prediction: Expr, function: str, definitions: Mapping[str, _Definition], named: dict[int, str]
) -> Expr | None:
    """What `function` was given to make the prediction, read in the prediction's place."""
    seen: set[str] = set()
    while isinstance(prediction, Read) and prediction.state in definitions and prediction.state not in seen:
        seen.add(prediction.state)
        definition = definitions[prediction.state]
        match definition.equation:
            case Equation((target,), Apply(op, (argument,))) if op == function and _followable(target, prediction):
                name = f"{target.state}{SUFFIX}"
                if not (isinstance(argument, Read) and argument.state == name):
                    named[definition.number] = name
                return replace(prediction, state=name)
            case Equation((target,), Read() as alias) if _renames(target, alias) and _followable(target, prediction):
                prediction = replace(alias, context=prediction.context or alias.context, span=prediction.span)
            case _:
                return None
    match prediction:
        case Apply(op, (argument,)) if op == function:
            return argument
        case _:
            return None


def _followable(target: Target, read: Read) -> bool:
    """Whether a read finds what this equation makes: bare, at a step or at a point; a range is left alone."""
    match target.context, read.context:
        case (), ():
            return True
        case (Running(),), (Running() | Fixed() | Last(),):
            return True
        case _:
            return target.context == read.context


def _renames(target: Target, alias: Read) -> bool:
    """`q := p` at the same step, or a bare name for a state or a point of one."""
    return target.context == alias.context or (not target.context and _stands(alias))


def _stands(alias: Read) -> bool:
    return all(isinstance(index, Fixed | Last) for index in alias.context)


def _opened(equation: Equation, name: str) -> list[Equation]:
    """`p = softmax(a)` as `p.logits = a` and `p = softmax(p.logits)`."""
    assert isinstance(equation.value, Apply), "it is a softmax or a sigmoid"
    (target,), (argument,) = equation.targets, equation.value.args
    before = replace(equation, targets=(replace(target, state=name),), value=argument)
    read = Read(name, target.context, span=argument.span)
    return [before, replace(equation, value=replace(equation.value, args=(read,)))]
