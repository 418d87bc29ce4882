"""Memory that is kept from call to call: fresh pages cost more than what is computed in them.

A block is lent until the tensor that lies in it is gone; then the next that asks for as much gets it. Any thread may
ask, and give back. What lies idle is bounded: beyond that it returns to the system, the longest idle first.
"""

from __future__ import annotations

import ctypes
import weakref
from threading import RLock

import torch
from torch import Tensor

MOST_IDLE = 1 << 30
"""How many bytes may lie idle."""

_ALIGNED = 64


class Pool:
    """Blocks by size; `idle` those that nobody holds, the longest idle first."""

    def __init__(self) -> None:
        self._lock = RLock()  # a block may come back in the midst of a request, when a tensor is collected
        self._idle: list[Tensor] = []
        self._held = 0

    def take(self, size: int) -> Tensor:
        """A block of at least `size` bytes, as bytes; give it back."""
        size = _rounded(size)
        with self._lock:
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place].numel() == size:
                    self._held -= size
                    return self._idle.pop(place)
        return torch.empty(size + _ALIGNED, dtype=torch.uint8)[:size]

    def give(self, block: Tensor) -> None:
        with self._lock:
            self._idle.append(block)
            self._held += block.numel()
            while self._held > MOST_IDLE:
                self._held -= self._idle.pop(0).numel()

    def tensor(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor, not filled, whose memory comes back when it and all its views are gone."""
        count = 1
        for size in shape:
            count *= size
        size = count * dtype.itemsize
        if size < 1 << 16:
            return torch.empty(shape, dtype=dtype)
        block = self.take(size)
        lease = (ctypes.c_byte * size).from_address(block.data_ptr())
        weakref.finalize(lease, self.give, block).atexit = False
        return torch.frombuffer(lease, dtype=dtype, count=count).view(shape)


def _rounded(size: int) -> int:
    """Sizes are few, so that blocks are found again: an eighth more at most."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return (size + step - 1) // step * step


POOL = Pool()
