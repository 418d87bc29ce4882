"""One equation or goal in reverse: from the adjoint of its value to what it gives to all that it reads.

Before: an expression, the adjoint of its value, and which states carry gradient. After: `Reversed`, the uses of states
and of parameters, and equations for what is needed more than once: adjoints of parts (`^h.1`) and values of parts
(`h.1`). Whatever is used twice has a name, so that the size stays linear. Only a range that grows cannot have one (a
state has one shape); parts made of such are written out where they are used.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqmagic.calculus.adjoint.call import Call
from sqmagic.calculus.adjoint.carrying import trained
from sqmagic.calculus.adjoint.layers import PARAMETERS
from sqmagic.calculus.adjoint.rules import LEFT_OUT, RULES, NoAdjoint
from sqmagic.calculus.adjoint.uses import Source, Use, whole
from sqmagic.calculus.terms import ZERO, during
from sqmagic.equations.gradients import lets_through
from sqmagic.equations.ops import OPS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.forward import FORWARD, shape_of
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Expr,
    Fixed,
    Last,
    Position,
    Range,
    Read,
    Running,
    Weight,
    walk,
    with_children,
)


def hat(name: str) -> str:
    """The name of an adjoint."""
    return f"^{name}"


@dataclass(frozen=True, slots=True)
class Named:
    """An equation that the adjoint adds for a part of one: of the part's value, or of its adjoint.

    `node` is the part as it was written, where it is one.
    """

    state: str
    context: Context
    value: Expr
    shape: Shape
    node: Apply | None = None


@dataclass(frozen=True, slots=True)
class Reversed:
    """What an equation or a goal gives. `value` is its right side with the parts that have names read by them.

    `adjoints` are the layers that it applies and the adjoint of what each gives (the delta of a layer).
    """

    value: Expr
    values: tuple[Named, ...]
    hats: tuple[Named, ...]
    uses: tuple[tuple[str, Use], ...]
    parameters: tuple[tuple[str, Expr], ...]
    adjoints: tuple[tuple[Apply, Expr], ...]


@dataclass(slots=True)
class _Part:
    """A node of the expression: `value` reads it, `g` is the adjoint of its value once it is known."""

    node: Expr
    parts: tuple[int, ...]
    shape: Shape
    active: bool
    name: str
    value: Expr
    g: Expr | None = None


@dataclass(slots=True)
class Work:
    """What the reversal of one expression knows and has found so far. With `layers`, what a layer gives has a name, and
    its adjoint too, even if they are read once."""

    base: str
    context: Context
    source: Source
    index: str
    carrying: Collection[str]
    states: Mapping[str, Shape]
    sizes: Mapping[str, Shape]
    layers: bool = False
    parts: list[_Part] = field(default_factory=list)
    hats: list[Named] = field(default_factory=list)
    uses: list[tuple[str, Use]] = field(default_factory=list)
    parameters: list[tuple[str, Expr]] = field(default_factory=list)
    adjoints: list[tuple[Apply, Expr]] = field(default_factory=list)
    needed: set[str] = field(default_factory=set)
    count: int = 0


def reverse(value: Expr, own: Expr | None, g: Expr, work: Work) -> Reversed:
    """`own` reads the whole value where that has a name already; `g` is its adjoint."""
    root = _taken_apart(value, own, work)
    work.parts[root].g = g
    for number in range(root, -1, -1):
        part = work.parts[number]
        if part.active and part.g is not None:
            _give(part, work)
    needed = _needed(work)
    values = tuple(
        Named(p.name, work.context, _rebuilt(n, work, needed, top=True), p.shape, _applied(p.node))
        for n, p in enumerate(work.parts)
        if p.name in needed
    )
    rebuilt = Read(work.parts[root].name, work.context) if work.parts[root].name in needed else None
    return Reversed(
        rebuilt or _rebuilt(root, work, needed, top=True),
        values,
        tuple(work.hats),
        tuple(work.uses),
        tuple(work.parameters),
        tuple(work.adjoints),
    )


def _applied(node: Expr) -> Apply | None:
    return node if isinstance(node, Apply) else None


# --- taking an expression apart ------------------------------------------------------------------


def _taken_apart(value: Expr, own: Expr | None, work: Work) -> int:
    """Every node in a list, children before parents; gives the place of the root, the last."""
    done: list[int] = []
    for node, held in _with_held(value):
        count = len(node.args) if isinstance(node, Apply) else 0
        parts = tuple(done[len(done) - count :])
        del done[len(done) - count :]
        done.append(len(work.parts))
        work.parts.append(_part(node, parts, held, work))
    root = work.parts[-1]
    if own is not None and isinstance(root.node, Apply):
        root.value, root.name = own, ""
    return len(work.parts) - 1


TOLD = frozenset({("where", 0)})
"""Arguments that say which of the others counts: no gradient reaches them, and 0 times what is not finite is no 0."""


def postorder(expr: Expr) -> Sequence[Expr]:
    found, waiting = [], [expr]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if isinstance(node, Apply):
            waiting.extend(node.args)
    return found[::-1]


def _with_held(expr: Expr) -> Sequence[tuple[Expr, bool]]:
    """The same, and whether a node stands within something that lets no gradient pass."""
    found, waiting = [], [(expr, False)]
    while waiting:
        node, held = waiting.pop()
        found.append((node, held))
        if isinstance(node, Apply):
            none = not lets_through(node)
            waiting.extend((a, held or none or (node.op, i) in TOLD) for i, a in enumerate(node.args))
    return found[::-1]


def _part(node: Expr, parts: tuple[int, ...], held: bool, work: Work) -> _Part:
    if not isinstance(node, Apply):
        active = not held and (node.state in work.carrying if isinstance(node, Read) else trained(node))
        return _Part(node, (), shape_of(node, work.states, work.sizes), active, "", node)
    members = [work.parts[n] for n in parts]
    shape = FORWARD[node.op](node, [p.shape for p in members], work.sizes) if node.op in FORWARD else ()
    active = not held and lets_through(node) and (trained(node) or any(p.active for p in members))
    if (active or by_chance(node)) and min(shape, default=1) >= 0:
        work.count += 1
        name = f"{work.base}.{work.count}"
        return _Part(node, parts, shape, active, name, Read(name, work.context))
    inline = with_children(node, tuple(p.value for p in members))
    return _Part(node, parts, shape, active, "", inline)


def by_chance(node: Apply) -> bool:
    """Whether a second computation would give another value."""
    return node.op == "dropout" or (node.op in OPS and OPS[node.op].effect)


def _rebuilt(number: int, work: Work, needed: Collection[str], *, top: bool = False) -> Expr:
    """A part as it was written, but for the parts of it that have names."""
    done: dict[int, Expr] = {}
    order, waiting = [], [number]
    while waiting:
        n = waiting.pop()
        order.append(n)
        if n == number or work.parts[n].name not in needed:
            waiting.extend(work.parts[n].parts)
    for n in reversed(order):
        part = work.parts[n]
        if part.name in needed and not (top and n == number):
            done[n] = Read(part.name, work.context)
        else:
            done[n] = with_children(part.node, tuple(done[m] for m in part.parts))
    return done[number]


def _needed(work: Work) -> frozenset[str]:
    """The parts whose values are read, and the chance in what is written out more than once."""
    names = {p.name for p in work.parts if p.name}
    found = {hat_.value for hat_ in work.hats} | {use.value for _, use in work.uses} | {e for _, e in work.parameters}
    read = {node.state for expr in found for node in walk(expr) if isinstance(node, Read)}
    if work.layers:
        read |= {p.name for p in work.parts if p.active and isinstance(p.node, Apply) and p.node.op in PARAMETERS}
    return frozenset(read & names)


# --- giving --------------------------------------------------------------------------------------


def _give(part: _Part, work: Work) -> None:
    """What a part with a known adjoint gives to its own parts, to a state or to parameters."""
    assert part.g is not None
    match part.node:
        case Read(state, context):
            work.uses.append((state, _use(context, part, work)))
        case Weight(parameter):
            work.parameters.append((parameter, part.g))
        case Apply() if part.g == ZERO:  # such as a condition, which passes no gradient
            for member in (work.parts[n] for n in part.parts if work.parts[n].active):
                member.g = ZERO
        case Apply():
            _give_on(part, part.node, work)
        case Const() | Position():
            raise AssertionError("a number carries no gradient")


def _use(context: Context, part: _Part, work: Work) -> Use:
    """A use of a state; what each row of a range, or a point of a sequence, is read from has a name."""
    assert part.g is not None
    use = Use(context, part.g, work.source)
    match context:
        case (Range(Running(), Running()),):
            return Use(context, _shared(use.value, part.shape, work), work.source)
        case (Fixed() | Last(),) | (Range(Fixed(), Fixed()) | Range(Last(), Last()),) if work.source.steps is not None:
            summed = _named(whole(use, work.index), (), part.shape, work, None)
            return Use(context, summed, Source(work.source.goal, work.source.number, None))
        case (Range(Fixed(), Fixed()) | Range(Last(), Last()),):
            return Use(context, _shared(use.value, part.shape, work), work.source)
        case _:
            return use


def _give_on(part: _Part, node: Apply, work: Work) -> None:
    members = [work.parts[n] for n in part.parts]
    assert part.g is not None
    layer = PARAMETERS.get(node.op, {}) if trained(node) else {}
    layer = {name: rule for name, rule in layer.items() if f"{node.layer}.{name}" in work.sizes}

    def outcome(g: Expr) -> tuple[list[tuple[_Part, Expr]], list[tuple[str, Expr]]]:
        shapes, values = tuple(p.shape for p in members), tuple(p.value for p in members)
        if node.op not in RULES and any(p.active for p in members):
            raise NoAdjoint(f"`{node.layer or node.op}` has no adjoint here: {LEFT_OUT[node.op]}")
        call = Call(node, g, part.value, values, part.shape, shapes, work.sizes)
        given = [(p, RULES[node.op](call, i)) for i, p in enumerate(members) if p.active]
        return given, [(f"{node.layer}.{name}", rule(call)) for name, rule in layer.items()]

    g = part.g
    if layer and work.layers:
        g = _named(g, work.context, part.shape, work, node, part.name)
    elif not plain(g) and min(part.shape, default=1) >= 0:
        mark = Read(f"{hat(work.base)}.", work.context)
        given, own = outcome(mark)
        times_used = sum(node == mark for _, e in [*given, *own] for node in walk(e))
        if times_used > 1:
            g = _named(g, work.context, part.shape, work, node, part.name)
    given, own = outcome(g)
    if node.op == "batch_norm":  # what knows of all steps stands at its own: a sum over steps has but one at a time
        given = [(p, _named(e, work.context, p.shape, work, None)) for p, e in given]
        own = [(name, _named(e, work.context, work.sizes[name], work, None)) for name, e in own]
    for member, expr in given:
        member.g = expr
    work.parameters += own
    if layer or node.op in PARAMETERS:
        work.adjoints.append((node, g))


def plain(expr: Expr) -> bool:
    """Whether an expression may stand twice: a name, a number, or the negative of one."""
    match expr:
        case Apply("neg", (inner,)):
            return plain(inner)
        case Apply("step_share"):
            return True
        case Apply():
            return False
        case _:
            return True


def _shared(value: Expr, shape: Shape, work: Work) -> Expr:
    return value if plain(value) else _named(value, work.context, shape, work, None)


def _named(value: Expr, context: Context, shape: Shape, work: Work, node: Apply | None, part: str = "") -> Read:
    """A name for an adjoint: that of a part goes with the part's own (`^h.1` and `h.1`)."""
    if not part:
        work.count += 1
        part = f"{work.base}.{work.count}"
    steps = work.source.steps
    if context and steps is not None and steps[1] < 0:  # in a recurrence it must not end what goes on after it
        limits = {"first": steps[0]} if steps[0] > 1 else {}
        value = during(value, work.index, **limits, last=steps[1])
    named = Named(hat(part), context, value, shape, node)
    work.hats.append(named)
    return Read(named.state, context)
