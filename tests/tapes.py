"""A recorder that needs no GPU: it notes torch's operations, and replays them on the memory that they had.

As with a CUDA graph, what was computed at first, results and what autograd keeps for the way back alike, is overwritten
by each replay, and autograd knows nothing of it; memory that nobody held when the recording was done may be anybody's
afterwards, so numbers there are spoilt.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import partial
from threading import get_ident
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sqmagic.runtime.graphs.recorder import CannotRecord
from sqmagic.runtime.graphs.watched import tensors

T = TypeVar("T")


class Operation(NamedTuple):
    """What an operation was given, and its results where these are memory of their own."""

    function: Callable[..., Any]
    args: list[Any]
    named: dict[str, Any]
    places: list[Tensor]

    def replay(self) -> None:
        found = self.function(*self.args, **self.named)
        for place, value in zip(self.places, tensors([found]), strict=False):
            place.copy_(value)

    def all(self) -> Iterator[Tensor]:
        return tensors([self.args, list(self.named.values()), self.places])


class Operations(TorchDispatchMode):
    """All operations; views need no replay, for they are of the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        found = func(*args, **named)
        if not any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns):
            places = [] if func._schema.is_mutable else [t.data for t in tensors([found])]
            given = {name: _beside(a) for name, a in named.items()}
            self.noted.append(Operation(func, [_beside(a) for a in args], given, places))
        return found

    def free(self) -> list[Tensor]:
        """The results whose memory nobody else holds."""
        held = Counter(_storage(t) for t in _each(t for o in self.noted for t in o.all()))
        own = _each(t for o in self.noted for t in o.places)
        return [t for t in own if torch._C._storage_Use_Count(_storage(t)) <= held[_storage(t)] + 1]


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _each(found: Iterator[Tensor]) -> list[Tensor]:
    return list({id(t): t for t in found}.values())


def _beside(value: Any) -> Any:
    """A tensor beside autograd: what is done to it counts as no change."""
    if isinstance(value, Tensor):
        return value.data
    return [_beside(v) for v in value] if isinstance(value, list | tuple) else value


@dataclass
class Tapes:
    """The recorder. `made` counts recordings, `replayed` replays; from the `fails`-th on recording fails."""

    made: int = 0
    replayed: int = 0
    fails: int = 10**9
    capturing: bool = False

    def place(self, device: torch.device) -> Hashable:
        if self.capturing:
            raise CannotRecord("it is being captured as part of something else")
        return get_ident()

    def tape(self, device: torch.device) -> Callable[[Callable[[], T]], tuple[T, Callable[[], None]]]:
        return self.record

    def record(self, function: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        self.made += 1
        if self.made >= self.fails:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        function()  # to warm up
        with Operations() as operations:
            found = function()
        spoil(t for o in operations.noted for t in o.places)  # nothing is computed while one records
        return found, partial(self._replay, operations.noted, operations.free())

    def _replay(self, noted: list[Operation], free: list[Tensor]) -> None:
        self.replayed += 1
        with torch.no_grad():
            for operation in noted:
                operation.replay()
            spoil(iter(free))


def spoil(memory: Iterator[Tensor]) -> None:
    for tensor in memory:
        tensor.fill_(float("nan") if tensor.is_floating_point() else 0)
