"""What torch says of a chain's left side, by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sqmagic.calculus.derivation.forms import Chain
from sqmagic.checking.bench import BATCH, Bench
from sqmagic.equations.show import show_state
from sqmagic.equations.system import Expr, Read, Running


def true_values(chain: Chain, bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    """What torch says of a chain's left side, by step."""
    match chain.kind, chain.left:
        case "gradient", (Read(state),):
            name = state[1:]
            yield None, bench.by_torch.parameters.get(name, np.zeros(bench.shapes.parameters[name]))[None]
        case (("adjoint" | "delta"), (Read(state, context),)):
            yield from _true_adjoint(state, bool(context), bench)
        case "state", left:
            yield from _true_states(left, bench)
        case _:
            return


def _true_adjoint(state: str, moving: bool, bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    name = state[1:]
    if name not in bench.by_torch.states:
        alias = {e.targets[0].state: e.value for e in bench.made.backward if e.targets}.get(state)
        if isinstance(alias, Read):
            yield from _true_adjoint(alias.state, moving, bench)
        elif alias is None:
            yield from _zero(name, bench)
        return
    value = bench.by_torch.states[name] * BATCH
    if not moving:
        yield None, value
        return
    first = bench.by_torch.first[name]
    own = _steps_of_part(state, bench)
    yield from ((first + row, each) for row, each in enumerate(value) if own is None or first + row in own)


def _steps_of_part(state: str, bench: Bench) -> range | None:
    """The steps of the equation that a part is of: a part may be there when the whole is not."""
    for source, found in bench.made.reversed.items():
        if source.steps is not None and any(named.state == state for named in found.hats):
            return range(source.steps[0], bench.horizon + source.steps[1] + 1)
    return None


def _zero(name: str, bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    shape = (BATCH, *bench.shapes.states[name])
    steps = bench.held.states.get(name)
    for at in steps.steps(bench.horizon) if steps is not None else (None,):
        yield at, np.zeros(shape)


def _true_states(left: Sequence[Expr], bench: Bench) -> Iterator[tuple[int | None, NDArray[np.float64]]]:
    for read in left:
        assert isinstance(read, Read)
        values = bench.by_torch.values
        key = show_state(read.state, tuple(i for i in read.context if not isinstance(i, Running)))
        if len(left) > 1 or key not in values or read in bench.drawn:
            return
        if any(isinstance(i, Running) for i in read.context):
            first, _ = bench.by_torch.rows[read.state]
            steps = bench.held.states[read.state]
            for at in steps.steps(bench.horizon):
                yield at, values[key][at - first]
        else:
            yield None, values[key]
