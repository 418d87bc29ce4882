"""Memory that is kept from call to call: fresh pages cost more than what is computed in them.

A block is lent until the tensor that lies in it and all its views are gone, which the count of its uses tells; then the
next that asks for as much gets it. Any thread may ask. What is kept is bounded: beyond that, memory is the system's.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor, UntypedStorage

MOST = 1 << 30
"""How many bytes are kept, lent or idle."""

SMALL = 1 << 16
"""Bytes: the system keeps less than that itself."""

_uses_at: Callable[[int], int] | None = getattr(torch._C, "_storage_Use_Count", None)


def _uses(block: UntypedStorage) -> int:
    """How many use a block, the pool among them."""
    return _uses_at(block._cdata) if _uses_at else 2  # where torch does not tell, blocks stay lent


class Block(NamedTuple):
    """Memory with its address: one that somebody has moved, to share it with another process, is the pool's no more."""

    storage: UntypedStorage
    address: int


class Pool:
    """Blocks by size, each lent while it has more uses than the pool's own."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._blocks: dict[int, list[Block]] = {}
        self._held = 0

    def tensor(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor, not filled, that begins at a multiple of 64 bytes."""
        size = prod(shape) * dtype.itemsize
        if size >= SMALL:
            with self._lock:
                block = self._idle(_rounded(size))
                if block is not None:
                    return torch.empty(0, dtype=dtype).set_(block, 0, shape)  # type: ignore[call-overload, no-any-return]
        return torch.empty(shape, dtype=dtype)

    def like(self, other: Tensor, dtype: torch.dtype) -> Tensor:
        """A tensor, not filled, of another's shape."""
        if other.nbytes < SMALL and other.dtype is dtype and other.is_contiguous():
            return torch.empty_like(other)  # in a third of the time
        return self.tensor(other.shape, dtype)

    def _idle(self, size: int) -> UntypedStorage | None:
        """A block that nobody uses, or a new one where it may be kept."""
        for storage, address in self._blocks.get(size, ()):
            if _uses(storage) == 1 and storage.data_ptr() == address:
                return storage
        if self._held + size > MOST:
            self._drop()
        if self._held + size > MOST or _uses_at is None:
            return None
        storage = UntypedStorage(size)  # type: ignore[no-untyped-call]
        self._blocks.setdefault(size, []).append(Block(storage, storage.data_ptr()))
        self._held += size
        return storage

    def _drop(self) -> None:
        """Gives idle blocks back to the system."""
        for size, own in self._blocks.items():
            kept = [block for block in own if _uses(block.storage) > 1]
            self._held -= size * (len(own) - len(kept))
            self._blocks[size] = kept


def rows_of(plane: Tensor, first: int, count: int) -> Tensor:
    """Rows of a tensor, in the same memory; none that autograd takes for a view."""
    _, *shape = plane.shape
    storage = plane.untyped_storage()
    return torch.empty(0, dtype=plane.dtype).set_(storage, first * prod(shape), (count, *shape))  # type: ignore[call-overload, no-any-return]


def _rounded(size: int) -> int:
    """Sizes are few, so that blocks are found again: an eighth more at most."""
    step = max(4096, 1 << max(0, size.bit_length() - 4))
    return (size + step - 1) // step * step


POOL = Pool()
