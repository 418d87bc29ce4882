"""`adjoint`: reverse mode over the IR. The adjoint of a state is a state, and its equation one like any other.

Before: a System whose shapes and domains are known. After: the same System with an equation for `^h` wherever a goal
depends on h and h on a parameter: the sum over the uses of h, each seen from h (a read of `h_{t-1}` by z gives what
`^z_{t+1}` brings). What is read more than once has a name: parts of values (`h.1`) and parts of adjoints (`^h.1`).
Values, goals and domains are kept. Time is never unrolled, and the size is linear in that of the program.

Conventions. The goals' scalar is the sum of the losses minus that of the objectives, each the mean over the steps of
its domain and the batch. `^h` is the derivative of the batch's size times that scalar, which for a batch of one is the
derivative itself: each example has its own, whatever the batch. The adjoint of a parameter (`^F.weight`, bare) is the
mean of its examples' over the batch, and so the gradient of the scalar. Beside a base case `h_0` the bare `^h_0` is its
adjoint. Outside of a state's domain its adjoint is 0: what a term takes from there stands under `during`.

It does not say which gradient is 0 because everything is held fixed, order equations, or lower losses to logits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from sqmagic.calculus.adjoint.carrying import carries, carrying
from sqmagic.calculus.adjoint.masks import masks
from sqmagic.calculus.adjoint.reverse import Named, Reversed, Work, hat, reverse
from sqmagic.calculus.adjoint.uses import Place, Source, Steps, Use, at, whole
from sqmagic.calculus.terms import ONE, ZERO, minus, op, total
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.show import show_state
from sqmagic.equations.system import (
    Apply,
    Context,
    Equation,
    Expr,
    Fixed,
    Goal,
    Last,
    Point,
    Read,
    Running,
    System,
    Target,
    runs,
    shift,
)


class Sizes(Protocol):
    """As much of `equations.shapes.Shapes` as the adjoint uses."""

    @property
    def states(self) -> Mapping[str, Shape]: ...
    @property
    def parameters(self) -> Mapping[str, Shape]: ...


class Span(Protocol):
    """Steps `first` up to T + `last`: `schedule.domains.Interval`."""

    @property
    def first(self) -> int: ...
    @property
    def last(self) -> int: ...


class Held(Protocol):
    """As much of `schedule.domains.Domains` as the adjoint uses: where states, equations and goals hold."""

    @property
    def states(self) -> Mapping[str, Span]: ...
    @property
    def equations(self) -> Sequence[Span | None]: ...
    @property
    def goals(self) -> Sequence[Span | None]: ...


@dataclass(frozen=True, slots=True)
class Adjoint:
    """A System with its adjoint.

    `forward` are the equations of the program, those of its named parts among them; `backward` those of adjoints of
    states; `gradients` say which bare state is the adjoint of which parameter. `shapes` are those of all states.
    `uses` are what each state's adjoint is the sum of, and `layers` the adjoint of what each layer gives, by the number
    of its equation. `parts` are the values and adjoints that have names of their own, `sources` the equations that
    were reversed and `steps` those at which they hold, `goal_steps` the same of goals.
    """

    system: System
    forward: tuple[Equation, ...]
    backward: tuple[Equation, ...]
    gradients: Mapping[str, str]
    shapes: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    uses: Mapping[str, tuple[Use, ...]]
    parameter_uses: Mapping[str, tuple[tuple[Source, Expr], ...]]
    reversed: Mapping[Source, Reversed]
    parts: Mapping[str, Named]
    carrying: frozenset[str]
    sources: tuple[Equation, ...]
    steps: tuple[Steps | None, ...]
    goal_steps: tuple[Steps | None, ...]


def adjoint(system: System, sizes: Sizes, held: Held, *, inputs: Collection[str] = (), layers: bool = False) -> Adjoint:
    """The System with its adjoint. `sizes` are its shapes, `held` its domains; `inputs` names those whose adjoints are
    wanted too. With `layers` what each layer gives has a name, and so has its adjoint, for those who show them.
    """
    steps = [None if each is None else (each.first, each.last) for each in held.equations]
    system, goals = _within_the_window(system, held)
    states = {state: (each.first, each.last) for state, each in held.states.items()}
    whole_, extra = masks(system, sizes.states, sizes.parameters)
    if extra:
        by_target = {e.targets: n for n, e in zip(steps, system.equations, strict=True) if e.targets}
        steps = [by_target.get(e.targets, by_target.get((_unmasked(e),))) for e in whole_.equations]
    work = _Work(
        whole_, {**sizes.states, **extra}, sizes.parameters, steps, goals, states, carrying(system, inputs), layers
    )
    for number, goal in enumerate(whole_.goals):
        _goal(number, goal, work)
    _states(work)
    return _assembled(work, inputs)


def _within_the_window(system: System, held: Held) -> tuple[System, list[Steps | None]]:
    """Goals that count past T, moved back: `x_{t-1} => y_{t-1}` counts up to T + 1, but no equation holds there."""
    goals, steps = [], []
    for goal, each in zip(system.goals, held.goals, strict=True):
        late = max(0, each.last) if each is not None else 0
        goals.append(replace(goal, value=shift(goal.value, late)) if late else goal)
        steps.append(None if each is None else (each.first - late, each.last - late))
    return replace(system, goals=tuple(goals)), steps


def _unmasked(equation: Equation) -> Target:
    target = equation.targets[0]
    return replace(target, state=target.state.partition(".mask")[0])


@dataclass(slots=True)
class _Work:
    """What is known of the program, and what has been found so far."""

    system: System
    shapes: dict[str, Shape]
    parameters: Mapping[str, Shape]
    steps: Sequence[Steps | None]
    goals: Sequence[Steps | None]
    states: Mapping[str, Steps]
    carrying: frozenset[str]
    layers: bool
    uses: dict[str, list[Use]] = field(default_factory=dict)
    of_parameters: dict[str, list[tuple[Source, Expr]]] = field(default_factory=dict)
    reversed: dict[Source, Reversed] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    @property
    def index(self) -> str:
        return self.system.indices[0].name if self.system.indices else "t"


def _goal(number: int, goal: Goal, work: _Work) -> None:
    if not carries(goal.value, work.carrying):
        return
    steps = work.goals[number]
    share: Expr = ONE
    if steps is not None:
        share = op("step_share", first=steps[0], last=steps[1])
    base = f"{goal.kind}_{number + 1}"
    _reverse(Source(True, number, steps), goal.value, None, share if goal.kind == "loss" else minus(share), base, work)


def _reverse(source: Source, value: Expr, own: Expr | None, g: Expr, base: str, work: _Work) -> None:
    context: Context = () if source.steps is None else (Running(work.index),)
    inner = Work(base, context, source, work.index, work.carrying, work.shapes, work.parameters, work.layers)
    found = reverse(value, own, g, inner)
    work.reversed[source] = found
    for named in (*found.values, *found.hats):
        work.shapes[named.state] = named.shape
    for state, use in found.uses:
        if state not in work.uses:
            work.waiting.append(state)
        work.uses.setdefault(state, []).append(use)
    for parameter, expr in found.parameters:
        work.of_parameters.setdefault(parameter, []).append((source, expr))


def _states(work: _Work) -> None:
    """Every equation of every state that is used, each once."""
    defining: dict[str, list[int]] = {}
    for number, equation in enumerate(work.system.equations):
        for target in equation.targets:
            defining.setdefault(target.state, []).append(number)
    done: set[int] = set()
    while work.waiting:
        for number in defining.get(work.waiting.pop(0), ()):
            if number not in done:
                done.add(number)
                _equation(number, work.system.equations[number], work)


def _equation(number: int, equation: Equation, work: _Work) -> None:
    source = Source(False, number, work.steps[number])
    hats = [adjoint_read(target) for target in equation.targets]
    base = show_state(equation.targets[0].state, _points(equation.targets[0].context))
    if len(equation.targets) > 1:
        _split(source, equation, hats, work)
        return
    if carries(equation.value, work.carrying):
        target = equation.targets[0]
        _reverse(source, equation.value, Read(target.state, target.context), hats[0], base, work)


def _split(source: Source, equation: Equation, hats: list[Read], work: _Work) -> None:
    """What is split has the adjoints of its parts, one after the other."""
    match equation.value:
        case Apply("split", (value,)) if carries(value, work.carrying):
            base = show_state(equation.targets[0].state, _points(equation.targets[0].context))
            _reverse(source, value, None, op("concat", *hats), base, work)
            found = work.reversed[source]
            work.reversed[source] = replace(found, value=replace(equation.value, args=(found.value,)))
        case _:
            return


def _points(context: Context) -> Context:
    """A context without the running index: the name of what is there over time is that of the state."""
    return tuple(i for i in context if not isinstance(i, Running))


def adjoint_read(target: Target) -> Read:
    """The adjoint of what an equation defines: over time, or bare for a point (`^h_0`)."""
    return Read(hat(show_state(target.state, _points(target.context))), _running(target.context))


def _running(context: Context) -> Context:
    return tuple(i for i in context if isinstance(i, Running))


# --- putting it together -------------------------------------------------------------------------


def _assembled(work: _Work, inputs: Collection[str]) -> Adjoint:
    forward: list[Equation] = []
    backward: list[Equation] = []
    parts: dict[str, Named] = {}
    goals = list(work.system.goals)
    targets: dict[str, list[Target]] = {}
    for number, equation in enumerate(work.system.equations):
        for target in equation.targets:
            targets.setdefault(target.state, []).append(target)
        found = work.reversed.get(Source(False, number, work.steps[number]))
        forward += [] if found is None else _values(found.values, equation, work.steps[number])
        forward.append(equation if found is None else replace(equation, value=found.value))
    for number, goal in enumerate(work.system.goals):
        found = work.reversed.get(Source(True, number, work.goals[number]))
        if found is not None:
            forward += _values(found.values, goal, work.goals[number])
            goals[number] = replace(goal, value=found.value)
    for found in work.reversed.values():
        parts |= {named.state: named for named in (*found.values, *found.hats)}
    for source, found in work.reversed.items():
        origin = work.system.goals[source.number] if source.goal else work.system.equations[source.number]
        backward += _made(found.hats, origin, source.steps)
    for item in (i for i in work.system.inputs if i.state in inputs):
        targets[item.state] = [Target(item.state, (Running(work.index),) if item.indexed else ())]
    for state in targets:
        if state in work.uses or _has_hat(state, work):
            backward += _of_state(state, targets[state], work)
    of_parameters = {name: _gradient(name, found, work) for name, found in work.of_parameters.items()}
    for name in of_parameters:
        work.shapes[hat(name)] = work.parameters[name]
    equations = (*forward, *backward, *of_parameters.values())
    return Adjoint(
        system=replace(work.system, equations=equations, goals=tuple(goals)),
        forward=tuple(forward),
        backward=tuple(backward),
        gradients={name: hat(name) for name in of_parameters},
        shapes=work.shapes,
        parameters=work.parameters,
        uses={state: tuple(found) for state, found in work.uses.items()},
        parameter_uses={name: tuple(found) for name, found in work.of_parameters.items()},
        reversed=work.reversed,
        parts=parts,
        carrying=work.carrying,
        sources=work.system.equations,
        steps=tuple(work.steps),
        goal_steps=tuple(work.goals),
    )


def _has_hat(state: str, work: _Work) -> bool:
    """Whether an output of a split has no use of its own, but stands beside one that has."""
    equations = [work.system.equations[source.number] for source in work.reversed if not source.goal]
    return any(len(e.targets) > 1 and any(t.state == state for t in e.targets) for e in equations)


def _made(named: Sequence[Named], origin: Equation | Goal, steps: Steps | None) -> list[Equation]:
    group = origin.group if isinstance(origin, Equation) else ()
    made = []
    for each in named:
        target = Target(each.state, each.context)
        made.append(Equation((target,), each.value, group, origin.line, span=origin.span))
        made += _from_its_first_step(made[-1], steps)
    return made


def _values(named: Sequence[Named], origin: Equation | Goal, steps: Steps | None) -> list[Equation]:
    """Values of parts hold where what they read is there; only one that reads nothing over time is told where."""
    return [e for n in named for e in _made((n,), origin, None if runs(n.value) else steps)]


def _from_its_first_step(equation: Equation, steps: Steps | None) -> list[Equation]:
    """An equation that nothing bounds begins at 1; one that has to begin before is 0 before that."""
    (target,) = equation.targets
    if not target.context or steps is None or steps[0] >= 1:
        return []
    before = Target(target.state, (Fixed(steps[0] - 1),))
    return [replace(equation, targets=(before,), value=ZERO)]


def _of_state(state: str, targets: Sequence[Target], work: _Work) -> list[Equation]:
    """The adjoint of a state over time, bare, and at each point that has an equation of its own."""
    given = frozenset(p for t in targets for p in t.context if isinstance(p, Fixed | Last))
    made = []
    for target in targets:
        read = adjoint_read(target)
        work.shapes[read.state] = work.shapes[state]
        place = place_of(target, work.index, work.states.get(state), given)
        terms = [term for use in work.uses.get(state, ()) for term in at(use, place)]
        origin = next((e for e in work.system.equations if target in e.targets), None)
        group, line = (origin.group, origin.line) if origin else ((), 0)
        made.append(Equation((Target(read.state, read.context),), total(terms), group, line))
        made += _from_its_first_step(made[-1], place.steps)
    return made


def place_of(target: Target, index: str, steps: Steps | None, given: frozenset[Point]) -> Place:
    match target.context:
        case ():
            return Place(None, index)
        case (Running() | Fixed() | Last() as point,):
            return Place(point, index, steps, given)
        case context:
            raise AssertionError(f"{context} is not a context of one index")


def _gradient(name: str, found: Sequence[tuple[Source, Expr]], work: _Work) -> Equation:
    terms = [whole(Use((), expr, source), work.index) for source, expr in found]
    return Equation((Target(hat(name)),), op("batch_mean", total(terms)))
