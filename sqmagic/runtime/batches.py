"""Data in batches: parts of tensors along their batch axis, or what a loader gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import torch

from sqmagic.runtime import inputs
from sqmagic.runtime.blueprint import InputSpec
from sqmagic.runtime.errors import InputError
from sqmagic.runtime.inputs import Data

Fitted = Callable[[Data], Data]
"""Checks data against the program, and lays them out for the generated code."""


@dataclass(frozen=True, slots=True)
class Held:
    """Tensors that are wholly there: an epoch goes over `size` examples at a time."""

    specs: tuple[InputSpec, ...]
    data: Data
    size: int

    @property
    def examples(self) -> int:
        return inputs.examples(self.specs, self.data.tensors)

    @property
    def count(self) -> int:
        return -(-self.examples // self.size)

    def epoch(self, shuffle: bool) -> Iterator[Data]:
        order = torch.randperm(self.examples) if shuffle else torch.arange(self.examples)
        for start in range(0, len(order), self.size):
            yield self._part(order[start : start + self.size])

    def _part(self, chosen: torch.Tensor) -> Data:
        tensors = {}
        for spec in self.specs:
            if spec.state in self.data.tensors:
                tensor = self.data.tensors[spec.state]
                tensors[spec.state] = tensor.index_select(int(spec.indexed), chosen.to(tensor.device))
        lengths = self.data.lengths
        return Data(tensors, None if lengths is None else lengths[chosen.to(lengths.device)])


@dataclass(frozen=True, slots=True)
class Loaded:
    """A loader: mappings by name, or tuples in the order of the inputs."""

    specs: tuple[InputSpec, ...]
    loader: Iterable[Any]
    batch_first: bool
    fitted: Fitted

    @property
    def count(self) -> int | None:
        return len(self.loader) if isinstance(self.loader, Sized) else None

    def epoch(self, shuffle: bool) -> Iterator[Data]:
        """Every batch of the loader; it shuffles itself."""
        empty = True
        for item in self.loader:
            empty = False
            yield self.fitted(opened(item, self.specs, self.batch_first))
        if empty:
            raise InputError("the loader gives no batch; one that can be gone through only once serves one epoch")


Batches = Held | Loaded


def opened(item: Any, specs: Sequence[InputSpec], batch_first: bool) -> Data:
    """One batch of a loader, by state. A mapping may hold `lengths`."""
    if isinstance(item, Mapping):
        return named(item, specs, batch_first)
    parts = list(item) if isinstance(item, list | tuple) else [item]
    if len(parts) > len(specs):
        names = ", ".join(s.name for s in specs)
        raise InputError(f"the loader gives {len(parts)} tensors, but the program has {len(specs)} inputs: {names}")
    given = {s.state: part for s, part in zip(specs, parts, strict=False)}
    return inputs.read(specs, given, batch_first=batch_first)


def named(item: Mapping[str, Any], specs: Sequence[InputSpec], batch_first: bool) -> Data:
    """Inputs by name; `lengths` among them unless a state is called so."""
    own = {s.state for s in specs} | {s.name for s in specs}
    lengths = item.get("lengths") if "lengths" not in own else None
    given = {k: v for k, v in item.items() if k in own or k != "lengths"}
    return inputs.read(specs, given, lengths, batch_first)
