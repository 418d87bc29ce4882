"""Components of a program as Python statements: once, over a window at once, in blocks of steps or in a loop over t.

Each line stands beside the equation that it computes. A state over time ends up as one tensor with all its stored rows.
"""

from __future__ import annotations

from sqmagic.emit.torch.assigning import assigned, no_rows, state_value, with_cases
from sqmagic.emit.torch.blocks import blocked, in_blocks
from sqmagic.emit.torch.code import SCALAR, Code
from sqmagic.emit.torch.facts import Facts
from sqmagic.emit.torch.lines import beside
from sqmagic.emit.torch.loops import handed_out, in_every_step, loop
from sqmagic.emit.torch.losses import RULES
from sqmagic.emit.torch.place import filled, translate
from sqmagic.emit.torch.ranges import running, spans, with_names
from sqmagic.emit.torch.reading import alike, bare, may_be_filled, step, window
from sqmagic.equations.show import show_equation
from sqmagic.equations.system import Equation, Expr, reads
from sqmagic.schedule.dependence import Component
from sqmagic.schedule.domains import Interval
from sqmagic.schedule.ranges import at_once, meets


def statements(facts: Facts, component: Component) -> list[str]:
    """The lines that compute a component, without indentation of their own."""
    equations = tuple(facts.system.equations[n] for n in component.equations)
    match component.kind:
        case "once":
            return once(facts, equations[0])
        case "parallel" if not component.growing:
            return _at_once(facts, equations[0])
        case "parallel" if at_once(equations[0].value, facts.shapes, facts.parameters):
            return _over_ranges(facts, equations[0])
        case "forward scan" | "reverse scan" if (form := blocked(facts, component)) is not None:
            return in_blocks(facts, equations[0], form)
        case "parallel" | "forward scan" | "reverse scan":
            return loop(facts, component)
        case "fault":
            raise AssertionError("a program with a fault is not emitted")


# --- once, and all steps at once -----------------------------------------------------------------


def once(facts: Facts, equation: Equation) -> list[str]:
    """A bare state, or a point of a sequence."""
    names = [facts.name(t.state, t.context) for t in equation.targets]
    made_of_weights = any(t.state in facts.weights for t in equation.targets)
    return assigned(facts, equation, alike(facts) if made_of_weights else bare(facts), names)


def _at_once(facts: Facts, equation: Equation) -> list[str]:
    states = [t.state for t in equation.targets]
    lines = assigned(facts, equation, window(facts, facts.computed[states[0]]), [facts.name(s) for s in states])
    return lines + [line for s in states for line in with_cases(facts, s)]


def _over_ranges(facts: Facts, equation: Equation) -> list[str]:
    """Ranges that grow, for all steps at once or for many of them."""
    state = equation.targets[0].state
    name, steps = facts.name(state), facts.computed[state]
    if not meets(equation.value, facts.shapes):
        return assigned(facts, equation, running(facts, steps), [name]) + with_cases(facts, state)
    named = with_names(facts, state, steps, equation.value, RULES)
    header, place = spans(named.facts, named.value, steps)
    value = state_value(named.facts, state, named.value, place)
    body = beside(f"{name}.append({value.text})", show_equation(equation))
    first = "" if may_be_filled(steps) else no_rows(facts, facts.shapes[state])
    lines = [f"{name} = [{first}]", f"{header}:", *(f"    {line}" for line in body), f"{name} = torch.cat({name})"]
    return [*named.lines, *lines, *with_cases(facts, state)]


# --- goals ---------------------------------------------------------------------------------------


def over_steps(facts: Facts, value: Expr, steps: Interval) -> Code:
    """A scalar at each step that is made of a range whose length changes with t."""
    whole = at_once(value, facts.shapes, facts.parameters)
    if not whole or with_names(facts, "goal", steps, value, RULES).lines:
        return Code(f"torch.stack([{_one_by_one(facts, value, steps)}])", 2, SCALAR)
    if not meets(value, facts.shapes):
        place = running(facts, steps)
        return filled(translate(value, place, RULES), place, SCALAR)
    header, place = spans(facts, value, steps)
    each = filled(translate(value, place, RULES), place, SCALAR).text
    rows = f"{each} {header}" if may_be_filled(steps) else f"{no_rows(facts, SCALAR)}, *({each} {header})"
    return Code(f"torch.cat([{rows}])", 2, SCALAR)


def _one_by_one(facts: Facts, value: Expr, steps: Interval) -> str:
    """`… for t in range(1, T + 1)`"""
    found = dict.fromkeys(reads(value))
    rows = {r: facts.name(r.state, r.context) for r in found if in_every_step(facts, r, steps)}
    names, sources = handed_out(facts, steps, rows)
    place = step(facts, frozenset(), rows, steps)
    each = filled(translate(value, place, RULES), place, SCALAR).text
    among = f"zip({', '.join(sources)})" if len(sources) > 1 else sources[0]
    return f"{each} for {', '.join(names)} in {among}"
