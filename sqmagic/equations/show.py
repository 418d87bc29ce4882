"""Equations as text in the notation's words: what stands beside a line of generated code, or in a message.

`show` prints an expression with as few parentheses as keep it the same, `show_equation` and `show_goal` a line.
The text is for reading; whether it parses is not promised (`Enc.r_t` names a macro's local).
"""

from __future__ import annotations

from typing import assert_never

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import (
    Apply,
    Const,
    Context,
    Equation,
    Expr,
    Fixed,
    Goal,
    Index,
    Last,
    Position,
    Range,
    Read,
    Running,
    Target,
    Weight,
    points,
)

# How tightly an operator binds its parts, from loose to tight (NOTATION.md, A.2).
BAR, SUM, PRODUCT, SIGN, ATOM = range(5)

_INFIX: dict[str, tuple[str, int]] = {
    "add": ("+", SUM),
    "sub": ("-", SUM),
    "mul": ("*", PRODUCT),
    "div": ("/", PRODUCT),
    "matmul": ("@", PRODUCT),
}
_NAMES = {"maximum": "max", "minimum": "min"}
_BY_LAYER = ("dense", "module")


def show(expr: Expr) -> str:
    """`(1 - z_t) * h_{t-1} + z_t * l_t`."""
    return _show(expr, BAR)


def show_equation(equation: Equation) -> str:
    """`h_t = tanh(M(x_t))`; an effect without outputs is its value alone."""
    value = show(equation.value)
    if not equation.targets:
        return value
    return f"{', '.join(show_state(t.state, t.context) for t in equation.targets)} = {value}"


def show_goal(goal: Goal) -> str:
    """`p_t ==[mse]=> y_t`, `pi_t $ A_t * log(pi_t[a_t])`: the goal with its loss named and its stops left out."""
    through = ", ".join(show(r) for r in goal.through)
    match goal.value:
        case Apply("mul", (Apply("stop", (weight,)), Apply(op, (_, target)))) if ALL_OPS[op].loss:
            return f"{through} ==[{_show(_free(weight), SIGN)}*{op}]=> {show(_free(target))}"
        case Apply(op, (_, target)) if ALL_OPS[op].loss:
            return f"{through} ==[{op}]=> {show(_free(target))}"
        case value:
            return f"{through} $ {show(_free(value))}"


def show_state(state: str, context: Context) -> str:
    """`h_{t-1}`, `h_0`, `p`; where `O` and `O_t` are two states, the key "O_t" is not given its index twice."""
    if not context:
        return state
    indices = {p.index for i in context for p in points(i) if isinstance(p, Running | Last)} or {"t"}
    stem, _, suffix = state.rpartition("_")
    base = stem if stem and suffix in indices else state
    inner = ",".join(show_index(i) for i in context)
    return f"{base}_{inner}" if len(inner) == 1 else f"{base}_{{{inner}}}"


def show_index(index: Index) -> str:
    """`t-1`, `0`, `T+1`, `1:t`."""
    match index:
        case Running(name, offset):
            return name + _offset(offset)
        case Fixed(value):
            return str(value)
        case Last(name, offset):
            return name.upper() + _offset(offset)
        case Range(first, last):
            return f"{show_index(first)}:{show_index(last)}"
        case _:
            assert_never(index)


def show_target(target: Target) -> str:
    return show_state(target.state, target.context)


def show_number(value: float) -> str:
    """`1`, `0.999`, `1e-05`."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _offset(offset: int) -> str:
    return f"{offset:+d}" if offset else ""


def _show(expr: Expr, least: int) -> str:
    """The text of an expression where operators looser than `least` need parentheses."""
    text, tight = _text(expr)
    return text if tight >= least else f"({text})"


def _text(expr: Expr) -> tuple[str, int]:
    match expr:
        case Const(value):
            return show_number(value), SIGN if value < 0 else ATOM
        case Read(state, context):
            return show_state(state, context), ATOM
        case Weight(parameter, frozen):
            name = parameter.removesuffix(".weight")
            return (f"stop({name})" if frozen else name), ATOM
        case Position(point):
            return show_index(point), SUM if getattr(point, "offset", 0) else ATOM
        case Apply():
            return _apply(expr)
        case _:
            assert_never(expr)


def _apply(expr: Apply) -> tuple[str, int]:
    match expr:
        case Apply(op, (left, right)) if op in _INFIX:
            sign, tight = _INFIX[op]
            return f"{_show(left, tight)} {sign} {_show(right, tight + 1)}", tight
        case Apply("neg", (operand,)):
            return f"-{_show(operand, SIGN)}", SIGN
        case Apply("concat", args) if len(args) > 1:
            return " | ".join(_show(a, SUM) for a in args), BAR
        case Apply("index", (operand, number)):
            return f"{_show(operand, ATOM)}[{show(number)}]", ATOM
        case Apply("transpose", (Apply("slice", (Apply("transpose", (operand,)),)) as rows,)):
            start, stop = rows.attribute("start", 0), rows.attribute("stop", 0)
            return f"{_show(operand, ATOM)}[:, {start}:{stop}]", ATOM
        case Apply("slice", (operand,)):
            start, stop = expr.attribute("start", 0), expr.attribute("stop", 0)
            return f"{_show(operand, ATOM)}[{start}:{stop}]", ATOM
        case _:
            return f"{show_function(expr)}({', '.join([*map(show, expr.args), *_settings(expr)])})", ATOM


def show_function(expr: Apply) -> str:
    """`relu`, `M_1` for a dense layer, `conv_K`, `freeze(M)`."""
    name = _NAMES.get(expr.op, expr.op)
    if expr.layer is not None:
        own = expr.op in _BY_LAYER or expr.layer.startswith(expr.op)  # an unnamed layer is called `batch_norm_2`
        name = expr.layer if own else f"{name}_{expr.layer}"
    for mark, transform in (("frozen", "freeze"), ("target", "target")):
        name = f"{transform}({name})" if expr.attribute(mark, False) else name
    return name


def _settings(expr: Apply) -> list[str]:
    """The settings that a user may write; marks, and what `settle` notes, are none."""
    known = dict(ALL_OPS[expr.op].settings)
    return [f"{key}={value}" for key, value in expr.attributes if key in known]


def _free(expr: Expr) -> Expr:
    """The expression without its stops: in a goal they are understood."""
    match expr:
        case Apply("stop", (inner,)):
            return _free(inner)
        case Apply(op, args, layer, attributes):
            return Apply(op, tuple(_free(a) for a in args), layer, attributes, span=expr.span)
        case Const() | Read() | Weight() | Position():
            return expr
        case _:
            assert_never(expr)
