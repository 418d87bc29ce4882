"""A picture in words, for those who do not see it: one clause for each statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from sqmagic.board.facts import constants, is_base_case
from sqmagic.board.formula import set_name
from sqmagic.board.layout.glyphs import GLYPHS
from sqmagic.board.names import name, state_name
from sqmagic.board.plain import write
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Apply, Const, Equation, Expr, Goal, Position, Read, Running, System, Weight, reads

_WORDS = {"add": "sum", "sub": "difference", "mul": "product", "div": "quotient", "neg": "change of sign",
          "concat": "concatenation", "sigmoid": "sigmoid", "index": "choice of a component"}  # fmt: skip


def prose(system: System) -> str:
    told = [*(_equation(e) for e in system.equations if not is_base_case(e)), *(_goal(g) for g in system.goals)]
    return " ".join([*_heading(system), "; ".join(told) + "."]) if told else " ".join(_heading(system))


def _heading(system: System) -> Iterator[str]:
    fed = [i.state for i in system.inputs]
    yield "A program over time." if system.indices else "A program without time."
    if fed:
        yield f"Inputs: {_names(fed)}."
    carried = dict.fromkeys(
        r.state
        for e in system.equations
        for r in reads(e.value)
        if any(isinstance(i, Running) and i.offset for i in r.context) and r.state not in fed
    )
    if carried:
        yield f"Carried from step to step: {_names(list(carried))}."


def _equation(equation: Equation) -> str:
    made = _listed([write(set_name(state_name(t.state, t.context))) for t in equation.targets])
    if equation.targets and equation.targets[0].state in _numbers(equation):
        return f"{made} is a number"
    used = _used(equation.value)
    source = f" from {used}" if used else ""
    done = _listed(list(dict.fromkeys(_done(equation.value))))
    way = f" by {done}" if done else ""
    return f"{made or 'an effect'}{source}{way}"


def _numbers(equation: Equation) -> frozenset[str]:
    return constants(System((), (), (equation,), (), ()))


def _goal(goal: Goal) -> str:
    through = _reads(goal.through)
    if goal.kind == "objective":
        return f"raised through {through}: {_used(goal.value)} by {_listed(list(dict.fromkeys(_done(goal.value))))}"
    kinds = [GLYPHS[op].text for op in _operators(goal.value) if OPS[op].loss]
    others = [r for r in reads(goal.value) if r not in goal.through]
    against = f" against {_reads(others)}" if others else ""
    return f"loss {_listed(kinds)} of {through}{against}"


def _operators(expr: Expr) -> Iterator[str]:
    if isinstance(expr, Apply):
        yield expr.op
        for argument in expr.args:
            yield from _operators(argument)


def _used(expr: Expr) -> str:
    return _reads(reads(expr))


def _reads(found: Sequence[Read]) -> str:
    return _listed(list(dict.fromkeys(write(set_name(state_name(r.state, r.context))) for r in found)))


def _done(expr: Expr) -> Iterator[str]:
    """The operators from the inside out."""
    match expr:
        case Apply(op, args, layer):
            for argument in args:
                yield from _done(argument)
            if op != "stop":
                yield f"layer {write(set_name(name(layer)))}" if layer else _WORDS.get(op, GLYPHS[op].text or op)
        case Weight(parameter):
            yield f"parameter {parameter}"
        case Const() | Read() | Position():
            return
        case _:
            assert_never(expr)


def _names(states: Sequence[str]) -> str:
    return _listed([write(set_name(name(s))) for s in states])


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
