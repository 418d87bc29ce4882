"""Time lints and other likely slips: warnings over dependences, never over a particular text.

Each rule is a generator over the System; each warning says why, with a small numeric example.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sqmagic.equations.lints.actions import drawn_by_no_probability, reaches_no_step, unsampled
from sqmagic.equations.lints.data import data_like_a_bias, data_like_a_weight
from sqmagic.equations.lints.facts import Facts, read_facts
from sqmagic.equations.lints.limits import over_limits as over_limits
from sqmagic.equations.lints.memory import carried_over, half_gate
from sqmagic.equations.lints.ranges import pooled_over_components, sliced_by_rows
from sqmagic.equations.lints.spelling import function_in_capitals, primed
from sqmagic.equations.lints.targets import bootstraps_across_done, looks_back, without_discount
from sqmagic.equations.lints.weights import mixed_objective, weighs_the_past
from sqmagic.equations.system import System
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source

Rule = Callable[[System, Facts, Source], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    looks_back,
    bootstraps_across_done,
    weighs_the_past,
    mixed_objective,
    carried_over,
    half_gate,
    unsampled,
    reaches_no_step,
    drawn_by_no_probability,
    without_discount,
    data_like_a_weight,
    data_like_a_bias,
    function_in_capitals,
    primed,
    pooled_over_components,
    sliced_by_rows,
)


def lints(system: System, source: Source) -> tuple[Problem, ...]:
    facts = read_facts(system)
    return tuple(problem for rule in RULES for problem in rule(system, facts, source))
