"""The adjoint: on every program what torch.autograd says, and equations like any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from against import random_inputs
from differentiated import adjoint_of, disagreement
from emitted import emitted
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from programs import PROGRAMS
from systems import Example, at, bare, dense, examples, fed, gae, given, loss, lstm, mlp, op, over, system

from sqmagic.calculus.adjoint.rules import LEFT_OUT, RULES
from sqmagic.emit.torch.refusals import refused
from sqmagic.emit.torch.write import emit
from sqmagic.equations.interpret import interpret
from sqmagic.equations.ops import DERIVED, OPS
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.show import show_equation
from sqmagic.equations.system import Input, System, walk
from sqmagic.runtime.generated import arguments, build, call
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains

TRAINED = [name for name in PROGRAMS if "=>" in PROGRAMS[name] or "$" in PROGRAMS[name]]


def shapes_of(example: Example) -> Shapes:
    return Shapes(dict(example.states), dict(example.parameters))


def shown(example: Example) -> dict[str, str]:
    """The right sides of the adjoint, by what they define."""
    made, _ = adjoint_of(example.system, shapes_of(example))
    return dict(show_equation(e).split(" = ", 1) for e in made.system.equations)


def test_every_operator_has_a_rule_or_none_for_a_reason() -> None:
    passing = {name for name, row in OPS.items() if not row.blocks}
    assert RULES.keys() | LEFT_OUT.keys() == passing
    assert not RULES.keys() & LEFT_OUT.keys()
    assert not OPS.keys() & DERIVED.keys()


# --- what torch says -----------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", TRAINED)
def test_a_program_has_the_derivatives_that_torch_finds(name: str, training: bool) -> None:
    made = emitted(PROGRAMS[name])
    inputs = {state: value.numpy() for state, value in random_inputs(made, 5, 3).items()}
    random = np.random.default_rng(1)
    parameters = {name: random.normal(size=shape) * 0.5 for name, shape in made.shapes.parameters.items()}
    most = 1e-9 if "norm" in name else 1e-12  # the gradient of a bias before a norm is 0 but for rounding
    found = disagreement(made.system, made.shapes, parameters, inputs, horizon=5, batch=3, training=training)
    assert found < most


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@for_all(examples())
def test_a_generated_system_has_the_derivatives_that_torch_finds(example: Example) -> None:
    if not example.system.goals:
        return
    horizon = max(4, domains(example.system).horizon) + 1
    parameters, inputs = example.values(horizon)
    assert disagreement(example.system, shapes_of(example), parameters, inputs, horizon=horizon, batch=2) < 1e-11


# --- the code that is generated for it -----------------------------------------------------------

WITHOUT_CODE = (
    "attention",
    "named weights",
    "recurrent_attention",
    "norms",
    "norm_in_scan",
    "norm_of_state",
    "norm_image",
)
"""Ranges that grow, and batch_norm, whose adjoints torch code does not have yet: refused in words."""


@pytest.mark.parametrize("name", [name for name in TRAINED if name not in WITHOUT_CODE])
def test_the_code_generated_for_an_adjoint_computes_what_the_judge_does(name: str) -> None:
    made = emitted(PROGRAMS[name])
    found, _ = adjoint_of(made.system, made.shapes)
    order = dependence(found.system)
    assert refused(found.system) == ()
    page = emit(found.system, replace(made.shapes, states=found.shapes), order, domains(found.system, order))
    module = build(page, "adjoint", {}).double().eval()
    given_ = random_inputs(made, 5, 3)
    with torch.no_grad():
        out = call(module, "forward", **{arguments(module)[state]: value for state, value in given_.items()})
    parameters = {name: value.detach().numpy() for name, value in module.named_parameters()}
    inputs = {state: value.numpy() for state, value in given_.items()}
    shapes = Shapes(found.shapes, made.shapes.parameters)
    run = interpret(found.system, parameters=parameters, inputs=inputs, shapes=shapes, batch=3)
    assert found.gradients
    for state in found.gradients.values():
        np.testing.assert_allclose(out[state].numpy(), run.value(state)[:1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", WITHOUT_CODE)
def test_an_adjoint_without_code_is_refused_in_words(name: str) -> None:
    made = emitted(PROGRAMS[name])
    found, _ = adjoint_of(made.system, made.shapes)
    assert {problem.code for problem in refused(found.system)} == {"SQ704"}


# --- equations like any other --------------------------------------------------------------------


def test_the_lstm() -> None:
    found = shown(lstm())
    assert found["^c_t"] == "^h_t * o_t * (1 - square(h.1_t)) + during(^c_{t+1} * f_{t+1}, t+1, last=0)"
    assert found["h.1_t"] == "tanh(c_t)"
    assert found["^h_0"] == "^p_1[0:5]"
    assert found["^F.weight"] == "batch_mean(window_sum(outer(^f.1_t, p_t), 1, T, index=t))"


def test_adjoints_of_what_looks_back_run_backward_and_of_what_looks_ahead_forward() -> None:
    made, _ = adjoint_of(lstm().system, shapes_of(lstm()))
    kinds = {state: c.kind for c in dependence(made.system).components for state in c.states}
    assert kinds["c"] == "forward scan"
    assert kinds["^c"] == "reverse scan"
    ahead = system(
        *fed("x", "y"),
        over("A", op("add", dense("M", at("x")), op("mul", 0.5, at("A", 1)))),
        loss(at("A"), at("y")),
    )
    made, _ = adjoint_of(ahead, Shapes({"x": (3,), "y": (2,), "A": (2,)}, {"M.weight": (2, 3), "M.bias": (2,)}))
    kinds = {state: c.kind for c in dependence(made.system).components for state in c.states}
    assert kinds["A"] == "reverse scan"
    assert kinds["^A"] == "forward scan"


def test_what_is_held_fixed_has_no_adjoint() -> None:
    found = shown(gae())
    assert "^V_t" in found
    assert not {"^A_t", "^TD_t", "^gamma"} & found.keys()


def test_a_layer_that_is_frozen_passes_the_gradient_and_has_none() -> None:
    made = emitted(PROGRAMS["frozen"])
    found, _ = adjoint_of(made.system, made.shapes)
    assert "M.weight" in found.gradients
    assert "M_2.weight" not in found.gradients


def test_a_net_that_does_not_run_has_no_sums_over_steps() -> None:
    assert not any("window_sum" in value for value in shown(mlp()).values())


def test_the_size_is_linear_and_so_is_the_time() -> None:
    """Expressions are shared by name: twice the statements give twice the nodes."""

    def chain(length: int) -> System:
        steps = [
            bare(f"s{n}", op("mul", op("tanh", at(f"s{n - 1}", None)), op("sigmoid", at(f"s{n - 1}", None))))
            for n in range(1, length + 1)
        ]
        goal = loss(at(f"s{length}", None), at("y", None))
        first = bare("s0", dense("M", at("x", None)))
        return system(Input("x", False), Input("y", False), first, *steps, goal, runs=False)

    def size(length: int) -> int:
        made = chain(length)
        shapes = Shapes(
            {"x": (2,), "y": (3,), **{f"s{n}": (3,) for n in range(length + 1)}}, {"M.weight": (3, 2), "M.bias": (3,)}
        )
        found, _ = adjoint_of(made, shapes)
        return sum(1 for e in found.system.equations for _ in walk(e.value))

    assert size(1000) - size(500) == size(500) - size(0)


def test_a_base_case_has_an_adjoint_of_its_own() -> None:
    made = system(
        *fed("x", "y"),
        Input("b", False),
        given("h", 0, dense("B", at("b", None))),
        over("h", op("tanh", op("add", at("h", -1), at("x")))),
        loss(at("h"), at("y")),
    )
    example = Example(made, dict.fromkeys("xyh", (2,)) | {"b": (3,)}, {"B.weight": (2, 3), "B.bias": (2,)})
    found = shown(example)
    assert found["^h_0"] == "^h_1 * (1 - square(h_1))"
    assert found["^B.bias"] == "batch_mean(^h_0)"
