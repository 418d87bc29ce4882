"""What is meant: a system of recurrence equations, its goals and its parameters. The one IR of the project.

A `System` holds single assignments. Each equation that runs over time is normalised so that its targets stand at
offset 0 (`O_{t-1} --[Q]-> q_{t-1}` is `q_t = Q(O_t)`); time is never unrolled. What analyses learn (order, domains,
shapes, cost) lies beside it as frozen facts. Spans point into the user's text and take no part in equality.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, assert_never

from sqmagic.notation.source import Placed

# --- contexts ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Running:
    """The running index at a constant distance: `t`, `t-1` (offset -1), `t+2`."""

    index: str
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Fixed:
    """A point of the sequence by number: `h_0`, `h_{-1}`."""

    value: int


@dataclass(frozen=True, slots=True)
class Last:
    """The end of the window at a constant distance: `T` (offset 0), `T+1`. `index` is the running one, `t`."""

    index: str
    offset: int = 0


Point: TypeAlias = Running | Fixed | Last


@dataclass(frozen=True, slots=True)
class Range:
    """`1:t`: both ends included; reading it stacks the states, a row for each (scalars make a vector)."""

    first: Point
    last: Point


Index: TypeAlias = Point | Range
Context: TypeAlias = tuple[Index, ...]


# --- expressions ---------------------------------------------------------------------------------

Value: TypeAlias = str | float | int | bool


@dataclass(frozen=True, slots=True)
class Const(Placed):
    """A number. Always a float, and 0.0 is never -0.0, so that equal numbers are equal trees."""

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value) + 0.0)


@dataclass(frozen=True, slots=True)
class Read(Placed):
    """A state at a context: `h_{t-1}` is `Read("h", (Running("t", -1),))`, a bare `p` is `Read("p")`."""

    state: str
    context: Context = ()


@dataclass(frozen=True, slots=True)
class Weight(Placed):
    """A parameter as a value: `M @ x` reads `Weight("M.weight")`, a declared `b : param(64)` is `Weight("b")`.

    `frozen` says that no gradient reaches it from here.
    """

    parameter: str
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Position(Placed):
    """The number of an index: `t` in an expression, or `T`."""

    point: Point


@dataclass(frozen=True, slots=True)
class Apply(Placed):
    """An operator of `ops.OPS` applied to arguments.

    `layer` names the parameters' owner for operators that have parameters (`dense_{M_1}` has layer "M_1", whose
    parameters are "M_1.weight" and "M_1.bias"). `attributes` are the operator's settings, sorted by name, defaults
    left out. Marks that a transform leaves on one use are attributes too: `frozen` (no update through this use),
    `target` (reads the slowly moving copy), `cache`, `recompute`, and `batch` for `@1024`.
    """

    op: str
    args: tuple[Expr, ...] = ()
    layer: str | None = None
    attributes: tuple[tuple[str, Value], ...] = ()

    def attribute(self, name: str, default: Value) -> Value:
        return dict(self.attributes).get(name, default)


Expr: TypeAlias = Const | Read | Weight | Position | Apply


# --- equations, goals, parameters ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """What an equation defines: a state at `(Running(t),)` for all t, at a fixed point, or bare."""

    state: str
    context: Context = ()


@dataclass(frozen=True, slots=True)
class Equation(Placed):
    """`targets = value`, in program order. Several targets for a function of several outputs, none for a pure effect.

    `group` is the path of macro instances it came from (`("Enc_1",)`), `line` the line of the user's text (from 1;
    0 if a rule made it), `span` the statement's place.
    """

    targets: tuple[Target, ...]
    value: Expr
    group: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Goal(Placed):
    """A scalar to lower (a loss) or to raise (an objective), one value for each example and step.

    Losses: `value` is a loss operator on the prediction and `stop(target)`, times `stop(weight)` if weighted.
    Objectives: every read in `value` that does not carry gradient stands under `stop`. So whoever reads a goal
    need know only `stop`. `through` are the predictions, or the states through which the objective is raised.
    The scalar is the mean over the steps of its domain and the batch.
    """

    kind: Literal["loss", "objective"]
    through: tuple[Read, ...]
    value: Expr
    line: int = field(default=0, compare=False)


Kind: TypeAlias = Literal["real", "class", "action"]


@dataclass(frozen=True, slots=True)
class Size:
    """A declared size: `28`, or one known only by a name until the kernel or the data tells."""

    value: int | str


@dataclass(frozen=True, slots=True)
class Input(Placed):
    """A state that nothing defines. `indexed` says that it has a row for each step from `first` to `last`.

    `sizes` is its declared shape or None; for kinds "class" and "action" the one size is the number of values.
    """

    state: str
    indexed: bool
    kind: Kind = "real"
    sizes: tuple[Size, ...] | None = None
    first: Point = Fixed(1)
    last: Point = Last("t")


@dataclass(frozen=True, slots=True)
class Declared(Placed):
    """The declared shape of a state that the program defines."""

    state: str
    sizes: tuple[Size, ...]
    kind: Kind = "real"


@dataclass(frozen=True, slots=True)
class Update:
    """A transform on a parameter's update: `clip_grad`, `adam_opt`, `sgd_opt`, `target` with its settings."""

    transform: str
    settings: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Layer(Placed):
    """An owner of parameters: `function` is the operator that uses it (`dense`, `conv`, …), `module` for a torch
    module of the kernel, or `param` for a free parameter (then the parameter bears the layer's own name).

    `sizes_in` and `sizes_out` are declared (`M_1 : 784 -> 128`; for `param` only `sizes_out`). `updates` apply
    outermost first.
    """

    name: str
    function: str
    sizes_in: tuple[Size, ...] | None = None
    sizes_out: tuple[Size, ...] | None = None
    updates: tuple[Update, ...] = ()
    attributes: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class RunningIndex:
    """A running index: `t`, whose last value is written `T`; with bounds when `over` gives them (`n = 1:4`)."""

    name: str
    first: int | str | None = None
    last: int | str | None = None

    @property
    def capital(self) -> str:
        return self.name.upper()


@dataclass(frozen=True, slots=True)
class Buffer(Placed):
    """`B : buffer(50000, batch=256)`."""

    name: str
    capacity: Size
    settings: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class System:
    """A whole program. `indices` is empty when nothing runs over time."""

    indices: tuple[RunningIndex, ...]
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...]
    goals: tuple[Goal, ...]
    layers: tuple[Layer, ...]
    declared: tuple[Declared, ...] = ()
    buffers: tuple[Buffer, ...] = ()


# --- walking -------------------------------------------------------------------------------------


def children(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Apply():
            return expr.args
        case Const() | Read() | Weight() | Position():
            return ()
        case _:
            assert_never(expr)


def with_children(expr: Expr, args: tuple[Expr, ...]) -> Expr:
    """The same node over other children; the very node if they are the same objects."""
    match expr:
        case Apply():
            unchanged = len(args) == len(expr.args) and all(a is b for a, b in zip(args, expr.args, strict=True))
            return expr if unchanged else replace(expr, args=args)
        case Const() | Read() | Weight() | Position():
            return expr
        case _:
            assert_never(expr)


def walk(expr: Expr) -> Iterator[Expr]:
    """Every node, a parent before its children, left to right."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def reads(expr: Expr) -> tuple[Read, ...]:
    """Every read, left to right; one within a sum over the window is the range that the sum goes through."""
    return tuple(read for read, _ in scoped_reads(expr))


def scoped_reads(expr: Expr) -> tuple[tuple[Read, bool], ...]:
    """Every read as seen from outside, and whether it must be defined: what stands under `during` need not be."""
    match expr:
        case Read():
            return ((expr, True),)
        case Apply("during", (body, step)):
            return (*((read, False) for read, _ in scoped_reads(body)), *scoped_reads(step))
        case Apply("window_sum", (body, Position(first), Position(last))):
            index = str(expr.attribute("index", "t"))
            return tuple((_summed(read, index, first, last), must) for read, must in scoped_reads(body))
        case Apply():
            return tuple(found for child in expr.args for found in scoped_reads(child))
        case Const() | Weight() | Position():
            return ()
        case _:
            assert_never(expr)


def _summed(read: Read, index: str, first: Point, last: Point) -> Read:
    """`g_s`, for s from t to T, reads the range `g_{t:T}`."""
    ends = [points(each) for each in read.context]
    if not any(isinstance(p, Running) and p.index == index for pair in ends for p in pair):
        return read
    context = tuple(Range(_at_point(pair[0], index, first), _at_point(pair[-1], index, last)) for pair in ends)
    return replace(read, context=context)


def runs(expr: Expr) -> bool:
    """Whether a value depends on a running index that no sum within it binds."""
    match expr:
        case Read(context=context):
            return any(isinstance(p, Running) for each in context for p in points(each))
        case Position(point):
            return isinstance(point, Running)
        case Apply("window_sum", (body, first, last)):
            return runs(first) or runs(last) or runs(pinned(body, str(expr.attribute("index", "t")), Fixed(0)))
        case Apply():
            return any(runs(child) for child in expr.args)
        case Const() | Weight():
            return False
        case _:
            assert_never(expr)


def points(index: Index) -> tuple[Point, ...]:
    """The ends of an index: one for a point, two for a range."""
    match index:
        case Running() | Fixed() | Last():
            return (index,)
        case Range(first, last):
            return (first, last)
        case _:
            assert_never(index)


def shift(expr: Expr, steps: int) -> Expr:
    """The expression `steps` later: every running index moves, fixed points and the window's end stay."""
    return _moved(expr, lambda point: moved(point, steps) if isinstance(point, Running) else point, frozenset())


def pinned(expr: Expr, index: str, point: Point) -> Expr:
    """The expression with a point, or another running one, in place of its running index."""
    return _moved(expr, lambda each: _at_point(each, index, point), frozenset())


def moved(point: Point, steps: int) -> Point:
    """A point some steps later."""
    match point:
        case Fixed(value):
            return Fixed(value + steps)
        case Running() | Last():
            return replace(point, offset=point.offset + steps)
        case _:
            assert_never(point)


def _at_point(point: Point, index: str, to: Point) -> Point:
    return moved(to, point.offset) if isinstance(point, Running) and point.index == index else point


def _moved(expr: Expr, how: Callable[[Point], Point], bound: frozenset[str]) -> Expr:
    """The expression with every point moved, but those of an index that a sum over the window binds."""

    def move(point: Point) -> Point:
        return point if isinstance(point, Running) and point.index in bound else how(point)

    match expr:
        case Read():
            return replace(expr, context=tuple(_moved_index(i, move) for i in expr.context))
        case Position():
            return replace(expr, point=move(expr.point))
        case Apply("window_sum", (body, first, last)):
            inner = bound | {str(expr.attribute("index", "t"))}
            return with_children(expr, (_moved(body, how, inner), _moved(first, how, bound), _moved(last, how, bound)))
        case Apply():
            return with_children(expr, tuple(_moved(a, how, bound) for a in expr.args))
        case Const() | Weight():
            return expr
        case _:
            assert_never(expr)


def _moved_index(index: Index, move: Callable[[Point], Point]) -> Index:
    match index:
        case Running() | Fixed() | Last():
            return move(index)
        case Range(first, last):
            return Range(move(first), move(last))
        case _:
            assert_never(index)
