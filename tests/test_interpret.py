"""The judge against computations by hand, and against itself: examples alone and together, statements in any order."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import assume
from hypothesis import given as for_all
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from systems import (
    Arrays,
    Example,
    at,
    bare,
    dense,
    dqn,
    end,
    examples,
    fed,
    gae,
    given,
    gru,
    loss,
    lstm,
    mlp,
    op,
    over,
    system,
)

from sqmagic.equations.interpret import RULES, UNDEFINED, CannotInterpret, Run, interpret
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Goal,
    Input,
    Position,
    Range,
    Running,
    System,
    Target,
    Weight,
)
from sqmagic.schedule.domains import domains

RANDOM = np.random.default_rng(7)


def run(example: Example, horizon: int = 4, **more: object) -> tuple[Run, Arrays, Arrays]:
    parameters, inputs = example.values(horizon, batch=3)
    made = interpret(example.system, parameters=parameters, inputs=inputs, horizon=horizon, shapes=example, **more)  # type: ignore[arg-type]
    return made, parameters, inputs


def once(value: Expr, parameters: dict[str, np.ndarray] | None = None, **inputs: np.ndarray) -> np.ndarray:
    """What an expression of bare inputs is."""
    made = system(*(Input(name, False) for name in inputs), bare("out", value), runs=False)
    found = interpret(made, parameters=parameters or {}, inputs=inputs).value("out")
    assert found is not UNDEFINED
    return found


def x_of(name: str, **attributes: str | float | int | bool) -> Expr:
    return op(name, at("x", None), **attributes)


def xy(name: str, **attributes: str | float | int | bool) -> Expr:
    return op(name, at("x", None), at("y", None), **attributes)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# --- operators -----------------------------------------------------------------------------------


def test_the_table_covers_every_operator() -> None:
    assert set(RULES) == set(ALL_OPS)


ONE: dict[str, Callable[[float], float]] = {
    "neg": lambda x: -x,
    "exp": math.exp,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "square": lambda x: x * x,
    "abs": abs,
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "stop": lambda x: x,
    "old": lambda x: x,
}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_one_number(name: str) -> None:
    x = RANDOM.normal(size=(2, 3)) * 2
    assert_allclose(once(x_of(name), x=x), np.vectorize(ONE[name])(x), rtol=1e-14)


def test_functions_that_take_positive_numbers() -> None:
    x = np.abs(RANDOM.normal(size=(2, 3))) + 0.1
    assert_allclose(once(x_of("log"), x=x), np.log(x))
    assert_allclose(once(x_of("sqrt"), x=x), np.sqrt(x))


def test_functions_at_both_ends_of_the_numbers() -> None:
    x = np.array([[-1000.0, 1000.0]])
    assert_allclose(once(x_of("sigmoid"), x=x), [[0, 1]])
    assert_allclose(once(x_of("softplus"), x=x), [[0, 1000]])
    assert_allclose(once(x_of("softmax"), x=x), [[0, 1]])
    assert_allclose(once(x_of("log_softmax"), x=x), [[-2000, 0]])
    assert_allclose(once(x_of("gelu"), x=x), [[0, 1000]])


def test_nothing_is_said_of_what_is_not_finite() -> None:
    assert once(x_of("log"), x=np.array([[0.0]]))[0, 0] == -np.inf
    assert np.isnan(once(x_of("sqrt"), x=np.array([[-1.0]])))
    assert once(op("div", at("x", None), 0), x=np.array([[2.0]]))[0, 0] == np.inf


def test_functions_of_two_numbers() -> None:
    x, y = RANDOM.normal(size=(2, 2, 3))
    for name, expected in {
        "add": x + y,
        "sub": x - y,
        "mul": x * y,
        "div": x / y,
        "maximum": np.maximum(x, y),
        "minimum": np.minimum(x, y),
    }.items():
        assert_allclose(once(xy(name), x=x, y=y), expected)
    assert_allclose(once(op("where", op("relu", at("x", None)), at("y", None), 5), x=x, y=y), np.where(x > 0, y, 5))
    assert_allclose(once(op("clip", at("x", None), -0.5, 0.25), x=x), np.clip(x, -0.5, 0.25))


def test_a_scalar_meets_a_vector_and_a_matrix() -> None:
    x, v, m = RANDOM.normal(size=(2, 1)), RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(2, 3, 5))
    assert_allclose(once(xy("mul"), x=x, y=v), x * v)
    assert_allclose(once(xy("mul"), x=x, y=m), x[:, :, None] * m)
    with pytest.raises(CannotInterpret, match="do not meet"):
        once(xy("mul"), x=v, y=m)


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("sum", np.sum),
        ("mean", np.mean),
        ("max", np.max),
        ("min", np.min),
        ("argmax", np.argmax),
        ("norm", np.linalg.norm),
    ],
)
def test_reductions(name: str, function: Callable[..., np.ndarray]) -> None:
    x, m = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(2, 3, 5))
    assert_allclose(once(x_of(name), x=x), function(x, axis=-1)[:, None])
    assert_allclose(once(x_of(name), x=m), function(m, axis=-1))


def test_softmax_is_over_the_last_axis() -> None:
    m = RANDOM.normal(size=(2, 3, 5))
    powers = np.exp(m)
    assert_allclose(once(x_of("softmax"), x=m), powers / powers.sum(axis=-1, keepdims=True))
    assert_allclose(once(x_of("log_softmax"), x=m), np.log(powers / powers.sum(axis=-1, keepdims=True)))


def test_structure() -> None:
    x, y, m = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(2, 5)), RANDOM.normal(size=(2, 3, 5))
    which = np.array([2.0, 0.0])
    assert_allclose(once(xy("concat"), x=x, y=y), np.concatenate([x, y], axis=1))
    assert_allclose(once(xy("index"), x=x, y=which), [[x[0, 2]], [x[1, 0]]])
    assert_allclose(once(xy("index"), x=m, y=which), [m[0, 2], m[1, 0]])
    assert_allclose(once(op("index", at("x", None), 1), x=x), x[:, 1:2])
    assert_allclose(once(x_of("slice", start=1, stop=3), x=y), y[:, 1:3])
    assert_allclose(once(x_of("transpose"), x=m), m.transpose(0, 2, 1))
    assert_allclose(once(xy("outer"), x=x, y=y), np.einsum("bi,bj->bij", x, y))
    assert_allclose(once(x_of("flatten"), x=m), m.reshape(2, 15))
    assert_allclose(once(x_of("one_hot", size=3), x=which), [[0, 0, 1], [1, 0, 0]])


def test_matrix_products() -> None:
    x, y, m, n = (RANDOM.normal(size=s) for s in [(2, 3), (2, 5), (2, 3, 5), (2, 5, 7)])
    assert_allclose(once(xy("matmul"), x=m, y=y), np.einsum("bij,bj->bi", m, y))
    assert_allclose(once(xy("matmul"), x=x, y=m), np.einsum("bi,bij->bj", x, m))
    assert_allclose(once(xy("matmul"), x=m, y=n), np.einsum("bij,bjk->bik", m, n))
    assert_allclose(once(xy("matmul"), x=x, y=x), np.einsum("bi,bi->b", x, x)[:, None])
    weight = RANDOM.normal(size=(7, 3))
    found = once(op("matmul", Weight("M.weight"), at("x", None)), {"M.weight": weight}, x=x)
    assert_allclose(found, x @ weight.T)


def test_several_outputs_in_equal_parts() -> None:
    targets = (Target("a"), Target("b"), Target("c"))
    made = system(Input("x", False), Equation(targets, x_of("split")), runs=False)
    x = RANDOM.normal(size=(2, 6))
    found = interpret(made, parameters={}, inputs={"x": x}).states()
    assert_allclose(np.concatenate([found[n] for n in "abc"], axis=1), x)


def test_layers() -> None:
    x, m = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(2, 5, 3))
    weight, bias = RANDOM.normal(size=(7, 3)), RANDOM.normal(size=7)
    parameters = {"M.weight": weight, "M.bias": bias}
    assert_allclose(once(dense("M", at("x", None)), parameters, x=x), x @ weight.T + bias)
    assert_allclose(once(dense("M", at("x", None)), parameters, x=m), m @ weight.T + bias)
    assert_allclose(once(dense("M", at("x", None)), {"M.weight": weight}, x=x), x @ weight.T)
    assert_allclose(once(Apply("embed", (at("x", None),), "M"), parameters, x=np.array([4, 0])), weight[[4, 0]])
    with pytest.raises(CannotInterpret, match=r"M\.weight is not given"):
        once(dense("M", at("x", None)), x=x)


def test_a_slowly_moving_copy_has_parameters_of_its_own() -> None:
    x, weight = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(7, 3))
    value = Apply("dense", (at("x", None),), "Q", (("target", True),))
    assert_allclose(once(value, {"Q.weight": weight}, x=x), x @ weight.T)
    assert_allclose(once(value, {"Q.weight": weight, "Q.target.weight": 2 * weight}, x=x), 2 * x @ weight.T)


def test_layer_norm() -> None:
    x, weight, bias = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=3), RANDOM.normal(size=3)
    found = once(Apply("layer_norm", (at("x", None),), "N"), {"N.weight": weight, "N.bias": bias}, x=x)
    mean, variance = x.mean(axis=1, keepdims=True), x.var(axis=1, keepdims=True)
    assert_allclose(found, (x - mean) / np.sqrt(variance + 1e-5) * weight + bias)


@pytest.mark.parametrize(("stride", "pad", "zeros"), [(1, "same", 1), (2, "same", 1), (2, "valid", 0), (1, 2, 2)])
def test_convolution(stride: int, pad: str | int, zeros: int) -> None:
    x, weight, bias = RANDOM.normal(size=(2, 3, 7, 5)), RANDOM.normal(size=(2, 3, 3, 3)), RANDOM.normal(size=2)
    attributes = (("pad", pad), ("stride", stride))
    found = once(Apply("conv", (at("x", None),), "K", attributes), {"K.weight": weight, "K.bias": bias}, x=x)
    padded = np.pad(x, ((0, 0), (0, 0), (zeros, zeros), (zeros, zeros)))
    rows, columns = ((n + 2 * zeros - 3) // stride + 1 for n in (7, 5))
    assert found.shape == (2, 2, rows, columns)
    for b, o, i, j in np.ndindex(found.shape):
        patch = padded[b, :, i * stride : i * stride + 3, j * stride : j * stride + 3]
        assert math.isclose(found[b, o, i, j], float((patch * weight[o]).sum() + bias[o]), rel_tol=1e-12)


def test_pooling() -> None:
    x = RANDOM.normal(size=(1, 2, 5, 5))
    assert once(x_of("max_pool"), x=x).shape == (1, 2, 2, 2)
    assert once(x_of("max_pool"), x=x)[0, 1, 1, 0] == x[0, 1, 2:4, 0:2].max()
    assert_allclose(once(x_of("avg_pool", size=3, stride=1), x=x)[0, 0, 2, 1], x[0, 0, 2:5, 1:4].mean())


def test_losses() -> None:
    p, y = RANDOM.normal(size=(2, 3)), RANDOM.normal(size=(2, 3)) * 3
    error = np.abs(p - y)
    assert_allclose(once(xy("mse"), x=p, y=y), (error**2).mean(axis=1, keepdims=True))
    assert_allclose(once(xy("mae"), x=p, y=y), error.mean(axis=1, keepdims=True))
    huber = np.where(error < 0.7, error**2 / 2, 0.7 * (error - 0.35))
    assert_allclose(once(xy("huber", delta=0.7), x=p, y=y), huber.mean(axis=1, keepdims=True))


def test_cross_entropy_sums_over_classes() -> None:
    a = RANDOM.normal(size=(2, 3))
    p, y = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True), np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    expected = -(y * np.log(p)).sum(axis=1, keepdims=True)
    assert_allclose(once(xy("cross_entropy"), x=p, y=y), expected)
    assert_allclose(once(xy("cross_entropy_logits"), x=a, y=y), expected)
    with pytest.raises(CannotInterpret, match="one_hot"):
        once(xy("cross_entropy"), x=p, y=np.array([1.0, 2.0]))


def test_cross_entropy_of_a_matrix_is_the_mean_over_its_rows() -> None:
    a, y = RANDOM.normal(size=(2, 5, 3)), np.abs(RANDOM.normal(size=(2, 5, 3)))
    logs = a - np.log(np.exp(a).sum(axis=-1, keepdims=True))
    expected = -(y * logs).sum(axis=-1).mean(axis=1, keepdims=True)
    assert_allclose(once(xy("cross_entropy_logits"), x=a, y=y), expected)


def test_binary_cross_entropy_is_the_mean_over_components() -> None:
    a, y = RANDOM.normal(size=(2, 3)), RANDOM.uniform(size=(2, 3))
    p = sigmoid(a)
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=1, keepdims=True)
    assert_allclose(once(xy("binary_cross_entropy"), x=p, y=y), expected)
    assert_allclose(once(xy("binary_cross_entropy_logits"), x=a, y=y), expected)


def test_what_cannot_happen_costs_nothing() -> None:
    p, y = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]])
    assert once(xy("cross_entropy"), x=p, y=y)[0, 0] == 0
    assert once(xy("binary_cross_entropy"), x=p, y=y)[0, 0] == 0
    assert once(x_of("entropy"), x=p)[0, 0] == 0
    assert once(xy("cross_entropy"), x=p, y=1 - y)[0, 0] == np.inf
    assert_allclose(once(xy("cross_entropy_logits"), x=np.array([[-5000.0, 0.0]]), y=1 - y), 5000)


def test_policies() -> None:
    p = np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]])
    assert_allclose(once(xy("log_prob"), x=p, y=np.array([1, 2])), np.log([[0.5], [0.8]]))
    assert_allclose(once(x_of("entropy"), x=p), -(p * np.log(p)).sum(axis=1, keepdims=True))


def test_a_class_that_is_no_whole_number_is_refused() -> None:
    with pytest.raises(CannotInterpret, match="whole number"):
        once(x_of("one_hot", size=3), x=np.array([0.5]))
    with pytest.raises(CannotInterpret, match="settle"):
        once(x_of("one_hot"), x=np.array([1]))


# --- programs by hand ----------------------------------------------------------------------------


def test_a_network_without_time() -> None:
    found, w, inputs = run(mlp())
    hidden = np.maximum(inputs["X"] @ w["M_1.weight"].T + w["M_1.bias"], 0)
    p = hidden @ w["M_2.weight"].T + w["M_2.bias"]
    assert_allclose(found.states()["p"], p)
    assert_allclose(found.loss(), ((p - inputs["y"]) ** 2).mean())


def test_an_lstm() -> None:
    found, w, inputs = run(lstm(), horizon=6)
    c = h = np.zeros((3, 5))
    for t in range(1, 7):
        p = np.concatenate([h, inputs["x"][t - 1]], axis=1)
        f, i, o = (sigmoid(p @ w[f"{n}.weight"].T + w[f"{n}.bias"]) for n in "FIO")
        c = c * f + i * np.tanh(p @ w["C.weight"].T + w["C.bias"])
        h = np.tanh(c) * o
        assert_allclose(found.value("h", t), h, rtol=1e-12)
    assert_allclose(found.value("h", 0), np.zeros((3, 5)))
    assert found.value("p", 0) is UNDEFINED
    assert_allclose(found.loss(), ((found.states()["h"] - inputs["y"]) ** 2).mean())


def test_a_gru() -> None:
    found, w, inputs = run(gru(), horizon=5)

    def layer(name: str, value: np.ndarray) -> np.ndarray:
        return value @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    h = np.zeros((3, 5))
    for t, x in enumerate(inputs["x"], 1):
        r, z = (sigmoid(layer(f"{n}x", x) + layer(f"{n}h", h)) for n in "RZ")
        h = (1 - z) * np.tanh(layer("Hx", x) + r * layer("Hh", h)) + z * h
        assert_allclose(found.value("h", t), h, rtol=1e-12)


def test_generalised_advantages() -> None:
    found, w, inputs = run(gae(), horizon=5)
    v = inputs["O"] @ w["Value.weight"].T + w["Value.bias"]
    after = np.zeros((3, 1))
    for t in (4, 3, 2, 1):
        after = 0.9 * v[t] + inputs["r"][t - 1] - v[t - 1] + 0.9 * 0.95 * after * (1 - inputs["d"][t - 1])
        assert_allclose(found.value("A", t), after)
    assert found.value("A", 5) is UNDEFINED
    assert np.isnan(found.states()["A"][4]).all()
    assert_allclose(found.loss(), (found.states()["A"][:4] ** 2).mean())


def test_a_value_given_at_the_end_is_read_there() -> None:
    found, w, inputs = run(gae(given("A", end(), 2.0)), horizon=5)
    v = inputs["O"] @ w["Value.weight"].T + w["Value.bias"]
    last = 0.9 * v[4] + inputs["r"][3] - v[3] + 0.9 * 0.95 * 2.0 * (1 - inputs["d"][3])
    assert_allclose(found.value("A", 4), last)
    assert_allclose(found.value("A", 5), np.full((3, 1), 2.0))


def numbers(made: System, horizon: int, *names: str, **inputs: np.ndarray) -> list[list[float]]:
    """States of width 1, one example, as rows over time."""
    given_rows = {name: np.asarray(rows, dtype=float)[:, None] for name, rows in inputs.items()}
    found = interpret(made, parameters={}, inputs=given_rows, horizon=horizon).states()
    return [found[name][:, 0, 0].tolist() for name in names]


def test_recurrences_of_greater_distance() -> None:
    back = system(given("a", 0, 1.0), given("a", -1), over("a", op("add", at("a", -1), at("a", -2))))
    assert numbers(back, 6, "a") == [[1, 2, 3, 5, 8, 13]]
    ahead = system(over("b", op("add", op("add", at("b", 1), at("b", 2)), 1)))
    assert numbers(ahead, 5, "b") == [[12, 7, 4, 2, 1]]


def test_a_base_case_after_the_first_step() -> None:
    made = system(given("a", 2, 7.0), over("a", op("mul", 2, at("a", -1))))
    (row,) = numbers(made, 4, "a")
    assert np.isnan(row[0])
    assert row[1:] == [7, 14, 28]


def test_two_states_that_look_ahead_end_together() -> None:
    made = system(
        *fed("x"), over("n", op("add", at("m", 1), at("x"))), over("m", op("mul", 2, op("add", at("n"), at("x", 1))))
    )
    (n, m) = numbers(made, 3, "n", "m", x=np.array([1.0, 10.0, 100.0]))
    assert n[:2] == [1 + 2 * (10 + 100), 10]
    assert m[:2] == [2 * (221 + 10), 2 * (10 + 100)]
    assert np.isnan(n[2]) and np.isnan(m[2])


def test_ranges_are_stacked() -> None:
    made = system(
        *fed("x", "v"),
        over("w", at("x", Range(Running("t", -1), Running("t")))),
        over("m", at("v", Range(Running("t"), Running("t", 1)))),
        over("s", op("sum", at("x", Range(Fixed(1), Running("t"))))),
        over("r", op("sum", at("x", Range(Running("t"), end())))),
        bare("all", at("x", Range(Fixed(1), end()))),
    )
    x, v = RANDOM.normal(size=(4, 2)), RANDOM.normal(size=(4, 2, 3))
    found = interpret(made, parameters={}, inputs={"x": x, "v": v}).states()
    assert_allclose(found["w"][2], np.stack([x[1], x[2]], axis=1))
    assert_allclose(found["m"][2], np.stack([v[2], v[3]], axis=1))
    assert_allclose(found["s"][..., 0], np.cumsum(x, axis=0))
    assert_allclose(found["r"][..., 0], np.cumsum(x[::-1], axis=0)[::-1])
    assert_allclose(found["all"], x.T)


def test_a_range_without_steps_is_undefined() -> None:
    found = interpret(
        system(*fed("x"), over("s", op("sum", at("x", Range(Fixed(1), Running("t", -1)))))),
        parameters={},
        inputs={"x": np.ones((3, 1))},
    )
    assert found.value("s", 1) is UNDEFINED
    assert_allclose(found.value("s", 3), [[2.0]])


def test_a_step_says_its_number() -> None:
    made = system(over("n", op("sub", Position(end()), Position(Running("t", 1)))))
    assert numbers(made, 3, "n") == [[1, 0, -1]]


def test_a_number_is_as_wide_as_the_state_that_it_is_given_to() -> None:
    made = Example(
        system(*fed("x"), given("h", 0), over("p", op("concat", at("h", -1), at("x"))), over("h", dense("M", at("p")))),
        {"x": (2,), "h": (3,), "p": (5,)},
        {"M.weight": (3, 5), "M.bias": (3,)},
    )
    found, w, inputs = run(made, horizon=2)
    first = np.concatenate([np.zeros((3, 3)), inputs["x"][0]], axis=1)
    assert_allclose(found.value("h", 1), first @ w["M.weight"].T + w["M.bias"])
    with pytest.raises(CannotInterpret, match="pass `shapes`"):
        interpret(made.system, parameters=w, inputs=inputs).value("h", 1)


def test_a_reset_reads_the_base_case() -> None:
    fresh = op("where", at("cut"), at("h", Fixed(0)), at("h", -1))
    made = system(*fed("cut"), given("h", 0, 5.0), over("h", op("add", fresh, 1)))
    assert numbers(made, 4, "h", cut=np.array([0.0, 0.0, 1.0, 0.0])) == [[6, 7, 6, 7]]


def test_a_goal_is_the_mean_over_its_domain() -> None:
    made = system(
        *fed("x", "y"),
        loss(at("x", -1), at("y"), weight=at("y")),
        Goal("objective", (at("x"),), op("mul", at("x"), op("stop", at("y", 2)))),
    )
    x, y = RANDOM.normal(size=(2, 5, 3))
    found = interpret(made, parameters={}, inputs={"x": x, "y": y})
    assert_allclose(found.goal(0), (y[1:] * (x[:-1] - y[1:]) ** 2).mean())
    assert_allclose(found.goal(1), (x[:-2] * y[2:]).mean())
    assert_allclose(found.loss(), found.goal(0) - found.goal(1))


def test_q_learning_shifts() -> None:
    example = dqn()
    parameters, inputs = example.values(4, batch=2)
    inputs["a"] = np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], dtype=float)[..., None]
    found = interpret(example.system, parameters=parameters, inputs=inputs)
    q = inputs["O"] @ parameters["Q.weight"].T + parameters["Q.bias"]
    errors = [
        q[t, b, int(inputs["a"][t + 1, b, 0])]
        - (inputs["r"][t + 1, b, 0] + 0.9 * q[t + 1, b].max() * (1 - inputs["d"][t + 1, b, 0]))
        for t in range(3)
        for b in range(2)
    ]
    assert_allclose(found.loss(), np.mean(np.square(errors)))


def test_ten_thousand_steps_both_ways_meet_no_limit() -> None:
    made = system(
        *fed("x"), given("h", 0), over("h", op("add", at("h", -1), at("x"))), over("g", op("add", at("g", 1), at("x")))
    )
    found = interpret(made, parameters={}, inputs={"x": np.ones((10_000, 1))})
    assert found.value("h", 10_000) == 10_000
    assert found.value("g", 1) == 10_000


def test_a_chain_of_many_equations_meets_no_limit() -> None:
    chain = [over(f"s{n}", op("add", at(f"s{n - 1}"), 1)) for n in range(1, 3000)]
    found = interpret(system(*fed("s0"), *chain), parameters={}, inputs={"s0": np.zeros((1, 1))})
    assert found.value("s2999", 1) == 2999


def test_a_cycle_is_named() -> None:
    made = system(*fed("x"), over("a", at("b")), over("b", op("add", at("a"), at("x"))))
    with pytest.raises(CannotInterpret, match=r"`[ab]_1` is defined by itself"):
        interpret(made, parameters={}, inputs={"x": np.ones((2, 1))}).states()


def test_a_recurrence_that_begins_nowhere_is_undefined() -> None:
    made = system(*fed("x"), over("a", op("add", at("a", -1), at("x"))))
    assert interpret(made, parameters={}, inputs={"x": np.ones((2, 1))}).value("a", 2) is UNDEFINED


# --- inputs --------------------------------------------------------------------------------------


def test_what_needs_an_input_that_is_not_given_is_undefined() -> None:
    example = mlp()
    parameters, inputs = example.values(1)
    found = interpret(example.system, parameters=parameters, inputs={"X": inputs["X"]})
    assert set(found.states()) == {"X", "h", "p"}
    assert found.value("y") is UNDEFINED
    with pytest.raises(CannotInterpret, match="`p ==\\[mse\\]=> y` is defined at no step"):
        found.loss()


def test_inputs_that_do_not_fit_are_refused_in_words() -> None:
    made = system(*fed("x", "y"), *fed("a", first=0))
    x = np.ones((4, 2, 1))

    def refusal(**more: object) -> str:
        with pytest.raises(CannotInterpret) as refused:
            interpret(made, parameters={}, **more)  # type: ignore[arg-type]
        return str(refused.value)

    assert refusal(inputs={"z": x}) == "the program has no input `z`; its inputs are x, y, a"
    assert refusal(inputs={"x": x, "y": x[:3]}) == "inputs disagree on T: x: 4, y: 3"
    assert refusal(inputs={"x": x, "y": x[:, :1]}) == "inputs disagree on batch: x: 2, y: 1"
    assert refusal(inputs={"x": x, "a": x}) == "inputs disagree on T: x: 4, a: 3"
    assert refusal(inputs={"x": x}, horizon=5) == "inputs disagree on T: x: 4, what was asked for: 5"
    assert refusal(inputs={"x": np.ones(4)}) == "`x` needs the axes time x batch before its own"
    assert refusal(inputs={}) == "no input says how many steps there are: give `horizon`"
    assert refusal(inputs={"x": x}, lengths=[5, 1]) == "`lengths` must give each of 2 examples a length from 0 to 4"
    with pytest.raises(CannotInterpret, match="no state `nothing`"):
        interpret(made, parameters={}, inputs={"x": x}).value("nothing", 1)


# --- lengths -------------------------------------------------------------------------------------


def test_every_example_has_its_own_end() -> None:
    made = system(*fed("r"), over("G", op("add", at("r"), op("mul", 0.5, at("G", 1)))), loss(at("G"), at("r", -1)))
    r = np.array([[4.0, 4.0], [2.0, 2.0], [8.0, np.nan]])
    found = interpret(made, parameters={}, inputs={"r": r}, lengths=[3, 2])
    assert_allclose(found.states()["G"][..., 0], [[7, 5], [6, 2], [8, np.nan]])
    assert_allclose(found.loss(), ((6 - 4) ** 2 + (8 - 2) ** 2 + (2 - 4) ** 2) / 3)
    assert np.isnan(found.value("G", 3)[1]).all()  # type: ignore[index]


@for_all(examples(), st.integers(0, 10_000))
def test_lengths_are_each_example_alone(example: Example, seed: int) -> None:
    longest = domains(example.system).horizon + 2
    parameters, inputs = example.values(longest, batch=2, seed=seed)
    lengths = [longest, longest - 1]
    together = interpret(example.system, parameters=parameters, inputs=inputs, shapes=example, lengths=lengths)
    for number, length in enumerate(lengths):
        indexed = {i.state: i.indexed for i in example.system.inputs}
        own = {
            name: rows[: len(rows) - longest + length, [number]] if indexed[name] else rows[[number]]
            for name, rows in inputs.items()
        }
        alone = interpret(example.system, parameters=parameters, inputs=own, shapes=example)
        for state, value in alone.states().items():
            both = together.states()[state]
            row = both[:length, [number]] if len(value) == length and both.shape[0] == longest else both[[number]]
            assert_allclose(row, value)


@for_all(examples(), st.integers(0, 10_000))
def test_full_lengths_change_nothing(example: Example, seed: int) -> None:
    horizon = domains(example.system).horizon + 1
    parameters, inputs = example.values(horizon, batch=2, seed=seed)

    def computed(lengths: list[int] | None) -> tuple[dict[str, np.ndarray], list[float]]:
        found = interpret(example.system, parameters=parameters, inputs=inputs, shapes=example, lengths=lengths)
        return found.states(), [found.goal(n) for n in range(len(example.system.goals))]

    (states, goals), (each, means) = computed(None), computed([horizon, horizon])
    assert set(states) == set(each)
    for state in states:
        assert_allclose(states[state], each[state])
    assert_allclose(goals, means)


@for_all(examples(shuffled=False), st.randoms(use_true_random=False), st.integers(0, 10_000))
def test_the_order_of_statements_means_nothing(example: Example, random: Random, seed: int) -> None:
    horizon = domains(example.system).horizon + 1
    parameters, inputs = example.values(horizon, seed=seed)
    equations = list(example.system.equations)
    random.shuffle(equations)
    other = replace(example.system, equations=tuple(equations))
    assume(other != example.system)
    first, second = (
        interpret(s, parameters=parameters, inputs=inputs, shapes=example).states() for s in (example.system, other)
    )
    assert set(first) == set(second)
    for state in first:
        assert_allclose(first[state], second[state], rtol=0, atol=0)


# --- batch_norm and dropout ----------------------------------------------------------------------


def norm(value: Expr) -> Apply:
    return Apply("batch_norm", (value,), "N")


SCALES = {"N.weight": np.array([2.0, 3.0]), "N.bias": np.array([0.5, -0.5])}


def normal(x: np.ndarray, *axes: int) -> np.ndarray:
    scaled = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + 1e-5)
    return scaled * SCALES["N.weight"] + SCALES["N.bias"]


def test_batch_norm_is_over_time_and_batch() -> None:
    made = system(*fed("x"), over("n", norm(op("mul", 2, at("x", -1)))))
    x = RANDOM.normal(size=(4, 3, 2))
    found = interpret(made, parameters=SCALES, inputs={"x": x}, training=True)
    assert_allclose(found.states()["n"][1:], normal(2 * x[:3], 0, 1))


def test_batch_norm_of_a_goal_and_of_a_bare_state() -> None:
    made = system(*fed("x"), Input("z", False), bare("b", norm(at("z", None))), loss(norm(at("x")), at("x")))
    x, z = RANDOM.normal(size=(4, 3, 2)), RANDOM.normal(size=(3, 2))
    found = interpret(made, parameters=SCALES, inputs={"x": x, "z": z}, training=True)
    assert_allclose(found.value("b"), normal(z, 0))
    assert_allclose(found.loss(), ((normal(x, 0, 1) - x) ** 2).mean())


def test_batch_norm_within_a_recurrence_is_over_the_batch_of_each_step() -> None:
    made = system(*fed("x"), given("h", 0), over("h", norm(op("add", at("h", -1), at("x")))))
    x = RANDOM.normal(size=(3, 5, 2))
    found = interpret(made, parameters=SCALES, inputs={"x": x}, training=True)
    h = np.zeros((5, 2))
    for t in range(3):
        h = normal(h + x[t], 0)
        assert_allclose(found.value("h", t + 1), h)


def test_batch_norm_of_images_is_over_their_pixels_too() -> None:
    made = system(Input("x", False), bare("n", norm(at("x", None))), runs=False)
    x = RANDOM.normal(size=(3, 2, 4, 5))
    found = interpret(made, parameters=SCALES, inputs={"x": x}, training=True).value("n")
    scaled = (x - x.mean(axis=(0, 2, 3), keepdims=True)) / np.sqrt(x.var(axis=(0, 2, 3), keepdims=True) + 1e-5)
    expected = scaled * SCALES["N.weight"].reshape(1, 2, 1, 1) + SCALES["N.bias"].reshape(1, 2, 1, 1)
    assert_allclose(found, expected)


def test_batch_norm_leaves_out_what_lies_past_an_end() -> None:
    made = system(
        *fed("x"),
        over("n", norm(at("x"))),
        given("h", 0),
        over("h", norm(op("add", at("h", -1), at("x")))),
        loss(at("n"), at("x")),
    )
    x = RANDOM.normal(size=(3, 2, 2))
    found = interpret(made, parameters=SCALES, inputs={"x": x}, training=True, lengths=[3, 2])
    rows = np.concatenate([x[:, 0], x[:2, 1]])
    expected = normal(rows, 0)
    states = found.states()
    assert_allclose(np.concatenate([states["n"][:, 0], states["n"][:2, 1]]), expected)
    assert np.isnan(states["n"][2, 1]).all()
    assert_allclose(states["h"][2, 0], normal((states["h"][1] + x[2])[:1], 0)[0])
    assert_allclose(found.loss(), ((expected - rows) ** 2).mean())


def test_batch_norm_outside_training_uses_what_is_kept() -> None:
    made = system(*fed("x"), over("n", norm(at("x"))))
    x = RANDOM.normal(size=(4, 3, 2))
    plain = interpret(made, parameters=SCALES, inputs={"x": x}).states()["n"]
    assert_allclose(plain, x / np.sqrt(1 + 1e-5) * SCALES["N.weight"] + SCALES["N.bias"])
    kept = {**SCALES, "N.running_mean": np.array([1.0, 2.0]), "N.running_var": np.array([3.0, 4.0])}
    found = interpret(made, parameters=kept, inputs={"x": x}).states()["n"]
    assert_allclose(found, (x - [1, 2]) / np.sqrt(np.array([3, 4]) + 1e-5) * SCALES["N.weight"] + SCALES["N.bias"])


def test_dropout() -> None:
    made = system(*fed("x"), over("n", op("dropout", at("x"), p=0.25)))
    x = RANDOM.normal(size=(4, 3, 2))
    assert_allclose(interpret(made, parameters={}, inputs={"x": x}).states()["n"], x)
    with pytest.raises(CannotInterpret, match="dropout"):
        interpret(made, parameters={}, inputs={"x": x}, training=True).states()

    def mask(shape: tuple[int, ...], p: float) -> np.ndarray:
        assert (shape, p) == ((3, 2), 0.25)
        return np.array([[1, 0], [0, 1], [1, 1]])

    found = interpret(made, parameters={}, inputs={"x": x}, training=True, effects={"dropout": mask}).states()["n"]
    assert_allclose(found, x * mask((3, 2), 0.25) / 0.75)


# --- effects -------------------------------------------------------------------------------------


def effect(name: str, targets: list[tuple[str, int | None]], *args: Expr, layer: str | None = None) -> Equation:
    places = tuple(Target(s, (Running("t"),) if n is None else (Fixed(n),)) for s, n in targets)
    return Equation(places, Apply(name, args, layer))


def test_effects_run_in_the_order_of_the_program_once_each() -> None:
    log: list[str] = []

    def noted(name: str, value: object) -> Callable[..., object]:
        def call(*args: object) -> object:
            log.append(name)
            return value(*args) if callable(value) else value

        return call

    made = system(
        effect("reset", [("S", 0), ("O", 0)]),
        effect("step", [("S", None), ("O", None), ("r", None)], at("S", -1), at("a", -1)),
        over("pi", op("softmax", at("O"))),
        effect("sample", [("a", None)], at("pi")),
        effect("Add", [], at("O", -1), at("a", -1), at("r"), layer="B"),
        Goal("objective", (at("pi"),), op("mul", at("r"), op("log_prob", at("pi"), at("a")))),
    )
    effects = {
        "reset": noted("reset", lambda batch: (np.zeros((batch, 1)), np.zeros((batch, 2)))),
        "step": noted("step", lambda s, a: (s + 1, np.concatenate([s, a], axis=1), s * 10, "not asked for")),
        "sample": noted("sample", lambda pi: pi.argmax(axis=1)),
        "Add_B": noted("add", None),
    }
    found = interpret(made, parameters={}, inputs={}, horizon=2, batch=3, effects=effects)
    assert log == ["reset", "sample", "step", "sample", "add", "step", "sample", "add"]
    states = found.states()
    assert_allclose(states["S"][..., 0], [[1, 1, 1], [2, 2, 2]])
    assert_allclose(states["r"][..., 0], [[0, 0, 0], [10, 10, 10]])
    assert math.isfinite(found.loss())
    assert len(log) == 8


def test_noise_has_the_shape_that_its_use_demands() -> None:
    made = system(*fed("x"), over("n", op("gauss", shape="2x3")))
    shapes: list[tuple[int, ...]] = []

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        shapes.append(shape)
        return np.full(shape, 0.5)

    found = interpret(made, parameters={}, inputs={"x": np.ones((2, 4, 1))}, effects={"gauss": noise})
    assert shapes == [(4, 2, 3)] * 2
    assert_allclose(found.value("n", 2), np.full((4, 2, 3), 0.5))


def test_an_effect_that_nobody_gives_is_refused_in_words() -> None:
    with pytest.raises(CannotInterpret, match="`sample` acts on the outside"):
        interpret(
            system(*fed("x"), effect("sample", [("a", None)], at("x"))), parameters={}, inputs={"x": np.ones((2, 1))}
        )
    with pytest.raises(CannotInterpret, match="`step` gave 1 outputs, and the program names 2"):
        interpret(
            system(*fed("x"), effect("step", [("a", None), ("b", None)], at("x"))),
            parameters={},
            inputs={"x": np.ones((2, 1))},
            effects={"step": lambda s: s},
        )


def test_a_module_of_the_kernel_is_given_as_a_function() -> None:
    made = system(*fed("x"), over("f", Apply("module", (at("x"), at("x", -1)), "net")))
    x = RANDOM.normal(size=(3, 2, 2))
    with pytest.raises(CannotInterpret, match="`net` is a module of the kernel"):
        interpret(made, parameters={}, inputs={"x": x}).states()
    found = interpret(made, parameters={}, inputs={"x": x}, effects={"net": lambda a, b: a - b}).states()["f"]
    assert_allclose(found[1:], x[1:] - x[:-1])
