"""What runs is told of a scan that the compiler wrote as C: plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Page:
    """C text with the header that it includes, and its struct and functions as cffi reads them (`real` is a float or a
    double)."""

    text: str
    header: str
    declaration: str


@dataclass(frozen=True, slots=True)
class OwnState:
    """A state that the scan computes: its member, and how many steps away it is read; `needed` if the scan itself reads
    its memory. `before` and `after` are the rows beside the steps: arguments of the method, or None for zeros.
    """

    state: str
    member: str
    width: int
    before: tuple[int | None, ...]
    after: tuple[int | None, ...]
    reach: int
    needed: bool


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

    The method gives the first `returned` of the own states; others read those in `outside`. `horizon` is the place of
    the number of steps T among the arguments, `lengths` that of the examples' lengths or None; there are T + `more`
    steps. `backward` is the way back, or why there is none.
    """

    method: str
    page: Page
    own: tuple[OwnState, ...]
    returned: int
    outside: frozenset[str]
    horizon: int
    lengths: int | None
    more: int
    between: tuple[tuple[str, int], ...]
    given: tuple[Given, ...]
    weights: tuple[Weights, ...]
    backward: Backward | str

    @property
    def pages(self) -> tuple[Page, ...]:
        """The page forward, and the one back if there is one."""
        return (self.page,) if isinstance(self.backward, str) else (self.page, self.backward.page)


Source: TypeAlias = Literal["own", "state", "adjoint", "argument"]
"""Whose rows: of the scan backward itself, of a state of the scan forward, what was given for one, an argument."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A member of the scan backward and whose rows it takes, from row `skip` on."""

    member: str
    source: Source
    name: str | int
    skip: int
    over_time: bool


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows over all steps, from row `skip` on, components from `start`; without time if `still`."""

    source: Source
    name: str | int
    skip: int
    start: int
    width: int
    still: bool = False


@dataclass(frozen=True, slots=True)
class Outer:
    """The sum of all products of left and right belongs to columns of a weight, from `column` on."""

    left: Rows
    right: Rows
    column: int


@dataclass(frozen=True, slots=True)
class Through:
    """Rows times a part of a weight: its rows from `row`, its columns from `column`, or the other way round. It belongs
    to rows of the result from `into` on, which may be less than 0."""

    rows: Rows
    parameter: str
    unit: int
    component: int
    width: int
    transposed: bool
    into: int


@dataclass(frozen=True, slots=True)
class Gradient:
    """How a gradient is put together; see `Outer`, `Through`. `sums` go over the steps (of a parameter, over the
    examples too); `adds` are rows of the result, from the row beside them on."""

    outers: tuple[Outer, ...] = ()
    sums: tuple[Rows, ...] = ()
    throughs: tuple[Through, ...] = ()
    adds: tuple[tuple[Rows, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Backward:
    """The way back. `kept` are states of the scan forward that it reads; `full` the own ones that keep all rows, what
    is multiplied with the same rows side by side. `parameters` are gradients by name, `arguments` by place, and `bases`
    by place, each the plane of a single row and the (state, row) whose own adjoint is added.
    """

    page: Page
    own: tuple[OwnState, ...]
    kept: frozenset[str]
    full: tuple[str, ...]
    between: tuple[tuple[str, int], ...]
    taken: tuple[Taken, ...]
    weights: tuple[Weights, ...]
    parameters: tuple[tuple[str, Gradient], ...]
    arguments: tuple[tuple[int, Gradient, bool], ...]
    bases: tuple[tuple[int, str, str, int], ...]
