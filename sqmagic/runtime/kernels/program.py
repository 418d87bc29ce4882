"""What runs is told of a scan that the compiler wrote as C: plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """C text with the header that it includes, and its struct and functions as cffi reads them (`real` is a float or a
    double)."""

    text: str
    header: str
    declaration: str


@dataclass(frozen=True, slots=True)
class OwnState:
    """A state that the scan computes: its member, the rows before and after the steps, how many steps away it is read;
    `needed` if the scan itself reads its memory, `outside` if others read it. `argument` are the method's arguments
    that give its rows before (base cases, in order) and after (end cases; None for zeros).
    """

    state: str
    member: str
    width: int
    before: tuple[int, ...]
    after: tuple[int | None, ...]
    reach: int
    needed: bool
    outside: bool


@dataclass(frozen=True, slots=True)
class Given:
    """A member that takes an argument of the method: rows over time, or what stands still."""

    member: str
    argument: int
    over_time: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """A member that takes a parameter, by its name in `state_dict()`."""

    member: str
    parameter: str


@dataclass(frozen=True, slots=True)
class ScanProgram:
    """A scan: the method of the generated class that it stands for, and what goes where.

    `horizon` is the place of the number of steps T among the arguments, `lengths` that of the examples' lengths or
    None; there are T + `more` steps.
    """

    method: str
    page: Page
    backward: bool
    more: int
    horizon: int
    lengths: int | None
    own: tuple[OwnState, ...]
    between: tuple[tuple[str, int], ...]
    given: tuple[Given, ...]
    weights: tuple[Weights, ...]
