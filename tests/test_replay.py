"""Buffers: what goes in comes out, whatever way it lay in memory, as often as it should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sqmagic.runtime.replay import Buffer
from sqmagic.world import _core
from sqmagic.world.errors import WorldError
from sqmagic.world.spaces import Array


def plain(capacity: int, numbers: int = 1, alpha: float = -1.0) -> Any:
    return _core.Replay(capacity, [("f", 4, numbers)], 3, alpha)


def stored(buffer: Any, numbers: int = 1) -> Array:
    out = np.zeros((buffer.size, numbers), np.float32)
    if buffer.size:
        buffer.gather(np.arange(buffer.size), out)
    return out


@given(st.integers(1, 40), st.lists(st.integers(1, 12), max_size=12))
def test_a_ring_keeps_the_newest(capacity: int, rows: list[int]) -> None:
    buffer, expected, at, next_number = plain(capacity), np.full(capacity, -1.0), 0, 0.0
    for count in (r for r in rows if r <= capacity):
        numbers = np.arange(next_number, next_number + count, dtype=np.float32)
        buffer.add(numbers)
        for number in numbers:
            expected[at % capacity] = number
            at += 1
        next_number += count
    assert buffer.size == min(at, capacity) and buffer.at == at % capacity
    assert np.array_equal(stored(buffer)[:, 0], expected[: buffer.size])


@pytest.mark.parametrize("lay", ["C", "F", "reversed", "wide"])
def test_arrays_may_lie_in_any_way(lay: str) -> None:
    rows = np.random.default_rng(0).random((6, 3, 5), np.float32)
    wide = np.zeros((6, 3, 10), np.float32)
    wide[:, :, ::2] = rows
    shown = {"C": rows, "F": np.asfortranarray(rows), "reversed": rows[::-1][::-1], "wide": wide[:, :, ::2]}[lay]
    buffer = _core.Replay(8, [("f", 4, 15)], 0)
    buffer.add(shown)
    assert np.array_equal(stored(buffer, 15).reshape(6, 3, 5), rows)


def test_an_array_that_changes_is_read_anew() -> None:
    buffer, row = plain(4), np.zeros(1, np.float32)
    for number in range(4):
        row[:] = number
        buffer.add(row)
    assert list(stored(buffer)[:, 0]) == [0, 1, 2, 3]


def test_uniform_draws_are_uniform() -> None:
    buffer, slots = plain(64), np.zeros(64_000, np.int64)
    buffer.add(np.arange(50, dtype=np.float32))
    buffer.sample(slots, None)
    counts = np.bincount(slots, minlength=64)
    assert not counts[50:].any() and abs(counts[:50] / 64_000 - 1 / 50).max() < 0.004


# --- priorities --------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 5, 16, 17, 300, 5000])
def test_draws_follow_priorities(capacity: int) -> None:
    buffer, chance = plain(capacity, alpha=0.7), np.random.default_rng(1)
    buffer.add(np.zeros(capacity, np.float32))
    priorities = (chance.random(capacity, np.float32) + np.float32(0.01)) ** 4 + np.float32(1e-4)
    buffer.update(np.arange(capacity), priorities)
    kept = np.frombuffer(buffer.priorities(), np.float32)
    assert np.allclose(kept, priorities**0.7, rtol=1e-5)
    slots, weights = np.zeros(40_000, np.int64), np.zeros(40_000, np.float32)
    buffer.prefer(slots, weights, 0.5)
    share = kept / kept.sum(dtype=np.float64)
    counts = np.bincount(slots, minlength=capacity) / len(slots)
    assert np.abs(counts - share).max() < 3e-4  # one draw from each of equal shares: closer than chance alone
    should = (capacity * share) ** -0.5
    assert np.allclose(weights, should[slots] / should[slots].max(), rtol=1e-4)


@given(st.integers(1, 400), st.data())
def test_sums_are_those_of_the_leaves_after_any_changes(capacity: int, data: st.DataObject) -> None:
    buffer, chance = plain(capacity, alpha=1.0), np.random.default_rng(2)
    for _ in range(data.draw(st.integers(1, 6))):
        buffer.add(np.zeros(data.draw(st.integers(1, capacity)), np.float32))
        slots = chance.integers(0, buffer.size, 20)
        buffer.update(slots, chance.random(20, np.float32) * 100 + np.float32(1e-3))
    kept = np.frombuffer(buffer.priorities(), np.float32).astype(np.float64)
    drawn, weights = np.zeros(2000, np.int64), np.zeros(2000, np.float32)
    buffer.prefer(drawn, weights, 1.0)
    should = np.searchsorted(np.cumsum(kept), (np.arange(2000) + 0.5) / 2000 * kept.sum())
    assert (
        np.abs(np.cumsum(kept)[drawn] - np.cumsum(kept)[np.minimum(should, len(kept) - 1)]).max()
        <= kept.max() + kept.sum() / 500
    )
    assert (kept[drawn] > 0).all() and np.isfinite(weights).all()


def test_new_rows_have_the_largest_priority_so_far() -> None:
    buffer = plain(8, alpha=1.0)
    buffer.add(np.zeros(2, np.float32))
    buffer.update(np.array([0, 1]), np.array([5.0, 0.5], np.float32))
    buffer.add(np.zeros(1, np.float32))
    assert np.allclose(np.frombuffer(buffer.priorities(), np.float32), [5.0, 0.5, 5.0], rtol=1e-5)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_priority_that_is_none_changes_nothing(bad: float) -> None:
    buffer = plain(4, alpha=1.0)
    buffer.add(np.zeros(4, np.float32))
    before = buffer.priorities()
    with pytest.raises(ValueError, match="none was changed"):
        buffer.update(np.arange(4), np.array([1.0, 2.0, bad, 1.0], np.float32))
    assert buffer.priorities() == before


# --- several steps, and frames -----------------------------------------------------------------------


def episodes(lanes: int, steps: int) -> tuple[Array, Array, Array]:
    """Rewards, terminated and cut of some lanes over time, [steps, lanes]."""
    chance = np.random.default_rng(4)
    cut = chance.random((steps, lanes)) < 0.2
    over = cut & (chance.random((steps, lanes)) < 0.5)
    return chance.normal(size=(steps, lanes)).astype(np.float32), over, cut


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("capacity", [40, 24])
def test_returns_over_several_steps_are_those_of_the_definition(n: int, capacity: int) -> None:
    lanes, steps, gamma = 4, 10, 0.9
    reward, over, cut = episodes(lanes, steps)
    buffer = _core.Replay(capacity, [("f", 4, 1), ("?", 1, 1), ("?", 1, 1)], 0)
    for row in zip(reward, over, cut, strict=True):
        buffer.add(*row)
    first = steps - capacity // lanes
    for t in range(first, steps):
        for lane in range(lanes):
            slot = np.array([(t * lanes + lane) % capacity])
            returns, last, discount = np.zeros(1, np.float32), slot.copy(), np.zeros(1, np.float32)
            buffer.follow(slot, n, gamma, 0, 1, 2, returns, last, discount)
            end = next((k for k in range(t, min(t + n, steps)) if cut[k, lane]), min(t + n, steps) - 1)
            assert returns[0] == pytest.approx(
                sum(gamma ** (k - t) * reward[k, lane] for k in range(t, end + 1)), abs=1e-5
            )
            assert last[0] == (end * lanes + lane) % capacity
            assert discount[0] == pytest.approx(0 if over[end, lane] else gamma ** (end - t + 1))


def test_frames_stored_once_make_the_stacks_that_were_seen() -> None:
    lanes, steps, depth, capacity = 3, 30, 4, 60
    _, over, cut = episodes(lanes, steps)
    buffer = Buffer(capacity, 200, names=("O", "d", "cut"), frames=depth, small=("O",))
    history: dict[int, list[int]] = {lane: [] for lane in range(lanes)}
    stacks: dict[int, list[list[int]]] = {lane: [] for lane in range(lanes)}
    for t in range(steps):
        frames = torch.tensor([[[t * lanes + lane]] for lane in range(lanes)], dtype=torch.float32)
        for lane in range(lanes):
            own = history[lane]
            own.append(t * lanes + lane)
            stacks[lane].append(([own[0]] * depth + own)[-depth:])
            if cut[t, lane]:
                own.clear()
        buffer.add(frames, torch.tensor(over[t]).float().unsqueeze(1), torch.tensor(cut[t]).float().unsqueeze(1))
    draw = buffer.get()
    assert draw["O"].shape == draw["O'"].shape == (200, depth, 1) and draw["O"].dtype == torch.float32
    for k, slot in enumerate(draw.slots.tolist()):
        newest = int(draw["O"][k, -1, 0])
        t, lane = divmod(newest, lanes)
        assert newest % capacity == slot and t < steps - 1 and (over[t, lane] or not cut[t, lane])
        if t >= steps - capacity // lanes + depth:
            assert draw["O"][k, :, 0].tolist() == stacks[lane][t]
            if not cut[t, lane]:
                assert draw["O'"][k, :, 0].tolist() == stacks[lane][t + 1]


# --- as tensors --------------------------------------------------------------------------------------


def test_fields_keep_their_shapes_and_types() -> None:
    buffer = Buffer(100, 32, names=("O", "a", "r", "picture"), small=("picture",))
    buffer.add(torch.arange(20.0).reshape(4, 5), torch.arange(4), torch.ones(4, 1), torch.full((4, 1, 2, 2), 200.0))
    draw = buffer.get()
    assert {k: (v.shape[1:], v.dtype) for k, v in draw.items()} == {
        "O": ((5,), torch.float32),
        "a": ((), torch.int64),
        "r": ((1,), torch.float32),
        "picture": ((1, 2, 2), torch.float32),
    }
    assert torch.equal(draw["O"][:, 0], draw["a"] * 5.0) and (draw["picture"] == 200).all() and len(buffer) == 4


def test_a_seed_makes_draws_repeat() -> None:
    draws = []
    for _ in range(2):
        buffer = Buffer(50, 16, seed=9)
        buffer.add(torch.arange(50.0))
        draws.append([buffer.get()["0"] for _ in range(3)])
    assert all(torch.equal(a, b) for a, b in zip(*draws, strict=True)) and not torch.equal(draws[0][0], draws[0][1])


def test_a_draw_is_the_callers() -> None:
    buffer = Buffer(8, 4)
    buffer.add(torch.zeros(8))
    kept = buffer.get()["0"]
    buffer.add(torch.ones(8))
    assert (kept == 0).all() and (buffer.get()["0"] == 1).all()


@pytest.mark.parametrize("alpha", [None, 0.6])
def test_a_draw_can_be_made_into_the_tensors_of_a_former_one(alpha: float | None) -> None:
    def filled() -> Buffer:
        buffer = Buffer(64, batch=33, names=("O", "a"), seed=5, alpha=alpha)  # more than two groups, and one more
        buffer.add(torch.arange(128.0).reshape(64, 2), torch.arange(64).reshape(64, 1))
        return buffer

    own, again = filled(), filled()
    first, same = own.get(), own.get()
    once = again.get()
    seen = once["O"]
    assert torch.equal(once["O"], first["O"])
    assert again.get(out=once) is once
    assert once["O"] is seen and torch.equal(seen, same["O"]) and torch.equal(once["a"], same["a"])
    assert torch.equal(once.slots, same.slots) and torch.equal(seen[:, 0], 2.0 * once.slots)
    assert (once.weights is None) == (alpha is None)
    if once.weights is not None and same.weights is not None:
        assert torch.equal(once.weights, same.weights)


def test_as_many_are_drawn_again_as_there_is_room_for() -> None:
    buffer = Buffer(8, batch=4)
    buffer.add(torch.zeros(8, 1))
    with pytest.raises(WorldError, match="`out` has room for 4 transitions, not for 5"):
        buffer.get(5, out=buffer.get())


def test_the_draw_of_another_buffer_is_not_written_over() -> None:
    own, other, ahead = (
        Buffer(8, names=("O",)),
        Buffer(8, names=("a",)),
        Buffer(8, names=("r", "d", "cut", "O'"), steps=2),
    )
    own.add(torch.zeros(4, 1))
    other.add(torch.zeros(4, 1))
    ahead.add(torch.zeros(4, 1), torch.zeros(4, 1), torch.zeros(4, 1), torch.zeros(4, 1))
    for buffer, draw in ((own, other.get()), (ahead, ahead.get())):
        with pytest.raises(WorldError, match="only a draw of this buffer"):
            buffer.get(out=draw)


def test_priorities_of_a_draw_can_be_changed() -> None:
    buffer = Buffer(64, 16, names=("x",), alpha=1.0, beta=1.0)
    buffer.add(torch.arange(64.0))
    draw = buffer.get()
    assert draw.weights is not None and draw.weights.shape == (16, 1) and (draw.weights == 1).all()
    buffer.update(draw, torch.full((16, 1), 1e-6))
    assert not set(buffer.get()["x"].tolist()) & set(draw["x"].tolist())


def test_mistakes_say_what_is_wrong() -> None:
    buffer = Buffer(8, names=("O", "r"))
    with pytest.raises(WorldError, match="nothing has been added"):
        buffer.get()
    with pytest.raises(WorldError, match="has the fields O, r, and 1 were given"):
        buffer.add(torch.zeros(2))
    buffer.add(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(WorldError, match=r"field O of the buffer holds \[3\] of torch.float32, not \[4\]"):
        buffer.add(torch.zeros(2, 4), torch.zeros(2))
    with pytest.raises(ValueError, match="field 1 has 3 rows, the first 2"):
        buffer.add(torch.zeros(2, 3), torch.zeros(3))
    with pytest.raises(WorldError, match="follows steps has the field d"):
        Buffer(8, names=("O", "r"), steps=3).add(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(IndexError):
        buffer._core.gather(np.array([5]), None, None)
    with pytest.raises(TypeError, match="has no priorities"):
        buffer._core.prefer(np.zeros(2, np.int64), np.zeros(2, np.float32), 1.0)
    with pytest.raises(ValueError, match="do not fit"):
        buffer.add(torch.zeros(9, 3), torch.zeros(9))
