"""States that nobody has asked for yet: computed when somebody does, from what they were to be computed from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple

from torch import Tensor


class Later:
    """All states of a scan, computed when one that was left out is asked for, from what the scan was given then."""

    def __init__(self, every: Callable[[], Mapping[str, Tensor]], tensors: Sequence[Tensor]) -> None:
        self._every, self._tensors = every, tensors
        self._versions = versions(tensors)
        self._found: Mapping[str, Tensor] | None = None
        self._lock = Lock()

    def now(self, state: str) -> Tensor:
        """Raises RuntimeError where what it is computed from has been changed since."""
        with self._lock:
            if self._found is None:
                if self._versions != versions(self._tensors):
                    raise RuntimeError(
                        f"`{state}` was not asked for, and the weights or inputs have changed since: call the net again"
                    )
                self._found = self._every()
        return self._found[state]


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
    """How often each has been changed, and where it lies: `.data` may have been given another tensor's memory."""
    try:
        told = [t._version for t in tensors]
    except RuntimeError:  # tensors of inference mode do not tell
        told = [t._version for t in tensors if not t.is_inference()]
    return told + [t.data_ptr() for t in tensors]
