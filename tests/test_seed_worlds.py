"""Every program of the seed that has an environment does what is said of it; well timed, they solve what they are for.

How many seeds of them solve CartPole, `python -m bench.solving` shows.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor
from worlds import A2C_GRU, DDPG, DQN, GAE, PPO, SAC, TD_GRU, TRACES, WALK, forgetful

import sqmagic
from sqmagic.equations.elaborate import elaborate
from sqmagic.nets import kernel_of
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError
from sqmagic.notation.source import Source
from sqmagic.pipeline import understand
from sqmagic.runtime.net import Net

GOLDEN = Path(__file__).parent / "golden"


def program(name: str) -> str:
    return (GOLDEN / name / "program.sqn").read_text()


def compiled(text: str, env: str = "CartPole", width: int = 64, **more: object) -> Net:
    torch.manual_seed(0)
    return sqmagic.compile(text, env=env, width=width, **more)  # type: ignore[arg-type]


# --- as they stand -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codes"),
    [("td", {"SQ611"}), ("a2c", {"SQ611", "SQ612", "SQ613"}), ("a2c_gae", {"SQ611", "SQ612", "SQ613"})],
)
def test_a_seed_program_runs_and_is_warned_of(name: str, codes: set[str]) -> None:
    known = understand(program(name), kernel_of({}, {}, "CartPole"))
    assert {warning.code for warning in known.warnings} == codes
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        net = compiled(program(name))
        del told[:]
        history = net.train_on(steps=1024, batch=16, horizon=16, seed=0, progress=False)
    assert ["`A_t` goes on over a time limit" in str(w.message) for w in told] == [True] * (name == "a2c_gae")
    assert len(history.losses) == 4
    assert history.stopped is None
    assert history.episodes


@pytest.mark.parametrize("text", [WALK, TRACES, GAE, TD_GRU, A2C_GRU, PPO, DQN, DDPG, SAC])
def test_what_is_timed_well_is_not_warned_of(text: str) -> None:
    world = "Pendulum" if text in (DDPG, SAC) else "CartPole"
    assert understand(text, kernel_of({}, {}, world)).warnings == ()


SHOWN = "reset() -> S_0, O_0\nS_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t\nO_t --[V]-> V_t\n"
MEMORY = "O_t|h_{t-1} --[H|tanh]-> h_t\nh_t --[U]-> U_t\nU_{t-1} => r_t + 0.9*U_t*(1-d_t)\n"
NORMAL = "O_t --[M]-> m_t\nO_t --[D|exp]-> s_t\nm_{t-1}, s_{t-1} $ r_t*log_prob(m_{t-1}, s_{t-1}, a_{t-1})\n"


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("1 - d_t -> m_t\nV_{t-1} => r_t + 0.9*m_t*V_t", []),
        ("0.9*(1-d_t) -> gamma_t\nV_{t-1} => r_t + gamma_t*V_t", []),
        ("where(d_t, 0, V_t) -> b_t\nV_{t-1} => r_t + 0.9*b_t", []),
        ("1 - d_t -> m_t\nV_{t-1} => r_t + 0.9*m_{t-1}*V_t", ["SQ612"]),
        ("r_t + 0.9*V_t*(1-d_t) - V_{t-1} + 0.8*A_{t+1} -> A_t\nV_{t-1} => A_t + V_{t-1}", ["SQ612"]),
        ("0 -> h_{-1}\n" + MEMORY, ["SQ614"]),
        ("0 -> h_{-1}\n0 -> cut_0\nreset h on cut\n" + MEMORY, []),
        ("0 -> h_0\n1 - cut_t -> m_t\n" + MEMORY.replace("h_{t-1} --", "(m_t*h_{t-1}) --"), []),
        ("r_t + 0.9*(1-d_t)*G_{t+1} -> G_t\nV_{t-1} => G_t", ["SQ412"]),
        ("V_T -> G_{T+1}\nr_t + 0.9*(1-d_t)*G_{t+1} -> G_t\nV_{t-1} => G_t", ["SQ411"]),
        ("V_T -> G_{T+1}\nr_t + 0.9*(1-d_t)*G_{t+1} -> G_t\nV_{t-1} => r_t + 0.9*(1-d_t)*G_{t+1}", []),
        ("V_T -> G_T\nr_{t+1} + 0.9*(1-d_{t+1})*G_{t+1} -> G_t\nV_t => G_t", []),
        (NORMAL + "sample(m_t, s_t) -> a_t", []),
        (NORMAL + "m_t + s_t*gauss() -> a_t", []),
        (NORMAL, ["SQ617", "SQ617"]),
    ],
)
def test_what_is_named_or_made_of_noise_is_seen_through(text: str, codes: list[str]) -> None:
    assert [warning.code for warning in understand(SHOWN + text, kernel_of({}, {}, "Pendulum")).warnings] == codes


def test_a_memory_that_is_given_before_zero_is_reset_by_what_is_proposed() -> None:
    (warning,) = understand(SHOWN + "0 -> h_{-1}\n" + MEMORY, kernel_of({}, {}, "Pendulum")).warnings
    assert warning.before == "0 -> cut_0\nreset h on cut"
    assert understand(f"{SHOWN}0 -> h_{{-1}}\n{warning.before}\n{MEMORY}", kernel_of({}, {}, "Pendulum")).warnings == ()


@pytest.mark.parametrize("text", [DDPG, SAC])
def test_continuous_actions_are_learned_from_a_buffer(text: str) -> None:
    net = compiled(text, "Pendulum", width=8)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    history = net.train_on(steps=128, batch=4, horizon=4, seed=0, progress=False)
    assert history.stopped is None and len(history.losses) == 8
    assert "acting: C" in str(net.plan) and "learning: C" in str(net.plan)
    assert not [name for name, value in net.state_dict().items() if torch.equal(value, before[name])]


def test_an_objective_through_a_ratio_is_about_the_action_of_the_ratio() -> None:
    late = PPO.replace("old(A_t)", "old(A_{t-1})")
    (warning,) = understand(late, kernel_of({}, {}, "CartPole")).warnings
    assert warning.code == "SQ613" and "`A_{t-1}` weighs the action of `k_t` with `r_{t-1}`" in warning.message


def test_the_gru_of_the_seed_runs_with_the_macro_of_an_earlier_cell() -> None:
    before = program("gru_macro")
    macros = elaborate(parse(before), Source.of(before)).macros
    net = compiled(program("td_gru"), macros=macros)
    history = net.train_on(steps=1024, batch=16, horizon=16, seed=0, progress=False)
    assert len(history.losses) == 4
    assert history.stopped is None


def test_the_dqn_of_the_seed_is_refused_with_the_form_that_learns() -> None:
    with pytest.raises(NotationError) as refusal:
        compiled(program("dqn"))
    assert "blocked by `one_hot(argmax(·))`" in str(refusal.value)
    assert "q_{t-1}[a_{t-1}] => r_t + gamma * max(q_t) * (1 - d_t)" in str(refusal.value)


def test_the_form_that_is_offered_for_dqn_runs() -> None:
    text = program("dqn").split("O_{t-1} --[Q]->")[0]
    text += "O_{t-1} --[Q]-> q_{t-1}\nq_{t-1}[a_{t-1}] => r_t + gamma * max(q_t) * (1 - d_t)"
    with pytest.warns(UserWarning, match="CartPole cuts an episode off after 500 steps"):
        history = compiled(text).train_on(steps=512, batch=8, horizon=16, seed=0, progress=False)
    assert len(history.losses) == 4
    assert history.stopped is None


# --- well timed ----------------------------------------------------------------------------------


def test_the_values_of_a_random_walk_are_the_exact_ones() -> None:
    net = compiled(WALK, "RandomWalk5")
    net.train_on(steps=400_000, batch=256, horizon=16, lr=lambda done: 0.1 * (1 - done), seed=0, progress=False)
    values = net.code.Value.weight.detach()[0]  # type: ignore[union-attr, index]
    torch.testing.assert_close(values, torch.arange(1.0, 6.0) / 6, atol=0.02, rtol=0)


def test_the_target_that_looks_back_does_not_reach_them() -> None:
    text = WALK.replace("V_{t-1} => r_t + Value @ O'_t * (1 - d_t)", "V_t => V_{t-1} + r_t")
    net = compiled(text, "RandomWalk5")
    net.train_on(steps=100_000, batch=256, horizon=16, lr=lambda done: 0.1 * (1 - done), seed=0, progress=False)
    values = net.code.Value.weight.detach()[0]  # type: ignore[union-attr, index]
    assert (values - torch.arange(1.0, 6.0) / 6).abs().max() > 0.1


def test_a2c_with_generalised_advantages_solves_cartpole() -> None:
    net = compiled(GAE)
    history = net.train_on(
        steps=600_000, batch=32, horizon=16, lr=lambda done: 3e-3 * (1 - done), seed=0, until=475, progress=False
    )
    assert history.recent() >= 475
    returns = net.play(episodes=100, batch=100, seed=1)
    assert sum(returns) / len(returns) >= 450


def always_one(observation: Tensor) -> Tensor:
    return torch.ones(len(observation), dtype=torch.long)


def td_error(text: str) -> float:
    """The loss at the end; with one answer only, an episode's return is the sign that its first step alone shows."""
    net = compiled(text, "MemoryLength", 32)
    history = net.train_on(steps=60_000, batch=16, horizon=24, lr=1e-2, seed=0, policy=always_one, progress=False)
    return sum(history.losses[-10:]) / 10


def test_td_with_a_gru_predicts_what_no_memoryless_value_can() -> None:
    assert td_error(TD_GRU) < 0.05
    assert td_error(forgetful(TD_GRU)) > 0.15  # 1/6: nothing is known at the last of six steps


def test_a_policy_with_a_gru_remembers() -> None:
    returns = {}
    for text in (A2C_GRU, forgetful(A2C_GRU)):
        net = compiled(text, "MemoryLength", 32)
        net.train_on(steps=50_000, batch=16, horizon=24, lr=1e-2, seed=0, until=0.99, progress=False)
        played = net.play(episodes=200, batch=100, seed=1, greedy=False)
        returns[text] = sum(played) / len(played)
    assert returns[A2C_GRU] > 0.9
    assert abs(returns[forgetful(A2C_GRU)]) < 0.4
