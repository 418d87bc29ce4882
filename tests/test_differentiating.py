"""Nets under torch's ways of differentiating, as compiled code and by torch: twice, not at all, in part, once more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from against import unbound
from emitted import net, randomised
from torch import Tensor

from sqmagic.runtime.net import Net

CELL = """
x_t : 2
s : 3
s -> h_0
tanh(M(x_t|h_{t-1})) * h_{t-1} + 0.5*tanh(N(h_{t-1})) -> h_t
"""
TIED = """
x_t : 2
0 -> f_0
0 -> b_{T+1}
tanh(M(x_t|f_{t-1})) -> f_t
tanh(M(x_t|b_{t+1})) -> b_t
f_t * b_t -> h_t
f_t : 3
"""


@pytest.fixture(params=["C", "torch"])
def way(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def made(way: str, text: str = CELL) -> Net:
    torch.manual_seed(2)
    module = net(text).double()
    randomised(module)
    return module if way == "C" else unbound(module)


def ran(module: Net, way: str) -> None:
    assert [b.report.path for b in module.scans] == [way if way == "C" else "not run yet"] * len(module.scans)


def data(steps: int = 4) -> tuple[Tensor, Tensor]:
    torch.manual_seed(3)
    return torch.randn(steps, 3, 2, dtype=torch.float64), torch.randn(3, 3, dtype=torch.float64)


def test_gradients_are_those_of_differences(way: str) -> None:
    module, (x, s) = made(way), data(3)
    leaves = (x.requires_grad_(), s.requires_grad_(), *module.parameters())
    assert torch.autograd.gradcheck(lambda x, s, *_: module(x=x, s=s).h, leaves)
    ran(module, way)


def test_the_way_back_can_be_differentiated(way: str) -> None:
    module, (x, s) = made(way), data(2)
    leaves = (x.requires_grad_(), s.requires_grad_(), *module.parameters())
    assert torch.autograd.gradgradcheck(lambda x, s, *_: module(x=x, s=s).h, leaves)
    ran(module, way)


def test_a_graph_that_is_kept_gives_the_same_again(way: str) -> None:
    module, (x, s) = made(way), data()
    loss = module(x=x, s=s).h.square().sum()
    loss.backward(retain_graph=True)
    first = [p.grad.clone() for p in module.parameters() if p.grad is not None]
    module.zero_grad()
    loss.backward()
    assert len(first) == 4
    assert all(torch.equal(p.grad, g) for p, g in zip(module.parameters(), first, strict=True) if p.grad is not None)
    ran(module, way)


def test_gradients_of_several_results_are_taken_at_once(way: str) -> None:
    module, (x, s) = made(way), data()
    h = module(x=x.requires_grad_(), s=s.requires_grad_()).h
    leaves = (x, s, *module.parameters())
    given = torch.randn(5, *h.shape, dtype=h.dtype)
    found = torch.autograd.grad(h, leaves, given, is_grads_batched=True, retain_graph=True)
    each = [torch.autograd.grad(h, leaves, g, retain_graph=True) for g in given]
    torch.testing.assert_close(found, tuple(map(torch.stack, zip(*each, strict=True))))
    jacobian = torch.autograd.functional.jacobian
    taken = [jacobian(lambda x: module(x=x, s=s).h, x.detach(), vectorize=once) for once in (True, False)]
    torch.testing.assert_close(*taken)
    ran(module, way)


def test_hooks_of_a_weight_are_called_once(way: str) -> None:
    module, (x, s) = made(way), data()
    weight, calls = module.get_parameter("M.weight"), list[Tensor]()
    want = torch.autograd.grad(module(x=x, s=s).h.sum(), weight)[0]
    weight.register_hook(lambda g: calls.append(g) or 2 * g)  # type: ignore[func-returns-value]
    for again in (False, True):
        (found,) = torch.autograd.grad(module(x=x, s=s).h.sum(), weight, create_graph=again)
        torch.testing.assert_close(found, 2 * want)
    assert len(calls) == 2
    ran(module, way)


def test_a_weight_that_is_replaced_is_not_read_on_the_way_back(way: str) -> None:
    module, (x, s) = made(way), data()
    leaves = list(module.parameters())
    h, other = module(x=x, s=s).h, module(x=x, s=s).h
    want = torch.autograd.grad(other.sum(), leaves)
    module.M.weight = torch.nn.Parameter(torch.zeros_like(module.get_parameter("M.weight")))  # type: ignore[union-attr]
    for again in (True, False):
        found = torch.autograd.grad(h.sum(), leaves, create_graph=again, retain_graph=True)
        torch.testing.assert_close(found, want)
    ran(module, way)


def test_two_calls_may_wait_for_the_way_back(way: str) -> None:
    module, (x, s) = made(way), data()
    weight = module.get_parameter("M.weight")
    both = [torch.autograd.grad(module(x=k * x, s=s).h.sum(), weight)[0] for k in (1, 2)]
    one, two = module(x=x, s=s).h, module(x=2 * x, s=s).h
    (found,) = torch.autograd.grad(one.sum() + two.sum(), weight)
    torch.testing.assert_close(found, both[0] + both[1])
    ran(module, way)


def test_without_gradients_nothing_is_kept(way: str) -> None:
    module, (x, s) = made(way), data()
    want = module(x=x, s=s).h.detach()
    with torch.no_grad():
        found = module(x=x, s=s).h
    assert not found.requires_grad
    torch.testing.assert_close(found, want)
    with torch.inference_mode():
        torch.testing.assert_close(module(x=x, s=s).h, want)
    ran(module, way)


@pytest.mark.parametrize(
    "read",
    [
        lambda out: out.h.square().sum(),
        lambda out: out.at("h", 0).square().sum() + out.at("h", 2).prod(),
        lambda out: out.h.square().sum() + out.at("h", 0).square().sum() + out.at("h", 2).prod(),
    ],
    ids=["the steps", "single rows", "both"],
)
def test_a_gradient_may_come_through_the_steps_and_through_single_rows(way: str, read: Any) -> None:
    """The rows of the steps and all rows are two results of one function; here held against sums of products alone."""
    module, (x, s) = made(way), data()
    leaves = (x.requires_grad_(), s.requires_grad_(), *module.parameters())
    out = module(x=x, s=s)
    m, a, n, b = (module.get_parameter(name) for name in ("M.weight", "M.bias", "N.weight", "N.bias"))
    rows = [s]
    for step in x:
        h = rows[-1]
        rows.append(torch.tanh(torch.cat([step, h], -1) @ m.T + a) * h + 0.5 * torch.tanh(h @ n.T + b))
    plain = SimpleNamespace(h=torch.stack(rows[1:]), at=lambda _, index: rows[index])
    found = torch.autograd.grad(read(out), leaves)
    want = torch.autograd.grad(read(plain), leaves)
    for one, other in zip(found, want, strict=True):
        torch.testing.assert_close(one, other)
    ran(module, way)


@pytest.mark.parametrize("wants", ["x", "s", "M.weight"])
def test_only_what_is_asked_for_has_a_gradient(way: str, wants: str) -> None:
    """The start, inputs and weights may each need none; the others' are the same."""
    module, (x, s) = made(way), data()
    leaves = {"x": x, "s": s, **dict(module.named_parameters())}
    for leaf in leaves.values():
        leaf.requires_grad_()
    want = dict(zip(leaves, torch.autograd.grad(module(x=x, s=s).h.sum(), list(leaves.values())), strict=True))
    for name, leaf in leaves.items():
        leaf.requires_grad_(name == wants)
    module(x=x, s=s).h.sum().backward()
    for name, leaf in leaves.items():
        assert (leaf.grad is not None) == (name == wants)
    torch.testing.assert_close(leaves[wants].grad, want[wants])
    ran(module, way)


def test_what_is_given_need_not_lie_together(way: str) -> None:
    module, (x, s) = made(way), data()
    want = module(x=x, s=s).h
    apart = x.transpose(0, 2).contiguous().transpose(0, 2)
    every_other = torch.stack([s, s], -1).flatten(-2)[:, ::2]
    assert not apart.is_contiguous() and not every_other.is_contiguous()
    torch.testing.assert_close(module(x=apart, s=every_other).h, want)
    grown = torch.zeros(3, 3, 4, dtype=torch.float64).transpose(0, 2)
    module(x=apart, s=s).h.backward(grown)
    ran(module, way)


def test_a_layer_that_two_recurrences_share_has_the_sum_of_their_gradients(way: str) -> None:
    module, (x, _) = made(way, TIED), data(3)
    weight = module.get_parameter("M.weight")
    leaves = (x.requires_grad_(), *module.parameters())
    assert torch.autograd.gradcheck(lambda x, *_: module(x=x).h, leaves)
    one, other = (torch.autograd.grad(module(x=x)[state].sum(), weight)[0] for state in ("f", "b"))
    (both,) = torch.autograd.grad(module(x=x).f.sum() + module(x=x).b.sum(), weight)
    torch.testing.assert_close(both, one + other)
    assert len(module.scans) == 2
    ran(module, way)


def test_what_dropout_drew_is_what_the_way_back_sees(way: str) -> None:
    module = made(way, "x_t : 2\n0 -> h_0\nh_{t-1}|x_t --[M|tanh|dropout(0.4)]-> h_t\nh_t : 3").train()
    x, _ = data()

    def drawn(x: Tensor, *_: Tensor) -> Tensor:
        torch.manual_seed(5)
        found: Tensor = module(x=x).h
        return found

    assert torch.autograd.gradcheck(drawn, (x.requires_grad_(), *module.parameters()))
    share = float((drawn(x.detach().expand(4, 3, 2).repeat(1, 200, 1)) == 0).double().mean())
    assert 0.35 < share < 0.45
    ran(module, way)


def test_what_was_drawn_beforehand_cannot_be_differentiated_twice() -> None:
    module = made("C", "x_t : 2\n0 -> h_0\nh_{t-1}|x_t --[M|tanh|dropout(0.4)]-> h_t\nh_t : 3").train()
    x, _ = data()
    with pytest.raises(RuntimeError, match="`scan_1` ran as compiled code on what was drawn, looked up"):
        torch.autograd.grad(module(x=x).h.sum(), module.get_parameter("M.weight"), create_graph=True)
