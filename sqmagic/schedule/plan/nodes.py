"""What a step of a scan computes, as values that need one another: a graph without cycles, each value once.

A value is a vector for each example; width 1 meets any width. A matrix is its rows, one after the other. What stands in
memory before the step begins are `Row`s (of the scan's own states at other steps, or of other states), `Still`s (the
same at all steps), and `Vector`s (parameters). Products of weights are sums of `Term`s, so that one accumulator takes
all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from sqmagic.equations.system import Context


@dataclass(frozen=True, slots=True)
class Number:
    """A constant; `repr(value)` keeps 0.0 and -0.0 apart."""

    value: float


@dataclass(frozen=True, slots=True)
class Step:
    """The number of the step, t + offset."""

    offset: int


@dataclass(frozen=True, slots=True)
class Length:
    """The number of the last step, T + offset."""

    offset: int


@dataclass(frozen=True, slots=True)
class Share:
    """What an example at a step counts in a mean over T + `more` steps and all examples."""

    more: int


@dataclass(frozen=True, slots=True)
class Places:
    """The number of each component, from 0."""

    width: int


@dataclass(frozen=True, slots=True)
class Row:
    """A state at t + offset; `own` if the scan computes it."""

    state: str
    offset: int
    width: int
    own: bool


@dataclass(frozen=True, slots=True)
class Still:
    """A bare state, or a point of one: the same at all steps."""

    state: str
    context: Context
    width: int


@dataclass(frozen=True, slots=True)
class Vector:
    """A parameter, the same for all examples and steps; components from `start`."""

    parameter: str
    start: int
    width: int


@dataclass(frozen=True, slots=True)
class Term:
    """Weights times an operand. The weights are rows `unit`… and columns `component`… of a matrix whose rows are
    `pitch` long; `transposed`: columns `unit`… and rows `component`….
    """

    weight: str
    operand: int
    unit: int
    component: int
    pitch: int
    transposed: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """A sum of products of weights and operands, and of biases (parameter, first component)."""

    terms: tuple[Term, ...]
    biases: tuple[tuple[str, int], ...]
    width: int


@dataclass(frozen=True, slots=True)
class Map:
    """A function of values, component by component."""

    op: str
    args: tuple[int, ...]
    width: int
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Fold:
    """The sum, or the largest or smallest, of a value's components; of a matrix with `width` rows those of each row."""

    op: str
    arg: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """A matrix whose entries are a value's components: each `each` times one after the other, and all of them again."""

    arg: int
    each: int
    width: int


@dataclass(frozen=True, slots=True)
class Turn:
    """The transpose of a matrix of `rows` rows."""

    arg: int
    rows: int
    width: int


@dataclass(frozen=True, slots=True)
class Contract:
    """The product of a matrix of `rows` by `inner` and one of `inner` by `columns`; one that is turned stands in memory
    as its transpose."""

    left: int
    right: int
    rows: int
    inner: int
    columns: int
    left_turned: bool
    right_turned: bool

    @property
    def width(self) -> int:
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Join:
    """Values one after the other."""

    args: tuple[int, ...]
    width: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Components from `start`."""

    arg: int
    start: int
    width: int


Operation: TypeAlias = Product | Map | Fold | Spread | Turn | Contract
"""What a step computes, of one width."""

Node: TypeAlias = Number | Step | Length | Share | Places | Row | Still | Vector | Operation | Join | Cut


@dataclass(slots=True)
class Graph:
    """Values by number; the same value has the same number."""

    nodes: list[Node] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def put(self, node: Node) -> int:
        key = repr(node)
        if key not in self.numbers:
            self.numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[key]

    def width(self, number: int) -> int:
        return width(self.nodes[number])


def width(node: Node) -> int:
    match node:
        case Number() | Step() | Length() | Share():
            return 1
        case Places() | Row() | Still() | Vector() | Join() | Cut():
            return node.width
        case Product() | Map() | Fold() | Spread() | Turn() | Contract():
            return node.width
        case _:
            assert_never(node)


def needed(node: Node) -> Iterator[int]:
    """The values that a value is made from."""
    match node:
        case Number() | Step() | Length() | Share() | Places() | Row() | Still() | Vector():
            return
        case Product(terms):
            yield from (t.operand for t in terms)
        case Map(_, args) | Join(args):
            yield from args
        case Fold(_, arg) | Cut(arg) | Spread(arg) | Turn(arg):
            yield arg
        case Contract(left, right):
            yield from (left, right)
        case _:
            assert_never(node)
