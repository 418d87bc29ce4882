"""Windows in compiled C: they act as torch does, learn what autograd says, and draw from chance that is their own."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from worlds import A2C_GRU, RECURRENT, WALK

import sqmagic
from sqmagic.runtime import generated, playing
from sqmagic.runtime.net import Net
from sqmagic.runtime.optimisers import optimiser
from sqmagic.runtime.rollout import World, buffers
from sqmagic.runtime.windows.acting import Acting, window
from sqmagic.runtime.windows.engine import SWITCH, Engine, engine, told
from sqmagic.runtime.windows.training import Training

A2C = """
0.9 -> gamma
reset() -> S_0, O_0
O_t --[P_1|tanh|P_2|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
O_t --[V_1|relu|V_2]-> V_t
O'_t --[V_1|relu|V_2]-> W_t
r_t + gamma*W_t*(1-d_t) - V_{t-1} -> TD_t
TD_t + gamma*0.9*A_{t+1}*(1-cut_t) -> A_t
V_{t-1} => A_t + V_{t-1}
pi_{t-1} $ A_t * log(pi_{t-1}[a_{t-1}]) + 0.01*entropy(pi_{t-1})
"""
NORMAL = """
reset() -> S_0, O_0
O_t --[M_1|tanh|M_2]-> mu_t
O_t --[L|softplus]-> s_t
sample(mu_t, s_t + 0.1) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t
mu_{t-1} $ r_t * log_prob(mu_{t-1}, 0.5, a_{t-1}) + 0.01 * entropy(mu_{t-1}, 0.5)
s_{t-1} $ 0.1 * log(s_{t-1} + 1)
"""
DEVIATION = """
s : param(1)
reset() -> S_0, O_0
O_t --[M_1|tanh|M_2]-> mu_t
exp(s) + 0*mu_t -> sd_t
mu_t + sd_t*gauss() -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t
mu_{t-1}, sd_{t-1} $ r_t * log_prob(mu_{t-1}, sd_{t-1}, a_{t-1}) + 0.01 * entropy(mu_{t-1}, sd_{t-1})
"""
DQN = """
B : buffer(300, batch=24, steps=3, gamma=0.9)
reset() -> S_0, O_0
O_t --[Q_1|relu|Q_2]-> q_t
eps_greedy(q_t, eps=0.3) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t, cut_t)
Get_B() -> o, b, u, n, e, c, g
o --[Q_1|relu|Q_2]-> p
n --[Q_1|relu|Q_2]-> z
n --[target(Q_1|relu|Q_2, tau=0.05)]-> w
p[b] ==[huber]=> u + g*w[argmax(z)]
"""
PROGRAMS = {
    "a2c": (A2C, "CartPole"),
    "recurrent": (RECURRENT, "CartPole"),
    "gru": (A2C_GRU, "MemoryLength"),
    "normal": (NORMAL, "Pendulum"),
    "deviation": (DEVIATION, "Pendulum"),
    "dqn": (DQN, "CartPole"),
    "td": (WALK, "RandomWalk5"),
}
EVERY = pytest.mark.parametrize("name", list(PROGRAMS))


def net_of(name: str, dtype: torch.dtype = torch.float64) -> Net:
    text, env = PROGRAMS[name]
    torch.manual_seed(3)
    return sqmagic.compile(text, env=env, width=16).to(dtype)


def world_of(net: Net, name: str, batch: int = 7, kind: type[World] = World) -> World:
    env = sqmagic.environment(PROGRAMS[name][1], batch, seed=5)
    return kind(env, buffers(net.settled.stores, 5), None, False, net.reference.dtype, _seed=5)


def engine_of(net: Net, world: World, steps: int, chosen: Any = torch.optim.SGD) -> Engine:
    moves = optimiser(dict(net.named_parameters()), net.blueprint.updates, chosen, 1.0)
    return engine(net.windows, net.code, world, steps, moves)


def windows_in_c(
    net: Net, name: str, steps: int, count: int, batch: int = 7
) -> Iterator[tuple[Acting, dict[str, Tensor]]]:
    world = world_of(net, name, batch)
    memory = generated.call(net.code, "begin", world)
    acts = engine_of(net, world, steps).acts
    assert isinstance(acts, Acting), acts
    for _ in range(count):
        memory, recorded = window(acts, world, memory)
        yield acts, recorded


class Told(World):
    """A world in which actions are those that were told, in the order in which they were taken."""

    actions: list[Tensor]

    def sample(self, policy: Tensor) -> Tensor:
        return self.actions.pop(0)

    def eps_greedy(self, values: Tensor, eps: float) -> Tensor:
        return self.actions.pop(0)

    def behave(self) -> Tensor:
        return self.actions.pop(0)

    def gauss(self, like: Tensor, *shape: int, of: str | None = None) -> Tensor:
        return self.actions.pop(0)


# --- acting --------------------------------------------------------------------------------------


@EVERY
def test_acting_in_c_records_what_torch_records(name: str) -> None:
    net = net_of(name, torch.float32 if name == "dqn" else torch.float64)  # a buffer follows rewards of 32 bits
    found = []
    normal = name in ("normal", "deviation")
    noise = "a.gauss1" if normal else "a"
    told: list[Tensor] = []
    for number, (acts, recorded) in enumerate(windows_in_c(net, name, 9, 3)):
        rows = acts.frame.planes[noise]
        whole = rows if normal else rows.long()
        told += [r.clone() for r in (whole[-9:] if number else whole)]
        found.append(recorded)
    world = world_of(net, name, kind=Told)
    assert isinstance(world, Told)
    world.actions = told
    memory = generated.call(net.code, "begin", world)
    for recorded in found:
        memory, expected = generated.call(net.code, "act", world, memory, 9)
        assert recorded.keys() == expected.keys()
        for state, rows in expected.items():
            assert recorded[state].dtype == rows.dtype, state
            torch.testing.assert_close(recorded[state], rows, rtol=1e-9, atol=1e-9, msg=state)
    assert not world.actions


def test_noise_for_what_a_buffer_draws_has_its_rows_in_c_too() -> None:
    text = """
B : buffer(300, batch=32)
reset() -> S_0, O_0
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t
Add_B(O_{t-1}, a_{t-1}, r_t)
Get_B() -> o, b, u
gauss() -> x_t
x_t : 1
(o | x_t) --[Q]-> q
q => u
"""
    net = sqmagic.compile(text, env="Pendulum")
    net.train_on(steps=40 * 4, batch=4, horizon=40, seed=0, progress=False)
    assert "acting: C" in str(net.plan)
    assert net.run is not None
    acts = net.run.engine.acts
    assert isinstance(acts, Acting)
    noise = acts.frame.planes["x"]
    assert noise.shape == (40, 32, 1)
    assert abs(float(noise.std()) - 1) < 0.1
    assert noise.unique().numel() > 0.99 * noise.numel()


@pytest.mark.parametrize("name", ["a2c", "recurrent", "gru", "normal"])
def test_what_acting_computed_is_what_learning_computes(name: str) -> None:
    net = net_of(name)
    *_, (acts, recorded) = windows_in_c(net, name, 9, 3)
    names = generated.arguments(net.code)
    with torch.no_grad():
        values = generated.call(net.code, "forward", **{names[s]: rows for s, rows in recorded.items()})
    for plane in acts.program.window.planes:
        if plane.state in ("pi", "mu", "s", "h"):
            own, rows = acts.frame.planes[plane.state], values[plane.state]
            torch.testing.assert_close(own[-8:], rows[-8:], rtol=1e-9, atol=1e-9)


def drawn(seed: int, lane: int, count: int) -> list[int]:
    """PCG32, as its author has it."""

    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    increment, state, found = lane << 1 | 1, mix(mix(seed ^ 0x616374696F6E7321) ^ mix(lane)), []
    for _ in range(count + 1):
        shifted, turn = ((state >> 18) ^ state) >> 27 & 0xFFFFFFFF, state >> 59
        found.append((shifted >> turn | shifted << (-turn & 31)) & 0xFFFFFFFF)
        state = (state * 6364136223846793005 + increment) % 2**64
    return found[1:]


def test_an_action_follows_from_the_seed_the_environment_and_the_policy_alone() -> None:
    net = net_of("a2c")
    ((acts, recorded),) = windows_in_c(net, "a2c", 9, 1)
    policy = acts.frame.planes["pi"]
    for lane in range(7):
        uniform = np.array([n >> 8 for n in drawn(5, lane, 10)]) / 2**24
        first = policy[:, lane, 0].numpy()
        assert recorded["a"][:, lane, 0].tolist() == (uniform >= first).astype(int).tolist()


@EVERY
def test_an_environment_acts_alike_in_any_batch(name: str) -> None:
    net = net_of(name)
    few, many = (list(windows_in_c(net, name, 9, 2, batch))[-1][0] for batch in (3, 16))
    for plane in few.program.window.planes:
        if plane.state not in few.program.drawn:
            one, other = few.frame.planes[plane.state], many.frame.planes[plane.state]
            torch.testing.assert_close(one, other[:, :3], rtol=1e-9, atol=1e-9, msg=plane.state)


def test_greedy_acting_does_what_is_likeliest() -> None:
    net = net_of("a2c")
    world = world_of(net, "a2c")
    world.greedy = True
    memory = generated.call(net.code, "begin", world)
    acts = engine_of(net, world, 9).acts
    assert isinstance(acts, Acting)
    _, recorded = window(acts, world, memory)
    assert torch.equal(recorded["a"], acts.frame.planes["pi"].argmax(-1, keepdim=True))


# --- learning ------------------------------------------------------------------------------------


def learned(net: Net, name: str, steps: int, count: int) -> tuple[Net, list[float], dict[str, Tensor]]:
    """A copy of the net that learned from the last of some windows, by its gradient alone; the losses; that window."""
    own = copy.deepcopy(net)
    world = world_of(own, name)
    memory = generated.call(own.code, "begin", world)
    made = engine_of(own, world, steps)
    assert isinstance(made.trains, Training), made.trains
    assert isinstance(made.acts, Acting)
    losses = []
    recorded: dict[str, Tensor] = {}
    for number in range(count):
        last = number == count - 1
        found = playing.windows_in_c(made.trains, world, memory, playing.Asked([float(last)], [True]))
        recorded = made.acts.recorded(memory[1])
        memory = found.memory
        losses += found.losses
    return own, losses, recorded


@EVERY
@pytest.mark.parametrize("count", [1, 3], ids=["first window", "third window"])
def test_gradients_in_c_are_those_of_autograd(name: str, count: int) -> None:
    net = net_of(name)
    after, losses, recorded = learned(net, name, 9, count)
    names = generated.arguments(net.code)
    loss = generated.call(net.code, "loss", **{names[s]: recorded[s] for s in names})
    assert losses[-1] == pytest.approx(float(loss.detach()), rel=1e-10, abs=1e-12)
    loss.backward()
    own = dict(after.named_parameters())
    for parameter, value in net.named_parameters():
        if value.grad is not None:
            found = value.detach() - own[parameter].detach()
            torch.testing.assert_close(found, value.grad, rtol=1e-9, atol=1e-11, msg=parameter)
            assert value.grad.abs().max() > 0, parameter


@pytest.mark.parametrize("name", ["a2c", "gru", "dqn"])
@pytest.mark.parametrize("chosen", ["adam", "sgd", "momentum"])
def test_weights_move_as_torch_moves_them(name: str, chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    makers: dict[str, Any] = {
        "adam": torch.optim.Adam,
        "sgd": torch.optim.SGD,
        "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    }
    net = net_of(name)
    other = copy.deepcopy(net)
    keywords: dict[str, Any] = {
        "steps": 7 * 9 * 4,
        "batch": 7,
        "horizon": 9,
        "seed": 1,
        "progress": False,
        "lr": 1e-2,
        "optimizer": makers[chosen],
    }
    acted: list[dict[str, Tensor]] = []
    taken = Acting.recorded

    def kept(self: Acting, past: Any) -> dict[str, Tensor]:
        acted.append(taken(self, past))
        return acted[-1]

    monkeypatch.setattr(Acting, "recorded", kept)
    monkeypatch.setattr(playing, "_whole", lambda net, settings: "it is asked for")
    by_torch = net.train_on(**keywords)  # acts in C, learns in torch
    assert len(acted) == 4
    monkeypatch.undo()
    in_c = other.train_on(**keywords)
    assert in_c.losses == pytest.approx(by_torch.losses, rel=1e-9)
    assert in_c.episodes == by_torch.episodes
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-9)


def test_bounded_gradients_and_layers_with_optimisers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    text = A2C.replace("P_1|tanh|P_2", "adam_opt(P_1|tanh|P_2, lr=0.01)").replace(
        "O_t --[V_1|relu|V_2]->", "O_t --[clip_grad(V_1|relu|V_2, max_norm=0.1)]->"
    )
    torch.manual_seed(3)
    net = sqmagic.compile(text, env="CartPole", width=16).double()
    other = copy.deepcopy(net)
    keywords: dict[str, Any] = {"steps": 7 * 9 * 4, "batch": 7, "horizon": 9, "seed": 1, "progress": False}
    in_c = net.train_on(**keywords)
    assert net.run is not None
    assert told(net.windows, net.run.engine)[:2] == ("acting: C", "learning: C")
    monkeypatch.setattr(playing, "_whole", lambda net, settings: "it is asked for")
    by_torch = other.train_on(**keywords)
    assert in_c.losses == pytest.approx(by_torch.losses, rel=1e-9)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-9)


# --- runs ----------------------------------------------------------------------------------------


def test_a_run_goes_on_by_torch_where_c_left_it(monkeypatch: pytest.MonkeyPatch) -> None:
    net = net_of("recurrent")
    net.train_on(steps=7 * 9 * 2, batch=7, horizon=9, seed=1, progress=False)
    monkeypatch.setenv(SWITCH, "torch")
    history = net.train_on(steps=7 * 9 * 2, horizon=9, progress=False)
    assert net.run is not None
    assert told(net.windows, net.run.engine)[0] == f"acting: torch, because {SWITCH} says so"
    monkeypatch.undo()
    again = net.train_on(steps=7 * 9 * 2, horizon=9, progress=False)
    assert len(again.losses) == 6
    assert history.steps == 7 * 9 * 6


def test_an_interrupt_keeps_what_was_learned_and_can_be_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    net = net_of("a2c")
    keywords: dict[str, Any] = {"batch": 7, "horizon": 9, "seed": 1, "progress": False}
    monkeypatch.setattr(Training, "windows", lambda self, size: 2)
    calls, taken = iter(range(2)), playing.windows_in_c

    def interrupted(*args: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return taken(*args)

    monkeypatch.setattr(playing, "windows_in_c", interrupted)
    history = net.train_on(steps=7 * 9 * 6, **keywords)
    assert history.interrupted
    assert len(history.losses) == 4
    monkeypatch.undo()
    again = net.train_on(steps=7 * 9 * 2, horizon=9, progress=False)
    assert not again.interrupted
    assert len(again.losses) == 6


@pytest.mark.parametrize(
    ("env", "more", "why"),
    [
        ("CartPole-v1", {}, "the environment is not in C"),
        ("CartPole", {"optimizer": "rmsprop"}, "RMSprop, as it is set, has no C"),
        ("CartPole", {"epochs": 2}, "a window is learned from several times, or in parts"),
    ],
)
def test_what_cannot_be_in_c_is_done_by_torch_and_said(env: str, more: dict[str, Any], why: str) -> None:
    if env == "CartPole-v1":
        pytest.importorskip("gymnasium")
    net = net_of("a2c", torch.float32)
    net.train_on(env, steps=64, batch=4, horizon=8, seed=1, progress=False, **more)
    assert net.run is not None
    assert f"because {why}" in "\n".join(told(net.windows, net.run.engine))


def test_a_layer_of_another_size_is_left_to_torch() -> None:
    net = net_of("a2c", torch.float32)
    net.V_2 = torch.nn.Linear(net.get_submodule("V_2").in_features, 3)
    with pytest.raises(RuntimeError, match=r"size|shape"):
        net.train_on("CartPole", steps=64, batch=4, horizon=8, seed=1, progress=False)


def test_weights_that_are_not_numbers_any_more_are_taken_back() -> None:
    net = net_of("a2c")
    with torch.no_grad():
        net.code.V_2.bias.fill_(float("inf"))
    history = net.train_on(steps=64, batch=4, horizon=8, seed=1, progress=False)
    assert history.stopped is not None
    assert "loss of update 1 is" in history.stopped
    assert history.losses == []
