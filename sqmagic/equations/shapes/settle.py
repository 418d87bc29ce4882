"""`settle`: a pass after which no operator's shape need be inferred again.

Afterwards `one_hot` bears ("size", n) and `gauss` ("shape", "3x5"), and targets of cross-entropy that hold whole
numbers are wrapped in one_hot. It changes no shape of a state, does nothing twice, and leaves open what is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqmagic.equations.shapes.classes import Reason
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.facts import DataShape, Shapes
from sqmagic.equations.shapes.infer import build, solve
from sqmagic.equations.shapes.integers import read_as_one_hot
from sqmagic.equations.shapes.read import postorder
from sqmagic.equations.shapes.unknowns import Form
from sqmagic.equations.shapes.waiting import whole_numbers
from sqmagic.equations.system import Apply, Expr, System, Value, children, walk, with_children

_SETTLED = ("one_hot", "gauss")


def settle(system: System, shapes: Shapes) -> System:
    """The System in which `one_hot` and `gauss` say their sizes. `shapes` are those of its states."""
    wrapped = read_as_one_hot(system, shapes.integers)
    if not any(_is_settled(node) for value in _all_values(wrapped) for node in walk(value)):
        return wrapped
    sizes = iter(_sizes(wrapped, shapes))
    equations = tuple(replace(e, value=_settled(e.value, sizes)) for e in wrapped.equations)
    goals = tuple(replace(g, value=_settled(g.value, sizes)) for g in wrapped.goals)
    return replace(wrapped, equations=equations, goals=goals)


def _all_values(system: System) -> Iterator[Expr]:
    yield from (e.value for e in system.equations)
    yield from (g.value for g in system.goals)


def _is_settled(node: Expr) -> bool:
    return isinstance(node, Apply) and node.op in _SETTLED


def _sizes(system: System, shapes: Shapes) -> list[Shape | None]:
    """The shape of every `one_hot` and `gauss`, in the order of `postorder`: one more inference, all states known."""
    data = {state: DataShape(shape) for state, shape in shapes.states.items()}
    width = 64 if shapes.complete else None
    b = build(system, {}, data, width, None, None)
    known = Reason("known")
    for name, shape in shapes.parameters.items():
        if name in b.parameters:
            axes = [b.unknowns.number(n, known) for n in shape]
            b.unknowns.equal(b.parameters[name], b.unknowns.of(axes, known), known)
    for state, count in shapes.classes.items():
        form: Form | None = b.states.get(state)
        if form is not None and form.classes is not None:
            b.unknowns.equal_dimensions(form.classes, b.unknowns.number(count, known), known)
    solve(b, width)
    return [whole_numbers(b.unknowns.shape(slot)) for slot in b.slots]


def _settled(expr: Expr, sizes: Iterator[Shape | None]) -> Expr:
    done: list[Expr] = []
    for node in postorder(expr):
        count = len(children(node))
        args = tuple(done[len(done) - count :])
        del done[len(done) - count :]
        done.append(_marked(with_children(node, args), sizes))
    (result,) = done
    return result


def _marked(node: Expr, sizes: Iterator[Shape | None]) -> Expr:
    match node:
        case Apply("one_hot"):
            shape = next(sizes)
            return node if shape is None else _with(node, "size", shape[-1])
        case Apply("gauss"):
            shape = next(sizes)
            return node if shape is None else _with(node, "shape", "x".join(map(str, shape)))
        case _:
            return node


def _with(node: Apply, name: str, value: Value) -> Apply:
    attributes = tuple(sorted({**dict(node.attributes), name: value}.items()))
    return node if attributes == node.attributes else replace(node, attributes=attributes)
