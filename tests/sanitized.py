"""A million random steps of every environment, every operation of a buffer, and the wires of generated programs: what
`make sanitize` runs with extensions that were built with the address and undefined-behaviour sanitizers, which end the
process at the first fault.

    python tests/sanitized.py EXTENSION STEPS
"""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

EXTENSION, STEPS = sys.argv[1], int(sys.argv[2])


def put(name: str, path: str) -> None:
    """In place of the one that is installed."""
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None, path
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


put("sqmagic.world._core", EXTENSION)
put("sqmagic.board.layout._wires", str(Path(EXTENSION).parents[1] / "board/layout/_wires.abi3.so"))

from boards import generated  # noqa: E402

from sqmagic.board.layout.scene import scene  # noqa: E402
from sqmagic.world import _core, lanes  # noqa: E402
from sqmagic.world.spaces import Array  # noqa: E402

LANES, OFTEN = 61, 16  # not a power of two, so that rows have lanes which are not used


def actions(own: lanes.Lanes, steps: int, chance: np.random.Generator) -> Array:
    if own.action.count:
        return chance.integers(0, own.action.count, (steps, own.batch), np.int32)
    return chance.normal(size=(steps, own.batch, *own.action.shape)).astype(np.float32)


def environment(name: str, isa: str, steps: int) -> None:
    precision = "float64" if isa == "float64" else "float32"
    own = lanes.kind(name, precision, None if precision == "float64" else isa)(LANES, seed=steps)
    chance, record = np.random.default_rng(steps), own.recorder(OFTEN)
    own.reset()
    for turn in range(steps // (LANES * (OFTEN + 1)) + 1):
        own.steps(actions(own, OFTEN, chance), record)
        own.step(actions(own, 1, chance)[0].astype(np.int64 if own.action.count else np.float64))
        if turn % 64 == 0:
            own.load(own.save())
            own.reset(mask=chance.random(LANES) < 0.5)
            own.draw(turn % LANES, 40, 60)
    assert np.isfinite(own.obs).all() and own.statistics["steps"] >= steps


def buffer(rounds: int) -> None:
    chance = np.random.default_rng(rounds)
    for alpha in (-1.0, 0.6):
        own = _core.Replay(1000, [("f", 4, 4), ("B", 1, 9), ("f", 4, 1), ("B", 1, 1), ("B", 1, 1)], 1, alpha)
        slots, weights, returns = np.zeros(300, np.int64), np.zeros(300, np.float32), np.zeros(300, np.float32)
        outs = [
            np.zeros((300, 4), np.float32),
            np.zeros((300, 3, 3), np.uint8),
            weights.copy(),
            *np.zeros((2, 300), np.uint8),
        ]
        for _ in range(rounds):
            cut = (chance.random(8) < 0.1).astype(np.uint8)
            rows = np.asfortranarray(chance.random((8, 4), np.float32))
            own.add(rows, np.ones((3, 3, 8), np.uint8).T, chance.random(8, np.float32), cut & 1, cut)
            own.sample(slots, *outs)
            if alpha >= 0:
                own.prefer(slots, weights, 0.4)
                own.update(slots, chance.random(300, np.float32) + np.float32(0.01))
            own.gather(slots, *outs)
            own.follow(slots, 3, 0.9, 2, 3, 4, returns, slots.copy(), weights)
            own.stacked(slots, 1, 4, np.zeros((300, 4, 3, 3), np.uint8))


def main(steps: int) -> None:
    for isa in (*lanes.instruction_sets(), "float64"):
        own = steps if isa in ("float64", lanes.instruction_sets()[0]) else steps // 10
        for name in lanes.names():
            environment(name, isa, own)
        print(f"{isa}: {own} steps of each of {len(lanes.names())} environments", flush=True)
    buffer(2000)
    print("buffers")
    for seed in range(40):
        assert scene(generated(seed), {}, ("all",)).parts
    print("wires")


if __name__ == "__main__":
    main(STEPS)
