"""Settings of functions and transforms: numbers, words, and integers of the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nextafter

from sqmagic.equations.elaborate.lines import Fault, Kernel
from sqmagic.equations.system import Value
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.syntax import Expression, Keyword, Name, Negative, Number


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The least and the largest number that a setting may be, and these in words."""

    least: float
    most: float
    words: str


_WHOLE = _Bounds(1, inf, "a whole number from 1 on")
_FROM_0 = _Bounds(0, inf, "at least 0")
_ABOVE_0 = _Bounds(nextafter(0, 1), inf, "greater than 0")
_SHARE = _Bounds(0, 1, "between 0 and 1")
_BELOW_1 = _Bounds(0, nextafter(1, 0), "at least 0 and less than 1")

_BOUNDS: Mapping[tuple[str, str], _Bounds] = {
    ("", "size"): _WHOLE,
    ("", "stride"): _WHOLE,
    ("max_pool", "stride"): _FROM_0,  # 0 is the size of what is pooled
    ("avg_pool", "stride"): _FROM_0,
    ("", "pad"): _FROM_0,
    ("", "p"): _SHARE,
    ("", "eps"): _FROM_0,
    ("eps_greedy", "eps"): _SHARE,
    ("batch_norm", "momentum"): _SHARE,
    ("sgd_opt", "momentum"): _FROM_0,
    ("", "delta"): _ABOVE_0,
    ("", "max_norm"): _ABOVE_0,
    ("", "lr"): _FROM_0,
    ("", "beta1"): _BELOW_1,
    ("", "beta2"): _BELOW_1,
    ("", "tau"): _SHARE,
}
"""By function and setting; a setting without a function's name is any function's."""


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
    for name, written in given:
        _check_bounds(found[name], function, name, written)
    return tuple(sorted((n, v) for n, v in found.items() if v != defaults[n]))


def _check_bounds(value: Value, function: str, name: str, written: Expression) -> None:
    """A number that no function of this kind can compute with is refused here, and not where it would be used."""
    bounds = _BOUNDS.get((function, name), _BOUNDS.get(("", name)))
    if bounds is None or not isinstance(value, int | float) or bounds.least <= value <= bounds.most:
        return
    raise Fault(Problem("SQ235", f"`{name}` of `{function}` is {bounds.words}", written.span))


def _like(value: Value, default: Value, what: str, written: Expression) -> Value:
    """The value as the setting's kind: a float where the default is one. Words stand only where a word may."""
    if isinstance(default, float) and isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and not isinstance(default, str):
        raise Fault(Problem("SQ235", f"{what} is a number, and `{value}` is none in the kernel", written.span))
    return value
