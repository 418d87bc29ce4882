"""Settings of functions and transforms: numbers, words, and integers of the kernel."""

from __future__ import annotations

from sqmagic.equations.elaborate.lines import Fault, Kernel
from sqmagic.equations.system import Value
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.syntax import Expression, Keyword, Name, Negative, Number


def setting(expression: Expression, kernel: Kernel) -> Value:
    """A setting's value: a whole number as int, another as float, an integer of the kernel, or a word."""
    match expression:
        case Number(value):
            return int(value) if value == int(value) and abs(value) < 2**53 else value
        case Negative(Number(value)):
            return -int(value) if value == int(value) and abs(value) < 2**53 else -value
        case Name(text):
            return kernel.integers.get(text, text)
        case _:
            text = show_expression(expression)
            raise Fault(Problem("SQ233", f"a setting is a number or a word, not `{text}`", expression.span))


def settings(
    keywords: tuple[Keyword, ...],
    positional: tuple[Expression, ...],
    known: tuple[tuple[str, Value], ...],
    function: str,
    kernel: Kernel,
) -> tuple[tuple[str, Value], ...]:
    """The settings of one use, sorted, defaults left out. `positional` fill `known` in order."""
    defaults = dict(known)
    given: list[tuple[str, Expression]] = [(n, value) for (n, _), value in zip(known, positional, strict=False)]
    for keyword in keywords:
        if keyword.name not in defaults:
            has = "has no settings" if not known else "has " + ", ".join(f"`{n}`" for n in defaults)
            raise Fault(Problem("SQ234", f"`{function}` has no setting `{keyword.name}`; it {has}", keyword.span))
        given.append((keyword.name, keyword.value))
    found = {n: _like(setting(value, kernel), defaults[n], f"`{n}` of `{function}`", value) for n, value in given}
    return tuple(sorted((n, v) for n, v in found.items() if v != defaults[n]))


def _like(value: Value, default: Value, what: str, written: Expression) -> Value:
    """The value as the setting's kind: a float where the default is one. Words stand only where a word may."""
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and not isinstance(default, str):
        raise Fault(Problem("SQ235", f"{what} is a number, and `{value}` is none in the kernel", written.span))
    return value
