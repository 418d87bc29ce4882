"""Rules of the operators that take shapes apart and put them together: `|`, `@`, index, slice, split, transpose."""

from __future__ import annotations

from collections.abc import Sequence

from sqmagic.equations.shapes.builder import Argument, Builder, Site
from sqmagic.equations.shapes.classes import PLURAL, WIDE, Reason
from sqmagic.equations.shapes.sums import Joined, Product
from sqmagic.equations.shapes.unknowns import Fault, Form, Side
from sqmagic.equations.shapes.waiting import AtMost, Once
from sqmagic.equations.system import Const


def _concat(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """`|` adds along the first axis: components of vectors, rows of matrices, channels of images."""
    parts = tuple(b.form(a, site) for a in args)
    if len(parts) == 1:
        return parts[0]
    result = b.unknowns.free(PLURAL)
    rule = Joined(parts, result, site.expr.args, site.why("`{0}` joins its parts"))
    b.unknowns.wait(rule, shapes=(*parts, result), makes=(result,))
    return result


def split(b: Builder, site: Site, args: list[Argument], targets: Sequence[str]) -> list[Argument]:
    """Equal parts along the first axis; a free part takes `width`, so that the whole is as many times that."""
    whole = b.form(args[0], site)
    first = b.unknowns.free(WIDE)
    b.unknowns.dimensions.mark(whole.last, PLURAL)
    why = site.why("`{0}` is split into " + str(len(targets)), site.expr.args[0])
    rule = Joined((first,) * len(targets), whole, tuple(targets), why)
    b.unknowns.wait(rule, shapes=(first, whole), makes_dimensions=(whole.last,))
    return [first] * len(targets)


def _index(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """The component of a vector, the row of a matrix, that a whole number names."""
    x, number = b.form(args[0], site), site.expr.args[1]
    result = b.unknowns.free()
    why = site.why("`{0}` is one of `{1}`", site.expr, site.expr.args[0])
    if args[1] is not None:
        clash = "an index is one integer, but `{0}` is {a}"
        b.unknowns.make_scalar(args[1], site.why("`{0}` is an index", number, clash=clash))

    def then() -> None:
        first, rest = _first(b, x)
        b.unknowns.equal(result, b.unknowns.of(rest, why) if rest else b.unknowns.scalar(why), why)
        if isinstance(number, Const) and number.value != int(number.value):
            clash = "an index is a whole number in `{0}`"
            b.unknowns.fault(Fault(site.why("", clash=clash)._replace(code="SQ306")))
        elif isinstance(number, Const):
            _within(b, site, x, first, int(number.value), int(number.value) + 1)
        elif args[1] is not None and args[1].classes is not None:
            rule = AtMost(args[1].classes, first, _picks(site))
            b.unknowns.wait(rule, dimensions=(args[1].classes, first))

    b.once((x,), then, makes=(result,))
    return result


def _picks(site: Site) -> Reason:
    x, number = site.expr.args
    clash = "`{1}` has {a} values, but `{0}` has only {b} components in `{2}`"
    heads = ("the number of {1}'s values is", "{0} is")
    return site.why("`{1}` picks a component of `{0}`", x, number, site.expr, clash=clash, heads=heads)


def _slice(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x = b.form(args[0], site)
    start, stop = (b.integer(site.setting(name), site) for name in ("start", "stop"))
    result = b.unknowns.free()
    if start is None or stop is None:
        return result
    if not 0 <= start < stop:
        clash = "`{0}` holds no component: they are counted from 0, the last one left out"
        b.unknowns.fault(Fault(site.why("", clash=clash)._replace(code="SQ306")))
        return result

    def then() -> None:
        first, rest = _first(b, x)
        why = site.why("`{0}` has " + str(stop - start) + " components")
        b.unknowns.equal(result, b.unknowns.of((b.unknowns.number(stop - start, why), *rest), why), why)
        _within(b, site, x, first, start, stop)

    b.once((x,), then, makes=(result,))
    return result


def _within(b: Builder, site: Site, x: Form, first: int, start: int, stop: int) -> None:
    """A fault if the components start up to stop are not there, as soon as it is known how many are."""

    def then() -> None:
        size = b.unknowns.dimensions.get(first)
        if isinstance(size, int) and not (0 <= start < size and stop <= size):
            clash = "`{1}` reaches beyond `{0}` ({a}), whose components are counted from 0"
            b.refuse(site, clash, b.unknowns.side(first, x), site.expr.args[0], site.expr, code="SQ306")

    b.once_sizes((first,), then)


def _first(b: Builder, x: Form) -> tuple[int, tuple[int, ...]]:
    """The first axis and the others, of a shape whose rank is known."""
    axes = b.unknowns.axes(x)
    assert axes is not None, "it waits for the rank"
    return axes[0], axes[1:]


def _rank(b: Builder, x: Form) -> Side:
    return Side(b.unknowns.text(x), lead=x.lead)


# --- matrices ------------------------------------------------------------------------------------


def _matmul(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """`x @ y`: the last axis of x meets the first of y, and both vanish."""
    x, y = (b.form(a, site) for a in args)
    result = b.unknowns.free()
    left, right = site.expr.args
    clash = "`{0}` has {a} columns, but `{1}` has {b} rows in `{2}`"
    why = site.why("`@` makes the columns of `{0}` the rows of `{1}`", left, right, site.expr, clash=clash)
    gives = site.why("`{0}` is a matrix product")
    column = "`{0}` ({a}) has one column: `flatten(...)` makes a vector of it, before a softmax is taken"

    def then() -> None:
        columns, (first, rest) = b.unknowns.axes(x), _first(b, y)
        assert columns is not None, "it waits for the rank"
        if len(rest) > 1 or len(columns) > 2:
            wrong, said = (y, right) if len(rest) > 1 else (x, left)
            b.refuse(site, "`@` multiplies vectors and matrices, but `{0}` is {a}", _rank(b, wrong), said)
            return
        if _is_column(b, columns, first):
            b.refuse(site, column, _rank(b, x), left)
            return
        b.unknowns.equal_dimensions(columns[-1], first, why)
        axes = (*columns[:-1], *rest)
        b.unknowns.equal(result, b.unknowns.of(axes, gives) if axes else b.unknowns.scalar(gives), gives)

    b.once((x, y), then, makes=(result,))
    return result


def _is_column(b: Builder, axes: tuple[int, ...], rows: int) -> bool:
    """Whether it is a matrix of one column that has a number for each of so many rows, and more than one."""
    sizes = [b.unknowns.dimensions.get(a) for a in (*axes, rows)]
    return len(axes) == 2 and sizes[1] == 1 and sizes[2] != 1 and sizes[0] is not None and sizes[0] == sizes[2]


def _transpose(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x = b.form(args[0], site)
    result = b.unknowns.free()
    why = site.why("`{0}` has rows for columns")

    def then() -> None:
        axes = b.unknowns.axes(x)
        assert axes is not None, "it waits for the rank"
        if len(axes) == 2:
            b.unknowns.equal(result, b.unknowns.of(axes[::-1], why), why)
        else:
            b.refuse(site, "a matrix has a transpose, but `{0}` is {a}", _rank(b, x), site.expr.args[0])

    b.once((x,), then, makes=(result,))
    return result


def _outer(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x, y = (b.form(a, site) for a in args)
    why = site.why("`{0}` has a row for each component of the first vector")
    for vector, said in zip((x, y), site.expr.args, strict=True):
        clash = "`outer` takes two vectors, but `{0}` is {a}"
        flat = site.why("`{0}` is a vector in `{1}`", said, site.expr, clash=clash)
        b.unknowns.equal_leads(vector.lead, b.unknowns.none, flat, (vector, Form(b.unknowns.none, vector.last)))
    return b.unknowns.of((x.last, y.last), why)


def _flatten(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x = b.form(args[0], site)
    total = b.unknowns.dimensions.fresh(PLURAL)
    clash, heads = "`{1}` has {b} components, but must have {a}", ("it must be", "{1} is")
    why = site.why("`{1}` has the components of `{0}`", site.expr.args[0], site.expr, clash=clash, heads=heads)

    def then() -> None:
        axes = b.unknowns.axes(x)
        assert axes is not None, "it waits for the rank"
        rule = Product(x, total, why)
        b.unknowns.wait(rule, dimensions=(*axes, total), makes_dimensions=(total,))

    b.unknowns.wait(Once((x,), then), shapes=(x,), makes_dimensions=(total,))
    return Form(b.unknowns.none, total)


RULES = {
    "concat": _concat,
    "index": _index,
    "slice": _slice,
    "matmul": _matmul,
    "transpose": _transpose,
    "outer": _outer,
    "flatten": _flatten,
}
