"""What runs is told of a scan that the compiler wrote as C: plain values."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Page:
    """C text with the headers that it includes (name and text), and the declarations of its struct and functions
    (`real` is a float or a double)."""

    text: str
    headers: tuple[tuple[str, str], ...]
    declaration: str


@dataclass(frozen=True, slots=True)
class Base:
    """A member that takes the row of a state beside the steps, an argument of the method."""

    member: str
    argument: int


@dataclass(frozen=True, slots=True)
class OwnState:
    """A state that the scan computes: its member, and how many steps away it is read; `needed` if the scan itself reads
    its memory. There are `before` and `after` rows beside the steps; of the latter the first `ends` are base cases, the
    others zeros. Of one that is `single` there is but one row. What is no vector has a `shape`; C takes its rows one
    after the other.
    """

    state: str
    member: str
    width: int
    before: int
    after: int
    ends: int
    reach: int
    needed: bool
    single: bool = False
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A member that takes an argument of the method: rows over time, or what stands still."""

    member: str
    argument: int
    over_time: bool


@dataclass(frozen=True, slots=True)
class Weights:
    """A member that takes a parameter, by its name in `state_dict()`, of this shape."""

    member: str
    parameter: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ranged:
    """A scan that reads ranges of T + `more` rows: the page is for any number, the widths are as if they were the first
    of the numbers `as_if`, and those of the `other` program as if they were the second."""

    more: int
    as_if: tuple[int, int]
    other: ScanProgram


@dataclass(frozen=True, slots=True)
class ScanProgram:
    """A scan: the method of the generated class that it stands for, and what goes where.

    The method gives the first `returned` of the own states; others read those in `outside`. `horizon` is the place of
    the number of steps T among the arguments, `lengths` that of the examples' lengths, or None where C takes
    none; what is `beyond` C are arguments by which examples end at steps of their own, each with the reason. There are
    T + `more` steps. `backward` is the way back, or why there is none. `ready` is a method that takes the same
    arguments and gives those that C takes besides; "" where it takes no more. `matrices` are the places of arguments
    that are no vectors, with their shapes; `widths` how many components an example has of each argument that C
    takes, at a step of what runs over time.
    """

    method: str
    page: Page
    own: tuple[OwnState, ...]
    bases: tuple[Base, ...]
    returned: int
    outside: frozenset[str]
    horizon: int
    lengths: int | None
    beyond: tuple[tuple[int, str], ...]
    more: int
    between: tuple[tuple[str, int], ...]
    given: tuple[Given, ...]
    weights: tuple[Weights, ...]
    backward: Backward | str
    ready: str = ""
    matrices: tuple[tuple[int, tuple[int, ...]], ...] = ()
    widths: tuple[tuple[int, int], ...] = ()
    ranged: Ranged | None = None

    @property
    def pages(self) -> tuple[Page, ...]:
        """The page forward, and the one back if there is one."""
        return (self.page,) if isinstance(self.backward, str) else (self.page, self.backward.page)


Source: TypeAlias = Literal["state", "adjoint", "argument"]
"""Whose rows: of a state of the scan forward, what was given for its adjoint, an argument."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A member of the scan backward and whose rows it takes, from row `skip` on."""

    member: str
    source: Source
    name: str | int
    skip: int
    over_time: bool


@dataclass(frozen=True, slots=True)
class Backward:
    """The way back. `kept` are states of the scan forward that it reads; `full` the own ones that keep all rows.
    `parameters` are the members that take gradients by the parameter's name, `arguments` by place (`True` for those
    over time), "" where a gradient is 0; `bases` by place, each the plane of a single row and the (state, row) whose
    own adjoint is added.
    """

    page: Page
    own: tuple[OwnState, ...]
    kept: frozenset[str]
    full: frozenset[str]
    between: tuple[tuple[str, int], ...]
    taken: tuple[Taken, ...]
    weights: tuple[Weights, ...]
    parameters: tuple[tuple[str, str], ...]
    arguments: tuple[tuple[int, str, bool], ...]
    bases: tuple[tuple[int, str, str, int], ...]


def of_rows(program: ScanProgram, rows: int) -> ScanProgram:
    """The program with the widths that it has where its ranges have so many rows: each grows with them by as much as
    from the first program to the other."""
    ranged = program.ranged
    assert ranged is not None, "it has ranges"
    first, second = ranged.as_if

    def sized(one: Any, other: Any) -> Any:
        match one:
            case int() if not isinstance(one, bool):
                return one + (other - one) // (second - first) * (rows - first)
            case tuple():
                return tuple(map(sized, one, other))
            case _ if is_dataclass(one) and not isinstance(one, type):
                return replace(
                    one, **{f.name: sized(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)}
                )
            case _:
                return one

    found: ScanProgram = sized(replace(program, ranged=None), ranged.other)
    return replace(found, ranged=ranged)
