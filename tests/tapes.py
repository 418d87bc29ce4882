"""A recorder that needs no GPU: it notes torch's operations, and replays them on the memory that they had.

As with a CUDA graph, what was computed at first, results and what autograd keeps for the way back alike, is overwritten
by each replay; autograd knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from threading import get_ident
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sqmagic.runtime.graphs.recorder import CannotRecord
from sqmagic.runtime.graphs.watched import tensors

T = TypeVar("T")


class Operations(TorchDispatchMode):
    """All operations, with what they take, and their results where these are memory of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[Callable[..., Any], list[Tensor]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        shares = any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)
        if not shares:  # views need no replay: they are of the same memory
            changed = func._schema.is_mutable
            self.noted.append((partial(_called, func, args, kwargs or {}), [] if changed else list(_own([found]))))
        return found

    def replay(self) -> None:
        with torch.no_grad():
            for call, places in self.noted:
                for place, value in zip(places, list(_own([call()])), strict=False):
                    place.copy_(value)


def _called(func: Any, args: Any, kwargs: Any) -> Any:
    return func(*(_plain(a) for a in args), **{name: _plain(a) for name, a in kwargs.items()})


def _plain(value: Any) -> Any:
    """A tensor beside autograd: what is done to it counts as no change."""
    if isinstance(value, Tensor):
        return value.data
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value


def _own(values: Any) -> Any:
    return (t.data for t in tensors(values))


@dataclass
class Tapes:
    """The recorder. `made` counts recordings, `replayed` replays; from the `fails`-th on recording fails."""

    made: int = 0
    replayed: int = 0
    fails: int = 10**9
    capturing: bool = False
    warm: list[int] = field(default_factory=list)

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
        for own in (t.data for _, places in operations.noted for t in places):
            own.fill_(float("nan") if own.is_floating_point() else 0)  # nothing is computed while one records
        return found, partial(self._replay, operations)

    def _replay(self, operations: Operations) -> None:
        self.replayed += 1
        operations.replay()
