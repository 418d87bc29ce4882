"""Rule C.4, loss: the loss of `p => y` follows from p's last function, sought through aliases and indexing.

After `softmax` it is cross-entropy, after `sigmoid` binary cross-entropy, otherwise mean squared error. A target that
is declared as a class is read as one_hot where the loss is cross-entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqmagic.equations.elaborate.lines import Line, Outcome
from sqmagic.equations.elaborate.names import Names, is_fixed
from sqmagic.equations.elaborate.transforms import unwrapped
from sqmagic.equations.elaborate.trees import defined, nodes
from sqmagic.equations.ops import ALIASES, OPS
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.syntax import Binary, Binding, Call, Declaration, Expression, Name, Pipeline, Regress, Subscript

RULE = "loss"

BY_LAST_FUNCTION = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}

LOSSES = tuple(op.name for op in OPS.values() if op.loss and not op.name.endswith("_logits"))


def losses(lines: tuple[Line, ...], names: Names) -> Outcome:
    """Every `=>` with its loss's name; a weight stays a factor: `==[w_t * mse]=>`."""
    made = {
        names.state(n.text): line.statement.value
        for line in lines
        if isinstance(line.statement, Binding)
        for n in defined(line.statement)
    }
    classes = {
        names.state(line.statement.name.text)[0]
        for line in lines
        if isinstance(line.statement, Declaration) and _is_class(line.statement)
    }
    bases = sorted(made.items(), key=lambda item: not is_fixed(item[0][1]))  # a running equation outranks a base case
    definitions = {key: value for (key, _), value in bases}
    out: list[Line] = []
    problems: list[Problem] = []
    for line in lines:
        match line.statement:
            case Pipeline(source, (Regress() as goal,)):
                named = _named(goal, source, definitions, classes, names)
                if isinstance(named, Problem):
                    problems.append(named)
                else:
                    out.append(line.by(RULE, replace(line.statement, parts=(named,))))
            case _:
                out.append(line)
    return Outcome(tuple(out), tuple(problems))


def _is_class(declaration: Declaration) -> bool:
    return any(
        isinstance(size, Call) and isinstance(size.function, Name) and size.function.text == "class"
        for size in declaration.sizes
    )


def _named(
    goal: Regress, source: Expression, definitions: Mapping[str, Expression], classes: set[str], names: Names
) -> Regress | Problem:
    loss = goal.loss
    if loss is None:
        loss = Name(_follows(source, definitions, names))
    elif (unknown := _unknown(loss)) is not None:
        return unknown
    elif not _loss_names(loss):
        loss = Binary("*", loss, Name(_follows(source, definitions, names)), span=loss.span)
    kind = next(iter(_loss_names(loss)))
    target = goal.target
    if kind == "cross_entropy" and isinstance(target, Name) and names.state(target.text)[0] in classes:
        target = Call(Name("one_hot"), (target,), span=target.span)
    return replace(goal, loss=loss, target=target)


def _loss_names(loss: Expression) -> list[str]:
    """The losses that a product names, by their full names."""
    found = [n.text for n in nodes(loss) if isinstance(n, Name)]
    found += [n.function.text for n in nodes(loss) if isinstance(n, Call) and isinstance(n.function, Name)]
    return [ALIASES.get(n, n) for n in found if ALIASES.get(n, n) in LOSSES]


def _unknown(loss: Expression) -> Problem | None:
    """A word alone in `==[…]=>` names a loss; `==[hubert]=>` is a slip."""
    if isinstance(loss, Name) and not _loss_names(loss) and "_" not in loss.text.strip("_"):
        known = ", ".join(LOSSES)
        return Problem("SQ207", f"there is no loss `{loss.text}`", loss.span, notes=(f"losses are {known}.",))
    if isinstance(loss, Binary | Name | Call) and len(_loss_names(loss)) > 1:
        return Problem("SQ207", f"`{show_expression(loss)}` names more than one loss", loss.span)
    return None


def _follows(source: Expression, definitions: Mapping[str, Expression], names: Names) -> str:
    return BY_LAST_FUNCTION.get(last_function(source, definitions, names) or "", "mse")


def last_function(source: Expression, definitions: Mapping[str, Expression], names: Names) -> str | None:
    """The builtin that made a value, through names and indexing; None if an operation or a layer did."""
    seen: set[str] = set()
    while True:
        match source:
            case Name(text):
                key = names.state(text)[0]
                if key in seen or key not in definitions:
                    return None
                seen.add(key)
                source = definitions[key]
            case Subscript(operand):
                source = operand
            case Call(Name("stop"), (inner,)):
                source = inner
            case Call(function):
                name, _ = unwrapped(function)
                return ALIASES.get(name.text, name.text)
            case _:
                return None
