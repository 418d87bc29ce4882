"""Elaboration: each rule of the shorthand, by its effect on a small program."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis.strategies import DrawFn, composite
from strategies import programs

from sqmagic.equations.elaborate import Elaborated, Kernel, elaborate
from sqmagic.equations.show import show, show_equation, show_goal
from sqmagic.equations.system import Apply, Fixed, Last, Layer, Read, Running, Size, Target, Update
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError
from sqmagic.notation.show import show as show_program
from sqmagic.notation.source import Source
from sqmagic.pipeline import understand

GOLDEN = Path(__file__).parent / "golden"
T = (Running("t"),)


def understood(text: str, **kernel: object) -> Elaborated:
    return elaborate(parse(text), Source.of(text), Kernel(**kernel))  # type: ignore[arg-type]


def clean(text: str, **kernel: object) -> Elaborated:
    result = understood(text, **kernel)
    assert [p.message for p in result.problems if p.severity == "error"] == []
    return result


def equations(text: str, **kernel: object) -> list[str]:
    return [show_equation(e) for e in clean(text, **kernel).system.equations]


def codes(text: str, **kernel: object) -> list[str]:
    return [p.code for p in understood(text, **kernel).problems]


# --- pipeline, tuple, compose --------------------------------------------------------------------


def test_a_pipeline_names_every_station() -> None:
    assert equations("x --[M|relu]-> h --[N]-> p") == ["h = relu(M(x))", "p = N(h)"]


def test_an_item_with_arguments_takes_the_input_first() -> None:
    assert equations("x --[max(y)]-> h") == ["h = max(x, y)"]


def test_goals_may_stand_at_every_station() -> None:
    system = clean("x --[M]-> h => y $ sum(h) --[N]-> p => z").system
    assert [g.kind for g in system.goals] == ["loss", "objective", "loss"]


def test_tuples_are_assigned_side_by_side() -> None:
    assert equations("a, b := x, y") == ["a = x", "b = y"]


def test_a_tuple_of_predictions_has_a_loss_each() -> None:
    assert len(clean("x --[M]-> p\nx --[N]-> q\np, q => y, z").system.goals) == 2


def test_a_transform_of_a_composition_reaches_the_layers() -> None:
    (layer,) = clean("x --[clip_grad(M|relu, 0.5)]-> h").system.layers
    assert layer == Layer("M", "dense", updates=(Update("clip_grad", (("max_norm", 0.5),)),))


def test_nograd_holds_the_value_fixed() -> None:
    assert equations("x --[nograd(M|relu)]-> h") == ["h = stop(relu(M(x)))"]


def test_a_batch_annotation_is_kept() -> None:
    (equation,) = clean("x --[Value@1024]-> v").system.equations
    assert isinstance(equation.value, Apply) and equation.value.attributes == (("batch", 1024),)


# --- context -------------------------------------------------------------------------------------


def test_a_bare_name_takes_the_context_of_what_defines_it() -> None:
    assert equations("0 -> h_0\nh_{t-1}|x --[M]-> h_t --[N]-> p\np * 2 -> q") == [
        "h_0 = 0",
        "h_t = M(h_{t-1} | x)",
        "p_t = N(h_t)",
        "q_t = p_t * 2",
    ]


def test_what_is_made_from_points_stands_still() -> None:
    assert equations("0 -> h_0\nh_{t-1}|x_t --[M]-> h_t\nh_T --[N]-> p")[-1] == "p = N(h_T)"


def test_a_bare_read_means_the_bare_state_if_one_is_defined() -> None:
    assert equations("x_t * 2 -> O_t\n3 -> O\nO + O_t -> q_t")[-1] == "q_t = O + O_t"


def test_bare_and_indexed_of_one_name_are_two_states() -> None:
    states = [e.targets[0] for e in clean("x_t * 2 -> O_t\n3 -> O\nO + O_t -> q_t").system.equations]
    assert states == [Target("O_t", T), Target("O"), Target("q", T)]


def test_fixed_indices_are_plain_names_unless_the_name_runs() -> None:
    system = clean("x --[M_1]-> h_1 --[M_2]-> h_2").system
    assert [e.targets[0] for e in system.equations] == [Target("h_1"), Target("h_2")]
    assert system.indices == ()


def test_layers_of_a_stack_are_states_of_their_own() -> None:
    system = clean("0 -> h_{0,1}\nh_{t-1,1}|x_t --[A]-> h_{t,1}").system
    assert [e.targets[0] for e in system.equations] == [Target("h_1", (Fixed(0),)), Target("h_1", T)]


def test_an_effect_happens_at_every_index() -> None:
    assert equations("gauss() -> e\nx_t + e -> y_t") == ["e_t = gauss()", "y_t = x_t + e_t"]


def test_equations_are_shifted_so_that_they_define_the_present() -> None:
    assert equations("O_{t-1} --[Q]-> q_{t-1}") == ["q_t = Q(O_t)"]


def test_a_range_of_base_cases() -> None:
    system = clean("0 -> x_{-1:0}\nx_{t-1} + x_{t-2} -> x_t").system
    assert [e.targets[0].context for e in system.equations] == [(Fixed(-1),), (Fixed(0),), T]


def test_over_names_the_running_index() -> None:
    system = clean("over n\n0 -> h_0\nh_{n-1} + x_n -> h_n\nh_N -> p").system
    assert system.equations[-1].value == Read("h", (Last("n"),))


def test_the_number_of_an_index() -> None:
    assert equations("x_t / t + T -> y_t") == ["y_t = x_t / t + T"]


# --- learned base cases --------------------------------------------------------------------------


def test_a_free_parameter_at_a_point_of_a_sequence_is_its_base_case() -> None:
    two = "{}\nh0 -> h_0\nh_t := tanh(W(h_{{t-1}}|x_t)) + h_0"
    written, meant = clean("h_0 : param(8)\nh_t := tanh(W(h_{t-1}|x_t)) + h_0"), clean(two.format("h0 : param(8)"))
    assert written.system == meant.system
    assert written.text().startswith("h0 : param(8)  ") and "h_0 := h0 " in written.text()


@pytest.mark.parametrize(
    ("point", "parameter"), [("h_{-1}", "h_minus1"), ("h_{T+1}", "hT1"), ("h_{0,1}", "h0_1"), ("h_0", "h0'")]
)
def test_a_learned_base_case_bears_a_name_of_its_own(point: str, parameter: str) -> None:
    index = "t,1" if "," in point else "t"
    system = clean(f"{point} : param(3)\nh_{{{index}}} -> k_t\nx_t -> h_{{{index}}}\nh0 -> z").system
    assert parameter in [layer.name for layer in system.layers]


def test_a_learned_base_case_of_a_macro_belongs_to_it() -> None:
    text = "E: x_t\n    h_0 : param(8)\n    tanh(W(h_{t-1}|x_t)) -> h_t\n    return h_t\n"
    system = clean(text + "E(x_t) -> h_t\nE(h_t) -> g_t\nE_2(h_t) -> k_t").system
    assert [layer.name for layer in system.layers if layer.function == "param"] == ["E.h0", "E_2.h0"]
    assert [t.state for e in system.equations for t in e.targets if t.context == (Fixed(0),)] == [
        "E.h",
        "E.2.h",
        "E_2.h",
    ]


def test_a_parameter_at_a_number_that_is_no_sequence_is_a_plain_one() -> None:
    assert equations("h_1 : param(8)\nx + h_1 -> h_2") == ["h_2 = x + h_1"]


def test_a_bare_parameter_is_no_sequence_of_its_name() -> None:
    assert equations("M : param(16, 8)\nM -> M_0\nM_{t-1} + x_t -> M_t\nsum(M) -> a") == [
        "M_0 = M",
        "M_t = M_{t-1} + x_t",
        "a = sum(M)",
    ]


@pytest.mark.parametrize("line", ["tanh(x_t) -> h_t", "h_t := tanh(x_t)"])
def test_a_parameter_is_given_no_value(line: str) -> None:
    assert codes(f"h_t : param(8)\n{line}") == ["SQ226"]
    assert codes("b : param(8)\nx_t --[M]-> b") == ["SQ226"]
    assert codes("h_0 : param(8)\n0 -> h_0\nh_{t-1} + x_t -> h_t") == ["SQ226"]


# --- dense, functions ----------------------------------------------------------------------------


def test_a_capitalised_name_is_a_dense_layer_in_brackets_or_called() -> None:
    assert equations("M_1(x) -> h") == equations("x --[M_1]-> h") == equations("x --[dense_{M_1}]-> h")


def test_a_matrix_is_the_weight_of_its_layer() -> None:
    assert equations("M @ x -> h") == ["h = M @ x"]


def test_unnamed_layers_share_nothing() -> None:
    names = [layer.name for layer in clean("x --[batch_norm]-> h --[batch_norm]-> k").system.layers]
    assert names == ["batch_norm", "batch_norm_2"]


def test_a_greek_sigma_is_the_sigmoid() -> None:
    assert equations("x --[M|σ]-> h") == ["h = sigmoid(M(x))"]


def test_modules_of_the_kernel_go_by_their_names() -> None:
    assert [e.value.op for e in clean("x --[resnet]-> h", modules=frozenset({"resnet"})).system.equations] == ["module"]  # type: ignore[union-attr]


def test_an_unknown_function_is_named_with_its_nearest() -> None:
    (problem,) = understood("x --[sofmax]-> p").problems
    assert problem.code == "SQ206" and "`softmax`" in problem.message


# --- loss ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "loss"),
    [
        ("x --[M]-> p => y", "mse"),
        ("x --[M|softmax]-> p => y", "cross_entropy"),
        ("x --[M|sigmoid]-> p => y", "binary_cross_entropy"),
        ("x --[M|softmax]-> p -> q => y", "cross_entropy"),
        ("x --[M|softmax]-> p\np[a] => y", "cross_entropy"),
        ("x --[M|softmax]-> p ==[huber]=> y", "huber"),
        ("0 -> h_0\nh_{t-1}|x_t --[M|softmax]-> h_t\nh_{t-1} => y_t", "cross_entropy"),
    ],
)
def test_the_loss_follows_from_the_last_function(program: str, loss: str) -> None:
    (goal,) = clean(program).system.goals
    assert isinstance(goal.value, Apply) and goal.value.op == loss


def test_a_target_and_a_weight_are_held_fixed() -> None:
    (goal,) = clean("x --[M]-> p ==[w*mse]=> p*2").system.goals
    assert show(goal.value) == "stop(w) * mse(p, stop(p * 2))"


def test_an_integer_target_is_read_as_one_hot() -> None:
    (goal,) = clean("y : class(10)\nx --[M|softmax]-> p => y").system.goals
    assert show(goal.value) == "cross_entropy(p, stop(one_hot(y)))"


def test_a_label_within_an_expression_is_read_as_one_hot_too() -> None:
    (goal,) = clean("y_t : class(7)\nx_t --[Y|softmax]-> p_t $ -cross_entropy(p_t, y_t)").system.goals
    assert show(goal.value) == "-cross_entropy(p_t, stop(one_hot(y_t)))"


@pytest.mark.parametrize(
    "program",
    [
        "y : class(2)\nx --[M|sigmoid]-> p => y",
        "y : class(n)\nx --[M|sigmoid]-> p => y",
        "y : class(7)\nx --[M]-> p => one_hot(y)",
        "y : class(7)\nx --[M]-> p ==[huber]=> y",
        "y : class(7)\nx --[M|softmax]-> p ==[0.5*ce]=> y",
        "x --[M|softplus|log]-> p => y",
        "x --[M|softmax]-> p -> q ==[cross_entropy]=> y",
        "x*x -> p ==[binary_cross_entropy]=> y",
        "p ==[binary_cross_entropy]=> y\nx --[M]-> q => z",
    ],
)
def test_what_can_be_compared_is_left_alone(program: str) -> None:
    assert codes(program) == []


@pytest.mark.parametrize(
    ("program", "code", "repair"),
    [
        ("x --[M|log_softmax]-> p => y", "SQ622", "x --[M|softmax]-> p => y"),
        ("x ──[M|σ]→ p ==[bce]=> y", None, None),
        ("x ──[M]→ p ==[bce]=> y", "SQ623", "x ──[M|sigmoid]→ p ==[bce]=> y"),
        ("x --[layer_norm]-> p ==[ce]=> y", "SQ623", "x --[layer_norm|softmax]-> p ==[ce]=> y"),
        ("M(x) -> p ==[ce]=> y", "SQ623", None),
    ],
)
def test_what_cannot_be_compared_is_told(program: str, code: str | None, repair: str | None) -> None:
    problems = understood(program).problems
    assert [p.code for p in problems] == ([] if code is None else [code])
    assert [p.repair for p in problems] == ([] if code is None else [repair])


def test_an_objective_holds_fixed_what_it_is_not_raised_through() -> None:
    (goal,) = clean("x_t --[V]-> v_t\nx_t --[P|softmax]-> p_t $ v_t * log(p_t[a_t])").system.goals
    assert show(goal.value) == "stop(v_t) * log(p_t[stop(a_t)])"


# --- macros --------------------------------------------------------------------------------------

GRU = """Enc: h_{t-1}, x_t
    h_{t-1}|x_t -> c_t
    c_t --[R|sigmoid]-> r_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> h_t
    return h_t
"""


def test_a_macro_becomes_the_lines_of_its_body() -> None:
    assert equations(GRU + "0 -> h_0\nh_{t-1}, x_t --[Enc]-> h_t") == [
        "h_0 = 0",
        "Enc.c_t = h_{t-1} | x_t",
        "Enc.r_t = sigmoid(Enc.R(Enc.c_t))",
        "h_t = tanh(Enc.H(x_t | h_{t-1} * Enc.r_t))",
    ]


def test_arguments_spelled_like_the_formals_bind_by_name() -> None:
    by_name = equations(GRU + "0 -> h_0\nx_t, h_{t-1} --[Enc]-> h_t")
    assert by_name == equations(GRU + "0 -> h_0\nh_{t-1}, x_t --[Enc]-> h_t")


def test_otherwise_arguments_bind_by_position_with_a_warning() -> None:
    assert codes(GRU + "0 -> g_0\nx_t, h_{t-1} --[Enc]-> g_t") == ["SQ214", "SQ214"]


def test_instances_have_parameters_of_their_own() -> None:
    text = GRU + "0 -> a_0\n0 -> b_0\na_{t-1}, x_t --[Enc_1]-> a_t\nb_{t-1}, a_t --[Enc_2]-> b_t"
    assert [layer.name for layer in clean(text).system.layers] == ["Enc_1.R", "Enc_1.H", "Enc_2.R", "Enc_2.H"]


def test_two_calls_of_one_instance_share_their_parameters() -> None:
    text = GRU + "0 -> a_0\n0 -> b_0\na_{t-1}, x_t --[Enc]-> a_t\nb_{t-1}, a_t --[Enc]-> b_t"
    result = clean(text)
    assert [layer.name for layer in result.system.layers] == ["Enc.R", "Enc.H"]
    states = [t.state for e in result.system.equations for t in e.targets]
    assert "Enc.r" in states and "Enc.2.r" in states


def test_a_formal_read_earlier_is_the_argument_earlier() -> None:
    assert equations("D: u_{t-1}\n    u_{t-1} - u_{t-2} -> v_t\n    return v_t\nD(x_t) -> d_t") == [
        "d_t = x_t - x_{t-1}"
    ]


def test_a_macro_reads_constants_and_nothing_else_from_outside() -> None:
    body = "D: u_t\n    u_t * g -> v_t\n    return v_t\n"
    assert equations("2 -> g\n" + body + "D(x_t) -> d_t") == ["g = 2", "d_t = x_t * g"]
    assert codes("z_t -> g\n" + body + "D(x_t) -> d_t") == ["SQ216"]


def test_a_macro_of_an_earlier_cell() -> None:
    macros = understood(GRU).macros
    result = clean("0 -> h_0\nh_{t-1}, x_t --[Enc]-> h_t", macros=macros)
    assert result.taken == ("Enc",)
    assert result.system == clean(GRU + "0 -> h_0\nh_{t-1}, x_t --[Enc]-> h_t").system


def test_a_macro_that_calls_itself_is_named_with_its_cycle() -> None:
    text = "A: x_t\n    B(x_t) -> y_t\n    return y_t\nB: x_t\n    A(x_t) -> y_t\n    return y_t\nA(x_t) -> z_t"
    (problem,) = understood(text).problems
    assert problem.code == "SQ210" and "A -> B -> A" in problem.message


@pytest.mark.parametrize("loss", ["mse", "bce", "0.5 * mse", "w * huber(delta=2)"])
def test_a_macro_may_name_a_loss(loss: str) -> None:
    text = f"Head: h, y, w\n    h --[W]-> q ==[{loss}]=> y\n    return q\nHead(x, y, w) -> p"
    inside, outside = clean(text).system.goals, clean(f"x --[W]-> p ==[{loss}]=> y").system.goals
    assert [show_goal(goal) for goal in inside] == [show_goal(goal) for goal in outside]


def test_the_name_of_a_compound_argument_is_no_others() -> None:
    made = equations("Enc: u_t\n    u_t + u_{t-1} -> u'_t\n    u'_t*2 -> w_t\n    return w_t\nEnc(x_t*3) -> y_t")
    assert made == ["Enc.u''_t = x_t * 3", "Enc.u'_t = Enc.u''_t + Enc.u''_{t-1}", "y_t = Enc.u'_t * 2"]


def test_a_number_as_an_argument_is_there_at_every_step() -> None:
    text = "Enc: u_t\n    u_t + u_{t-1} -> v_t\n    return v_t\nEnc(n) -> y_t\ny_t + x_t -> z_t"
    for number in ("3", "-0.5"):
        assert equations(text.replace("(n)", f"({number})"))[0] == f"y_t = {number} + {number}"


def test_a_compound_argument_is_computed_once() -> None:
    text = "D: u_t\n    u_t * u_t -> v_t\n    return v_t\nD(tanh(x_t)) -> d_t"
    assert equations(text) == ["D.u'_t = tanh(x_t)", "d_t = D.u'_t * D.u'_t"]


# --- declarations, inputs, resets ----------------------------------------------------------------


def test_what_nothing_defines_is_an_input() -> None:
    system = clean("x_t : 28\ny_t : class(10)\nx_t --[M|softmax]-> p_t => y_t").system
    assert [(i.state, i.indexed, i.kind, i.sizes) for i in system.inputs] == [
        ("x", True, "real", (Size(28),)),
        ("y", True, "class", (Size(10),)),
    ]


def test_an_input_may_have_a_row_for_index_0() -> None:
    (a,) = clean("a_{0:T} : action(2)\na_{t-1} -> b_t").system.inputs
    assert (a.kind, a.first, a.last) == ("action", Fixed(0), Last("t"))


def test_a_free_parameter_is_a_weight() -> None:
    assert [layer.function for layer in clean("b : param(3)\nx + b -> y").system.layers] == ["param"]


def test_a_reset_reads_the_base_value_in_what_makes_the_state() -> None:
    text = "0 -> h_0\nh_{t-1}|x_t -> c_t\nc_t --[M]-> h_t\nh_{t-1} * 2 -> u_t\nreset h on cut"
    assert equations(text) == [
        "h_0 = 0",
        "c_t = where(cut_t, 0, h_{t-1}) | x_t",
        "h_t = M(c_t)",
        "u_t = h_{t-1} * 2",
    ]


@pytest.mark.parametrize("resets", ["reset h, k on cut", "reset k on cut\nreset h on cut_t"])
def test_states_that_are_reset_on_one_flag_start_anew_together(resets: str) -> None:
    text = "0 -> h_0\n1 -> k_0\nh_{t-1} + k_{t-1} -> h_t\nk_{t-1}|h_{t-1} --[K]-> k_t\nh_{t-1} -> u_t\n"
    fresh_h, fresh_k = "where(cut_t, 0, h_{t-1})", "where(cut_t, 1, k_{t-1})"
    assert equations(text + resets) == [
        "h_0 = 0",
        "k_0 = 1",
        f"h_t = {fresh_h} + {fresh_k}",
        f"k_t = K({fresh_k} | {fresh_h})",
        "u_t = h_{t-1}",
    ]


PROGRAMS = programs()  # made once: hypothesis takes its time over a strategy that is new


@composite
def texts(draw: DrawFn) -> str:
    """A generated program as text; drawn by hand, because hypothesis takes minutes to print how it was built."""
    return show_program(draw(PROGRAMS))


@settings(max_examples=40, phases=(Phase.reuse, Phase.generate))
@given(texts())
def test_any_program_that_parses_is_understood_or_refused_in_words(text: str) -> None:
    try:
        understand(text)
    except NotationError as error:
        assert error.problems


# --- the filled-in program is a program ----------------------------------------------------------


@pytest.mark.parametrize("name", ["lstm_seed", "gru_inline", "mlp_softmax", "rnn_feedforward", "a2c_gae", "dqn", "td"])
def test_elaborating_the_filled_in_program_gives_the_same_system(name: str) -> None:
    first = understood((GOLDEN / name / "program.sqn").read_text())
    again = understood(first.text())
    assert again.system == first.system
    assert all(not line.rules for line in again.lines)


@pytest.mark.parametrize("name", sorted(p.name for p in GOLDEN.iterdir() if p.is_dir()))
def test_no_program_of_the_seed_makes_the_elaborator_fail(name: str) -> None:
    assert understood((GOLDEN / name / "program.sqn").read_text()).system.equations


# --- mistakes do not cascade ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("0 -> h_0\nx_t|h_{t-1} --[foo]-> h_t --[M]-> p_t => y_t", ["SQ206"]),
        ("x -> y\nz -> y", ["SQ226"]),
        ("0 -> h_0\nh_{t-1} --[M]-> p_t", ["SQ227"]),
        ("x_t -> h_0\nh_{t-1} -> h_t", ["SQ223"]),
        ("a, b := x", ["SQ204"]),
        ("x | y", ["SQ202"]),
        ("x --[M]-> 3", ["SQ201"]),
        ("over n\nx_n -> y_{t-1}", ["SQ203"]),
        ("x --[adam_opt(sgd_opt(M))]-> y", ["SQ238"]),
        ("x --[M]-> y\nx --[conv_M]-> z", ["SQ237"]),
        ("tanh(x, y) -> z", ["SQ236"]),
        ("x --[conv_K(sise=3)]-> y", ["SQ234"]),
        ("nograd(x) -> y", ["SQ205"]),
        ("E: x_t\n    x_t -> y_t\nE(z_t) -> u_t", ["SQ211"]),
        ("E: x_t\n    x_t -> y_t\n    return y_t\nE(a_t, b_t) -> u_t\nE(v_t) -> w_t", ["SQ213"]),
        ("x_t --[foo]-> a_t\nx_t --[bar]-> b_t", ["SQ206", "SQ206"]),
    ],
)
def test_one_mistake_gives_one_message(program: str, found: list[str]) -> None:
    assert codes(program) == found


@pytest.mark.parametrize("call", ["x_t --[Both]-> u_t, v_t", "Both(x_t) -> y_t, z_t", "x_t --[Both]-> y, z"])
def test_a_macro_of_several_results_is_called_at_every_step(call: str) -> None:
    known = understand("Both: x\n    2*x -> y\n    3*x -> z\n    return y, z\nx_t : 2\n" + call)
    first, second = (t.strip() for t in call.split("->")[-1].split(","))
    names = {t.state for e in known.system.equations for t in e.targets}
    assert {first.removesuffix("_t"), second.removesuffix("_t")} <= names


def test_a_macro_of_several_results_needs_as_many_names() -> None:
    text = "Both: x\n    2*x -> y\n    3*x -> z\n    return y, z\nx_t : 2\nx_t --[Both]-> u_t"
    with pytest.raises(NotationError, match="1 name for 2 values"):
        understand(text)
