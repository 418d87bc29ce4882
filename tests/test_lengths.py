"""Recurrences in C on examples that end at steps of their own: each is as the judge has it alone.

What looks ahead begins at an example's own end, on the way back nothing comes from past it, and what an end case gives
or is given is seen from there. In single precision and for what is not finite, code as torch runs it is the measure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from against import agree, unbound
from emitted import net, randomised
from programs import ENDS, PROGRAMS
from test_differentiating import TIED
from test_gradients import ROUNDING, generated, kinds, spoilt
from test_kernels import BACKWARDS, LSTM
from torch import Tensor
from unrolled import Unrolled
from ways import Computed, Subject, Way, error, of_example, of_text

from sqmagic.runtime import generated as code
from sqmagic.runtime.kernels import call
from sqmagic.runtime.kernels.scan import LeftOut

CASES = {
    **{name: PROGRAMS[name] for name in ("bidirectional", "given_end", "end_two", "ahead_two", "advantage", "returns")},
    **ENDS,
    "tied": TIED,
    "backwards": BACKWARDS.format(inputs=3, width=7),
}
T = 5
LENGTHS = ((5, 1, 3), (2, 4, 1), (0, 5, 2))


@dataclass(frozen=True)
class Weights:
    """What each component of a state counts in a sum, the same in whatever way it is computed."""

    subject: Subject
    lengths: Sequence[int]

    def of(self, state: str, value: Tensor, last: int | None) -> Tensor:
        """0 past an example's own end; `last` is the index of the last row at T = 0."""
        random = torch.Generator().manual_seed(sum(map(ord, state)))
        found = torch.randn(value.shape, generator=random, dtype=torch.float64)
        return found if last is None else found * self.own(value, last)

    def own(self, value: Tensor, last: int) -> Tensor:
        """Which rows are not past an example's own end; of one without steps none."""
        more = self.subject.horizon - torch.tensor(self.lengths)
        places = (torch.arange(len(value))[:, None] < len(value) - more) & (more < self.subject.horizon)
        return places.view(*places.shape, *[1] * (value.dim() - 2))


def leaves_of(made: Subject, dtype: torch.dtype) -> dict[str, Tensor]:
    return {
        state: value.long() if state in made.shapes.integers else value.to(dtype, copy=True).requires_grad_()
        for state, value in made.inputs.items()
    }


def filled(made: Subject, state: str, value: Tensor, lengths: Sequence[int]) -> Tensor:
    """An input with an example's last row past its end, as a net lays it out."""
    if not made.is_over_time(state):
        return value
    last = (len(value) - 1 - made.horizon + torch.tensor(lengths)).clamp(min=0)
    return value[torch.minimum(torch.arange(len(value))[:, None], last), torch.arange(len(lengths))]


def derivatives(total: Tensor, by: Mapping[str, Tensor]) -> dict[str, Tensor]:
    wanted = [v for v in by.values() if v.requires_grad]
    found = torch.autograd.grad(total, wanted, allow_unused=True, materialize_grads=True)
    return dict(zip((n for n, v in by.items() if v.requires_grad), found, strict=True))


def by_code(
    made: Subject,
    way: Way,
    lengths: Sequence[int],
    dtype: torch.dtype = torch.float64,
    only: Collection[str] | None = None,
) -> Computed:
    """The states at an example's own steps, zeros past them, and the derivatives of their sum: of all, or of those
    named."""
    module, rows, weights = way.module.to(dtype).eval(), code.rows(way.module), Weights(made, lengths)
    module.load_state_dict({**module.state_dict(), **made.parameters})
    names, leaves = code.arguments(module), leaves_of(made, dtype)
    given: dict[str, Any] = {names[s]: filled(made, s, v, lengths) for s, v in leaves.items()}
    given |= {"lengths": torch.tensor(lengths), "horizon": made.horizon}
    asked = {n: v for n, v in given.items() if code.takes(module, "forward", n)}
    states, total = {}, torch.zeros((), dtype=dtype)
    for state, value in code.call(module, "forward", **asked).items():
        if only is not None and state not in only:
            continue
        if state in rows and not isinstance(value, LeftOut) and value.is_floating_point():
            last = rows[state][1]
            states[state] = torch.where(weights.own(value, last), value, 0).detach()
            total = total + (torch.where(weights.own(value, last), value, 0) * weights.of(state, value, last)).sum()
    return Computed(states, derivatives(total, {**dict(module.named_parameters()), **leaves}))


def alone(made: Subject, way: Way, lengths: Sequence[int], found: Computed) -> Computed:
    """The same by the judge unrolled, each example for itself."""
    trained = {n for n, _ in way.module.named_parameters()}
    parameters = {n: v.clone().requires_grad_(n in trained) for n, v in made.parameters.items()}
    leaves, rows, weights = leaves_of(made, torch.float64), code.rows(way.module), Weights(made, lengths)
    states = {state: torch.zeros_like(value) for state, value in found.states.items()}
    total = torch.zeros((), dtype=torch.float64)
    for number, length in ((n, length) for n, length in enumerate(lengths) if length):
        few = made.horizon - length
        own = {
            s: v[: len(v) - few, number : number + 1] if made.is_over_time(s) else v[number : number + 1]
            for s, v in leaves.items()
        }
        one = replace(made, inputs={s: v.detach() for s, v in own.items()}, horizon=length)
        judge = Unrolled(one.run, made.shapes.states, parameters, {s: v.to(torch.float64) for s, v in own.items()})
        for state, value in found.states.items():
            weight = weights.of(state, value, rows[state][1])
            for place, row in enumerate(judge.rows(state, rows[state][0], len(value) - few)):
                states[state][place, number] = row[0].detach()
                total = total + (row[0] * weight[place, number]).sum()
    return Computed(states, derivatives(total, {**parameters, **leaves}))


def in_c(way: Way) -> bool:
    return all(bound.report.path == "C" for bound in way.bounds)


def plainly(made: Subject, lengths: Sequence[int], found: Computed) -> Computed:
    """The same by plain torch."""
    return by_code(made, made.ways[0], lengths, only=found.states.keys())


def differences(found: Computed, want: Computed) -> dict[str, float]:
    return {name: error(value, both(want)[name]) for name, value in both(found).items()}


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_each_example_is_as_the_judge_has_it_alone(name: str, lengths: tuple[int, ...]) -> None:
    made = of_text(CASES[name], steps=T)
    kernels = made.ways[-1]
    assert kernels.name == "kernels"
    assert any(bound.program.lengths is not None for bound in kernels.bounds)
    found = by_code(made, kernels, lengths)
    assert in_c(kernels)
    assert max(differences(found, alone(made, kernels, lengths, found)).values()) <= 1e-10
    assert any(bool(g.any()) for g in found.gradients.values())


@pytest.mark.parametrize("lengths", LENGTHS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_in_single_precision_no_derivative_is_further_off_than_twice_plain_torch(
    name: str, lengths: tuple[int, ...]
) -> None:
    made = of_text(CASES[name], steps=T).single()
    plain, kernels = made.ways[0], made.ways[-1]
    only = by_code(made, kernels, lengths).states.keys()
    exact = by_code(made, plain, lengths, only=only).gradients

    def off(way: Way) -> float:
        found = by_code(made, way, lengths, torch.float32, only).gradients
        parts = [(found[n].double() - v).norm() / v.norm() for n, v in exact.items() if v.norm() > 0]
        return float(torch.stack(parts).norm())

    assert off(kernels) <= 2 * off(plain) + ROUNDING
    assert in_c(kernels)


@pytest.mark.parametrize("name", CASES)
def test_what_is_not_finite_comes_out_where_an_example_alone_has_it(name: str) -> None:
    """Or where plain torch has it besides: of what stands past an end that is not finite, a share of 0 is NaN."""
    made = of_text(CASES[name], steps=T)
    for lengths in LENGTHS[:2]:
        for place, other in spoilt(made):
            found = by_code(other, made.ways[-1], lengths)
            assert in_c(made.ways[-1])
            plain, by_itself = plainly(other, lengths, found), alone(other, made.ways[-1], lengths, found)
            for state, value in both(found).items():
                has, may, must = kinds(value), kinds(both(plain)[state]), kinds(both(by_itself)[state])
                assert bool(((has == must) | (has == may)).all()), f"{state}, spoilt by {place}, {lengths}"


def both(made: Computed) -> dict[str, Tensor]:
    return {**made.states, **{f"^{name}": value for name, value in made.gradients.items()}}


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("batch", [7, 65])
@pytest.mark.parametrize("name", ["bidirectional", "two_ends", "learned_end"])
def test_threads_share_examples_or_units(name: str, batch: int, threads: int) -> None:
    made = of_text(CASES[name], steps=T, batch=batch)
    lengths = [1 + (3 * n) % T for n in range(batch)]
    torch.set_num_threads(threads)
    try:
        found = by_code(made, made.ways[-1], lengths)
    finally:
        torch.set_num_threads(1)
    assert in_c(made.ways[-1])
    assert max(differences(found, plainly(made, lengths, found)).values()) <= 1e-10


ONE_LEARNED_END = """
x_t : 3
a : param(3)
0.5 -> h_{T+1}
a -> h_{T+2}
h_{t+2}*sigmoid(x_t) + 0.1*h_{t+1} -> h_t
"""


@pytest.mark.parametrize("name", ["two_ends", "one learned end"])
def test_nothing_is_written_past_the_memory_of_a_call(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two end cases one alone may be asked for its adjoint."""
    guards: list[Tensor] = []

    class Guarded:
        def tensor(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
            (room,) = shape
            whole = torch.full((room + 4096,), 77, dtype=dtype)
            guards.append(whole[room:])
            return whole[:room]

    monkeypatch.setattr(call, "POOL", Guarded())
    made = of_text({**CASES, "one learned end": ONE_LEARNED_END}[name], steps=T)
    found = by_code(made, made.ways[-1], LENGTHS[0])
    assert in_c(made.ways[-1])
    assert max(differences(found, plainly(made, LENGTHS[0], found)).values()) <= 1e-10
    assert len(guards) == 2 and all(bool((guard == 77).all()) for guard in guards)


def test_generated_programs_whose_examples_end_early() -> None:
    seen = 0
    for example in generated():
        made = of_example(example, batch=3)
        kernels = made.ways[-1]
        if kernels.name != "kernels" or not code.takes(kernels.module, "forward", "lengths"):
            continue
        lengths = [made.horizon, made.horizon - 1, made.horizon]
        found = by_code(made, kernels, lengths)
        assert in_c(kernels)
        assert max(differences(found, plainly(made, lengths, found)).values(), default=0) <= 1e-10
        seen += any(bound.program.lengths is not None for bound in kernels.bounds)
    assert seen > 5


@pytest.mark.parametrize("name", CASES)
def test_losses_count_the_steps_that_are_there(name: str) -> None:
    agree(CASES[name], steps=T, lengths=[5, 2, 3])


BEYOND = {
    "it reads T": """
x_t : 3
0 -> h_0
tanh(M(h_{t-1}|x_t)) * (T - t + 1) -> h_t
""",
    "it leads to rows past T that are given": """
x_t : 3
a : param(4)
b : param(4)
0.5 -> h_0
a -> h_{T+1}
b -> h_{T+2}
tanh(M(h_{t-1}|x_t)) -> h_t
h_{t+2}*h_{t-1} -> k_t
""",
}


@pytest.mark.parametrize("reason", BEYOND)
def test_where_C_does_not_follow_torch_computes_and_the_plan_says_why(reason: str) -> None:
    agree(BEYOND[reason], steps=4, lengths=[4, 2, 1])
    module = net(BEYOND[reason])
    x = torch.randn(4, 3, 3)
    module(x=x)
    assert str(module.plan).endswith(": C")
    module(x=x, lengths=[4, 2, 1])
    assert str(module.plan).endswith(f"torch, because examples end at steps of their own, and {reason}")


def test_packed_sequences_and_states_asked_for_later() -> None:
    torch.manual_seed(0)
    module, other = (net(LSTM.replace("t-1", "t+1").replace("_0", "_{{T+1}}").format(inputs=3, width=4)) for _ in "ab")
    for each in (module, other):
        randomised(each)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [2, 5, 3], enforce_sorted=False)
    found, want = module.double()(x=packed), unbound(other.double())(x=packed)
    assert module.scans[0].report.path == "C"
    for state in ("h", "c", "f"):
        torch.testing.assert_close(found[state], want[state], equal_nan=True)
        assert torch.isnan(found[state][2:, 0]).all()
        assert not torch.isnan(found[state][:2, 0]).any()
