"""What a rule of the table is, and what it may know beside its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqmagic.equations.interpret.values import Array
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Apply, Value


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule may know beside its arguments.

    `outputs` is how many names the equation gives to its value, `batch` how many examples are computed together.
    `statistics` are the mean and variance of each feature, for batch_norm in training.
    """

    parameters: Mapping[str, Array]
    effects: Mapping[str, Callable[..., Any]]
    training: bool
    batch: int
    outputs: int = 1
    statistics: tuple[Array, Array] | None = None


Values: TypeAlias = tuple[Array, ...]
Rule: TypeAlias = Callable[[Apply, Values, Situation], Array | Values]


def setting(node: Apply, name: str) -> Value:
    """A setting as written, or its default."""
    return node.attribute(name, dict(OPS[node.op].settings)[name])
