"""What `=>` compares, where the two sides cannot be meant so: a label with a number, a logarithm with what is none.

Warnings only, before the rule of losses names what was not named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqmagic.equations.elaborate.lines import Line
from sqmagic.equations.elaborate.loss import BY_LAST_FUNCTION, classes, definitions, last_call, last_function
from sqmagic.equations.elaborate.names import Names
from sqmagic.equations.elaborate.transforms import unwrapped
from sqmagic.equations.ops import ALIASES
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.source import NOWHERE, Source
from sqmagic.notation.syntax import Call, Declaration, Expression, Name, Number, Pipeline, Regress

OF_PROBABILITIES = {loss: function for function, loss in BY_LAST_FUNCTION.items()}
"""The losses that take logarithms of a prediction, each with the function that makes it fit for that."""

COMPARED = ("SQ622", "SQ623")
"""The warnings of what is compared."""

_ANY_NUMBER = ("log", "log_softmax", "tanh", "relu", "gelu")
"""Functions, beside layers, that give numbers that are no probabilities."""

_ANY_LAYER = ("dense_", "conv_", "embed_", "layer_norm", "batch_norm")


def compared(lines: tuple[Line, ...], names: Names, source: Source) -> Iterator[Problem]:
    """SQ622 a label, or a probability, that is compared with a number; SQ623 a logarithm of what is no probability."""
    known, labels = definitions(lines, names), classes(lines, names)
    for line in lines:
        match line.statement:
            case Pipeline(p, (Regress(target, loss),)):
                kind = BY_LAST_FUNCTION.get(last_function(p, known, names) or "") if loss is None else _named(loss)
                label = labels.get(names.state(target.text)[0]) if isinstance(target, Name) else None
                numbered = _is_numbered(label, kind) or (kind is None and _is_logarithm(p, known, names))
                if loss is None and numbered:
                    yield _as_a_number(p, target, label, line, source)
                elif loss is not None and kind in OF_PROBABILITIES:
                    yield from _of_any_number(p, kind, known, names, line, source)
            case _:
                pass


def _named(loss: Expression) -> str | None:
    return ALIASES.get(loss.text, loss.text) if isinstance(loss, Name) else None


def _is_numbered(label: Declaration | None, kind: str | None) -> bool:
    """Whether a loss reads a label as a number; one of two values is a probability, too."""
    match label, kind:
        case Declaration(), None:
            return True
        case Declaration(_, (Call(_, (Number(count),)),)), "binary_cross_entropy":
            return count > 2
        case _:
            return False


def _is_logarithm(p: Expression, known: Mapping[str, Expression], names: Names) -> bool:
    """Whether a value is the logarithm of a softmax."""
    match last_call(p, known, names):
        case Call(Name("log_softmax")):
            return True
        case Call(Name("log"), (inner,)):
            return last_function(inner, known, names) == "softmax"
        case _:
            return False


def _as_a_number(p: Expression, target: Expression, label: Declaration | None, line: Line, source: Source) -> Problem:
    prediction, goal = show_expression(p), show_expression(target)
    what = f"the number of the label `{goal}`" if label is not None else f"`{goal}`"
    holds = f"`{prediction}`" if label is not None else f"`{prediction}`, a logarithm of probabilities,"
    message = f"{holds} is compared with {what}, component by component"
    notes = (f"a label is learned by probabilities: `--[M|softmax]-> {prediction} => {goal}`, which is cross-entropy.",)
    repair = _ending_with("softmax", p, line, source)
    return Problem("SQ622", message, line.span, notes, repair, "warning")


def _of_any_number(
    p: Expression, kind: str, known: Mapping[str, Expression], names: Names, line: Line, source: Source
) -> Iterator[Problem]:
    call = last_call(p, known, names)
    function = "" if call is None else unwrapped(call.function)[0].text
    layer = function.startswith(_ANY_LAYER)
    if call is None or not (layer or function in _ANY_NUMBER):
        return
    prediction, needed = show_expression(p), OF_PROBABILITIES[kind]
    made = f"layer `{function.partition('_{')[2].removesuffix('}')}`" if layer else f"`{function}`"
    message = f"`{kind}` takes the logarithm of `{prediction}`, and {made} gives numbers that are no probabilities"
    notes = (f"the logarithm of what is negative is NaN: `{needed}` makes probabilities of any numbers.",)
    yield Problem("SQ623", message, line.span, notes, _ending_with(needed, p, line, source), "warning")


_ARROW = r"(?P<arrow>\s*(?:--?>|[─–—]*[→⟶>])\s*)$"


def _ending_with(function: str, p: Expression, line: Line, source: Source) -> str | None:
    """The statement with the arrow that makes the prediction ending with a function; None where that is elsewhere."""
    if line.span == NOWHERE or not line.span.start <= p.span.start <= line.span.stop:
        return None
    before, after = source.text[line.span.start : p.span.start], source.text[p.span.start : line.span.stop]
    items = re.search(rf"\s*(?:\|\s*(?:log_softmax|log|sigmoid)\s*)?\]{_ARROW}", before)
    if items is not None:
        rest = re.sub(r"\|\s*softmax$", "", before[: items.start()])
        return f"{rest}|{function}]{items['arrow']}{after}"
    logarithm = re.fullmatch(rf"log\((?P<inner>softmax\(.*\))\){_ARROW}", before, re.DOTALL)
    return f"{logarithm['inner']}{logarithm['arrow']}{after}" if logarithm else None
