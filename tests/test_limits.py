"""Time limits: what a program does wrong there is told where it is known that its environment has one."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium
import pytest

import sqmagic
from sqmagic.runtime.environments import environment
from sqmagic.world import lanes

BEGUN = "reset() -> S_0, O_0\nO_t --[P|softmax]-> pi_t\nsample(pi_t) -> a_t\npi_{t-1} $ 0.1*log(pi_{t-1}[a_{t-1}])\n"
SHORT = "S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t\n"
WHOLE = "S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t\n"
VALUE = "O_t --[V]-> V_t\n"
TARGET = "V_{t-1} => r_t + 0.9*V_t*(1-d_t)"
REPAIRED = "V_{t-1} => r_t + 0.9 * V(O'_t) * (1 - d_t)"
DELTA = "r_t + 0.9*V(O'_t)*(1-d_t) - V_{t-1} -> D_t\n"
SUMMED = "\nV_{t-1} => A_t + V_{t-1}"
ACTION_VALUES = "reset() -> S_0, O_0\nO_t --[Q]-> q_t\neps_greedy(q_t, eps=0.1) -> a_t\n" + SHORT


def told(net: Any, env: Any = "CartPole", **more: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        net.train_on(env, steps=16, horizon=4, seed=0, progress=False, **more)
    assert all(w.category is UserWarning and w.filename == __file__ for w in found)
    return [str(w.message) for w in found]


def offered(text: str) -> str:
    """What is to be written instead."""
    return "\n".join(line[4:] for line in text.partition("write instead:\n")[2].split("\n"))


@pytest.mark.parametrize(
    ("text", "names", "repair"),
    [
        (BEGUN + SHORT + VALUE + TARGET, "`V_t`", WHOLE + REPAIRED),
        (BEGUN + WHOLE + VALUE + TARGET, "`V_t`", REPAIRED),
        (BEGUN + WHOLE + VALUE + "O'_t --[V]-> W_t\n" + TARGET, "`V_t`", REPAIRED.replace("V(O'_t)", "W_t")),
        (BEGUN + WHOLE + VALUE + TARGET.replace("V_t*", "V(O_t)*"), "`V(O_t)`", REPAIRED),
        (
            BEGUN + WHOLE + VALUE + "1 - d_t -> m_t\nV_{t-1} => r_t + 0.9*V_t*m_t",
            "`V_t`",
            REPAIRED.replace("(1 - d_t)", "m_t"),
        ),
        (
            BEGUN + WHOLE + "O_t --[M|tanh]-> h_t\nh_t --[V]-> V_t\n" + TARGET,
            "`V_t`",
            REPAIRED.replace("O'_t", "tanh(M(O'_t))"),
        ),
        (
            ACTION_VALUES + "q_{t-1}[a_{t-1}] ==[huber]=> r_t + 0.9*max(q_t)*(1-d_t)",
            "`q_t`",
            WHOLE + "q_{t-1}[a_{t-1}] ==[huber]=> r_t + 0.9 * max(Q(O'_t)) * (1 - d_t)",
        ),
        (
            BEGUN + WHOLE + VALUE + DELTA + "D_t + 0.9*A_{t+1}*(1-d_t) -> A_t" + SUMMED,
            "`A_{t+1}`",
            "D_t + 0.9 * A_{t+1} * (1 - cut_t) -> A_t",
        ),
        (
            BEGUN + SHORT.replace(", d_t", "") + VALUE + "V_{t-1} => r_t + 0.9*V_t",
            "`V_t`",
            WHOLE + "V_{t-1} => r_t + 0.9 * V(O'_t)",
        ),
    ],
)
def test_what_goes_on_over_a_time_limit_is_told_once(text: str, names: str, repair: str) -> None:
    net = sqmagic.compile(text, env="CartPole")
    (message,) = told(net)
    assert message.startswith("CartPole cuts an episode off after 500 steps\nSQ612: ")
    assert f"{names} is of the next episode" in message
    assert offered(message) == repair
    assert told(net) == []
    lines, new = text.split("\n"), repair.split("\n")
    lines = [WHOLE.strip() if len(new) > 1 and "--[step]->" in line else line for line in lines]
    signs = ("=> r_t +", "-> A_t")
    lines = [new[-1] if any(s in line for s in signs) else line for line in lines]
    assert told(sqmagic.compile("\n".join(lines), env="CartPole")) == []


def test_both_are_told_of_together_and_agree_on_the_step() -> None:
    text = BEGUN + SHORT + VALUE + "r_t + 0.9*V_t*(1-d_t) - V_{t-1} -> D_t\nD_t + 0.9*A_{t+1}*(1-d_t) -> A_t" + SUMMED
    (message,) = told(sqmagic.compile(text, env="CartPole"))
    assert message.count("SQ612") == message.count(WHOLE.strip()) == 2


def test_what_has_a_memory_is_told_of_without_a_repair() -> None:
    text = "0 -> h_0\nO_t|h_{t-1} --[E|tanh]-> h_t\nreset h on cut\nh_t --[V]-> V_t\n"
    (message,) = told(sqmagic.compile(BEGUN + WHOLE + text + TARGET, env="CartPole"))
    assert "`V_t` is of the next episode" in message and "write instead" not in message


@pytest.mark.parametrize(
    "text",
    [
        "Net: O_t\n    O_t --[M|tanh]-> h_t\n    return h_t\n" + BEGUN + WHOLE + "O_t --[Net]-> V_t\n" + TARGET,
        BEGUN + WHOLE + VALUE + "V_{t-1} => r_t + (1-d_t)*r_{t+1} + V_{t+1}*(1-d_t)*(1-d_{t+1})",
    ],
)
def test_no_repair_is_offered_that_one_line_cannot_be(text: str) -> None:
    (message,) = told(sqmagic.compile(text, env="CartPole"))
    assert "is of the next episode" in message and "write instead" not in message


@pytest.mark.parametrize(
    "text",
    [
        WHOLE + VALUE + REPAIRED,
        WHOLE + VALUE + "V(O'_t) -> W_t\nV_{t-1} => r_t + 0.9*where(cut_t, W_t, V_t)*(1-d_t)",
        WHOLE + VALUE + "where(cut_t, V(O'_t), V_t) -> N_t\nV_{t-1} => r_t + 0.9*N_t*(1-d_t)",
        WHOLE + VALUE + "V_{t-1} => r_t + 0.9*V_t*(1-cut_t)",
        WHOLE + VALUE + "V_{t-1} => where(cut_t, V_{t-1}, r_t + 0.9*V_t*(1-d_t))",
        WHOLE + VALUE + "r_t + 0.9*V_t*(1-d_t) - V_{t-1} -> D_t\nV_{t-1} => V_{t-1} + D_t*(1-cut_t)",
        WHOLE + VALUE + DELTA + "D_t + 0.9*A_{t+1}*(1-cut_t) -> A_t" + SUMMED,
        WHOLE + VALUE + "V_T -> G_{T+1}\nr_t + 0.9*(1-d_t)*where(cut_t, V(O'_t), G_{t+1}) -> G_t\nV_{t-1} => G_t",
    ],
)
def test_what_stops_at_a_time_limit_is_not_told_of(text: str) -> None:
    assert told(sqmagic.compile(BEGUN + text, env="CartPole")) == []


def test_without_a_time_limit_nothing_is_told() -> None:
    net = sqmagic.compile(BEGUN + SHORT + VALUE + TARGET)
    assert told(net, lanes.kind("CartPole")(2, limit=0)) == []
    assert told(net, "RandomWalk5") == []
    assert told(net, gymnasium.make("CartPole-v1").unwrapped) == []
    assert "MountainCar cuts an episode off after 200 steps" in told(net, "MountainCar")[0]


def test_a_limit_is_found_wherever_it_is() -> None:
    made = gymnasium.make
    assert environment("CartPole").limit == 500
    assert environment("RandomWalk5").limit is None
    assert environment("CartPole-v1").limit == environment("CartPole-v1", batch=2).limit == 500
    assert environment(gymnasium.wrappers.FlattenObservation(made("CartPole-v1", max_episode_steps=7))).limit == 7
    assert environment(made("CartPole-v1").unwrapped).limit is None
    assert environment(lambda: made("CartPole-v1"), batch=2).limit == 500
    assert environment(lambda: made("CartPole-v1").unwrapped, batch=2).limit is None
