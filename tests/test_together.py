"""What an equation of a recurrence has before the others begin is given apart, so that the loop runs as C."""

from __future__ import annotations

import pytest
import torch
from test_kernels import by_c

import sqmagic

LSTM = """
x_t : 3
b : param(4)
0 -> h_0
b -> c_0
h_{{t-1}}|x_t --[F|sigmoid]-> f_t
h_{{t-1}}|x_t --[O|sigmoid]-> o_t
h_{{t-1}}|x_t --[C|tanh]-> l_t
f_t*c_{{t-1}} + (1 - f_t)*l_t -> c_t
{more}
"""
NAMED = LSTM.format(more="c_t --[D|tanh]-> d_t\no_t*d_t -> h_t")
FLAT = LSTM.format(more="o_t*tanh(D(c_t)) -> h_t")


def nets(*texts: str) -> list[sqmagic.Net]:
    made = [sqmagic.compile(text).double() for text in texts]
    made[0](x=torch.zeros(2, 1, 3))
    for other in made[1:]:
        other(x=torch.zeros(2, 1, 3))
        other.load_state_dict(made[0].state_dict())
    return made


def test_a_state_that_is_named_runs_in_c_as_one_that_is_not() -> None:
    one, other = nets(NAMED, FLAT)
    found = []
    for net in (one, other):
        x = torch.linspace(-1, 1, 30, dtype=torch.float64).reshape(5, 2, 3).requires_grad_()
        h = net(x=x).h
        found.append([h, *torch.autograd.grad(h.square().sum(), [x, *net.parameters()])])
        by_c(net)
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert "no kernel" not in str(one.plan)


def test_it_holds_where_it_held() -> None:
    """From 0 on, which a loss counts and anybody may ask for; and step by step."""
    (net,) = nets(f"{NAMED}\nd_t ==[mse]=> 0")
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    out, weight, bias = net(x=x), net.D.weight, net.D.bias
    first = torch.tanh(net.b @ weight.T + bias).expand(2, -1)
    torch.testing.assert_close(out["d_0"], first)
    torch.testing.assert_close(net.loss(x=x), torch.cat([first[None], out.d]).square().mean())
    memory = None
    for step, row in enumerate(x):
        memory, states = net.step(memory, x=row)
        torch.testing.assert_close(states.d, out.d[step])


def test_a_force_that_is_asked_at_both_ends_of_a_step_runs_in_c() -> None:
    text = """
x_t : 2
x_t --[U]-> u_t
0 -> q_0
1 -> p_0
q_t --[F|tanh]-> f_t
p_{t-1} + 0.1*f_{t-1} -> m_t
q_{t-1} + 0.1*m_t + u_t -> q_t
m_t + 0.1*f_t -> p_t
q_t : 3
"""
    net = sqmagic.compile(text).double()
    x = torch.randn(4, 2, 2, dtype=torch.float64)
    out = net(x=x)
    q, p = torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    for step, row in enumerate(x):
        m = p + 0.1 * torch.tanh(net.F(q))
        q = q + 0.1 * m + net.U(row)
        p = m + 0.1 * torch.tanh(net.F(q))
        torch.testing.assert_close(out.q[step], q)
        torch.testing.assert_close(out.p[step], p)
    by_c(net)


@pytest.mark.parametrize("base", ["tanh(c_0) -> h_0\n0 -> c_0", "0 -> c_0\ntanh(c_0) -> h_0"])
def test_a_base_case_may_be_made_from_another_where_a_program_goes_step_by_step(base: str) -> None:
    net = sqmagic.compile(f"x_t : 3\n{base}\nc_{{t-1}}|x_t --[C|tanh]-> c_t\nh_{{t-1}} + c_t -> h_t", width=4)
    x = torch.randn(4, 2, 3)
    out, memory = net(x=x), None
    for step, row in enumerate(x):
        memory, states = net.step(memory, x=row)
        torch.testing.assert_close(states.h, out.h[step])
