"""Learning from a window several times: `old(x)` stays as the window found it, and examples go into minibatches."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from test_acting import RECURRENT
from torch import Tensor
from torch.nn.functional import mse_loss
from worlds import PPO

import sqmagic
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.net import Net

REMEMBERING = RECURRENT.partition("pi_{t-1} $")[0] + (
    "pi_{t-1} $ (r_t + old(V_t) - old(V_{t-1})) * log_prob(pi_{t-1}, a_{t-1}) / old(pi_{t-1}[a_{t-1}])"
)

TURNED = """
reset() -> S_0, O_0
O_{t-1} --[Pi|softmax]-> pi_{t-1}
sample(pi_{t-1}) -> a_{t-1}
step(S_{t-1}, a_{t-1}) -> S_t, O_t, r_t, d_t, cut_t
O_{t-1} --[V]-> V_{t-1}
log(r_t - 5) - V_{t-1} -> A_{t-1}
V_{t-1} => old(A_{t-1}) + 1
pi_{t-1}[a_{t-1}] -> n_{t-1} $ n_{t-1}*old(A_{t-1})
"""


def compiled(text: str) -> Net:
    torch.manual_seed(3)
    return sqmagic.compile(text, env="CartPole", width=8).double()


def trained(net: Net, **more: Any) -> dict[str, Tensor]:
    net.train_on(batch=4, horizon=16, optimizer=torch.optim.SGD, progress=False, **({"lr": 0.5, "seed": 5} | more))
    return {name: value.detach() for name, value in net.named_parameters()}


def collected(net: Net) -> dict[str, Tensor]:
    """What learning is given of the first window that a run with the same seed acts."""
    seen: list[dict[str, Tensor]] = []
    net = copy.deepcopy(net)
    own = type(net.code).collect

    def spy(self: Any, recorded: dict[str, Tensor]) -> dict[str, Tensor]:
        seen.append(own(self, recorded))
        return seen[-1]

    type(net.code).collect = spy
    trained(net, steps=64)
    return seen[0]


def test_several_epochs_hold_what_is_old_fixed() -> None:
    net = compiled(PPO)
    given = collected(net)
    start = {name: value.detach().clone() for name, value in net.named_parameters()}
    found = trained(net, steps=64, epochs=4)

    own = {name: value.requires_grad_() for name, value in start.items()}
    seen, r, d, cut, ahead = (given[s] for s in ("O", "r", "d", "cut", "O'"))
    taken = given["a"][:-1]

    def values(rows: Tensor) -> Tensor:
        return rows @ own["V.weight"].T + own["V.bias"]

    def chance() -> Tensor:
        return torch.softmax(seen[:-1] @ own["P.weight"].T + own["P.bias"], -1).gather(-1, taken)

    with torch.no_grad():
        advantage, rows = torch.zeros(seen.shape[1], 1).double(), []
        error = r + 0.9 * values(ahead) * (1 - d) - values(seen[:-1])
        for now, ended in zip(reversed(error), reversed(cut), strict=True):
            advantage = now + 0.9 * 0.8 * advantage * (1 - ended)
            rows.append(advantage)
        A = torch.stack(rows[::-1])
        target, before = A + values(seen[:-1]), chance()
    clipped = False
    for _ in range(4):
        ratio = chance() / before
        held = ratio.clamp(0.9, 1.1)
        clipped = clipped or bool((ratio != held).any())
        loss = mse_loss(values(seen[:-1]), target) - torch.minimum(ratio * A, held * A).mean()
        gradients = torch.autograd.grad(loss, list(own.values()))
        with torch.no_grad():
            for weight, gradient in zip(own.values(), gradients, strict=True):
                weight -= 0.5 * gradient
    assert clipped, "the test says something only if the bound is reached"
    for name in own:
        assert torch.allclose(found[name], own[name], rtol=0, atol=1e-12), name


@pytest.mark.parametrize("text", [PPO, REMEMBERING])
def test_learned_from_once_what_is_old_is_what_is_held_fixed(text: str) -> None:
    one, other = (trained(compiled(t), steps=256) for t in (text, text.replace("old(", "stop(")))
    assert one.keys() == other.keys()
    for name in one:
        assert torch.allclose(one[name], other[name], rtol=0, atol=1e-12), name


@pytest.mark.parametrize("text", [PPO, REMEMBERING])
def test_minibatches_divide_the_examples_in_each_epoch(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = compiled(text)
    given, seen = collected(net), []
    loss = type(net.code).loss

    def spy(self: Any, **rows: Tensor) -> Tensor:
        seen.append(rows)
        return loss(self, **rows)

    monkeypatch.setattr(type(net.code), "loss", spy)
    trained(net, steps=64, epochs=3, minibatches=2, lr=0.0)
    assert len(seen) == 6 and all(part["O"].shape[1] == 2 for part in seen)
    lanes = {tuple(lane.flatten().tolist()): n for n, lane in enumerate(given["O"].unbind(1))}
    first = [[lanes[tuple(lane.flatten().tolist())] for lane in part["O"].unbind(1)] for part in seen]
    assert [sorted(first[n] + first[n + 1]) for n in (0, 2, 4)] == [[0, 1, 2, 3]] * 3
    assert len({tuple(sorted(part)) for part in first}) > 2, "each epoch divides them anew"
    for part, own in zip(seen, first, strict=True):
        for spec in net.inputs:
            lane = given[spec.state].index_select(int(spec.indexed), torch.tensor(own))
            assert torch.equal(part[spec.name], lane), spec.state


def test_minibatches_of_one_window_make_its_gradient() -> None:
    """With a rate of 0 for all but the sum: the mean of the parts' losses is the loss of the whole."""
    whole = compiled(PPO).train_on(batch=4, horizon=16, steps=64, seed=5, lr=0.0, progress=False)
    parts = compiled(PPO).train_on(batch=4, horizon=16, steps=64, seed=5, lr=0.0, minibatches=4, progress=False)
    assert len(parts.losses) == 4
    assert sum(parts.losses) / 4 == pytest.approx(whole.losses[0], rel=1e-12)


def test_more_minibatches_than_examples_are_refused() -> None:
    with pytest.raises(InputError, match="4 examples cannot be divided into 5 minibatches"):
        trained(compiled(PPO), steps=64, minibatches=5)
    with pytest.raises(InputError, match="`minibatches` must be at least 1"):
        trained(compiled(PPO), steps=64, minibatches=0)


@pytest.mark.parametrize("epochs", [1, 2])
def test_what_is_old_is_named_as_the_program_names_it(epochs: int) -> None:
    history = compiled(TURNED).train_on(steps=64, epochs=epochs, progress=False)
    assert history.stopped is not None
    assert "the first state that is not finite is `old(A)` at t = 1, NaN" in history.stopped


def test_the_page_tells_what_is_old() -> None:
    page = compiled(PPO).source
    assert "A_old = A.detach()  # A.old_t = old(A_t)" in page
    assert "def loss(self, O, a, old_1, old_2, A_old):" in page
    assert "def collect(self, recorded):" not in compiled(PPO.replace("old(", "stop(")).source
