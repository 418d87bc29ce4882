"""The equation that stands beside a line of C.

An equation of the way back says in full where it holds: `during` of terms that read past the last step, where the code
has zeros; how much of the loss a step has, which is in the adjoint that is given; the layer of a transposed product.
A reader who has the equations of the derivation before him wants none of it, and does not find it here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.show import show_equation
from sqmagic.equations.system import Apply, Equation, Expr, Read, Weight, children, with_children
from sqmagic.schedule.plan.alone import GIVEN


def told(equation: Equation) -> str:
    """An equation as a reader knows it."""
    return show_equation(replace(equation, value=_plain(equation.value))).replace("*/", "*\\/")


def _plain(expr: Expr) -> Expr:
    inner = with_children(expr, tuple(_plain(child) for child in children(expr)))
    match inner:
        case Apply("during", (body, *_)):
            return body
        case Apply("mul", (Apply("step_share"), body)):
            return body
        case Apply("stop", (Read(state) as given,)) if state.endswith(GIVEN):
            return given
        case Apply("dense_input", (operand,), str(layer)):
            return Apply("matmul", (Apply("transpose", (Weight(f"{layer}.weight"),)), operand))
        case _:
            return inner


def commented(text: str, wide: int) -> Iterator[str]:
    """A comment of one line, or of several where it is long, each begun with a sign."""
    indent = text[: len(text) - len(text.lstrip())]
    while len(text) > wide:
        place = max(text.rfind(f" {sign} ", len(indent) + 20, wide) for sign in "+-*=")
        if place < 0:
            break
        yield text[:place]
        text = f"{indent}       {text[place + 1 :]}"
    yield text
