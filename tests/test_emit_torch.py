"""Generated torch code: that it says what the program says, and computes it."""

from __future__ import annotations

import subprocess
import sys

import torch

from tests.emitted import emitted

LSTM = """
x_t : 3
0 -> c_0
0 -> h_0
h_{t-1}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
h_t --[G|softmax]-> q_t => one_hot(y_t)
y_t : class(7)
"""


def test_an_lstm_is_one_loop_and_the_rest_is_computed_at_once() -> None:
    made = emitted(LSTM)
    loops = [line for line in made.source.split("\n") if "for t" in line and line.rstrip().endswith(":")]
    assert len(loops) == 1
    assert "self.G(h" in made.source
    assert "h[t] = torch.tanh(c[t]) * o[t]  # h_t = tanh(c_t) * o_t" in made.source


def test_parameters_bear_the_names_of_the_notation() -> None:
    names = [name for name, _ in emitted(LSTM).make().named_parameters()]
    assert names == [f"{layer}.{p}" for layer in "FICOG" for p in ("weight", "bias")]


def test_the_horizon_and_the_batch_are_those_of_the_data() -> None:
    net = emitted(LSTM).make()
    for steps, batch in ((1, 1), (7, 3), (2, 5)):
        states = net(torch.randn(steps, batch, 3, dtype=torch.float64))
        assert states["h"].shape == (steps + 1, batch, 5)
        assert states["c_0"].shape == (batch, 5)


def test_a_page_runs_alone_and_is_the_same_whatever_the_hash_seed() -> None:
    program = (
        "import sys; from tests.emitted import emitted; from tests.test_emit_torch import LSTM;"
        "sys.stdout.write(emitted(LSTM).source)"
    )
    pages = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        ).stdout
        for seed in ("1", "2")
    }
    (page,) = pages
    check = (
        "\nimport sys\nassert not any(n.startswith('sqmagic') for n in sys.modules)\n"
        "print(Net()(torch.zeros(4, 2, 3))['q'].shape)"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-c", page + check], capture_output=True, text=True, check=True, cwd="/"
    )
    assert ran.stdout.split("(")[1].startswith("[5, 2, 7]")
