"""Blocks of memory are lent again when nothing lies in them any more, and not before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from sqmagic.runtime.kernels import memory
from sqmagic.runtime.kernels.memory import Pool

SHAPE = (40, 30, 20)


def test_a_block_is_lent_again_when_its_tensor_is_gone() -> None:
    pool = Pool()
    first = pool.tensor(SHAPE, torch.float32)
    place = first.data_ptr()
    assert first.shape == SHAPE
    assert first.is_contiguous()
    assert not first._is_view()
    assert place % 64 == 0
    assert pool.tensor(SHAPE, torch.float32).data_ptr() != place
    del first
    assert place in {t.data_ptr() for t in [pool.tensor(SHAPE, torch.float32) for _ in range(2)]}


def test_a_view_keeps_a_block_from_being_lent() -> None:
    pool = Pool()
    row = pool.tensor(SHAPE, torch.float32).fill_(1)[3]
    for _ in range(3):
        pool.tensor(SHAPE, torch.float32).fill_(2)
    assert (row == 1).all()


def test_a_block_that_another_process_may_read_is_not_lent_again() -> None:
    pool = Pool()
    shared = pool.tensor(SHAPE, torch.float32).fill_(1).share_memory_()
    place = shared.data_ptr()
    del shared
    assert place not in {t.data_ptr() for t in [pool.tensor(SHAPE, torch.float32) for _ in range(3)]}


def test_no_two_threads_are_lent_one_block() -> None:
    pool = Pool()

    def lent(number: int) -> bool:
        own = pool.tensor(SHAPE, torch.float32).fill_(number)
        return bool((own == number).all())

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lent, range(400)))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST", 1 << 20)
    pool = Pool()
    held = [pool.tensor((1 << 17,), torch.float32) for _ in range(4)]  # half of it each: the last two are the system's
    assert pool._held <= 1 << 20
    first = held[0].data_ptr()
    held.clear()
    assert first in {t.data_ptr() for t in [pool.tensor((1 << 17,), torch.float32) for _ in range(2)]}
    other = pool.tensor((1 << 18,), torch.float32)  # of another size: idle blocks make room for it
    place = other.data_ptr()
    del other
    assert pool.tensor((1 << 18,), torch.float32).data_ptr() == place
    assert pool._held <= 1 << 20


def test_small_tensors_are_the_systems() -> None:
    pool = Pool()
    assert pool.tensor((2, 3), torch.float64).shape == (2, 3)
    assert pool._held == 0
