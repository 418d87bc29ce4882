"""Cross-entropy from the logits: the same loss, the same domains, once and for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from systems import Example, at, bare, dense, end, examples, fed, given, loss, op, over, system

from sqmagic.calculus.logits import logits
from sqmagic.equations.interpret import interpret
from sqmagic.equations.system import Equation, Expr, Input, Range, Read, Running, System
from sqmagic.schedule.domains import domains

SOFTMAX = op("softmax", op("mul", 3, at("x")))
SIGMOID = op("sigmoid", op("mul", 3, at("x")))


def value(made: System, number: int = 0) -> Expr:
    return logits(made).goals[number].value


def agree(made: System) -> None:
    """The pass keeps losses and domains, leaves nothing over, and is well formed."""
    other = logits(made)
    assert logits(other) == other
    before, after = domains(made), domains(other)
    assert (before.problems, after.problems) == ((), ())
    assert after.goals == before.goals
    assert {s: i for s, i in after.states.items() if s in before.states} == before.states
    x, y = np.random.default_rng(1).normal(size=(2, 5, 2, 3))
    y = np.exp(y) / np.exp(y).sum(axis=-1, keepdims=True)
    for system_ in (made, other):
        names = {i.state for i in system_.inputs}
        given_rows = {n: v for n, v in {"x": x, "y": y}.items() if n in names}
        run = interpret(system_, parameters={}, inputs=given_rows)
        found = [run.goal(n) for n in range(len(made.goals))]
        if system_ is made:
            expected = found
    assert_allclose(found, expected, rtol=1e-12)


def test_the_loss_is_computed_from_what_softmax_was_given() -> None:
    made = system(*fed("x", "y"), over("p", SOFTMAX), loss(at("p"), at("y"), "cross_entropy"))
    found = logits(made)
    assert found.equations == (
        over("p.logits", op("mul", 3, at("x"))),
        over("p", op("softmax", at("p.logits"))),
    )
    assert found.goals[0].value == op("cross_entropy_logits", at("p.logits"), op("stop", at("y")))
    assert found.goals[0].through == (at("p"),)
    agree(made)


def test_the_loss_is_computed_from_what_sigmoid_was_given() -> None:
    made = system(*fed("x", "y"), over("p", SIGMOID), loss(at("p"), at("y"), "binary_cross_entropy"))
    assert value(made) == op("binary_cross_entropy_logits", at("p.logits"), op("stop", at("y")))
    agree(made)


def test_a_function_that_the_loss_does_not_undo_is_left_alone() -> None:
    for kind, function in [("cross_entropy", SIGMOID), ("binary_cross_entropy", SOFTMAX), ("mse", SOFTMAX)]:
        made = system(*fed("x", "y"), over("p", function), loss(at("p"), at("y"), kind))
        assert logits(made) is made


def test_a_prediction_read_at_a_distance() -> None:
    made = system(*fed("x", "y"), over("p", SOFTMAX), loss(at("p", -1), at("y"), "cross_entropy"))
    assert value(made) == op("cross_entropy_logits", at("p.logits", -1), op("stop", at("y")))
    agree(made)


def test_a_prediction_read_at_the_end() -> None:
    made = system(*fed("x", "y"), over("p", SOFTMAX), loss(at("p", end()), at("y", end()), "cross_entropy"))
    assert value(made) == op("cross_entropy_logits", at("p.logits", end()), op("stop", at("y", end())))
    agree(made)


def test_a_prediction_that_is_no_name() -> None:
    made = system(*fed("x", "y"), loss(SOFTMAX, at("y"), "cross_entropy"))
    assert value(made) == op("cross_entropy_logits", op("mul", 3, at("x")), op("stop", at("y")))
    assert logits(made).equations == ()
    agree(made)


def test_a_weight_stays() -> None:
    made = system(
        *fed("x", "y"), over("p", SOFTMAX), loss(at("p"), at("y"), "cross_entropy", weight=op("max", at("y")))
    )
    expected = op("cross_entropy_logits", at("p.logits"), op("stop", at("y")))
    assert value(made) == op("mul", op("stop", op("max", at("y"))), expected)
    agree(made)


def test_the_prediction_is_sought_through_renamings() -> None:
    made = system(
        *fed("x", "y"),
        over("p", SOFTMAX),
        over("q", at("p")),
        over("r", at("q")),
        bare("last", at("r", end())),
        bare("same", at("last", None)),
        loss(at("r", -1), at("y"), "cross_entropy"),
        loss(at("same", None), at("y", end()), "cross_entropy"),
    )
    assert value(made) == op("cross_entropy_logits", at("p.logits", -1), op("stop", at("y")))
    assert value(made, 1) == op("cross_entropy_logits", at("p.logits", end()), op("stop", at("y", end())))
    assert [e.targets[0].state for e in logits(made).equations] == ["p.logits", "p", "q", "r", "last", "same"]
    agree(made)


def test_a_renaming_at_a_distance_ends_the_search_because_its_domain_is_another() -> None:
    made = system(
        *fed("x", "y"), over("p", SOFTMAX), over("q", at("p", -1)), loss(at("q", 1), at("y"), "cross_entropy")
    )
    assert logits(made) is made
    assert domains(made).goals[0] != domains(replace(made, goals=(loss(at("p"), at("y")),))).goals[0]


def test_a_prediction_that_is_also_given_at_points_is_left_alone() -> None:
    made = system(
        *fed("x", "y"), over("p", SOFTMAX), given("p", 0, op("stop", 0.5)), loss(at("p", -1), at("y"), "cross_entropy")
    )
    assert logits(made) is made


def test_one_equation_of_several_outputs_is_left_alone() -> None:
    (one,) = (over("p", SOFTMAX),)
    both = Equation((one.targets[0], over("q", SOFTMAX).targets[0]), op("split", at("x")))
    made = system(*fed("x", "y"), both, loss(at("p"), at("y"), "cross_entropy"))
    assert logits(made) is made


def test_a_range_of_predictions_is_left_alone() -> None:
    read = at("p", Range(Running("t", -1), Running("t")))
    made = system(*fed("x", "y"), over("p", SOFTMAX), loss(read, read, "cross_entropy"))
    assert logits(made) is made


def test_two_losses_share_the_logits_of_one_prediction() -> None:
    made = system(
        *fed("x", "y"),
        over("p", SOFTMAX),
        loss(at("p"), at("y"), "cross_entropy"),
        loss(at("p", 1), at("y"), "cross_entropy"),
    )
    assert [e.targets[0].state for e in logits(made).equations] == ["p.logits", "p"]
    agree(made)


def test_a_later_loss_on_a_prediction_that_was_opened_before() -> None:
    made = logits(system(*fed("x", "y"), over("p", SOFTMAX), loss(at("p"), at("y"), "cross_entropy")))
    more = replace(made, goals=(*made.goals, loss(at("p", -1), at("y"), "cross_entropy")))
    found = logits(more)
    assert found.equations == made.equations
    assert found.goals[1].value == op("cross_entropy_logits", at("p.logits", -1), op("stop", at("y")))


def test_names_that_go_in_a_circle_end_the_search() -> None:
    made = system(over("p", at("q")), over("q", at("p")), loss(at("p"), at("q"), "cross_entropy"))
    assert logits(made) is made


def test_a_certain_prediction_has_a_finite_loss() -> None:
    made = system(Input("x", False), Input("y", False), bare("p", op("softmax", at("x", None))), runs=False)
    made = replace(made, goals=(loss(at("p", None), at("y", None), "cross_entropy"),))
    inputs = {"x": np.array([[-4000.0, 0.0]]), "y": np.array([[1.0, 0.0]])}
    assert interpret(made, parameters={}, inputs=inputs).loss() == np.inf
    assert interpret(logits(made), parameters={}, inputs=inputs).loss() == pytest.approx(4000)


@for_all(examples(), st.data())
def test_the_pass_keeps_losses_and_domains(example: Example, data: st.DataObject) -> None:
    """Of any program, with a softmax or a sigmoid of any of its states as prediction."""
    functions = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
    running = [s for s in example.states if s in domains(example.system).states]
    source, target = (data.draw(st.sampled_from(running)) for _ in range(2))
    kind = data.draw(st.sampled_from(sorted(functions)))
    width = example.states[target][0]
    made = replace(
        example.system,
        equations=(
            *example.system.equations,
            over("p", op(functions[kind], dense("L", at(source, data.draw(st.integers(-1, 1)))))),
            over("q", at("p")),
        ),
        goals=(
            *example.system.goals,
            loss(Read("q", (Running("t", data.draw(st.integers(-2, 2))),)), op("sigmoid", at(target)), kind),
        ),
    )
    facts = domains(made)
    other = logits(made)
    assert other != made
    assert logits(other) == other
    assert domains(other).goals == facts.goals
    parameters, inputs = example.values(facts.horizon + 1)
    random = np.random.default_rng(2)
    parameters |= {
        "L.weight": random.normal(size=(width, example.states[source][0])),
        "L.bias": random.normal(size=width),
    }
    losses = [interpret(s, parameters=parameters, inputs=inputs, shapes=example).loss() for s in (made, other)]
    assert_allclose(losses[1], losses[0], rtol=1e-10, atol=1e-12)
