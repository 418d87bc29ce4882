"""Compiled scans: they compute what torch computes, forward and back, or say why they do not run."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from against import random_inputs, unbound
from emitted import emitted, net, randomised
from hypothesis import assume, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from programs import IN_LOOPS, PROGRAMS
from systems import Example, examples
from torch.autograd import forward_ad
from uneven import unevenly

from sqmagic import kernels
from sqmagic.emit.c import engine
from sqmagic.emit.torch.write import emit
from sqmagic.equations.interpret import interpret
from sqmagic.equations.shapes import Shapes
from sqmagic.runtime import generated
from sqmagic.runtime.kernels import compiler
from sqmagic.runtime.kernels.scan import bind
from sqmagic.runtime.net import Net
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import domains
from sqmagic.schedule.plan.lengths import Differ, merged

LSTM = """
x_t : {inputs}
0 -> c_0
b -> h_0
b : param({width})
h_{{t-1}}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{{t-1}}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
"""
GRU = """
x_t : {inputs}
g : {width}
g -> h_0
sigmoid(Rx(x_t) + Rh(h_{{t-1}})) -> r_t
sigmoid(Zx(x_t) + Zh(h_{{t-1}})) -> z_t
tanh(Nx(x_t) + r_t*Nh(h_{{t-1}})) -> n_t
(1-z_t)*n_t + z_t*h_{{t-1}} -> h_t
"""
SEED_GRU = """
x_t : {inputs}
0.5 -> h_0
h_{{t-1}}|x_t -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
x_t|(h_{{t-1}}*r_t) --[H|tanh]-> l_t
h_{{t-1}} * (1 - z_t) + l_t -> h_t
h_t : {width}
"""
PEEPHOLES = """
x_t : {inputs}
0 -> c_0
0 -> h_0
u : param({width})
v : param({width})
w : param({width})
h_{{t-1}}|x_t -> p_t
sigmoid(F(p_t) + u*c_{{t-1}}) -> f_t
sigmoid(I(p_t) + v*c_{{t-1}}) -> i_t
tanh(C(p_t)) -> l_t
c_{{t-1}}*f_t + i_t*l_t -> c_t
sigmoid(O(p_t) + w*c_t) -> o_t
tanh(c_t)*o_t -> h_t
"""
MIXED = """
x_t : {inputs}
0 -> h_0
0 -> a_0
softmax(A(h_{{t-1}}|x_t)) -> s_t
norm(h_{{t-1}}) + mean(a_{{t-1}}) -> q_t
a_{{t-1}} * 0.5 + max(s_t) * relu(B(s_t)) - q_t*0.01 -> a_t
clip(gelu(C(a_t|h_{{t-1}})), -0.9, 2) * softplus(D(x_t)) + s_t -> h_t
h_t : {width}
a_t : 4
"""
BACKWARDS = """
x_t : {inputs}
1 -> b_{{T+1}}
tanh(M(x_t|b_{{t+1}})) -> b_t
b_t : {width}
"""
MEMORY = """
x_t : {inputs}
0 -> C_0
0 -> h_0
h_{{t-1}}|x_t -> p_t
p_t --[K]-> k_t
k_t : {width}
p_t --[V|tanh]-> v_t
v_t : 3
p_t --[F|sigmoid]-> f_t
f_t : 1
f_t*C_{{t-1}} + 0.3*outer(v_t - C_{{t-1}} @ k_t / {width}, k_t) -> C_t
tanh(v_t @ C_t + 0.1*transpose(C_t) @ mean(C_{{t-1}}) + 0.1*max(C_t)[1]) -> h_t
"""
WINDOW = """
x_t : {inputs}
0 -> k_0
0.5 -> k_{{-1}}
0 -> k_{{-2}}
k_{{t-1}}|x_t --[Q|tanh]-> q_t
k_t : 4
q_t : 4
softmax(k_{{t-3:t-1}} @ q_t) @ k_{{t-3:t-1}} -> c_t
c_t|x_t --[H|tanh]-> h_t
h_t : {width}
h_t --[K|tanh]-> k_t
"""
TURNS = """
x_t : {inputs}
0.1 -> R_{{T+1}}
x_t --[G|tanh]-> g_t
g_t : 5
transpose(R_{{t+1}}) @ outer(g_t, x_t) --[M]-> M_t
outer(g_t, g_t) @ transpose(R_{{t+1}}) -> N_t
A : param(5, 5)
tanh(0.5*R_{{t+1}} + 0.1*transpose(N_t) + 0.05*A*outer(M_t @ x_t, g_t)) -> R_t
softmax(R_t) --[Y|tanh]-> Y_t
Y_t @ x_t + norm(R_t) -> y_t
"""
CELLS = {
    "lstm": LSTM,
    "gru": GRU,
    "seed": SEED_GRU,
    "peepholes": PEEPHOLES,
    "mixed": MIXED,
    "backwards": BACKWARDS,
    "memory": MEMORY,
    "window": WINDOW,
    "turns": TURNS,
}


def pair(
    text: str, given: Mapping[str, torch.Tensor], dtype: torch.dtype = torch.float64, **more: Any
) -> tuple[Net, Net]:
    """The same net twice: its scans compiled, and by torch."""
    nets = []
    for _ in range(2):
        module = net(text, **more).settle(given)
        randomised(module)
        nets.append(module.to(dtype).eval())
    return nets[0], unbound(nets[1])


def by_c(module: Net) -> None:
    assert module._scans, "there are scans"
    assert [b.report.path for b in module._scans] == ["C"] * len(module._scans)


def outside(module: Net) -> list[str]:
    return sorted(s for bound in module._scans for s in bound.program.outside)


def gradients(
    module: Net, given: Mapping[str, torch.Tensor], states: list[str], seed: int = 3
) -> dict[str, torch.Tensor]:
    """Of a sum of states with random weights, by every parameter and input."""
    leaves = {k: v.clone().requires_grad_() if v.is_floating_point() else v for k, v in given.items()}
    random = torch.Generator().manual_seed(seed)
    out = module(leaves)
    total = torch.zeros((), dtype=torch.float64)
    for state in states:
        value = torch.where(out[state].isnan(), 0.0, out[state])
        total = total + (value * torch.randn(value.shape, generator=random, dtype=torch.float64)).sum()
    module.zero_grad()
    total.backward()
    found = {name: p.grad for name, p in module.named_parameters()} | {f"input {k}": v.grad for k, v in leaves.items()}
    return {name: g.clone() for name, g in found.items() if g is not None}


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], tolerance: float = 1e-10) -> None:
    for name in one.keys() | other.keys():
        known = one.get(name, other.get(name))
        assert known is not None
        a, b = (d.get(name, torch.zeros_like(known)) for d in (one, other))
        torch.testing.assert_close(
            a, b, rtol=tolerance, atol=tolerance, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("name", [*PROGRAMS, *IN_LOOPS])
@pytest.mark.parametrize(("steps", "batch"), [(4, 3), (2, 40)])
def test_programs_are_computed_and_trained_as_by_torch(name: str, steps: int, batch: int) -> None:
    text = {**PROGRAMS, **IN_LOOPS}[name]
    given = random_inputs(emitted(text), steps, batch)
    compiled, plain = pair(text, given)
    if not compiled._scans and name in PROGRAMS:
        return
    with torch.no_grad():
        out, want = compiled(given), plain(given)
    by_c(compiled)
    for state in want:
        torch.testing.assert_close(out[state], want[state], rtol=1e-10, atol=1e-10, equal_nan=True, msg=state)
    states = [s for s in outside(compiled) if want[s].is_floating_point()]
    same(gradients(compiled, given, states), gradients(plain, given, states))
    by_c(compiled)


@pytest.mark.parametrize("name", ["attending", "attending_to_some", "attending_by_matrices"])
def test_one_net_reads_ranges_of_any_number_of_rows(name: str) -> None:
    made = emitted(IN_LOOPS[name])
    compiled, plain = pair(IN_LOOPS[name], random_inputs(made, 4, 3))
    for steps, batch in ((2, 3), (19, 2), (3, 70), (40, 1), (2, 3)):
        given = random_inputs(made, steps, batch, seed=steps)
        states = outside(compiled)
        same(gradients(compiled, given, states), gradients(plain, given, states))
        by_c(compiled)


def test_a_range_without_rows_is_left_to_torch() -> None:
    text = IN_LOOPS["attending"].replace("e_{1:T}", "e_{2:T}")
    given = random_inputs(emitted(text), 1, 3)
    compiled, plain = pair(text, given)
    same(gradients(compiled, given, ["c", "d"]), gradients(plain, given, ["c", "d"]))
    assert "a range that it reads has no rows" in compiled._scans[0].report.path


def test_dropout_of_what_stands_still_is_drawn_at_each_step() -> None:
    text = "x_t : 2\nb : param(8)\n0 -> h_0\n0.1*h_{t-1} + M(x_t) + dropout(b) -> h_t"
    given = random_inputs(emitted(text), 20, 1)
    compiled, plain = (module.train() for module in pair(text, given))
    found = []
    for module in (compiled, plain):
        torch.manual_seed(0)
        found.append(module(given).h)
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("one", "other", "whole"),
    [
        ("real a[3000009]; /* 7 */", "real a[3000099]; /* 7 */", "real a[(3 * n)]; /* 7 */"),
        ("x / (real)1000003.0 + 1000003", "x / (real)1000033.0 + 1000003", "x / (real)(n) + 1000003"),
        ("a[1000004]", "a[1000034]", None),
        ("a[1000003]", "b[1000033]", None),
        ("a[3] + b", "a[3] + b + 1", None),
    ],
)
def test_what_is_written_for_two_numbers_of_rows_tells_what_is_for_any(one: str, other: str, whole: str | None) -> None:
    if whole is not None:
        assert merged(one, other, "n") == whole
        return
    with pytest.raises(Differ):
        merged(one, other, "n")


def cell_inputs(name: str, steps: int, batch: int, inputs: int, width: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    given = {"x": torch.randn(steps, batch, inputs, dtype=torch.float64)}
    return given | ({"g": torch.randn(batch, width, dtype=torch.float64)} if name == "gru" else {})


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("steps", "batch", "inputs", "width", "threads"),
    [
        (1, 1, 1, 1, 1),
        (2, 5, 3, 17, 2),
        (2, 2, 1, 33, 2),
        (3, 31, 2, 3, 2),
        (2, 33, 4, 70, 1),
        (5, 1, 7, 40, 2),
        (2, 211, 5, 107, 2),  # more rows and units than are added up at a time
        (3, 50, 140, 150, 2),  # so wide that operands are packed, and are not multiplied where they lie
        (2, 1, 131, 133, 2),
        (3, 9, 40, 230, 2),  # so wide, of so few examples, that threads share the units freely
    ],
)
def test_any_size_and_number_of_threads(
    name: str, steps: int, batch: int, inputs: int, width: int, threads: int
) -> None:
    given = cell_inputs(name, steps, batch, inputs, width)
    compiled, plain = pair(CELLS[name].format(inputs=inputs, width=width), given, width=width)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with torch.no_grad():
            out, want = compiled(given), plain(given)
        for state in want:
            torch.testing.assert_close(out[state], want[state], rtol=1e-10, atol=1e-10, msg=state)
        same(gradients(compiled, given, outside(compiled)), gradients(plain, given, outside(compiled)))
    finally:
        torch.set_num_threads(before)
    by_c(compiled)


def test_units_and_sums_that_threads_share_freely_are_the_same_to_the_bit() -> None:
    given = cell_inputs("lstm", 115, 11, 40, 230)
    module, _ = pair(CELLS["lstm"].format(inputs=40, width=230), given, width=230)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(gradients(module, given, outside(module)))
    finally:
        torch.set_num_threads(before)
    by_c(module)
    assert all(torch.equal(own[key], found[0][key]) for own in found for key in found[0])


@pytest.mark.parametrize("name", CELLS)
def test_what_a_thread_hands_over_is_the_same_to_the_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = cell_inputs(name, 30, 40, 5, 19)
    text = CELLS[name].format(inputs=5, width=19)
    module, _ = pair(text, given, width=19)
    monkeypatch.setattr(kernels, "engine", lambda: unevenly(engine()))
    other, _ = pair(text, given, width=19)
    other.load_state_dict(module.state_dict())
    before = torch.get_num_threads()
    try:
        for threads in (2, 3, 4):
            torch.set_num_threads(threads)
            found, want = (gradients(each, given, outside(each)) for each in (other, module))
            assert all(torch.equal(found[key], value) for key, value in want.items())
    finally:
        torch.set_num_threads(before)
    by_c(other)


@pytest.mark.parametrize("name", CELLS)
def test_single_precision_is_as_exact_as_torchs(name: str) -> None:
    """Both are held against torch in double precision."""
    given = cell_inputs(name, 12, 20, 5, 24)
    text = CELLS[name].format(inputs=5, width=24)
    _, exact = pair(text, given, width=24)
    compiled, plain = pair(text, given, torch.float32, width=24)
    single = {k: v.float() for k, v in given.items()}
    states = outside(compiled)
    # the same weights: those of the exact net are of single precision too
    exact.load_state_dict({k: v.double() for k, v in compiled.state_dict().items()})
    want = gradients(exact, {k: v.double() for k, v in single.items()}, states)
    ours, theirs = gradients(compiled, single, states), gradients(plain, single, states)
    by_c(compiled)
    for key, value in want.items():
        error, eager = ((d[key].double() - value).norm().item() for d in (ours, theirs))
        assert error <= 2 * eager + 1e-6 * value.norm().item(), f"{key}: {error:.1e}, torch {eager:.1e}"


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_not_finite_comes_out_where_torch_has_it(name: str, bad: float, dtype: torch.dtype) -> None:
    given = cell_inputs(name, 4, 5, 3, 19)
    given["x"][1, 2, 1] = bad
    compiled, plain = pair(CELLS[name].format(inputs=3, width=19), given, dtype, width=19)
    given = {k: v.to(dtype) for k, v in given.items()}
    with torch.no_grad():
        out, want = compiled(given), plain(given)
    for state in want:
        assert torch.equal(out[state].isnan(), want[state].isnan()), state
        assert torch.equal(out[state].isinf(), want[state].isinf()), state
    ours, theirs = (gradients(m, given, outside(compiled)) for m in (compiled, plain))
    for key, value in theirs.items():
        assert torch.equal(ours[key].isnan(), value.isnan()), key
        assert torch.equal(ours[key].isinf(), value.isinf()), key
    by_c(compiled)


def test_a_softmax_of_large_products_is_finite() -> None:
    """A product less its largest component is 0 there, however large its rounding is."""
    text = "x_t : 8\ny_t : 8\nh_t : 8\n0.1 -> h_0\n0.5*h_{t-1} + softmax(x_t*y_t)*h_{t-1} -> h_t"
    module, plain = net(text), unbound(net(text))
    torch.manual_seed(0)
    given = {"x": torch.randn(4, 64, 8) * 1e5, "y": torch.randn(4, 64, 8) * 1e5}
    torch.testing.assert_close(module(given).h, plain(given).h)
    by_c(module)


def test_a_weight_that_is_not_finite() -> None:
    given = cell_inputs("lstm", 3, 4, 3, 9)
    compiled, plain = pair(LSTM.format(inputs=3, width=9), given, width=9)
    for module in (compiled, plain):
        with torch.no_grad():
            module.get_parameter("F.weight")[2, 4] = torch.inf
            module.get_parameter("O.weight")[1, 1] = torch.nan
    with torch.no_grad():
        out, want = compiled(given), plain(given)
    for state in want:
        assert torch.equal(out[state].isnan(), want[state].isnan()), state
    ours, theirs = (gradients(m, given, ["h"]) for m in (compiled, plain))
    for key, value in theirs.items():
        assert torch.equal(ours[key].isnan(), value.isnan()), key


def small(inputs: int = 3, width: int = 6) -> tuple[Net, torch.Tensor]:
    torch.manual_seed(1)
    module = net(LSTM.format(inputs=inputs, width=width), width=width)
    randomised(module)
    return module, torch.randn(5, 4, inputs, dtype=torch.float64)


def test_inputs_need_not_be_contiguous() -> None:
    module, x = small()
    want = module(x=x).h
    for other in (x.transpose(0, 1).contiguous().transpose(0, 1), torch.cat([x, x], -1)[..., :3], x.mT.contiguous().mT):
        torch.testing.assert_close(module(x=other).h, want)
    row = torch.randn(3, dtype=torch.float64)
    torch.testing.assert_close(module(x=row.expand(5, 4, 3)).h, module(x=row.repeat(5, 4, 1)).h)
    by_c(module)


def test_the_imaginary_part_of_a_conjugate_has_its_own_sign() -> None:
    """Its memory has the other one."""
    module, x = small()
    plain, given = unbound(small()[0]), torch.complex(x, x).conj().imag
    assert given.is_neg()
    torch.testing.assert_close(module(x=given).h, plain(x=given).h)
    found = []
    for each in (module, plain):
        weights = {n: torch.complex(p, p).detach().conj().imag.requires_grad_() for n, p in each.named_parameters()}
        h = torch.func.functional_call(each, weights, (), {"x": x}).h
        found.append(torch.autograd.grad(h, list(weights.values()), torch.complex(h, h).detach().conj().imag))
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)
    by_c(module)


def test_zeros_without_memory_are_zeros() -> None:
    module, x = small()
    leaf = x.clone().requires_grad_()
    h = module(x=leaf).h
    (found,) = torch.autograd.grad(h, leaf, torch._efficientzerotensor(h.shape, dtype=h.dtype))
    assert not found.any()


def test_the_adjoint_that_is_given_need_not_be_contiguous() -> None:
    module, x = small()
    module(x=x).h.sum().backward()
    want = module.get_parameter("F.weight").grad
    module.zero_grad()
    h = module(x=x).h
    h.backward(torch.ones(6, 4, 5, dtype=torch.float64).permute(2, 1, 0))
    torch.testing.assert_close(module.get_parameter("F.weight").grad, want)
    by_c(module)


def test_gradients_agree_with_finite_differences() -> None:
    module, x = small(2, 3)
    x = x[:3, :2, :2].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: module(x=x).h, (x,))
    assert torch.autograd.gradcheck(lambda *p: module(x=x).h, tuple(module.parameters()))
    by_c(module)


def test_two_calls_before_the_way_back() -> None:
    module, x = small()
    first, second = module(x=x).h, module(x=2 * x).h
    (first.sum() * 2 + second.square().sum()).backward()
    ours = module.get_parameter("I.weight").grad
    unbound(module).zero_grad()
    (module(x=x).h.sum() * 2 + module(x=2 * x).h.square().sum()).backward()
    torch.testing.assert_close(ours, module.get_parameter("I.weight").grad)


def test_the_way_back_may_be_gone_twice() -> None:
    module, x = small()
    loss = module(x=x).h.square().sum()
    loss.backward(retain_graph=True)
    once = module.get_parameter("O.weight").grad.clone()
    loss.backward()
    torch.testing.assert_close(module.get_parameter("O.weight").grad, 2 * once)
    by_c(module)


@pytest.mark.parametrize("name", ["NEAR", "FAR", "LANES", "pieces", "KNOWN"])
def test_a_state_may_be_called_what_the_engine_calls_something(name: str) -> None:
    text = f"x_t : 3\n0 -> {name}_0\n{name}_{{t-1}}|x_t --[M|tanh]-> {name}_t\n"
    module = net(text, width=4)
    module(x=torch.randn(5, 2, 3))[name].sum().backward()
    by_c(module)


def test_a_result_that_is_changed_before_the_way_back_is_told() -> None:
    module, x = small()
    out = module(x=x).h
    loss = out.sum()
    with torch.no_grad():
        out.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("frozen", ["F.weight", "C.bias", "b"])
def test_what_needs_no_gradient_gets_none(frozen: str) -> None:
    module, x = small()
    module.get_parameter(frozen).requires_grad_(False)
    module(x=x).h.sum().backward()
    by_c(module)
    assert module.get_parameter(frozen).grad is None
    assert all(p.grad is not None for n, p in module.named_parameters() if n != frozen)


def test_one_layer_used_by_two_scans_and_twice_in_one() -> None:
    text = """
x_t : 4
0 -> h_0
0 -> g_0
tanh(M(h_{t-1}) + M(x_t)) -> h_t
tanh(M(g_{t-1} * h_t)) -> g_t
g_t --[G]-> p_t => x_t
"""
    given = {"x": torch.randn(5, 3, 4, dtype=torch.float64)}
    compiled, plain = pair(text, given)
    for module in (compiled, plain):
        module.loss(given).backward()
    by_c(compiled)
    for (name, p), q in zip(compiled.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(p.grad, q.grad, msg=name)


def test_states_that_were_left_out_are_there_when_asked_for() -> None:
    module, x = small()
    plain = unbound(small()[0])
    with torch.no_grad():
        out, want = module(x=x), plain(x=x)
    for state in want:
        torch.testing.assert_close(out[state], want[state])
    with_gradient = module(x=x)
    with_gradient.f.sum().backward()
    assert module.get_parameter("F.weight").grad is not None
    with torch.no_grad():
        late = module(x=x)
        module.get_parameter("F.weight").add_(1)
    with pytest.raises(RuntimeError, match="`o` was not asked for, and the weights or inputs have changed since"):
        _ = late.o


def test_states_that_were_left_out_are_of_the_weights_of_their_call() -> None:
    module, x = small()
    weights = {n: (2 * p.detach()).requires_grad_() for n, p in module.named_parameters()}
    out = torch.func.functional_call(module, weights, (), {"x": x})
    torch.testing.assert_close(out.h, out.o * torch.tanh(out.c))
    out.f.sum().backward()
    assert weights["F.weight"].grad is not None and module.get_parameter("F.weight").grad is None
    out = module(x=x)
    module.load_state_dict({n: torch.randn_like(p) for n, p in module.named_parameters()}, assign=True)
    torch.testing.assert_close(out.h, out.o * torch.tanh(out.c))
    with torch.no_grad():
        out = module(x=x)
    torch.nn.utils.vector_to_parameters(
        torch.randn(sum(p.numel() for p in weights.values())).double(), module.parameters()
    )
    with pytest.raises(RuntimeError, match="`o` was not asked for, and the weights or inputs have changed since"):
        _ = out.o


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_what_was_left_out_is_not_of_what_has_been_written_over_since(
    mode: Callable[[], AbstractContextManager[None]],
) -> None:
    """Nobody tells of a write to `.data`, or to a tensor of inference mode."""
    module, x = small()
    weight = module.get_parameter("F.weight")
    with mode():
        given = x.clone()
        out, kept = module(x=given), module(x=given)
        torch.testing.assert_close(kept.h, kept.o * torch.tanh(kept.c))
        if mode is torch.inference_mode:
            given.copy_(2 * x)
    if mode is torch.no_grad:
        weight.data.copy_(2 * weight)
    with pytest.raises(RuntimeError, match="`o` was not asked for, and the weights or inputs have changed since"):
        _ = out.o


def test_a_result_that_is_changed_says_nothing_of_what_was_left_out() -> None:
    module, x = small()
    with torch.no_grad():
        out = module(x=x)
        want = module(x=x).o.clone()
        out.h.zero_()
        torch.testing.assert_close(out.o, want)


def test_the_plan_says_what_runs_where() -> None:
    module, x = small()
    assert str(module.plan).endswith(": not run yet")
    module(x=x)
    text = str(module.plan)
    assert "p, f, i, l, o, c, h: step by step, from the first (432 T B flops, 48 T B numbers = 8,640 flops" in text
    assert text.startswith("forward, T = 5, B = 4: 8,640 flops, 8,064 bytes besides weights\n")
    assert "rewritten for torch: 4 def, 4 concat" in text
    assert "= " not in str(small()[0].plan).split("\n")[4]
    assert "phase 1, 6 wide: 4 products on 9 numbers; a part of p, f, i, l, o, c, h" in text
    assert text.endswith(": C")
    assert net("x_t : 3\nM(x_t) -> y_t").plan.scans == {}


# --- where it does not run -----------------------------------------------------------------------


def path(module: Net) -> str:
    return module._scans[0].report.path


def test_other_dtypes_devices_and_hooks_go_by_torch_and_say_why() -> None:
    module, x = small()
    module.half()(x=x.half())
    assert path(module) == "torch, because C computes in float32 or in float64, not in float16"
    module.double()
    module.get_submodule("F").register_forward_hook(lambda *_: None)
    module(x=x)
    assert path(module) == "torch, because `F` has been changed"
    bare = (
        net("x_t : 4\nb : param(5)\nb -> h_0\ntanh(M(h_{t-1})) + tanh(N(x_t)) -> h_t").settle().double()
    )  # no rule takes M's weight
    seen: list[object] = []
    bare.get_submodule("M").register_full_backward_hook(lambda *given: seen.append(given))
    bare(x=torch.rand(3, 2, 4, dtype=torch.float64)).h.sum().backward()
    assert path(bare) == "torch, because `M` has been changed" and len(seen) == 3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        fresh = small()[0].float()
        fresh(x=x.float())
    assert path(fresh) == "torch, because autocast chooses the type of numbers"
    other, _ = small()
    other.to("meta")(x=x.to("meta"))
    assert path(other) == "torch, because the data are not on the CPU"


@pytest.mark.filterwarnings("ignore")  # torch's: it scripts its own rules, which is deprecated
def test_derivatives_taken_forward_go_by_torch() -> None:
    module, x = small()
    found = []
    for each in (module, unbound(small()[0])):
        with forward_ad.dual_level():
            found.append(forward_ad.unpack_dual(each(x=forward_ad.make_dual(x, torch.ones_like(x))).h).tangent)
    torch.testing.assert_close(*found)
    assert path(module) == "torch, because derivatives are taken forward"


def test_a_recurrence_that_is_given_no_numbers_goes_by_torch() -> None:
    alone = net("x_t : 3\nh_t : 3\ntanh(h_{t+1} + 1) -> h_t\nh_t + x_t -> y_t")
    assert alone(x=torch.zeros(4, 2, 3)).y.shape == (4, 2, 3)
    assert path(alone) == "torch, because nothing tells how many examples there are"
    whole = net("c_t : class(2)\nh_t : 2\nsigmoid(h_{t+1} + h_{t+1}[c_t]) -> h_t")
    whole(c=torch.zeros(4, 2, dtype=torch.long))
    assert path(whole) == "torch, because all that it is given is whole numbers"


def test_weights_of_other_shapes_are_left_to_torch() -> None:
    """C reads as much as the program says, whatever there is."""
    module, x = small()
    whole = module.get_submodule("F")
    module.F = torch.nn.Linear(whole.in_features, 2, dtype=x.dtype)
    with pytest.raises(RuntimeError, match=r"size|shape"):
        module(x=x)
    assert path(module) == "torch, because `F.weight` is 2 x 9 and not 6 x 9"
    module.F = whole
    assert module(x=x).h is not None and path(module) == "C"
    before = net("x_t : 3\n0 -> h_0\nx_t --[E]-> e_t\nh_{t-1}|e_t --[A|tanh]-> h_t\ne_t : 4").settle().double()
    before.E = torch.nn.Linear(3, 2, dtype=x.dtype)
    with pytest.raises(RuntimeError, match=r"size|shape"):
        before(x=x)
    assert path(before) == "torch, because a layer before it gives 2 components and not 4"


def test_torch_compile_traces_the_code_of_torch() -> None:
    module, x = small()
    want = module(x=x)
    found = torch.compile(module, backend="eager")(x=x)
    torch.testing.assert_close(found.h, want.h)


@pytest.mark.filterwarnings("ignore")  # torch's: jit.trace is deprecated, and notes where sizes are taken for constants
def test_a_traced_net_computes_on_what_it_is_given() -> None:
    module, x = small()

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = module

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.net(x=x).h
            return found

    traced = torch.jit.trace(Last(), (x,))
    torch.testing.assert_close(traced(2 * x), module(x=2 * x).h)


def test_functions_of_torch_that_trace_go_by_torch() -> None:
    module, x = small()
    weights = {n: p.detach() for n, p in module.named_parameters()}

    def call(given: Mapping[str, torch.Tensor]) -> torch.Tensor:
        found: torch.Tensor = torch.func.functional_call(module, given, (), {"x": x}).h.sum()
        return found

    found = torch.func.grad(call)(weights)
    assert path(module) == "torch, because torch is tracing the computation"
    module(x=x).h.sum().backward()
    torch.testing.assert_close(found["F.weight"], module.get_parameter("F.weight").grad)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "there is no C compiler"),
        ("exit 1", "there is no C compiler"),
        ("echo 1.0", "compiling C failed: "),
        ("[ $1 = --version ] && echo 1.0 || { echo no room >&2; exit 1; }", "the C compiler refused the code: no room"),
    ],
    ids=["none", "one that fails", "one that makes nothing", "one that refuses"],
)
def test_without_a_compiler_that_works_torch_computes_and_the_plan_says_why(
    script: str | None, why: str, tmp_path: Path
) -> None:
    code = (
        "import torch, sqmagic\n"
        "net = sqmagic.compile('x_t : 3\\n0 -> h_0\\ntanh(M(x_t|h_{t-1})) -> h_t')\n"
        "found = net(x=torch.rand(2, 2, 3)).h; found.sum().backward()\n"
        "print(str(net.plan).splitlines()[-1])\n"
    )
    compiler = tmp_path / "compiler"
    if script is not None:
        compiler.write_text(f"#!/bin/sh\n{script}\n")
        compiler.chmod(0o755)
    more = {"CC": str(compiler), "SQMAGIC_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **more}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().startswith(f"scan_1: torch, because {why}")


# --- the cache -----------------------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SQMAGIC_CACHE", str(tmp_path))
    compiler._cache.cache_clear()
    yield tmp_path
    compiler._cache.cache_clear()


def test_a_page_is_compiled_once(empty_cache: Path) -> None:
    page = small()[0]._scans[0].program.page
    first = compiler.built(page, "float")
    written = first.stat().st_mtime_ns
    assert compiler.built(page, "float") == first
    assert first.stat().st_mtime_ns == written
    assert compiler.built(page, "double") != first
    assert len(list(first.parent.glob("*.so"))) == 2


def test_a_compiler_is_asked_once_what_it_is(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler._compiler.cache_clear()
    page = small()[0]._scans[0].program.page
    first = compiler.built(page, "float")
    compiler._compiler.cache_clear()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a program is started"))
    assert compiler.built(page, "float") == first


def test_pages_do_not_depend_on_the_number_of_steps_or_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    module, x = small()
    module(x=x).h.sum().backward()
    pages = [page for bound in module._scans for page in bound.program.pages]
    longer = net(LSTM.format(inputs=3, width=6), width=6, horizon=4096)
    assert [page for bound in longer._scans for page in bound.program.pages] == pages
    monkeypatch.setattr(compiler, "_compile", lambda *_: pytest.fail("it is compiled again"))
    module(x=torch.randn(700, 2, 3, dtype=torch.float64)).h.sum().backward()
    module(x=torch.randn(1, 9, 3, dtype=torch.float64)).h.sum().backward()
    by_c(module)


def test_processes_that_compile_at_once_do_not_disturb_each_other(empty_cache: Path) -> None:
    page = small()[0]._scans[0].program.page
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: compiler.built(page, "float"), range(4)))
    assert len(found) == 1
    compiler.Library(found.pop(), page.declaration)


def test_threads_may_call_one_net_at_once() -> None:
    module, x = small(3, 33)
    xs = [x * k for k in range(1, 9)]
    with torch.no_grad():
        want = [module(x=each).h for each in xs]

    def run(each: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return module(x=each).h

    with ThreadPoolExecutor(4) as pool:
        for got, expected in zip(pool.map(run, xs * 4), want * 4, strict=True):
            assert torch.equal(got, expected)


def test_copies_and_pickles_go_on_as_c() -> None:
    module, x = small()
    want = module(x=x).h
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        torch.testing.assert_close(other(x=x).h, want)
        by_c(other)


@settings(max_examples=25)
@hypothesis_given(example=examples(), data=st.integers(0, 1000))
def test_generated_programs_are_computed_as_the_interpreter_does(example: Example, data: int) -> None:
    """Every scan that kernels run, in generated systems; the rest of them by torch."""
    order = dependence(example.system)
    held = domains(example.system, order)
    shapes = Shapes(example.states, example.parameters)
    pages = kernels.scan_pages(example.system, shapes, order, held)
    assume(pages)
    horizon = held.horizon + 2
    parameters, inputs = example.values(horizon, batch=3, seed=data)
    source = emit(example.system, shapes, order, held, "net", pages)
    module = generated.build(source, "net", {}).double()
    module.load_state_dict({k: torch.from_numpy(v) for k, v in parameters.items()})
    bounds = [bind(type(module), kernels.program_of(page)) for page in pages.values()]
    names = generated.arguments(module)
    leaves = {names[k]: torch.from_numpy(v).requires_grad_() for k, v in inputs.items()}
    more = {"horizon": horizon} if generated.takes(module, "forward", "horizon") else {}
    found = generated.call(module, "forward", **leaves, **more)
    run = interpret(example.system, parameters=parameters, inputs=inputs, shapes=shapes)
    rows = generated.rows(module)
    total = torch.zeros((), dtype=torch.float64)
    for bound in bounds:
        for own in bound.program.own[: bound.program.returned]:
            if own.state in bound.program.outside:
                first = rows[own.state][0]
                for k, row in enumerate(found[own.state]):
                    want = run.value(own.state, first + k)
                    np.testing.assert_allclose(row.detach().numpy(), want, rtol=1e-9, atol=1e-9)
                total = total + found[own.state].sin().sum()
    ours = (
        torch.autograd.grad(total, [*leaves.values(), *module.parameters()], allow_unused=True)
        if total.requires_grad
        else ()
    )
    for bound in bounds:
        setattr(type(module), bound.program.method, bound.method)
    found = generated.call(module, "forward", **leaves, **more)
    outside = [s for b in bounds for s in b.program.outside]
    total = sum((found[s].sin().sum() for s in outside), torch.zeros((), dtype=torch.float64))
    if not total.requires_grad:  # it depends on steps alone
        return
    theirs = torch.autograd.grad(total, [*leaves.values(), *module.parameters()], allow_unused=True)
    for one, other in zip(ours, theirs, strict=True):
        if one is not None or other is not None:
            known = one if one is not None else other
            a, b = (torch.zeros_like(known) if g is None else g for g in (one, other))
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("function", ["exp", "tanh", "sigmoid", "softplus", "log"])
def test_a_function_is_exact_to_few_units_in_the_last_place(function: str) -> None:
    """Of numbers of every size; NaN and infinity too."""
    sizes = torch.logspace(-37, 38, 4000)
    ends = torch.tensor([0.0, torch.nan, torch.inf, -torch.inf, 1e-45, 88.7, 89.0, 103.0, 104.0, 1.0])
    some = torch.linspace(-110, 110, 5003)
    x = torch.cat([sizes, -sizes, ends, -ends, some])
    module = net(f"x_t : 1\n0 -> s_0\n{function}(x_t) + 0*s_{{t-1}} -> s_t").settle({"x": x[None, :, None]})
    found = module(x=x[None, :, None]).s[0, :, 0]
    by_c(module)
    exact = {
        "softplus": lambda v: torch.logaddexp(v, torch.zeros_like(v)),
        **{name: getattr(torch, name) for name in ("exp", "tanh", "sigmoid", "log")},
    }[function](x.double())
    rounded = exact.float()
    assert torch.equal(found.isnan(), rounded.isnan())
    plain = rounded.isfinite() & (rounded.abs() > 1.2e-38) & found.isfinite()
    assert float(((found - exact).abs() / exact.abs())[plain].max()) < 4e-7
    rest = ~plain & ~rounded.isnan()
    assert torch.allclose(found[rest], rounded[rest], rtol=0, atol=3e-38), "overflow, underflow"
