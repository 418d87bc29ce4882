"""How operators are set that only passes make: `Fᵀ δ_t`, `Σ_t δ_t x_tᵀ`, `σ′(a_t)`, `pᵀ p̂`, `p̂_{t+1}|_h`.

`batch_mean` says nothing here because a sheet says it once, at its head (updates are means over the batch), nor does
`during` where it follows from an adjoint's being 0 outside of its state's domain; else it is `[t < T]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from sqmagic.board.binding import (
    ATOM,
    BESIDE,
    LOOSE,
    ONES,
    PRODUCT,
    SERIES,
    SUM,
    TIGHT,
    TRANSPOSED,
    Bound,
    Notes,
    Rule,
    Write,
    is_scalar,
    raised,
    rank,
    transposed,
    uncopied,
)
from sqmagic.board.formula import (
    SPACE,
    Atom,
    Formula,
    Fraction,
    Role,
    Script,
    fence,
    letter,
    listed,
    mark,
    matrix,
    of_layer,
    row,
    set_name,
    word,
)
from sqmagic.board.names import MINUS, Name, index_text, name
from sqmagic.equations.system import Apply, Const, Expr, Fixed, Last, Position, Range, Read, Running, Value, walk

_ONE = Atom("1", "number")


def rules(write: Write, bound: Callable[[Expr, Notes], Bound]) -> dict[str, Rule]:
    """A rule for each operator of `DERIVED`; `write` sets their arguments, `bound` one that stands for itself."""

    def itself(expr: Apply, known: Notes) -> Bound:
        return bound(expr.args[0], known)

    return {
        "window_sum": partial(_window_sum, write),
        "batch_mean": itself,
        "during": partial(_during, write, bound),
        "step_share": _step_share,
        "equal": partial(_equal, write),
        "sign": _call(write, "sign"),
        "ndtr": _call(write, "Φ", "letter"),
        "power": partial(_power, write),
        "derivative": partial(_derivative, write),
        "size": _size,
        "expand_as": partial(_copied, write),
        "pad": _call(write, "pad"),
        "unflatten": _call(write, "unflatten"),
        "dense_input": partial(_dense_input, write),
        "conv_input": _star(write, "conv"),
        "conv_weight": _star(write, "conv", "W"),
        "layer_norm_input": _star(write, "LN"),
        "layer_norm_weight": _star(write, "LN", "W"),
        "batch_norm_input": _star(write, "BN"),
        "batch_norm_weight": _star(write, "BN", "W"),
        "max_pool_input": _star(write, "max_pool"),
        "avg_pool_input": _star(write, "avg_pool"),
    }


# --- sums ----------------------------------------------------------------------------------------


def _window_sum(write: Write, expr: Apply, known: Notes) -> Bound:
    """`Σ_t x`; with limits where the sum does not go through the whole window."""
    body, first, last = expr.args
    index = str(expr.attribute("index", "t"))
    below: Formula = word(index)
    above: Formula | None = None
    match first, last:
        case Position(Fixed()), Position(Last()):
            pass
        case Position(start), Position(stop):
            below, above = row(below, mark("="), word(index_text(start))), word(index_text(stop))
        case _:
            raise AssertionError("a sum over the window goes from a point to a point")
    return Bound(row(Script(mark("∑"), below, above), SPACE, write(body, known, PRODUCT)), SERIES)


def total(write: Write, otherwise: Rule) -> Rule:
    """`sum(x)`; where all shapes are known and x is a vector, the product `aᵀ b`, `1ᵀ x` or `‖x‖²`; `xᵀ A y` for what
    a matrix has in common with an outer product, and `A 𝟏` for the sums of its rows."""

    def rule(expr: Apply, known: Notes) -> Bound:
        (body,) = expr.args
        match body:
            case Apply("square", (Apply("flatten", (inner,)),)) if known.shapes:
                return _squares(write(inner, known, LOOSE))
            case Apply("flatten", (Apply("mul", (inner, Apply("outer", (column, last)))),)) if known.shapes:
                before, after = transposed(write(column, known, ATOM)), write(last, known, TIGHT)
                return Bound(row(before, SPACE, write(inner, known, BESIDE), SPACE, after), BESIDE)
        if known.shapes and rank(body, known) == 2 and not _is_sum(body):
            return Bound(row(write(body, known, BESIDE), SPACE, ONES), BESIDE)
        if not all(_is_vector(read, known) for read in walk(body) if isinstance(read, Read)) or not known.shapes:
            return otherwise(expr, known)
        match body:
            case Apply("square", (inner,)):
                return _squares(write(inner, known, LOOSE))
            case Apply("mul", (Read() as inner, other)) if inner == other:
                return _squares(write(inner, known, LOOSE))
        factor, rest = _factors(body, known)
        head = ONES if factor is None else write(factor, known, ATOM)
        return Bound(row(raised(head, TRANSPOSED), SPACE, write(rest, known, TIGHT)), PRODUCT)

    return rule


def _is_sum(expr: Expr) -> bool:
    """Whether it is a sum itself: those of an image stand within one another."""
    return isinstance(expr, Apply) and expr.op == "sum"


def _squares(body: Formula) -> Bound:
    return Bound(Script(fence(body, "<‖", "‖>"), None, Atom("2", "number")), TIGHT)


def _is_vector(read: Read, known: Notes) -> bool:
    return len(known.shapes.get(read.state, ())) == 1 and not any(isinstance(i, Range) for i in read.context)


def _factors(body: Expr, known: Notes) -> tuple[Expr | None, Expr]:
    match body:
        case Apply("mul", (left, right)) if not is_scalar(left, known) and not is_scalar(right, known):
            return left, right
        case _:
            return None, body


def _step_share(expr: Apply, known: Notes) -> Bound:
    steps = int(expr.attribute("last", 0)) - int(expr.attribute("first", 1)) + 1
    count = word(index_text(Last("t", steps)))
    if known.linear:
        return Bound(row(_ONE, Atom("/", "infix"), fence(count) if steps else count), PRODUCT)
    return Bound(Fraction(_ONE, count, small=True))


def _during(write: Write, bound: Callable[[Expr, Notes], Bound], expr: Apply, known: Notes) -> Bound:
    """`[t < T] x`; x alone where an adjoint in it is 0 at all other steps, as that of a loss is not."""
    body, position = expr.args
    holds = _steps(dict(expr.attributes), position)
    if holds is None or any(isinstance(n, Read) and n.state.startswith("^") for n in walk(body)):
        return bound(body, known)
    match body:
        case Apply("neg", (inner,)):
            return Bound(row(mark(MINUS), holds, SPACE, write(inner, known, BESIDE)), SUM)
        case _:
            return Bound(row(holds, SPACE, write(body, known, BESIDE)), PRODUCT)


def _steps(limits: Mapping[str, Value], position: Expr) -> Formula | None:
    """`[t < T]`, `[t > 1]`, `[1 < t < T]`: when `during` holds; None where its limits are those of the window."""
    match position:
        case Position(Running(index, distance)):
            before = int(limits.get("first", 1)) - distance - 1
            after = int(limits.get("last", 0)) - distance + 1
        case _:
            return None
    early, late = "first" in limits and before > 0, "last" in limits and after <= 0
    now, start, less = word(index), Atom(str(before), "number"), Atom("<", "infix")
    if late:
        return fence(row(*[start, less][: 2 * early], now, less, word(index_text(Last(index, after)))), "[", "]")
    return fence(row(now, Atom(">", "infix"), start), "[", "]") if early else None


# --- functions -----------------------------------------------------------------------------------


def _copied(write: Write, expr: Apply, known: Notes) -> Bound:
    """`c 𝟏`: a number as a vector; `x 𝟏ᵀ`: a number for each row as a matrix."""
    number, like = expr.args
    ones = ONES if is_scalar(number, known) or rank(like, known) != 2 else raised(ONES, TRANSPOSED)
    return Bound(row(write(number, known, PRODUCT), SPACE, ones), PRODUCT)


def _call(write: Write, text: str, role: Role = "function") -> Rule:
    def rule(expr: Apply, known: Notes) -> Bound:
        return Bound(row(Atom(text, role), fence(listed([write(a, known, LOOSE) for a in expr.args]))), TIGHT)

    return rule


_LETTERS = {"sigmoid": "σ"}


def _derivative(write: Write, expr: Apply, known: Notes) -> Bound:
    """`σ′(a)`."""
    function = str(expr.attribute("function", ""))
    head = letter(f"{_LETTERS[function]}′") if function in _LETTERS else Atom(f"{function}′", "function")
    return Bound(row(head, fence(write(expr.args[0], known, LOOSE))), TIGHT)


def _equal(write: Write, expr: Apply, known: Notes) -> Bound:
    """`[a = b]`: 1 where it holds, else 0."""
    left, right = (write(a, known, SUM) for a in expr.args)
    return Bound(fence(row(left, Atom("=", "infix"), right), "[", "]"))


def _power(write: Write, expr: Apply, known: Notes) -> Bound:
    base, exponent = expr.args
    return Bound(raised(write(base, known, ATOM), write(exponent, known, LOOSE)), TIGHT)


def _size(expr: Apply, known: Notes) -> Bound:
    """n, with the letter of what it counts the components of."""
    of = expr.args[0]
    return Bound(Script(letter("n"), set_name(Name(name(of.state).base))) if isinstance(of, Read) else letter("n"))


def chosen(write: Write, otherwise: Rule) -> Rule:
    """`where(c, x, y)`, but on a sheet `x ⊙ [c ≠ 0]` if y is 0."""

    def rule(expr: Apply, known: Notes) -> Bound:
        match expr.args:
            case (condition, value, Const(0.0)) if known.shapes:
                holds = _holds(write, uncopied(condition, known, value), known)
                return Bound(row(write(value, known, PRODUCT), Atom("⊙", "infix"), holds), PRODUCT)
            case _:
                return otherwise(expr, known)

    return rule


def _holds(write: Write, condition: Expr, known: Notes) -> Formula:
    """`[c ≠ 0]`; what is a statement already, `[a = b]`, stands as it is."""
    match condition:
        case Apply("equal"):
            return write(condition, known, ATOM)
        case _:
            return fence(row(write(condition, known, SUM), Atom("≠", "infix"), Atom("0", "number")), "[", "]")


# --- adjoints of layers --------------------------------------------------------------------------


def _dense_input(write: Write, expr: Apply, known: Notes) -> Bound:
    """`Wᵀ δ`; of the rows of a matrix `δ W`."""
    weights = matrix(expr.layer or "W", bool(expr.attribute("target", False)))
    if rank(expr.args[0], known) == 2:
        return Bound(row(write(expr.args[0], known, BESIDE), SPACE, weights), PRODUCT)
    return Bound(row(transposed(weights), SPACE, write(expr.args[0], known, TIGHT)), PRODUCT)


def _star(write: Write, text: str, of: str = "") -> Rule:
    """`conv*_K(g)`: the adjoint that an operator which is given whole brings along; of its weights, `conv*_W`."""

    def rule(expr: Apply, known: Notes) -> Bound:
        star = mark("∗")
        head = Script(Atom(text, "function"), word(of), star) if of else of_layer(text, expr.layer, star)
        arguments = expr.args if of else expr.args[:1]
        return Bound(row(head, fence(listed([write(a, known, LOOSE) for a in arguments]))), TIGHT)

    return rule


def part(write: Write, otherwise: Rule) -> Rule:
    """`x[2:5]`, but the part of a concatenation's adjoint by its name: `p̂_{t+1}|_h`."""

    def rule(expr: Apply, known: Notes) -> Bound:
        of = str(expr.attribute("of", ""))
        if not of:
            return otherwise(expr, known)
        slots = listed([set_name(name(each)) for each in of.split(",")], mark(","))
        return Bound(row(write(expr.args[0], known, TIGHT), Script(mark("|"), slots)), TIGHT)

    return rule
