"""Environments in C: what they compute, that each is its own whatever the batch, and that mistakes harm nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sqmagic.world import lanes
from sqmagic.world.errors import WorldError
from sqmagic.world.lanes import Lanes
from sqmagic.world.pictures import Film
from sqmagic.world.spaces import Array

NAMES = lanes.names()


def actions(own: Lanes, steps: int, seed: int = 0) -> Array:
    chance = np.random.default_rng(seed)
    if own.action.count:
        return chance.integers(0, own.action.count, (steps, own.batch), np.int32)
    return chance.normal(size=(steps, own.batch, *own.action.shape)).astype(np.float32)


def run(own: Lanes, given: Array) -> list[tuple[Array, ...]]:
    own.reset()
    seen = []
    for row in given:
        own.step(row)
        seen.append(tuple(x.copy() for x in (own.obs, own.final, own.reward, own.terminated, own.truncated)))
    return seen


def same(a: list[tuple[Array, ...]], b: list[tuple[Array, ...]], first: int = 0, count: int | None = None) -> bool:
    return all(
        np.array_equal(x[first : first + (count or len(x))], y[: count or len(y)])
        for left, right in zip(a, b, strict=True)
        for x, y in zip(left, right, strict=True)
    )


# --- each environment is its own -------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_does_not_depend_on_the_batch_that_it_is_in(name: str) -> None:
    own = lanes.kind(name)(64, seed=5)
    given = actions(own, 80)
    whole = run(own, given)
    assert same(whole, run(lanes.kind(name)(8, seed=5), given[:, :8]), 0, 8)
    assert same(whole, run(lanes.kind(name)(5, seed=5, first_id=32), given[:, 32:37]), 32, 5)
    assert same(whole, run(lanes.kind(name)(64, seed=5, threads=3), given))
    assert not same(whole, run(lanes.kind(name)(64, seed=6), given)) or name in ("Chain", "CliffWalking")


@pytest.mark.parametrize("name", NAMES)
def test_every_instruction_set_computes_the_same_bits(name: str) -> None:
    made = [lanes.kind(name, isa=isa)(33, seed=2) for isa in lanes.instruction_sets()]
    given = actions(made[0], 60)
    runs = [run(own, given) for own in made]
    assert all(same(runs[0], other) for other in runs[1:])


@pytest.mark.parametrize("name", NAMES)
def test_several_steps_in_one_call_are_the_same_steps(name: str) -> None:
    own, other = (lanes.kind(name)(7, seed=1) for _ in range(2))
    given = actions(own, 40)
    seen = run(own, given)
    other.reset()
    record = other.recorder(40)
    other.steps(given, record)
    parts = (record.obs, record.final, record.reward, record.terminated, record.truncated)
    assert all(np.array_equal(step[k], parts[k][j]) for j, step in enumerate(seen) for k in range(5))
    assert np.array_equal(other.obs, own.obs) and other.statistics == own.statistics


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_state_has_one_future(name: str) -> None:
    own = lanes.kind(name)(4, seed=9)
    given = actions(own, 30)
    run(own, given[:10])
    saved, futures = own.save(), []
    for _ in range(2):
        own.load(saved)
        futures.append([(own.step(row), own.obs.copy(), own.reward.copy())[1:] for row in given[10:]])
    assert same(*futures)


@pytest.mark.parametrize("name", NAMES)
def test_float32_follows_the_reference_from_equal_states(name: str) -> None:
    fast, exact = lanes.kind(name)(32, seed=4), lanes.kind(name, "float64")(32, seed=4)
    given = actions(fast, 50)
    fast.reset()
    exact.reset()
    for row in given:
        for part, values in fast.state.items():
            exact.state[part][...] = values
        fast.step(row)
        exact.step(row)
        sure = ~(exact.terminated ^ fast.terminated)  # at the very edge the two may differ in the last digit
        assert sure.mean() > 0.96
        assert np.allclose(fast.final[sure], exact.final[sure], atol=1e-5, rtol=1e-5)
        assert np.allclose(fast.reward[sure], exact.reward[sure], atol=1e-4)
        if not sure.all():
            exact.load(exact.save())
            for part, values in fast.state.items():
                exact.state[part][...] = values


@pytest.mark.parametrize("name", NAMES)
def test_what_is_seen_lies_within_its_bounds(name: str) -> None:
    own = lanes.kind(name)(16, seed=3)
    run(own, actions(own, 300))
    space = own.observation
    for seen in (own.obs, own.final):
        assert seen.shape == (16, *space.shape) and seen.dtype == space.dtype
        assert (seen >= space.low).all() and (seen <= space.high).all()


# --- episodes --------------------------------------------------------------------------------------


def test_an_episode_begins_anew_in_the_step_that_ends_it() -> None:
    own = lanes.kind("RandomWalk5")(64, seed=1)
    own.reset()
    for _ in range(50):
        own.step(np.zeros(64, np.int32))
        over = own.terminated
        assert not own.truncated.any()
        assert (own.obs[over].argmax(1) == 2).all() and not own.final[over].any()
        assert np.array_equal(own.obs[~over], own.final[~over])
        assert (own.t[over] == 0).all() and (own.ended_length[over] >= 3).all()
        assert np.array_equal(own.ended_return[over], own.reward[over])
    assert own.statistics["episodes"] > 100 and own.statistics["steps"] == 64 * 50


def test_termination_wins_over_the_limit_in_the_last_step() -> None:
    own = lanes.kind("Catch")(8, seed=1, limit=9)
    run(own, actions(own, 9))
    assert own.terminated.all() and not own.truncated.any()
    cut = lanes.kind("Catch")(8, seed=1, limit=8)
    run(cut, actions(cut, 8))
    assert cut.truncated.all() and not cut.terminated.any()


def test_statistics_keep_the_last_hundred_episodes_in_order() -> None:
    own = lanes.kind("MemoryLength")(16, seed=1, length=3)
    own.reset()
    returns = []
    for row in actions(own, 80):
        own.step(row)
        returns += list(own.ended_return[own.terminated])
    told = own.statistics
    assert told["episodes"] == len(returns) == 16 * 20
    assert told["last_returns"] == returns[-100:] and told["return_sum"] == sum(returns)
    assert told["last_lengths"] == [4.0] * 100


def test_a_mask_resets_some_and_leaves_the_others() -> None:
    own = lanes.kind("CartPole")(8, seed=1)
    run(own, actions(own, 5))
    before, mask = own.obs.copy(), np.arange(8) % 2 == 0
    own.reset(mask=mask)
    assert (own.obs[mask] != before[mask]).all() and np.array_equal(own.obs[~mask], before[~mask])
    assert (own.t == np.where(mask, 0, 5)).all()


def test_parameters_and_limit_are_the_users() -> None:
    weak, strong = (lanes.kind("CartPole")(1, seed=1, force=force, limit=3) for force in (1.0, 20.0))
    for own in (weak, strong):
        own.reset()
        own.step(np.ones(1, np.int32))
    assert strong.final[0, 1] > weak.final[0, 1] and weak.limit == 3
    with pytest.raises(WorldError, match="has no parameter `forces`; it has gravity"):
        lanes.kind("CartPole")(1, forces=1.0)


# --- what is known of them ---------------------------------------------------------------------------


def rewarded(
    name: str, choose: Callable[[Array], Array], batch: int = 512, steps: int = 600, **options: float
) -> float:
    """The mean return of a policy over the episodes that ended."""
    own = lanes.kind(name)(batch, seed=11, **options)
    seen = own.reset()
    for _ in range(steps):
        own.step(choose(seen))
        seen = own.obs
    told = own.statistics
    assert told["episodes"] >= batch
    return float(told["return_sum"] / told["episodes"])


def always(action: int) -> Callable[[Array], Array]:
    return lambda seen: np.full(len(seen), action)


def random(count: int) -> Callable[[Array], Array]:
    chance = np.random.default_rng(3)
    return lambda seen: chance.integers(0, count, len(seen))


def caught(seen: Array) -> Array:
    """Goes to below the ball."""
    ball = seen[:, 0, :9].any(1).argmax(1)
    return np.sign(ball - seen[:, 0, 9].argmax(1)) + 1


def bounced(seen: Array) -> Array:
    """Stays below the place where the ball will be."""
    ball, was, paddle = (seen[:, k].any(1).argmax(1) for k in (1, 2, 0))
    return np.sign(np.clip(2 * ball - was, 0, 9) - paddle) + 1


def along_the_cliff(seen: Array) -> Array:
    place = seen.argmax(1)
    return np.where(place == 36, 0, np.where(place % 12 == 11, 2, 1))


def straight(seen: Array) -> Array:
    """Through a corridor and then always the same way."""
    return np.where((seen == (0, 1, 0)).all(1), 2, 1)


def upright(seen: Array) -> Array:
    return (seen @ np.array([0.1, 0.5, 10.0, 2.0], np.float32) > 0).astype(np.int64)


KNOWN = [
    ("RandomWalk5", always(0), 3 / 6, 0.05),
    ("RandomWalk19", always(0), 0.0, 0.1),
    ("Bandit", always(9), 0.82, 0.01),
    ("Bandit", always(0), 0.1, 0.01),
    ("Chain", always(1), 12.0, 1e-5),
    ("CliffWalking", along_the_cliff, -13.0, 1e-6),
    ("Catch", caught, 1.0, 1e-6),
    ("Catch", random(3), -0.6, 0.03),
    ("TMaze", straight, 1.95, 0.15),
    ("MemoryLength", random(2), 0.0, 0.03),
    ("RepeatPrevious", random(4), -0.5, 0.01),
    ("CartPole", random(2), 22.0, 0.5),
    ("CartPole", upright, 500.0, 1e-6),
    ("MountainCar", lambda s: np.where(s[:, 1] < 0, 0, 2), -119.0, 3.0),
    ("MountainCar", always(1), -200.0, 1e-6),
    ("Pendulum", lambda s: np.zeros((len(s), 1), np.float32), -1220.0, 60.0),
    ("FrozenLake", random(4), 0.0139, 0.004),
    ("Breakout", random(3), 0.41, 0.1),
]


@pytest.mark.parametrize(("name", "policy", "value", "near"), KNOWN)
def test_policies_return_what_is_known(name: str, policy: Callable[[Array], Array], value: float, near: float) -> None:
    assert abs(rewarded(name, policy) - value) <= near


def test_who_follows_the_ball_never_loses_it() -> None:
    own = lanes.kind("Breakout")(32, seed=1)
    seen, total = own.reset(), 0.0
    for _ in range(2000):
        own.step(bounced(seen))
        seen, total = own.obs, total + own.reward.sum()
        assert not own.terminated.any()
    assert total > 32 * 60


def test_the_grid_has_the_values_of_the_book() -> None:
    """Sutton and Barto 2018, figures 3.2 and 3.5: iterated over the environment's own steps."""
    own = lanes.kind("GridWorld")(32)
    own.reset()
    reward, after = np.zeros((25, 4)), np.zeros((25, 4), int)
    for action in range(4):
        own.state["place"][:25] = np.arange(25)
        own.step(np.full(32, action))
        reward[:, action], after[:, action] = own.reward[:25], own.final[:25].argmax(1)
    even, best = np.zeros(25), np.zeros(25)
    for _ in range(300):
        even = (reward + 0.9 * even[after]).mean(1)
        best = (reward + 0.9 * best[after]).max(1)
    assert np.allclose(even[:5], [3.3, 8.8, 4.4, 5.3, 1.5], atol=0.05)
    assert np.allclose(best[:5], [22.0, 24.4, 22.0, 19.4, 17.5], atol=0.05)


def test_chance_is_even_over_environments() -> None:
    own = lanes.kind("Pendulum")(4096, seed=1)
    own.reset()
    for part, half in (("theta", np.pi), ("theta_dot", 1.0)):
        drawn = own.state[part] / half
        assert abs(drawn.mean()) < 0.05 and abs((drawn**2).mean() - 1 / 3) < 0.02
    assert abs(np.corrcoef(own.state["theta"][:-1], own.state["theta"][1:])[0, 1]) < 0.05
    assert len(np.unique(own.state["theta"])) > 4000


# --- mistakes ----------------------------------------------------------------------------------------

BAD = [
    (np.array([0, 1, 2, 0]), ValueError, "has the actions 0 to 1; environment 2 was given 2"),
    (np.array([0, -1, 0, 0], np.int8), ValueError, "environment 1 was given -1"),
    (np.array([0, 1, 2**40, 0]), ValueError, "environment 2 was given"),
    (np.array([0.0, 1.0, 0.0, 0.0]), TypeError, "takes whole numbers as actions"),
    (np.zeros(3, np.int32), ValueError, "takes 4 actions, one for each environment"),
    (np.zeros((4, 2), np.int32), ValueError, "takes 4 actions"),
    (np.array(0), ValueError, "takes 4 actions"),
    ("left", TypeError, "takes an array of whole numbers as actions, not `str`"),
]


@pytest.mark.parametrize(("given", "error", "words"), BAD)
def test_a_bad_action_moves_nothing(given: Array, error: type[Exception], words: str) -> None:
    own = lanes.kind("CartPole")(4, seed=1)
    with pytest.raises(RuntimeError, match="reset"):
        own.step(np.zeros(4, np.int32))
    own.reset()
    before = own.save()
    with pytest.raises(error, match=words):
        own.step(given)
    assert own.save() == before
    own.step(np.zeros(4, np.int32))
    assert (own.t == 1).all()


def test_real_actions_must_be_numbers() -> None:
    own = lanes.kind("Pendulum")(2, seed=1)
    own.reset()
    for wrong in (np.array([0.0, np.nan], np.float32), np.array([np.nan, 0.0])):
        with pytest.raises(ValueError, match="was given nan"):
            own.step(wrong)
    with pytest.raises(TypeError, match="real numbers"):
        own.step(np.zeros(2, np.int32))
    own.step(np.zeros((2, 1)))
    assert (own.t == 1).all()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint32", "uint64", "bool"])
def test_actions_of_any_whole_type_mean_the_same(dtype: str) -> None:
    given = np.random.default_rng(0).integers(0, 2, (20, 6))
    own = lanes.kind("CartPole")(6, seed=1)
    every_second = np.zeros((20, 12), dtype)
    every_second[:, ::2] = given
    assert same(run(own, given), run(lanes.kind("CartPole")(6, seed=1), every_second[:, ::2]))


def test_two_threads_cannot_share_lanes() -> None:
    """Whoever comes second is told so, and every step that was made was made once."""
    own = lanes.kind("Acrobot")(16384, seed=1)
    own.reset()
    row, wrong = np.ones(16384, np.int64), np.full(16384, 7)

    def work() -> int:
        done = 0
        for turn in range(60):
            try:
                own.core.step(row if turn % 3 else wrong)
                done += 1
            except (RuntimeError, ValueError) as told:
                assert "another thread" in str(told) or turn % 3 == 0
        return done

    with ThreadPoolExecutor(4) as workers:
        done = sum(f.result() for f in [workers.submit(work) for _ in range(4)])
    assert own.statistics["steps"] == 16384 * done and done >= 40


def test_what_there_is_not_is_named() -> None:
    with pytest.raises(WorldError, match="there is no environment `Cartpole`; there are Acrobot"):
        lanes.kind("Cartpole")
    with pytest.raises(ValueError, match="between 1 and"):
        lanes.kind("CartPole")(0)
    own = lanes.kind("CartPole")(4)
    own.reset()
    own.core.act(np.zeros(4, np.int32))
    for first, end in ((0, 5), (1, 4), (4, 4)):
        with pytest.raises(IndexError):
            own.core.move(first, end)
    own.core.move(0, 4)
    own.step(np.zeros(4, np.int32))
    with pytest.raises(RuntimeError, match="comes before the first move"):
        own.core.move(0, 4)


def test_memory_outlives_its_environment() -> None:
    own = lanes.kind("CartPole")(16, seed=1)
    seen = own.reset()
    kept = seen.copy()
    del own
    assert np.array_equal(seen, kept)


# --- pictures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_environment_can_be_drawn(name: str) -> None:
    own = lanes.kind(name)(2, seed=1)
    own.reset()
    picture = own.draw(1, 60, 90)
    assert picture.shape == (60, 90, 3) and picture.dtype == np.uint8 and picture.min() < 230 < picture.max()


def test_a_film_is_an_animated_picture() -> None:
    frames = tuple(np.full((4, 6, 3), shade, np.uint8) for shade in (0, 100, 200))
    film = Film(frames, said="grey")
    data = film.png()
    assert data.startswith(b"\x89PNG") and data.count(b"fcTL") == 3 and data.count(b"fdAT") == 2
    assert film._repr_mimebundle_()["text/html"].startswith("<p><img src=")
