"""What reads, and was likely meant otherwise: a step written as a difference or a component, arrows without brackets,
a dot between two vectors.

Warnings only; whoever means what stands there writes it with blanks, `h_t - 1`, or with `⊙`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from sqmagic.notation.problems import Problem
from sqmagic.notation.source import Source, Span
from sqmagic.notation.syntax import Binary, Expression, Name, Negative, Node, Number, Over, Program, Subscript, inner


def slips(program: Program, source: Source) -> tuple[Problem, ...]:
    """Each place where a step was likely meant."""
    indices = _running(program)
    return tuple(problem for node in _nodes(program) for problem in _likely(node, indices, source.text))


def _running(program: Program) -> frozenset[str]:
    """The names of indices that run."""
    over = (index.name.text for s in program.statements if isinstance(s, Over) for index in s.indices)
    return frozenset(over) or frozenset({"t"})


def _nodes(program: Program) -> Iterator[Node]:
    waiting: list[Node] = list(reversed(program.statements))
    while waiting:
        node = waiting.pop()
        yield node
        waiting += reversed(inner(node))


def _likely(node: Node, indices: Collection[str], text: str) -> Iterator[Problem]:
    match node:
        case Binary("-", left, Negative(Name(function) as name)) if (
            text[left.span.stop : name.span.start].strip() == "--"
        ):
            yield from _arrow(function, name.span, text)
        case Binary("*", Name() as left, Name() as right) if (
            text[left.span.stop : right.span.start].strip() in _DOTS and _runs(left, indices) and _runs(right, indices)
        ):
            yield _dotted(left, right, text)
        case Binary("+" | "-" as sign, left, right):
            yield from _difference(sign, _last(left), _first(right), indices, text)
        case Subscript(Name(state) as name, index):
            yield from _component(state, text[name.span.stop + 1 : node.span.stop - 1], node.span, index, indices)
        case _:
            pass


def _difference(
    sign: str, left: Expression, right: Expression, indices: Collection[str], text: str
) -> Iterator[Problem]:
    """`h_t-1`, or `h_t -1`: the number stands close to its sign."""
    if not (isinstance(left, Name) and isinstance(right, Number)):
        return
    span = Span(left.span.start, right.span.stop)
    state, number = text[left.span.start : left.span.stop], text[right.span.start : right.span.stop]
    found = re.fullmatch(r"(.+)_(?:\{(\w+)\}|(\w+))(['′]*)", state)
    between = text[left.span.stop : right.span.start]
    if found is None or not number.isdigit() or between not in (sign, f" {sign}"):
        return
    index = found[2] or found[3]
    if index in indices:
        step = f"{found[1]}_{{{index}{sign}{number}}}{found[4]}"
        less, side = ("less", "before") if sign == "-" else ("and", "after")
        message = f"`{text[span.start : span.stop]}` is `{state}` {less} {number}; the step {side} is `{step}`"
        note = f"where the number is meant, blanks say so: `{state} {sign} {number}`."
        yield Problem("SQ602", message, span, (note,), severity="warning", instead=step)


_DOTS = ("·", "⋅")


def _runs(name: Name, indices: Collection[str]) -> bool:
    """Whether a name is a state at a step."""
    found = re.fullmatch(r".+_\{?(\w+)[^{}:]*\}?['′]*", name.text)
    return found is not None and found[1] in indices


def _dotted(left: Name, right: Name, text: str) -> Problem:
    """`q_t · k_t`."""
    span = Span(left.span.start, right.span.stop)
    inner = f"{text[left.span.start : left.span.stop]} @ {text[right.span.start : right.span.stop]}"
    message = f"`{text[span.start : span.stop]}` is component by component; the inner product is `{inner}`"
    note = "where it is meant component by component, `⊙` or `*` says so."
    return Problem("SQ604", message, span, (note,), severity="warning", instead=inner)


def _arrow(function: str, name: Span, text: str) -> Iterator[Problem]:
    """`x --F--> p`."""
    start = text.rindex("--", 0, name.start)
    drawn = re.compile(r"\s*-{0,2}(?:->|[→⟶])").match(text, name.stop)
    if drawn is not None:
        message = f"`--{function}` is a double negation; the function of an arrow stands in brackets"
        arrow = f"--[{function}]->"
        yield Problem("SQ603", message, Span(start, drawn.end()), severity="warning", instead=arrow)


def _component(state: str, written: str, span: Span, index: Expression, indices: Collection[str]) -> Iterator[Problem]:
    """`h[t-1]`: the component of a vector that a step numbers."""
    first = _first(index)
    if isinstance(first, Name) and first.text in indices and "_" not in state:
        step = f"{state}_{{{written}}}" if written != first.text else f"{state}_{written}"
        message = f"`{state}[{written}]` is the component {written} of the vector `{state}`; the step is `{step}`"
        yield Problem("SQ602", message, span, severity="warning", instead=step)


def _first(expression: Expression) -> Expression:
    """What stands first in what is not in brackets."""
    while isinstance(expression, Binary):
        expression = expression.left
    return expression


def _last(expression: Expression) -> Expression:
    while isinstance(expression, Binary):
        expression = expression.right
    return expression
