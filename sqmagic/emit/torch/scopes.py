"""What is computed at another place than it stands at: sums over the window, means over the batch, and what is 0
outside of some steps; and forms that torch has one function for.

The gradient of a dense layer's weights, the mean over the batch of a sum over steps of outer products, is one product
of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from sqmagic.emit.torch.code import ATOM, PRODUCT, Code, led, spread, within
from sqmagic.emit.torch.place import Place, Rule, tensor, translate
from sqmagic.equations.system import Apply, Expr, Fixed, Last, Position, Read, Running, Weight
from sqmagic.schedule.domains import Interval

Rules = Mapping[str, Rule]
Scope: TypeAlias = Callable[[Apply, Place, Rules], Code]


def _window_sum(node: Apply, place: Place, rules: Rules) -> Code:
    inner = _at_all_steps(node, place, rules)
    return Code(f"{within(inner, ATOM)}.sum(0)", 1, inner.shape)


def _at_all_steps(node: Apply, place: Place, rules: Rules) -> Code:
    """The summand at each step, time first."""
    assert place.over is not None, "a place knows of windows"
    inner = place.over(_steps(node))
    return _full(translate(node.args[0], inner, rules), inner)


def _steps(node: Apply) -> Interval:
    match node.args:
        case (_, Position(Fixed(first)), Position(Last(_, last))):
            return Interval(first, last)
        case _:
            raise AssertionError("a sum whose ends move with t is refused before")


def _full(code: Code, place: Place) -> Code:
    code = tensor(code, place)
    return spread(led(code, place.lead), place.sizes, code.shape)


def _batch_mean(node: Apply, place: Place, rules: Rules) -> Code:
    match node.args[0]:
        case Apply("outer", (left, right)):
            return _product(left, right, place, rules)
        case Apply("window_sum", (Apply("outer", (left, right)), *_)) as summed:
            assert place.over is not None, "a place knows of windows"
            return _product(left, right, place.over(_steps(summed)), rules)
        case inner:
            code = _full(translate(inner, place, rules), place)
            return Code(f"{within(code, ATOM)}.mean(0, keepdim=True)", 1, code.shape)


def _product(left: Expr, right: Expr, place: Place, rules: Rules) -> Code:
    """Rows of examples, and of steps, against rows."""
    a, b = (_full(translate(e, place, rules), place) for e in (left, right))
    rows = ".flatten(0, 1)" * (place.lead > 1)
    text = f"({within(a, ATOM)}{rows}.T @ {within(b, ATOM)}{rows})[None] / batch"
    return Code(text, 1, (a.shape[0], b.shape[0]), "real", PRODUCT)


def _during(node: Apply, place: Place, rules: Rules) -> Code:
    body, position = node.args
    first, last = (node.attribute(name, "") for name in ("first", "last"))
    if place.steps is not None and isinstance(position, Position) and isinstance(position.point, Running):
        return _padded(body, place, rules, first, last, position.point.offset)
    at = translate(position, place, rules).text
    tests = [f"{first} <= {at}"] * (first != "") + [f"{at} <= T + {last}" if last else f"{at} <= T"] * (last != "")
    inner = tensor(translate(body, place, rules), place)
    zero = f"{place.like}.new_zeros({', '.join(['batch', *map(str, inner.shape)])})"
    return Code(f"({inner.text} if {' and '.join(tests)} else {zero})", max(1, inner.lead), inner.shape)


def _padded(body: Expr, place: Place, rules: Rules, first: object, last: object, offset: int) -> Code:
    """Rows of zeros before and after the steps at which something is there."""
    assert place.steps is not None and place.over is not None
    low = place.steps.first if first == "" else max(place.steps.first, int(str(first)) - offset)
    high = place.steps.last if last == "" else min(place.steps.last, int(str(last)) - offset)
    inner = place.over(Interval(low, high))
    code = _full(translate(body, inner, rules), inner)
    before, after = low - place.steps.first, place.steps.last - high
    return Code(f"padded({code.text}, {before}, {after})", 2, code.shape) if before or after else code


# --- forms that torch has one function for -------------------------------------------------------


def _columns(node: Apply, place: Place, rules: Rules) -> Code:
    """Columns of a matrix, which are rows of the transposed matrix."""
    match node.args[0]:
        case Apply("slice", (Apply("transpose", (matrix,)),)) as rows:
            code = tensor(translate(matrix, place, rules), place)
            start, stop = int(rows.attribute("start", 0)), int(rows.attribute("stop", 0))
            before = ":, " if len(code.shape) == 2 and not code.lead else "..., "
            last = "" if stop == code.shape[-1] else stop
            text = f"{within(code, ATOM)}[{before}{start or ''}:{last}]"
            return Code(text, code.lead, (*code.shape[:-1], stop - start))
        case inner:
            return rules["transpose"](node, (translate(inner, place, rules),), place)


def _sum(node: Apply, place: Place, rules: Rules) -> Code:
    """Products of weights with rows, and what is added to them."""
    terms = _terms(node)
    products = [t for t in terms if isinstance(t, Apply) and t.op == "matmul" and _is_matrix(t.args[0], place, rules)]
    rest = [t for t in terms if t not in products]
    if not products or not rest or len(products) + len(rest) < len(terms):
        return _plain_sum(node, place, rules)
    added = rest[0]
    for term in rest[1:]:
        added = Apply("add", (added, term))
    base = translate(added, place, rules)
    for product in products:
        matrix, row = (translate(a, place, rules) for a in product.args)
        row = tensor(row, place)
        if len(row.shape) != 1 or base.shape != matrix.shape[:1] or base.kind != "real":
            return _plain_sum(node, place, rules)
        if base.lead == 0:
            text = f"nn.functional.linear({row.text}, {matrix.text}, {base.text})"
        elif row.lead == base.lead == 1:
            text = f"torch.addmm({base.text}, {row.text}, {within(matrix, ATOM)}.T)"
        else:
            return _plain_sum(node, place, rules)
        base = Code(text, row.lead, base.shape)
    return base


def _plain_sum(node: Apply, place: Place, rules: Rules) -> Code:
    return rules["add"](node, tuple(translate(a, place, rules) for a in node.args), place)


def _terms(expr: Expr) -> tuple[Expr, ...]:
    match expr:
        case Apply("add", (left, right)):
            return (*_terms(left), *_terms(right))
        case _:
            return (expr,)


def _is_matrix(expr: Expr, place: Place, rules: Rules) -> bool:
    """Whether something is the same matrix for all examples: a parameter, or made of parameters."""
    match expr:
        case Weight() | Read(_, ()):
            code = translate(expr, place, rules)
            return code.lead == 0 and len(code.shape) == 2
        case _:
            return False


SCOPES: dict[str, Scope] = {
    "window_sum": _window_sum,
    "batch_mean": _batch_mean,
    "during": _during,
    "transpose": _columns,
    "add": _sum,
}
