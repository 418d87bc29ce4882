"""Rule C.2, dense: a capitalised name that is nothing else is a dense layer with that name as its parameter.

A layer that is not named (`batch_norm(x)`) gets a name of its own, so that two of them share nothing. A lower-case
function that nothing is called is an error naming the nearest builtin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from sqmagic.equations.elaborate.functions import Builtin, Dense, Instance, Module, Unknown, meaning
from sqmagic.equations.elaborate.lines import Kernel, Line, Outcome
from sqmagic.equations.elaborate.transforms import unwrapped
from sqmagic.equations.elaborate.trees import bottom_up, over_values
from sqmagic.equations.ops import OPS
from sqmagic.notation.characters import PHASE
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Call, Expression, Macro, Name

RULE = "dense"


def name_layers(lines: tuple[Line, ...], macros: Mapping[str, Macro], kernel: Kernel) -> Outcome:
    """Each layer that is not named gets a name: `batch_norm`, then `batch_norm_2`."""
    counts: Counter[str] = Counter()

    def named(e: Expression) -> Expression:
        if not isinstance(e, Call):
            return e
        name, _ = unwrapped(e.function)
        found = meaning(name.text, macros, kernel)
        if not (isinstance(found, Builtin) and found.op.parameters and found.layer is None):
            return e
        counts[found.op.name] += 1
        own = found.op.name if counts[found.op.name] == 1 else f"{found.op.name}_{counts[found.op.name]}"
        return replace(e, function=_renamed(e.function, f"{found.op.name}_{{{own}}}"))

    return Outcome(tuple(line.by(RULE, over_values(line.statement, lambda v: bottom_up(v, named))) for line in lines))


def dense_layers(lines: tuple[Line, ...], kernel: Kernel) -> Outcome:
    """`M_1(x)` becomes `dense_{M_1}(x)`."""
    out: list[Line] = []
    problems: list[Problem] = []

    def dense(e: Expression) -> Expression:
        if not isinstance(e, Call):
            return e
        name, _ = unwrapped(e.function)
        match meaning(name.text, {}, kernel):
            case Dense(layer):
                return replace(e, function=_renamed(e.function, f"dense_{{{layer}}}"))
            case Unknown() as unknown:
                problems.append(_unknown(unknown, name, e))
                return e
            case Builtin() | Module() | Instance():
                return e
            case other:
                assert_never(other)

    for line in lines:
        before = len(problems)
        statement = over_values(line.statement, lambda v: bottom_up(v, dense))
        if len(problems) == before:
            out.append(line.by(RULE, statement))
    return Outcome(tuple(out), tuple(problems))


def _renamed(function: Expression, text: str) -> Expression:
    if isinstance(function, Call):
        return replace(function, arguments=(_renamed(function.arguments[0], text), *function.arguments[1:]))
    assert isinstance(function, Name), "what is called is a name, perhaps within transforms"
    return replace(function, text=text)


_FILLED = {"zeros": 0, "zeros_like": 0, "ones": 1, "ones_like": 1}
"""What makes a tensor of one number in torch."""


_ELSEWHERE = {"detach": "stop", "stop_gradient": "stop", "cat": "concat", "logsoftmax": "log_softmax"}
"""What functions are called elsewhere, and here."""

WRITTEN = {
    "elu": "relu(x) + exp(min(x, 0)) - 1",
    "leaky_relu": "max(x, 0.01*x)",
    "logaddexp": "max(x, y) + softplus(-abs(x - y))",
    "logsigmoid": "-softplus(-x)",
    "logsumexp": "max(x) + log(sum(exp(x - max(x))))",
    "mish": "x*tanh(softplus(x))",
    "rsqrt": "1/sqrt(x)",
    "sign": "where(relu(x), 1, 0) - where(relu(-x), 1, 0)",
    "sgn": "where(relu(x), 1, 0) - where(relu(-x), 1, 0)",
    "silu": "x*sigmoid(x)",
    "swish": "x*sigmoid(x)",
}
"""What functions of elsewhere are made of here."""

_ROUNDED = ("ceil", "floor", "round", "trunc")

_REMAINDERS = ("fmod", "frac", "mod", "modulo", "remainder")


def _unknown(unknown: Unknown, name: Name, call: Call) -> Problem:
    here = _ELSEWHERE.get(unknown.name)
    if here and name.span.start >= 0:
        message = f"there is no function `{unknown.name}`: it is called `{here}` here"
        return Problem("SQ206", message, name.span, instead=here)
    near = " or ".join(f"`{n}`" for n in unknown.nearest)
    message = f"there is no function `{unknown.name}`" + (f"; the nearest is {near}" if near else "")
    capital = unknown.name[:1].upper() + unknown.name[1:]
    note = f"a layer with parameters of its own begins with a capital letter: `{capital}`."
    stem, _, rest = unknown.name.partition("_")
    if stem in OPS and rest:
        note = f"`{stem}` has no parameters, so `_{rest}` names nothing."
    if unknown.name in _FILLED:
        note = f"a number takes the shape that is needed: `{_FILLED[unknown.name]} -> h_0`."
    if unknown.name in WRITTEN:
        note = f"here it is `{WRITTEN[unknown.name]}`; a macro can give it a name."
    if unknown.name in _ROUNDED:
        message = f"there is no function `{unknown.name}`, through which nothing learns: its gradient is zero"
        note = f"a torch module of the kernel may compute it, and is called by its name: `{capital}(x)`."
    if unknown.name in _REMAINDERS:
        message = f"there is no function `{unknown.name}`"
        note = f"a phase u that starts anew past 1 is `{PHASE}`; a torch module of the kernel may compute others."
    return Problem("SQ206", message, name.span if name.span.start >= 0 else call.span, notes=(note,))
