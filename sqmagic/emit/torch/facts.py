"""What the emitter knows of a program before it writes a line.

The rows of a state over time are one tensor, its first row at index `stored.first` and its last at T + `stored.last`:
the steps that its equation gives and, where they adjoin, its base cases before and its end cases after.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqmagic.emit.torch.code import Shape
from sqmagic.emit.torch.layers import owners
from sqmagic.emit.torch.names import variables
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Context, Fixed, Index, Input, Last, Range, System, points, reads
from sqmagic.schedule.domains import Domains, Interval
from sqmagic.schedule.plan.scans import numbers_among

SAMPLE = "self._sample"
"""Where there is neither input nor parameter, an empty tensor that goes with the module says dtype and device."""


@dataclass(frozen=True, slots=True)
class Facts:
    """`computed` are the steps that a state's equation gives, `stored` all its rows. `numbers` are bare states that are
    Python numbers (`gamma`), `integers` inputs of whole numbers, `optional` inputs that no prediction needs, `needs`
    which of them a state is made from, `given` the points that have equations of their own. `like` is a tensor of the
    right dtype and device. `masked` says that examples may end before the window. `made` are names that rules have
    given, which no result shows; `weights` those of them that parameters alone make, the same for all examples.
    `readers` are the numbers of the equations that read a state, and None for a goal.
    """

    system: System
    shapes: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    variables: Mapping[tuple[str, Context], str]
    owners: Mapping[str, str]
    computed: Mapping[str, Interval]
    stored: Mapping[str, Interval]
    goals: tuple[Interval | None, ...]
    numbers: frozenset[str]
    integers: frozenset[str]
    optional: frozenset[str]
    needs: Mapping[str, frozenset[str]]
    given: frozenset[tuple[str, Context]]
    like: str
    masked: bool
    made: frozenset[str]
    weights: frozenset[str]
    readers: Mapping[str, frozenset[int | None]]

    def name(self, state: str, context: Context = ()) -> str:
        return self.variables[state, context]


def gather(
    system: System, shapes: Shapes, domains: Domains, made: frozenset[str] = frozenset(), *, recorded: bool = False
) -> Facts:
    """The facts. Of what was `recorded` every input is there, and every example is as long as the window."""
    numbers = frozenset(s for s in numbers_among(system) if shapes.states[s] == (1,))
    names = variables(system)
    computed = _computed(system, domains)
    optional = frozenset() if recorded else optional_inputs(system)
    return Facts(
        system=system,
        shapes=shapes.states,
        parameters=shapes.parameters,
        variables=names,
        owners=owners(system.layers),
        computed=computed,
        stored={i.state: _rows(i) for i in system.inputs if i.indexed} | {s: domains.rows(s) for s in computed},
        goals=domains.goals,
        numbers=numbers,
        integers=frozenset(i.state for i in system.inputs if i.state in shapes.integers),
        optional=optional,
        needs=_needs(system, optional),
        given=frozenset((t.state, t.context) for e in system.equations for t in e.targets if fixed(t.context)),
        like=_like(system, names, optional, shapes.integers),
        masked=not recorded and bool(system.indices) and not to_the_end(system),
        made=made,
        weights=frozenset(_weights(system, made)),
        readers=_readers(system),
    )


def _readers(system: System) -> dict[str, frozenset[int | None]]:
    found: dict[str, set[int | None]] = {}
    exprs = [*((n, e.value) for n, e in enumerate(system.equations)), *((None, g.value) for g in system.goals)]
    for number, expr in exprs:
        for read in reads(expr):
            found.setdefault(read.state, set()).add(number)
    return {state: frozenset(numbers) for state, numbers in found.items()}


def _weights(system: System, made: frozenset[str]) -> set[str]:
    """Names that parameters alone make."""
    found: set[str] = set()
    for equation in system.equations:
        (state, *_) = [t.state for t in equation.targets] or [""]
        if state in made and not equation.targets[0].context and all(r.state in found for r in reads(equation.value)):
            found.add(state)
    return found


def fixed(context: Context) -> bool:
    """Whether a context is a point of a sequence: `h_0`, `G_T`."""
    return bool(context) and all(isinstance(i, Fixed | Last) for i in context)


def to_the_end(system: System) -> bool:
    """Whether something reads a range up to T, which is not one range for examples of different lengths."""
    exprs = [e.value for e in system.equations] + [g.value for g in system.goals]
    return any(isinstance(i, Range) and isinstance(i.last, Last) for e in exprs for r in reads(e) for i in r.context)


def optional_inputs(system: System) -> frozenset[str]:
    """Inputs that no prediction needs: a program is computed without them, as far as it goes."""
    if not system.goals:
        return frozenset()
    needed = closure(system, (r.state for g in system.goals for r in g.through))
    return frozenset(i.state for i in system.inputs) - needed


def closure(system: System, states: Iterable[str]) -> frozenset[str]:
    """These states and all that they are made from."""
    sources: dict[str, set[str]] = {}
    for equation in system.equations:
        for target in equation.targets:
            sources.setdefault(target.state, set()).update(r.state for r in reads(equation.value))
    found: set[str] = set()
    stack = list(states)
    while stack:
        state = stack.pop()
        if state not in found:
            found.add(state)
            stack.extend(sources.get(state, ()))
    return frozenset(found)


def least_steps(facts: Facts) -> int:
    """How many steps there must be so that every point that is read (`x_3`, `h_{T-1}`) is there."""
    least = 1
    exprs = [e.value for e in facts.system.equations] + [g.value for g in facts.system.goals]
    for read in (r for e in exprs for r in reads(e)):
        for point in (p for i in read.context for p in points(i)):
            match point:
                case Fixed(value) if not isinstance(read.context[0], Range) or fixed_range(read.context[0]):
                    least = max(least, value if (read.state, read.context) not in facts.given else 1)
                case Last(_, offset) if (read.state, read.context) not in facts.given:
                    least = max(least, facts.stored[read.state].first - offset)
    return least


def fixed_range(index: Index) -> bool:
    """`x_{1:3}`: a range that needs all its rows, whatever t is."""
    return isinstance(index, Range) and isinstance(index.first, Fixed) and isinstance(index.last, Fixed)


def _needs(system: System, optional: frozenset[str]) -> dict[str, frozenset[str]]:
    """For each state that is made from optional inputs, which."""
    readers: dict[str, set[str]] = {}
    for equation in system.equations:
        for read in reads(equation.value):
            readers.setdefault(read.state, set()).update(t.state for t in equation.targets)
    found: dict[str, frozenset[str]] = {}
    for state in (i.state for i in system.inputs if i.state in optional):
        stack = [state]
        while stack:
            reader = stack.pop()
            if state not in found.get(reader, frozenset()):
                found[reader] = found.get(reader, frozenset()) | {state}
                stack.extend(readers.get(reader, ()))
    return found


def _computed(system: System, domains: Domains) -> dict[str, Interval]:
    """The steps that running equations give, base and end cases apart."""
    found = {}
    for equation in system.equations:
        for target in equation.targets:
            if target.context and not fixed(target.context):
                found[target.state] = domains.states[target.state]
    return found


def _rows(item: Input) -> Interval:
    assert isinstance(item.first, Fixed), "an input's rows begin at a fixed index"
    assert isinstance(item.last, Last), "an input's rows end at T or a constant distance from it"
    return Interval(item.first.value, item.last.offset)


def _like(
    system: System, names: Mapping[tuple[str, Context], str], optional: frozenset[str], integers: frozenset[str]
) -> str:
    """A tensor that says dtype and device: the first input of real numbers, else a parameter."""
    for item in system.inputs:
        if item.state not in integers | optional:
            return names[item.state, ()]
    for layer in system.layers:
        path = owners((layer,))[layer.name]
        if layer.function == "param":
            return path
        if layer.function != "module":
            return f"{path}.weight"
    return SAMPLE


def base_cases(facts: Facts, state: str) -> list[tuple[int, Context]]:
    """The base cases that adjoin a state's equation, by their index."""
    stored, computed = facts.stored[state], facts.computed[state]
    return [(k, (Fixed(k),)) for k in range(stored.first, computed.first)]


def end_cases(facts: Facts, state: str) -> list[tuple[int, Context]]:
    """The end cases that adjoin a state's equation, by their distance from T."""
    stored, computed = facts.stored[state], facts.computed[state]
    index = facts.system.indices[0].name
    return [(k, (Last(index, k),)) for k in range(computed.last + 1, stored.last + 1)]
