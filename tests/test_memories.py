"""Recurrences over ranges that grow with t: those that run as C, what is left to torch, and that both agree."""

from __future__ import annotations

import math

import pytest
import torch
from against import agree, random_inputs, unbound
from emitted import emitted, net, randomised
from programs import IN_LOOPS, PAST
from torch import Tensor

import sqmagic
from sqmagic.runtime.net import Net

AS_C = [name for name in IN_LOOPS if "past" in name]
LAYER = """
x_t : 3
v : param(4)
0 -> h_0
softmax(tanh(U(h_{0:t-1}) + V(h_{t-1})) @ v) @ h_{0:t-1} -> c_t
h_{t-1}|c_t|x_t --[W|tanh]-> h_t
U : 5 -> 4
W : 13 -> 5
"""
LEFT = {**PAST, "a layer on its rows": LAYER}


def prepared(text: str, steps: int, batch: int) -> tuple[Net, dict[str, Tensor]]:
    given = random_inputs(emitted(text), steps, batch)
    module = net(text).settle(given)
    randomised(module)
    return module, {n: v.requires_grad_() if v.is_floating_point() else v for n, v in given.items()}


def derived(module: Net, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is made of all states, and its derivatives."""
    out = module(given)
    total = sum((torch.nan_to_num(out[s]).sin().sum() for s in sorted(out) if out[s].requires_grad), torch.zeros(()))
    wanted = {n: v for n, v in (*given.items(), *module.named_parameters()) if v.requires_grad}
    found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    return {n: g for n, g in zip(wanted, found, strict=True) if g is not None}


def scan_paths(module: Net) -> set[str]:
    return set(module.plan.scans.values())


@pytest.mark.parametrize("name", AS_C)
@pytest.mark.parametrize(("steps", "batch", "threads"), [(1, 1, 1), (2, 3, 2), (9, 2, 2), (5, 70, 2), (17, 33, 1)])
def test_c_gives_what_torch_does_with_the_same_gradients(name: str, steps: int, batch: int, threads: int) -> None:
    module, given = prepared(IN_LOOPS[name], steps, batch)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = derived(module, given)
    finally:
        torch.set_num_threads(before)
    assert scan_paths(module) == {"C"}
    expected = derived(unbound(module), given)
    assert found.keys() == expected.keys()
    for place, gradient in expected.items():
        torch.testing.assert_close(found[place], gradient, rtol=1e-10, atol=1e-10, msg=place)


@pytest.mark.parametrize("name", AS_C)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_comes_out_where_torch_has_it(name: str, value: float) -> None:
    module, given = prepared(IN_LOOPS[name], 6, 3)
    with torch.no_grad():
        given["x"][3, 1] = value
        found = {s: v.clone() for s, v in module(given).items()}
        expected = unbound(module)(given)
    for state, rows in expected.items():
        torch.testing.assert_close(found[state], rows, rtol=1e-10, atol=1e-10, equal_nan=True, msg=state)


@pytest.mark.parametrize("name", LEFT)
@pytest.mark.parametrize("steps", [1, 2, 6])
def test_what_is_left_to_torch_is_what_the_judge_says(name: str, steps: int) -> None:
    agree(LEFT[name], steps=steps)


def test_the_plan_says_what_is_left_to_torch() -> None:
    assert "no kernel: it stacks a range whose length changes with t" in str(net(LAYER, width=5).settle().plan)


@pytest.mark.parametrize("name", ["attending_to_its_past", "attending_to_others_past"])
def test_the_plan_says_how_wide_what_grows_is(name: str) -> None:
    module, given = prepared(IN_LOOPS[name], 4, 2)
    module(given)
    plan = str(module.plan)
    assert "no kernel" not in plan
    assert ", t wide" in plan
    assert "rows_seen" in module.to_source("c")


def test_a_gradient_of_its_own_past_is_differentiated_once_more() -> None:
    module, given = prepared(IN_LOOPS["attending_to_its_past"], 4, 2)

    def second() -> Tensor:
        (first,) = torch.autograd.grad(module(given).h.sin().sum(), given["x"], create_graph=True)
        return torch.autograd.grad(first.square().sum(), given["x"])[0]

    found = second()
    assert scan_paths(module) == {"C"}
    unbound(module)
    torch.testing.assert_close(found, second(), rtol=1e-9, atol=1e-11)


def test_one_program_runs_windows_of_any_length() -> None:
    """One page is compiled, and what it keeps is as long as the window."""
    module, _ = prepared(IN_LOOPS["attending_to_its_past"], 3, 2)
    whole = random_inputs(emitted(IN_LOOPS["attending_to_its_past"]), 40, 2)
    with torch.no_grad():
        long = module(whole).h
        for steps in (1, 7, 23):
            short = module({n: v[:steps] for n, v in whole.items()}).h
            torch.testing.assert_close(short, long[:steps], rtol=1e-12, atol=1e-12)
    assert len(module._scans) == 1


def test_a_module_of_the_kernel_may_stand_beside_a_range() -> None:
    """Its shape is known to itself alone."""
    text = IN_LOOPS["attending_to_its_past"].replace("Q(h_{t-1})", "Q(own(x_t))")
    module = sqmagic.compile(text, width=5, namespace={"own": torch.nn.Tanh()}).settle()
    out = module(x=torch.randn(4, 2, 3))
    assert out.h.shape == (4, 2, 5)
