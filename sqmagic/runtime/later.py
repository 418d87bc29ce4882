"""States that nobody has asked for yet: computed when somebody does, from what they were to be computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor


class Later:
    """All states of a scan, computed when one that was left out is asked for, from what the scan was given then.

    Memory may have been written, or exchanged, without torch knowing (`.data`, inference mode): what the scan `gave`
    tells, or at least where the `tensors` lie.
    """

    def __init__(
        self, every: Callable[[], Mapping[str, Tensor]], tensors: Sequence[Tensor], places: bool = True
    ) -> None:
        self._every, self._tensors = every, tensors
        self._versions = versions(tensors)
        self._places = list(map(Tensor.data_ptr, tensors)) if places else None
        self._found: Mapping[str, Tensor] | None = None
        self._lock = Lock()
        self._gave: tuple[Mapping[str, Tensor], Sequence[Tensor], list[int]] = ({}, (), [])

    def gave(self, results: Mapping[str, Tensor], tensors: Sequence[Tensor]) -> None:
        """`tensors` are all in which others have the results."""
        self._gave = (results, tensors, versions(tensors))

    def now(self, state: str) -> Tensor:
        """Raises RuntimeError where what it is computed from has been changed since."""
        with self._lock:
            if self._found is None:
                found = None if self._changed() else self._every()
                if found is None or not self._gives_the_same(found):
                    raise RuntimeError(
                        f"`{state}` was not asked for, and the weights or inputs have changed since: call the net again"
                    )
                self._found = found
        return self._found[state]

    def _changed(self) -> bool:
        moved = self._places is not None and self._places != list(map(Tensor.data_ptr, self._tensors))
        return moved or self._versions != versions(self._tensors)

    def _gives_the_same(self, found: Mapping[str, Tensor]) -> bool:
        """Whether the results have come out once more, unless somebody has changed them."""
        results, tensors, before = self._gave
        return versions(tensors) != before or all(
            _alike(found[state], result.reshape(found[state].shape)) for state, result in results.items()
        )


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether rows over time begin, or end, alike: where rounding differs, steps that lie far from the first may have
    nothing in common."""
    near = torch.finfo(one.dtype).eps ** 0.5
    return any(
        torch.allclose(one[rows], other[rows], rtol=near, atol=near, equal_nan=True)
        for rows in (slice(0, 4), slice(-4, None))
    )


class LeftOut(NamedTuple):
    """One state of those that are computed later; of a matrix its rows may come one after the other."""

    later: Later
    state: str
    shape: tuple[int, ...]

    def now(self) -> Tensor:
        found, (_, _, *own) = self.later.now(self.state), self.shape
        return as_matrix(found, own) if found.dim() < len(self.shape) else found


def as_matrix(rows: Tensor, shape: Sequence[int]) -> Tensor:
    """Of each matrix its rows one after the other, as the matrix."""
    return rows.reshape((*rows.shape[:-1], *shape))


def versions(tensors: Sequence[Tensor]) -> list[int]:
    """How often each has been changed."""
    try:
        return [t._version for t in tensors]
    except RuntimeError:  # tensors of inference mode do not tell
        return [t._version for t in tensors if not t.is_inference()]
