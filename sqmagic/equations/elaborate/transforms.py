"""Rule C.6, compose: a transform of a composition becomes transforms of its parts.

`clip_grad(F|relu)(x)` becomes `relu(clip_grad(F)(x))`, `nograd(F)(x)` becomes `stop(F(x))`, `nograd(Value@1024)(x)`
`stop(Value(x, batch=1024))`. Afterwards a transform stands directly around the name of a function that has
parameters, or of a macro.
"""

from __future__ import annotations

from functools import partial
from typing import assert_never

from sqmagic.equations.elaborate.functions import Builtin, Dense, Instance, Module, Unknown, meaning
from sqmagic.equations.elaborate.lines import Fault, Kernel, Line, Outcome
from sqmagic.equations.elaborate.trees import bottom_up, over_values, parts
from sqmagic.equations.ops import TRANSFORMS
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.syntax import (
    Bar,
    Binary,
    Call,
    Expression,
    Keyword,
    Macro,
    Name,
    Negative,
    Number,
    Slice,
    Subscript,
    Tuple,
)

RULE = "compose"


def transforms(lines: tuple[Line, ...], macros: dict[str, Macro], kernel: Kernel) -> Outcome:
    out: list[Line] = []
    problems: list[Problem] = []
    spread = partial(_spread, macros=macros, kernel=kernel)
    for line in lines:
        try:
            out.append(line.by(RULE, over_values(line.statement, lambda e: bottom_up(e, spread))))
        except Fault as fault:
            problems.append(fault.problem)
    return Outcome(tuple(out), tuple(problems))


def _spread(e: Expression, macros: dict[str, Macro], kernel: Kernel) -> Expression:
    match e:
        case Call(Call() as function, arguments, keywords):
            return _applied(function, arguments, keywords, (), macros, kernel)
        case Call(Name(name) as function, given) if name in TRANSFORMS:
            text = show_expression(given[0]) if given else ""
            what = f"the value `{text}`" if given else "nothing"
            in_arrow = function.span.stop == e.span.stop  # `x --[nograd]-> p`, and not `nograd(x)`
            instead = ("stop" if in_arrow else f"stop({text})") if name == "nograd" and given else None
            raise Fault(
                Problem(
                    "SQ205",
                    f"`{name}` is a transform: it takes a function, not {what}",
                    function.span if in_arrow else e.span,
                    notes=("`stop(x)` is a value held fixed; `nograd(F)(x)` is F on x without its gradient.",),
                    instead=instead,
                )
            )
        case _:
            return e


def _applied(
    function: Expression,
    arguments: tuple[Expression, ...],
    keywords: tuple[Keyword, ...],
    wraps: tuple[Call, ...],
    macros: dict[str, Macro],
    kernel: Kernel,
) -> Expression:
    """The function applied, each transform of `wraps` (outermost first) moved onto the names within."""
    again = partial(_applied, macros=macros, kernel=kernel)
    match function:
        case Name(name) if name in TRANSFORMS:
            raise Fault(Problem("SQ205", f"`{name}` takes a function, and none is given", function.span))
        case Name():
            return Call(wrapped(function, wraps, macros, kernel), arguments, keywords, span=function.span)
        case Bar(members):
            value = again(members[0], arguments, keywords, wraps)
            for member in members[1:]:
                value = again(member, (value,), (), wraps)
            return value
        case Binary("@", inner, Number(size)):
            return again(inner, arguments, (*keywords, Keyword("batch", Number(size))), wraps)
        case Call(Name("nograd"), (inner,), ()):
            return Call(Name("stop"), (again(inner, arguments, keywords, wraps),), span=function.span)
        case Call(Name(name), (inner, *_)) if name in TRANSFORMS:
            return again(inner, arguments, keywords, (*wraps, function))
        case Call(inner, own, settings):
            spread = tuple(bottom_up(o, partial(_spread, macros=macros, kernel=kernel)) for o in own)
            return again(inner, arguments + spread, settings + keywords, wraps)
        case Number() | Negative() | Binary() | Tuple() | Subscript() | Slice():
            who = _name(wraps[-1]) if wraps else "a call"
            raise Fault(Problem("SQ205", f"`{who}` takes a function, not `{show_expression(function)}`", function.span))
        case _:
            assert_never(function)


def wrapped(function: Name, wraps: tuple[Call, ...], macros: dict[str, Macro], kernel: Kernel) -> Expression:
    """The transforms around one name; a function without parameters has no update to change."""
    match meaning(function.text, macros, kernel):
        case Builtin(op) if not op.parameters:
            return function
        case Builtin() | Instance() | Module() | Dense() | Unknown():
            value: Expression = function
            for wrap in reversed(wraps):
                value = Call(wrap.function, (value, *wrap.arguments[1:]), wrap.keywords, span=wrap.span)
            return value
        case other:
            assert_never(other)


def unwrapped(function: Expression) -> tuple[Name, tuple[Call, ...]]:
    """A function's name and the transforms around it, outermost first: the inverse of `wrapped`."""
    wraps: list[Call] = []
    while isinstance(function, Call):
        wraps.append(function)
        function = parts(function.arguments[0])[0]
    assert isinstance(function, Name), "the compose rule leaves a name inside every transform"
    return function, tuple(wraps)


def _name(wrap: Call) -> str:
    return wrap.function.text if isinstance(wrap.function, Name) else show_expression(wrap.function)
