"""Where everything is defined: by hand, and against the interpreter, which finds it out by asking."""

from __future__ import annotations

import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from systems import (
    BLOCKS,
    Example,
    at,
    bare,
    dqn,
    end,
    examples,
    fed,
    gae,
    given,
    loss,
    lstm,
    mlp,
    op,
    over,
    system,
)

from sqmagic.equations.interpret import UNDEFINED, interpret
from sqmagic.equations.system import Const, Fixed, Input, Last, Position, Range, Running, System
from sqmagic.schedule.domains import Domains, Interval, domains

STEPS = range(-15, 30)


def found(made: System) -> Domains:
    facts = domains(made)
    assert facts.problems == ()
    return facts


def intervals(made: System) -> dict[str, tuple[int, int]]:
    return {state: (i.first, i.last) for state, i in found(made).states.items()}


# --- by hand -------------------------------------------------------------------------------------


def test_an_equation_holds_where_all_that_it_reads_is_there() -> None:
    made = system(*fed("x"), over("a", op("add", at("x", -1), at("x", 2))), over("b", at("a", 1)))
    assert intervals(made) == {"x": (1, 0), "a": (2, -2), "b": (1, -3)}


def test_no_equation_holds_past_the_window() -> None:
    assert intervals(system(*fed("x"), over("a", at("x", -1))))["a"] == (2, 0)


def test_a_base_case_makes_the_step_after_it_the_first() -> None:
    made = system(
        Input("x", True),
        given("S", 0, 1.0),
        over("S", op("add", at("S", -1), 1)),
        over("O", at("S", -1)),
        over("V", at("O")),
        loss(at("V", -1), at("x")),
    )
    assert intervals(made) == {"x": (1, 0), "S": (1, 0), "O": (1, 0), "V": (1, 0)}
    assert found(made).goals == (Interval(2, 0),)
    assert found(made).bases == {"S": (Fixed(0),)}


def test_what_is_made_from_a_base_case_is_there_before_the_window() -> None:
    made = system(*fed("x"), given("h", 0), over("h", op("add", at("h", -1), at("x"))), over("p", at("h")))
    assert intervals(made)["p"] == (0, 0)


def test_inputs_with_a_row_for_0() -> None:
    made = system(*fed("a", first=0), *fed("x"), over("b", at("a", -1)), over("c", op("mul", at("a", -1), at("x", -1))))
    assert intervals(made) == {"a": (0, 0), "x": (1, 0), "b": (1, 0), "c": (2, 0)}


def test_the_window_bounds_what_nothing_else_bounds() -> None:
    made = system(
        over("c", Const(2.0)),
        over("n", Position(Running("t", 3))),
        over("g", op("mul", 0.9, at("g", 1))),
        given("g", end(1), 1.0),
        over("d", at("c", 1)),
    )
    assert intervals(made) == {"c": (1, 0), "n": (1, 0), "g": (1, 0), "d": (0, -1)}


def test_generalised_advantages() -> None:
    assert intervals(gae().system) == {
        "O": (1, 0),
        "r": (1, 0),
        "d": (1, 0),
        "V": (1, 0),
        "TD": (1, -1),
        "A": (1, -1),
    }
    assert found(gae().system).goals == (Interval(1, -1),)
    assert found(gae().system).horizon == 2


def test_what_is_given_at_the_end_takes_the_place_of_the_equation() -> None:
    made = system(
        *fed("r", "V"),
        given("G", end(), at("V", end())),
        over("G", op("add", at("r"), op("mul", 0.9, at("G", 1)))),
        loss(at("V"), at("G")),
    )
    facts = found(made)
    assert facts.states["G"] == Interval(1, -1)
    assert facts.bases == {"G": (Last("t", 0),)}
    assert facts.goals == (Interval(1, 0),)
    assert facts.horizon == 1


def test_a_recurrence_that_looks_ahead_ends_together() -> None:
    made = system(
        *fed("r", "s"),
        over("n", op("mul", at("A", 1), at("s"))),
        over("A", op("add", at("n"), at("r", 2))),
        over("B", at("A", 1)),
    )
    assert {s: intervals(made)[s] for s in "nAB"} == {"n": (1, -2), "A": (1, -2), "B": (0, -3)}


def test_ranges() -> None:
    def states(first: Fixed | Running, last: Running | Last) -> tuple[int, int]:
        return intervals(system(*fed("x"), over("k", op("mean", at("x", Range(first, last))))))["k"]

    assert states(Fixed(1), Running("t")) == (1, 0)
    assert states(Fixed(1), Running("t", -1)) == (2, 0)
    assert states(Fixed(3), Running("t")) == (3, 0)
    assert states(Running("t", -3), Running("t")) == (4, 0)
    assert states(Running("t", -1), Running("t", 1)) == (2, -1)
    assert states(Running("t"), end()) == (1, 0)
    assert states(Running("t", 1), end()) == (0, -1)
    assert states(Running("t"), end(-2)) == (1, -2)
    assert states(Fixed(1), end()) == (1, 0)


def test_shifts_of_q_learning() -> None:
    assert found(dqn().system).goals == (Interval(1, -1),)
    assert intervals(dqn().system)["a"] == (0, 0)


def test_a_goal_is_the_same_however_it_is_shifted() -> None:
    made = system(*fed("x", "y"), loss(at("x"), at("y")), loss(at("x", -2), at("y", -2)), loss(at("x", 1), at("y", 1)))
    assert found(made).goals == (Interval(1, 0), Interval(3, 2), Interval(0, -1))


def test_a_program_without_time_has_no_domains() -> None:
    facts = found(mlp().system)
    assert (facts.states, facts.goals, facts.equations, facts.horizon) == ({}, (None,), (None, None), 1)


def test_the_least_horizon_follows_from_what_is_read() -> None:
    assert found(system(*fed("x"), over("a", at("x", -5)))).horizon == 6
    assert found(system(*fed("x"), bare("a", at("x", Fixed(4))))).horizon == 4
    assert found(system(*fed("x"), bare("a", at("x", Range(Fixed(3), end(-2)))))).horizon == 5
    assert found(lstm().system).horizon == 1


# --- what is defined nowhere ---------------------------------------------------------------------


def problems(*parts: object) -> list[tuple[str, str]]:
    return [(p.code, p.message) for p in domains(system(*parts)).problems]  # type: ignore[arg-type]


def test_a_point_that_is_not_there() -> None:
    assert problems(*fed("x"), over("a", op("add", at("x"), at("x", Fixed(0))))) == [
        ("SQ405", "`a_t` is defined at no step: `x_0` is read, but the first that is there is `x_1`")
    ]
    assert problems(*fed("x"), bare("a", at("x", end(1)))) == [
        ("SQ405", "`a` is defined at no step: `x_{T+1}` is read, but the last that is there is `x_T`")
    ]


def test_a_range_that_is_not_there() -> None:
    assert problems(*fed("x"), over("k", op("mean", at("x", Range(Fixed(0), Running("t")))))) == [
        ("SQ405", "`k_t` is defined at no step: `x_{0:t}` is read, but the first that is there is `x_1`")
    ]
    assert problems(*fed("x"), over("k", op("mean", at("x", Range(Running("t"), Running("t", -1)))))) == [
        (
            "SQ405",
            "`k_t` is defined at no step: the range of `x_{t:t-1}` does not run from an earlier step to a later one",
        )
    ]


def test_a_recurrence_whose_other_reads_begin_too_late() -> None:
    parts = (*fed("x"), given("h", 0), over("h", op("add", at("h", -1), at("x", -1))))
    assert problems(*parts) == [("SQ405", "`h_1` needs `x_0`, but the first that is there is `x_1`")]
    assert domains(system(*parts)).problems[0].notes == (
        "give `h_1` a value too; or, where the data have a row for index 0, declare that: `x_{0:T} : …`.",
    )
    assert problems(*parts, given("h", 1)) == []


def test_a_recurrence_that_begins_too_late_by_way_of_another_state() -> None:
    parts = (*fed("x"), given("h", 0), over("c", op("add", at("h"), at("x"))), over("h", at("c", -1)))
    assert problems(*parts) == [("SQ405", "`h_1` needs `c_0`, but the first that is there is `c_1`")]


def test_a_gap_beside_a_base_case() -> None:
    parts = (*fed("x"), given("q", 0), over("q", at("x", -1)))
    assert problems(*parts) == [("SQ406", "`q_0` is given, but `q_1` is neither given nor computed")]
    assert problems(*fed("x"), given("q", 0), given("q", -2), over("q", at("x"))) == [
        ("SQ406", "`q_{-2}` is given, but `q_{-1}` is neither given nor computed")
    ]
    assert problems(*fed("r"), given("G", end()), over("G", op("add", at("G", 1), at("r", 3)))) == [
        ("SQ406", "`G_T` is given, but what is computed ends at `G_{T-3}`")
    ]


def test_a_gap_that_a_recurrence_reads_past_the_end() -> None:
    (problem,) = domains(system(*fed("r"), given("G", end(2)), over("G", op("add", at("G", 2), at("r"))))).problems
    assert (problem.code, problem.severity) == ("SQ406", "error")
    assert problem.message == "`G_{T+2}` is given, but `G_{T+1}` is neither given nor computed"
    assert problem.before == "0 -> G_{T+1}"
    assert problems(*fed("r"), given("G", end(1)), over("G", op("add", at("G", 2), at("r")))) == []


def test_a_value_at_the_end_that_nothing_reaches_is_warned_of() -> None:
    (problem,) = domains(gae(given("A", end(1))).system).problems
    assert (problem.code, problem.severity) == ("SQ408", "warning")
    assert problem.message == "`A_{T+1}` is given, but what is computed ends at `A_{T-1}`"


def test_what_depends_on_a_problem_is_left_out_and_reported_once() -> None:
    made = system(
        *fed("x"),
        over("a", op("add", at("x"), at("x", Fixed(0)))),
        over("b", at("a")),
        bare("c", at("a", end())),
        over("d", at("c", None)),
        over("e", at("x")),
        loss(at("b"), at("x")),
    )
    facts = domains(made)
    assert len(facts.problems) == 1
    assert set(facts.states) == {"x", "e"}
    assert facts.goals == (None,)


def test_rows_that_do_not_reach_the_end() -> None:
    (problem,) = domains(system(Input("x", True, last=Fixed(5)))).problems
    assert problem.message == "the rows of `x` must run from a number to the end of the window"


# --- against the interpreter ---------------------------------------------------------------------


def disagreements(example: Example, facts: Domains, horizon: int) -> list[str]:
    """Steps at which a state or goal is defined for one and not for the other."""
    parameters, inputs = example.values(horizon)
    run = interpret(example.system, parameters=parameters, inputs=inputs, horizon=horizon, shapes=example)
    wrong = []
    for state, interval in facts.states.items():
        points = facts.bases.get(state, ())
        given_at = {p.value if isinstance(p, Fixed) else horizon + p.offset for p in points}
        for t in STEPS:
            if (run.value(state, t) is not UNDEFINED) != (t in interval.steps(horizon) or t in given_at):
                wrong.append(f"{state} at {t} of {horizon}: {interval}")
    for number, goal in enumerate(facts.goals):
        for t in STEPS:
            if goal is not None and (run.goal_value(number, t) is not UNDEFINED) != (t in goal.steps(horizon)):
                wrong.append(f"goal {number} at {t} of {horizon}: {goal}")
    return wrong


@for_all(examples(), st.integers(0, 2))
def test_domains_are_what_the_interpreter_finds(example: Example, more: int) -> None:
    facts = found(example.system)
    assert disagreements(example, facts, facts.horizon + more) == []


@for_all(examples(blocks=("input", "feed forward", "looks back", "looks ahead")), st.integers(1, 7))
def test_domains_agree_for_every_horizon_that_is_long_enough(example: Example, horizon: int) -> None:
    facts = found(example.system)
    if horizon >= facts.horizon:
        assert disagreements(example, facts, horizon) == []


@for_all(examples())
def test_the_least_horizon_is_the_least_that_leaves_every_state_a_value(example: Example) -> None:
    facts = found(example.system)
    kept = {s for s in example.states if s in facts.states}
    shorter = facts.horizon - 1
    if shorter:
        parameters, inputs = example.values(shorter)
        run = interpret(example.system, parameters=parameters, inputs=inputs, horizon=shorter, shapes=example)
        empty = [s for s in kept if all(run.value(s, t) is UNDEFINED for t in STEPS)]
        goals = [n for n, g in enumerate(facts.goals) if g and all(run.goal_value(n, t) is UNDEFINED for t in STEPS)]
        bare_ones = [s for s in set(example.states) - kept if run.value(s) is UNDEFINED]
        cut = [i for i in facts.equations if i and i.first > shorter + i.last + 1]
        assert empty or goals or bare_ones or cut


@pytest.mark.parametrize("block", BLOCKS)
def test_every_kind_of_block_is_generated(block: str) -> None:
    """A block that is never drawn would leave the properties above untested."""

    @for_all(examples(blocks=(block,), most=1))
    @settings(max_examples=3, database=None)
    def draws(example: Example) -> None:
        assert len(example.states) >= 2

    draws()
