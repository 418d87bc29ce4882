"""What turned: the first state of some values that is not finite, in words, where a loss is not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

import torch
from torch import Tensor


class NotFinite(Exception):
    """Learning must stop here; the text says why."""


def turned(
    states: Iterable[tuple[str, Tensor]],
    rows: Mapping[str, tuple[int, int]],
    given: Collection[str] = (),
    lengths: Tensor | None = None,
    written: Callable[[str], str] = str,
) -> str:
    """In words, the first of some states that is not finite, at its first step; `given` are those of the data, and
    `written` gives the name that a state has in the program."""
    for state, value in states:
        steps = _not_finite_steps(value, rows.get(state), lengths)
        if steps is not None:
            where = "" if state not in rows else f" at t = {steps}"
            what = "NaN" if bool(value.isnan().any()) else "infinite"
            data = " in the data" * (state in given)
            return f"the first state that is not finite is `{written(state)}`{where}, {what}{data}"
    return "every state is finite, so it is the loss itself that is not"


def _not_finite_steps(value: Tensor, rows: tuple[int, int] | None, lengths: Tensor | None) -> int | None:
    """The first index at which a state is not finite (0 for one that is not over time), or None."""
    bad = ~torch.isfinite(value)
    if rows is None:
        return 0 if bool(bad.any()) else None
    bad = bad.flatten(2).any(-1) if bad.dim() > 2 else bad
    index = torch.arange(len(value), device=value.device) + rows[0]
    if lengths is not None:
        bad = bad & (index[:, None] <= lengths + rows[1])
    found = index[bad.any(-1)]
    return int(found[0]) if len(found) else None
