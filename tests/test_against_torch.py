"""Programs of the notation against torch's own recurrent layers: copied weights, all outputs, all gradients.

A layer of the notation takes its inputs joined in the order written, so that its weight is two of torch's side by
side, and its bias the sum of two. All figures are float64 and agree to 1e-10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from emitted import net
from torch import Tensor, nn

import sqmagic
from sqmagic.equations.elaborate.layers import WRITTEN
from sqmagic.runtime.net import Net

INPUT, HIDDEN = 3, 7
SIZES = [(5, 4), (1, 1), (7, 1), (11, 3)]

RNN = """
x_t : 3
0 -> h_0
x_t|h_{t-1} --[Enc|tanh]-> h_t
"""

LSTM = """
x_t : 3
0 -> c_0
0 -> h_0
x_t|h_{t-1} -> p_t
p_t --[I|sigmoid]-> i_t
p_t --[F|sigmoid]-> f_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
"""

# torch resets what the recurrent half of the candidate gives, so that half is a layer of its own
GRU = """
x_t : 3
0 -> h_0
x_t|h_{t-1} -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
tanh(In(x_t) + r_t*Hid(h_{t-1})) -> n_t
(1 - z_t)*n_t + z_t*h_{t-1} -> h_t
"""

RNN_2 = """
Cell: x_t, h_{t-1}
    x_t|h_{t-1} --[Enc|tanh]-> h_t
    return h_t
x_t : 3
0 -> a_0
0 -> h_0
x_t, a_{t-1} --[Cell_0]-> a_t
a_t, h_{t-1} --[Cell_1]-> h_t
"""

LSTM_2 = """
Cell: x_t, h_{t-1}, c_{t-1}
    x_t|h_{t-1} -> p_t
    p_t --[I|sigmoid]-> i_t
    p_t --[F|sigmoid]-> f_t
    p_t --[C|tanh]-> l_t
    p_t --[O|sigmoid]-> o_t
    c_{t-1}*f_t + i_t*l_t -> c_t
    tanh(c_t)*o_t -> h_t
    return h_t, c_t
x_t : 3
0 -> a_0
0 -> b_0
0 -> h_0
0 -> c_0
x_t, a_{t-1}, b_{t-1} --[Cell_0]-> a_t, b_t
a_t, h_{t-1}, c_{t-1} --[Cell_1]-> h_t, c_t
"""

GRU_2 = """
Cell: x_t, h_{t-1}
    x_t|h_{t-1} -> c_t
    c_t --[R|sigmoid]-> r_t
    c_t --[Z|sigmoid]-> z_t
    tanh(In(x_t) + r_t*Hid(h_{t-1})) -> n_t
    (1 - z_t)*n_t + z_t*h_{t-1} -> h_t
    return h_t
x_t : 3
0 -> a_0
0 -> h_0
x_t, a_{t-1} --[Cell_0]-> a_t
a_t, h_{t-1} --[Cell_1]-> h_t
"""

Halves = Callable[[nn.Module, int], dict[str, tuple[Tensor, Tensor | None, Tensor, Tensor | None]]]


def _gates(theirs: nn.Module, layer: int, names: str) -> dict[str, tuple[Tensor, ...]]:
    """torch's weights of each gate: for the input and for the hidden state, and both biases."""
    kinds = (f"weight_ih_l{layer}", f"weight_hh_l{layer}", f"bias_ih_l{layer}", f"bias_hh_l{layer}")
    parts = [getattr(theirs, kind).chunk(len(names)) for kind in kinds]
    return {name: tuple(part[n] for part in parts) for n, name in enumerate(names)}


def _as_ours(theirs: nn.Module, layer: int, prefix: str, gradient: bool) -> dict[str, Tensor]:
    """What torch's layer has, or the gradient of it, under the names of the notation."""
    names = {nn.RNN: "e", nn.LSTM: "IFCO", nn.GRU: "RZn"}[type(theirs)]
    pick: Callable[[Tensor], Tensor] = (lambda p: p.grad) if gradient else (lambda p: p.detach())  # type: ignore[assignment,return-value]
    picked = nn.Module()
    for name, parameter in theirs.named_parameters():
        picked.register_buffer(name, pick(parameter))
    found: dict[str, Tensor] = {}
    for gate, (w_in, w_hid, b_in, b_hid) in _gates(picked, layer, names).items():
        if gate == "n":
            found |= {"In.weight": w_in, "In.bias": b_in, "Hid.weight": w_hid, "Hid.bias": b_hid}
        else:
            own = "Enc" if gate == "e" else gate
            # each of the two biases receives the gradient of their sum
            found |= {f"{own}.weight": torch.cat([w_in, w_hid], 1), f"{own}.bias": b_in if gradient else b_in + b_hid}
    return {prefix + name: value for name, value in found.items()}


def _all_as_ours(theirs: Any, gradient: bool = False) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for layer in range(theirs.num_layers):
        prefix = "" if theirs.num_layers == 1 else f"Cell_{layer}."
        found |= _as_ours(theirs, layer, prefix, gradient)
    return found


CASES = {
    "rnn": (RNN, nn.RNN, 1),
    "lstm": (LSTM, nn.LSTM, 1),
    "gru": (GRU, nn.GRU, 1),
    "rnn, two layers": (RNN_2, nn.RNN, 2),
    "lstm, two layers": (LSTM_2, nn.LSTM, 2),
    "gru, two layers": (GRU_2, nn.GRU, 2),
}


def _pair(case: str) -> tuple[Net, Any]:
    text, kind, layers = CASES[case]
    torch.manual_seed(1)
    theirs = kind(INPUT, HIDDEN, layers).double()
    ours = net(text, width=HIDDEN).double()
    ours.load_state_dict(_all_as_ours(theirs))
    return ours, theirs


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_all_gradients(case: str, size: tuple[int, int]) -> None:
    ours, theirs = _pair(case)
    x = torch.randn(*size, INPUT, dtype=torch.float64)
    by, to = torch.randn(*size, HIDDEN, dtype=torch.float64), {"rtol": 1e-10, "atol": 1e-10}
    mine, its = x.clone().requires_grad_(), x.clone().requires_grad_()
    h, expected = ours(x=mine).h, theirs(its)[0]
    torch.testing.assert_close(h, expected, **to)
    (h * by).sum().backward()
    (expected * by).sum().backward()
    torch.testing.assert_close(mine.grad, its.grad, **to)
    gradients = _all_as_ours(theirs, gradient=True)
    assert set(gradients) == {name for name, _ in ours.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], **to)


@pytest.mark.parametrize("case", CASES)
def test_step_by_step(case: str) -> None:
    ours, theirs = _pair(case)
    x = torch.randn(6, 2, INPUT, dtype=torch.float64)
    memory, rows = None, []
    for row in x:
        memory, out = ours.step(memory, x=row)
        rows.append(out.h)
    torch.testing.assert_close(torch.stack(rows), theirs(x)[0], rtol=1e-10, atol=1e-10)


def test_a_packed_sequence() -> None:
    """States up to each example's own end are torch's, and what lies past it receives no gradient."""
    ours, theirs = _pair("lstm")
    x, lengths = torch.randn(5, 3, INPUT, dtype=torch.float64), [2, 5, 3]
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=False)
    out = ours(x=packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(theirs(packed)[0])
    for example, length in enumerate(lengths):
        torch.testing.assert_close(out.h[:length, example], expected[:length, example], rtol=1e-10, atol=1e-10)
        assert bool(out.h[length:, example].isnan().all())


def test_an_mlp() -> None:
    ours = net("X --[M_1|relu]-> h_1 --[M_2|softmax]-> p => one_hot(y)\nX : 4\ny : class(3)\nM_1 : 4 -> 7").double()
    theirs = nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 3)).double()
    names = {"0": "M_1", "2": "M_2"}
    ours.load_state_dict({f"{names[k[0]]}{k[1:]}": v for k, v in theirs.state_dict().items()})
    x, y = torch.randn(13, 4, dtype=torch.float64), torch.randint(0, 3, (13,))
    ours.loss(X=x, y=y).backward()
    loss = nn.functional.cross_entropy(theirs(x), y)
    loss.backward()
    torch.testing.assert_close(ours.loss(X=x, y=y), loss, rtol=1e-10, atol=1e-10)
    for name, parameter in theirs.named_parameters():
        own = dict(ours.named_parameters())[f"{names[name[0]]}{name[1:]}"]
        torch.testing.assert_close(own.grad, parameter.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_what_functions_of_torch_are_made_of_is_what_they_compute(name: str) -> None:
    x, y = torch.randn(2, 3, 5, dtype=torch.float64)
    x = x.abs() if name == "rsqrt" else x
    given = {"x": x, "y": y} if name == "logaddexp" else {"x": x}
    theirs = {"logsumexp": lambda v: torch.logsumexp(v, -1, keepdim=True), "swish": torch.nn.functional.silu}
    want = theirs.get(name) or getattr(torch, name, None) or getattr(torch.nn.functional, name)
    net = sqmagic.compile("\n".join([*(f"{state} : 5" for state in given), f"{WRITTEN[name]} -> z"])).double()
    torch.testing.assert_close(net(**given).z, want(*given.values()))
