"""What runs is told of windows that the compiler wrote as C: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqmagic.runtime.kernels.program import Page, Weights


@dataclass(frozen=True, slots=True)
class Plane:
    """The rows of a state: the member that takes them, the index of the first, that of the last counted from T, and how
    wide they are."""

    state: str
    member: str
    first: int
    last: int
    width: int

    def count(self, steps: int) -> int:
        return steps + self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class WindowProgram:
    """A page with the members of its struct in order, `*` before pointers; `between` are members of values in between
    with their widths, `parameters` the members that take one, `gradients` those that take its gradient by the
    parameter's name in `state_dict()`."""

    page: Page
    members: tuple[str, ...]
    planes: tuple[Plane, ...]
    between: tuple[tuple[str, int], ...]
    parameters: tuple[Weights, ...]
    gradients: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class BufferUse:
    """A buffer's name, the widths of what is put in, the states that are drawn ("" where nobody reads one), and the
    noise that is drawn for them."""

    name: str
    put: tuple[tuple[str, int], ...]
    drawn: tuple[str, ...]
    noise: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActingProgram:
    """Acting: `past` are the rows up to 0 that it needs of the window before, `recorded` the first and the last row of
    what learning reads, `carried` its base cases by (state, index); `whole` are states of whole numbers, `drawn` those
    that a buffer gives, `behaved` says that a behaviour policy acts, `outside` is the environment's state."""

    window: WindowProgram
    past: Mapping[str, int]
    recorded: Mapping[str, tuple[int, int]]
    carried: Mapping[str, tuple[str, int]]
    whole: frozenset[str]
    drawn: frozenset[str]
    buffers: tuple[BufferUse, ...]
    behaved: bool
    outside: str


@dataclass(frozen=True, slots=True)
class LearningProgram:
    """Learning: `inputs` are the states that are given, `bases` the inputs that give a row beside the steps, `numbers`
    rows that are the same each time, by (state, index). `kept` are the states that are taken from acting; `followers`
    are parameters that follow another one slowly, and how fast; `flops` are those of an example at a step, acting
    included; `ends` are states that are computed only where another one, the third, says that an episode ends, and
    elsewhere are the second."""

    window: WindowProgram
    inputs: tuple[str, ...]
    bases: Mapping[tuple[str, int], str]
    numbers: Mapping[tuple[str, int], float]
    kept: tuple[str, ...]
    followers: tuple[tuple[str, str, float], ...]
    flops: int
    ends: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Windows:
    """Acting and learning in C, or why torch does it."""

    acting: ActingProgram | str
    learning: LearningProgram | str
