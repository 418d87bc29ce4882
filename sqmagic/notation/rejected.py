"""How the steps of parsing hand a problem up to the one place that collects them."""

from __future__ import annotations

from sqmagic.notation.problems import Problem


class Rejected(Exception):
    """A statement is wrong for a reason that is already put in words."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem)
