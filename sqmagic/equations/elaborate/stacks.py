"""Layers of a stack in messages: the state h_2 of `h_{t,2}` is told of as it is written.

What an analysis says of a System calls states by their keys; only the program tells which of them are layers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from sqmagic.equations.elaborate.context import indices, is_readable
from sqmagic.equations.elaborate.names import spell, split
from sqmagic.equations.elaborate.trees import written
from sqmagic.equations.system import Fixed, Running
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Program


def in_words(problems: Iterable[Problem], program: Program) -> tuple[Problem, ...]:
    """The problems with `h_{t-1,2}` for `h_2_{t-1}`, in what is said and in what is offered."""
    change = layered(program)
    return tuple(_over_texts(problem, change) for problem in problems)


def layered(program: Program) -> Callable[[str], str]:
    """What writes `h_{t,2}` for `h_2_t`, and `reset h_{t,2} on` for `reset h_2 on`, in a text."""
    layers = _layers(program)
    if not layers:
        return str
    here = Running(indices(program)[0])
    keys = "|".join(map(re.escape, sorted(layers, key=len, reverse=True)))
    point = re.compile(rf"(?<![\w'}}])((?:\w+\.)*)({keys})_(?:([A-Za-z]|\d+)|\{{([^{{}}]*)\}})(?![\w'])")
    reset = re.compile(rf"\breset ({keys})(?![\w'])")

    def at(found: re.Match[str]) -> str:
        base, layer = layers[found[2]]
        return f"{found[1]}{base}_{{{found[3] or found[4]},{layer}}}"

    def anew(found: re.Match[str]) -> str:
        base, layer = layers[found[1]]
        return f"reset {spell(base, (here, Fixed(layer)))}"

    return lambda text: reset.sub(anew, point.sub(at, text))


def _over_texts(problem: Problem, change: Callable[[str], str]) -> Problem:
    def offered(text: str | None) -> str | None:
        return None if text is None else change(text)

    return replace(
        problem,
        message=change(problem.message),
        notes=tuple(map(change, problem.notes)),
        repair=offered(problem.repair),
        instead=offered(problem.instead),
        before=offered(problem.before),
    )


def _layers(program: Program) -> dict[str, tuple[str, int]]:
    """By its key the base and the number of each state with two indices of which the second is a number."""
    running = indices(program)
    found = [split(name.text, running) for name in written(program.statements) if is_readable(name, running)]
    pairs = [(name.base, name.context[1]) for name in found if name.context and len(name.context) == 2]
    return {f"{base}_{layer.value}": (base, layer.value) for base, layer in pairs if isinstance(layer, Fixed)}
