"""Ranges that grow or shrink with t, at all steps at once: what lies outside of a step's own range has no share.

The sum of a range of scalars is a running sum. What else is made of a range goes by spans of steps: in a span it has
all rows that one of its steps has, and what is there for each of them is [time, batch, rows].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqmagic.emit.torch.code import ATOM, PRODUCT, SCALAR, SIGN, Code, within
from sqmagic.emit.torch.facts import Facts
from sqmagic.emit.torch.names import free, python_name
from sqmagic.emit.torch.place import Place, Rule, filled, tensor, translate
from sqmagic.emit.torch.reading import end, moved, rows_between, span, window
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes.forward import shape_of
from sqmagic.equations.system import Apply, Expr, Fixed, Last, Range, Read, Running, reads, walk
from sqmagic.schedule.domains import Interval
from sqmagic.schedule.ranges import (
    REDUCTIONS,
    ROW_BY_ROW,
    STEEP,
    Axis,
    Each,
    Form,
    Pairs,
    Plain,
    Rows,
    form,
    row_by_row,
    running_sum,
)

Rules = Mapping[str, Rule]


def running(facts: Facts, steps: Interval) -> Place:
    """All steps at once, where ranges that grow are read in running sums alone."""
    place = window(facts, steps)

    def scope(node: Apply, at: Place, rules: Rules) -> Code:
        read = running_sum(node, facts.shapes)
        if read is None:
            return rules[node.op](node, tuple(translate(a, at, rules) for a in node.args), at)
        return _running(facts, read, steps, mean=node.op == "mean")

    return replace(place, scopes={**place.scopes, "sum": scope, "mean": scope})


def _running(facts: Facts, read: Read, steps: Interval, *, mean: bool) -> Code:
    """The sum or mean of a range of scalars at each step."""
    match read.context:
        case (Range(Fixed(first), Running(_, last)),):
            rows, turned = rows_between(facts, read.state, ("", first), ("T", steps.last + last + 1)), ""
            more = steps.first + last - first
            own = f"[{more}:]" if more else ""
        case (Range(Running(_, first), Last(_, last)),):
            rows, turned = rows_between(facts, read.state, ("", steps.first + first), ("T", last + 1)), ".flip(0)"
            more = last - first - steps.last
            own = f"[:-{more}]" if more else ""
        case _:
            raise AssertionError("a range that grows has one end that moves")
    rows += f".to({facts.like}.dtype)" * (read.state in facts.integers)
    found = f"running_mean({rows}{turned})" if mean else f"{rows}{turned}.cumsum(0)"
    return Code(f"{found}{turned}{own}", 2, SCALAR)


@dataclass(frozen=True, slots=True)
class Named:
    """An expression in which ranges are read as they are, and what was done to their rows before: the lines that do it,
    and the facts with names for it."""

    facts: Facts
    value: Expr
    lines: tuple[str, ...] = ()


def with_names(facts: Facts, state: str, steps: Interval, value: Expr, rules: Rules) -> Named:
    """Gives names to what is done to each row of a range by itself, and so is done once: `M(x_{1:t})`."""
    match value:
        case Apply(_, args):
            forms = [form(a, facts.shapes, facts.parameters) for a in args]
            shapes = [shape_of(a, facts.shapes, facts.parameters) for a in args]
            if row_by_row(value, forms, shapes) is not None:
                return _named(facts, state, steps, value, rules)
            found: list[Expr] = []
            lines: tuple[str, ...] = ()
            for argument in args:
                inner = with_names(facts, state, steps, argument, rules)
                facts, lines = inner.facts, (*lines, *inner.lines)
                found.append(inner.value)
            return Named(facts, replace(value, args=tuple(found)), lines)
        case _:
            return Named(facts, value)


def _named(facts: Facts, state: str, own: Interval, value: Apply, rules: Rules) -> Named:
    """`a_rows = self.M(x)` for the rows of all steps, and a range of it in the place of `M(x_{1:t})`."""
    read, begins = next((r, first) for r in reads(value) if (first := _begins(r)) is not None)
    match read.context:
        case (Range(Fixed(first), Running(index, last)) as whole,):
            steps = Interval(first, own.last + last)
        case (Range(Running(index, first), Last(_, last)) as whole,):
            steps = Interval(own.first + first, last)
        case _:
            raise AssertionError("a range that grows has one end that moves")

    def at_row(expr: Expr) -> Expr:
        match expr:
            case Read(name) if (start := _begins(expr)) is not None:
                return Read(name, (Running(index, start - begins),))
            case Apply(_, args):
                return replace(expr, args=tuple(map(at_row, args)))
            case _:
                return expr

    name, variable = free(f"{state}.rows", facts.shapes), free(f"{python_name(state)}_rows", facts.variables.values())
    shape = shape_of(value, facts.shapes, facts.parameters)[1:] or SCALAR
    place = window(facts, steps)
    rows = filled(translate(at_row(value), place, rules), place, shape)
    more = replace(
        facts,
        shapes={**facts.shapes, name: shape},
        variables={**facts.variables, (name, ()): variable},
        stored={**facts.stored, name: steps},
    )
    return Named(more, Read(name, (whole,)), (f"{variable} = {rows.text}",))


def _begins(read: Read) -> int | None:
    """Where a range that grows begins: at a step, or at a distance from the step that it is read at."""
    match read.context:
        case (Range(Fixed(first), Running()),):
            return first
        case (Range(Running(_, first), Last()),):
            return first
        case _:
            return None


def spans(facts: Facts, value: Expr, steps: Interval) -> tuple[str, Place]:
    """The header of a loop over spans of steps, and the place of a span."""
    read = dict.fromkeys(facts.name(r.state) for r in reads(value) if r.state in facts.stored)
    header = f"for start, stop in spans({', '.join([str(steps.first), end(steps.last), *read])})"
    place = span(facts)
    known = _Known(facts, place, any(_steep(facts, node) for node in walk(value)))
    across = (op for op, row in ALL_OPS.items() if row.pointwise or op in ROW_BY_ROW)
    own = dict.fromkeys(("matmul", "transpose", "flatten", *across, *REDUCTIONS), known.scope)
    return header, replace(place, read=known.read, scopes={**place.scopes, **own})


def _steep(facts: Facts, node: Expr) -> bool:
    """Whether it is a steep function of numbers along a range."""
    match node:
        case Apply(op, (*_, last)) if op in STEEP:
            return isinstance(form(last, facts.shapes, facts.parameters), Each)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class _Reduction:
    """What counts for nothing, and how the others come together: numbers of a range, or those of each vector."""

    nothing: str
    of_range: str
    of_vectors: str


_REDUCED = {
    "sum": _Reduction("0", "{}.sum(-1, keepdim=True)", "{}.sum(-1)"),
    "mean": _Reduction("0", "{}.sum(-1, keepdim=True)", "{}.mean(-1)"),
    "max": _Reduction("-torch.inf", "{}.amax(-1, keepdim=True)", "{}.amax(-1)"),
    "min": _Reduction("torch.inf", "{}.amin(-1, keepdim=True)", "{}.amin(-1)"),
    "norm": _Reduction(
        "0", "torch.linalg.vector_norm({}, dim=-1, keepdim=True)", "torch.linalg.vector_norm({}, dim=-1)"
    ),
}


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of an equation in a span: how it would be computed if it had no ranges, and whether it has a
    function that is steep."""

    facts: Facts
    plain: Place
    steep: bool

    def read(self, r: Read) -> Code:
        found = self.plain.read(r)
        match self.form(r):
            case Each(axis):
                return self.harmless(found, axis)
            case _:
                return found

    def scope(self, node: Apply, place: Place, rules: Rules) -> Code:
        forms = tuple(self.form(a) for a in node.args)
        if all(f == Plain() for f in forms) and node.op in self.plain.scopes:
            return self.plain.scopes[node.op](node, place, rules)
        args = tuple(translate(a, place, rules) for a in node.args)
        if isinstance(self.form(node), Pairs):
            paired = tuple(_by_step(a) if isinstance(f, Rows) else a for f, a in zip(forms, args, strict=True))
            return rules[node.op](node, paired, place)
        if all(f == Plain() for f in forms) or ALL_OPS[node.op].pointwise:
            return rules[node.op](node, args, place)
        return self.along(node, forms, tuple(tensor(a, place) for a in args))

    def along(self, node: Apply, forms: tuple[Form | None, ...], args: tuple[Code, ...]) -> Code:
        """An operator whose arguments run along a range."""
        match node.op, forms:
            case "transpose", _:
                return args[0]
            case "matmul", (Pairs(axis), Plain()):
                return self.harmless(_products(args[0], args[1], "tbsd"), axis)
            case "flatten", (Pairs(axis),):
                return self.harmless(Code(f"{within(args[0], ATOM)}.squeeze(-1)", 2, (-1,)), axis)
            case op, (Pairs(axis),):
                found = Code(_REDUCED[op].of_vectors.format(within(args[0], ATOM)), 2, (-1,))
                return self.harmless(found, axis)
            case "matmul", (Rows(axis), Plain()):
                return self.harmless(_products(args[0], args[1]), axis)
            case "matmul", (Plain(), Rows(axis)):
                return self.harmless(_products(args[1], args[0]), axis)
            case "matmul", (Each(axis), Rows()):
                return _weighted(self.shares(node.args[0], args[0], axis), args[1])
            case "matmul", (Each(axis), Pairs()):
                return _weighted(self.shares(node.args[0], args[0], axis), args[1], "tbsd")
            case "matmul", (Rows(), Each(axis)):
                return _weighted(self.shares(node.args[1], args[1], axis), args[0])
            case "matmul", (Each(axis), Each()):
                both = Code(f"{within(args[0], PRODUCT)} * {within(args[1], SIGN)}", 2, (-1,), "real", PRODUCT)
                return Code(f"{self.filled(both, axis, '0').text}.sum(-1, keepdim=True)", 2, SCALAR)
            case "softmax" | "log_softmax", (Each(axis),):
                shares = Code(f"torch.{node.op}({self.filled(args[0], axis, '-torch.inf').text}, dim=-1)", 2, (-1,))
                infinite = node.op == "log_softmax" and not self.steep
                return self.filled(shares, axis, "0") if infinite else self.harmless(shares, axis)
            case op, (Each(axis),):
                how = _REDUCED[op]
                found = Code(how.of_range.format(self.filled(args[0], axis, how.nothing).text), 2, SCALAR)
                return found if op != "mean" else self.per_step(found, axis)
            case _:
                raise AssertionError("what has no form is computed step by step")

    def form(self, expr: Expr) -> Form | None:
        return form(expr, self.facts.shapes, self.facts.parameters)

    def outside(self, axis: Axis) -> str:
        """Which rows are outside of a step's own range."""
        if axis.ahead:
            return f"earlier(start, stop, {moved('T', axis.more - 1)}, {self.facts.like})"
        return f"later({moved('start', axis.more)}, {moved('stop', axis.more)}, {self.facts.like})"

    def filled(self, each: Code, axis: Axis, nothing: str) -> Code:
        """What is outside replaced by what counts for nothing."""
        return Code(f"{within(each, ATOM)}.masked_fill({self.outside(axis)}, {nothing})", 2, (-1,))

    def shares(self, expr: Expr, each: Code, axis: Axis) -> Code:
        """What the rows outside have no share in."""
        nothing = isinstance(expr, Apply) and expr.op == "softmax" and not self.steep
        return each if nothing else self.filled(each, axis, "0")

    def harmless(self, each: Code, axis: Axis) -> Code:
        """What is outside replaced by what is in it, where a function's derivative may be infinite outside."""
        if not self.steep:
            return each
        own = -1 if axis.ahead else 0
        return Code(f"as_one_inside({each.text}, {self.outside(axis)}, {own})", 2, (-1,))

    def per_step(self, total: Code, axis: Axis) -> Code:
        """By the number of rows of each step's own."""
        count = self.plain.position(Running("t", 0 if axis.ahead else axis.more)).text
        count = f"({moved('T', axis.more)} - {count})" if axis.ahead else count
        return Code(f"{within(total, PRODUCT)} / {count}", 2, SCALAR, "real", PRODUCT)


def _by_step(rows: Code) -> Code:
    """The rows of a range as a matrix that each step meets."""
    return Code(f"{within(rows, ATOM)}.transpose(0, 1)", 1, rows.shape)


def _products(rows: Code, vector: Code, axes: str = "sbd") -> Code:
    """The product of each row with a step's own vector, or one for all steps; each step may have rows of its own."""
    steps = "t" if "t" in axes or vector.lead == 2 else ""
    text = f'torch.einsum("{axes},{("d", "bd", "tbd")[vector.lead]}->{steps}bs", {rows.text}, {vector.text})'
    return Code(text, 2 if steps else 1, (-1,))


def _weighted(weights: Code, rows: Code, axes: str = "sbd") -> Code:
    """The sum of the rows, each by its own weight; each step may have rows of its own."""
    return Code(f'torch.einsum("tbs,{axes}->tbd", {weights.text}, {rows.text})', 2, rows.shape[1:])
