"""Recordings: what is replayed is what the method computes, there and back, and where it would not be, nothing is.

Where there is no GPU, `tapes` records on the CPU: keys, leases, copies and gradients are the same code. Golden programs
are held against the CPU in float64 on every device that there is.
"""

from __future__ import annotations

import copy
import gc
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from weakref import ref

import pytest
import torch
from against import random_inputs, unbound
from emitted import emitted, net, randomised
from programs import PROGRAMS as EVERY
from tapes import Tapes
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bench import gpu, kernels
from bench.cells import CELLS
from sqmagic.runtime import generated
from sqmagic.runtime.graphs import recorded as pages
from sqmagic.runtime.graphs.recorder import RECORDERS, recorders
from sqmagic.runtime.graphs.watched import watched
from sqmagic.runtime.later import LeftOut
from sqmagic.runtime.net import Net

BIDIRECTIONAL = """
x_t : 3
0 -> f_0
0 -> b_{T+1}
tanh(M(x_t|f_{t-1})) -> f_t
tanh(N(x_t|b_{t+1})) -> b_t
f_t | b_t -> h_t
f_t : 4
b_t : 4
"""
MATRIX = """
x_t : 3
0 -> C_0
tanh(0.9*C_{t-1} + outer(A(x_t), B(x_t))) -> C_t
matmul(C_t, Q(x_t)) -> h_t
"""
GROWING = """
x_t : 3
0 -> h_0
tanh(M(x_t) + softmax(L(h_{0:t-1}) @ Q(x_t)) @ h_{0:t-1}) -> h_t
h_t : 4
L : 4 -> 4
"""
DROPOUT = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[M|tanh|dropout(0.4)]-> h_t\nh_t : 4"
CELL = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[M|tanh]-> h_t\nh_t : 4"
TWO = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[M|tanh]-> h_t\nsqrt(relu(h_t)) -> g_t\n0 -> s_0\ns_{t-1} + g_t -> s_t\nh_t : 4"

TEXTS = {
    **{name: CELLS[name].text.format(inputs=3) for name in ("lstm", "gru", "gru of the seed")},
    "bidirectional": BIDIRECTIONAL,
    "tied": BIDIRECTIONAL.replace("N(", "M("),
    "matrix": MATRIX,
    "growing": GROWING,
}


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> Tapes:
    """What records on the CPU."""
    found = Tapes()
    monkeypatch.setitem(RECORDERS, "cpu", found)
    return found


def by_torch(module: Net) -> Net:
    """The net with its scans as they run where the data are not on the CPU."""
    for bound in module.scans:
        recorded = bound.recorded

        def method(self: nn.Module, *args: Any, recorded: Any = recorded) -> Any:
            return recorded(self, args, {}, "the data are elsewhere")

        setattr(type(module.code), bound.program.method, method)
    return module


def made(text: str = CELL, **more: Any) -> tuple[Net, Net]:
    """A net that records, and one of the same weights that does not."""
    torch.manual_seed(0)
    module = net(text, width=4, **more).settle()
    plain = unbound(net(text, width=4, **more).settle())
    if plain._whole is not None:
        type(plain.code).forward = plain._whole.method
    plain.load_state_dict(module.state_dict())
    return by_torch(module), plain


def data(steps: int = 6, batch: int = 3) -> Tensor:
    return torch.randn(steps, batch, 3, requires_grad=True)


def gradients(module: Net, x: Tensor, given: Tensor | None = None, state: str = "h") -> list[Tensor | None]:
    h = module(x=x)[state]
    leaves = [x, *module.parameters()] if x.requires_grad else list(module.parameters())
    ones = torch.ones_like(h) if given is None else given
    return list(torch.autograd.grad(h, leaves, ones, allow_unused=True))


def same(one: Any, other: Any) -> bool:
    assert len(one) == len(other)
    return all(a is b is None or torch.equal(a, b) for a, b in zip(one, other, strict=True))


def warm(module: Net, x: Tensor) -> None:
    """Calls after which a size is recorded, both ways."""
    for _ in range(4):
        gradients(module, x)
    assert set(module.plan.scans.values()) == {"CUDA graph"}


# --- the same, to the bit ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_what_is_replayed_is_what_the_method_computes(tapes: Tapes, name: str) -> None:
    module, plain = made(TEXTS[name])
    for call in range(6):
        x = data()
        found, want = module(x=x), plain(x=x)
        given = torch.randn_like(want.h)
        leaves, others = [x, *module.parameters()], [x, *plain.parameters()]
        one, other = (torch.autograd.grad(s.h, own, given) for s, own in ((found, leaves), (want, others)))
        if name == "tied":
            torch.testing.assert_close(one, other)  # two sums of steps, where torch has one
        else:
            assert same(one, other)
        assert all(torch.equal(found[state], want[state]) for state in want)
        assert {p.partition(",")[0] for p in module.plan.scans.values()} == {"CUDA graph" if call > 1 else "torch"}
    scans = len(module.plan.scans)
    assert tapes.made == 2 * scans, "forward and back, once each"
    assert tapes.replayed == (1 + 4 + 3) * scans, "the way back is recorded after it has been gone once"


@pytest.mark.parametrize("name", TEXTS)
def test_without_gradients(tapes: Tapes, name: str) -> None:
    module, plain = made(TEXTS[name])
    for without in (torch.no_grad, torch.inference_mode):
        for _ in range(4):
            with without():
                x = torch.randn(5, 2, 3)
                found, want = module(x=x), plain(x=x)
                assert torch.equal(found.h, want.h)
                assert not found.h.requires_grad and found.h.is_inference() == (without is torch.inference_mode)
    assert tapes.made == len(module.plan.scans)
    gradients(module, data(5, 2))
    assert tapes.made == len(module.plan.scans), "with gradients it is another size"


def test_a_recurrence_is_part_of_what_is_recorded_around_it(tapes: Tapes) -> None:
    module, plain = made(GROWING + "0 -> s_0\ntanh(N(s_{t-1}|h_t)) -> s_t\ns_t : 4")
    for call in range(5):
        x = data()
        assert same(gradients(module, x, state="s"), gradients(plain, x, state="s"))
        ran = dict(module.plan.scans)
        around, (within,) = ran.pop("forward"), ran.values()
        if call > 1:
            assert (around, within) == ("CUDA graph", "CUDA graph, with what is around it")
        else:
            assert around == "torch, because a size is recorded when it comes again"
            assert within == ("torch, because torch's operations are watched" if call else around)
    assert tapes.made == 2
    assert "CUDA graph" in module.plan.svg


def test_what_was_given_out_is_nobody_elses(tapes: Tapes) -> None:
    module, _ = made()
    x = data()
    warm(module, x)
    first = module(x=x).h
    kept = first.detach().clone()
    other = module(x=data()).h
    assert torch.equal(first, kept) and not torch.equal(other, kept)
    with torch.no_grad():
        one = module(x=x).h
        module(x=data())
        assert torch.equal(one, kept)
    (mine,) = torch.autograd.grad(first.sum(), module.get_parameter("M.weight"))
    before = mine.clone()
    gradients(module, data())
    assert torch.equal(mine, before)


# --- who may go back ---------------------------------------------------------------------------------


def test_two_calls_may_wait_for_the_way_back(tapes: Tapes) -> None:
    module, plain = made()
    warm(module, data())
    xs = [data() for _ in range(6)]
    waiting = [module(x=x).h for x in xs]
    assert tapes.made == 2 + 2 * 3, "one recording for each that waits, as many as there may be"
    assert module.plan.scans["scan_1"] == "torch, because all that is recorded of this size waits for the way back"
    for x, h in reversed(list(zip(xs, waiting, strict=True))):
        found = torch.autograd.grad(h, [x, *module.parameters()], torch.ones_like(h))
        assert same(found, gradients(plain, x))


def test_a_call_that_is_dropped_waits_no_more(tapes: Tapes) -> None:
    module, plain = made()
    x = data()
    warm(module, x)
    for _ in range(20):
        module(x=x)
    assert tapes.made == 2
    assert same(gradients(module, x), gradients(plain, x))


def test_a_graph_that_is_kept_gives_the_same_again(tapes: Tapes) -> None:
    module, plain = made()
    x = data()
    warm(module, x)
    want = gradients(plain, x)
    h = module(x=x).h
    leaves, ones = [x, *module.parameters()], torch.ones_like(h)
    assert same(torch.autograd.grad(h, leaves, ones, retain_graph=True), want)
    assert same(torch.autograd.grad(h, leaves, ones, retain_graph=True), want)
    replayed = tapes.replayed
    gradients(module, data())
    assert tapes.made == 2 and tapes.replayed == replayed + 2, "it has the same memory"
    assert same(torch.autograd.grad(h, leaves, ones), want)
    assert tapes.replayed == replayed + 2
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(h, leaves, ones)


@pytest.mark.parametrize("name", ["gru of the seed", "matrix", "growing"])
def test_the_way_back_can_be_differentiated(tapes: Tapes, name: str) -> None:
    module, plain = (each.double() for each in made(TEXTS[name]))
    x = data().double().detach().requires_grad_()
    warm(module, x)

    def twice(each: Net) -> tuple[Tensor, ...]:
        own = [x, *each.parameters()]
        first = torch.autograd.grad(each(x=x).h.square().sum(), own, create_graph=True, allow_unused=True)
        return torch.autograd.grad(sum(g.square().sum() for g in first if g is not None), own, allow_unused=True)

    for _ in range(2):
        torch.testing.assert_close(twice(module), twice(plain))


def test_results_without_a_gradient_are_not_gone_back_through(tapes: Tapes) -> None:
    """A zero in place of no gradient would meet the infinite slope of a root at 0."""
    text = "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[M|tanh]-> h_t\nsqrt(A(x_t)*0 + h_{t-1}*0) + 0*k_{t-1} -> k_t\n"
    text += "0 -> k_0\nh_t : 4\nk_t : 4\n0 -> C_0\ntanh(C_{t-1} + outer(k_t, k_t)) -> C_t"
    module, plain = made(text)
    x = data()
    for state in ("h", "k", "h", "k", "h"):
        found, want = gradients(module, x, state=state), gradients(plain, x, state=state)
        assert all(a is b is None or torch.allclose(a, b, equal_nan=True) for a, b in zip(found, want, strict=True))
        assert (found[1] is not None and bool(found[1].isfinite().all())) == (state == "h")
    assert "CUDA graph" in module.plan.scans.values()


# --- what it is computed from ------------------------------------------------------------------------


def test_weights_that_an_optimiser_moves_are_seen(tapes: Tapes) -> None:
    module, plain = made(TEXTS["lstm"])
    x = data()
    steps = [torch.optim.SGD(each.parameters(), lr=0.5) for each in (module, plain)]
    for _ in range(6):
        for each, step in zip((module, plain), steps, strict=True):
            step.zero_grad()
            each(x=x).h.square().sum().backward()
            step.step()
        assert all(torch.equal(p, q) for p, q in zip(module.parameters(), plain.parameters(), strict=True))
    assert tapes.made == 2


def test_weights_that_lie_elsewhere_are_seen(tapes: Tapes) -> None:
    module, plain = made()
    x = data()
    warm(module, x)
    for each in (module, plain):
        other = {name: value * 0.5 for name, value in each.state_dict().items()}
        each.code.load_state_dict(other, assign=True)
    assert torch.equal(module(x=x).h, plain(x=x).h)
    why = "torch, because its weights lie elsewhere than when this size came last"
    assert module.plan.scans["scan_1"] == why
    warm(module, x)
    assert same(gradients(module, x), gradients(plain, x)) and torch.equal(module(x=x).h, plain(x=x).h)
    recordings = tapes.made
    for bias in (0.5, 0.25, 0.125):
        weights = {"M.weight": torch.zeros(4, 7), "M.bias": torch.full((4,), bias)}
        found = torch.func.functional_call(module.code, weights, (x,))
        assert torch.allclose(found["h"][1:], torch.tensor(bias).tanh())
        assert module.plan.scans["scan_1"] == (
            why if bias < 0.5 else "torch, because a size is recorded when it comes again"
        )
    assert tapes.made == recordings


def test_a_weight_that_is_replaced_before_the_way_back_is_not_read_there(tapes: Tapes) -> None:
    module, plain = made()
    x, want = data(), []
    warm(module, x)
    want = gradients(plain, x)
    h, leaves = module(x=x).h, [x, *module.parameters()]
    gradients(module, data())  # another recording: the next line's turn is over
    h_2 = module(x=x).h
    module.M.weight = nn.Parameter(torch.zeros(4, 7))
    for waiting in (h, h_2):
        for again in (True, False):
            found = torch.autograd.grad(waiting, leaves, torch.ones_like(h), retain_graph=True, create_graph=again)
            torch.testing.assert_close(found, tuple(want))


def test_what_is_frozen_is_another_size(tapes: Tapes) -> None:
    module, plain = made()
    x = data().detach()
    for _ in range(4):
        for frozen in (False, True):
            for each in (module, plain):
                each.get_parameter("M.weight").requires_grad_(not frozen)
            leaves = [[p for p in each.parameters() if p.requires_grad] for each in (module, plain)]
            one, other = (torch.autograd.grad(e(x=x).h.sum(), o) for e, o in zip((module, plain), leaves, strict=True))
            assert same(one, other) and len(one) == 2 - frozen
    assert tapes.made == 4


def test_what_is_changed_before_the_way_back_is_told(tapes: Tapes) -> None:
    module, _ = made()
    x = data()
    warm(module, x)
    moved = x * 1
    h = module(x=moved).h
    moved.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        h.sum().backward()
    h = module(x=x).h
    with torch.no_grad():
        module.M.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        h.sum().backward()


def test_what_is_given_need_not_lie_together(tapes: Tapes) -> None:
    module, plain = made()
    warm(module, data())
    apart = torch.randn(3, 3, 6).transpose(0, 2).requires_grad_()
    wide = torch.randn(6, 1, 3, requires_grad=True)
    for x in (apart, wide.expand(6, 3, 3)):
        torch.testing.assert_close(module(x=x).h.detach(), plain(x=x).h.detach())
        given = torch.randn(4, 3, 6).transpose(0, 2)
        for one, other in zip(gradients(module, x, given), gradients(plain, x, given), strict=True):
            torch.testing.assert_close(one, other)
    assert tapes.made == 2


def test_hooks_of_a_weight_are_called_once(tapes: Tapes) -> None:
    module, _ = made()
    x, calls = data(), []
    warm(module, x)
    module.get_parameter("M.weight").register_hook(lambda g: calls.append(1) or g * 2)
    for again in (False, True):
        calls.clear()
        (found,) = torch.autograd.grad(module(x=x).h.sum(), module.get_parameter("M.weight"), create_graph=again)
        assert calls == [1]
    module(x=x).h.sum().backward()
    assert torch.equal(module.get_parameter("M.weight").grad, found)


# --- sizes -------------------------------------------------------------------------------------------


def test_a_size_that_never_comes_again_is_not_recorded(tapes: Tapes) -> None:
    module, plain = made()
    for steps in range(1, 12):
        x = data(steps)
        assert torch.equal(module(x=x).h, plain(x=x).h)
    assert tapes.made == 0
    for steps in (3, 5, 3, 3):
        x = data(steps)
        assert same(gradients(module, x), gradients(plain, x))
    assert tapes.made == 2


def test_few_recordings_are_kept_and_those_that_come_round_stay(tapes: Tapes) -> None:
    module, _ = made()
    xs = [torch.randn(steps, 2, 3) for steps in range(1, pages.RECORDINGS + 5)]
    with torch.no_grad():
        for _ in range(4):
            for x in xs:
                module(x=x)
        assert tapes.made == pages.RECORDINGS
        assert tapes.replayed == 3 * pages.RECORDINGS
        for _ in range(3):
            module(x=xs[-1])
    assert tapes.made == pages.RECORDINGS + 1, "the oldest makes room for one that comes more often"


def test_recordings_go_with_their_net_and_copies_have_their_own(tapes: Tapes) -> None:
    module, plain = made()
    x = data()
    warm(module, x)
    other = by_torch(copy.deepcopy(module))
    with torch.no_grad():
        other.M.weight.zero_()
    assert torch.equal(module(x=x).h, plain(x=x).h)
    assert not torch.equal(other(x=x).h, plain(x=x).h)
    recorded, own, code = module.scans[0].recorded, other.scans[0].recorded, ref(module.code)
    assert len(recorded.known) == len(own.known) == 1
    del module
    gc.collect()
    assert code() is None and len(recorded.known) == 0 and len(own.known) == 1


def test_threads_have_recordings_of_their_own(tapes: Tapes) -> None:
    module, plain = made(TEXTS["gru"])
    wrong: list[object] = []

    def work(seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        for _ in range(12):
            x = torch.randn(6, 3, 3, generator=draw).requires_grad_()
            if not same(gradients(module, x), gradients(plain, x)):
                wrong.append(seed)

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert tapes.made >= 2


# --- what is not recorded ----------------------------------------------------------------------------


def test_a_recording_that_fails_is_not_tried_again(tapes: Tapes) -> None:
    module, plain = made()
    tapes.fails = 1
    x = data()
    for _ in range(4):
        assert same(gradients(module, x), gradients(plain, x))
    why = "torch, because recording it failed: operation not permitted when stream is capturing"
    assert module.plan.scans == {"scan_1": why}
    assert tapes.made == 1


def test_a_way_back_that_cannot_be_recorded_leaves_all_to_the_method(tapes: Tapes) -> None:
    module, plain = made()
    tapes.fails = 2
    x = data()
    for _ in range(4):
        assert same(gradients(module, x), gradients(plain, x))
    assert "recording it failed" in module.plan.scans["scan_1"]
    assert tapes.made == 2


@pytest.mark.parametrize("text", [DROPOUT, DROPOUT.replace("M|", "M|batch_norm_N|").replace("|dropout(0.4)", "")])
def test_what_differs_in_training_is_recorded_without_it_alone(tapes: Tapes, text: str) -> None:
    module, plain = made(text)
    x = data()
    for _ in range(3):
        results = []
        for each in (module, plain):
            torch.manual_seed(1)
            results.append(gradients(each, x))
        assert same(*results)
        assert all(torch.equal(b, c) for b, c in zip(module.buffers(), plain.buffers(), strict=True))
    assert tapes.made == 0
    (why,) = module.plan.scans.values()
    told = "chance has a part in it" if "dropout" in text else "it changes what it is given"
    assert why == f"torch, because {told}"
    warm(module.eval(), x)
    assert torch.equal(module(x=x).h, plain.eval()(x=x).h)


def test_what_depends_on_its_numbers_is_not_recorded(tapes: Tapes) -> None:
    """A recurrence that goes in blocks looks whether they are finite."""
    module, plain = made("x_t : 3\n0 -> C_0\n0.9*C_{t-1} + outer(A(x_t), B(x_t)) -> C_t\nmatmul(C_t, Q(x_t)) -> h_t")
    x = data(16)
    for _ in range(3):
        assert same(gradients(module, x), gradients(plain, x))
    assert set(module.plan.scans.values()) == {"torch, because what it does depends on its numbers"}
    assert tapes.made == 0


def test_one_may_do_without() -> None:
    assert recorders({"SQMAGIC_CUDA_GRAPHS": "0"}) == {}
    assert list(recorders({})) == ["cuda"]


def test_numbers_that_come_from_another_device_are_seen() -> None:
    meta = torch.device("meta")
    x = torch.ones(2, device=meta)
    assert watched(lambda: x * 2 + x.new_zeros(2), [x], meta)[1] == ""
    assert watched(lambda: x * torch.tensor(2.0), [x], meta)[1] == "it takes numbers from another device"


def test_a_layer_that_is_changed_is_called(tapes: Tapes) -> None:
    module, plain = made()
    x, code = data(), module.code
    warm(module, x)
    handle = module.M.register_forward_hook(lambda *_: torch.zeros(3, 4))
    assert (module(x=x).h == 0).all()
    handle.remove()
    calls: list[int] = []
    handle = nn.modules.module.register_module_forward_hook(lambda *_: calls.append(1))
    try:
        code.scan_1(x, torch.zeros(3, 4), 6)
    finally:
        handle.remove()
    assert module.plan.scans["scan_1"] == "torch, because hooks wait for every module's call"
    assert torch.equal(module(x=x).h, plain(x=x).h)
    assert module.plan.scans["scan_1"] == "CUDA graph"


def test_layers_of_ones_own_are_called(tapes: Tapes) -> None:
    class Own(nn.Module):
        calls = 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return x.tanh()

    own = Own()
    text = GROWING.replace("Q(x_t)", "Q(own(x_t))")
    module, _ = made(text, namespace={"own": own})
    for _ in range(4):
        module(x=data())
    assert own.calls >= 4
    assert module.plan.scans == {"forward": "torch, because `own` is a layer of one's own, or has been changed"}


def test_nothing_is_recorded_where_others_look_on(tapes: Tapes) -> None:
    module, plain = made()
    x = data()
    warm(module, x)
    before, want = tapes.replayed, plain(x=x).h

    def told(call: Any) -> str:
        torch.testing.assert_close(call(), want)
        return module.plan.scans["scan_1"].removeprefix("torch, because ")

    def forward(x: Tensor) -> Tensor:
        return module.code.scan_1(x, x.new_zeros(x.shape[1], 4), 6)[1:]  # type: ignore[no-any-return, operator]

    tapes.capturing = True
    assert told(lambda: module(x=x).h) == "it is being captured as part of something else"
    tapes.capturing = False
    by_one = partial(torch.vmap(lambda row: forward(row[:, None])[:, 0], 1, 1), x)
    assert told(by_one) == "torch is tracing the computation"
    with torch.autograd.forward_ad.dual_level():
        assert told(lambda: forward(x)) == "torch is tracing the computation"
    with torch.autograd.set_detect_anomaly(True):
        assert told(lambda: forward(x)) == "torch's operations are watched"
    assert tapes.replayed == before
    assert told(lambda: forward(x)) == "CUDA graph"


@pytest.mark.parametrize("reentrant", [False, True])
def test_nothing_is_recorded_within_a_checkpoint(tapes: Tapes, reentrant: bool) -> None:
    """What is computed again when its gradient is asked for is computed by the method, and so at first where torch
    counts what is kept."""
    module, plain = made()
    for _ in range(4):
        x = data()
        again = [checkpoint(lambda x, e=e: e(x=x).h, x, use_reentrant=reentrant) for e in (module, plain)]
        told = module.plan.scans["scan_1"]
        for h in again:
            h.sum().backward()
        assert all(torch.equal(p.grad, q.grad) for p, q in zip(module.parameters(), plain.parameters(), strict=True))
    assert tapes.made == (1 if reentrant else 0)
    assert module.plan.scans["scan_1"] == "torch, because the way back is under way"
    assert told == ("CUDA graph" if reentrant else "torch, because others see to what is kept for the way back")


# --- types and ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["gru of the seed", "matrix", "growing"])
def test_short_types_keep_what_is_carried(tapes: Tapes, dtype: torch.dtype, name: str) -> None:
    module, plain = (each.to(dtype) for each in made(TEXTS[name]))
    for _ in range(4):
        x = data().to(dtype).detach().requires_grad_()
        found, want = module(x=x), plain(x=x)
        assert all(torch.equal(found[s], want[s]) and found[s].dtype == dtype for s in want)
        assert same(gradients(module, x), gradients(plain, x))
    assert set(module.plan.scans.values()) == {"CUDA graph"}


def test_autocast_is_another_size_and_casts_weights_anew(tapes: Tapes) -> None:
    module, plain = made()
    for _ in range(4):
        x = data()
        for dtype in (torch.bfloat16, torch.float16, None):
            with torch.autocast("cpu", dtype=dtype, enabled=dtype is not None):
                found, want = module(x=x).h, plain(x=x).h
            assert torch.equal(found, want)
            one, other = (
                torch.autograd.grad(h.sum(), list(e.parameters())) for h, e in ((found, module), (want, plain))
            )
            assert same(one, other)
        with torch.no_grad():
            for each in (module, plain):
                each.M.weight.add_(0.25)
    assert tapes.made == 6


def test_ends_of_examples_are_given_like_all_else(tapes: Tapes) -> None:
    module, plain = made(TEXTS["bidirectional"])
    x = data()
    for lengths in ([6, 2, 3], [1, 6, 6], [4, 4, 6], [6, 6, 1]):
        found, want = (each(x=x, lengths=lengths).h for each in (module, plain))
        assert torch.equal(found.nan_to_num(7), want.nan_to_num(7))
    assert set(module.plan.scans.values()) == {"CUDA graph"}


def test_states_that_nobody_asked_for_are_computed_when_somebody_does(tapes: Tapes) -> None:
    module, plain = made(TEXTS["gru of the seed"])
    x = data()
    warm(module, x)
    found, want = module(x=x), plain(x=x)
    assert isinstance(dict.__getitem__(found._values, "z"), LeftOut)
    assert torch.equal(found.z, want.z) and found.z.grad_fn is not None
    leaves = (list(each.parameters()) for each in (module, plain))
    one, other = (
        torch.autograd.grad(s.z.sum(), own, allow_unused=True) for s, own in zip((found, want), leaves, strict=True)
    )
    assert same(one, other)
    late = module(x=x)
    with torch.no_grad():
        assert torch.equal(module(x=x).r, want.r) and not module(x=x).r.requires_grad
        module.R.weight.mul_(2)
    with pytest.raises(RuntimeError, match="`r` was not asked for, and the weights or inputs have changed since"):
        late["r"]


# --- where and how fast ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_code_computes_where_its_data_are(name: str) -> None:
    """On a GPU as on the CPU, forward and back: no number comes from elsewhere, so that recurrences can be recorded. A
    norm over rows of its own is told which by a mask that is made on the CPU."""
    text, meta = EVERY[name], torch.device("meta")
    given = random_inputs(emitted(text), 6, 3)
    module = net(text).settle(given)
    code = generated.build(module.source, "code", module.blueprint.modules).to(meta)
    inputs = {
        generated.arguments(code)[k]: v.to(meta, v.new_empty(0).float().dtype if v.is_floating_point() else v.dtype)
        for k, v in given.items()
    }
    for method in ("forward", "loss"):
        if generated.has(code, method):
            taken = {k: v for k, v in inputs.items() if generated.takes(code, method, k)}
            taken |= {"horizon": 6} if generated.takes(code, method, "horizon") else {}
            found, told = watched(partial(generated.call, code, method, **taken), [], meta)
            assert told in ("", "chance has a part in it") or name == "norm_of_state"
    if isinstance(found, Tensor) and found.requires_grad:
        _, told = watched(found.backward, [], meta)
        assert told == "" or name == "norm_of_state"


def test_the_benchmark_measures_what_is_recorded_and_says_where_it_cannot(
    tapes: Tapes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "compiled", lambda *args, **more: by_torch(net(args[0], **more).settle()))
    found = list(gpu.lines("lstm", (3, 2, 3, 4), "cpu", 0))
    assert [line.split("  ")[0] for line in found] == [f"lstm T3 B2 3-4 {mode}" for mode in gpu.MODES]
    assert all(line.endswith("CUDA graph") and "nn.LSTM" in line and "launched" in line for line in found)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench.kernels", "--device", "cuda"])
    with pytest.raises(SystemExit) as ended:
        kernels.main()
    assert ended.value.code == 2
    assert "finds no GPU here: nothing was measured" in capsys.readouterr().err


# --- on every device that there is -------------------------------------------------------------------

GOLDEN = Path(__file__).parent / "golden"

PROGRAMS = {
    name: (GOLDEN / name / "program.sqn").read_text() for name in ("gru_inline", "gru_macro", "rnn", "rnn_feedforward")
}


@pytest.fixture(params=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "cpu":
        monkeypatch.setitem(RECORDERS, "cpu", Tapes())
    yield request.param


@pytest.mark.parametrize("graph", [True, False], ids=["graph", "plain"])
@pytest.mark.parametrize("name", [*PROGRAMS, *TEXTS])
def test_a_device_computes_what_the_cpu_does_in_double_precision(device: str, name: str, graph: bool) -> None:
    text = {**PROGRAMS, **TEXTS}[name]
    given = {k: v.float().double() for k, v in random_inputs(emitted(text), 7, 3).items()}
    exact = net(text).settle(given)
    randomised(exact)
    other = net(text).settle(given)
    other.load_state_dict({k: v.float() for k, v in exact.state_dict().items()})
    exact.load_state_dict(other.state_dict())
    other = by_torch(other.to(device)) if graph else unbound(other.to(device))
    if not graph and other._whole is not None:
        type(other.code).forward = other._whole.method
    inputs = {k: v.float().to(device) for k, v in given.items()}
    want = exact(given)
    (sum(v.square().sum() for k, v in want.items() if k == "h")).backward()
    for _ in range(4):
        other.zero_grad()
        found = other(inputs)
        found.h.square().sum().backward()
        for state in want:
            torch.testing.assert_close(found[state].cpu().double(), want[state], rtol=1e-4, atol=1e-5)
        for p, q in zip(other.parameters(), exact.parameters(), strict=True):
            assert (p.grad is None) == (q.grad is None)
            if p.grad is not None:
                torch.testing.assert_close(p.grad.cpu().double(), q.grad, rtol=1e-4, atol=1e-5)
    assert not graph or set(other.plan.scans.values()) == {"CUDA graph"}
