"""How each operator is set: one traversal of an expression and one table of rules.

Precedence is kept here and nowhere else: a formula that binds more loosely than its place allows comes in parentheses.
The look is that of the derivation's sheets: `W_Gen x + b_Gen`, but a one-letter layer keeps its name, `F p_t + b_F`;
targets that carry no gradient anyway are shown without `sg`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from sqmagic.board import derived, losses
from sqmagic.board.binding import (
    ATOM,
    BESIDE,
    EACH,
    LOOSE,
    ONES,
    PRODUCT,
    SERIES,
    SQUARED,
    SUM,
    TIGHT,
    TRANSPOSED,
    Bound,
    Notes,
    Rule,
    each_row,
    is_scalar,
    log,
    raised,
    rank,
    setting,
    settings,
    transposed,
    uncopied,
)
from sqmagic.board.facts import carries
from sqmagic.board.formula import (
    SPACE,
    Atom,
    Formula,
    Fraction,
    Role,
    Root,
    Script,
    bias,
    fence,
    listed,
    mark,
    matrix,
    number,
    of_layer,
    row,
    set_name,
    word,
)
from sqmagic.board.hats import parameter, state_formula
from sqmagic.board.names import MINUS, index_text, name
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import Apply, Const, Expr, Position, Read, Weight

# --- expressions -----------------------------------------------------------------------------------


def formula(expr: Expr, known: Notes, least: int = LOOSE) -> Formula:
    """The expression, in parentheses if it binds more loosely than `least`."""
    bound = _bound(expr, known)
    return bound.formula if bound.level >= least else fence(bound.formula)


def _bound(expr: Expr, known: Notes) -> Bound:
    match expr:
        case Const(value):
            return Bound(number(value), ATOM if value >= 0 else SUM)
        case Read(state, context):
            return Bound(state_formula(state, context, known))
        case Weight(owned):
            return Bound(parameter(owned))
        case Position(point):
            return Bound(word(index_text(point)), ATOM if len(index_text(point)) == 1 else SUM)
        case Apply(op, args) if op not in _SIGNS and ALL_OPS[op].pointwise:
            return OPERATORS[op](replace(expr, args=each_row(args, known)), known)
        case Apply(op):
            return OPERATORS[op](expr, known)
        case _:
            assert_never(expr)


def _sum(expr: Apply, known: Notes) -> Bound:
    """A sum of any length: down its left side in a loop, so that a long one does not meet Python's limit."""
    rest: list[Expr] = []
    signs: list[Atom] = []
    left: Expr = expr
    while isinstance(left, Apply) and left.op in _SIGNS:
        signs.append(Atom(_SIGNS[left.op], "infix"))
        left, right = left.args
        rest.append(right)
    first, *others = each_row((left, *reversed(rest)), known)
    parts = (
        p for sign, other in zip(reversed(signs), others, strict=True) for p in (sign, formula(other, known, SERIES))
    )
    return Bound(row(formula(first, known, SUM), *parts), SUM)


_SIGNS = {"add": "+", "sub": MINUS}


def _product(expr: Apply, known: Notes) -> Bound:
    left, right = (uncopied(a, known, b) for a, b in (expr.args, expr.args[::-1]))
    if isinstance(left, Read) and left == right:
        return Bound(raised(formula(left, known, ATOM), SQUARED), TIGHT)
    sign, first = Atom("⊙", "infix"), _bound(left, known)
    if is_scalar(left, known) or is_scalar(right, known):
        sign = Atom("·", "infix") if isinstance(right, Const | Position) else SPACE
    level = BESIDE if sign == SPACE and first.level >= BESIDE else PRODUCT
    return Bound(row(formula(left, known, PRODUCT), sign, formula(right, known, TIGHT)), level)


def _quotient(expr: Apply, known: Notes) -> Bound:
    left, right = expr.args[0], uncopied(expr.args[1], known, expr.args[0])
    counted = _is_count(left) and _is_count(right)
    if known.linear or (known.fractional and not counted):
        sign = mark("/") if counted else Atom("/", "infix")
        quotient = row(formula(left, known, PRODUCT), sign, formula(right, known, TIGHT))
        return Bound(fence(quotient)) if counted else Bound(quotient, PRODUCT)
    within = replace(known, fractional=True)
    return Bound(Fraction(formula(left, within), formula(right, within), counted))


def _is_count(expr: Expr) -> bool:
    """Whether there are but numbers in it: of steps, of components, or ones that are written."""
    match expr:
        case Const() | Position() | Apply("size"):
            return True
        case Apply("mul" | "add" | "sub" | "neg", args):
            return all(_is_count(a) for a in args)
        case _:
            return False


def _negative(expr: Apply, known: Notes) -> Bound:
    return Bound(row(mark(MINUS), formula(expr.args[0], known, SERIES)), SUM)


def _matrix_product(expr: Apply, known: Notes) -> Bound:
    """`A x`; a vector from the left is written from the right, `Aᵀ x`, and two vectors are `xᵀ y`."""
    left, right = expr.args
    ranks = rank(left, known), rank(right, known)
    if ranks == (1, 2):
        return Bound(row(transposed(formula(right, known, ATOM)), SPACE, formula(left, known, TIGHT)), BESIDE)
    first = transposed(formula(left, known, ATOM)) if ranks == (1, 1) else formula(left, known, BESIDE)
    return Bound(row(first, SPACE, formula(right, known, TIGHT)), BESIDE)


def _call(text: str, role: Role = "function") -> Rule:
    """`tanh(x)`; settings that the user chose stand below the name."""

    def rule(expr: Apply, known: Notes) -> Bound:
        arguments = listed([formula(a, known) for a in expr.args])
        return Bound(row(Script(Atom(text, role), settings(expr)), fence(arguments)), TIGHT)

    return rule


def _of_layer(text: str) -> Rule:
    """A function that has a layer's name below it: `BN_N(x)`, `Add_B(O, a)`."""

    def rule(expr: Apply, known: Notes) -> Bound:
        return Bound(row(of_layer(text, expr.layer), fence(listed([formula(a, known) for a in expr.args]))), TIGHT)

    return rule


def _affine(sign: Atom) -> Rule:
    """`F p_t + b_F`, `X Fᵀ + 𝟏 b_Fᵀ` for the rows of a matrix, and `K ∗ x + b_K` for a convolution."""

    def rule(expr: Apply, known: Notes) -> Bound:
        layer, slow = expr.layer or "W", bool(expr.attribute("target", False))
        weights, offset = matrix(layer, slow), bias(layer, slow)
        if sign == SPACE and rank(expr.args[0], known) == 2:
            product = row(formula(expr.args[0], known, BESIDE), sign, transposed(weights))
            offset = row(ONES, SPACE, transposed(offset))
        else:
            product = row(weights, sign, formula(expr.args[0], known, TIGHT))
        return Bound(row(*product.parts, Atom("+", "infix"), offset), SUM)

    return rule


def _module(expr: Apply, known: Notes) -> Bound:
    head = set_name(name(expr.layer or "module"))
    return Bound(row(head, fence(listed([formula(a, known) for a in expr.args]))), TIGHT)


def _concat(expr: Apply, known: Notes) -> Bound:
    return Bound(fence(listed([formula(a, known) for a in expr.args], Atom(";", "infix")), "[", "]"))


def _index(expr: Apply, known: Notes) -> Bound:
    operand, place = expr.args
    return Bound(row(formula(operand, known, TIGHT), fence(formula(place, known), "[", "]")), TIGHT)


def _slice(expr: Apply, known: Notes) -> Bound:
    ends = listed([setting(expr.attribute("start", 0)), setting(expr.attribute("stop", 0))], mark(":"))
    return Bound(row(formula(expr.args[0], known, TIGHT), fence(ends, "[", "]")), TIGHT)


def _embed(expr: Apply, known: Notes) -> Bound:
    return Bound(row(matrix(expr.layer or "E"), fence(formula(expr.args[0], known), "[", "]")), TIGHT)


def _power(above: Formula) -> Rule:
    """`x²`, and `tanh²(x)`."""

    def rule(expr: Apply, known: Notes) -> Bound:
        match expr.args[0]:
            case Apply("tanh" | "sin" | "cos" as function, (inner,)) if above == SQUARED:
                return Bound(row(Script(Atom(function, "function"), None, above), fence(formula(inner, known))), TIGHT)
            case base:
                return Bound(raised(formula(base, known, ATOM), above), TIGHT)

    return rule


def _outer(expr: Apply, known: Notes) -> Bound:
    left, right = expr.args
    column = ONES if left == EACH else formula(left, known, TIGHT)
    return Bound(row(column, SPACE, raised(formula(right, known, ATOM), TRANSPOSED)), PRODUCT)


def _root(expr: Apply, known: Notes) -> Bound:
    if known.linear:
        return _call("√", "mark")(expr, known)
    return Bound(Root(formula(expr.args[0], known)))


def _bars(text: str) -> Rule:
    left, right = (f"<{text}", f"{text}>")

    def rule(expr: Apply, known: Notes) -> Bound:
        return Bound(fence(formula(expr.args[0], known), left, right))

    return rule


def _stop(expr: Apply, known: Notes) -> Bound:
    """`sg(x)`, but plain x where no gradient could pass anyway."""
    if carries(expr.args[0], known.carrying):
        return _call("sg")(expr, known)
    return _bound(expr.args[0], known)


def _log_prob(expr: Apply, known: Notes) -> Bound:
    """`log π_t[a_t]`, as the notation would write it."""
    policy, action = expr.args
    body = row(formula(policy, known, TIGHT), fence(formula(action, known), "[", "]"))
    return Bound(log(body), TIGHT)


OPERATORS: dict[str, Rule] = {
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "div": _quotient,
    "neg": _negative,
    "matmul": _matrix_product,
    "concat": _concat,
    "index": _index,
    "slice": derived.part(formula, _slice),
    "split": _call("split"),
    "transpose": _power(TRANSPOSED),
    "outer": _outer,
    "flatten": _call("flatten"),
    "exp": _call("exp"),
    "log": _call("log"),
    "sqrt": _root,
    "square": _power(SQUARED),
    "abs": _bars("|"),
    "sin": _call("sin"),
    "cos": _call("cos"),
    "tanh": _call("tanh"),
    "sigmoid": _call("σ", "letter"),
    "relu": _call("relu"),
    "gelu": _call("gelu"),
    "softplus": _call("softplus"),
    "maximum": _call("max"),
    "minimum": _call("min"),
    "where": derived.chosen(formula, _call("where")),
    "clip": _call("clip"),
    "softmax": _call("softmax"),
    "log_softmax": _call("log_softmax"),
    "sum": derived.total(formula, _call("sum")),
    "mean": _call("mean"),
    "norm": _bars("‖"),
    "max": _call("max"),
    "min": _call("min"),
    "argmax": _call("argmax"),
    "one_hot": _call("one_hot"),
    "stop": _stop,
    "old": _call("old"),
    "dense": _affine(SPACE),
    "conv": _affine(Atom("∗", "infix")),
    "embed": _embed,
    "batch_norm": _of_layer("BN"),
    "layer_norm": _of_layer("LN"),
    "dropout": _call("dropout"),
    "max_pool": _call("max_pool"),
    "avg_pool": _call("avg_pool"),
    "module": _module,
    **losses.rules(formula),
    "sample": _call("sample"),
    "gauss": _call("gauss"),
    "log_prob": _log_prob,
    "entropy": _call("entropy"),
    "eps_greedy": _call("eps_greedy"),
    "reset": _call("reset"),
    "step": _call("step"),
    "Add": _of_layer("Add"),
    "Get": _of_layer("Get"),
    **derived.rules(formula, _bound),
}
"""How each operator is set; covers `ALL_OPS`."""
