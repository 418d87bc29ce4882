"""Programs that read ranges up to T, on examples of different lengths: those of one length are computed together.

`h_{1:T}` has another length for each of them: what is done to it is done to the examples of one length at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sqmagic.runtime.blueprint import InputSpec
from sqmagic.runtime.errors import UnsupportedError
from sqmagic.runtime.generated import Values
from sqmagic.runtime.inputs import Data

Rows = Mapping[str, tuple[int, int]]
"""Of states over time the index of the first row, and of the last, counted from T."""


class Group(NamedTuple):
    """The examples of one length: which they are, how many steps they have, and their data."""

    examples: Tensor
    steps: int
    data: Data


def groups(specs: Sequence[InputSpec], data: Data) -> Iterator[Group]:
    """The examples by their length, the shortest first."""
    assert data.lengths is not None, "examples have lengths of their own"
    for steps in sorted(set(data.lengths.tolist())):
        examples = (data.lengths == steps).nonzero()[:, 0]
        own = {s.state: _of(s, data.tensors[s.state], examples, steps) for s in specs if s.state in data.tensors}
        yield Group(examples, steps, Data(own))


def _of(spec: InputSpec, tensor: Tensor, examples: Tensor, steps: int) -> Tensor:
    at = examples.to(tensor.device)
    if not spec.indexed:
        return tensor.index_select(0, at)
    return tensor[: steps + spec.last - spec.first + 1].index_select(1, at)


def values(found: Sequence[tuple[Group, Mapping[str, Tensor]]], rows: Rows, steps: int) -> dict[str, Tensor]:
    """All states of all examples, in their order; NaN past an example's end."""
    place = torch.argsort(torch.cat([group.examples for group, _ in found]))
    joined, held = {}, [Values(own) for _, own in found]
    for state in held[0]:
        parts = [own[state] for own in held]
        if state in rows:
            first, last = rows[state]
            parts = [_filled(part, steps + last - first + 1) for part in parts]
        axis = int(state in rows)
        joined[state] = torch.cat(parts, axis).index_select(axis, place.to(parts[0].device))
    return joined


def _filled(part: Tensor, rows: int) -> Tensor:
    nothing = torch.nan if part.is_floating_point() else 0
    return torch.cat([part, part.new_full((rows - len(part), *part.shape[1:]), nothing)])


def loss(
    specs: Sequence[InputSpec], data: Data, goals: Sequence[tuple[int, int] | None], of: Callable[[Data], Tensor]
) -> Tensor:
    """The mean over all steps of all examples. `goals` are the steps at which each counts, from the first to the last,
    counted from T; None for one that does not run. Raises UnsupportedError where these differ."""
    if len(set(goals)) > 1:
        raise UnsupportedError(
            "`lengths` beside a range up to T: its goals count at different steps, which have no one mean"
        )
    counted, total = goals[0], 0
    parts: list[Tensor] = []
    for group in groups(specs, data):
        count = len(group.examples)
        if counted is not None:
            count *= max(0, group.steps + counted[1] - counted[0] + 1)
        if count:
            parts.append(of(group.data) * count)
            total += count
    return torch.stack(parts).sum() / total
