"""Learning beside stable-baselines3, one thread each, by CPU time: `python -m bench.world learning` and `solving`.

A2C makes steps (windows of 16 on 16 environments in C, on 256 by torch; 5 on 8 there, which are its tuned settings),
Q-learning gradients (64 transitions each; ours acts and fills its buffer besides). Both have two layers of 64.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

import sqmagic
from bench.solving import GAE, advantages
from sqmagic.runtime.net import Net
from sqmagic.runtime.windows.engine import SWITCH

TURNS = 5

DQN = """
B : buffer(50000, batch=64)
reset() -> S_0, O_0
O_t --[Q_1|relu|Q_2|relu|Q_3]-> q_t
eps_greedy(q_t, eps=0.05) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t)
Get_B() -> o, b, u, n, e
o --[Q_1|relu|Q_2|relu|Q_3]-> p
n --[target(Q_1|relu|Q_2|relu|Q_3, tau=0.005)]-> w
p[b] ==[huber]=> u + 0.99*max(w)*(1-e)
"""


@dataclass(frozen=True, slots=True)
class Learner:
    """`work` makes `size` steps or gradients; ours must make `goal` times as many a CPU-second as stable-baselines3."""

    name: str
    work: Callable[[], object]
    size: int
    goal: float = 0.0


def compared(title: str, ours: list[Learner], theirs: list[Learner]) -> None:
    """Prints things a CPU-second, the median of turns, and how many times those of the other ours are."""
    everyone = [*ours, *theirs]
    rates: dict[str, list[float]] = {each.name: [] for each in everyone}
    for turn in range(TURNS + 1):
        for each in everyone:
            start = time.process_time()
            each.work()
            if turn:
                rates[each.name].append(each.size / (time.process_time() - start))
    print(f"\n{title}")
    for each in theirs:
        print(f"  {each.name:<52}{median(rates[each.name]):>12,.0f}/CPU-s")
    for each in ours:
        own = median(rates[each.name])
        line = f"  {each.name:<52}{own:>12,.0f}/CPU-s"
        for other in theirs:
            ratio = own / median(rates[other.name])
            reached = "reached" if ratio >= each.goal else "MISSED"
            line += f"{ratio:>8.1f}x   goal {each.goal:g}x: {reached}"
        print(line, flush=True)


@contextmanager
def path(which: str) -> Iterator[None]:
    """Windows in C, or by torch."""
    former = os.environ.get(SWITCH)
    os.environ[SWITCH] = which
    try:
        yield
    finally:
        del os.environ[SWITCH]
        if former is not None:
            os.environ[SWITCH] = former


def learner(name: str, text: str, which: str, steps: int, settings: dict[str, Any], size: int, goal: float) -> Learner:
    torch.manual_seed(0)
    net: Net = sqmagic.compile(text, env="CartPole")
    with path(which):
        net.train_on(steps=steps, seed=0, progress=False, **settings)
    more = {key: value for key, value in settings.items() if key != "batch"}

    def work() -> None:
        with path(which):
            net.train_on(steps=steps, progress=False, **more)

    return Learner(name, work, size, goal)


def learning() -> None:
    torch.set_num_threads(1)
    own = [
        learner(f"sqmagic, {name}", GAE, name, steps, {"batch": batch, "horizon": 16, "lr": 3e-3}, steps, goal)
        for name, batch, steps, goal in (("torch", 256, 4096 * 4, 25), ("C", 16, 1024 * 128, 120))
    ]
    compared("A2C on CartPole, steps", own, list(their_a2c()))
    own = [
        learner(f"sqmagic, {name}", DQN, name, 8 * count, {"batch": 8, "horizon": 1, "lr": 5e-4}, count, goal)
        for name, count, goal in (("torch", 200, 0), ("C", 4000, 25))
    ]
    compared("Q-learning on CartPole, gradients", own, list(their_dqn()))


def their_a2c() -> Iterator[Learner]:
    with suppress(ImportError):
        from stable_baselines3 import A2C
        from stable_baselines3.common.env_util import make_vec_env

        model = A2C("MlpPolicy", make_vec_env("CartPole-v1", n_envs=8, seed=0), seed=0, device="cpu", ent_coef=0.0)
        steps = 4000
        yield Learner("stable-baselines3", lambda: model.learn(steps, reset_num_timesteps=False), steps)


def their_dqn() -> Iterator[Learner]:
    with suppress(ImportError):
        from stable_baselines3 import DQN as Theirs

        layers = {"net_arch": [64, 64]}
        model = Theirs("MlpPolicy", "CartPole-v1", seed=0, device="cpu", batch_size=64, policy_kwargs=layers)
        model.learn(1000)
        yield Learner("stable-baselines3, train()", lambda: model.train(200, 64), 200)


# --- solving -------------------------------------------------------------------------------------


def solving(first: int = 7000, count: int = 5, others: int = 3) -> None:
    """CPU time until the mean return of a hundred episodes is 475."""
    torch.set_num_threads(1)
    own = [taken for seed in range(first, first + count) for steps, taken, _ in [advantages(seed)] if steps]
    print("\nA2C solves CartPole, CPU-seconds (median)")
    print(f"  {f'sqmagic, {len(own)} of {count} seeds':<52}{median(own):>12.2f}")
    theirs = list(their_times(others))
    if theirs:
        ratio = median(theirs) / median(own)
        told = f"stable-baselines3, {len(theirs)} seeds"
        reached = "reached" if ratio >= 50 else "MISSED"
        print(f"  {told:<52}{median(theirs):>12.2f}{ratio:>8.1f}x   goal 50x: {reached}", flush=True)


def their_times(count: int) -> Iterator[float]:
    with suppress(ImportError):
        from stable_baselines3 import A2C
        from stable_baselines3.common.env_util import make_vec_env

        def unsolved(seen: dict[str, Any], _: dict[str, Any]) -> bool:
            last = [episode["r"] for episode in seen["self"].ep_info_buffer or ()]
            return len(last) < 100 or sum(last) / len(last) < 475

        for seed in range(count):
            envs = make_vec_env("CartPole-v1", n_envs=8, seed=seed)
            model = A2C("MlpPolicy", envs, seed=seed, device="cpu", ent_coef=0.0)
            start = time.process_time()
            model.learn(500_000, callback=unsolved)
            yield time.process_time() - start
