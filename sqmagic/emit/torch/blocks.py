"""Recurrences of the form s_t = a_t * s_{t-1} + b_t, in blocks of steps in place of one step after the other."""

from __future__ import annotations

from dataclasses import replace

from sqmagic.emit.torch.assigning import at_own_end, put_to, zero_row
from sqmagic.emit.torch.code import ranked, spread
from sqmagic.emit.torch.facts import Facts, end_cases
from sqmagic.emit.torch.lines import beside
from sqmagic.emit.torch.losses import RULES
from sqmagic.emit.torch.names import free
from sqmagic.emit.torch.place import filled, real, translate
from sqmagic.emit.torch.reading import window
from sqmagic.equations.show import show_equation
from sqmagic.equations.system import Equation, Fixed
from sqmagic.schedule.affine import Affine, affine
from sqmagic.schedule.dependence import Component
from sqmagic.schedule.domains import Interval


def blocked(facts: Facts, component: Component) -> Affine | None:
    """The form of a recurrence that goes in blocks of steps: from one row, whatever the examples' ends."""
    form = affine(facts.system, component)
    if form is None:
        return None
    several_ends = form.ahead and facts.masked and len(end_cases(facts, form.state)) > 1
    return None if several_ends or form.state in facts.made else form


def in_blocks(facts: Facts, equation: Equation, form: Affine) -> list[str]:
    """`h = recurrence(0.9 * a, b, h_0)`"""
    name, steps, shape = facts.name(form.state), facts.computed[form.state], facts.shapes[form.state]
    place = window(facts, steps)
    factor, term = (translate(e, place, RULES) for e in (form.factor, form.term))
    if factor.kind == "number":
        a = filled(factor, place, (1,) * len(shape))
    else:
        wide = ranked(real(factor, place), len(shape))
        a = spread(wide, place.sizes, wide.shape)
    b = filled(term, place, shape)
    lines, start = _start_row(facts, form, steps)
    if form.ahead and facts.masked:
        axes = ", None" * len(shape)
        own = f"own_steps({steps.first}, {steps.last}, {steps.last}, T, lengths)[...{axes}]"
        names = [free(f"{name}_{word}", facts.variables.values()) for word in ("factor", "term")]
        lines += [f"{names[0]} = {a.text}", f"{names[1]} = {b.text}", "if lengths is not None:"]
        lines += [f"    {names[0]} = torch.where({own}, {names[0]}, 1)"]
        lines += [f"    {names[1]} = torch.where({own}, {names[1]}, 0)"]
        a, b = replace(a, text=names[0]), replace(b, text=names[1])
    call = f"{name} = recurrence({a.text}, {b.text}, {start}{', backward=True' * form.ahead})"
    lines += beside(call, show_equation(equation)) + put_to(facts, form.state)
    return lines if form.ahead else lines + at_own_end(facts, form.state)


def _start_row(facts: Facts, form: Affine, steps: Interval) -> tuple[list[str], str]:
    """The row that a recurrence starts from: a base or end case, or zero past the last step."""
    if not form.ahead:
        return [], facts.name(form.state, (Fixed(steps.first - 1),))
    ends = dict(end_cases(facts, form.state))
    if steps.last + 1 in ends:
        return [], facts.name(form.state, ends[steps.last + 1])
    row = zero_row(facts, form.state)
    return row.lines, row.name
