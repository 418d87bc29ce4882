"""What is added up when the way back through a scan has run: each gradient as rows of memory over all steps.

Before: the gradients' equations of an adjoint, in which no bare adjoint is read, and the values of the way back's loop.
After: a `Gradient` for each. What one needs and no row holds is asked of the loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqmagic.equations.system import Apply, Const, Expr, Fixed, Last, Position, Running, reads, shift
from sqmagic.schedule.domains import Interval
from sqmagic.schedule.plan.lower import value, vector
from sqmagic.schedule.plan.nodes import Cut, Map, Product, Row, Still, Term
from sqmagic.schedule.plan.values import NotForKernels, Work, parts_of, pointwise


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of memory over all steps: of a state `offset` steps away (`own` of the scan backward) or what stands still;
    components from `start`."""

    state: str
    offset: int
    start: int
    width: int
    own: bool
    still: bool = False


@dataclass(frozen=True, slots=True)
class Outer:
    """Of a weight's gradient: the sum over steps and examples of all products of `left` and `right`, whose first
    component belongs to a column of the weight."""

    left: Rows
    right: Rows
    column: int


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient of a parameter, of an input or of a base case. `outers` are for weights; `sums` are added up over
    the steps, and for a parameter over the examples; `throughs` are products with weights, step by step; `rows` are
    planes that hold it. What the last two find at a step belongs to the row so many steps before it. (Of a product the
    width is told besides.)
    """

    outers: tuple[Outer, ...] = ()
    sums: tuple[Rows, ...] = ()
    throughs: tuple[tuple[Rows, Term, int, int], ...] = ()
    rows: tuple[tuple[Rows, int], ...] = ()

    @property
    def read(self) -> Iterator[Rows]:
        """The rows that are summed up over the steps."""
        for outer in self.outers:
            yield from (outer.left, outer.right)
        yield from self.sums


@dataclass(frozen=True, slots=True)
class Asking:
    """The values of a way back, and those of them that its loop is to leave as rows, by name."""

    work: Work
    asked: dict[str, int] = field(default_factory=dict)

    def rows(self, number: int) -> Rows:
        """A value as rows of memory: one that stands nowhere is asked for."""
        work = self.work
        match work.graph.nodes[number]:
            case Row(state, offset, width, own):
                if own:
                    self.asked.setdefault(state, work.values[state])
                return Rows(state, offset, 0, width, own)
            case Still(state, _, width):
                return Rows(state, 0, 0, width, False, True)
            case Cut(arg, start, width):
                inner = self.rows(arg)
                return replace(inner, start=inner.start + start, width=width)
            case _:
                name = next((s for s, n in work.values.items() if n == number), None) or f"part_{number}"
                self.asked[name] = number
                return Rows(name, 0, 0, work.width(number), True)


# --- sums over the window --------------------------------------------------------------------------


def summed(expr: Expr, steps: Interval, asking: Asking) -> Gradient:
    """A sum over the window, or several. Raises NotForKernels."""
    found = Gradient()
    for term, negative in _terms(expr):
        match term:
            case Apply("window_sum", (body, Position(Fixed(first)), Position(Last(_, last)))):
                if Interval(first, last) != steps:
                    raise NotForKernels("its gradient is a sum over other steps")
                for each in _body(body, negative, asking):
                    found = replace(found, outers=(*found.outers, *each.outers), sums=(*found.sums, *each.sums))
            case _:
                raise NotForKernels("its gradient is no sum over the window")
    return found


def _body(body: Expr, negative: bool, asking: Asking) -> Iterator[Gradient]:
    work = asking.work
    match body:
        case Apply("neg", (inner,)):
            yield from _body(inner, not negative, asking)
        case Apply("add", parts):
            for each in parts:
                yield from _body(each, negative, asking)
        case Apply("outer", (left, right)):
            rows, column = asking.rows(_signed(value(left, work), negative, work)), 0
            for part in parts_of(value(right, work), work):
                other = asking.rows(part)
                yield Gradient(outers=(Outer(rows, other, column),))
                column += other.width
        case _:
            yield Gradient(sums=(asking.rows(_signed(value(body, work), negative, work)),))


# --- inputs, step by step --------------------------------------------------------------------------


def of_input(expr: Expr, width: int, asking: Asking) -> Gradient:
    """The adjoint of an input over time: products step by step after the loop, the rest within it.

    Each term is seen from the step of the adjoint that it reads. Raises NotForKernels.
    """
    work = asking.work
    throughs: list[tuple[Rows, Term, int, int]] = []
    rows: list[tuple[Rows, int]] = []
    for term, negative in _terms(expr):
        if term == Const(0.0):
            continue
        offset = _distance(term)
        number = vector(shift(_bared(term), -offset), width, work)
        products, rest = ([], number) if negative else _products(number, work)
        throughs += [(asking.rows(t.operand), t, offset, p.width) for p in products for t in p.terms]
        if rest is not None:
            rows.append((asking.rows(_signed(rest, negative, work)), offset))
    return Gradient(throughs=tuple(throughs), rows=tuple(rows))


# --- terms ----------------------------------------------------------------------------------------


def _terms(expr: Expr, negative: bool = False) -> Iterator[tuple[Expr, bool]]:
    """The terms of a sum, with their signs; the mean over the batch is taken when all is added up."""
    match expr:
        case Apply("batch_mean", (inner,)):
            yield from _terms(inner, negative)
        case Apply("neg", (inner,)):
            yield from _terms(inner, not negative)
        case Apply("add", (left, right)):
            yield from _terms(left, negative)
            yield from _terms(right, negative)
        case Apply("sub", (left, right)):
            yield from _terms(left, negative)
            yield from _terms(right, not negative)
        case _:
            yield expr, negative


def _signed(number: int, negative: bool, work: Work) -> int:
    return pointwise("neg", (number,), work) if negative else number


def _products(number: int, work: Work) -> tuple[list[Product], int | None]:
    """The products in a sum, and the rest of it."""
    node = work.graph.nodes[number]
    match node:
        case Product() if not node.biases:
            return [node], None
        case Map("add", (left, right), width) if work.width(left) == work.width(right) == width:
            one, other = _products(left, work), _products(right, work)
            rests = [r for _, r in (one, other) if r is not None]
            rest = pointwise("add", (rests[0], rests[1]), work) if len(rests) == 2 else next(iter(rests), None)
            return [*one[0], *other[0]], rest
        case _:
            return [], number


def _distance(expr: Expr) -> int:
    """How many steps away an expression reads adjoints."""
    found = {
        index.offset
        for read in reads(expr)
        if read.state.startswith("^")
        for index in read.context
        if isinstance(index, Running)
    }
    if len(found) > 1:
        raise NotForKernels("an input's adjoint is made from several steps")
    return found.pop() if found else 0


def _bared(expr: Expr) -> Expr:
    """What a term is where it is not 0."""
    match expr:
        case Apply("during", (body, _)):
            return _bared(body)
        case _:
            return expr
