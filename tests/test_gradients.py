"""Every way of running a program against torch.autograd of the judge unrolled: all values, all derivatives.

The ways are compiled kernels, torch code rewritten, and torch code as written (`ways`). In double precision they agree
to 1e-10; in single precision none is further from the exact values than twice what plain torch is, step by step. What
is not finite, wherever it stands, comes out where the code as written has it. Generated programs are the same in each
run, so that what is compiled for them is found again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import cycle

import pytest
import torch
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import given as for_all
from mutants import SEED, program
from programs import ENDS, IN_LOOPS, PROGRAMS, RANGES
from systems import Example, examples
from test_kernels import CELLS
from torch import Tensor
from ways import Computed, Subject, Way, by_code, error, of_example, of_system, of_text, unrolled

from sqmagic.equations.ops import OPS

GOLDEN = (*SEED, "gru_inline", "gru_macro", "rnn_feedforward", "a2c", "a2c_gae")
"""The programs of the seed that are right."""

CASES = [
    *(f"seed {name}" for name in GOLDEN),
    *(f"cell {name}" for name in CELLS),
    *PROGRAMS,
    *IN_LOOPS,
    *ENDS,
    *RANGES,
]
NOT_FINITE = (torch.nan, torch.inf, -torch.inf)
ROUNDING = 2.0**-21
"""Four roundings in single precision: what chance may add to an error."""


@cache
def subject(case: str) -> Subject:
    kind, _, name = case.partition(" ")
    if kind == "seed":
        return of_system(program(name)).single()
    known = {**PROGRAMS, **IN_LOOPS, **ENDS, **RANGES}
    text = known[case] if case in known else CELLS[name].format(inputs=3, width=7)
    return of_text(text, seed=1).single()


def same(made: Subject, way: Way) -> Computed:
    """The exact values of what a way gives, which it must be."""
    found = by_code(made, way)
    exact = unrolled(made, way, found)
    for part, expected in ((found.states, exact.states), (found.gradients, exact.gradients)):
        for name, value in expected.items():
            assert error(part[name], value) <= 1e-10, f"{way.name}: {name}"
    assert all(bound.report.path == "C" for bound in way.bounds)
    return exact


def inexactness(found: Computed, exact: Computed) -> float:
    """How far all derivatives are from the exact ones, each relative to its own length."""
    parts = [(found.gradients[n].double() - v).norm() / v.norm() for n, v in exact.gradients.items() if v.norm() > 0]
    return float(torch.stack(parts).norm()) if parts else 0.0


def as_exact(made: Subject, way: Way, exact: Computed) -> tuple[float, float]:
    """In single precision the error of a way, and that of the judge unrolled; the first not over twice the second. Of a
    sum that nearly is 0 either may be exact by chance: then they are compared at several points close by."""
    own, plain = _errors(made, way, exact)
    if own > 2 * plain + ROUNDING:
        near = [made.moved(seed).single() for seed in range(8)]
        each = [_errors(other, way, same(other, way)) for other in near]
        own, plain = (float(torch.tensor([e[n] for e in each]).square().mean().sqrt()) for n in (0, 1))
    assert own <= 2 * plain + ROUNDING, f"{way.name}: {own:.1e}, by plain torch {plain:.1e}"
    return own, plain


def _errors(made: Subject, way: Way, exact: Computed) -> tuple[float, float]:
    found = by_code(made, way, torch.float32)
    return inexactness(found, exact), inexactness(unrolled(made, way, found, torch.float32), exact)


@pytest.mark.parametrize("case", CASES)
def test_a_program_has_the_derivatives_of_the_judge_unrolled(case: str) -> None:
    made = subject(case)
    for way in made.ways:
        as_exact(made, way, same(made, way))


@cache
def generated() -> tuple[Example, ...]:
    """200 programs, the same in each run."""
    found: list[Example] = []

    @seed(1)
    @settings(max_examples=200, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
    @for_all(examples())
    def collect(example: Example) -> None:
        found.append(example)

    collect()
    return tuple(found)


def test_200_generated_programs_have_the_derivatives_of_the_judge_unrolled() -> None:
    """As many as there are ways of them; and over all of them no way errs twice as much as plain torch."""
    errors: dict[str, list[tuple[float, float]]] = {"kernels": [], "rewritten": [], "as written": []}
    by_kernels = 0
    for example in generated():
        made = of_example(example).single()
        for way in made.ways:
            exact = same(made, way)
            by_kernels += way.name == "kernels"
            if way.name != "kernels" or by_kernels <= 6:  # all of them also for single precision: compiling takes long
                errors[way.name].append(as_exact(made, way, exact))
    assert len(generated()) == 200
    assert by_kernels > 20
    for name, found in errors.items():
        own, plain = (sum(each[n] ** 2 for each in found) ** 0.5 for n in (0, 1))
        assert own <= 2 * plain, name


# --- what is not finite --------------------------------------------------------------------------


def spoilt(made: Subject, first: int = 0) -> Iterator[tuple[str, Subject]]:
    """The program with one number that is not finite in an input or in a parameter, for each of them."""
    random = torch.Generator().manual_seed(7)
    bad = cycle(NOT_FINITE[first:] + NOT_FINITE[:first])

    def with_one(value: Tensor) -> Tensor:
        other = value.clone()
        other.view(-1)[int(torch.randint(value.numel(), (), generator=random))] = next(bad)
        return other

    for name, value in made.inputs.items():
        if name not in made.shapes.integers and value.numel():
            yield name, replace(made, inputs={**made.inputs, name: with_one(value)})
    for name, value in made.parameters.items():
        yield name, replace(made, parameters={**made.parameters, name: with_one(value)})


def kinds(value: Tensor) -> Tensor:
    """0 for a number, 2 for NaN, and the sign of what is infinite."""
    return torch.where(value.isnan(), 2.0, torch.where(value.isinf(), value.sign(), 0.0))


def comes_out_alike(made: Subject, first: int = 0) -> None:
    for place, other in spoilt(made, first) if len(made.ways) > 1 else ():
        for way in made.ways[1:]:
            found = by_code(other, way)
            want = by_code(other, made.ways[0], only=found.states.keys())
            for part, expected in ((found.states, want.states), (found.gradients, want.gradients)):
                for name, value in part.items():
                    assert torch.equal(kinds(value), kinds(expected[name])), f"{way.name}: {name}, spoilt by {place}"
            assert all(bound.report.path == "C" for bound in way.bounds)


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_finite_comes_out_where_the_code_as_written_has_it(case: str) -> None:
    for first in range(len(NOT_FINITE)):
        comes_out_alike(subject(case), first)


def test_what_is_not_finite_comes_out_alike_in_generated_programs() -> None:
    for number, example in enumerate(generated()):
        comes_out_alike(of_example(example), number % 3)


# --- the judge unrolled itself -------------------------------------------------------------------


def test_the_judge_unrolled_knows_every_function() -> None:
    from unrolled import RULES

    left_out = {"module"} | {name for name, row in OPS.items() if row.effect}
    assert set(RULES) == set(OPS) - left_out


KINKS = """
x_t : 3
b : param(3)
b -> h_0
h_{t-1}*0.5 + norm(h_{t-1})*x_t + max(h_{t-1}, 0)*x_t + clip(h_{t-1}, 0, 1)*x_t + abs(h_{t-1})*x_t -> a_t
max(a_t, x_t*h_{t-1}) + relu(h_{t-1}) + min(h_{t-1}, 0)*x_t -> h_t
"""


def test_at_a_kink_every_way_has_the_slope_of_the_code_as_written() -> None:
    made = of_text(KINKS)
    made = replace(made, parameters={"b": torch.zeros(3, dtype=torch.float64)})
    assert [way.name for way in made.ways] == ["as written", "kernels"]
    found = by_code(made, made.ways[1])
    want = by_code(made, made.ways[0], only=found.states.keys())
    assert all(error(found.gradients[name], value) <= 1e-10 for name, value in want.gradients.items())


HIDDEN = """
x_t : 3
y_t : 3
0 -> h_0
max(x_t, y_t) -> a_t
h_{t-1}*clip(x_t, -0.5, 0.5) + max(h_{t-1}, a_t) -> h_t
"""


def test_what_is_not_finite_reaches_no_operand_that_has_no_part_in_a_value() -> None:
    """The larger of two alone has a slope: the other is 0 though what comes back is NaN."""
    made = of_text(HIDDEN)
    x = made.inputs["x"].clone()
    x[2, 1] = torch.inf
    comes_out_alike(made)
    made = replace(made, inputs={**made.inputs, "x": x})
    found = by_code(made, made.ways[-1])
    want = by_code(made, made.ways[0], only=found.states.keys())
    for name, value in want.gradients.items():
        assert torch.equal(kinds(found.gradients[name]), kinds(value)), name


def test_what_is_not_finite_reaches_nothing_through_a_condition() -> None:
    made = of_text("x_t : 1\nw : param(1)\nw -> h_0\nsigmoid(h_{t-1}*0.6 + where(x_t*w, h_{t-1}, 1)) -> h_t")
    x = made.inputs["x"].clone()
    x[0, 1] = -torch.inf
    made = replace(made, inputs={"x": x})
    found = by_code(made, made.ways[-1])
    want = by_code(made, made.ways[0], only=found.states.keys())
    assert bool(want.gradients["w"].isfinite().all())
    assert all(torch.equal(kinds(found.gradients[name]), kinds(value)) for name, value in want.gradients.items())
