"""What a program computes on given inputs: the face of the judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sqmagic.equations.interpret.judge import Judge
from sqmagic.equations.interpret.outline import Formula
from sqmagic.equations.interpret.questions import GoalOf, Question, ResultOf, ValueOf
from sqmagic.equations.interpret.values import UNDEFINED, Array, CannotInterpret, Outcome, at_least_scalar, in_rows
from sqmagic.equations.ops import has_effect
from sqmagic.equations.show import show_goal
from sqmagic.equations.system import Running, points


@dataclass(frozen=True, slots=True)
class Run:
    """A program with its inputs; nothing but effects is computed before it is asked for, and everything once.

    `horizon` is T, the longest of the examples' where these differ, and 0 where nothing runs.
    """

    judge: Judge
    horizon: int
    batch: int

    def value(self, state: str, at: int | None = None) -> Outcome:
        """A state at an index, or a bare one: `[batch, *shape]`, or UNDEFINED.

        Of examples with horizons of their own, those that are not defined there are NaN; UNDEFINED if none is.
        """
        self._check_name(state)
        return self._gathered([ValueOf(n, state, at) for n in range(len(self.judge.lanes))])

    def states(self) -> dict[str, Array]:
        """Every state by name: `[T, batch, *shape]`, rows 1 to T, NaN outside its domain; a bare one `[batch, *shape]`.

        Where a step has more components than another, the latter has NaN for the rest. A state that is defined nowhere
        (an input that it needs was not given) is left out.
        """
        outline = self.judge.outline
        indexed = [i.state for i in self.judge.system.inputs if i.indexed] + list(outline.running)
        bare = [i.state for i in self.judge.system.inputs if not i.indexed] + list(outline.bare)
        found: dict[str, Array] = {}
        for state in bare:
            value = self.value(state)
            if value is not UNDEFINED:
                found[state] = value
        for state in indexed:
            rows = [self.value(state, t) for t in range(1, self.horizon + 1)]
            if any(row is not UNDEFINED for row in rows):
                found[state] = in_rows(rows)
        return found

    def goal_value(self, number: int, at: int | None = None) -> Outcome:
        """The scalar of a goal (by number) at a step, or of one that does not run: `[batch, 1]`, or UNDEFINED."""
        return self._gathered([GoalOf(n, number, at) for n in range(len(self.judge.lanes))])

    def goal(self, number: int) -> float:
        """The mean of a goal over the steps of its domain and the examples; each step of each example counts alike.

        Raises CannotInterpret if it is defined at no step.
        """
        formula = self.judge.outline.goals[number]
        total, count = 0.0, 0
        for n, lane in enumerate(self.judge.lanes):
            for at in self._steps(formula, lane.horizon) if formula.runs else (None,):
                value = self.judge.ask(GoalOf(n, number, at))
                if value is not UNDEFINED:
                    total += float(_of_each(value, len(lane.examples)).sum())
                    count += len(lane.examples)
        if not count:
            raise CannotInterpret(f"`{show_goal(self.judge.system.goals[number])}` is defined at no step")
        return total / count

    def _steps(self, formula: Formula, horizon: int) -> range:
        """Every step at which a goal may be defined; goals are not held to the window by a step of their own."""
        offsets = [p.offset for r in formula.reads for i in r.context for p in points(i) if isinstance(p, Running)]
        return range(self.judge.outline.lowest - max([0, *offsets]), horizon - min([0, *offsets]) + 1)

    def loss(self) -> float:
        """The sum of the losses minus the sum of the objectives, each with its own mean (NOTATION.md, B.4)."""
        signs = [-1.0 if goal.kind == "objective" else 1.0 for goal in self.judge.system.goals]
        return sum(sign * self.goal(number) for number, sign in enumerate(signs))

    def _gathered(self, questions: list[Question]) -> Outcome:
        """The answers for all examples, each in its place."""
        answers = [self.judge.ask(question) for question in questions]
        shapes = [at_least_scalar(a).shape[1:] for a in answers if a is not UNDEFINED]
        if not shapes:
            return UNDEFINED
        whole = np.full((self.batch, *map(max, zip(*shapes, strict=True))), np.nan)
        for lane, answer in zip(self.judge.lanes, answers, strict=True):
            if answer is not UNDEFINED:
                own = at_least_scalar(answer)
                own = np.broadcast_to(own, (len(lane.examples), *own.shape[1:]))
                for example, value in zip(lane.examples, own, strict=True):
                    whole[example][tuple(map(slice, value.shape))] = value
        return whole

    def _check_name(self, state: str) -> None:
        outline = self.judge.outline
        names = {*self.judge.inputs, *outline.bare, *outline.running, *(given for given, _ in outline.given)}
        if state not in names:
            raise CannotInterpret(f"there is no state `{state}`")


def _of_each(value: Array, batch: int) -> Array:
    """One number for each example."""
    flat = at_least_scalar(value)
    return np.broadcast_to(flat.reshape(len(flat), -1).mean(axis=1), (batch,))


def run_effects(judge: Judge) -> None:
    """Runs every effect once: those that stand still first, then step by step, within a step in program order.

    What an effect needs is computed for it, an effect that comes after it in the program included.
    """
    system = judge.system
    acting = [n for n, equation in enumerate(system.equations) if has_effect(equation.value)]
    still = [n for n in acting if not runs_over_time(judge, n)]
    for lane, each in enumerate(judge.lanes):
        for number in still:
            judge.ask(ResultOf(lane, number, None))
        for at in range(judge.outline.lowest, each.horizon + 1) if len(acting) > len(still) else ():
            for number in acting:
                if number not in still:
                    judge.ask(ResultOf(lane, number, at))


def runs_over_time(judge: Judge, number: int) -> bool:
    """Whether an equation holds at every step. One without outputs does where there is a running index at all."""
    targets = judge.system.equations[number].targets
    if not targets:
        return bool(judge.system.indices)
    return any(isinstance(index, Running) for target in targets for index in target.context)
