"""What a net is told of its program: plain values, and functions that the compiler lends it.

A net knows nothing of the compiler. What waits for data is behind `settle`; what a net tells about itself is behind
functions without arguments. If all of them can be pickled (`functools.partial` of functions of a module), so can a net.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from sqmagic.runtime.kernels.program import ScanProgram
from sqmagic.runtime.windows.program import Windows

Shape = tuple[int, ...]


class DataShape(NamedTuple):
    """The shape of one example at one step; `classes` is one more than the largest of whole numbers."""

    shape: Shape
    integer: bool = False
    classes: int | None = None


@dataclass(frozen=True, slots=True)
class InputSpec:
    """An input: its name in the notation, in Python and as a reader sees it (`x_t`).

    `first` is the index of its first row, `last` of its last, counted from T. `shape` is None while it is not known.
    `why` is the chain of reasons for it. `optional` says that no prediction needs it.
    """

    state: str
    name: str
    label: str
    indexed: bool
    kind: Literal["real", "class", "action"] = "real"
    first: int = 1
    last: int = 0
    shape: Shape | None = None
    classes: int | None = None
    why: tuple[str, ...] = ()
    optional: bool = False


Flops: TypeAlias = Sequence[Fraction]
"""For one example over all steps: the coefficients of 1, T, T² and so on."""


class PlanPart(NamedTuple):
    """What runs together: a title, what it is in `lines`, and its cost for one example: `flops`, and `numbers` (at one
    step, `over_time`); `reverse` are both for the way back, if there is one. `states` are what it computes, `kind` is
    that of its loop ("once", "parallel", "forward scan", "reverse scan", "growing"), or "" where it is words alone;
    `method` is that of the generated class for which there is C.
    """

    title: str
    lines: tuple[str, ...]
    flops: Flops
    numbers: int
    over_time: bool
    reverse: tuple[Flops, int] | None = None
    states: tuple[str, ...] = ()
    kind: str = ""
    method: str = ""

    @property
    def recurs(self) -> bool:
        """Whether its loop goes step by step."""
        return self.kind == "growing" or self.kind.endswith("scan")


class Lane(NamedTuple):
    """A part of a plan as it is drawn: of what `kind` its loop is, what it computes, its `costs` in words, its `share`
    of all flops of its direction, what is `told` beside it, and the `hint` that a reader finds who points at it."""

    kind: str
    states: tuple[str, ...]
    costs: tuple[str, ...]
    share: float
    told: str
    hint: str


Lanes = Callable[[str, Sequence[Lane], Sequence[Lane]], str]
"""Draws a plan: how long and how many, the lanes forward and those on the way back, as SVG."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What becomes of a program as shapes of data become known: `source` is None while `missing` are to be told.

    `shapes` are those of the states, as far as they are known; `scans` the recurrences that there are as C too; `plan`
    says what runs where, and `rewrites` how recurrences were made faster, each a step by a rule that can be checked.
    `as_written` is the source without them, for nets whose layers have been changed: `opened` are those that the
    rewritten source takes the weights of and does not call. `stores` are the buffers; `windows` gives acting and
    learning as C; `behaved` says that actions are left to a behaviour policy. `inside` are states that are computed
    where they are read, and not held.
    """

    source: str | None
    inputs: tuple[InputSpec, ...]
    missing: tuple[str, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    scans: tuple[ScanProgram, ...] = ()
    plan: tuple[PlanPart, ...] = ()
    rewrites: tuple[object, ...] = ()
    as_written: str = ""
    opened: tuple[str, ...] = ()
    stores: Mapping[str, Store] = field(default_factory=dict)
    windows: Callable[[], Windows] | None = None
    behaved: bool = False
    inside: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Store:
    """A buffer that a program declares: how much it holds, its settings, and what its fields are called."""

    capacity: int
    settings: Mapping[str, float] = field(default_factory=dict)
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class World:
    """What a program must know of an environment: its name, the shape of an observation and, if that is a whole number,
    how many values it has (else 0); how many actions there are to choose from (0: real numbers), and their shape."""

    name: str
    shape: Shape
    values: int
    actions: int
    action_shape: Shape = ()


class Blank(Protocol):
    """A state as an equation reads it: at the step (`base` "t"), counted from 0 ("0") or from the last step ("T"), or,
    not over time, without a point ("")."""

    @property
    def text(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def base(self) -> str: ...
    @property
    def offset(self) -> int: ...


class Line(Protocol):
    """An equation as text; `parts` are its right side with blanks for what it reads."""

    @property
    def text(self) -> str: ...
    @property
    def targets(self) -> Sequence[Blank]: ...
    @property
    def parts(self) -> Sequence[str | Blank]: ...


Transforms = tuple[tuple[str, Mapping[str, float]], ...]


class Derivation(Protocol):
    """What a net is told of its derivation."""

    @property
    def latex(self) -> str: ...


Array = NDArray[np.float64]
Rows = Mapping[str, tuple[tuple[int, int] | None, Array]]
Inside = Callable[[Collection[str], str, Rows, Mapping[str, Array], int, Sequence[int] | None], Array]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A program, as a net needs it.

    `names` gives each state's Python name. `settle` takes the shapes of the data that are known and may raise the
    compiler's own error. `updates` are the transforms of each layer's update, outermost first; `modules` the torch
    modules that the program calls, by name; `goals` the losses and objectives as text; `horizon` the number of steps
    where no input tells it. `bundle` gives what a notebook shows, by mime type, for shapes that are known, `derivation`
    the equations forward, in reverse and of update, with their `latex`, `lines` the equations with blanks, `inside` the
    values of a state that is not held, from those that are (and their names), parameters, and the number of steps in
    all and of each example, `system` what the compiler means by them, which a net keeps for others and does not look
    at. `lanes` draws a plan. `refused` says why the program is shown and not run, if it is. `bind` gives the same
    program bound to an environment (None for one that has none), `world` the environment that it is bound to.
    `over_limits` gives what is to be told where episodes are cut off after a number of steps.
    """

    name: str
    names: Mapping[str, str]
    settle: Callable[[Mapping[str, DataShape]], Settled]
    notation: Callable[[], str]
    elaborated: Callable[[], str]
    derivation: Callable[[Mapping[str, Shape]], Derivation]
    diagram: Callable[[], object]
    bundle: Callable[[Mapping[str, Shape]], Mapping[str, object]]
    lanes: Lanes
    lines: Callable[[], Sequence[Line]] = tuple
    inside: Inside | None = None
    system: object = None
    goals: tuple[str, ...] = ()
    updates: Mapping[str, Transforms] = field(default_factory=dict)
    modules: Mapping[str, nn.Module] = field(default_factory=dict)
    horizon: int | None = None
    refused: str = ""
    bind: Callable[[World], Blueprint] | None = None
    world: World | None = None
    over_limits: Callable[[], Sequence[str]] = tuple
