"""bfloat16 and float16: every program runs, as near as its type allows, and what is carried is kept in float32."""

from __future__ import annotations

import pytest
import torch
from against import random_inputs
from emitted import emitted, net, randomised
from programs import PROGRAMS
from torch import Tensor

from sqmagic.runtime.net import Net

TYPES = {torch.bfloat16: 2.0**-8, torch.float16: 2.0**-11}
"""The types with the size of a rounding."""

SHORT = [pytest.param(dtype, id=str(dtype).removeprefix("torch.")) for dtype in TYPES]

SLOW = """
x_t : 3
0 -> h_0
h_{t-1} + 0.01*sigmoid(M(x_t|h_{t-1})) -> h_t
h_T --[G]-> q => y
y : 2
"""
"""Adds at each step less than a rounding of what is there."""


def exact_and(name: str, dtype: torch.dtype) -> tuple[Net, Net, dict[str, Tensor]]:
    """A net in double precision and one of the type, of the same weights and on the same inputs."""
    text = PROGRAMS[name]
    given = random_inputs(emitted(text), 6, 3)
    given = {k: v.to(dtype).double() if v.is_floating_point() else v for k, v in given.items()}
    exact, short = (net(text).settle(given) for _ in range(2))
    randomised(exact)
    exact.to(dtype).double().eval()
    short.load_state_dict(exact.state_dict())
    return exact, short.to(dtype).eval(), given


@pytest.mark.parametrize("dtype", SHORT)
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in ("functions", "losses")])
def test_a_program_is_computed_in_a_short_type(name: str, dtype: torch.dtype) -> None:
    exact, short, given = exact_and(name, dtype)
    want, found = exact(given), short({k: v.to(dtype) if v.is_floating_point() else v for k, v in given.items()})
    for state in want:
        if want[state].is_floating_point():
            assert found[state].dtype in (dtype, torch.long), state
            near = {"rtol": 40 * TYPES[dtype], "atol": 40 * TYPES[dtype], "equal_nan": True}
            torch.testing.assert_close(found[state].double(), want[state], **near, msg=lambda m, s=state: f"{s}: {m}")
    if short._blueprint.goals:
        loss = short.loss(given)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss.double(), exact.loss(given), rtol=60 * TYPES[dtype], atol=60 * TYPES[dtype])
        if loss.requires_grad:
            loss.backward()
            assert all(p.grad is None or p.grad.dtype == dtype for p in short.parameters())


@pytest.mark.parametrize("dtype", SHORT)
def test_what_is_carried_is_kept_in_single_precision(dtype: torch.dtype) -> None:
    x = torch.randn(300, 2, 3).to(dtype)
    exact, short = (net(SLOW, width=4).settle() for _ in range(2))
    randomised(exact)
    exact.to(dtype).double()
    short.load_state_dict(exact.state_dict())
    short.to(dtype)
    want = exact(x=x).h
    assert bool((want[-1] > 0.6).all())
    found = short(x=x).h
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), want, rtol=2.0**-7, atol=0.01)
    memory, rows = None, []
    for row in x:
        memory, out = short.step(memory, x=row)
        rows.append(out.h)
    torch.testing.assert_close(torch.stack(rows), found)
    assert short._scans[0].report.path == f"torch, because C computes in float32 or in float64, not in {str(dtype)[6:]}"


@pytest.mark.parametrize("dtype", SHORT)
def test_autocast_of_a_net_of_single_precision_keeps_what_is_carried(dtype: torch.dtype) -> None:
    x, y = torch.randn(300, 2, 3), torch.randn(2, 2)
    exact, single = (net(SLOW, width=4).settle() for _ in range(2))
    randomised(exact)
    single.load_state_dict(exact.state_dict())
    with torch.autocast("cpu", dtype=dtype):
        found = single(x=x).h
        loss = single.loss(x=x, y=y)
    loss.backward()
    assert found.dtype == torch.float32
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in single.parameters())
    torch.testing.assert_close(found.double(), exact(x=x).h, rtol=2.0**-8, atol=0.01)
    exact.loss(x=x, y=y).backward()
    for (name, p), q in zip(single.named_parameters(), exact.parameters(), strict=True):
        assert p.grad is not None and q.grad is not None
        assert (p.grad - q.grad).norm() <= 0.1 * q.grad.norm(), name


@pytest.mark.parametrize("dtype", SHORT)
def test_a_net_of_a_short_type_trains(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    module = net(PROGRAMS["rnn"]).to(dtype)
    given = random_inputs(emitted(PROGRAMS["rnn"]), 6, 32)
    history = module.fit(given, epochs=30, lr=0.01, optimizer="sgd", seed=1, progress=False)
    assert history.epochs[-1] < 0.8 * history.epochs[0]
    assert all(p.dtype == dtype for p in module.parameters())
