"""What the caller gives, checked and laid out: inputs as `[rows, batch, *shape]` or `[batch, *shape]`, in lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from sqmagic.equations.interpret.judge import Lane
from sqmagic.equations.interpret.values import Array, CannotInterpret, array
from sqmagic.equations.system import Fixed, Input, Last, System


def lanes(
    system: System,
    inputs: Mapping[str, ArrayLike],
    horizon: int | None,
    lengths: Sequence[int] | None,
    batch: int | None,
) -> tuple[Lane, ...]:
    """The examples, all together, or one by one where each has a length of its own.

    Raises CannotInterpret where inputs are unknown, or disagree on T or the batch.
    """
    declared = {i.state: i for i in system.inputs}
    unknown = [name for name in inputs if name not in declared]
    if unknown:
        raise CannotInterpret(
            f"the program has no input `{unknown[0]}`; its inputs are {', '.join(declared) or 'none'}"
        )
    arrays = {name: _laid_out(declared[name], array(value)) for name, value in inputs.items()}
    size = _agreed("batch", {n: a.shape[int(declared[n].indexed)] for n, a in arrays.items()}, batch, 1)
    steps = {n: len(a) + _missing_rows(declared[n]) for n, a in arrays.items() if declared[n].indexed}
    longest = _agreed("T", steps, horizon, 0)
    if system.indices and not longest:
        raise CannotInterpret("no input says how many steps there are: give `horizon`")
    if lengths is None:
        return (Lane(tuple(range(size)), longest, arrays),)
    if len(lengths) != size or not all(0 <= n <= longest for n in lengths):
        raise CannotInterpret(f"`lengths` must give each of {size} examples a length from 0 to {longest}")
    return tuple(_lane(n, int(length), longest, arrays, declared) for n, length in enumerate(lengths))


def _laid_out(declared: Input, value: Array) -> Array:
    """With the axis of width 1 that a scalar may omit."""
    leading = 2 if declared.indexed else 1
    if value.ndim < leading:
        axes = "time x batch" if declared.indexed else "batch"
        raise CannotInterpret(f"`{declared.state}` needs the axes {axes} before its own")
    return value[..., None] if value.ndim == leading else value


def _missing_rows(declared: Input) -> int:
    """T minus the number of rows."""
    if not isinstance(declared.first, Fixed) or not isinstance(declared.last, Last):
        raise CannotInterpret(f"the rows of `{declared.state}` must run from a number to the end of the window")
    return declared.first.value - 1 - declared.last.offset


def _agreed(what: str, found: Mapping[str, int], asked: int | None, otherwise: int) -> int:
    every = dict(found) if asked is None else {**found, "what was asked for": asked}
    if len(set(every.values())) > 1:
        told = ", ".join(f"{name}: {size}" for name, size in every.items())
        raise CannotInterpret(f"inputs disagree on {what}: {told}")
    return next(iter(every.values()), otherwise)


def _lane(example: int, length: int, longest: int, arrays: Mapping[str, Array], declared: Mapping[str, Input]) -> Lane:
    """One example alone, its inputs cut to its own length."""
    own = {}
    for name, value in arrays.items():
        if declared[name].indexed:
            own[name] = value[: len(value) - (longest - length), [example]]
        else:
            own[name] = value[[example]]
    return Lane((example,), length, {name: np.ascontiguousarray(value) for name, value in own.items()})
