"""The rules of time, demand by demand: what a state is at a step, and where it is not defined.

Examples that share a horizon are computed together, in one `Lane`. A value is undefined where something that it reads
is undefined. An equation holds after its base cases and before what is given at the end, never past T, and from 1
where nothing bounds it. A recurrence that looks ahead ends, all its equations together, at the last step at which what
else it reads is defined; past that it reads zero, or what the program gives there.
"""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, assert_never

import numpy as np

from sqmagic.equations.interpret.demand import Circle, Task, demand
from sqmagic.equations.interpret.layers import STATISTICAL, statistics
from sqmagic.equations.interpret.operators import RULES
from sqmagic.equations.interpret.outline import Formula, Outline, Recurrence, read_runs
from sqmagic.equations.interpret.questions import (
    ArgumentOf,
    AverageOf,
    EndOf,
    GoalOf,
    Owner,
    Question,
    ResultOf,
    Site,
    StatisticsOf,
    ValueOf,
    named,
)
from sqmagic.equations.interpret.rule import Situation
from sqmagic.equations.interpret.values import (
    UNDEFINED,
    Array,
    CannotInterpret,
    Outcome,
    aligned,
    array,
    at_least_scalar,
    number,
    stacked,
)
from sqmagic.equations.show import show_state
from sqmagic.equations.system import (
    Apply,
    Const,
    Expr,
    Fixed,
    Input,
    Last,
    Point,
    Position,
    Range,
    Read,
    Running,
    System,
    Weight,
    pinned,
)


@dataclass(frozen=True, slots=True)
class Lane:
    """Examples computed together: their places in the batch, their horizon and their inputs."""

    examples: tuple[int, ...]
    horizon: int
    inputs: Mapping[str, Array]


Answering: TypeAlias = Generator[Hashable, Any, Outcome]


@dataclass(frozen=True, slots=True)
class Judge:
    """A program with its inputs. `shapes` are those of states, as far as they are known; `known` are all answers."""

    system: System
    outline: Outline
    lanes: tuple[Lane, ...]
    situation: Situation
    shapes: Mapping[str, tuple[int, ...]]
    inputs: Mapping[str, Input]
    known: dict[Hashable, Any] = field(default_factory=dict)

    def ask(self, question: Question) -> Any:
        """The answer to a question. Raises CannotInterpret where a value needs itself."""
        with np.errstate(all="ignore"):
            try:
                return demand(question, self._start, self.known)
            except Circle as circle:
                raise CannotInterpret(f"{named(circle.args[0], self.system)} is defined by itself") from None

    def _start(self, question: Question) -> Task:
        match question:
            case ValueOf():
                return self._value(question)
            case ResultOf():
                return self._result(question)
            case GoalOf():
                return self._goal(question)
            case EndOf():
                return self._end(question)
            case ArgumentOf():
                return self._argument(question)
            case StatisticsOf():
                return self._statistics(question)
            case AverageOf():
                return self._average(question)
            case _:
                assert_never(question)

    def _value(self, question: ValueOf) -> Answering:
        lane, state, at = self.lanes[question.lane], question.state, question.at
        place, step = self.outline.bare.get(state), None
        if at is not None:
            place = self._given(state, at, lane.horizon)
            if place is None:
                place, step = self.outline.running.get(state), at
        if place is None:
            return self._input(lane, state, at)
        outputs = yield ResultOf(question.lane, place[0], step)
        return UNDEFINED if outputs is UNDEFINED else self._shaped(state, outputs[place[1]])

    def _given(self, state: str, at: int, horizon: int) -> tuple[int, int] | None:
        """The equation that gives a state at a point, and which of its outputs."""
        index = self.system.indices[0].name
        given = self.outline.given
        return given.get((state, Fixed(at)), given.get((state, Last(index, at - horizon))))

    def _input(self, lane: Lane, state: str, at: int | None) -> Outcome:
        if state not in lane.inputs:
            return UNDEFINED
        if at is None:
            return lane.inputs[state]
        first = self.inputs[state].first
        assert isinstance(first, Fixed), "the first row of an input is a number"
        row = at - first.value
        return lane.inputs[state][row] if 0 <= row < len(lane.inputs[state]) else UNDEFINED

    def _shaped(self, state: str, value: Array) -> Array:
        """A number where the program means a vector of it, if the shape is known."""
        shape = self.shapes.get(state)
        if shape is None or -1 in shape or value.shape[1:] == shape or any(n != 1 for n in value.shape[1:]):
            return value
        batch = value.shape[0] if value.ndim else 1
        return np.broadcast_to(value.reshape((batch,) + (1,) * len(shape)), (batch, *shape))

    # --- equations and goals ---------------------------------------------------------------------

    def _result(self, question: ResultOf) -> Generator[Hashable, Any, Any]:
        """All outputs of an equation, or UNDEFINED."""
        if question.at is not None and not (yield from self._holds(question.lane, question.equation, question.at)):
            return UNDEFINED
        outputs = yield from self._formula(question.lane, Owner("equation", question.equation), question.at)
        return (outputs,) if isinstance(outputs, np.ndarray) else outputs

    def _goal(self, question: GoalOf) -> Answering:
        """A goal that reads nothing over time, but says `t`, counts at the steps of the window."""
        at, reads = question.at, self.outline.goals[question.goal].must
        if at is not None and not any(map(read_runs, reads)) and not 1 <= at <= self.lanes[question.lane].horizon:
            return UNDEFINED
        value: Outcome = yield from self._formula(question.lane, Owner("goal", question.goal), at)
        return value

    def _holds(self, lane: int, equation: int, at: int) -> Generator[Hashable, Any, bool]:
        """Whether an equation is there at a step, apart from what it reads."""
        facts, horizon = self.outline, self.lanes[lane].horizon
        if not facts.lowest <= at <= horizon or (equation in facts.unbounded and at < 1):
            return False
        if equation in facts.after and at <= facts.after[equation]:
            return False
        if equation in facts.before and at >= horizon + facts.before[equation]:
            return False
        if equation in facts.ahead:
            end = yield EndOf(lane, facts.ahead[equation].number)
            return end is not None and at <= end
        return True

    def _of(self, owner: Owner) -> tuple[Formula, Recurrence | None, Situation]:
        """An equation's or goal's formula, the recurrence ahead that it is part of, and what its operators may know."""
        if owner.kind == "goal":
            return self.outline.goals[owner.number], None, self.situation
        outputs = len(self.system.equations[owner.number].targets)
        formula, recurrence = self.outline.equations[owner.number], self.outline.ahead.get(owner.number)
        return formula, recurrence, replace(self.situation, outputs=outputs)

    def _formula(self, lane: int, owner: Owner, at: int | None) -> Generator[Hashable, Any, Any]:
        """The value of an equation or goal at a step, UNDEFINED if something that it reads is."""
        formula, recurrence, situation = self._of(owner)
        values = yield from self._reads(lane, formula, at, recurrence)
        if values is None:
            return UNDEFINED
        return (yield from self._compute(lane, formula, at, values, owner, situation))

    def _compute(
        self,
        lane: int,
        formula: Formula,
        at: int | None,
        values: Mapping[Read, Array],
        owner: Owner,
        situation: Situation,
    ) -> Generator[Hashable, Any, Any]:
        situation = replace(situation, batch=len(self.lanes[lane].examples))
        stack: list[Any] = []
        for node in formula.nodes:
            match node:
                case Const(value):
                    stack.append(number(value))
                case Read():
                    stack.append(values[node])
                case Weight(parameter):
                    stack.append(self._weight(parameter))
                case Position(point):
                    stack.append(number(self._place(point, at, lane)))
                case Apply("batch_mean"):
                    stack.append((yield AverageOf(Site(owner, node), at)))
                case Apply("during" | "window_sum"):
                    taken = len(stack) - len(node.args) + 1
                    steps = [int(x) for x in stack[taken:]]
                    stack[taken:] = [(yield from self._on_demand(lane, node, steps, at, owner))]
                case Apply(op, args):
                    known = situation
                    if op in STATISTICAL and situation.training:
                        here = Site(owner, node)
                        together = self._together(here, at)
                        inside = together is not None or at is None or 1 <= at <= self.lanes[lane].horizon
                        known = replace(known, statistics=(yield StatisticsOf(here, together)), counted=inside)
                    taken = len(stack) - len(args)
                    given = RULES[op](node, tuple(stack[taken:]), known)
                    stack[taken:] = [given if isinstance(given, tuple) else array(given)]
                case _:
                    assert_never(node)
            if stack[-1] is UNDEFINED:
                return UNDEFINED
        (result,) = stack
        return result

    def _on_demand(self, lane: int, node: Apply, steps: list[int], at: int | None, owner: Owner) -> Answering:
        """A sum over steps, or a value where it is wanted."""
        if node.op == "during":
            first, last = (node.attribute(name, "") for name in ("first", "last"))
            horizon = self.lanes[lane].horizon
            if (first != "" and steps[0] < int(first)) or (last != "" and steps[0] > horizon + int(last)):
                return number(0.0)
            return (yield from self._within(lane, node.args[0], at, owner))
        total, index = number(0.0), str(node.attribute("index", "t"))
        for step in range(steps[0], steps[1] + 1):
            value = yield from self._within(lane, pinned(node.args[0], index, Fixed(step)), at, owner)
            if value is UNDEFINED:
                return UNDEFINED
            total = array(np.add(*aligned(total, value)))
        return total

    def _within(self, lane: int, expr: Expr, at: int | None, owner: Owner) -> Answering:
        """A part of an equation or goal, by itself."""
        _, recurrence, situation = self._of(owner)
        formula = Formula.of(expr)
        values = yield from self._reads(lane, formula, at, recurrence)
        if values is None:
            return UNDEFINED
        result: Outcome = yield from self._compute(lane, formula, at, values, owner, situation)
        return result

    def _weight(self, parameter: str) -> Array:
        if parameter not in self.situation.parameters:
            raise CannotInterpret(f"the parameter {parameter} is not given")
        return self.situation.parameters[parameter][None]

    # --- reads -----------------------------------------------------------------------------------

    def _reads(
        self, lane: int, formula: Formula, at: int | None, recurrence: Recurrence | None
    ) -> Generator[Hashable, Any, dict[Read, Array] | None]:
        """The values of all reads, or None where one is undefined."""
        values: dict[Read, Array] = {}
        for read in formula.reads:
            value = yield from self._read(lane, read, at, recurrence)
            if value is UNDEFINED:
                return None
            values[read] = value
        return values

    def _read(self, lane: int, read: Read, at: int | None, recurrence: Recurrence | None) -> Answering:
        inner = recurrence if recurrence is not None and recurrence.inside(read) else None
        match read.context:
            case ():
                value: Outcome = yield ValueOf(lane, read.state, None)
                return value
            case (Range(first, last),):
                rows = []
                for index in range(self._place(first, at, lane), self._place(last, at, lane) + 1):
                    row = yield from self._at(lane, read.state, index, inner)
                    if row is UNDEFINED:
                        return UNDEFINED
                    rows.append(row)
                return stacked(rows) if rows else UNDEFINED
            case (Running() | Fixed() | Last() as point,):
                return (yield from self._at(lane, read.state, self._place(point, at, lane), inner))
            case _:
                raise CannotInterpret(f"`{show_state(read.state, read.context)}` has two indices")

    def _at(self, lane: int, state: str, index: int, recurrence: Recurrence | None) -> Answering:
        """A state at an index; past the end of the recurrence that reads it, zero unless the program gives it there."""
        if recurrence is not None and self._given(state, index, self.lanes[lane].horizon) is None:
            end = yield EndOf(lane, recurrence.number)
            if end is not None and index > end:
                return self._shaped(state, number(0.0))
        value: Outcome = yield ValueOf(lane, state, index)
        return value

    def _place(self, point: Point, at: int | None, lane: int) -> int:
        """The number of a point."""
        match point:
            case Running(_, offset):
                assert at is not None, "what runs is asked for at a step"
                return at + offset
            case Fixed(value):
                return value
            case Last(_, offset):
                return self.lanes[lane].horizon + offset
            case _:
                assert_never(point)

    # --- recurrences that look ahead -------------------------------------------------------------

    def _end(self, question: EndOf) -> Generator[Hashable, Any, int | None]:
        recurrence = self.outline.ahead[question.recurrence]
        for at in range(self.lanes[question.lane].horizon, self.outline.lowest - 1, -1):
            if (yield from self._open(question.lane, recurrence, at)):
                return at
        return None

    def _open(self, lane: int, recurrence: Recurrence, at: int) -> Generator[Hashable, Any, bool]:
        """Whether all is there at a step that a recurrence reads beside itself."""
        for number_ in recurrence.equations:
            before = self.outline.before.get(number_)
            if before is not None and at >= self.lanes[lane].horizon + before:
                return False
            for read in self.outline.equations[number_].reads:
                if not recurrence.inside(read):
                    if (yield from self._read(lane, read, at, None)) is UNDEFINED:
                        return False
                elif any(
                    isinstance(i, Range) and self._place(i.first, at, lane) > self._place(i.last, at, lane)
                    for i in read.context
                ):
                    return False
        return True

    # --- batch_norm in training ------------------------------------------------------------------

    def _together(self, site: Site, at: int | None) -> int | None:
        """The step whose statistics are used: the one itself within a recurrence, None for the whole window."""
        owner, node = site.owner, site.node
        return at if owner.kind == "equation" and (node.layer, node.args[-1]) in self.outline.normalised else None

    def _statistics(self, question: StatisticsOf) -> Generator[Hashable, Any, tuple[Array, ...]]:
        """Over the examples, and outside recurrences over the steps 1 to T of each."""
        *adjoint, x = range(len(question.site.node.args))
        values = [(yield from self._all_of(question.site, question.at, x, 1))]
        for argument in (*adjoint, x) if adjoint else ():
            values.append((yield from self._all_of(question.site, question.at, argument, self.outline.lowest)))
        return statistics(*values)

    def _all_of(self, site: Site, at: int | None, argument: int, first: int) -> Generator[Hashable, Any, Array]:
        """An argument for all examples, at one step or at all from the first."""
        values = []
        for number_, lane in enumerate(self.lanes):
            steps: Iterable[int | None] = (at,)
            if at is None and self._of(site.owner)[0].runs:
                steps = range(first, lane.horizon + 1)
            for step in steps:
                value = yield ArgumentOf(number_, site, step, argument)
                if value is not UNDEFINED:
                    values.append(np.broadcast_to(value, (len(lane.examples), *value.shape[1:])))
        return np.concatenate(values)

    def _average(self, question: AverageOf) -> Answering:
        """Over the examples of all lanes; UNDEFINED where none has a value."""
        values = []
        for number_, lane in enumerate(self.lanes):
            value = yield ArgumentOf(number_, question.site, question.at)
            if value is not UNDEFINED:
                full = at_least_scalar(value)
                values.append(np.broadcast_to(full, (len(lane.examples), *full.shape[1:])))
        return np.concatenate(values).mean(axis=0, keepdims=True) if values else UNDEFINED

    def _argument(self, question: ArgumentOf) -> Answering:
        """UNDEFINED where the equation or goal is."""
        lane, owner, at = question.lane, question.site.owner, question.at
        if owner.kind == "equation" and at is not None and not (yield from self._holds(lane, owner.number, at)):
            return UNDEFINED
        formula, recurrence, _ = self._of(owner)
        if (yield from self._reads(lane, formula, at, recurrence)) is None:
            return UNDEFINED
        return (yield from self._within(lane, question.site.node.args[question.argument], at, owner))
