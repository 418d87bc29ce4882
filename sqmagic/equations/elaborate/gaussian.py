"""Rule gaussian: a policy over real numbers is a mean and a deviation, and what is asked of it is arithmetic.

    sample(m, s)        is stop(m + s*gauss())
    log_prob(m, s, a)   is sum(-square((a - m)/s)/2 - log(s) - log(2 pi)/2)
    entropy(m, s)       is sum(log(s) + 0*m + (1 + log(2 pi))/2), which has as many terms as m has components

A policy over actions to choose from is one vector of probabilities: `sample(pi)`, `log_prob(pi, a)`, `entropy(pi)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from sqmagic.equations.elaborate.lines import Line, Outcome
from sqmagic.equations.elaborate.trees import bottom_up, over_values
from sqmagic.notation.syntax import Binary, Call, Expression, Name, Negative, Number

RULE = "gaussian"

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


def gaussians(lines: tuple[Line, ...]) -> Outcome:
    return Outcome(tuple(line.by(RULE, over_values(line.statement, lambda e: bottom_up(e, _read))) for line in lines))


def _read(e: Expression) -> Expression:
    match e:
        case Call(Name(name), arguments, ()) if name in _FORMS and len(arguments) == _FORMS[name][0]:
            return _FORMS[name][1](e, arguments)
        case _:
            return e


def _sample(e: Call, arguments: tuple[Expression, ...]) -> Expression:
    mean, deviation = arguments
    noise = Binary("*", deviation, Call(Name("gauss"), span=e.span), span=e.span)
    return _call("stop", Binary("+", mean, noise, span=e.span), e)


def _log_prob(e: Call, arguments: tuple[Expression, ...]) -> Expression:
    mean, deviation, action = arguments
    far = Binary("/", Binary("-", action, mean, span=e.span), deviation, span=e.span)
    half = Binary("/", _call("square", far, e), Number(2.0), span=e.span)
    value = Binary("-", Negative(half, span=e.span), _call("log", deviation, e), span=e.span)
    return _call("sum", Binary("-", value, Number(HALF_LOG_TAU), span=e.span), e)


def _entropy(e: Call, arguments: tuple[Expression, ...]) -> Expression:
    mean, deviation = arguments
    wide = Binary("+", _call("log", deviation, e), Binary("*", Number(0.0), mean, span=e.span), span=e.span)
    return _call("sum", Binary("+", wide, Number(0.5 + HALF_LOG_TAU), span=e.span), e)


def _call(name: str, argument: Expression, e: Call) -> Call:
    return Call(Name(name), (argument,), span=e.span)


_FORMS: dict[str, tuple[int, Callable[[Call, tuple[Expression, ...]], Expression]]] = {
    "sample": (2, _sample),
    "log_prob": (3, _log_prob),
    "entropy": (2, _entropy),
}
"""How many arguments the form for real numbers has, and what it is."""
