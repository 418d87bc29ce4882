"""Programs with an environment: the rule that wires them, their two phases, the order of effects, and windows."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from worlds import RECURRENT

import sqmagic
from sqmagic.acted import generate_acted
from sqmagic.equations.elaborate import Kernel
from sqmagic.equations.elaborate.lines import World as Facts
from sqmagic.equations.show import show_equation
from sqmagic.pipeline import understand
from sqmagic.runtime.environments import Environment
from sqmagic.runtime.errors import InputError, UnsupportedError
from sqmagic.runtime.net import Net
from sqmagic.runtime.rollout import World, buffers
from sqmagic.runtime.windows.engine import SWITCH
from sqmagic.schedule.effects import last_uses, step_order

GOLDEN = Path(__file__).parent / "golden"
CARTPOLE = Facts("CartPole", (4,), 0, 2)

A2C = """
0.9 -> gamma
reset() -> S_0, O_0
O_t --[P|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
O_t --[V]-> V_t
r_t + gamma*V(O'_t)*(1-d_t) - V_{t-1} -> A_t
V_{t-1} => A_t + V_{t-1}
pi_{t-1} $ A_t * log(pi_{t-1}[a_{t-1}])
"""
DQN = """
B : buffer(500, batch=8)
reset() -> S_0, O_0
O_t --[Q]-> q_t
eps_greedy(q_t, eps=0.1) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t)
Get_B() -> o, b, u, n, e
o --[Q]-> p
n --[target(Q, tau=0.5)]-> w
p[b] => u + 0.9*max(w)*(1-e)
"""


def compiled(text: str, env: Any = "CartPole", **more: Any) -> Net:
    torch.manual_seed(3)
    return sqmagic.compile(text, env=env, **more)


def windows(net: Net, count: int, steps: int, batch: int = 4, env: str = "CartPole") -> Iterator[dict[str, Tensor]]:
    """What windows record, one after the other, without learning."""
    torch.manual_seed(7)
    world = World(sqmagic.environment(env, batch, seed=5), buffers(net.settled.stores, 5), _seed=5)
    code: Any = net.code
    memory = code.begin(world)
    for _ in range(count):
        memory, recorded = code.act(world, memory, steps)
        yield recorded


# --- what a reader supplies in his head ----------------------------------------------------------


@pytest.mark.parametrize("name", ["a2c", "a2c_gae", "td"])
def test_a_seed_program_is_wired_to_an_environment(name: str) -> None:
    text = (GOLDEN / name / "program.sqn").read_text()
    lines = understand(text, Kernel(world=CARTPOLE)).elaborated.text()
    assert "S_0, O_0 := reset()" in lines
    assert "step(S_{t-1}, a_{t-1})" in lines
    assert ("a_t := sample(pi_t)" in lines) == (name != "td")
    assert ("A_t*log_prob(pi_t, a_t)" in lines) == (name != "td")
    assert ("pi_t := softmax(clip_grad(dense_{Policy})(O_t))" in lines) == (name != "td")


def test_without_an_environment_nothing_is_wired() -> None:
    text = (GOLDEN / "a2c" / "program.sqn").read_text()
    assert "sample" not in understand(text).elaborated.text()


def test_action_values_choose_the_action() -> None:
    text = "reset() -> S_0\nS_{t-1} --[step]-> S_t, O_t, r_t\nO_t --[Q]-> q_t\nq_{t-1}[a_{t-1}] => r_t + max(q_t)"
    lines = understand(text, Kernel(world=CARTPOLE)).elaborated.text()
    assert "a_t := eps_greedy(q_t)" in lines
    assert "step(S_{t-1}, a_{t-1})" in lines


def test_the_name_of_the_action_is_free() -> None:
    text = "reset() -> S_0\nS_{t-1} --[step]-> S_t, O_t, r_t\nO_t --[M]-> a_t => r_t"
    assert "step(S_{t-1}, action_{t-1})" in understand(text, Kernel(world=CARTPOLE)).elaborated.text()


# --- effects -------------------------------------------------------------------------------------


def test_effects_keep_their_order_and_data_come_first() -> None:
    text = (
        "B : buffer(9)\nGet_B() -> o, u\nsample(softmax(P(O_t))) -> a_t\nreset() -> S_0, O_0\n"
        "Add_B(O_t, r_t)\nS_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t\nV(o) => u"
    )
    system = understand(text, Kernel(world=CARTPOLE)).system
    order = [show_equation(system.equations[n]).split(" = ")[-1].split("(")[0] for n in step_order(system)]
    assert order == ["Get_B", "step", "sample", "Add_B"]


def test_a_state_is_kept_only_if_another_step_reads_it() -> None:
    text = (
        "reset() -> S_0, O_0\nS_{t-1}, a_{t-1} --[step]-> R_t, Q_t, u_t\n"
        "S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t\nV(O_t) => r_t + u_t"
    )
    system = understand(text, Kernel(world=CARTPOLE)).system
    order = step_order(system)
    assert [last_uses(system, order).get(n) for n in order] == [False, True]


class Counting:
    """A machine that counts how often its memory is copied and how often it is stepped."""

    def __init__(self, machine: Any) -> None:
        self.machine, self.saved, self.stepped = machine, 0, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.machine, name)

    def save(self) -> Any:
        self.saved += 1
        return self.machine.save()

    def step(self, actions: Any) -> Any:
        self.stepped += 1
        return self.machine.step(actions)


def counted(text: str, steps: int) -> Counting:
    machine = Counting(sqmagic.environment("CartPole", 4, seed=1).machine)
    env = Environment(machine)
    compiled(text, env).train_on(env, steps=4 * steps, horizon=8, seed=0, progress=False)
    return machine


def test_one_future_copies_nothing_and_no_step_is_made_twice() -> None:
    machine = counted(A2C, 24)
    assert (machine.saved, machine.stepped) == (0, 24)


def test_two_futures_of_one_state_are_independent() -> None:
    net = compiled(
        "reset() -> S_0, O_0\nL(O_t) -> l_t\nargmax(l_t) -> left_t\nargmax(-l_t) -> right_t\n"
        "S_{t-1}, left_{t-1} --[step]-> R_t, Q_t, u_t\n"
        "S_{t-1}, right_{t-1} --[step]-> S_t, O_t, r_t\nV(O_t) => V(Q_t)"
    )
    with torch.no_grad():
        net.code.L.weight.zero_()
        net.code.L.bias.copy_(torch.tensor([1.0, 0.0]))
    (recorded,) = windows(net, 1, 1)
    one, other = recorded["Q"][0], recorded["O"][1]
    assert (one[:, 1] < other[:, 1]).all()  # pushed left, and pushed right, from one state


# --- the two phases ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [A2C, RECURRENT], ids=["a2c", "recurrent"])
def test_windows_go_on_where_the_former_ended(text: str) -> None:
    net = compiled(text)
    (whole,) = windows(net, 1, 24)
    parts = list(windows(net, 3, 8))
    for state, rows in whole.items():
        if state.endswith(".before"):
            continue
        first = rows.shape[0] - 24
        joined = torch.cat([parts[0][state], *(p[state][first:] for p in parts[1:])])
        assert torch.equal(joined, rows), state


def test_the_memory_of_a_window_is_that_in_which_the_former_ended() -> None:
    net = compiled(RECURRENT)
    first, second = windows(net, 2, 6)
    with torch.no_grad():
        names = {"h.before": "h_before"}
        values: Any = net.code.forward(**{names.get(s, s): rows for s, rows in first.items()})
    assert first["h.before"].abs().max() == 0
    torch.testing.assert_close(second["h.before"], values["h"][-1])


def test_memory_begins_anew_where_an_episode_ends() -> None:
    net = compiled(RECURRENT)
    recorded = list(windows(net, 6, 16))
    window = next(w for w in recorded if w["cut"][1:].any())
    t, lane = window["cut"][1:, :, 0].nonzero()[0].tolist()
    names = {"h.before": "h_before"}
    with torch.no_grad():
        values: Any = net.code.forward(**{names.get(s, s): rows for s, rows in window.items()})
        layer: Any = net.code.Enc
        fresh = torch.tanh(layer(torch.cat([window["O"][t + 2, lane], torch.zeros(64)])))
    torch.testing.assert_close(values["h"][t + 2, lane], fresh)


def test_the_loss_of_a_window_is_that_of_the_equations() -> None:
    net = compiled(A2C)
    (w,) = windows(net, 1, 12)
    code: Any = net.code
    loss = code.loss(w["O"], w["r"], w["d"], w["O'"], w["a"])
    value = code.V(w["O"])
    advantage = w["r"] + 0.9 * code.V(w["O'"]) * (1 - w["d"]) - value[:-1]
    policy = torch.softmax(code.P(w["O"]), -1)
    taken = policy[:-1].gather(-1, w["a"][:-1])
    expected = (value[:-1] - (advantage + value[:-1]).detach()).square().mean()
    expected = expected - (advantage.detach() * taken.log()).mean()
    torch.testing.assert_close(loss, expected)
    expected.backward()
    own = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    net.zero_grad()
    loss.backward()
    for parameter, gradient in zip(net.parameters(), own, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_buffer_gives_what_was_put_in_and_a_copy_follows() -> None:
    net = compiled(DQN)
    before = {n: p.detach().clone() for n, p in net.named_parameters()}
    assert torch.equal(before["Q.weight"], before["Q_target.weight"])
    history = net.train_on(steps=16, batch=4, horizon=4, seed=2, progress=False)
    assert len(history.losses) == 1
    after = dict(net.named_parameters())
    assert not torch.equal(after["Q.weight"], before["Q.weight"])
    torch.testing.assert_close(after["Q_target.weight"], (before["Q.weight"] + after["Q.weight"]) / 2)
    assert not after["Q_target.weight"].requires_grad
    assert net.run is not None
    buffer = net.run.world.stores["B"]
    drawn = buffer.get(64)
    assert tuple(drawn) == ("O", "a", "r", "O'", "d")
    assert len(buffer) == 16
    assert (drawn["r"] == 1).all()


def test_a_normal_policy_draws_about_its_mean() -> None:
    text = (
        "reset() -> S_0, O_0\nO_t --[M]-> mu_t\nsample(mu_t, 0.5) -> a_t\n"
        "S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t\n"
        "mu_{t-1} $ r_t * log_prob(mu_{t-1}, 0.5, a_{t-1}) + 0.01 * entropy(mu_{t-1}, 0.5)"
    )
    net = compiled(text, "Pendulum")
    (w,) = windows(net, 1, 50, 64, "Pendulum")
    code: Any = net.code
    with torch.no_grad():
        far = w["a"] - code.M(w["O"])
        loss = code.loss(O=w["O"], r=w["r"], a=w["a"])
        normal = torch.distributions.Normal(code.M(w["O"][:-1]), 0.5)
        expected = -(w["r"] * normal.log_prob(w["a"][:-1]) + 0.01 * normal.entropy()).mean()
    assert far.shape[-1] == 1
    assert abs(float(far.std()) - 0.5) < 0.03
    torch.testing.assert_close(loss, expected)


SMOOTHED = """
B : buffer(300, batch=32)
reset() -> S_0, O_0
gauss() -> n_0
gauss() -> n_t
O_t --[M|tanh]-> m_t
m_t + 0.1*n_t -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t
Add_B(O_{t-1}, a_{t-1}, r_t)
Get_B() -> o, b, u
gauss() -> x_t
o --[M|tanh]-> c
c + 0.5*x_t -> k
sample(c, 0.5) -> l
(o | k | l) --[Q]-> q
q => u
"""


def test_noise_of_the_first_action_is_drawn_before_it() -> None:
    net = compiled(SMOOTHED, "Pendulum")
    history = windows(net, 3, 4, 8, "Pendulum")
    assert [w["o"].shape for w in history] == [(4, 32, 3)] * 3


def test_noise_beside_what_a_buffer_draws_is_drawn_for_it() -> None:
    net = compiled(SMOOTHED, "Pendulum")
    first, second = windows(net, 2, 40, 4, "Pendulum")
    assert first["x"].shape == (40, 32, 1)
    assert abs(float(first["x"].std()) - 1) < 0.1
    assert first["x"].unique().numel() == first["x"].numel()
    assert not torch.isin(second["x"], first["x"]).any()
    code: Any = net.code
    with torch.no_grad():
        far = first["l"] - torch.tanh(code.M(first["o"]))
    assert abs(float(far.std()) - 0.5) < 0.05


def test_an_action_at_replayed_states_need_not_reach_a_step() -> None:
    text = DQN.replace("max(w)", "w[k]").replace("p[b] =>", "softmax(w) -> pi\nsample(pi) -> k\np[b] =>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net = compiled(text)
    assert net.train_on(steps=16, batch=4, horizon=4, seed=2, progress=False).steps == 16


def test_noise_that_acting_takes_too_is_of_the_present_steps() -> None:
    with pytest.raises(sqmagic.NotationError, match="SQ705"):
        compiled(SMOOTHED.replace("0.5*x_t", "0.5*n_t"), "Pendulum")


def test_the_page_tells_acting_and_learning_apart() -> None:
    source = compiled(A2C).source
    for method in ("def begin(self, world)", "def act(self, world, memory, T)", "def forward(self, O", "def loss("):
        assert method in source
    acting = source[source.index("def act") :]
    assert "a[t] = world.sample(pi[t])  # a_t = sample(pi_t)" in acting
    assert "V[t]" not in acting  # only learning reads it


# --- runs ----------------------------------------------------------------------------------------


def weights(net: Net) -> list[Tensor]:
    return [p.detach().clone() for p in net.parameters()]


@pytest.mark.parametrize("text", [A2C, RECURRENT, DQN], ids=["a2c", "recurrent", "dqn"])
def test_a_seed_makes_a_run_repeat_exactly(text: str) -> None:
    nets = [compiled(text) for _ in range(2)]
    histories = []
    for net in nets:
        torch.rand(3)  # what else is drawn makes no difference
        histories.append(net.train_on(steps=600, batch=4, horizon=8, seed=11, progress=False))
    assert histories[0].episodes == histories[1].episodes
    assert histories[0].losses == histories[1].losses
    assert all(torch.equal(a, b) for a, b in zip(*map(weights, nets), strict=True))


@pytest.mark.parametrize("text", [A2C, RECURRENT, DQN], ids=["a2c", "recurrent", "dqn"])
def test_a_run_that_is_continued_is_as_if_it_had_not_stopped(text: str) -> None:
    one, other = compiled(text), compiled(text)
    whole = one.train_on(steps=640, batch=4, horizon=8, seed=11, progress=False)
    other.train_on(steps=320, batch=4, horizon=8, seed=11, progress=False)
    torch.rand(3)
    parts = other.train_on(steps=320, horizon=8, progress=False)
    assert parts.losses == whole.losses
    assert parts.episodes == whole.episodes
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def test_a_run_goes_on_as_it_was_begun_but_for_what_is_given_anew() -> None:
    text = A2C.replace("A_t * log", "old(A_t) * log")
    one, other = compiled(text), compiled(text)
    ways: dict[str, Any] = {"horizon": 8, "epochs": 2, "minibatches": 2, "lr": 0.01, "optimizer": "sgd"}
    whole = one.train_on(steps=128, batch=4, seed=11, progress=False, **ways)
    other.train_on(steps=64, batch=4, seed=11, progress=False, **ways)
    assert other.train_on(steps=64, progress=False).losses == whole.losses
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))
    assert other.run is not None
    other.train_on(steps=32, lr=0.5, epochs=1, minibatches=1, progress=False)
    assert other.run.moves.rate == 0.5
    assert len(other.run.history.losses) == len(whole.losses) + 1
    other.train_on(steps=32, optimizer="adam", progress=False)
    assert isinstance(other.run.moves.shared, torch.optim.Adam)
    assert other.run.moves.rate == 0.5
    with pytest.raises(InputError, match="has 4 examples, not 8"):
        other.train_on(steps=32, batch=8, progress=False)


def test_an_optimiser_that_is_made_already_has_its_own_rate() -> None:
    net = compiled(A2C)
    made = torch.optim.Adam(net.parameters(), lr=0.01)
    with pytest.raises(InputError, match="made already and has its own learning rate"):
        net.train_on(steps=64, batch=4, seed=0, optimizer=made, lr=0.5, progress=False)
    net.train_on(steps=64, batch=4, seed=0, optimizer=made, progress=False)
    assert made.param_groups[0]["lr"] == 0.01
    net.train_on(steps=64, lr=lambda done: 0.2, progress=False)
    assert made.param_groups[0]["lr"] == 0.2


def test_what_is_no_number_is_refused_in_words() -> None:
    for asked in ({"steps": 64.5}, {"horizon": 2.5}, {"warmup": "8"}, {"batch": "8"}, {"minibatches": 1.5}):
        ((name, value),) = asked.items()
        with pytest.raises(InputError, match=f"`{name}` is a whole number, and not {value!r}"):
            compiled(A2C).train_on(**({"steps": 64, "progress": False} | asked))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"`lr` is at least 0, and not -1"):
        compiled(A2C).train_on(steps=64, progress=False, lr=-1)
    for name in ("lr", "until"):
        with pytest.raises(InputError, match=f"`{name}` is a number, and not 'x'"):
            compiled(A2C).train_on(steps=64, progress=False, **{name: "x"})


@pytest.mark.parametrize("given", [{"horizon": 0}, {"batch": 0}, {"policy": 3}, {"policy": len}])
def test_what_cannot_be_asked_for_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"must be at least 1|a function of observations|chooses its actions itself"):
        compiled(A2C).train_on(steps=64, progress=False, **given)


def test_an_interrupt_keeps_the_weights_and_can_be_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "torch")
    net = compiled(A2C)
    net.train_on(steps=64, batch=4, horizon=8, seed=1, progress=False)
    assert net.run is not None
    world, calls = net.run.world, iter(range(12))

    def interrupted(*args: Any, **more: Any) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return Environment.step(world.env, *args, **more)

    monkeypatch.setattr(world.env, "step", interrupted)
    history = net.train_on(steps=400, horizon=8, progress=False)
    assert history.interrupted
    assert all(bool(p.isfinite().all()) for p in net.parameters())
    monkeypatch.delattr(world.env, "step")
    again = net.train_on(steps=64, horizon=8, progress=False)
    assert not again.interrupted
    assert "interrupted" not in repr(again)


@pytest.mark.parametrize("where", ["torch", "C"])
def test_a_loss_that_is_not_finite_stops_the_run(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, where)
    net = compiled(A2C)
    with torch.no_grad():
        net.code.V.bias.fill_(float("nan"))
    history = net.train_on(steps=64, batch=4, horizon=8, seed=1, progress=False)
    assert history.stopped is not None
    assert "loss of update 1 is nan: the first state that is not finite is `V` at t = 0, NaN" in history.stopped
    assert "\n\n" not in repr(history)


def test_a_behaviour_policy_gives_the_actions_that_are_left_open() -> None:
    text = "reset() -> S_0, O_0\nS_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t\nV(O_{t-1}) => a_{t-1}*r_t"
    net = compiled(text)
    seen = []

    def policy(observation: Tensor) -> Tensor:
        seen.append(observation)
        return torch.ones(4, dtype=torch.long)

    net.train_on(steps=32, batch=4, horizon=8, seed=0, policy=policy, progress=False)
    assert len(seen) == 9  # at O_0 and after each step
    assert seen[0].shape == (4, 4)


def test_play_gives_the_returns_of_whole_episodes() -> None:
    net = compiled(A2C)
    returns = net.play(episodes=12, batch=4, seed=3)
    assert len(returns) == 12
    assert returns == net.play(episodes=12, batch=4, seed=3)
    assert all(total == int(total) >= 8 for total in returns)


def test_a_net_is_bound_to_another_environment_and_keeps_what_fits() -> None:
    net = compiled(A2C)
    bias = net.code.V.bias.detach().clone()
    net.train_on("MountainCar", steps=32, batch=4, horizon=8, seed=0, progress=False, lr=0.0)
    assert torch.equal(net.code.V.bias, bias)
    assert net.code.P.weight.shape == (3, 2)


def test_a_program_is_bound_when_it_is_trained() -> None:
    net = sqmagic.compile(A2C)
    assert "`reset` is bound to no environment" in repr(net)
    with pytest.raises(InputError, match="there is no environment yet"):
        net.train_on(steps=10)
    net.train_on("CartPole", steps=64, batch=4, seed=0, progress=False)
    assert "Net" in net.source


def test_a_program_without_an_environment_is_told_so() -> None:
    with pytest.raises(UnsupportedError, match="no line of it calls `step`"):
        sqmagic.compile("x --[M]-> p => y\nx : 2\ny : 1").train_on("CartPole", steps=10)


def test_copies_of_a_net_act_alike() -> None:
    net = compiled(A2C)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.play("CartPole", episodes=4, batch=4, seed=1) == net.play(episodes=4, batch=4, seed=1)


def test_the_source_is_the_same_each_time() -> None:
    known = understand(A2C, Kernel(world=CARTPOLE))
    one, other = (generate_acted("net", known.system, CARTPOLE, known.source, {}, 64).source for _ in range(2))
    assert one == other


def test_a_net_is_watched_until_its_episode_ends() -> None:
    net = compiled(A2C)
    film = sqmagic.environment("CartPole", 2, seed=3).watch(net, seed=3)
    assert 8 <= len(film.frames) <= 200
    assert film.said == f"CartPole: {len(film.frames)} steps, return {len(film.frames)}"
