"""Ranges that grow or shrink with t: which equations need no loop over the steps, and that spans give what steps do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from against import agree, random_inputs
from emitted import emitted, net, randomised
from programs import PAST, PROGRAMS, RANGES, STEP_BY_STEP
from torch import Tensor

from sqmagic.runtime.net import Net

AT_ONCE = {"attention": PROGRAMS["attention"], **RANGES}
IN_SPANS = [name for name, text in AT_ONCE.items() if "spans(" in emitted(text).source]
TEXTS = {**AT_ONCE, **STEP_BY_STEP, **PAST}


@contextmanager
def spans_of(module: Net, size: int) -> Iterator[None]:
    """The module with spans of so many steps; of one, nothing is outside of any range."""
    page = _page(module)

    def spans(first: int, last: int, *read: Tensor) -> list[tuple[int, int]]:
        return [(start, min(start + size, last + 1)) for start in range(first, last + 1, size)]

    own = page["spans"]
    page["spans"] = spans
    try:
        yield
    finally:
        page["spans"] = own


def _page(module: Net) -> dict[str, Any]:
    found: dict[str, Any] = type(module.code).forward.__globals__
    return found


def made(text: str, steps: int, batch: int = 2) -> tuple[Net, dict[str, Tensor]]:
    given = random_inputs(emitted(text), steps, batch)
    module = net(text).settle(given)
    randomised(module)
    return module, given


def derived(module: Net, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """All states, and the derivatives of something made of all of them."""
    own = {n: v.clone().requires_grad_() if v.is_floating_point() else v for n, v in given.items()}
    states = module.code.forward(**own)
    torch.manual_seed(2)
    total = sum((torch.randn_like(v) * v).sum() for v in states.values() if v.requires_grad)
    assert isinstance(total, Tensor)
    wanted = [v for v in (*own.values(), *module.parameters()) if v.requires_grad]
    found = torch.autograd.grad(total, wanted, allow_unused=True)
    gradients = {f"gradient {n}": g for n, g in enumerate(found) if g is not None}
    return {n: v.detach() for n, v in states.items()} | gradients


def assert_alike(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-11, atol=1e-11, equal_nan=True, msg=name)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("steps", [1, 2, 3, 9])
def test_a_range_that_grows_is_what_the_judge_says(name: str, steps: int) -> None:
    least = getattr(type(net(TEXTS[name], width=3).code), "least", 1)
    agree(TEXTS[name], steps=max(steps, least))


@pytest.mark.parametrize("name", AT_ONCE)
def test_no_step_waits_for_another(name: str) -> None:
    source = emitted(AT_ONCE[name]).source
    whole = source[source.index("def forward") : source.index("def start") if "def start" in source else None]
    assert "for t" not in whole
    assert {part.kind for part in net(AT_ONCE[name]).settled.plan} <= {"parallel", "once"}


@pytest.mark.parametrize("name", STEP_BY_STEP)
def test_the_plan_says_what_goes_step_by_step(name: str) -> None:
    plan = net(STEP_BY_STEP[name]).settled.plan
    assert any(part.kind == "growing" for part in plan)
    assert "one after the other" in str(net(STEP_BY_STEP[name]).plan)


@pytest.mark.parametrize("name", PAST)
def test_each_step_puts_a_row_to_those_before(name: str) -> None:
    """Nothing is stacked anew in the loop, and an example that ends early sees its own end."""
    source = emitted(PAST[name]).source
    loop = source[source.index("for t") : source.index("torch.stack([", source.index("for t"))]
    assert loop.count("torch.cat([") >= 1
    assert " for step in " not in loop
    agree(PAST[name], steps=6, batch=2, lengths=[6, 3])


def test_all_but_running_sums_go_in_spans() -> None:
    assert set(AT_ONCE) - set(IN_SPANS) == {"sums of scalars", "means of scalars"}


@pytest.mark.parametrize("name", IN_SPANS)
def test_spans_of_any_size_give_the_same_with_the_same_gradients(name: str) -> None:
    module, given = made(AT_ONCE[name], 10)
    with spans_of(module, 1):
        expected = derived(module, given)
    assert all(v.isfinite().all() for v in expected.values())
    for size in (3, 4, 128):
        with spans_of(module, size):
            assert_alike(derived(module, given), expected)
    assert_alike(derived(module, given), expected)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", IN_SPANS)
def test_what_is_not_finite_comes_out_where_single_steps_have_it(name: str, value: float) -> None:
    module, given = made(AT_ONCE[name], 7)
    for which in given:
        for step in (0, 3, 6):
            there = {n: v.clone() for n, v in given.items()}
            if there[which].dim() < 3 or not there[which].is_floating_point():
                continue
            there[which][step, 1, -1] = value
            found = derived(module, there)
            with spans_of(module, 1):
                assert_alike(found, derived(module, there))
            for rows in found.values():
                if rows.dim() == 3 and rows.shape[1] == 2:
                    assert rows[:, 0].isfinite().all(), "another example is not touched"


@pytest.mark.parametrize("function", ["sum", "mean"])
def test_a_running_sum_is_not_finite_from_where_a_number_is_not(function: str) -> None:
    module = net(f"r_t : 1\n{function}(r_{{1:t}}) -> a_t\n{function}(r_{{t:T}}) -> b_t")
    r = torch.ones(7, 1, 1)
    r[3] = math.nan
    found = module(r=r)
    assert found.a.isnan().flatten().tolist() == [False] * 3 + [True] * 4
    assert found.b.isnan().flatten().tolist() == [True] * 4 + [False] * 3


STEEP = {
    "a logarithm": "log(r_t - r_{1:t-1})",
    "a root": "sqrt(r_t - r_{1:t-1})",
    "a root of what is to come": "sqrt(r_{t+1:T} - r_t)",
    "a quotient": "1 / max(r_t - r_{1:t-1}, 0)",
    "the exponential function": "exp(1000 * r_{1:t-1} - 1000 * r_t)",
    "the logarithm of a softmax": "log(softmax(r_{1:t-1}))",
    "a softmax and its logarithm": "softmax(r_{1:t-1}) * log_softmax(r_{1:t-1})",
}


@pytest.mark.parametrize("name", STEEP)
def test_a_gradient_is_finite_though_it_would_not_be_outside_of_the_range(name: str) -> None:
    """The numbers rise, so that all functions are smooth for those before a step, and not for those after it."""
    module = net(f"r_t : 1\n0.5*r_t -> s_t\nsum({STEEP[name]}) -> a_t")
    rising = torch.arange(1.0, 9.0, dtype=torch.float64)[:, None, None].expand(8, 2, 1)
    found = derived(module, {"r": rising})
    assert all(v.isfinite().all() for v in found.values())
    with spans_of(module, 1):
        assert_alike(found, derived(module, {"r": rising}))


def test_an_infinite_score_of_a_later_step_is_not_seen() -> None:
    """Nothing is read that is not finite, and yet a product of it is."""
    module = net("x_t : 2\nsoftmax(x_{1:t} @ x_t) @ x_{1:t} -> a_t").settle(x=torch.zeros(1, 1, 2))
    x = torch.tensor([[[1.0, 2.0]], [[1e30, 1e30]], [[0.5, 0.25]]])
    torch.testing.assert_close(module(x=x).a[0], x[0])


@pytest.mark.parametrize("name", ["attention", "scores alone", "means of scalars"])
def test_examples_may_be_mapped_over(name: str) -> None:
    module, given = made(AT_ONCE[name], 6)
    names = list(given)
    one: Callable[..., Any] = lambda *rows: module.code.forward(**dict(zip(names, rows, strict=True)))  # noqa: E731
    mapped = torch.func.vmap(one, in_dims=1, out_dims=1)(*(v[:, :, None] for v in given.values()))
    expected = module.code.forward(**given)
    for state, rows in expected.items():
        torch.testing.assert_close(mapped[state].squeeze(2), rows)


def test_a_long_running_sum_takes_no_more_memory_than_its_result() -> None:
    module = net("r_t : 1\nsum(r_{1:t}) -> a_t\nmean(r_{t:T}) -> b_t").double()
    r = torch.randn(65_536, 1, 1, dtype=torch.float64)
    found = module(r=r)
    torch.testing.assert_close(found.a[-1], r.sum(0))
    torch.testing.assert_close(found.b[0], r.mean(0))


def test_attention_takes_a_second_derivative() -> None:
    module, given = made(AT_ONCE["attention"], 5)
    x = given["x"].requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: module.code.forward(x=x)["a"], (x,))


@pytest.mark.parametrize("name", ["attention", "a mask of its own", "attention in one line", "shifted"])
def test_lengths_are_kept_to(name: str) -> None:
    agree(AT_ONCE[name], steps=6, batch=3, lengths=[6, 2, 4])
