"""Chance of one's own: what is drawn follows from a seed, and nothing outside is changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """With a seed, everything drawn within follows from it; without one, from torch's own chance."""
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        yield
