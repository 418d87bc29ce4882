"""Names: what a state is called in Python.

`python_name` is the face that a user sees (`O'` is `O_prime`, `lambda` is `lambda_`); `variables` gives every state and
every point of it that the program names a variable of the generated code, no two the same.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterator
from itertools import chain, count
from typing import assert_never

from sqmagic.equations.system import Context, Fixed, Last, Point, Range, Read, Running, System, points, reads

_WORDS = """
    BatchNorm T as_one_inside average batch dict earlier end enumerate eps_greedy first float held horizon int later
    layer_norm_input len lengths list loss math max memory min nn one_by_one own_steps padded past range recorded
    recurrence reversed row rows running_mean self spans stacked start states step still stop t torch total
    window_steps world zip
"""
TAKEN = frozenset(_WORDS.split())
"""What generated code uses itself."""


def python_name(state: str) -> str:
    """A state's name as a Python identifier; an adjoint `^h` is `h_hat`."""
    if state.startswith("^"):
        return f"{python_name(state[1:]).rstrip('_')}_hat"
    name = re.sub(r"\W", "_", state.replace("'", "_prime"))
    name = name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) else name


def free(name: str, taken: Collection[str]) -> str:
    """The name, or with the first number that makes it another than those taken."""
    return next(n for n in chain([name], (f"{name}_{k}" for k in count(2))) if n not in taken)


def class_name(name: str) -> str:
    """`Lstm` for lstm, `MyNet` for my_net."""
    words = "".join(w[:1].upper() + w[1:] for w in re.split(r"\W|_", name) if w)
    word = words if words[:1].isalpha() else f"Net{words}"
    return f"{word}_" if keyword.iskeyword(word) else word


def variables(system: System) -> dict[tuple[str, Context], str]:
    """A variable for each state (context ()) and for each point of one that is read or defined."""
    given: dict[tuple[str, Context], str] = {}
    taken = set(TAKEN)
    for state, context in _named(system):
        if (state, context) not in given:
            wanted = python_name(state) + "".join(f"_{_suffix(p)}" for i in context for p in points(i))
            while wanted in taken:
                wanted += "_"
            taken.add(wanted)
            given[state, context] = wanted
    return given


def _named(system: System) -> Iterator[tuple[str, Context]]:
    """Inputs first, then whole states, then points, so that the plainest names go to what is seen most."""
    exprs = [e.value for e in system.equations] + [g.value for g in system.goals]
    for item in system.inputs:
        yield item.state, ()
    for equation in system.equations:
        for target in equation.targets:
            yield target.state, ()
    for equation in system.equations:
        for target in equation.targets:
            yield target.state, target.context
    for item in (i for i in system.inputs if i.indexed):
        yield item.state, (Running(system.indices[0].name),)
    for expr in exprs:
        for read in reads(expr):
            if not any(isinstance(i, Range) for i in read.context):
                yield read.state, read.context


def _suffix(point: Point) -> str:
    """`t`, `tm1` for t-1, `0`, `m1` for -1, `T`, `Tp1`."""
    match point:
        case Running(name, offset):
            return name + _signed(offset)
        case Last(name, offset):
            return name.upper() + _signed(offset)
        case Fixed(value):
            return f"m{-value}" if value < 0 else str(value)
        case _:
            assert_never(point)


def _signed(offset: int) -> str:
    return f"{'p' if offset > 0 else 'm'}{abs(offset)}" if offset else ""


def running(read: Read) -> bool:
    """Whether a read moves with the running index."""
    return any(isinstance(p, Running) for i in read.context for p in points(i))
