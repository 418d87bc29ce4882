"""The values of states that are computed where they are read and held nowhere, such as attention's weights.

They follow from the states that are held. As many components as a range has steps they have at each step; what is
beyond stays NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sqmagic.equations.interpret import UNDEFINED, interpret
from sqmagic.equations.interpret.values import in_rows
from sqmagic.equations.system import Fixed, Input, Last, System, reads
from sqmagic.equations.within import within

Rows = Mapping[str, tuple[tuple[int, int] | None, NDArray[np.float64]]]
"""Values of states: those over time with the index of the first row, and of the last counted from T."""


def values_of(
    system: System,
    held: Collection[str],
    state: str,
    rows: Rows,
    parameters: Mapping[str, NDArray[np.float64]],
    steps: int,
    lengths: Sequence[int] | None,
) -> NDArray[np.float64]:
    """A state [time, batch, *shape] (or [batch, *shape]), from the `rows` of the states that are `held`.

    Raises CannotInterpret where it draws, or calls a torch module.
    """
    own = {t.state for e in system.equations for t in e.targets} - set(held) - {state}
    (equation,) = (e for e in within(system, own).equations if e.targets and e.targets[0].state == state)
    read = dict.fromkeys(r.state for r in reads(equation.value))
    given = tuple(_input(s, rows[s][0]) for s in read)
    alone = replace(system, inputs=given, equations=(equation,), goals=(), declared=(), buffers=())
    run = interpret(
        alone, parameters=parameters, inputs={s: rows[s][1] for s in read}, horizon=steps or None, lengths=lengths
    )
    if not equation.targets[0].context:
        value = run.value(state)
        assert value is not UNDEFINED, "what it is made from is there"
        return value
    return in_rows([run.value(state, t) for t in range(1, steps + 1)])


def _input(state: str, ends: tuple[int, int] | None) -> Input:
    if ends is None:
        return Input(state, False)
    return Input(state, True, first=Fixed(ends[0]), last=Last("t", ends[1]))
