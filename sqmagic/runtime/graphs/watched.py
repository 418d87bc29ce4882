"""Whether what a method computes is the same whenever it is computed again: all its operations are watched once.

What is recorded must draw no lots, must not look at its numbers to decide what comes next, must take none from another
device while it runs, and must leave alone what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from sqmagic.runtime.later import versions

T = TypeVar("T")

_TOLD = {
    torch.Tag.nondeterministic_seeded: "chance has a part in it",
    torch.Tag.data_dependent_output: "what it does depends on its numbers",
    torch.Tag.dynamic_output_shape: "what it does depends on its numbers",
}


def watched(function: Callable[[], T], given: Sequence[Tensor], device: torch.device) -> tuple[T, str]:
    """What a function gives, and why it cannot be recorded, or "" if it can."""
    before = versions(given)
    with _Watch(device) as watch:
        found = function()
    if versions(given) != before:
        return found, "it changes what it is given"
    return found, watch.told


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, device: torch.device) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device, self.told = device, ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        self.told = self.told or next((why for tag, why in _TOLD.items() if tag in func.tags), "")
        if any(t.device != self.device for t in tensors((args, list((kwargs or {}).values()), found))):
            self.told = self.told or "it takes numbers from another device"
        return found


def tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among values, and in lists and tuples of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors(value)
