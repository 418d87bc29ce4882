"""Rewriting by rules: values, steps and derivatives are kept, the log says all of it, and who tampers is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from differentiated import adjoint_of, error
from emitted import emitted, net
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from programs import PROGRAMS
from systems import Example, at, dense, examples, fed, given, gru, loss, lstm, op, over, system
from test_emit_torch import LSTM

from sqmagic.calculus.rewrite import Optimised, Rewrite, optimise
from sqmagic.calculus.rewrite.log import Condition, Rule, part, put
from sqmagic.calculus.rewrite.replay import RefusedRewrite, replay
from sqmagic.equations.interpret import interpret
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.show import show_equation
from sqmagic.equations.system import Apply, Const, Equation, Expr, Layer, Read, Running, System, Weight, walk
from sqmagic.faster import faster
from sqmagic.notation.problems import NotationError
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains

GOLDEN = sorted(path for path in (Path(__file__).parent / "golden").glob("*/program.sqn"))
RECURRENT = [name for name in PROGRAMS if name not in {"ranges"}]


def recurrences(made: System) -> list[tuple[int, ...]]:
    return [c.equations for c in dependence(made).components if c.kind.endswith("scan")]


def optimised(made: System, shapes: Shapes) -> Optimised:
    return optimise(made, shapes.states, shapes.parameters, recurrences(made))


def shapes_of(example: Example) -> Shapes:
    return Shapes(dict(example.states), dict(example.parameters))


def checked(made: System, shapes: Shapes, found: Optimised) -> None:
    """The log leads to the program, and there is nothing left to do."""
    assert replay(made, shapes.states, shapes.parameters, found.rewrites) == found.system
    order = dependence(found.system)
    assert order.problems == ()
    again = optimise(found.system, found.shapes, shapes.parameters, recurrences(found.system))
    assert again.rewrites == ()
    assert again.system == found.system
    own = [e for e in found.system.equations if not any(t.state in found.home for t in e.targets)]
    assert [e.targets for e in own] == [e.targets for e in made.equations]


def same_values(made: System, found: System, shapes: Shapes, sizes: Shapes, horizon: int, seed: int = 0) -> None:
    """The judge gives every state and the loss the same values."""
    random = np.random.default_rng(seed)
    parameters = {name: random.normal(size=shape) * 0.5 for name, shape in shapes.parameters.items()}
    example = Example(made, shapes.states, shapes.parameters)
    inputs = example.values(horizon)[1]
    for item in made.inputs:
        if item.state in shapes.integers:
            inputs[item.state] = random.integers(0, 2, size=inputs[item.state].shape).astype(float)
        else:
            inputs[item.state] = abs(inputs[item.state]) + 0.25
    steps = horizon if made.indices else None
    one = interpret(made, parameters=parameters, inputs=inputs, horizon=steps, shapes=shapes, batch=2)
    other = interpret(found, parameters=parameters, inputs=inputs, horizon=steps, shapes=sizes, batch=2)
    before, after = one.states(), other.states()
    for state in before:
        np.testing.assert_allclose(after[state], before[state], rtol=1e-10, atol=1e-10, err_msg=state)


# --- laws ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECURRENT)
def test_a_program_keeps_its_values(name: str) -> None:
    made = emitted(PROGRAMS[name])
    found = optimised(made.system, made.shapes)
    checked(made.system, made.shapes, found)
    order, held = dependence(made.system), domains(made.system)
    rewritten = faster(made.system, made.shapes, order, held)
    if rewritten is not None:
        program = rewritten.program
        same_values(made.system, program.system, made.shapes, program.shapes, 6)
        assert {s: i for s, i in program.domains.states.items() if s in held.states} == held.states
        assert program.domains.goals == held.goals


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_a_golden_program_keeps_its_values(path: Path) -> None:
    try:
        made = emitted(path.read_text())
    except (NotationError, AssertionError, KeyError):
        return  # it is wrong, needs an environment, or macros of another
    found = optimised(made.system, made.shapes)
    checked(made.system, made.shapes, found)
    same_values(made.system, found.system, made.shapes, replace(made.shapes, states=found.shapes), 5)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@for_all(examples(blocks=("input", "bare input", "joined", "looks back", "looks ahead", "feed forward", "summary")))
def test_a_generated_system_keeps_its_values(example: Example) -> None:
    shapes = shapes_of(example)
    found = optimised(example.system, shapes)
    checked(example.system, shapes, found)
    horizon = max(4, domains(example.system).horizon) + 1
    order, held = dependence(example.system), domains(example.system)
    rewritten = faster(example.system, shapes, order, held)
    if rewritten is not None:
        same_values(example.system, rewritten.program.system, shapes, rewritten.program.shapes, horizon)


@st.composite
def cells(draw: st.DrawFn) -> Example:
    """A recurrence of several gates on what is joined, apart or named, of one width or several."""
    width, wide = draw(st.sampled_from([(3, 2), (2, 5), (5, 3)]))
    parts: list[Equation | Layer] = [given("h", 0, 0.3), given("g", 0, -0.2)]
    states = {"h": (width,), "g": (width,), "x": (wide,), "y": (width,)}
    parameters: dict[str, tuple[int, ...]] = {}
    operands: list[tuple[Expr, int]] = [
        (op("concat", at("h", -1), at("x")), width + wide),
        (op("concat", at("x"), at("h", -1), at("g", -1)), 2 * width + wide),
        (at("h", -1), width),
        (at("x", 0), wide),
        (op("concat", op("mul", at("h", -1), at("g", -1)), at("x")), width + wide),
    ]
    if draw(st.booleans()):
        parts.append(over("p", operands[0][0]))
        states["p"] = (width + wide,)
        operands.append((at("p"), width + wide))
    gates: list[Expr] = []
    for number in range(draw(st.integers(2, 5))):
        operand, size = draw(st.sampled_from(operands))
        name = f"M{number}"
        parts.append(Layer(name, "dense"))
        parameters[f"{name}.weight"] = (width, size)
        if draw(st.booleans()):
            parameters[f"{name}.bias"] = (width,)
        value: Expr = dense(name, operand)
        if draw(st.integers(0, 3)) == 0:
            value = op("add", value, op("mul", at("h", -1), 0.5))
        value = op(draw(st.sampled_from(["sigmoid", "tanh", "square"])), value)
        if draw(st.integers(0, 4)) == 0:
            value = op("stop", value)
        if draw(st.integers(0, 2)):
            parts.append(over(f"a{number}", value))
            states[f"a{number}"] = (width,)
            value = at(f"a{number}")
        gates.append(value)
    total = gates[0]
    for gate in gates[1:]:
        total = op(draw(st.sampled_from(["add", "mul", "sub"])), total, gate)
    parts.append(over("h", op("tanh", op("add", total, at("h", -1)))))
    parts.append(over("g", op("mul", op("tanh", at("h")), 0.7)))
    made = system(*fed("x", "y"), *parts, loss(at("h"), at("y")))
    return Example(made, states, parameters)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@for_all(cells())
def test_a_cell_of_many_gates_keeps_its_values_and_derivatives(example: Example) -> None:
    shapes = shapes_of(example)
    found = optimised(example.system, shapes)
    checked(example.system, shapes, found)
    sizes = replace(shapes, states=found.shapes)
    same_values(example.system, found.system, shapes, sizes, 4)
    same_gradients(example, found)


def same_gradients(example: Example, found: Optimised) -> None:
    """The adjoints of both programs give every parameter the same derivative."""
    shapes = shapes_of(example)
    parameters, inputs = example.values(4)
    gradients = []
    for each, sizes in ((example.system, shapes), (found.system, replace(shapes, states=found.shapes))):
        made, _ = adjoint_of(each, sizes)
        run = interpret(
            made.system,
            parameters=parameters,
            inputs=inputs,
            horizon=4,
            shapes=Shapes(made.shapes, shapes.parameters),
            batch=2,
        )
        gradients.append({name: run.value(state)[0] for name, state in made.gradients.items()})
    for name, shape in example.parameters.items():  # one that only stands under `stop` has none, or one of 0
        before, after = (np.asarray(g.get(name, np.zeros(shape))) for g in gradients)
        assert error(after, before) < 1e-11, name


def test_the_derivatives_of_an_lstm_are_kept() -> None:
    same_gradients(lstm(), optimised(lstm().system, shapes_of(lstm())))


# --- what is done --------------------------------------------------------------------------------


def rules_of(text: str) -> Counter[str]:
    made = emitted(text)
    return Counter(r.rule for r in optimised(made.system, made.shapes).rewrites)


def test_what_is_made_of_a_range_that_all_steps_have_is_computed_before_the_loop() -> None:
    made = emitted(PROGRAMS["attention of a decoder"])
    hoisted = [r for r in optimised(made.system, made.shapes).rewrites if r.rule == "hoist"]
    assert [show_equation(e) for r in hoisted for e in r.made] == [
        "b.in = softmax(e_{1:T} @ w) @ tanh(e_{1:T} - w)",
        "a.in = transpose(e_{1:T} * e_{1:T})",
        "d.in = D[:, 15:20] @ e_T + D[:, 20:23] @ x_1 + D.bias",
    ]
    scores = emitted("x_t : 3\nw : 3\n0 -> h_0\nmax(log_softmax(x_{1:T} @ w) * (x_{1:T} @ h_{t-1})) * x_t -> h_t")
    found = optimised(scores.system, scores.shapes)
    checked(scores.system, scores.shapes, found)
    assert [show_equation(e) for r in found.rewrites for e in r.made] == ["h.in = log_softmax(x_{1:T} @ w)"]


def test_the_log_of_an_lstm_says_how_each_gate_was_unfolded_split_and_hoisted() -> None:
    found = rules_of(LSTM)
    assert (found["def"], found["concat"], found["hoist"], found["stack"]) == (4, 4, 4, 4)


def test_the_log_of_a_gru() -> None:
    found = rules_of(PROGRAMS["gru"])
    assert (found["def"], found["concat"], found["hoist"], found["stack"]) == (2, 3, 3, 2)


def test_the_log_of_an_rnn() -> None:
    made = emitted(PROGRAMS["rnn"])
    assert [repr(r) for r in optimised(made.system, made.shapes).rewrites] == [
        "concat (line 3, h_t): Enc(X_t | h_{t-1}) -> Enc[:, 3:8] @ h_{t-1} + (Enc[:, 0:3] @ X_t + Enc.bias)",
        "hoist (line 3, h_t): Enc[:, 0:3] @ X_t + Enc.bias -> h.in_t\n"
        "    where h.in_t = Enc[:, 0:3] @ X_t + Enc.bias\n"
        "    as h.in is a new name, h.in is a function of what it reads, h.in reads nothing of the recurrence",
        "let (line 3, h_t): Enc[:, 3:8] -> h.W_h\n"
        "    where h.W_h = Enc[:, 3:8]\n"
        "    as h.W_h is a new name, h.W_h is made of parameters alone",
        "let (h.in_t): Enc[:, 0:3] -> h.W_X\n"
        "    where h.W_X = Enc[:, 0:3]\n"
        "    as h.W_X is a new name, h.W_X is made of parameters alone",
    ]


def test_a_net_tells_how_it_was_made_faster() -> None:
    assert {getattr(r, "rule", None) for r in net(LSTM).plan.rewrites} >= {"concat", "hoist", "stack"}
    assert "stack (line 6, f_t): F[:, 0:5] @ h_{t-1} + f.in_t -> gates_t[0:5]" in repr(net(LSTM).plan.rewrites)
    assert "rewritten for torch in" in repr(net(LSTM).plan)
    assert net(PROGRAMS["mlp"]).plan.rewrites == ()
    assert "rewritten" not in repr(net(PROGRAMS["mlp"]).plan)


def test_an_lstm_multiplies_once_a_step() -> None:
    found = optimised(lstm().system, shapes_of(lstm())).system
    (loop,) = [c for c in dependence(found).components if c.kind == "forward scan"]
    products = [n for e in loop.equations for n in walk(found.equations[e].value) if is_product(n)]
    assert len(products) == 1
    assert "p" not in loop.states


def test_the_gates_of_torchs_gru_are_one_product_though_one_is_reset_after_it() -> None:
    found = optimised(gru().system, shapes_of(gru())).system
    (loop,) = [c for c in dependence(found).components if c.kind == "forward scan"]
    products = [n for e in loop.equations for n in walk(found.equations[e].value) if is_product(n)]
    assert len(products) == 1


def is_product(node: Expr) -> bool:
    return isinstance(node, Apply) and node.op in ("dense", "matmul")


def test_what_is_computed_twice_in_a_step_has_a_name() -> None:
    twice = op("tanh", op("mul", at("h", -1), at("x")))
    made = system(*fed("x"), given("h", 0), over("h", op("add", op("mul", twice, 2), op("square", twice))))
    found = optimise(made, {"x": (2,), "h": (2,)}, {}, recurrences(made))
    assert [show_equation(e) for e in found.system.equations] == [
        "h_0 = 0",
        "h.part_t = tanh(h_{t-1} * x_t)",
        "h_t = h.part_t * 2 + square(h.part_t)",
    ]


def test_noise_is_drawn_where_it_was() -> None:
    noisy = op("dropout", dense("M", at("x")), p=0.5)
    made = system(*fed("x"), given("h", 0), over("h", op("add", at("h", -1), noisy)), Layer("M", "dense"))
    found = optimise(made, {"x": (2,), "h": (2,)}, {"M.weight": (2, 2), "M.bias": (2,)}, recurrences(made))
    assert "dropout" in show_equation(found.system.equations[-1])


def test_a_recurrence_that_looks_ahead_to_zero_is_left_where_its_steps_would_change() -> None:
    joined = over("p", op("concat", at("h", 1), at("x")))
    made = system(*fed("x"), joined, over("h", op("tanh", dense("M", at("p")))), Layer("M", "dense"))
    shapes = Shapes({"x": (2,), "h": (3,), "p": (5,)}, {"M.weight": (3, 5), "M.bias": (3,)})
    assert optimised(made, shapes).rewrites
    assert faster(made, shapes, dependence(made), domains(made)) is None


# --- who tampers ---------------------------------------------------------------------------------


def mutants(entry: Rewrite) -> Iterator[Rewrite]:
    """The entry with one thing changed, so that it says something else."""
    if entry.after is not None:
        for other in changed(entry.after):
            yield replace(entry, after=other)
    for number, made in enumerate(entry.made):
        for other in changed(made.value):
            yield replace(
                entry,
                made=(*entry.made[:number], replace(made, value=other), *entry.made[number + 1 :]),
            )
        yield replace(entry, made=entry.made[:number] + entry.made[number + 1 :])
        wrong = replace(made, targets=(replace(made.targets[0], state="h"),))
        yield replace(entry, made=(*entry.made[:number], wrong, *entry.made[number + 1 :]))
    for number, condition in enumerate(entry.conditions):
        rest = entry.conditions[:number] + entry.conditions[number + 1 :]
        yield replace(entry, conditions=rest)
        yield replace(entry, conditions=(*rest, Condition(condition.kind, "x")))
    yield replace(entry, before=op("neg", entry.before))
    yield replace(entry, path=(*entry.path, 5))


def changed(expr: Expr) -> Iterator[Expr]:
    """An expression with one part changed in what it computes: a term left out, operands swapped, another step, …"""
    for path in paths(expr):
        node = part(expr, path)
        assert node is not None
        for other in others(node):
            yield put(expr, path, other)


def paths(expr: Expr, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    yield path
    for number, child in enumerate(expr.args if isinstance(expr, Apply) else ()):
        yield from paths(child, (*path, number))


def others(node: Expr) -> Iterator[Expr]:
    match node:
        case Read(state, (Running(index, offset),)):
            yield replace(node, context=(Running(index, offset - 1),))
            yield replace(node, state="c" if state != "c" else "h")
        case Read(state, ()):
            yield Weight("F.weight")
        case Weight(parameter):
            yield replace(node, parameter={"F": "I", "I": "F"}.get(parameter[0], "F") + parameter[1:])
            yield replace(node, frozen=not node.frozen)
        case Const(value):
            yield Const(value + 1.0)
        case Apply("add", (left, right)):
            yield left
            yield right
            yield op("sub", left, right)
            yield op("mul", left, right)
        case Apply("matmul" | "concat", (first, *_, last)):
            yield replace(node, args=(last, *node.args[1:-1], first))
            yield replace(node, args=node.args[:-1]) if node.op == "concat" else op("stop", node)
        case Apply("slice", (inner,)):
            start, stop = int(node.attribute("start", 0)), int(node.attribute("stop", 0))
            yield op("slice", inner, start=start + 1, stop=stop + 1)
            yield op("slice", inner, start=max(0, start - 5), stop=stop - min(5, start) or stop - 1)
        case Apply("sigmoid" | "tanh", args):
            yield op("tanh" if node.op == "sigmoid" else "sigmoid", *args)
            yield args[0]
        case _:
            yield op("stop", node)


TORCHS_GRU = """
x_t : 5
0 -> h_0
sigmoid(Rx(x_t) + Rh(h_{t-1})) -> r_t
sigmoid(Zx(x_t) + Zh(h_{t-1})) -> z_t
tanh(Nx(x_t) + r_t*Nh(h_{t-1})) -> n_t
(1-z_t)*n_t + z_t*h_{t-1} -> h_t
h_t : 6
"""
TAMPERED = {"lstm": LSTM, "gru": PROGRAMS["gru"], "macro": PROGRAMS["macro"], "torch's gru": TORCHS_GRU}


def test_every_rule_is_tampered_with() -> None:
    found = {rule for text in TAMPERED.values() for rule in rules_of(text)}
    assert found == set(get_args(Rule))


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_log_is_refused(name: str) -> None:
    text = TAMPERED[name]
    made = emitted(text)
    log = optimised(made.system, made.shapes).rewrites
    tried = 0
    for number, entry in enumerate(log):
        for mutant in mutants(entry):
            if mutant == entry:
                continue
            tried += 1
            with pytest.raises(RefusedRewrite):
                tampered = (*log[:number], mutant, *log[number + 1 :])
                replay(made.system, made.shapes.states, made.shapes.parameters, tampered)
    assert tried > 100


def test_a_log_with_an_entry_left_out_or_two_swapped_does_not_lead_there() -> None:
    made = emitted(LSTM)
    found = optimised(made.system, made.shapes)
    for number in range(len(found.rewrites)):
        left_out = found.rewrites[:number] + found.rewrites[number + 1 :]
        assert leads_elsewhere(made.system, made.shapes, left_out, found.system), number


def leads_elsewhere(made: System, shapes: Shapes, log: tuple[Rewrite, ...], to: System) -> bool:
    try:
        return replay(made, shapes.states, shapes.parameters, log) != to
    except RefusedRewrite:
        return True


def test_names_that_need_one_another_within_a_step_are_refused() -> None:
    """Each side is equal to the other, and nothing could be computed: r is made from l, and l from r."""
    weights = {f"{n}.weight": (2, 2) for n in "RL"}
    made = system(
        *fed("x"),
        given("h", 0),
        over("r", op("sigmoid", op("matmul", Weight("R.weight"), at("h", -1)))),
        over("l", op("tanh", op("matmul", Weight("L.weight"), at("r")))),
        over("h", op("mul", at("r"), at("l"))),
    )
    parts = (op("matmul", Weight("R.weight"), at("h", -1)), op("matmul", Weight("L.weight"), at("r")))
    both = over("g", op("concat", *parts))
    conditions = (Condition("fresh", "g"), Condition("pure", "g"))
    target = made.equations[1].targets[0]
    before = made.equations[1].value.args[0]  # type: ignore[union-attr]
    entry = Rewrite("stack", target, (0,), before, op("slice", at("g"), start=0, stop=2), (both,), conditions)
    shapes = {"x": (2,), "h": (2,), "r": (2,), "l": (2,)}
    with pytest.raises(RefusedRewrite, match="within a step"):
        replay(made, shapes, weights, [entry])


def test_a_gradient_that_is_stopped_is_no_equality() -> None:
    made = system(*fed("x"), given("h", 0), over("h", op("add", at("h", -1), at("x"))))
    line = made.equations[1]
    entry = Rewrite("let", line.targets[0], (), line.value, op("stop", line.value))
    with pytest.raises(RefusedRewrite, match="normal forms"):
        replay(made, {"x": (2,), "h": (2,)}, {}, [entry])


def test_the_ring_and_nothing_else_makes_two_sides_equal() -> None:
    made = system(*fed("x"), given("h", 0), over("h", op("mul", at("x"), op("sub", at("h", -1), 1))))
    equation = made.equations[1]
    for after, right in (
        (op("sub", op("mul", at("h", -1), at("x")), at("x")), True),
        (op("sub", at("h", -1), at("x")), False),
        (op("mul", at("x"), op("sub", at("h", -1), 1.0000000001)), False),
    ):
        entry = Rewrite("let", equation.targets[0], (), equation.value, after)
        if right:
            replay(made, {"x": (2,), "h": (2,)}, {}, [entry])
        else:
            with pytest.raises(RefusedRewrite):
                replay(made, {"x": (2,), "h": (2,)}, {}, [entry])
