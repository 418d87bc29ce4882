"""Rule C.6, tuple: `a, b := u, v` becomes `a := u` and `b := v`; `p, q => y, z` two losses.

A function of several outputs (`split(x) -> a, b`) stays one line. Several names for one value are an error.
"""

from __future__ import annotations

from sqmagic.equations.elaborate.lines import Line, Outcome
from sqmagic.equations.elaborate.trees import parts
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Binding, Call, Expression, Name, Pipeline, Regress, Tuple

RULE = "tuple"


def tuples(lines: tuple[Line, ...]) -> Outcome:
    out: list[Line] = []
    problems: list[Problem] = []
    for line in lines:
        singles = _singles(line)
        if isinstance(singles, Problem):
            problems.append(singles)
        else:
            out += singles
    return Outcome(tuple(out), tuple(problems))


def _singles(line: Line) -> tuple[Line, ...] | Problem:
    match line.statement:
        case Binding(target, Tuple(values)):
            pairs = _pairs(parts(target), values, "name", target)
            if isinstance(pairs, Problem):
                return pairs
            return tuple(line.by(RULE, Binding(n, v, span=line.statement.span)) for n, v in pairs)
        case Binding(Tuple() as target, value) if not isinstance(value, Call):
            return Problem(
                "SQ204", f"{len(target.parts)} names for one value", target.span, notes=("only a call gives several.",)
            )
        case Pipeline(source, (Regress(target, loss) as goal,)) if isinstance(source, Tuple) or isinstance(
            target, Tuple
        ):
            pairs = _pairs(parts(source), parts(target), "prediction", target)
            if isinstance(pairs, Problem):
                return pairs
            span = line.statement.span
            return tuple(line.by(RULE, Pipeline(p, (Regress(y, loss, span=goal.span),), span=span)) for p, y in pairs)
        case Binding(target) if any(not isinstance(name, Name) for name in parts(target)):
            bad = next(name for name in parts(target) if not isinstance(name, Name))
            return Problem("SQ201", "only a name can be given a value", bad.span)
        case _:
            return (line,)


def _pairs(
    left: tuple[Expression, ...], right: tuple[Expression, ...], what: str, at: Expression
) -> list[tuple[Expression, Expression]] | Problem:
    if len(left) != len(right):
        plural = "" if len(left) == 1 else "s"
        return Problem("SQ204", f"{len(left)} {what}{plural} for {len(right)} value{'s'[: len(right) > 1]}", at.span)
    return list(zip(left, right, strict=True))
