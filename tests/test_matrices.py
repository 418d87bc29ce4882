"""States that are matrices, and ranges of a fixed length, in compiled scans: their edges to torch, and what stays
there. That they compute the same at any size, and with what is not finite, is among the cells of `test_kernels`."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from against import random_inputs
from emitted import emitted, net
from test_kernels import MEMORY, by_c, gradients, outside, pair, same

GIVEN = """
X_t : 3 x 4
a_t : 1
b : 3 x 4
b -> S_0
a_t*S_{t-1} + X_t*tanh(S_{t-1}) -> S_t
norm(S_t) -> n_t
"""


def given(steps: int = 5, batch: int = 2) -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    return {
        "X": torch.randn(steps, batch, 3, 4, dtype=torch.float64),
        "a": torch.rand(steps, batch, 1, dtype=torch.float64),
        "b": torch.randn(batch, 3, 4, dtype=torch.float64),
    }


def test_matrices_are_given_and_come_out_in_their_shape() -> None:
    compiled, plain = pair(GIVEN, given())
    with torch.no_grad():
        out, want = compiled(given()), plain(given())
    by_c(compiled)
    assert out.S.shape == (5, 2, 3, 4)
    for state in want:
        torch.testing.assert_close(out[state], want[state])
    same(gradients(compiled, given(), ["S", "n"]), gradients(plain, given(), ["S", "n"]))
    by_c(compiled)


def test_matrices_need_not_be_contiguous() -> None:
    compiled, plain = pair(GIVEN, given())
    data = given()
    turned = data | {k: data[k].transpose(-1, -2).contiguous().transpose(-1, -2) for k in ("X", "b")}
    apart = data | {"X": data["X"].transpose(0, 1).contiguous().transpose(0, 1)}
    for each in (turned, apart):
        assert not each["X"].is_contiguous()
        same(gradients(compiled, each, ["S"]), gradients(plain, data, ["S"]))
    by_c(compiled)


def test_a_matrix_that_was_left_out_is_there_when_asked_for() -> None:
    text = MEMORY.format(inputs=3, width=6)
    data = {"x": torch.randn(5, 4, 3, dtype=torch.float64)}
    compiled, plain = pair(text, data)
    with torch.no_grad():
        out, want = compiled(data), plain(data)
    assert out.C.shape == (5, 4, 3, 6) and out["C_0"].shape == (4, 3, 6)
    for state in want:
        torch.testing.assert_close(out[state], want[state])
    same(gradients(compiled, data, ["C"]), gradients(plain, data, ["C"]))
    by_c(compiled)


def test_gradients_of_matrices_may_be_differentiated_themselves() -> None:
    compiled, plain = pair(GIVEN, given(3))

    def twice(module: torch.nn.Module, data: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        leaves = {k: v.clone().requires_grad_() for k, v in data.items()}
        first = torch.autograd.grad(module(leaves).S.square().sum(), list(leaves.values()), create_graph=True)
        found = torch.autograd.grad(sum(g.square().sum() for g in first), list(leaves.values()))
        return dict(zip(leaves, found, strict=True))

    same(twice(compiled, given(3)), twice(plain, given(3)))
    by_c(compiled)


def test_examples_with_matrices_may_end_at_steps_of_their_own() -> None:
    compiled, plain = pair(GIVEN, given())
    lengths = torch.tensor([2, 5])
    with torch.no_grad():
        out, want = compiled(given(), lengths=lengths), plain(given(), lengths=lengths)
    by_c(compiled)
    for state in want:
        torch.testing.assert_close(out[state], want[state], equal_nan=True)


def test_a_parameter_may_be_a_matrix_among_matrices() -> None:
    text = "x_t : 2\nA : param(3, 2)\nB : param(2, 2)\nA -> S_0\ntanh(A*S_{t-1} @ B + outer(G(x_t), x_t)) -> S_t"
    data = {"x": torch.randn(4, 3, 2, dtype=torch.float64)}
    compiled, plain = pair(text, data)
    same(gradients(compiled, data, ["S"]), gradients(plain, data, ["S"]))
    by_c(compiled)


PROGRAMS = {
    "image": "X_t : 1 x 4 x 5\n0 -> M_0\n0.9*M_{t-1} + tanh(X_t) -> M_t\nmean(flatten(M_t)) -> y_t",
    "reset": "x_t : 3\ncut_t : 1\n0 -> S_0\nreset S on cut\nS_{t-1} + outer(x_t, x_t) -> S_t\nS_t @ x_t -> y_t",
    "macro": """
Write: S_{t-1}, k_t, v_t
    S_{t-1} + outer(v_t - S_{t-1} @ k_t, k_t) -> S_t
    return S_t
x_t : 3
0 -> S_0
x_t --[K|tanh]-> k_t
x_t --[V]-> v_t
S_{t-1}, k_t, v_t --[Write]-> S_t
S_t @ k_t -> y_t
""",
    "layers": """
x_t : 3
0 -> S_0
0 -> R_0
x_t --[K|tanh]-> k_t
S_{t-1} + outer(k_t, x_t) -> S_t
S_t @ x_t -> y_t
R_{t-1} + 0.1*outer(y_t, k_t) -> R_t
R_t @ k_t -> z_t
z_t|y_t --[O]-> o_t
""",
    "two steps away": """
x_t : 3
0 -> S_0
0 -> S_{-1}
0.5*S_{t-1} + 0.25*S_{t-2} + outer(x_t, x_t) -> S_t
S_t @ x_t -> y_t
S_{t-1} @ x_t -> z_t
""",
    "both ways": """
x_t : 3
0 -> S_0
0 -> B_{T+1}
S_{t-1}*0.9 + outer(x_t, x_t) -> S_t
B_{t+1}*0.9 + outer(x_t, x_t) -> B_t
(S_t + B_t) @ x_t -> y_t
""",
    "rows": """
x_t : 4
0 -> S_0
S_{t-1} + outer(x_t, x_t) -> S_t
S_t[1:3] @ x_t -> y_t
S_t[2] -> r_t
max(S_t) - min(abs(S_t)) -> m_t
exp(-norm(S_t)) -> n_t
""",
    "still": "x_t : 3\nM : 4 x 7\n0 -> h_0\ntanh(M @ (h_{t-1}|x_t)) -> h_t",
    "still in many ways": """
x_t : 3
M : 3 x 3
0 -> h_0
tanh(M @ h_{t-1}) - M @ x_t + sum(M)*x_t - 0.1*h_{t-1} @ M -> h_t
""",
    "still of a parameter": """
x_t : 19
A : param(19, 19)
softmax(A) -> L
0 -> h_0
L @ h_{t-1} + x_t -> h_t
""",
    "square": "x_t : 3\n0.1 -> R_0\n0.1*R_{t-1} @ R_{t-1} + 0.1*outer(x_t, x_t) -> R_t\nR_t @ x_t -> y_t",
    "one row": "x_t : 4\nx_t --[G]-> g_t\ng_t : 1\n0 -> S_0\n1 -> u\nS_{t-1} + outer(x_t, g_t) -> S_t\nS_t @ u -> y_t",
    "one column": "x_t : 1\nk_t : 5\n0 -> S_0\nx_t --[K]-> k_t\nS_{t-1} + outer(x_t, k_t) -> S_t\nS_t @ k_t -> y_t",
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(("steps", "batch"), [(5, 3), (4, 33)])
def test_programs_with_matrices_are_computed_and_trained_as_by_torch(name: str, steps: int, batch: int) -> None:
    data = random_inputs(emitted(PROGRAMS[name]), steps, batch)
    compiled, plain = pair(PROGRAMS[name], data)
    lengths = torch.arange(batch) % steps + 1
    for more in ({}, {"lengths": lengths}):
        with torch.no_grad():
            out, want = compiled(data, **more), plain(data, **more)
        for state in want:
            torch.testing.assert_close(out[state], want[state], equal_nan=True, msg=state)
    states = [s for s in want if s not in data and want[s].dim() > 2]
    same(gradients(compiled, data, states), gradients(plain, data, states))
    by_c(compiled)


READ = """
x_t : 3
k_t : 5
0 -> S_0
x_t --[K]-> k_t
x_t --[V]-> v_t
S_{{t-1}} + outer(v_t, k_t) -> S_t
{more}
"""


def test_what_reads_matrices_at_the_step_itself_runs_in_their_loop() -> None:
    text = READ.format(more="S_t @ k_t -> y_t\ny_t * norm(S_t) -> z_t\ntanh(z_t) -> u_t")
    data = {"x": torch.randn(6, 3, 3, dtype=torch.float64)}
    compiled, plain = pair(text, data)
    assert "S, y, z: step by step, from the first" in str(compiled.plan)
    with torch.no_grad():
        out, want = compiled(data), plain(data)
    assert outside(compiled) == ["z"]
    for state in want:
        torch.testing.assert_close(out[state], want[state])
    for states in (["u"], ["y", "S"], ["z"]):
        same(gradients(compiled, data, states), gradients(plain, data, states))
    by_c(compiled)


@pytest.mark.parametrize(
    "more",
    [
        "S_{t-1} @ k_t -> y_t",  # another step
        "S_t @ k_{t-1} -> y_t",  # fewer steps
        "S_t[argmax(x_t)] -> y_t",  # no kernel
        "y_t : 40\nS_t @ k_t --[Y]-> y_t",  # more weights than the matrix has numbers
        "sum(x_t) -> y_t",  # no matrix
        "S_t @ k_t => x_t|x_t",  # a goal
    ],
)
def test_what_else_reads_them_does_not(more: str) -> None:
    assert "S: step by step, from the first" in str(net(READ.format(more=more)).plan)


def test_what_needs_an_input_that_may_be_left_out_stays_out_of_the_loop() -> None:
    text = READ.format(more="w_t : 5\nS_t @ k_t -> y_t\nS_t @ w_t -> m_t\ny_t => m_t")
    module = net(text).double()
    assert "S, y: step by step" in str(module.plan)
    data = {"x": torch.randn(6, 3, 3, dtype=torch.float64)}
    assert "m" not in module(data)
    both = data | {"w": torch.randn(6, 3, 5, dtype=torch.float64)}
    torch.testing.assert_close(module(both).m, (module(both).S @ both["w"][..., None])[..., 0])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x_t : 2\n0 -> S_0\nlayer_norm_N(S_{t-1} + outer(x_t, x_t)) -> S_t", "`layer_norm` of a matrix has no kernel"),
        (
            "x_t : 3\n0 -> S_0\nS_{t-1} + outer(S_{t-1}[argmax(x_t)], x_t) -> S_t",
            "which row of a matrix it reads is known only as it runs",
        ),
        (
            "x_t : 3\n0 -> h_0\nsoftmax(U(h_{0:t-1}) @ x_t) @ h_{0:t-1} + x_t -> h_t\nU : 3 -> 3",
            "it stacks a range whose length changes with t",
        ),
    ],
)
def test_what_stays_in_torch_says_why(text: str, why: str) -> None:
    assert why in str(net(text).plan)
