"""Where an expression is computed, and the table that turns an expression at a place into Python.

There are four places: `bare` (once for an example), a `window` (all steps of an interval at once), a `step` (one step
of a loop) and a `span` (a few steps, with ranges that grow). They differ in how a state is read, which `Place.read`
knows, in the leading axes of values and, in a span, in the scopes of what runs along a range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from sqmagic.emit.torch.code import Code, Shape, number, ranked, spread, within
from sqmagic.equations.system import Apply, Const, Expr, Point, Position, Read, Weight
from sqmagic.schedule.domains import Interval


@dataclass(frozen=True, slots=True)
class Place:
    """`sizes` are the leading axes of a value here as Python writes them (`("T", "batch")`); `like` is a tensor of the
    right dtype and device; `owners` gives a layer's Python text; `parameters` the shapes of parameters by name; `own`
    is an expression for the mask of an example's own steps (batch_norm leaves the others out), or None. `steps` are
    those of a window, and `over` gives the window of other steps. `scopes` are the operators that are computed at
    another place than they stand at.
    """

    sizes: tuple[str, ...]
    like: str
    owners: Mapping[str, str]
    parameters: Mapping[str, Shape]
    read: Callable[[Read], Code]
    position: Callable[[Point], Code]
    own: str | None = None
    steps: Interval | None = None
    over: Callable[[Interval], Place] | None = None
    scopes: Mapping[str, Callable[[Apply, Place, Mapping[str, Rule]], Code]] = field(default_factory=dict)

    @property
    def lead(self) -> int:
        return len(self.sizes)


Rule: TypeAlias = Callable[[Apply, tuple[Code, ...], Place], Code]
"""How an operator is written, given its arguments as they are written."""


def translate(expr: Expr, place: Place, rules: Mapping[str, Rule]) -> Code:
    """An expression as Python at a place."""
    match expr:
        case Const(value):
            return number(value)
        case Read():
            return place.read(expr)
        case Weight(parameter, frozen):
            return weight(parameter, place, frozen)
        case Position(point):
            return place.position(point)
        case Apply(op) if op in place.scopes:
            return place.scopes[op](expr, place, rules)
        case Apply(op, args):
            return rules[op](expr, tuple(translate(a, place, rules) for a in args), place)
        case _:
            assert_never(expr)


def weight(parameter: str, place: Place, frozen: bool = False) -> Code:
    """`self.M.weight`, and detached where no gradient may reach it from here."""
    if parameter in place.owners:
        text = place.owners[parameter]
    else:
        layer, _, name = parameter.rpartition(".")
        text = f"{place.owners[layer]}.{name}"
    return Code(text + ".detach()" * frozen, 0, place.parameters[parameter])


def real(code: Code, place: Place) -> Code:
    """Whole numbers as numbers that one can compute with."""
    if code.kind != "integer":
        return code
    return Code(f"{within(code, 3)}.to({place.like}.dtype)", code.lead, code.shape)


def tensor(code: Code, place: Place) -> Code:
    """A Python number as a tensor of one component for each example; where there are none, of one component."""
    if code.kind != "number":
        return real(code, place)
    if not place.sizes:
        return Code(f"{place.like}.new_full((1,), {code.text})", 0, (1,))
    return Code(f"{place.like}.new_full(({place.sizes[-1]}, 1), {code.text})", 1, (1,))


def pair(args: tuple[Code, ...], place: Place) -> tuple[Code, Code]:
    """Two values as tensors with as many axes."""
    a, b = (tensor(x, place) for x in args)
    rank = max(len(a.shape), len(b.shape))
    return ranked(a, rank), ranked(b, rank)


def filled(code: Code, place: Place, shape: Shape) -> Code:
    """The value with every leading axis of the place and exactly this shape: what a state holds."""
    if code.kind == "number":
        sizes = ", ".join([*place.sizes, *map(str, shape)])
        zero = code.text == "0"
        text = f"new_zeros({sizes})" if zero else f"new_full(({sizes}), {code.text})"
        return Code(f"{place.like}.{text}", place.lead, shape)
    return spread(ranked(real(code, place), len(shape)), place.sizes, shape)
