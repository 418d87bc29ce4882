"""Generated torch code: it says what the program says, and computes what the judge does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from against import agree, random_inputs
from emitted import emitted, net, randomised
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from programs import PROGRAMS
from systems import Example, examples
from torch import nn

from sqmagic.emit.torch.layers import MODULE_NAMES
from sqmagic.emit.torch.lines import broken
from sqmagic.emit.torch.losses import RULES
from sqmagic.emit.torch.refusals import REFUSED, refused
from sqmagic.emit.torch.write import emit
from sqmagic.equations.interpret import interpret
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes import Shapes
from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import understand
from sqmagic.runtime import generated
from sqmagic.runtime.states import States
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains

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


# --- the table and the page ----------------------------------------------------------------------


def test_every_operator_has_a_rule_or_is_refused_in_words() -> None:
    assert set(RULES) | set(REFUSED) == set(ALL_OPS)
    assert not set(RULES) & set(REFUSED)


def test_rows_that_are_the_same_at_all_steps_are_taken_once() -> None:
    source = emitted(PROGRAMS["attention of a decoder"]).source.partition("def loss")[0]
    before, _, loop = source.partition("for t in range(1, T + 1):")
    loop = loop.partition("torch.stack")[0]
    assert "e_rows = e[0:T].transpose(0, 1).contiguous()" in before
    assert "e_row = row(e, end - 1)" in before
    assert loop.count("e_rows") == 3
    assert loop.count("e_row ") == 1
    assert "e[" not in loop


def test_an_lstm_is_one_loop_and_the_rest_is_computed_at_once() -> None:
    forward = emitted(LSTM).source.partition("def loss")[0]
    loops = [line for line in forward.split("\n") if line.strip().startswith("for t")]
    assert len(loops) == 1
    assert "h[t] = torch.tanh(c[t]) * o[t]  # h_t = tanh(c_t) * o_t" in forward
    assert "self.G(h" in forward


def test_the_text_is_the_same_whatever_the_window() -> None:
    source = emitted(LSTM).source
    assert "T, batch = x.shape[:2]" in source
    assert "64" not in source


def test_a_page_runs_alone_and_is_the_same_whatever_the_hash_seed() -> None:
    program = (
        "import sys; from emitted import emitted; from test_emit_torch import LSTM;"
        "sys.stdout.write(emitted(LSTM).source)"
    )
    pages = {
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "tests:."},
        ).stdout
        for seed in ("1", "2")
    }
    (page,) = pages
    check = (
        "\nimport sys\nassert not any(n.startswith('sqmagic') for n in sys.modules)\n"
        "net = Net()\nx, y = torch.zeros(4, 2, 3), torch.zeros(4, 2, dtype=torch.long)\n"
        "net.loss(x, y).backward()\nprint(list(net(x)['c_0'].shape), net.F.weight.grad.shape == (5, 8))"
    )
    ran = subprocess.run([sys.executable, "-I", "-c", page + check], capture_output=True, text=True, cwd="/")
    assert ran.stdout == "[2, 5] True\n", ran.stderr


def test_an_environment_and_a_buffer_are_refused_in_words() -> None:
    system = understand("reset() -> S_0\nstep(S_{t-1}) -> S_t, O_t, r_t\nO_t --[V]-> V_t => r_t").system
    assert [p.message for p in refused(system)] == [
        "`reset` is bound to no environment",
        "`step` is bound to no environment",
    ]


# --- against the judge ---------------------------------------------------------------------------

WINDOWS: dict[str, dict[str, Any]] = {
    "a window": {},
    "one step of one example": {"steps": 1, "batch": 1},
    "two steps": {"steps": 2, "batch": 2},
    "training": {"training": True},
}
LENGTHS: dict[str, dict[str, Any]] = {
    "examples end early": {"steps": 5, "lengths": [5, 2, 3]},
    "no example fills the window": {"steps": 5, "lengths": [2, 4, 1], "training": True},
}
SHORT = {"ranges"}  # reads x_3
OVER_TIME = [name for name, text in PROGRAMS.items() if "_t" in text and name not in SHORT]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_states_and_losses_are_those_of_the_judge(program: str, window: str) -> None:
    if program not in SHORT or window in ("a window", "training"):
        agree(PROGRAMS[program], **WINDOWS[window])


@pytest.mark.parametrize("window", LENGTHS)
@pytest.mark.parametrize("program", OVER_TIME)
def test_examples_that_end_early_are_as_if_they_were_alone(program: str, window: str) -> None:
    agree(PROGRAMS[program], **LENGTHS[window])


def test_a_program_without_inputs_over_time_is_told_its_horizon() -> None:
    agree("z : 2\nz -> h_0\n0.5*h_{t-1} + t*z -> h_t\nw : param(2)\nw*h_t -> p_t => z", steps=4, horizon=4)
    agree("0.5 -> h_0\n0.5*h_{t-1} + t -> h_t", horizon=3, batch=1)


@st.composite
def recurrences(draw: st.DrawFn) -> str:
    """States of width 2, some that look back and then some that look ahead, which may also read the first anywhere."""
    back, ahead = draw(st.sampled_from([("ab", ""), ("ab", "c"), ("a", "cd"), ("", "cd"), ("abe", "cd")]))
    lines = ["x_t : 2", "z : 2"]
    for place, name in enumerate(back):
        lines += [f"{draw(st.sampled_from(['0', '0.5', 'z']))} -> {name}_{{{k}}}" for k in draw(_BASES)]
        others = [f"{n}_{{t{k}}}" for n in back for k in ("-1", "-2")]
        lines.append(draw(_equation(name, [f"{n}_t" for n in back[:place]] + others)))
    for place, name in enumerate(ahead):
        lines += [f"1 -> {name}_{{T+{k}}}" for k in range(1, draw(st.integers(0, 2)) + 1)]
        others = [f"{n}_{{t+{k}}}" for n in ahead for k in (1, 2)] + [
            f"{n}_{{t{k}}}" for n in back for k in ("-1", "+1")
        ]
        lines.append(draw(_equation(name, [f"{n}_t" for n in back + ahead[:place]] + others)))
    return "\n".join([*lines, f"{(back + ahead)[-1]}_t --[P]-> p_t => x_t"])


@st.composite
def _equation(draw: st.DrawFn, name: str, states: list[str]) -> str:
    chosen = draw(st.lists(st.sampled_from([*states, "x_t", "x_{t-1}", "x_{t+1}"]), min_size=1, max_size=3))
    text = " + ".join(f"{draw(st.sampled_from(['0.3', '0.7', '1']))}*{term}" for term in chosen)
    return f"{draw(st.sampled_from(['tanh', 'abs', 'M', 'sin']))}({text}) -> {name}_t"


_BASES = st.sampled_from([[-1, 0], [-1, 0], [0], []])


@settings(max_examples=25, report_multiple_bugs=False)
@given(recurrences(), st.integers(0, 4), st.booleans())
def test_any_recurrence_is_computed_as_the_judge_does(text: str, more: int, early: bool) -> None:
    try:
        known = understand(text)
    except NotationError:
        assume(False)
    assume(not any(w.code == "SQ408" for w in known.warnings))  # given past a gap: a domain is one interval
    # with fewer steps a recurrence may be nowhere, though a part of it could be
    least = max(steps.horizon for steps in known.domains.states.values())
    agree(text, steps=least + more, batch=2, lengths=[least + more, least] if early else None)


@settings(max_examples=60, report_multiple_bugs=False)
@given(examples(), st.integers(0, 2), st.booleans())
def test_any_system_is_computed_as_the_judge_does(example: Example, more: int, early: bool) -> None:
    order = dependence(example.system)
    held = domains(example.system, order)
    source = emit(example.system, Shapes(example.states, example.parameters), order, held)
    code = generated.build(source, "net", {}).double()
    steps = held.horizon + more
    lengths = [steps, held.horizon] if early and generated.takes(code, "forward", "lengths") else None
    parameters, given_ = example.values(steps)
    code.load_state_dict({name: torch.from_numpy(value) for name, value in parameters.items()})
    names = generated.arguments(code)
    keywords = {names[s]: torch.from_numpy(v) for s, v in given_.items()}
    keywords |= {"lengths": torch.tensor(lengths)} if lengths else {}
    keywords |= {"horizon": steps} if generated.takes(code, "forward", "horizon") else {}
    run = interpret(
        example.system, parameters=parameters, inputs=given_, horizon=steps, shapes=example, lengths=lengths
    )
    out = States(generated.call(code, "forward", **keywords), generated.rows(code), {}, steps, keywords.get("lengths"))
    for state, want in run.states().items():
        want = np.broadcast_to(want, out[state].shape).copy()
        for place, length in enumerate(lengths or ()):
            if out.domain(state) is not None:
                want[length:, place] = np.nan
        np.testing.assert_allclose(out[state].detach().numpy(), want, rtol=1e-10, atol=1e-10, err_msg=state)
    if example.system.goals:
        loss = generated.call(code, "loss", **keywords).item()
        np.testing.assert_allclose(loss, run.loss(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("program", PROGRAMS)
def test_everything_stays_on_the_device_of_the_data(program: str) -> None:
    """torch's meta device computes shapes alone, and refuses tensors of two devices."""
    made = emitted(PROGRAMS[program])
    code = generated.build(made.source, "net", {}).double().to("meta")
    names = generated.arguments(code)
    given_ = {names[s]: v.to("meta") for s, v in random_inputs(made, 4, 2).items()}
    states = generated.call(code, "forward", **given_)
    assert {value.device.type for value in states.values()} == {"meta"}


def test_chance_is_drawn_anew_and_carries_no_gradient() -> None:
    module = net(
        "x_t : 4\nx_t --[M|softmax]-> pi_t\nsample(pi_t) -> a_t\neps_greedy(pi_t, 0.5) -> b_t\nx_t + gauss() -> z_t"
    )
    x = torch.zeros(40, 30, 4)
    out, again = module(x=x), module(x=x)
    assert out.a.shape == out.b.shape == (40, 30, 1)
    assert set(out.a.unique().tolist()) == set(out.b.unique().tolist()) == {0, 1, 2, 3, 4}
    assert abs(out.z.std().item() - 1) < 0.1 and not torch.equal(out.z, again.z)
    assert not (out.a.requires_grad or out.b.requires_grad or out.z.requires_grad)


# --- gradients -----------------------------------------------------------------------------------

SMOOTH = ["mlp_softmax", "gru", "learned_base", "last", "bidirectional", "attention", "norm_in_scan", "embed", "video"]


@pytest.mark.parametrize("program", SMOOTH)
def test_gradients_agree_with_finite_differences(program: str) -> None:
    made, module = emitted(PROGRAMS[program]), net(PROGRAMS[program])
    given_ = random_inputs(made, 3, 2)
    module.settle(given_)
    randomised(module)
    module.loss(given_).backward()
    for name, parameter in module.named_parameters():
        direction = torch.randn_like(parameter)
        assert parameter.grad is not None, name
        slope = float((parameter.grad * direction).sum())
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                parameter += step * direction
                ends.append(module.loss(given_).item())
                parameter -= step * direction
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, rel=1e-5, abs=1e-8), name


def test_a_target_receives_no_gradient() -> None:
    module = net("O_t : 3\nr_t : 1\nO_t --[Value]-> V_t => r_t + 0.9*V_{t+1}")
    randomised(module)
    x, r = torch.rand(5, 2, 3).double(), torch.rand(5, 2, 1).double()
    module.loss(O=x, r=r).backward()
    value = nn.Linear(3, 1).double()
    value.load_state_dict({k.removeprefix("Value."): v for k, v in module.state_dict().items()})
    v = value(x)
    (v[:-1] - (r[:-1] + 0.9 * v[1:]).detach()).square().mean().backward()
    torch.testing.assert_close(module.Value.weight.grad, value.weight.grad)


def test_a_frozen_layer_passes_gradient_on_and_receives_none() -> None:
    module = net(PROGRAMS["frozen"])
    module.loss(x=torch.rand(3, 2, 3), y=torch.rand(3, 2, 2)).backward()
    assert module.M_2.weight.grad is None
    assert module.M.weight.grad is not None


@pytest.mark.parametrize("program", ["gru", "advantage", "returns", "bidirectional", "norm_in_scan", "last"])
def test_what_lies_past_an_end_changes_no_gradient(program: str) -> None:
    made, module = emitted(PROGRAMS[program]), net(PROGRAMS[program])
    randomised(module)
    given_ = random_inputs(made, 4, 2)
    poisoned = {k: v.clone() for k, v in given_.items()}
    for item in made.system.inputs:
        if item.indexed:
            poisoned[item.state][2:, 1] = torch.nan if poisoned[item.state].is_floating_point() else 0
    losses, gradients = [], []
    for data in (given_, poisoned):
        module.zero_grad()
        loss = module.loss(data, lengths=[4, 2])
        loss.backward()
        losses.append(loss.item())
        gradients.append([p.grad.clone() for p in module.parameters() if p.grad is not None])
    assert losses[0] == losses[1]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert all(bool(torch.isfinite(g).all()) for g in gradients[1])


# --- names ---------------------------------------------------------------------------------------


def test_no_attribute_of_torch_modules_can_be_shadowed() -> None:
    own = {n for n in dir(nn.Module()) if not n.startswith("_")}
    assert own <= MODULE_NAMES


NAMED = """
x_t : 3
x_t --[dense_{train}|relu]-> self_t --[dense_{forward}|relu]-> torch_t --[T_destination|relu]-> lengths_t
lengths_t --[dense_{loss}|relu]-> states_t --[dense_{parameters}]-> training_t => T_batch_t
x_t --[dense_{step}]-> nn_t --[dense_{rows}]-> lambda_t => batch_t
T_batch_t : 2
batch_t : 1
"""


def test_names_of_methods_keywords_and_builtins_are_names_like_any_other() -> None:
    module = net(NAMED)
    randomised(module)
    assert [n for n, _ in module.named_parameters()][::2] == [
        "train.weight", "forward.weight", "T_destination.weight", "loss.weight", "parameters.weight", "step.weight",
        "rows.weight",
    ]  # fmt: skip
    agree(NAMED)
    module.train()
    module.eval()
    assert not module.training
    assert module(x=torch.rand(3, 2, 3)).lambda_.shape == (3, 2, 1)


DECAY = """
u_t : 2
lambda : param(2)
0 -> s_0
exp(-softplus(lambda))*s_{t-1} + dense_{is}(u_t) -> s_t => u_t
"""


def test_parameters_may_bear_the_names_of_keywords() -> None:
    agree(DECAY)
    assert [n for n, _ in net(DECAY).named_parameters()] == ["lambda", "is.weight", "is.bias"]


def test_parameters_bear_the_names_of_the_notation() -> None:
    assert [n for n, _ in net(LSTM).named_parameters()] == [f"{m}.{p}" for m in "FICOG" for p in ("weight", "bias")]
    names = [n for n, _ in net(PROGRAMS["macro"]).named_parameters()]
    assert names[:4] == ["Enc_1.R.weight", "Enc_1.R.bias", "Enc_1.H.weight", "Enc_1.H.bias"]
    assert "b" in dict(net(PROGRAMS["learned_base"]).named_parameters())


def test_layers_begin_as_those_of_torch_do() -> None:
    torch.manual_seed(3)
    module = net("X : 4\nX --[M]-> p => y\ny : 2")
    torch.manual_seed(3)
    assert torch.equal(module.M.weight, nn.Linear(4, 2).weight)


def test_a_torch_module_of_the_kernel_is_called_on_time_times_batch() -> None:
    seen: list[torch.Size] = []

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(3, 6)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.shape)
            return self.inner(x).tanh()

    backbone = Backbone()
    module = net("x_t : 3\nx_t --[Back|relu|M]-> p_t => y_t\ny_t : 2", namespace={"Back": backbone})
    seen.clear()
    x = torch.rand(4, 2, 3)
    torch.testing.assert_close(module(x=x).p, module.M(backbone(x).relu()))
    assert seen[0] == (8, 3)
    assert "Back.inner.weight" in module.state_dict()


def test_a_long_line_is_not_broken_within_a_string() -> None:
    """Why a net does not go step by step names an equation that is long."""
    module = net(
        "x_t : 3\nclip(h_{t+1}*0.6 + stop((t/T)*h_{t+1} + h_{t+1}/(1.5 + abs(h_{t+1}))), -0.9, 1.1) + M(x_t) -> h_t"
    )
    assert module(x=torch.rand(4, 2, 3)).h.shape == (4, 2, 5)
    text = f"{'a' * 90} = f('(', \"it's (\", 'b\\' (' , {'c' * 30})"
    assert [part.strip() for part in broken(text)][1:-1] == ["'(',", '"it\'s (",', "'b\\' (',", f"{'c' * 30},"]
