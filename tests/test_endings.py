"""What is of O' what another state is of O: computed where an episode ends alone, in windows of any size."""

from __future__ import annotations

import copy

import pytest
import torch

import sqmagic
from sqmagic.equations.system import Apply
from sqmagic.pipeline import understand
from sqmagic.runtime import generated, playing
from sqmagic.runtime.net import Net
from sqmagic.runtime.optimisers import optimiser
from sqmagic.runtime.rollout import World
from sqmagic.runtime.windows.acting import Acting
from sqmagic.runtime.windows.engine import engine, told
from sqmagic.runtime.windows.training import Training
from sqmagic.schedule.plan.endings import endings

BOTH = """
0.9 -> gamma
reset() -> S_0, O_0
O_t --[P_1|tanh|P_2|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
O_t --[V_1|tanh|V_2]-> V_t
O'_t --[OTHER]-> W_t
r_t + gamma*W_t*(1-d_t) - V_{t-1} -> TD_t
TD_t + gamma*0.9*A_{t+1}*(1-cut_t) -> A_t
V_{t-1} => A_t + V_{t-1}
pi_{t-1} $ A_t * log(pi_{t-1}[a_{t-1}])
"""


def net_of(other: str) -> Net:
    torch.manual_seed(3)
    return sqmagic.compile(BOTH.replace("OTHER", other), env="CartPole", width=16).double()


def at_ends(net: Net) -> bool:
    """Whether the page of C computes something at the ends of episodes alone."""
    windows = net.windows
    assert windows is not None
    return not isinstance(windows.learning, str) and "at_ends(" in windows.learning.window.page.text


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        ("V_1|tanh|V_2", True),
        ("V_1|relu|V_2", False),
        ("V_1|tanh|W_2", False),
        ("target(V_1|tanh|V_2, tau=0.1)", False),
    ],
)
def test_only_what_is_computed_alike_is_left_out(other: str, alike: bool) -> None:
    assert at_ends(net_of(other)) is alike


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("V_1|tanh|V_2", "V_1|tanh|V_2", True),
        ("V_1|tanh|V_2", "nograd(V_1|tanh|V_2)", True),  # gradients end there: what is computed is the same
        ("V_1|tanh|V_2", "V_1|tanh", False),
        ("V_1|dropout(p=0.5)|V_2", "V_1|dropout(p=0.5)|V_2", False),  # each has a chance of its own
        ("V_1|batch_norm|V_2", "V_1|batch_norm|V_2", False),  # and here what other examples are counts
        ("tanh", "tanh", False),  # there is nothing to be saved
    ],
)
def test_only_what_each_example_computes_alike_is_known_from_the_next(one: str, other: str, alike: bool) -> None:
    system = understand(
        "reset() -> S_0, O_0\nS_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t\n"
        f"O_t --[{one}]-> V_t\nO'_t --[{other}]-> W_t\n"
    ).system
    (step,) = (e for e in system.equations if isinstance(e.value, Apply) and e.value.op == "step")
    assert [(e.state, e.like, e.after, e.cut) for e in endings(system, step.targets)] == [
        ("W", "V", "O'", "cut")
    ] * alike
    assert not list(endings(system, step.targets[:5]))


@pytest.mark.parametrize(("steps", "batch"), [(1, 1), (90, 1), (13, 16), (40, 5), (3, 100)])
def test_values_losses_and_gradients_are_those_of_every_row(steps: int, batch: int) -> None:
    net = net_of("V_1|tanh|V_2")
    own = copy.deepcopy(net)
    world = World(sqmagic.environment("CartPole", batch, seed=5), {}, None, False, torch.float64, _seed=5)
    moves = optimiser(dict(own.named_parameters()), own.blueprint.updates, torch.optim.SGD, 1.0)
    made = engine(own.windows, own.code, world, steps, moves)
    assert isinstance(made.trains, Training), made.trains
    assert isinstance(made.acts, Acting)
    memory = generated.call(own.code, "begin", world)
    cuts = 0.0
    for _ in range(200 // steps + 1):  # until episodes have ended
        before = memory[1]
        weights = {n: p.detach().clone() for n, p in own.named_parameters()}
        found = playing.windows_in_c(made.trains, world, memory, playing.Asked([1e-3], [True]))
        memory = found.memory
        recorded = made.acts.recorded(before)
        cuts += float(recorded["cut"].sum())
        if cuts and recorded["cut"].any():
            break
    assert cuts, "an episode has ended"
    net.load_state_dict(weights)
    names = generated.arguments(net.code)
    loss = generated.call(net.code, "loss", **{names[s]: recorded[s] for s in names})
    assert found.losses[-1] == pytest.approx(float(loss.detach()), rel=1e-10, abs=1e-12)
    values = net.V_2(torch.tanh(net.V_1(recorded["O'"])))
    torch.testing.assert_close(made.trains.frame.planes["W"], values.detach(), rtol=1e-10, atol=1e-12)
    assert "computed only where cut says that an episode ends: W, else V" in told(own.windows, made)
    loss.backward()
    after = dict(own.named_parameters())
    for name, value in net.named_parameters():
        assert value.grad is not None, name
        moved = (weights[name] - after[name].detach()) / 1e-3
        torch.testing.assert_close(moved, value.grad, rtol=1e-6, atol=1e-9, msg=name)
