"""`python -m bench.solving [seeds]`: whether programs solve CartPole, over fresh seeds, and what that takes.

A2C with generalised advantages acts until the mean return of a hundred episodes is 475, which is when the environment
counts as solved; it goes on to the end of its budget, its learning rate falling to 0, and is judged without chance on a
hundred episodes. Q-learning goes through its whole budget. CPU time is that of the process, one thread.
"""

from __future__ import annotations

import sys
import time
from statistics import mean, median

import torch

import sqmagic

GAE = """
0.99 -> gamma
0.95 -> lam
reset() -> S_0, O_0
O_t --[P_1|tanh|P_2|tanh|P_3|softmax]-> pi_t
sample(pi_t) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
O_t --[V_1|tanh|V_2|tanh|V_3]-> V_t
O'_t --[V_1|tanh|V_2|tanh|V_3]-> W_t
0.1*r_t + gamma*W_t*(1-d_t) - V_{t-1} -> TD_t
TD_t + gamma*lam*A_{t+1}*(1-cut_t) -> A_t
V_{t-1} => A_t + V_{t-1}
pi_{t-1} $ A_t * log(pi_{t-1}[a_{t-1}]) + 0.01*entropy(pi_{t-1})
"""
DQN = """
B : buffer(20000, batch=128, steps=3, gamma=0.99)
reset() -> S_0, O_0
O_t --[Q_1|relu|Q_2|relu|Q_3]-> q_t
eps_greedy(q_t, eps=0.05) -> a_t
S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t
Add_B(O_{t-1}, a_{t-1}, r_t, O'_t, d_t, cut_t)
Get_B() -> o, b, u, n, e, c, g
o --[Q_1|relu|Q_2|relu|Q_3]-> p
n --[Q_1|relu|Q_2|relu|Q_3]-> z
n --[target(Q_1|relu|Q_2|relu|Q_3, tau=0.005)]-> w
p[b] ==[huber]=> 0.1*u + g*w[argmax(z)]
"""
BUDGET, RATE = 1_000_000, 3e-3
FRESH = 3000
"""The first seed; none from here on was looked at when the settings were chosen."""


def advantages(seed: int) -> tuple[int, float, float]:
    """Steps and CPU seconds until it is solved, and the mean return afterwards without chance."""
    torch.manual_seed(seed)
    net = sqmagic.compile(GAE, env="CartPole")
    start = time.process_time()
    history = net.train_on(
        steps=BUDGET, batch=32, horizon=16, lr=lambda done: RATE * (1 - done), seed=seed, until=475, progress=False
    )
    took, steps = time.process_time() - start, history.steps
    if history.recent() < 475:
        return 0, took, mean(net.play(episodes=100, batch=100, seed=seed + 1))
    left = BUDGET - steps
    net.train_on(steps=left, horizon=16, lr=lambda done: RATE * left / BUDGET * (1 - done), progress=False)
    return steps, took, mean(net.play(episodes=100, batch=100, seed=seed + 1))


def values(seed: int) -> tuple[int, float, float]:
    """The same for Q-learning, which goes through all its steps."""
    torch.manual_seed(seed)
    net = sqmagic.compile(DQN, env="CartPole")
    start = time.process_time()
    history = net.train_on(
        steps=100_000, batch=8, horizon=1, lr=lambda done: 5e-4 * (1 - done), warmup=1000, seed=seed, progress=False
    )
    took = time.process_time() - start
    return history.steps, took, mean(net.play(episodes=100, batch=100, seed=seed + 1))


def main(seeds: int) -> None:
    torch.set_num_threads(1)
    for name, solve, count in (("A2C with GAE", advantages, seeds), ("Q-learning", values, seeds // 2)):
        found = []
        for seed in range(FRESH, FRESH + count):
            found.append(solve(seed))
            steps, took, after = found[-1]
            print(f"{name}, seed {seed}: {steps:>9,} steps, {took:6.2f} CPU-s, afterwards {after:.1f}", flush=True)
        good = [each for each in found if each[0] and each[2] >= 450]
        told = f"{name}: {len(good)} of {count} solved"
        if good:
            told += f"; median {median(s for s, _, _ in good):,.0f} steps and {median(t for _, t, _ in good):.2f} CPU-s"
        print(told, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
