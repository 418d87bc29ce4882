"""What a rule of the table is, and what it may know beside its arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqmagic.equations.interpret.values import Array
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import Apply, Value


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule may know beside its arguments.

    `outputs` is how many names the equation gives to its value, `batch` how many examples are computed together.
    `statistics` are the mean and variance of each feature, for batch_norm in training, and `counted`
    says whether this step is among those that they are of. `horizons` are the examples'.
    """

    parameters: Mapping[str, Array]
    effects: Mapping[str, Callable[..., Any]]
    training: bool
    batch: int
    outputs: int = 1
    statistics: tuple[Array, ...] | None = None
    counted: bool = True
    horizons: tuple[int, ...] = ()


Values: TypeAlias = tuple[Array, ...]
Rule: TypeAlias = Callable[[Apply, Values, Situation], Array | Values]


def setting(node: Apply, name: str) -> Value:
    """A setting as written, or its default."""
    return node.attribute(name, dict(ALL_OPS[node.op].settings)[name])
