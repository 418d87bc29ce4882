"""`python -m bench.world`: environments, buffers and learning beside those of others, in one run.

Contenders of a table take turns, so that whatever else the machine does falls on all of them; a figure is the median of
its turns. Only ratios within one table mean anything. Peers that are not installed are left out:
pip install gymnasium envpool cpprb stable-baselines3
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from ctypes import c_void_p
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.learning import learning, solving
from sqmagic.world import _core, lanes, seqenv
from sqmagic.world.compiler import compiled
from sqmagic.world.declaration import parse
from sqmagic.world.generate import generate

Work = Callable[[], object]
TURNS, SECONDS = 9, 0.03
CSRC = Path(__file__).parent.parent / "csrc"


@dataclass(frozen=True, slots=True)
class Contender:
    """`work` does `size` things at once; `goal` is how many times as many ours must do."""

    name: str
    work: Work
    size: int
    goal: float = 0.0


def table(title: str, ours: Contender, others: list[Contender]) -> None:
    """Prints things a second, and how many times those of others ours are."""
    print(f"\n{title}")
    everyone = [ours, *others]
    counts = [often(c.work) for c in everyone]
    rates: dict[str, list[float]] = {c.name: [] for c in everyone}
    for _ in range(TURNS):
        for contender, count in zip(everyone, counts, strict=True):
            work, start = contender.work, time.perf_counter()
            for _ in range(count):
                work()
            rates[contender.name].append(count * contender.size / (time.perf_counter() - start))
    own = median(rates[ours.name])
    print(f"  {ours.name:<52}{told(own):>10}/s")
    for contender in others:
        rate = median(rates[contender.name])
        goal = (
            f"   goal {contender.goal:g}x: {'reached' if own / rate >= contender.goal else 'MISSED'}"
            if contender.goal
            else ""
        )
        print(f"  {contender.name:<52}{told(rate):>10}/s{own / rate:>10.1f}x{goal}", flush=True)


def often(work: Work) -> int:
    """How often fills a turn."""
    work()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        work()
        count += 1
    return max(count, 1)


def told(rate: float) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rate >= size:
            return f"{rate / size:.3g} {unit}"
    return f"{rate:.3g}"


def cycled(rows: Any, use: Callable[[Any], object]) -> Work:
    """Uses one row after the other, again and again."""
    rows, at = list(rows), [0]

    def work() -> object:
        at[0] = (at[0] + 1) % len(rows)
        return use(rows[at[0]])

    return work


# --- environments --------------------------------------------------------------------------------------


def actions(batch: int, count: int = 64) -> Any:
    return np.random.default_rng(0).integers(0, 2, (count, batch))


def ours(batch: int) -> Contender:
    own = lanes.kind("CartPole")(batch, seed=1)
    own.reset()
    return Contender("sqmagic", cycled(actions(batch), own.step), batch)


def gymnasium_single(goal: float = 0.0) -> Iterator[Contender]:
    with suppress(ImportError):
        import gymnasium

        env = gymnasium.make("CartPole-v1")
        env.reset(seed=1)

        def step(action: Any) -> None:
            _, _, over, cut, _ = env.step(action)
            if over or cut:
                env.reset()

        yield Contender("Gymnasium, one environment", cycled(actions(1)[:, 0], step), 1, goal)


def gymnasium_many(batch: int, mode: str, goal: float = 0.0) -> Iterator[Contender]:
    with suppress(ImportError):
        import gymnasium

        env = gymnasium.make_vec("CartPole-v1", batch, vectorization_mode=mode)
        env.reset(seed=1)
        yield Contender(f"Gymnasium, {mode}", cycled(actions(batch), env.step), batch, goal)


def envpool(batch: int, goal: float = 0.0) -> Iterator[Contender]:
    with suppress(ImportError):
        import envpool as peer

        for threads in (1, 2):
            env = peer.make_gymnasium("CartPole-v1", num_envs=batch, num_threads=threads)
            env.reset()
            yield Contender(
                f"EnvPool, {threads} thread(s)", cycled(actions(batch).astype(np.int32), env.step), batch, goal
            )


def stepping() -> None:
    many = [*gymnasium_many(1024, "vector_entry_point", 30), *envpool(1024, 200), *gymnasium_single()]
    table("CartPole, 1024 environments a call", ours(1024), many)
    some = [*gymnasium_many(64, "vector_entry_point"), *gymnasium_many(64, "sync"), *envpool(64)]
    table("CartPole, 64 environments a call", ours(64), some)
    own = lanes.kind("CartPole")(1, seed=1)
    own.reset()
    given = actions(1, 1024).astype(np.int32)
    several = Contender("sqmagic, one environment, 1024 steps a call", lambda: own.steps(given), 1024)
    table("CartPole, one environment", several, [ours(1), *gymnasium_single(200)])


def scalar(name: str, batch: int) -> Work:
    """An author's environment as it stands: a loop over structs, with the C library's functions."""
    home = CSRC / "environments" / f"{name}.seqenv"
    declared = parse(name, home.read_text(encoding="utf-8"), home.name)
    text = generate(declared).replace("#define SQ_AUTHOR\n", "")
    head = text[: text.index("static const sq_field state_fields")]
    for file in (CSRC / "environments").glob("*.h"):
        head = head.replace(f'#include "{file.name}"', file.read_text(encoding="utf-8"))
    kinds = {"S": "s + i", "A": "a[i]", "R": "&r", "sq_rng": "rng + i", "P": "&p", "O": "o + i * 8"}

    def call(rule: str) -> str:
        found = declared.function(rule)
        assert found is not None, rule
        return f"{rule}({', '.join(kinds[p.removeprefix('const ').removesuffix(' *')] for p in found.parameters)});"

    defaults = ", ".join(repr(p.default) for p in declared.params) or "0"
    loop = f"""
__attribute__((visibility("default")))
void loop(int32_t n, S *s, sq_rng *rng, const A *a, O *o, real *rew, uint8_t *term, int32_t *t) {{
    const P p = {{{defaults}}};
    (void)p;
    for (int32_t i = 0; i < n; i++) {{
        R r = {{0, 0}};
        {call("step")}
        rew[i] = r.reward;
        term[i] = r.terminated;
        if (r.terminated || ++t[i] >= {declared.limit or 1 << 30}) {{
            {call("reset")}
            t[i] = 0;
        }}
        {call("obs")}
    }}
}}
"""
    library = compiled(f"scalar{name}", head + loop, declared.code, home.name)
    run = library.handle.loop
    memory = [np.zeros(batch * 256, np.uint8) for _ in range(6)]
    memory[1].view(np.uint64)[:] = np.random.default_rng(0).integers(0, 2**63, batch * 32) | 1
    real = declared.act.type == "f32"
    given = (actions(batch) * 1.0).astype(np.float32) if real else actions(batch).astype(np.int32)
    state, rng, obs, reward, term, t = (m.ctypes.data_as(c_void_p) for m in memory)
    pointers = [row.ctypes.data_as(c_void_p) for row in given]
    keep = (memory, given)
    return cycled(pointers, lambda row: (keep, run(batch, state, rng, row, obs, reward, term, t))[1])


def lifted(batch: int = 1024) -> None:
    for name in ("CartPole", "Pendulum", "Acrobot", "MountainCar"):
        own = lanes.kind(name)(batch, seed=1)
        own.reset()
        given = actions(batch).astype(np.int32) if own.action.count else (actions(batch) * 1.0).astype(np.float32)
        mine = Contender("sqmagic", cycled(given, own.step), batch)
        goal = 4 if name == "CartPole" else 0
        loop = Contender("the author's C in a loop over structs, -O3 native", scalar(name, batch), batch, goal)
        table(f"{name}: what the generator makes of an author's C", mine, [loop])


def compiling() -> None:
    print("\nA C environment of one's own")
    text = (CSRC / "environments" / "Pendulum.seqenv").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SQMAGIC_CACHE"] = folder
        cold: list[float] = []
        warm: list[float] = []
        for turn in range(5):
            for times in (cold, warm):
                start = time.perf_counter()
                seqenv.define("Pendulum", f"{text}\n// {turn}")
                times.append(1000 * (time.perf_counter() - start))
        del os.environ["SQMAGIC_CACHE"]
    print(f"  {'compiled for the first time, tried, ready':<52}{median(cold):>8.0f} ms")
    print(f"  {'once more':<52}{median(warm):>8.0f} ms")


# --- buffers -------------------------------------------------------------------------------------------

CAPACITY = 131072


def transitions(count: int, shape: tuple[int, ...] = (4,), dtype: str = "float32") -> dict[str, Any]:
    chance = np.random.default_rng(0)
    obs = (chance.random((2, count, *shape)) * (255 if dtype == "uint8" else 1)).astype(dtype)
    return {
        "obs": obs[0],
        "act": chance.integers(0, 2, (count, 1)).astype(np.int32),
        "rew": chance.random((count, 1), np.float32),
        "next_obs": obs[1],
        "done": np.zeros((count, 1), np.float32),
    }


def mine(rows: Mapping[str, Any], capacity: int, alpha: float = -1.0, fill: int = 0) -> Any:
    kinds = [(r.dtype.char, r.itemsize, int(np.prod(r.shape[1:]))) for r in rows.values()]
    buffer = _core.Replay(capacity, kinds, 1, alpha)
    for _ in range(fill or capacity // len(rows["obs"]) + 1):
        buffer.add(*rows.values())
    return buffer


def theirs(rows: Mapping[str, Any], capacity: int, prioritised: bool = False) -> Any:
    import cpprb

    fields = {n: {"shape": r.shape[1:], "dtype": r.dtype} for n, r in rows.items()}
    buffer = (cpprb.PrioritizedReplayBuffer if prioritised else cpprb.ReplayBuffer)(capacity, fields)
    for _ in range(capacity // len(rows["obs"]) + 1):
        buffer.add(**rows)
    return buffer


def cpprb(name: str, make: Callable[[], Work], goal: float = 0.0) -> Iterator[Contender]:
    with suppress(ImportError):
        yield Contender(f"cpprb, {name}", make(), 1, goal)


def stable(rows: Mapping[str, Any], capacity: int, what: str, goal: float = 0.0) -> Iterator[Contender]:
    with suppress(ImportError):
        from gymnasium.spaces import Box, Discrete
        from stable_baselines3.common.buffers import ReplayBuffer

        shape, kind = rows["obs"].shape[1:], rows["obs"].dtype
        space = Box(0, 255 if kind == np.uint8 else 1, shape, kind.type)
        n = len(rows["obs"])
        buffer = ReplayBuffer(capacity, space, Discrete(2), device="cpu", n_envs=n, handle_timeout_termination=False)
        given: tuple[Any, ...] = (
            rows["obs"],
            rows["next_obs"],
            rows["act"],
            rows["rew"][:, 0],
            rows["done"][:, 0],
            [{}] * n,
        )
        for _ in range(capacity // n + 1):
            buffer.add(*given)
        works: dict[str, Work] = {"add": partial(buffer.add, *given), "sample": partial(buffer.sample, 256)}
        yield Contender(f"stable-baselines3, {what}", works[what], 1, goal)


def outputs(rows: Mapping[str, Any]) -> list[Any]:
    return [np.zeros((256, *r.shape[1:]), r.dtype) for r in rows.values()]


def buffers() -> None:
    from sqmagic.runtime.replay import Buffer

    rows = transitions(64)
    own, outs, slots = mine(rows, CAPACITY), outputs(rows), np.zeros(256, np.int64)
    add = Contender("sqmagic, add", partial(own.add, *rows.values()), 1)
    peers = [
        *cpprb("add", lambda: partial(theirs(rows, CAPACITY).add, **rows), 50),
        *stable(rows, CAPACITY, "add"),
    ]
    table("Buffer: 64 transitions added, calls", add, peers)
    import torch

    tensors = Buffer(CAPACITY, 256)
    for _ in range(CAPACITY // 64 + 1):
        tensors.add(*(torch.from_numpy(r) for r in rows.values()))
    peers = [
        *cpprb("sample", lambda: partial(theirs(rows, CAPACITY).sample, 256), 30),
        *stable(rows, CAPACITY, "sample"),
        Contender("sqmagic, sample into a draw's tensors", partial(tensors.get, out=tensors.get()), 1),
        Contender("sqmagic, sample as new tensors", tensors.get, 1),
    ]
    sample = Contender("sqmagic, sample", partial(own.sample, slots, *outs), 1)
    table("Buffer: 256 transitions drawn uniformly, calls", sample, peers)
    preferred(rows, outs, slots)
    frames(slots)


def preferred(rows: Mapping[str, Any], outs: list[Any], slots: Any) -> None:
    own, weights = mine(rows, CAPACITY, 0.6), np.zeros(256, np.float32)
    priorities = np.random.default_rng(0).random(256, np.float32) + np.float32(0.01)

    def draw() -> None:
        own.prefer(slots, weights, 0.4)
        own.gather(slots, *outs)

    def both() -> None:
        draw()
        own.update(slots, priorities)

    def pair() -> Work:
        peer = theirs(rows, CAPACITY, True)

        def work() -> None:
            drawn = peer.sample(256, 0.4)
            peer.update_priorities(drawn["indexes"], priorities)

        return work

    def update() -> Work:
        peer = theirs(rows, CAPACITY, True)
        indexes = [peer.sample(256, 0.4)["indexes"].astype(np.uint64) for _ in range(64)]
        return cycled(indexes, lambda chosen: peer.update_priorities(chosen, priorities))

    both()
    table(
        "Buffer: 256 drawn by priority, and their priorities changed",
        Contender("sqmagic", both, 1),
        [*cpprb("both", pair, 12)],
    )
    chosen = []
    for _ in range(64):
        own.prefer(slots, weights, 0.4)
        chosen.append(slots.copy())
    only = Contender("sqmagic", cycled(chosen, lambda some: own.update(some, priorities)), 1)
    table("Buffer: 256 priorities changed", only, [*cpprb("update", update, 1)])


def pictures(rows: Mapping[str, Any], capacity: int, goal: float) -> list[Contender]:
    return [
        *cpprb("sample", lambda: partial(theirs(rows, capacity).sample, 256), goal),
        *stable(rows, capacity, "sample"),
    ]


def frames(slots: Any) -> None:
    """Pictures, and stacks of four pictures of which each is stored once: less memory is gone through."""
    capacity, rows = 16384, transitions(64, (84, 84), "uint8")
    own = mine(rows, capacity)
    one = Contender("sqmagic", partial(own.sample, slots, *outputs(rows)), 1)
    table("Buffer: 256 pictures of 84 x 84 drawn, with what follows", one, pictures(rows, capacity, 1.2))
    del own, one
    capacity, rows = 4096, transitions(64, (4, 84, 84), "uint8")
    once = _core.Replay(capacity, [("B", 1, 7056), ("i", 4, 1), ("f", 4, 1), ("B", 1, 1), ("B", 1, 1)], 1)
    none = np.zeros(64, np.uint8)
    for _ in range(capacity // 64 + 1):
        once.add(rows["obs"][:, 0].copy(), rows["act"], rows["rew"], none, none)
    five = np.zeros((256, 5, 84, 84), np.uint8)
    act, rew, over = (np.zeros((256, 1), t) for t in (np.int32, np.float32, np.uint8))

    def whole() -> None:
        once.whole(slots, 3, 4)
        once.gather(slots, None, act, rew, over, None)
        once.stacked(slots, 0, 4, five)

    stacks = Contender("sqmagic, each picture stored once", whole, 1)
    table("Buffer: 256 stacks of four such pictures, with what follows", stacks, pictures(rows, capacity, 0))


def main(parts: list[str]) -> None:
    from sqmagic.world.lanes import instruction_sets

    print(
        f"Python {platform.python_version()}, {platform.machine()}, {instruction_sets()[0]}; medians of {TURNS} turns"
    )
    every = {"stepping": stepping, "lifted": lifted, "compiling": compiling, "buffers": buffers}
    every |= {"learning": learning, "solving": solving}
    for part in parts or every:
        every[part]()


if __name__ == "__main__":
    main(sys.argv[1:])
