"""Rule C.5, action: what a reader supplies in his head where a program is bound to an environment.

The observation at the reset is named. If the program passes no action, there is one: where exactly one state has an
objective it is a draw from that policy, whose `log` is read as the log-probability of the action taken; where one state
is indexed, or its largest component asked for, as of action values, the best action by them or now and then any; else
it is left to a behaviour policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sqmagic.equations.elaborate.lines import Line, Outcome, World
from sqmagic.equations.elaborate.loss import last_function
from sqmagic.equations.elaborate.names import Names, spell
from sqmagic.equations.elaborate.trees import bottom_up, defined, nodes, over_values, parts, values
from sqmagic.equations.elaborate.trees import names as names_in
from sqmagic.equations.system import Fixed, Running
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Binding, Call, Expression, Name, Pipeline, Raise, Regress, Subscript, Tuple

RULE = "action"


@dataclass(frozen=True, slots=True)
class _Choice:
    """How an action is chosen: the operator, the state that says how good each is, and the action's own name."""

    op: str
    state: str
    action: str


def actions(lines: tuple[Line, ...], names: Names, world: World | None) -> Outcome:
    """The lines with the wiring that a reader supplies; the very lines if there is no environment."""
    steps = [line for line in lines if _called(line) == "step"]
    if world is None or not steps or not names.indices:
        return Outcome(lines)
    lines = tuple(_seen_at_reset(line, steps[0], names) for line in lines)
    if all(len(_call_of(line).arguments) != 1 for line in steps):
        return Outcome(lines)
    choice = _choice(lines, names)
    if choice is not None and choice.op == "sample" and not world.actions:
        note = "name its mean and its deviation: `sample(mu_t, sigma_t) -> a_t`, and `log_prob(mu_t, sigma_t, a_t)`."
        message = f"{world.name} takes real numbers as actions, and `{choice.state}` does not say how to draw them"
        return Outcome(lines, (Problem("SQ240", message, steps[0].span, notes=(note,)),))
    action = choice.action if choice is not None else _free("a", lines, names)
    passed = tuple(_passing(line, action, names) for line in lines)
    return Outcome(passed if choice is None else tuple(_chosen(passed, choice, names)))


# --- what the lines say --------------------------------------------------------------------------


def _called(line: Line) -> str:
    match line.statement:
        case Binding(_, Call(Name(name))):
            return name
        case _:
            return ""


def _call_of(line: Line) -> Call:
    assert isinstance(line.statement, Binding) and isinstance(line.statement.value, Call), "the line is a call"
    return line.statement.value


def _seen_at_reset(line: Line, step: Line, names: Names) -> Line:
    """`S_0 := reset()` gives what is seen too."""
    outputs = defined(step.statement)
    if _called(line) != "reset" or len(defined(line.statement)) != 1 or len(outputs) < 2:
        return line
    assert isinstance(line.statement, Binding), "a call that is named"
    (state,) = defined(line.statement)
    context = names.state(state.text)[1]
    if not context or not isinstance(context[0], Fixed):
        return line
    seen = Name(spell(names.state(outputs[1].text)[0], context), span=state.span)
    return line.by(RULE, replace(line.statement, target=Tuple((state, seen), span=state.span)))


def _choice(lines: tuple[Line, ...], names: Names) -> _Choice | None:
    """The one policy, or the one state whose component an action names."""
    policies = {names.state(p.text)[0] for line in lines for p in _raised(line)}
    if len(policies) == 1:
        op = "eps_greedy" if any(_ranks(line) for line in lines) else "sample"
        return _Choice(op, policies.pop(), _free("a", lines, names))
    valued = {pair for line in lines for pair in _values_of(line, names)}
    if not policies and len(valued) == 1:
        state, action = valued.pop()
        return _Choice("eps_greedy", state, action)
    return None


def _raised(line: Line) -> Iterator[Name]:
    match line.statement:
        case Pipeline(through, (Raise(),)):
            yield from (p for p in parts(through) if isinstance(p, Name))
        case _:
            pass


def _ranks(line: Line) -> bool:
    """Whether an objective asks for the largest component: what it raises are values, and no probabilities."""
    match line.statement:
        case Pipeline(_, (Raise(objective),)):
            called = [n.function for n in nodes(objective) if isinstance(n, Call)]
            return any(isinstance(f, Name) and f.text in ("argmax", "max") for f in called)
        case _:
            return False


def _values_of(line: Line, names: Names) -> Iterator[tuple[str, str]]:
    """`q_{t-1}[a_{t-1}] => …`: q is of action values, and a the action."""
    match line.statement:
        case Pipeline(Subscript(Name(state), Name(action)), (Regress(),)):
            yield names.state(state)[0], names.state(action)[0]
        case _:
            pass


def _free(wanted: str, lines: tuple[Line, ...], names: Names) -> str:
    taken = {names.state(n.text)[0] for line in lines for v in values(line.statement) for n in names_in(v)}
    taken |= {names.state(n.text)[0] for line in lines for n in defined(line.statement)}
    return next(name for name in (wanted, "action", "action_taken") if name not in taken)


# --- what is put in ------------------------------------------------------------------------------


def _passing(line: Line, action: str, names: Names) -> Line:
    """`step(S_{t-1})` as `step(S_{t-1}, a_{t-1})`."""
    if _called(line) != "step" or len(_call_of(line).arguments) != 1:
        return line
    (state,) = _call_of(line).arguments
    context = names.state(state.text)[1] if isinstance(state, Name) else names.here()
    call = replace(_call_of(line), arguments=(state, Name(spell(action, context), span=state.span)))
    assert isinstance(line.statement, Binding), "a call that is named"
    return line.by(RULE, replace(line.statement, value=call))


def _chosen(lines: tuple[Line, ...], choice: _Choice, names: Names) -> Iterator[Line]:
    """A line that chooses after the one that makes the policy, which is made to be one of probabilities."""
    soft = choice.op != "sample" or _is_soft(lines, choice.state, names)
    for line in lines:
        if not _defines(line, choice.state, names):
            yield _of_the_action(line, choice, names) if choice.op == "sample" else line
            continue
        assert isinstance(line.statement, Binding), "a state has a line that gives it its value"
        value = line.statement.value
        made = value if soft else Call(Name("softmax"), (value,), span=value.span)
        yield line.by(RULE, replace(line.statement, value=made))
        (target,) = defined(line.statement)
        action = Name(spell(choice.action, names.state(target.text)[1]), span=target.span)
        draw = Binding(action, Call(Name(choice.op), (target,), span=target.span), span=line.statement.span)
        yield Line(draw, line.span, line.group, (RULE,))


def _defines(line: Line, state: str, names: Names) -> bool:
    found = [names.state(n.text) for n in defined(line.statement)]
    return len(found) == 1 and found[0][0] == state and isinstance((found[0][1] or (None,))[0], Running)


def _is_soft(lines: tuple[Line, ...], state: str, names: Names) -> bool:
    made = {
        names.state(n.text)[0]: line.statement.value
        for line in lines
        if isinstance(line.statement, Binding)
        for n in defined(line.statement)
    }
    return last_function(Name(spell(state, names.here())), made, names) == "softmax"


def _of_the_action(line: Line, choice: _Choice, names: Names) -> Line:
    """In an objective the `log` of the policy is that of the action taken."""

    def change(e: Expression) -> Expression:
        match e:
            case Call(Name("log"), (Name(policy) as read,), ()) if names.state(policy)[0] == choice.state:
                taken = Name(spell(choice.action, names.state(policy)[1]), span=read.span)
                return replace(e, function=Name("log_prob"), arguments=(read, taken))
            case _:
                return e

    match line.statement:
        case Pipeline(_, (Raise(),)):
            return line.by(RULE, over_values(line.statement, lambda e: bottom_up(e, change)))
        case _:
            return line
