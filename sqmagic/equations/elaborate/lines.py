"""What the rules of elaboration work on: the program as lines, and what the kernel brings along."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Span
from sqmagic.notation.syntax import Macro, Statement


@dataclass(frozen=True, slots=True)
class Line:
    """A statement on its way from what was written to single assignments.

    `span` is the place of the user's statement it comes from, `group` the path of macro instances, and `rules`
    the names of the rules that made or changed it, in order.
    """

    statement: Statement
    span: Span
    group: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    def by(self, rule: str, statement: Statement) -> Line:
        """The line as the rule leaves it; unchanged statements are not marked."""
        if statement == self.statement:
            return self
        return Line(statement, self.span, self.group, self.rules + (() if rule in self.rules else (rule,)))


@dataclass(frozen=True, slots=True)
class World:
    """What a program must know of the environment that it is bound to: what it shows at a step and what it takes.

    `shape` is that of an observation, `values` how many a whole number has that is observed (0: real numbers);
    `actions` is how many actions there are to choose from, 0 where an action is real numbers, of `action_shape`.
    """

    name: str
    shape: tuple[int, ...]
    values: int
    actions: int
    action_shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a program may take from outside: macros of earlier cells, names of torch modules, integers for sizes, and
    the environment that it is bound to. `tensors` are the shapes of those there, which no program takes by itself."""

    macros: Mapping[str, Macro] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()
    integers: Mapping[str, int] = field(default_factory=dict)
    world: World | None = None
    tensors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule gives: the lines it leaves, and what it found wrong. A faulty line is left out."""

    lines: tuple[Line, ...]
    problems: tuple[Problem, ...] = ()


class Fault(Exception):
    """A line cannot be elaborated: the problem with it, on its way to the rule that gathers problems."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem
