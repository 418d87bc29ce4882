"""What was written: the tree of a program as its author typed it, with places.

The tree says nothing about meaning: a `Name` is the whole word (`h_{t-1}`, `one_hot`, `O'`), and whether
its subscript is a context is decided by elaboration, which knows the running indices.
Spans take no part in equality, so `parse(show(program)) == program`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, assert_never

from sqmagic.notation.source import Placed

# --- expressions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Placed):
    """A literal. Always a float, so that 1 and 1.0 are one tree; never negative (that is `Negative`)."""

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))


@dataclass(frozen=True, slots=True)
class Name(Placed):
    """A word, in ASCII: `h_{t-1}`, `one_hot`, `dense_{M_1}`, `O'`, `gamma` (also for a typed γ)."""

    text: str


@dataclass(frozen=True, slots=True)
class Negative(Placed):
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Placed):
    """`left operator right`, where operator is one of + - * / @."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Bar(Placed):
    """`a | b | c`: concatenation of states, composition of functions. At least two parts, none a `Bar`
    unless it was written in parentheses."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Tuple(Placed):
    """`a, b, c`: at least two parts."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Keyword(Placed):
    """`name=value` among a call's arguments."""

    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Call(Placed):
    """`function(a, b, key=c)`; the function is a name or itself a call, as in `target(Q)(x)`."""

    function: Expression
    arguments: tuple[Expression, ...] = ()
    keywords: tuple[Keyword, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscript(Placed):
    """`q[a]`: the component of q that a names."""

    operand: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Slice(Placed):
    """`x[a:b]`: components a up to, and without, b."""

    operand: Expression
    start: Expression
    stop: Expression


Expression: TypeAlias = Number | Name | Negative | Binary | Bar | Tuple | Call | Subscript | Slice


# --- pipelines and goals -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Item(Placed):
    """One function between the brackets of an arrow: `relu`, `conv_K(size=3)`, `Value@1024`."""

    function: Name | Call
    batch: int | None = None


@dataclass(frozen=True, slots=True)
class Arrow(Placed):
    """`--[f | g]-> a, b`, or `-> a, b` when there are no items. `outputs` is what stands after the arrow."""

    items: tuple[Item, ...]
    outputs: Expression


@dataclass(frozen=True, slots=True)
class Regress(Placed):
    """`=> target`, or `==[loss]=> target` with a loss's name or weight."""

    target: Expression
    loss: Expression | None = None


@dataclass(frozen=True, slots=True)
class Raise(Placed):
    """`$ objective`."""

    objective: Expression


Part: TypeAlias = Arrow | Regress | Raise


# --- statements ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pipeline(Placed):
    """`source --[f]-> a => y $ e --[g]-> b`: a source and what follows it, in order.

    A lone expression (`Add_B(O, a)`) is a pipeline without parts.
    """

    source: Expression
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding(Placed):
    """`a, b := value`."""

    target: Expression
    value: Expression


@dataclass(frozen=True, slots=True)
class Macro(Placed):
    """`Enc: h_{t-1}, x_t` and an indented body."""

    name: Name
    formals: tuple[Name, ...]
    body: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Declaration(Placed):
    """`x_t : 28`, `X : 1 x 28 x 28`, `y : class(10)`, `M_1 : 784 -> 128`, `B : buffer(50000, batch=256)`.

    `sizes` are the factors between `x` signs: numbers, names or one call such as `class(10)`. `to` holds the
    factors after `->` of a parameter's shape, and is empty otherwise.
    """

    name: Name
    sizes: tuple[Expression, ...]
    to: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexRange(Placed):
    """One index of an `over` line: `t`, or `n = 1:4` with both ends included (each a number or a name)."""

    name: Name
    first: Expression | None = None
    last: Expression | None = None


@dataclass(frozen=True, slots=True)
class Over(Placed):
    """`over n` or `over t, n = 1:4`: the running indices of the program."""

    indices: tuple[IndexRange, ...]


@dataclass(frozen=True, slots=True)
class Reset(Placed):
    """`reset h, c on cut`: these states start anew where cut is set."""

    states: tuple[Name, ...]
    on: Name


@dataclass(frozen=True, slots=True)
class Return(Placed):
    """`return h_t`: what a macro gives back."""

    value: Expression


Statement: TypeAlias = Pipeline | Binding | Macro | Declaration | Over | Reset | Return


@dataclass(frozen=True, slots=True)
class Program:
    statements: tuple[Statement, ...]


# --- what is made of what ------------------------------------------------------------------------

Node: TypeAlias = Expression | Keyword | Item | Part | IndexRange | Statement


def inner(node: Node) -> tuple[Node, ...]:
    """The parts that a node is made of."""
    match node:
        case Number() | Name():
            return ()
        case Negative(operand):
            return (operand,)
        case Binary(_, left, right):
            return left, right
        case Bar(parts) | Tuple(parts):
            return parts
        case Call(function, arguments, keywords):
            return function, *arguments, *keywords
        case Keyword(_, value) | Return(value):
            return (value,)
        case Subscript(operand, index):
            return operand, index
        case Slice(operand, start, stop):
            return operand, start, stop
        case Item(function):
            return (function,)
        case Arrow(items, outputs):
            return *items, outputs
        case Regress(target, loss):
            return (target,) if loss is None else (target, loss)
        case Raise(objective):
            return (objective,)
        case Pipeline(source, following):
            return source, *following
        case Binding(target, value):
            return target, value
        case Macro(name, formals, body):
            return name, *formals, *body
        case Declaration(name, sizes, to):
            return name, *sizes, *to
        case IndexRange(name, first, last):
            return name, *(bound for bound in (first, last) if bound is not None)
        case Over(indices):
            return indices
        case Reset(states, on):
            return *states, on
        case _:
            assert_never(node)
