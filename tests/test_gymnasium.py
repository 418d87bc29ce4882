"""Gymnasium both ways: its environments as ours, ours as its, and the two side by side."""

from __future__ import annotations

import warnings
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import sqmagic
from sqmagic.runtime.environments import Environment, environment
from sqmagic.world import gym, lanes
from sqmagic.world.errors import WorldError
from sqmagic.world.lanes import Lanes
from sqmagic.world.spaces import Array

ADVICE = ("infinity", "symmetric and normalized")  # of Gymnasium's checker, to its own CartPole and Pendulum as well


# --- equal states, equal steps ---------------------------------------------------------------------


def take_over(own: Lanes, env: Any, name: str) -> None:
    """Puts one environment of ours into the state of Gymnasium's."""
    match name:
        case "FrozenLake" | "CliffWalking":
            own.state["place"][0] = env.unwrapped.s
        case _:
            for values, number in zip(own.state.values(), env.unwrapped.state, strict=True):
                values[0] = number


def seen_by(name: str, seen: Any) -> Array:
    if name in ("FrozenLake", "CliffWalking"):
        return np.eye(16 if name == "FrozenLake" else 48)[int(seen)]
    return np.asarray(seen)


PAIRS = [
    ("CartPole", "CartPole-v1", {}, {}),
    ("Pendulum", "Pendulum-v1", {}, {}),
    ("MountainCar", "MountainCar-v0", {}, {}),
    ("Acrobot", "Acrobot-v1", {}, {}),
    ("FrozenLake", "FrozenLake-v1", {"slippery": 0}, {"is_slippery": False}),
    ("CliffWalking", "CliffWalking-v1", {}, {}),
]


@pytest.mark.parametrize(("name", "theirs", "mine", "options"), PAIRS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_steps_from_equal_states_are_gymnasiums(
    name: str, theirs: str, mine: Any, options: Any, precision: str
) -> None:
    env = gymnasium.make(theirs, **options)
    own = lanes.kind(name, precision)(1, limit=0, **mine)
    near = 2e-6 if precision == "float32" else 1e-7  # Gymnasium itself shows float32
    own.reset()
    env.reset(seed=3)
    env.action_space.seed(3)
    wrong = 0
    for _ in range(1500):
        take_over(own, env, name)
        action = env.action_space.sample()
        seen, reward, over, cut, _ = env.step(action)
        own.step(np.asarray(action).reshape(1, *own.action.shape))
        wrong += bool(own.terminated[0]) != over
        assert np.allclose(own.final[0], seen_by(name, seen), atol=near, rtol=near)
        assert own.reward[0] == pytest.approx(reward, abs=1e-5) or bool(own.terminated[0]) != over
        if over or cut:
            env.reset()
    assert wrong == 0 if precision == "float64" else wrong <= 1


@pytest.mark.parametrize(("name", "theirs"), [("CartPole", "CartPole-v1"), ("MountainCar", "MountainCar-v0")])
def test_the_reference_follows_whole_episodes(name: str, theirs: str) -> None:
    env, own = gymnasium.make(theirs), lanes.kind(name, "float64")(1)
    env.action_space.seed(1)
    for episode in range(20):
        env.reset(seed=episode)
        own.reset()
        take_over(own, env, name)
        ended = False
        while not ended:
            action = env.action_space.sample()
            seen, reward, over, cut, _ = env.step(action)
            own.step(np.array([action]))
            assert np.allclose(own.final[0].astype(np.float32), seen, atol=1e-6)
            assert (own.reward[0], own.terminated[0], own.truncated[0]) == (reward, over, cut)
            ended = over or cut


def test_our_spaces_are_gymnasiums() -> None:
    for name, theirs in (("CartPole", "CartPole-v1"), ("MountainCar", "MountainCar-v0"), ("Pendulum", "Pendulum-v1")):
        mine, other = gymnasium.make(gym.identifier(name)), gymnasium.make(theirs)
        assert np.allclose(mine.observation_space.low, other.observation_space.low)  # type: ignore[attr-defined]
        assert np.allclose(mine.observation_space.high, other.observation_space.high)  # type: ignore[attr-defined]
        assert mine.action_space == other.action_space


def test_sliding_is_as_likely_as_gymnasiums() -> None:
    table = gymnasium.make("FrozenLake-v1").unwrapped.P  # type: ignore[attr-defined]
    own = lanes.kind("FrozenLake")(4096, seed=1)
    for place in (0, 6, 9, 14):
        for action in range(4):
            own.reset()
            own.state["place"][:] = place
            own.step(np.full(4096, action))
            counts = np.bincount(own.final.argmax(1), minlength=16) / 4096
            should = np.zeros(16)
            for share, after, _, _ in table[place][action]:
                should[after] += share
            assert np.abs(counts - should).max() < 0.04


# --- ours as Gymnasium's ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", lanes.names())
def test_gymnasiums_own_checker_passes(name: str) -> None:
    with warnings.catch_warnings():
        for words in ADVICE:
            warnings.filterwarnings("ignore", f".*{words}")
        check_env(gymnasium.make(gym.identifier(name), render_mode="rgb_array").unwrapped)


@pytest.mark.parametrize("name", lanes.names())
def test_a_vector_environment_keeps_what_gymnasium_promises(name: str) -> None:
    env = gymnasium.make_vec(gym.identifier(name), 6, render_mode="rgb_array")
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    env.action_space.seed(1)
    given = [env.action_space.sample() for _ in range(60)]
    runs = []
    for _ in range(2):
        seen, info = env.reset(seed=7)
        assert info == {} and seen in env.observation_space
        run = [seen]
        for action in given:
            seen, reward, over, cut, info = env.step(action)
            assert seen in env.observation_space and not np.shares_memory(seen, run[-1])
            assert reward.shape == over.shape == cut.shape == (6,) and over.dtype == cut.dtype == bool
            assert ("final_obs" in info) == bool((over | cut).any())
            run.append(seen)
        runs.append(run)
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))
    pictures = env.render()
    assert pictures is not None and len(pictures) == 6 and pictures[0].shape[2] == 3
    env.close()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_the_other_ways_of_beginning_anew_are_the_same_episodes(mode: AutoresetMode) -> None:
    """In the same step, one step later, or when told to: the same observations, but for what stands between."""
    same, other = (gym.VectorEnv("Catch", 4, autoreset_mode=m) for m in (AutoresetMode.SAME_STEP, mode))
    first, seen = same.reset(seed=1)[0], other.reset(seed=1)[0]
    for turn in range(27):
        assert np.array_equal(first, seen)
        action = np.full(4, turn % 3)
        first, reward, over, _, info = same.step(action)
        seen, others, ended, _, none = other.step(action)
        assert np.array_equal(reward, others) and np.array_equal(over, ended) and none == {}
        if over.any():
            assert np.array_equal(seen, info["final_obs"])
            if mode is AutoresetMode.NEXT_STEP:
                seen, others, ended, _, _ = other.step(action)
                assert not others.any() and not ended.any()
            else:
                with pytest.raises(ValueError, match="reset_mask"):
                    other.step(action)
                seen, _ = other.reset(options={"reset_mask": over})


# --- everything behind one face ----------------------------------------------------------------------

SOURCES: list[tuple[Any, int | None]] = [
    ("CartPole", 4),
    ("Catch", 2),
    ("Pendulum", 1),
    ("CartPole-v1", None),
    ("CartPole-v1", 3),
    ("Pendulum-v1", 2),
    ("CliffWalking-v1", 2),
]


@pytest.mark.parametrize(("source", "batch"), SOURCES)
def test_a_state_is_a_value(source: Any, batch: int | None) -> None:
    """Two futures of one state do not disturb each other, in whatever order they are looked into."""
    env = environment(source, batch, seed=1)
    count = batch or 1
    start, seen = env.reset()
    assert seen.shape[0] == count
    actions = [env.random_action(torch.Generator().manual_seed(k)) for k in range(6)]
    alone = futures(env, start, actions[:3])
    left, right = start, start
    mixed_left, mixed_right = [], []
    for action, turned in zip(actions[:3], actions[3:], strict=True):
        left, *rest = env.step(left, action)
        mixed_left.append(rest)
        right, *rest = env.step(right, turned)
        mixed_right.append(rest)
    assert equal(alone, mixed_left) and equal(futures(env, start, actions[3:]), mixed_right)


def futures(env: Environment, state: Any, actions: list[torch.Tensor]) -> list[list[torch.Tensor]]:
    found = []
    for action in actions:
        state, *rest = env.step(state, action)
        found.append(rest)
    return found


def equal(a: list[list[torch.Tensor]], b: list[list[torch.Tensor]]) -> bool:
    return all(torch.equal(x, y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True))


def test_a_state_that_is_read_once_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    env = environment("CartPole", 4, seed=1)
    copies = []
    monkeypatch.setattr(env.machine, "save", lambda: copies.append(1) or b"")
    state, _ = env.reset()
    first = state
    for _ in range(5):
        state = env.step(state, env.random_action(), last=True).S
    assert copies == []
    with pytest.raises(WorldError, match="the last step from this state was made already"):
        env.step(first, env.random_action())


@pytest.mark.parametrize("source", ["CartPole", "CartPole-v1"])
def test_what_a_step_gives(source: str) -> None:
    env = environment(source, 8, seed=1)
    state, _ = env.reset()
    ended = 0
    for _ in range(120):
        step = env.step(state, torch.ones(8, 1, dtype=torch.int64), last=True)
        assert step.O.shape == step.O_prime.shape == (8, 4) and step.O.dtype == torch.float32
        assert step.r.shape == step.d.shape == step.cut.shape == (8, 1)
        over = step.cut[:, 0] == 1
        assert torch.equal(step.O[~over], step.O_prime[~over])
        assert (step.O[over].abs() < 0.06).all() and (step.O_prime[over, 2].abs() > 0.2).all()
        state, ended = step.S, ended + int(over.sum())
    assert ended > 40


def test_the_limit_cuts_without_terminating() -> None:
    for env in (
        environment("Pendulum", 2, seed=1),
        environment("Pendulum-v1", 2, seed=1),
        environment("Pendulum-v1", seed=1),
    ):
        state, _ = env.reset()
        for _ in range(200):
            step = env.step(state, env.random_action(), last=True)
            state = step.S
        assert (step.cut == 1).all() and (step.d == 0).all() and not torch.equal(step.O, step.O_prime)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_vector_environments_of_any_mode_begin_anew_at_once(mode: AutoresetMode) -> None:
    made = gymnasium.make_vec("CartPole-v1", 3, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode})
    env = environment(made, seed=1)
    state, _ = env.reset()
    ends = 0
    for _ in range(60):
        step = env.step(state, torch.zeros(3, dtype=torch.int64), last=True)
        over = step.cut[:, 0] == 1
        assert (step.O[over].abs() < 0.06).all() and (step.r == 1).all()
        state, ends = step.S, ends + int(over.sum())
    assert ends >= 15


def test_what_cannot_be_an_environment_says_so() -> None:
    with pytest.raises(WorldError, match="one step late"):
        environment(gymnasium.make_vec("CartPole-v1", 2, vectorization_mode="vector_entry_point"))
    with pytest.raises(WorldError, match="there is no environment `NoSuch-v0`"):
        environment("NoSuch-v0")
    with pytest.raises(WorldError, match="a program can take numbers in an array"):
        environment("Blackjack-v1")
    with pytest.raises(WorldError, match="int is no environment"):
        environment(3)


@pytest.mark.parametrize("source", ["CartPole", "CartPole-v1"])
def test_bad_actions_leave_everything_as_it_was(source: str) -> None:
    env = environment(source, 3, seed=1)
    state, _ = env.reset()
    with pytest.raises(TypeError, match="whole numbers"):
        env.step(state, torch.zeros(3))
    with pytest.raises(WorldError, match="takes 3 actions"):
        env.step(state, torch.zeros(2, dtype=torch.int64))
    with pytest.raises((WorldError, ValueError), match="2"):
        env.step(state, torch.tensor([0, 2, 0]))
    first = env.step(state, torch.zeros(3, dtype=torch.int64))
    assert torch.equal(first.O, env.step(state, torch.zeros(3, dtype=torch.int64)).O)


def test_a_seed_makes_a_run_repeat() -> None:
    for source, batch in (("CartPole", 4), ("CartPole-v1", 2)):
        runs = []
        for _ in range(2):
            env = environment(source, batch, seed=5)
            runs.append(futures(env, env.reset()[0], [torch.ones(batch or 1, dtype=torch.int64)] * 40))
        assert equal(*runs)


def test_an_episode_can_be_watched() -> None:
    film = environment("CartPole", seed=1).watch(lambda seen: (seen[:, 2] > 0).long(), steps=20)
    assert len(film.frames) >= 10 and film.frames[0].shape == (400, 600, 3) and film.said.startswith("CartPole: return")
    with pytest.raises(WorldError, match="render_mode='rgb_array'"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        environment("CartPole-v1").watch()


# --- what makes environments -----------------------------------------------------------------------


class Corridor(gymnasium.Env[Array, int]):
    """Five steps to the right; a step to the left does not leave the first place."""

    observation_space = gymnasium.spaces.Box(0, 5, (1,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, limit: int = 9) -> None:
        self.limit, self.place, self.steps = limit, 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Array, dict[str, Any]]:
        super().reset(seed=seed)
        self.place = self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        self.place, self.steps = max(0, self.place + (1 if action else -1)), self.steps + 1
        over = self.place == 5
        return np.full(1, self.place, np.float32), float(over), over, self.steps == self.limit, {}


def test_a_class_makes_as_many_environments_as_asked_for() -> None:
    assert environment(Corridor).batch == 1
    env = environment(Corridor, batch=3, limit=4)
    assert env.name == "Corridor" and env.batch == 3
    state, _ = env.reset(seed=0)
    for _ in range(4):
        state, seen, _, over, cut, final = env.step(state, torch.tensor([0, 1, 1]), last=True)
    assert cut.flatten().tolist() == [1, 1, 1] and over.sum() == 0
    assert final.flatten().tolist() == [0, 4, 4] and seen.abs().sum() == 0


def test_a_program_learns_on_a_class_of_ones_own() -> None:
    text = """
reset() -> S_0, O_0
O_t --[P|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t
O_t --[V]-> V_t
V_{t-1} => r_t + 0.9*(1-d_t)*V_t
pi_{t-1} $ (r_t + 0.9*(1-d_t)*V_t - V_{t-1}) * log_prob(pi_{t-1}, a_{t-1})
"""
    net = sqmagic.compile(text, env=Corridor)
    assert net.train_on(steps=160, batch=5, horizon=8, seed=0, progress=False).steps == 160
    for makes in (Corridor, lambda: Corridor(), partial(Corridor, limit=4)):
        assert sqmagic.compile(text).train_on(makes, steps=16, horizon=8, seed=0, progress=False).steps == 128


@pytest.mark.parametrize(
    "made", [Corridor(), gymnasium.vector.SyncVectorEnv([Corridor] * 2), lanes.kind("CartPole")(2)]
)
def test_what_is_made_already_is_not_made_more_often(made: Any) -> None:
    with pytest.raises(WorldError, match=r"is made already, [12] examples?, and not 4"):
        environment(made, batch=4)


def test_what_makes_no_environment_is_told() -> None:
    with pytest.raises(WorldError, match="dict makes no environment of Gymnasium's, but dict"):
        environment(dict)
    with pytest.raises(WorldError, match="or a class and `batch`"):
        environment([Corridor(), Corridor()])
