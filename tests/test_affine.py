"""Recurrences s_t = a_t * s_{t-1} + b_t: how they are recognised, and that blocks of steps give what steps do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from against import agree
from emitted import emitted, net
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from systems import at, fed, given, op, over, system
from torch import Tensor

from sqmagic.emit.torch.prelude import PRELUDE
from sqmagic.equations.show import show
from sqmagic.equations.system import Expr
from sqmagic.schedule.affine import affine
from sqmagic.schedule.dependence import dependence

space: dict[str, Any] = {"torch": torch, "nn": torch.nn}
exec(PRELUDE["recurrence"], space)
recurrence, one_by_one = space["recurrence"], space["one_by_one"]

GAE = """
V_t : 1
r_t : 1
d_t : 1
0.99 -> gamma
0.95 -> lam
V_{t+1}*gamma*(1-d_t) + r_t - V_t -> TD_t
TD_t + gamma*lam*(1-d_t)*A_{t+1} -> A_t
"""

PROGRAMS = {
    "generalised advantages": GAE,
    "returns": "r_t : 1\nr_t --[V]-> V_t\nV_T -> G_T\nr_t + 0.9*G_{t+1} -> G_t\nV_t => G_t",
    "a filter": "x_t : 3\na_t : 3\n0.5 -> s_0\na_t --[G|sigmoid]-> g_t\ng_t*s_{t-1} + (1 - g_t)*x_t -> s_t\ns_t => x_t",
    "a scalar factor": "x_t : 3\na_t : 1\n0 -> s_0\ns_{t-1}*a_t/2 - x_t -> s_t",
    "a sum": "x_t : 2\n1 -> s_0\ns_{t-1} + x_t -> s_t\ns_T -> z",
    "nothing added": "a_t : 2\n1 -> s_0\na_t * s_{t-1} -> s_t",
    "twice itself": "x_t : 2\n0 -> s_0\n0.5*s_{t-1} + x_t*(s_{t-1} - 1) -> s_t",
    "ends at a number": "x_t : 2\n1 -> b_{T+1}\nx_t - b_{t+1} -> b_t",
    "from the sequence": "x_t : 2\nx_1 -> s_1\n0.5*s_{t-1} + x_{t-1} -> s_t",
    "learned": "x_t : 3\nw : param(3)\nb : param(3)\nb -> s_0\nw*s_{t-1} + x_t -> s_t\ns_t => x_t",
    "matrices": "x_t : 2\na_t : 1\nA : param(2, 2)\nA -> S_0\na_t*S_{t-1} + outer(x_t, x_t) -> S_t\nS_t @ x_t -> y_t",
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("steps", [1, 2, 9, 26])
def test_a_program_in_blocks_computes_what_the_judge_does(name: str, steps: int) -> None:
    assert "recurrence(" in emitted(PROGRAMS[name]).source
    agree(PROGRAMS[name], steps=steps)


@pytest.mark.parametrize("name", PROGRAMS)
def test_examples_that_end_early_have_their_own_ends(name: str) -> None:
    agree(PROGRAMS[name], steps=9, lengths=[4, 9, 2])


@pytest.mark.parametrize("name", ["a filter", "learned", "returns"])
def test_the_gradient_is_that_of_single_steps(name: str) -> None:
    made = net(PROGRAMS[name])
    torch.manual_seed(0)
    x = {spec.name: torch.rand(30, 2, spec.shape[0], dtype=torch.float64) for spec in made.inputs}
    made.settle(x).double()
    loss = made.loss(x)
    params = list(made.parameters())
    blocks = torch.autograd.grad(loss, params) if params else ()
    source = made.source.replace(" = recurrence(", " = stepped(")
    exec(source + "\ndef stepped(a, b, s, backward=False):\n" + STEPPED, space)
    (cls,) = (c for n, c in space.items() if isinstance(c, type) and n == "Net")
    single = cls().double()
    single.load_state_dict(made.state_dict())
    found = torch.autograd.grad(single.loss(*x.values()), list(single.parameters())) if params else ()
    for one, other in zip(blocks, found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


STEPPED = """
    if backward:
        return one_by_one(a.flip(0), b.flip(0), s).flip(0)
    return one_by_one(a, b, s)
"""


def test_one_step_at_a_time_stays_as_it_is() -> None:
    made = net(PROGRAMS["a filter"])
    x, a = torch.rand(6, 2, 3), torch.rand(6, 2, 3)
    whole = made(x=x, a=a)
    memory = None
    for t in range(6):
        memory, states = made.step(memory, x=x[t], a=a[t])
        torch.testing.assert_close(states.s, whole.s[t])


# --- what is recognised --------------------------------------------------------------------------

S = at("s", -1)
FORMS: list[tuple[Expr, str | None, str]] = [
    (op("add", op("mul", at("x"), S), at("y")), "x_t", "y_t"),
    (op("sub", at("y"), op("mul", S, at("x"))), "-x_t", "y_t"),
    (op("mul", at("x"), op("sub", S, at("y"))), "x_t", "x_t * -y_t"),
    (op("add", op("div", S, at("x")), S), "1 / x_t + 1", "0"),
    (op("neg", op("add", S, S)), "-(1 + 1)", "0"),
    (op("mul", S, S), None, ""),
    (op("div", at("x"), S), None, ""),
    (op("tanh", S), None, ""),
    (op("add", op("stop", S), at("x")), None, ""),
    (op("add", S, op("mul", at("x"), at("s", -2))), None, ""),
    (op("where", at("x"), S, at("y")), None, ""),
]


@pytest.mark.parametrize("value, factor, term", FORMS, ids=lambda v: show(v) if not isinstance(v, str | None) else None)
def test_forms(value: Expr, factor: str | None, term: str) -> None:
    made = system(*fed("x", "y"), given("s", -1), given("s", 0), over("s", value))
    component = next(c for c in dependence(made).components if c.kind == "forward scan")
    found = affine(made, component)
    assert (None if found is None else show(found.factor)) == factor
    assert found is None or show(found.term) == term


# --- how exact it is -----------------------------------------------------------------------------


def exactly(a: Tensor, b: Tensor, start: Tensor) -> Tensor:
    found: Tensor = one_by_one(a.double(), b.double(), start.double())
    return found


@pytest.mark.parametrize("factor", ["discount", "gates", "ones", "signs", "resets", "small"])
@pytest.mark.parametrize("backward", [False, True])
def test_sixty_five_thousand_steps_are_off_by_no_more_than_a_hundred_thousandth(factor: str, backward: bool) -> None:
    torch.manual_seed(0)
    steps = 65_536
    b = torch.randn(steps, 2, 1) * (0.01 if factor in ("ones", "signs") else 1)
    a = {
        "discount": torch.full((steps, 2, 1), 0.999),
        "gates": torch.rand(steps, 2, 1),
        "ones": torch.ones(steps, 2, 1),
        "signs": torch.randint(0, 2, (steps, 2, 1)) * 2.0 - 1,
        "resets": 0.99 * (torch.rand(steps, 2, 1) > 0.01),
        "small": torch.full((steps, 2, 1), 1e-30),
    }[factor]
    start = torch.randn(2, 1)
    found = recurrence(a, b, start, backward=backward).double()
    want = exactly(a.flip(0), b.flip(0), start).flip(0) if backward else exactly(a, b, start)
    assert torch.isfinite(found).all()
    assert (found - want).abs().max() / want.abs().max() < 1e-5


def test_a_factor_over_one_that_overflows_over_a_block_goes_step_by_step() -> None:
    a, b = torch.full((400, 1, 1), 1e5), torch.zeros(400, 1, 1)
    assert torch.equal(recurrence(a, b, torch.zeros(1, 1)), torch.zeros(400, 1, 1))


@settings(max_examples=60, deadline=None)
@for_all(st.data())
def test_what_is_not_finite_comes_out_where_single_steps_have_it(data: st.DataObject) -> None:
    steps = data.draw(st.integers(1, 40))
    odd = st.sampled_from([0.0, 0.5, -1.0, 2.0, float("nan"), float("inf"), float("-inf")])
    row = st.lists(odd if data.draw(st.booleans()) else st.floats(-2, 2), min_size=steps, max_size=steps)
    a, b = (torch.tensor(data.draw(row))[:, None, None] for _ in "ab")
    start = torch.tensor([[data.draw(odd)]])
    np.testing.assert_allclose(recurrence(a, b, start), one_by_one(a, b, start), rtol=1e-4, atol=1e-4)


def test_a_long_sequence_takes_few_operations() -> None:
    steps = 10_000
    a, b = torch.rand(steps, 1, 1), torch.rand(steps, 1, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        recurrence(a, b, torch.zeros(1, 1))
    assert sum(event.count for event in seen.key_averages() if event.key == "aten::add") <= 2 * steps**0.5 + 1
