"""How one form follows from another: the chain rule at a function, and what rules of algebra make of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqmagic.calculus.derivation.forms import Form
from sqmagic.calculus.derivation.unfold import size, unfolded
from sqmagic.calculus.normalform import CANCEL, SIMPLEX, Known, rewritten
from sqmagic.calculus.terms import op, times
from sqmagic.equations.system import Apply, Expr, Read, walk, with_children

SLOPES: dict[str, str] = {
    "sigmoid": "σ' = σ (1 − σ)",
    "tanh": "tanh' = 1 − tanh²",
    "relu": "relu' = [x > 0]",
    "exp": "exp' = exp",
    "log": "log' = 1/x",
    "sqrt": "√' = 1/(2√)",
    "square": "(x²)' = 2x",
    "abs": "|x|' = sign x",
    "sin": "sin' = cos",
    "cos": "cos' = −sin",
    "softplus": "softplus' = σ",
    "gelu": "gelu' = Φ + x φ",
}
"""The pointwise functions whose derivative is said by name, and what it is."""

LONG = 80
"""So many nodes of an expression fill several lines, and show no collapse."""

SOFTMAX = ("softmax", "log_softmax")


def chain_rule(function: Apply, g: Expr, argument: Expr, value: Expr) -> tuple[Form, ...]:
    """`g * f'(a) = …`, two forms of one step."""
    slope = op("derivative", argument, function=function.op)
    return (Form(times(g, slope), "chain rule"), Form(value, SLOPES[function.op]))


def collapsed(start: Expr, known: Known, definitions: Mapping[str, Expr], name: str, index: str) -> tuple[Form, ...]:
    """The adjoint of a softmax or a sigmoid with that of its loss put in, and what is left of it after cancelling.

    Each step is by rules that have names; a step that changes nothing is left out, and so are all if nothing becomes
    simpler, or if what is left is still longer than one reads.
    """
    limits = [value for value in definitions.values() if isinstance(value, Apply) and value.op == "during"]
    put_in = unfolded(start, {state: _free(value) for state, value in definitions.items()}, index)
    cancelled = rewritten(put_in, known, CANCEL)
    ended = rewritten(put_in, known, SIMPLEX)
    if put_in == start or size(ended) >= size(put_in) or size(ended) > LONG:
        return ()
    steps = [(put_in, f"def {name}")]
    if cancelled not in (put_in, ended):
        steps += [(cancelled, "cancel"), (ended, "1ᵀy = 1")]
    elif ended != put_in:
        steps.append((ended, "cancel"))
    return tuple(Form(_within(expr, limits), rule) for expr, rule in steps)


def divides(expr: Expr, state: str) -> bool:
    """Whether there is a quotient by something of this state, as in the adjoint of what stands below a logarithm."""
    quotients = (n for n in walk(expr) if isinstance(n, Apply) and n.op == "div")
    return any(isinstance(n, Read) and n.state == state for each in quotients for n in walk(each.args[1]))


def _free(expr: Expr) -> Expr:
    return expr.args[0] if isinstance(expr, Apply) and expr.op == "during" else expr


def _within(expr: Expr, limits: Sequence[Apply]) -> Expr:
    """What is linear in an adjoint is 0 where that is."""
    return with_children(limits[0], (expr, *limits[0].args[1:])) if limits else expr
