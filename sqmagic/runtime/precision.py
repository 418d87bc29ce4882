"""Nets of bfloat16 and float16: layers multiply in that type, and what is carried from step to step stays in float32.

A state that adds a little at each step loses it all in a type of 8 or 11 bits. So the inputs of such a net are widened,
torch's autocast lets the layers compute in the short type and the rest in float32, and the states are shortened when
they are given out. A net of float32 under the user's own autocast computes the same, and gives its states as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

SHORT = (torch.bfloat16, torch.float16)


def wide(like: Tensor) -> Tensor:
    """What data should be like where parameters are like this."""
    return like.new_empty(0, dtype=torch.float32) if _is_short(like) else like


def arithmetic(like: Tensor) -> AbstractContextManager[Any]:
    """In which a net computes whose parameters are like this."""
    return torch.autocast(like.device.type, dtype=like.dtype) if _is_short(like) else nullcontext()


def given_out(values: Mapping[str, Any], like: Tensor) -> Mapping[str, Any]:
    """The states in the type of the parameters."""
    if not _is_short(like):
        return values
    return {name: v.to(like.dtype) if v.is_floating_point() else v for name, v in values.items()}


def widened(loss: Tensor) -> Tensor:
    """A loss in float32 at least."""
    return loss.float() if loss.dtype in SHORT else loss


def _is_short(like: Tensor) -> bool:
    return like.dtype in SHORT and like.device.type in ("cpu", "cuda")
