"""Values made from values, while the equations of a scan become a graph: parts of vectors, sums of products, folds.

`Work` is what is known meanwhile; a value is its number in the graph. What costs nothing is done at once: a part of a
concatenation is its parts, fewer units of a layer are a smaller layer, a fold of one component is that component.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from sqmagic.equations.shapes import Shape
from sqmagic.equations.system import Expr, Fixed, Last
from sqmagic.schedule.plan.nodes import (
    Cut,
    Fold,
    Graph,
    Join,
    Length,
    Map,
    Number,
    Places,
    Product,
    Share,
    Step,
    Term,
    Vector,
)


class NotForKernels(Exception):
    """Why an equation cannot run as a kernel, in words that follow "because"."""


@dataclass(slots=True)
class Work:
    """What is known while equations are turned into values. `constants` are bare states that are numbers; `again` are
    states over time that are computed anew where they are read; `here` is the point that stands for t, if one does;
    `whole` says that goals are among what is computed, so that adjoints have their share of a mean.
    """

    shapes: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    constants: Mapping[str, Expr]
    own: frozenset[str]
    graph: Graph = field(default_factory=Graph)
    values: dict[str, int] = field(default_factory=dict)
    again: Mapping[str, Expr] = field(default_factory=dict)
    here: Fixed | Last | None = None
    whole: bool = False

    def width(self, number: int) -> int:
        return self.graph.width(number)


CHEAP = frozenset(
    (
        "copy",
        "add",
        "sub",
        "mul",
        "neg",
        "square",
        "abs",
        "relu",
        "maximum",
        "minimum",
        "where",
        "clip",
        "equal",
        "sign",
        "during",
    )
)
"""What costs less to compute again than to keep."""


# --- component by component ----------------------------------------------------------------------


def pointwise(op: str, numbers: tuple[int, ...], work: Work, setting: str = "") -> int:
    width = max(work.width(n) for n in numbers)
    return work.graph.put(Map(op, numbers, width, setting))


def as_wide(number: int, width: int, work: Work) -> int:
    """A scalar where a vector is meant."""
    return number if work.width(number) == width else work.graph.put(Map("copy", (number,), width))


# --- parts of vectors ----------------------------------------------------------------------------


def join(numbers: list[int], work: Work) -> int:
    parts = [p for n in numbers for p in parts_of(n, work)]
    if len(parts) == 1:
        return parts[0]
    return work.graph.put(Join(tuple(parts), sum(work.width(p) for p in parts)))


def parts_of(number: int, work: Work) -> tuple[int, ...]:
    node = work.graph.nodes[number]
    return node.args if isinstance(node, Join) else (number,)


def cut(number: int, start: int, size: int, work: Work) -> int:
    """Components of a value: of a product fewer units, of a concatenation the parts that they lie in."""
    if start == 0 and size == work.width(number):
        return number
    match work.graph.nodes[number]:
        case Product(terms, biases):
            moved = tuple(replace(t, unit=t.unit + start) for t in terms)
            return product(moved, tuple((b, s + start) for b, s in biases), size, work)
        case Vector(parameter, first):
            return work.graph.put(Vector(parameter, first + start, size))
        case Cut(arg, first):
            return work.graph.put(Cut(arg, first + start, size))
        case Join(args):
            return _cut_of_parts(args, start, size, work)
        case Map(op, args, _, setting) if op in CHEAP and not any(_counts(work, a) for a in args):
            cuts = tuple(a if work.width(a) == 1 else cut(a, start, size, work) for a in args)
            return work.graph.put(Map(op, cuts, size, setting))
        case _:
            return work.graph.put(Cut(number, start, size))


def _counts(work: Work, number: int) -> bool:
    return isinstance(work.graph.nodes[number], Places)


def _cut_of_parts(parts: tuple[int, ...], start: int, size: int, work: Work) -> int:
    found, place = [], 0
    for part in parts:
        width = work.width(part)
        first, last = max(start, place), min(start + size, place + width)
        if first < last:
            found.append(cut(part, first - place, last - first, work))
        place += width
    return join(found, work)


def zeros(width: int, work: Work) -> list[int]:
    return [work.graph.put(Map("copy", (work.graph.put(Number(0.0)),), width))] if width else []


# --- products with weights -----------------------------------------------------------------------


def product(terms: tuple[Term, ...], biases: tuple[tuple[str, int], ...], width: int, work: Work) -> int:
    ordered = tuple(sorted(terms, key=lambda t: (t.operand, repr(t))))
    return work.graph.put(Product(ordered, biases, width))


def in_memory(work: Work, number: int) -> int:
    """A value that a product can take: a number is copied."""
    plain = isinstance(work.graph.nodes[number], Number | Step | Length | Share)
    return work.graph.put(Map("copy", (number,), 1)) if plain else number


def terms(weight: str, operand: int, pitch: int, work: Work, transposed: bool = False) -> tuple[Term, ...]:
    """Weights times a value; times each of its parts if it is a concatenation."""
    found, component = [], 0
    for part in map(partial(in_memory, work), parts_of(operand, work)):
        found.append(Term(weight, part, 0, component, pitch, transposed))
        component += work.width(part)
    return tuple(found)


# --- over components -----------------------------------------------------------------------------


def fold(op: str, number: int, work: Work, rows: int = 1) -> int:
    return number if work.width(number) == rows else work.graph.put(Fold(op, number, rows))


def mean(number: int, work: Work, rows: int = 1) -> int:
    count = float(work.width(number) // rows)
    return pointwise("div", (fold("sum", number, work, rows), work.graph.put(Number(count))), work)


def chosen(number: int, which: int, work: Work) -> int:
    """The component that a whole number names."""
    none = work.graph.put(Number(0.0))
    return fold("sum", pointwise("where", (is_at(which, work.width(number), work), number, none), work), work)


def is_at(which: int, width: int, work: Work) -> int:
    """1 at the component that a whole number names, else 0."""
    return work.graph.put(Map("equal", (which, work.graph.put(Places(width))), width))
