"""From single assignments to a System: the last step of elaboration.

Every equation over time is shifted so that its targets stand at offset 0; `p $ e` holds fixed what is not p; a
target of `=>` is held fixed. What nothing defines becomes an input. Lines that cannot be lowered become problems.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqmagic.equations.elaborate.declare import Declarations, read_declarations
from sqmagic.equations.elaborate.expressions import Lowering
from sqmagic.equations.elaborate.goals import loss_goal, objective_goal
from sqmagic.equations.elaborate.inputs import duplicates, inputs
from sqmagic.equations.elaborate.lines import Fault, Kernel, Line
from sqmagic.equations.elaborate.mistaken import learned_anew
from sqmagic.equations.elaborate.names import Names, spell
from sqmagic.equations.elaborate.over import unkept
from sqmagic.equations.elaborate.resets import with_resets
from sqmagic.equations.elaborate.trees import defined, nodes, parts, values
from sqmagic.equations.ops import OPS
from sqmagic.equations.show import show_function
from sqmagic.equations.system import (
    Apply,
    Context,
    Equation,
    Expr,
    Fixed,
    Goal,
    Last,
    Position,
    Range,
    Read,
    Running,
    RunningIndex,
    System,
    Target,
    points,
    reads,
    shift,
    walk,
)
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.source import NOWHERE, Source
from sqmagic.notation.syntax import (
    Binary,
    Binding,
    Call,
    Expression,
    Name,
    Negative,
    Number,
    Over,
    Pipeline,
    Raise,
    Regress,
)


@dataclass(slots=True)
class _Found:
    """What the lines gave so far."""

    equations: list[Equation] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def lower(
    lines: tuple[Line, ...], names: Names, kernel: Kernel, source: Source, lost: frozenset[str]
) -> tuple[System, tuple[Problem, ...]]:
    """The System that the lines mean. `lost` are names whose lines were faulty: nothing more is said of them."""
    declarations, problems = read_declarations(lines, names, kernel)
    lowering = Lowering(names, kernel, declarations, _matrices(lines, names, declarations))
    found = _Found(problems=list(problems))
    for line in lines:
        try:
            _statement(line, lowering, source, found)
        except Fault as fault:
            placed = fault.problem.span != NOWHERE
            found.problems.append(fault.problem if placed else replace(fault.problem, span=line.span))
            lost |= {names.state(name.text)[0] for name in defined(line.statement)}
    found.problems += duplicates(found.equations)
    equations = with_resets(lines, tuple(found.equations), lowering, found.problems)
    open_states, faults = inputs(equations, found.goals, declarations, names, lost)
    found.problems += faults
    made = {target.state for equation in equations for target in equation.targets}
    indices = _running_indices(lines, names)
    found.problems += unkept(lines, indices, lowering.layers(), names, source)
    found.problems += learned_anew(lowering.layers(), lowering.matrices, kernel)
    system = System(
        indices=indices,
        inputs=open_states,
        equations=equations,
        goals=tuple(found.goals),
        layers=lowering.layers(),
        declared=tuple(d for d in declarations.declared if d.state in made),
        buffers=declarations.buffers,
    )
    return system, tuple(found.problems)


def _running_indices(lines: tuple[Line, ...], names: Names) -> tuple[RunningIndex, ...]:
    over = next((line.statement for line in lines if isinstance(line.statement, Over)), None)
    bounds = {} if over is None else {i.name.text: (_bound(i.first), _bound(i.last)) for i in over.indices}
    return tuple(RunningIndex(name, *bounds.get(name, (None, None))) for name in names.indices)


def _bound(expression: Expression | None) -> int | str | None:
    match expression:
        case None:
            return None
        case Name(text):
            return text
        case Number(value) | Negative(Number(value)) if not value.is_integer():
            return show_expression(expression)
        case Number(value):
            return int(value)
        case Negative(Number(value)):
            return -int(value)
        case _:
            raise AssertionError("a bound is a number or a name")


def _matrices(lines: tuple[Line, ...], names: Names, declarations: Declarations) -> frozenset[str]:
    """The capitalised names that stand only beside `@` and are no state: `M` of `M @ x`."""
    states = {names.state(n.text)[0] for line in lines for n in defined(line.statement)}
    states |= {d.state for d in declarations.declared}
    found: set[str] = set()
    elsewhere: set[str] = set()
    for line in lines:
        for value in values(line.statement):
            products = [n for n in nodes(value) if isinstance(n, Binary) and n.operator == "@"]
            sides = [side for product in products for side in (product.left, product.right)]
            beside, turned = {id(side) for side in sides}, {id(_transposed(side)) for side in sides}
            for name in (n for n in nodes(value) if isinstance(n, Name) and id(n) not in turned):
                (found if id(name) in beside else elsewhere).add(name.text)
    alone = found - elsewhere - states
    return frozenset(t for t in alone if t.rpartition(".")[2][:1].isupper() and not names.state(t)[1])


def _transposed(side: Expression) -> Expression | None:
    """`M` of `transpose(M) @ x`: what M is, its other uses say."""
    match side:
        case Call(Name("transpose"), (Name() as name,)):
            return name
        case _:
            return None


# --- statements ----------------------------------------------------------------------------------


def _nameless(call: Expression, value: Expr, line: Line) -> Problem:
    """A value that nothing names; of a loss it is said how one is drawn."""
    text = show_expression(call)
    match call:
        case Call(function, (p, y), ()) if isinstance(value, Apply) and OPS[value.op].loss:
            sides = f"{show_expression(p)} ==[{show_expression(function)}]=> {show_expression(y)}"
            return Problem("SQ202", f"`{text}` is a number that nothing lowers", line.span, instead=sides)
        case _:
            return Problem("SQ202", f"`{text}` is not given a name", line.span, instead=f"{text} -> name")


def _statement(line: Line, lowering: Lowering, source: Source, found: _Found) -> None:
    number = source.line_number(line.span.start) if line.span != NOWHERE else 0
    match line.statement:
        case Binding(target, value):
            found.equations += _equations(line, target, lowering.value(value), lowering.names, number)
        case Pipeline(prediction, (Regress() as goal,)):
            found.goals.append(loss_goal(prediction, goal, lowering, number, line))
        case Pipeline(through, (Raise() as goal,)):
            found.goals.append(objective_goal(through, goal, lowering, number, line))
        case Pipeline(call, ()):
            effect = lowering.value(call)
            if not (isinstance(effect, Apply) and OPS[effect.op].effect):
                raise Fault(_nameless(call, effect, line))
            found.equations.append(Equation((), effect, line.group, number, span=line.span))
        case _:
            pass


def _equations(line: Line, target: Expression, value: Expr, names: Names, number: int) -> Iterator[Equation]:
    for name in (n for n in parts(target) if isinstance(n, Name)):
        names.taken(name)
    targets = [(n, *names.state(n.text)) for n in parts(target) if isinstance(n, Name)]
    _check_outputs(value, len(targets), line)
    offsets = {i.offset for _, _, c in targets for i in c[:1] if isinstance(i, Running)}
    if len(offsets) > 1:
        raise Fault(Problem("SQ221", "the results of one call must stand at one step", target.span))
    steps = -next(iter(offsets), 0)
    moved = shift(value, steps) if steps else value
    if not offsets:
        _check_stands_still(value, targets, names)
    ranges = [c[0] for _, _, c in targets if c and isinstance(c[0], Range)]
    for point in _range_points(ranges[0], line) if ranges else (None,):
        placed = tuple(Target(key, _placed(context, steps, point)) for _, key, context in targets)
        yield Equation(placed, moved, line.group, number, span=line.span)


def _range_points(found: Range, line: Line) -> Iterator[Fixed]:
    """`0 -> x_{-1:0}` gives two base cases."""
    first, last = found.first, found.last
    if not (isinstance(first, Fixed) and isinstance(last, Fixed) and first.value <= last.value):
        raise Fault(Problem("SQ222", "only a range of numbers can be given a value", line.span))
    return (Fixed(n) for n in range(first.value, last.value + 1))


def _placed(context: Context, steps: int, point: Fixed | None) -> Context:
    first = tuple(replace(i, offset=i.offset + steps) if isinstance(i, Running) else i for i in context[:1])
    return ((point,) if point is not None else first) + context[1:]


def _check_stands_still(value: Expr, targets: list[tuple[Name, str, Context]], names: Names) -> None:
    """What has no running index cannot be made from what runs."""
    name = targets[0][0].text if targets else "this"
    for node in walk(value):
        if isinstance(node, Position) and isinstance(node.point, Running):
            index = node.point.index
            message = f"`{name}` stands at one point of the sequence, but `{index}` is the number of each step"
            raise Fault(Problem("SQ223", message, node.span, notes=("write the number of that point.",)))
    for read in reads(value):
        if any(isinstance(p, Running) for index in read.context[:1] for p in points(index)):
            own = any(key == read.state for _, key, _ in targets)
            raise Fault(_bare_data(name, read) if own and _is_bare(read) else _read_at_a_point(name, read, names))


def _read_at_a_point(name: str, read: Read, names: Names) -> Problem:
    spelled = spell(read.state, read.context)
    index = names.indices[0]
    points_ = f"`{spell(read.state, (Fixed(1),))}` or `{spell(read.state, (Last(index),))}`"
    message = f"`{name}` stands at one point of the sequence, but `{spelled}` runs over {index}"
    return Problem("SQ223", message, read.span, notes=(f"read it at a point: {points_}.",))


def _is_bare(read: Read) -> bool:
    """Whether a state is written without a context."""
    return read.span.stop - read.span.start == len(read.state)


def _bare_data(name: str, read: Read) -> Problem:
    """`q -> q_0`: q alone is `q_t`, and what is given for the base case needs another name."""
    other = "u" if read.state != "u" else "v"
    message = (
        f"`{name}` stands at one point of the sequence, but `{read.state}` alone is `{spell(read.state, read.context)}`"
    )
    note = "data that give a sequence its beginning get a name of their own."
    return Problem("SQ223", message, read.span, notes=(note,), instead=other)


_OUTPUTS = {"reset": ("S", "O"), "step": ("S", "O", "r", "d", "cut", "O'")}
"""What an environment gives, in this order; the last of them may be left out."""


def _check_outputs(value: Expr, count: int, line: Line) -> None:
    most = OPS[value.op].outputs if isinstance(value, Apply) else 1
    if most is not None and most != count:
        who = f"`{show_function(value)}`" if isinstance(value, Apply) else "an expression"
        what = "nothing" if most == 0 else "one result"
        given = "a name is given" if count == 1 else f"{count} names are given"
        raise Fault(Problem("SQ204", f"{who} gives {what}, but {given}", line.span))
    name = value.op if isinstance(value, Apply) else ""
    known = _OUTPUTS.get(name, ())
    if known and count > len(known):
        named = ", ".join(known[:-1]) + f" and {known[-1]}"
        raise Fault(Problem("SQ204", f"`{name}` gives {named}, but {count} names are given", line.span))
    for node in walk(value):
        if node is not value and isinstance(node, Apply) and OPS[node.op].outputs != 1:
            raise Fault(
                Problem(
                    "SQ224", f"`{show_function(node)}` must stand on a line of its own, its results named", node.span
                )
            )
