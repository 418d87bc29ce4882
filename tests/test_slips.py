"""Steps that are written as differences or components are told of, and nothing else is."""

from __future__ import annotations

import pytest

from sqmagic.notation.parse import parse
from sqmagic.notation.problems import repaired
from sqmagic.notation.slips import slips
from sqmagic.notation.source import Source
from sqmagic.pipeline import understand

MEANT = [
    "y_t := x_t - 1",
    "y_t := 1 - x_t",
    "y_t := x_t-z_t",
    "y_t := (a*x_t)-1",
    "y_t := W(x_t)-1",
    "y_t := x_t-0.5",
    "y_t := x_1-1 + z_t",
    "y_t := q_t[a_t]",
    "y_t := q_t[1]",
    "y_t := x_t --z_t",
    "x_t - -z_t -> y_t",
    "over n\ny_n := x_t-1 + z_n",
    "y_t := q_t ⊙ k_t",
    "y_t := q_t * k_t",
    "y_t := γ · V_{t+1}",
    "y_t := 0.5 · x_t",
    "y_t := q_t · W(k_t)",
]

SLIPS = {
    "y_t := x_t-1": "y_t := x_{t-1}",
    "y_t := x_t -1": "y_t := x_{t-1}",
    "y_t := x_{t}+2": "y_t := x_{t+2}",
    "y_t := a*x_t-1*z_t": "y_t := a*x_{t-1}*z_t",
    "V_t-1 --[F]-> y_t": "V_{t-1} --[F]-> y_t",
    "y_t := O'_t-1": "y_t := O'_{t-1}",
    "y_t := x[t]": "y_t := x_t",
    "x --F--> p": "x --[F]-> p",
    "x --F-> p => y": "x --[F]-> p => y",
    "y_t := x[t - 1]": "y_t := x_{t - 1}",
    "over n\ny_n := x_n-1": "y_n := x_{n-1}",
    "y_t := q_t · k_{t-1}": "y_t := q_t @ k_{t-1}",
    "softmax(q_t⋅k_t) -> y_t": "softmax(q_t @ k_t) -> y_t",
    "Cell: h_{t-1}, x_t\n    return F(h_t-1 | x_t)\ny_t := Cell(h_{t-1}, x_t)": "    return F(h_{t-1} | x_t)",
}


@pytest.mark.parametrize("text", MEANT)
def test_what_is_meant_as_it_stands_is_left_alone(text: str) -> None:
    assert slips(parse(text), Source.of(text)) == ()


@pytest.mark.parametrize("text", SLIPS)
def test_the_step_that_was_likely_meant_is_proposed(text: str) -> None:
    source = Source.of(text)
    (problem,) = slips(parse(text), source)
    line = repaired(problem, source)
    assert line == SLIPS[text]
    whole = text.replace(source.line(source.line_number(problem.span.start)), line)
    assert slips(parse(whole), Source.of(whole)) == (), "what is proposed is no slip itself"


@pytest.mark.parametrize(
    "text",
    [
        "X --[F]-> p => y",
        "p_t := F(x_t)*A_t",
        "A : 3\nx_t : 3\np_t := A*x_t",
        "p_t := alpha*x_t",
        "A := F(z)\np_t := A*x_t",
        "p_t := A*x_t\nq_t := F(A | x_t)",
        "p_t := A @ x_t",
    ],
)
def test_data_are_not_taken_for_weights(text: str) -> None:
    assert [w.code for w in understand(text).warnings] == []


@pytest.mark.parametrize(
    "text",
    [
        "x + M(x) -> y",
        "M(z) + c -> q",
        "0 -> h_0\nh_t := tanh(W(x_t|h_{t-1}) + c)\nc*2 -> k",
        "c : 8\nh_t := tanh(W(x_t) + c)",
        "c : param(8)\nh_t := tanh(W @ x_t + c)",
        "h_t := tanh(W @ x_t + c_t)",
        "h_t := tanh(W @ x_t) + 0.1*c",
        "h_t := x_t + c",
    ],
)
def test_data_are_not_taken_for_biases(text: str) -> None:
    assert [w.code for w in understand(text).warnings] == []


@pytest.mark.parametrize("text", ["y := W @ x + b", "h_t := W @ x_t - b_h", "h_t := relu(b + U(x_t) + z_t)"])
def test_what_is_only_added_to_what_weights_make_is_likely_a_bias(text: str) -> None:
    (warning,) = understand(text).warnings
    assert warning.code == "SQ619" and repaired(warning, Source.of(text)) in (
        f"b : param()\n{text}",
        f"b_h : param()\n{text}",
    )


@pytest.mark.parametrize(
    "text",
    [
        "Tanh : 3 -> 4\nx_t --[Tanh]-> h_t",
        "x_t --[Mean]-> mu_t",
        "x_t --[Reset|sigmoid]-> r_t",
        "x_t --[Gen|Value|M_1]-> r_t",
        "GRU: x_t\n    return tanh(R(x_t))\nx_t --[GRU]-> h_t",
        "V(O_t) => r_t + V(O'_t)",
        "K'_t @ q_t -> a_t",
        "outer(k_t, v_t) -> K_t\nouter(k_t, k_t) -> K'_t\nK'_t @ K_t -> a_t",
    ],
)
def test_names_that_are_nothing_elses_are_left_alone(text: str) -> None:
    assert [w.code for w in understand(text).warnings] == []


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("x_t --[ReLU_1]-> h_t", "x_t --[relu]-> h_t"),
        ("LogSoftmax(W(x_t)) -> h_t", "log_softmax(W(x_t)) -> h_t"),
        ("x_t --[Embedding_E]-> h_t", "x_t --[embed_E]-> h_t"),
        ("x_t --[GELU|M|Layer_Norm]-> h_t => y_t", "x_t --[gelu|M|layer_norm]-> h_t => y_t"),
        ("x_t --[LSTM_1]-> h_t", None),
        ("W @ x_t -> h_t\ny_t := h_t @ W'", "y_t := h_t @ transpose(W)"),
        ("outer(k_t, v_t) -> K_t\nK'_{t-1} @ q_t -> a_t", "transpose(K_{t-1}) @ q_t -> a_t"),
        ("outer(k_t, v_t) -> K_t\nK_{t-1}' @ q_t -> a_t", "transpose(K_{t-1}) @ q_t -> a_t"),
    ],
)
def test_what_is_spelled_like_something_else_is_told(text: str, repair: str | None) -> None:
    (warning,) = understand(text).warnings
    assert warning.code in ("SQ620", "SQ621") and repaired(warning, Source.of(text)) == repair


@pytest.mark.parametrize(
    "text",
    [
        "r_t : 1\nmean(r_{1:T}) --[G]-> p => y",
        "x_t : 3\nsum(x_{t-2:t}) -> s_t\ns_t --[G]-> p => y_t",
        "x_t --[V]-> V_t\nsum(r_{t:T}) -> G_t\nV_t => G_t",
        "mean(transpose(x_{1:T})) --[G]-> p => y",
        "x_{t-3:t}[0:2] -> a_t",
        "x_{1:4}[0:2] -> b",
        "x_t[0:2] -> b_t",
    ],
)
def test_what_is_over_components_or_rows_and_meant_so_is_left_alone(text: str) -> None:
    assert [w.code for w in understand(text).warnings] == []


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("max(x_{ 1 : t }) --[G]-> p_t", "max(transpose(x_{ 1 : t })) --[G]-> p_t"),
        ("x_t : 3\nsum(x_{1:T}) -> s\ns --[G]-> p", "sum(transpose(x_{1:T})) -> s"),
        ("over n\nx_n : 3\nmean(x_{1:N}) -> s\ns --[G]-> p", "mean(transpose(x_{1:N})) -> s"),
        ("k_{1:t}[0:8] @ q_t -> a_t", "transpose(transpose(k_{1:t})[0:8]) @ q_t -> a_t"),
        ("V_t => sum(r_{t:T}[1:3])\nx_t --[F]-> V_t", "V_t => sum(transpose(transpose(r_{t:T})[1:3]))"),
    ],
)
def test_what_is_over_components_and_was_likely_meant_over_steps_is_told(text: str, repair: str) -> None:
    (warning,) = understand(text).warnings
    assert warning.code in ("SQ624", "SQ625") and repaired(warning, Source.of(text)) == repair


def test_a_layer_and_its_transpose_share_one_weight() -> None:
    lines = ["W @ x_t -> h_t", "transpose(W) @ h_t -> y_t"]
    known = understand("\n".join(lines) + "\ny_t => x_t")
    assert [layer.name for layer in known.system.layers] == ["W"]
    assert [i.state for i in known.system.inputs] == ["x"]
    within = understand("Enc: x_t\n    " + "\n    ".join([*lines, "return y_t"]) + "\nx_t --[Enc]-> y_t => x_t")
    assert [layer.name for layer in within.system.layers] == ["Enc.W"]
    assert [i.state for i in within.system.inputs] == ["x"]


def test_what_multiplies_a_state_and_is_defined_nowhere_is_told_of_once() -> None:
    known = understand("0 -> h_0\nh_t := tanh(W*x_t + U*h_{t-1} + W*h_{t-1})")
    assert [w.message.split(",")[0] for w in known.warnings] == ["nothing defines `W`", "nothing defines `U`"]
