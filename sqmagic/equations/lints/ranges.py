"""Ranges of steps that are likely meant across: reductions are over components, and a slice takes rows.

A range has a row for each step. `mean(h_{1:T})` is a number for each of them, and where a layer is to read that, h is
made a number without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sqmagic.equations.lints.facts import Facts, as_within
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Equation, Expr, Fixed, Goal, Last, Range, Read, Running, Size, System, walk
from sqmagic.notation.problems import Problem
from sqmagic.notation.source import NOWHERE, Source

_REDUCTIONS = ("sum", "mean", "max", "min")


def pooled_over_components(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`mean(h_{1:T}) --[G]-> p`: a reduction of a range that is given to a layer."""
    declared = {i.state: i.sizes for i in system.inputs if i.sizes is not None}
    declared |= {d.state: d.sizes for d in system.declared}
    named = {t.state: e for e in system.equations for t in e.targets if _reduced(e.value, declared) is not None}
    seen: set[Expr] = set()
    for equation in system.equations:
        for node in walk(equation.value):
            if not isinstance(node, Apply) or node.layer is None or len(node.args) != 1:
                continue
            made, line = node.args[0], equation
            if isinstance(made, Read) and made.state in named:
                line = named[made.state]
                made = line.value
            rows = _reduced(made, declared)
            if rows is not None and made not in seen:
                seen.add(made)
                yield as_within(line, _pooled(made, rows, node.layer, line, source))


def _reduced(value: Expr, declared: Mapping[str, tuple[Size, ...]]) -> Read | None:
    """The range of a reduction, of what may have components without a word; where they are declared, the number of
    rows must be known to be a layer's width."""
    match value:
        case Apply(op, (Read(state, (Range() as index,)) as rows,)) if op in _REDUCTIONS:
            sizes = declared.get(state)
            return rows if sizes is None or (sizes != (Size(1),) and _grows(index)) else None
        case _:
            return None


def _pooled(value: Expr, rows: Read, layer: str, line: Equation, source: Source) -> Problem:
    op = value.op if isinstance(value, Apply) else ""
    message = f"`{show(value)}` is over the components of each step: `{layer}` reads one number for each step"
    over_steps = f"{op}(transpose({show(rows)}))"
    notes = (
        f"`{show(rows)}` has a row for each step: over the steps, component by component, it is `{over_steps}`.",
        f"what is a number at each step is declared so: `{show(Read(rows.state, _here(rows)))} : 1`.",
    )
    repair = _with(line, source, rf"\b{op}\(\s*({_spelled(rows)})\s*\)", rf"{op}(transpose(\1))")
    return Problem("SQ624", message, line.span, notes, repair, "warning")


def sliced_by_rows(system: System, facts: Facts, source: Source) -> Iterator[Problem]:
    """`k_{1:t}[0:8]`: steps 1 to 8, which a range says by itself, where components were likely meant."""
    seen: set[Expr] = set()
    lines: tuple[Equation | Goal, ...] = (*system.equations, *system.goals)
    for line in lines:
        for node in walk(line.value):
            match node:
                case Apply("slice", (Read(_, (Range() as index,)) as rows,)) if _grows(index) and node not in seen:
                    seen.add(node)
                    problem = _sliced(node, rows, line, source)
                    yield as_within(line, problem) if isinstance(line, Equation) else problem
                case _:
                    pass


def _grows(index: Range) -> bool:
    """Whether the number of rows is that of the steps."""
    ends = {type(index.first), type(index.last)}
    return len(ends) > 1 and ends <= {Fixed, Running, Last}


def _sliced(value: Apply, rows: Read, line: Equation | Goal, source: Source) -> Problem:
    start, stop = value.attribute("start", 0), value.attribute("stop", 0)
    message = f"`{show(value)}` takes rows of `{show(rows)}`, which are steps"
    across = f"transpose(transpose({show(rows)})[{start}:{stop}])"
    notes = (f"these components of every step are `{across}`; or name the part of one step, and read its range.",)
    found = rf"({_spelled(rows)})\[\s*{start}\s*:\s*{stop}\s*\]"
    repair = _with(line, source, found, rf"transpose(transpose(\1)[{start}:{stop}])")
    return Problem("SQ625", message, line.span, notes, repair, "warning")


def _here(rows: Read) -> tuple[Running, ...]:
    match rows.context:
        case (Range(first, last),):
            return tuple(Running(p.index) for p in (first, last) if isinstance(p, Running | Last))[:1]
        case _:
            return ()


def _spelled(rows: Read) -> str:
    """A pattern for the range as its own line names it."""
    name, _, context = show(rows).rpartition(".")[2].partition("_{")
    inner = r"\s*".join(map(re.escape, context.removesuffix("}")))
    return rf"(?<![\w.']){re.escape(name)}_\{{\s*{inner}\s*\}}"


def _with(line: Equation | Goal, source: Source, pattern: str, instead: str) -> str | None:
    """The statement's own text with a part of it written otherwise; None if that cannot be found."""
    text = source.text[line.span.start : line.span.stop] if line.span != NOWHERE else ""
    changed = re.sub(pattern, instead, text)
    return changed if changed != text else None
