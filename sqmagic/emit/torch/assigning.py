"""What is computed, put under its state's name: values with the comment beside them, and rows with those beside them.

A state over time ends up as one tensor with all its stored rows: base cases before and end cases after the rows that
its equation gives are put to them here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from sqmagic.emit.torch.code import Code, Shape
from sqmagic.emit.torch.facts import Facts, base_cases, end_cases
from sqmagic.emit.torch.lines import beside
from sqmagic.emit.torch.losses import RULES
from sqmagic.emit.torch.names import free
from sqmagic.emit.torch.place import Place, filled, translate
from sqmagic.equations.show import show_equation
from sqmagic.equations.system import Apply, Equation, Expr


def assigned(
    facts: Facts, equation: Equation, place: Place, names: Sequence[str], said: str | None = None
) -> list[str]:
    """The equation's values given to Python names (or places, as `h[t]`); `said` is the equation as it is written."""
    comment = said or show_equation(equation)
    if len(names) == 1:
        value = state_value(facts, equation.targets[0].state, equation.value, place)
        return beside(f"{names[0]} = {value.text}", comment)
    return beside(f"{', '.join(names)} = {_several(facts, equation, place)}", comment)


def state_value(facts: Facts, state: str, value: Expr, place: Place) -> Code:
    """What a state holds: a number for a constant, else all axes and exactly its shape."""
    code = translate(value, place, RULES)
    if state in facts.numbers or state in facts.weights:
        return code
    if isinstance(value, Apply) and value.op == "module":
        return code
    return filled(code, place, facts.shapes[state])


def _several(facts: Facts, equation: Equation, place: Place) -> str:
    """The results of an operator with several outputs, as many as there are targets."""
    assert isinstance(equation.value, Apply), "several results come from one operator"
    parts = (("parts", len(equation.targets)), *equation.value.attributes)
    code = translate(replace(equation.value, attributes=parts), place, RULES)
    if code.lead == place.lead:
        return code.text
    each = filled(replace(code, text="part"), place, facts.shapes[equation.targets[0].state])
    return f"({each.text} for part in {code.text})"


# --- rows ----------------------------------------------------------------------------------------


def no_rows(facts: Facts, shape: Shape) -> str:
    return f"{facts.like}.new_empty({', '.join(['0', 'batch', *map(str, shape)])})"


def with_cases(facts: Facts, state: str) -> list[str]:
    """Base and end cases put to the rows of a state that no loop computes."""
    return put_to(facts, state) + at_own_end(facts, state)


def put_to(facts: Facts, state: str) -> list[str]:
    before = [f"{facts.name(state, c)}[None]" for _, c in base_cases(facts, state)]
    after = [f"{facts.name(state, c)}[None]" for _, c in end_cases(facts, state)]
    name = facts.name(state)
    return [f"{name} = torch.cat([{', '.join([*before, name, *after])}])"] if before or after else []


def at_own_end(facts: Facts, state: str) -> list[str]:
    """Of examples that end before the window, the end cases stand at their own end."""
    stored, name, cases = facts.stored[state], facts.name(state), end_cases(facts, state)
    if not facts.masked or not cases:
        return []
    axes = ", None" * len(facts.shapes[state])
    lines = ["if lengths is not None:"]
    for k, context in cases:
        mask = f"own_steps({stored.first}, {stored.last}, {k - 1}, T, lengths)[...{axes}]"
        lines.append(f"    {name} = torch.where({mask}, {name}, {facts.name(state, context)})")
    return lines


class ZeroRow(NamedTuple):
    """The row past the last step of a state that looks ahead: its name, and the lines that make it."""

    name: str
    lines: list[str]


def zero_row(facts: Facts, state: str) -> ZeroRow:
    name = free(f"{facts.name(state)}_end", facts.variables.values())
    sizes = ", ".join(["batch", *map(str, facts.shapes[state])])
    return ZeroRow(name, beside(f"{name} = {facts.like}.new_zeros({sizes})", f"{state} is 0 past its last step"))
