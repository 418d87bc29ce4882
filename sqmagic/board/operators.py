"""How each operator is set: one traversal of an expression and one table of rules.

Precedence is kept here and nowhere else: a formula that binds more loosely than its place allows comes in parentheses.
The look is that of the derivation's sheets: `W_Gen x + b_Gen`, but a one-letter layer keeps its name, `F p_t + b_F`;
targets that carry no gradient anyway are shown without `sg`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

from sqmagic.board.facts import carries
from sqmagic.board.formula import (
    SPACE,
    Atom,
    Formula,
    Fraction,
    Role,
    Root,
    Row,
    Script,
    Tint,
    bias,
    fence,
    letter,
    listed,
    mark,
    matrix,
    number,
    row,
    set_name,
    word,
)
from sqmagic.board.names import MINUS, Name, index_text, name, state_name
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import Apply, Const, Context, Expr, Last, Position, Read, Running, Value, Weight

# --- how tightly a formula binds -------------------------------------------------------------------

LOOSE, SUM, PRODUCT, TIGHT, ATOM = range(5)


@dataclass(frozen=True, slots=True)
class Bound:
    """A formula and how tightly its outermost sign binds."""

    formula: Formula
    level: int = ATOM


@dataclass(frozen=True, slots=True)
class Notes:
    """What the printer knows of a system: bare numbers and other scalars, which states carry gradient (see `facts`),
    who owns parameters, each state's colour. `linear` writes quotients and roots on one line."""

    constants: frozenset[str] = frozenset()
    scalars: frozenset[str] = frozenset()
    carrying: frozenset[str] = frozenset()
    layers: frozenset[str] = frozenset()
    colours: Mapping[str, str] = field(default_factory=dict)
    linear: bool = False


# --- expressions -----------------------------------------------------------------------------------


def state_formula(state: str, context: Context, known: Notes) -> Formula:
    body = set_name(state_name(state, context))
    return Tint(body, state, known.colours.get(state))


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
        case Weight(parameter):
            return Bound(_parameter(parameter))
        case Position(point):
            return Bound(word(index_text(point)), ATOM if point in (Running("t"), Last("t")) else SUM)
        case Apply(op):
            return OPERATORS[op](expr, known)
        case _:
            assert_never(expr)


def _parameter(parameter: str) -> Formula:
    owner, dot, part = parameter.rpartition(".")
    match part:
        case "weight" if dot:
            return matrix(owner)
        case "bias" if dot:
            return bias(owner)
        case _:
            return set_name(name(parameter))


Rule: TypeAlias = Callable[[Apply, Notes], Bound]


def _sum(expr: Apply, known: Notes) -> Bound:
    """A sum of any length: down its left side in a loop, so that a long one does not meet Python's limit."""
    parts: list[Formula] = []
    left: Expr = expr
    while isinstance(left, Apply) and left.op in _SIGNS:
        sign = Atom(_SIGNS[left.op], "infix")
        left, right = left.args
        parts += [formula(right, known, PRODUCT), sign]
    return Bound(row(formula(left, known, SUM), *reversed(parts)), SUM)


_SIGNS = {"add": "+", "sub": MINUS}


def _product(expr: Apply, known: Notes) -> Bound:
    left, right = expr.args
    sign = Atom("⊙", "infix")
    if _is_scalar(left, known) or _is_scalar(right, known):
        sign = Atom("·", "infix") if isinstance(right, Const | Position) else SPACE
    return Bound(row(formula(left, known, PRODUCT), sign, formula(right, known, TIGHT)), PRODUCT)


_REDUCTIONS = {"index", "sum", "mean", "max", "min", "norm", "argmax", "log_prob", "entropy"}


def _is_scalar(expr: Expr, known: Notes) -> bool:
    match expr:
        case Const() | Position():
            return True
        case Read(state):
            return state in known.scalars
        case Apply("add" | "sub" | "mul" | "div" | "neg", args):
            return all(_is_scalar(a, known) for a in args)
        case Apply(op):
            return op in _REDUCTIONS
        case Weight():
            return False
        case _:
            assert_never(expr)


def _quotient(expr: Apply, known: Notes) -> Bound:
    left, right = expr.args
    if known.linear:
        return Bound(row(formula(left, known, PRODUCT), Atom("/", "infix"), formula(right, known, TIGHT)), PRODUCT)
    return Bound(Fraction(formula(left, known), formula(right, known)))


def _negative(expr: Apply, known: Notes) -> Bound:
    return Bound(row(mark(MINUS), formula(expr.args[0], known, PRODUCT)), SUM)


def _matrix_product(expr: Apply, known: Notes) -> Bound:
    left, right = expr.args
    return Bound(row(formula(left, known, PRODUCT), SPACE, formula(right, known, TIGHT)), PRODUCT)


def _call(text: str, role: Role = "function") -> Rule:
    """`tanh(x)`; settings that the user chose stand below the name."""

    def rule(expr: Apply, known: Notes) -> Bound:
        arguments = listed([formula(a, known) for a in expr.args])
        head: Formula = Atom(text, role)
        chosen = _settings(expr)
        return Bound(row(Script(head, chosen) if chosen else head, fence(arguments)), TIGHT)

    return rule


def _settings(expr: Apply) -> Formula | None:
    own = OPS[expr.op].settings
    chosen = [(k, v) for k, v in expr.attributes if k in dict(own)]
    if not chosen:
        return None
    values = [row(*([] if len(own) == 1 else [Atom(k, "word"), mark("=")]), _setting(v)) for k, v in chosen]
    return listed(values, mark(","))


def _setting(value: Value) -> Formula:
    return Atom(value, "word") if isinstance(value, str) else number(float(value))


def _of_layer(text: str) -> Rule:
    """A function that has a layer's name below it: `BN_N(x)`, `Add_B(O, a)`."""

    def rule(expr: Apply, known: Notes) -> Bound:
        head: Formula = Atom(text, "function")
        if expr.layer is not None:
            head = Script(head, set_name(name(expr.layer)))
        return Bound(row(head, fence(listed([formula(a, known) for a in expr.args]))), TIGHT)

    return rule


def _affine(sign: Atom) -> Rule:
    """`F p_t + b_F`, and `K ∗ x + b_K` for a convolution."""

    def rule(expr: Apply, known: Notes) -> Bound:
        layer, slow = expr.layer or "W", bool(expr.attribute("target", False))
        product = row(matrix(layer, slow), sign, formula(expr.args[0], known, TIGHT))
        return Bound(row(*product.parts, Atom("+", "infix"), bias(layer, slow)), SUM)

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
    ends = listed([_setting(expr.attribute("start", 0)), _setting(expr.attribute("stop", 0))], mark(":"))
    return Bound(row(formula(expr.args[0], known, TIGHT), fence(ends, "[", "]")), TIGHT)


def _embed(expr: Apply, known: Notes) -> Bound:
    return Bound(row(matrix(expr.layer or "E"), fence(formula(expr.args[0], known), "[", "]")), TIGHT)


def _power(above: Formula) -> Rule:
    def rule(expr: Apply, known: Notes) -> Bound:
        return Bound(_raised(formula(expr.args[0], known, ATOM), above), TIGHT)

    return rule


def _raised(base: Formula, above: Formula) -> Formula:
    match base:
        case Tint(body, state, colour) if not (isinstance(body, Script) and body.above):
            return Script(Tint(body, state, colour), None, above)
        case Tint() | Script():
            return Script(fence(base), None, above)
        case Atom() | Row() | Fraction() | Root():
            return Script(base, None, above)
        case _:
            assert_never(base)


TRANSPOSED = mark("⊤")
SQUARED = Atom("2", "number")


def _outer(expr: Apply, known: Notes) -> Bound:
    left, right = expr.args
    raised = _raised(formula(right, known, ATOM), TRANSPOSED)
    return Bound(row(formula(left, known, TIGHT), SPACE, raised), PRODUCT)


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
    if any(carries(expr.args[0], known.carrying, set(known.layers))):
        return _call("sg")(expr, known)
    return _bound(expr.args[0], known)


def _log_prob(expr: Apply, known: Notes) -> Bound:
    """`log π_t[a_t]`, as the notation would write it."""
    policy, action = expr.args
    body = row(formula(policy, known, TIGHT), fence(formula(action, known), "[", "]"))
    return Bound(_log(body), TIGHT)


# --- losses ----------------------------------------------------------------------------------------


def _width_of(expr: Expr) -> Formula:
    """n, the number of components that a loss is the mean over; with the prediction's letter where it has one."""
    match expr:
        case Read(state):
            return Script(letter("n"), set_name(Name(name(state).base)))
        case _:
            return letter("n")


def _mean_of(body: Callable[[Apply, Notes], Formula]) -> Rule:
    """1/n in front; a scalar has no mean to take."""

    def rule(expr: Apply, known: Notes) -> Bound:
        inner = body(expr, known)
        if _is_scalar(expr.args[0], known):
            return Bound(inner, PRODUCT)
        n = _width_of(expr.args[0])
        one = Atom("1", "number")
        factor = fence(row(one, mark("/"), n)) if known.linear else Fraction(one, n, small=True)
        return Bound(row(factor, SPACE, inner), PRODUCT)

    return rule


def _difference(expr: Apply, known: Notes) -> Formula:
    left, right = expr.args
    return row(formula(left, known, SUM), Atom(MINUS, "infix"), formula(right, known, PRODUCT))


def _squared_difference(expr: Apply, known: Notes) -> Formula:
    ends = ("(", ")") if _is_scalar(expr.args[0], known) else ("<‖", "‖>")
    return Script(fence(_difference(expr, known), *ends), None, SQUARED)


def _absolute_difference(expr: Apply, known: Notes) -> Formula:
    if _is_scalar(expr.args[0], known):
        return fence(_difference(expr, known), "<|", "|>")
    return Script(fence(_difference(expr, known), "<‖", "‖>"), Atom("1", "number"))


def _huber(expr: Apply, known: Notes) -> Bound:
    head: Formula = Atom("huber", "function")
    chosen = _settings(expr)
    return Bound(row(Script(head, chosen) if chosen else head, fence(_difference(expr, known))), TIGHT)


def _log(body: Formula) -> Formula:
    return row(Atom("log", "function"), SPACE, body)


def _cross_entropy(through: str | None) -> Rule:
    """`−y⊤ log p`, the sum over classes."""

    def rule(expr: Apply, known: Notes) -> Bound:
        prediction, target = _through(expr.args[0], through), expr.args[1]
        transposed = _raised(formula(target, known, TIGHT), TRANSPOSED)
        return Bound(row(mark(MINUS), transposed, SPACE, _log(formula(prediction, known, TIGHT))), SUM)

    return rule


def _through(expr: Expr, op: str | None) -> Expr:
    return Apply(op, (expr,)) if op else expr


def _binary_cross_entropy(through: str | None) -> Rule:
    def body(expr: Apply, known: Notes) -> Formula:
        prediction, target = _through(expr.args[0], through), expr.args[1]
        one = Atom("1", "number")
        no_target = fence(row(one, Atom(MINUS, "infix"), formula(target, known, PRODUCT)))
        no_prediction = fence(row(one, Atom(MINUS, "infix"), formula(prediction, known, PRODUCT)))
        hit = row(_raised(formula(target, known, TIGHT), TRANSPOSED), SPACE, _log(formula(prediction, known, TIGHT)))
        miss = row(Script(no_target, None, TRANSPOSED), SPACE, _log(no_prediction))
        return fence(row(hit, Atom("+", "infix"), miss))

    def rule(expr: Apply, known: Notes) -> Bound:
        return Bound(row(mark(MINUS), _mean_of(body)(expr, known).formula), SUM)

    return rule


OPERATORS: dict[str, Rule] = {
    "add": _sum,
    "sub": _sum,
    "mul": _product,
    "div": _quotient,
    "neg": _negative,
    "matmul": _matrix_product,
    "concat": _concat,
    "index": _index,
    "slice": _slice,
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
    "where": _call("where"),
    "clip": _call("clip"),
    "softmax": _call("softmax"),
    "log_softmax": _call("log_softmax"),
    "sum": _call("sum"),
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
    "mse": _mean_of(_squared_difference),
    "mae": _mean_of(_absolute_difference),
    "huber": _huber,
    "cross_entropy": _cross_entropy(None),
    "binary_cross_entropy": _binary_cross_entropy(None),
    "cross_entropy_logits": _cross_entropy("softmax"),
    "binary_cross_entropy_logits": _binary_cross_entropy("sigmoid"),
    "sample": _call("sample"),
    "gauss": _call("gauss"),
    "log_prob": _log_prob,
    "entropy": _call("entropy"),
    "eps_greedy": _call("eps_greedy"),
    "reset": _call("reset"),
    "step": _call("step"),
    "Add": _of_layer("Add"),
    "Get": _of_layer("Get"),
}
"""How each operator is set; covers `OPS`."""
