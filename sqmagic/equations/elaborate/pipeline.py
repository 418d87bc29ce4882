"""Rule C.6, pipeline: `x --[f|g]-> a => y` becomes `a := g(f(x))` and `a => y`.

Afterwards every line is a binding, a goal on one source, a call for its effect, or a statement that is no pipeline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from sqmagic.equations.elaborate.lines import Line, Outcome
from sqmagic.equations.elaborate.trees import DEEPEST, depth, parts
from sqmagic.equations.ops import TRANSFORMS
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.source import Span
from sqmagic.notation.syntax import (
    Arrow,
    Bar,
    Binding,
    Call,
    Expression,
    Item,
    Keyword,
    Name,
    Number,
    Pipeline,
    Raise,
    Regress,
)

RULE = "pipeline"


def pipelines(lines: tuple[Line, ...]) -> Outcome:
    out: list[Line] = []
    problems: list[Problem] = []
    for line in lines:
        if not isinstance(line.statement, Pipeline):
            out.append(line)
            continue
        fault = _fault(line.statement)
        if fault:
            problems.append(fault)
        else:
            plain = _is_plain(line.statement)
            singles = _stations(line.statement)
            out += [replace(line, statement=s) if plain else line.by(RULE, s) for s in singles]
    return Outcome(tuple(out), tuple(problems))


def _is_plain(pipeline: Pipeline) -> bool:
    """`0 -> h_0` is `h_0 := 0` spelled otherwise: nothing is filled in."""
    return len(pipeline.parts) == 1 and not (isinstance(pipeline.parts[0], Arrow) and pipeline.parts[0].items)


def _stations(pipeline: Pipeline) -> Iterator[Binding | Pipeline]:
    """One binding for each arrow, one goal for each `=>` and `$`, in the order written."""
    source = pipeline.source
    if not pipeline.parts:
        yield pipeline
    for part in pipeline.parts:
        match part:
            case Arrow(items, outputs):
                span = source.span | part.span
                yield Binding(outputs, _applied(items, source), span=span)
                source = outputs
            case Regress() | Raise():
                yield Pipeline(source, (part,), span=source.span | part.span)
            case _:
                assert_never(part)


def _applied(items: tuple[Item, ...], source: Expression) -> Expression:
    value = source
    for item in items:
        value = apply(item.function, parts(value), item.batch)
        value = replace(value, span=source.span | item.span)
    return value


def apply(function: Expression, arguments: tuple[Expression, ...], batch: int | None = None) -> Call:
    """`f` on x is `f(x)`, `f(a)` on x is `f(x, a)`, a transform `nograd(F)` on x is `nograd(F)(x)`."""
    size = () if batch is None else (Keyword("batch", Number(batch)),)
    match function:
        case Call(Name(text)) if text in TRANSFORMS:
            return Call(function, arguments, size, span=function.span)
        case Call(inner, own, keywords):
            return Call(inner, arguments + own, keywords + size, span=function.span)
        case _:
            return Call(function, arguments, size, span=function.span)


def too_deep(span: Span) -> Problem:
    return Problem("SQ209", f"more than {DEEPEST} functions stand within each other: name a part", span)


def _fault(pipeline: Pipeline) -> Problem | None:
    """A name is needed after an arrow, and something must be called where nothing is named."""
    before = depth(pipeline.source)
    for part in pipeline.parts:
        if isinstance(part, Arrow) and len(part.items) + before > DEEPEST:
            return too_deep(part.span)
        before = 1
    for part in pipeline.parts:
        if isinstance(part, Arrow):
            for output in parts(part.outputs):
                if not isinstance(output, Name):
                    return Problem(
                        "SQ201",
                        f"a name must stand after the arrow, not `{show_expression(output)}`",
                        output.span,
                        notes=("a pipeline names each of its results: `source --[function]-> name`.",),
                    )
    if not pipeline.parts and not isinstance(pipeline.source, Call):
        text = show_expression(pipeline.source)
        what = "a concatenation" if isinstance(pipeline.source, Bar) else f"`{text}`"
        return Problem("SQ202", f"{what} is not given a name", pipeline.source.span, instead=f"{text} -> name")
    return None
