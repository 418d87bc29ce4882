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
from sqmagic.equations.elaborate.trees import bottom_up, defined, nodes, over_values
from sqmagic.equations.ops import ALIASES, OPS
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.syntax import Binary, Binding, Call, Declaration, Expression, Name, Pipeline, Regress, Subscript

RULE = "loss"

BY_LAST_FUNCTION = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}

LOSSES = tuple(op.name for op in OPS.values() if op.loss and not op.name.endswith("_logits"))


def losses(lines: tuple[Line, ...], names: Names) -> Outcome:
    """Every `=>` with its loss's name; a weight stays a factor: `==[w_t * mse]=>`."""
    known, labels = definitions(lines, names), classes(lines, names)
    out: list[Line] = []
    problems: list[Problem] = []

    def labelled(e: Expression) -> Expression:
        """`cross_entropy(p, y)` in an expression reads a label as one_hot, as a loss does."""
        match e:
            case Call(Name("cross_entropy" | "ce"), (p, Name() as y)) if _is_label(y, labels, names):
                return replace(e, arguments=(p, _one_hot(y)))
            case _:
                return e

    for line in lines:
        match line.statement:
            case Pipeline(source, (Regress() as goal,)):
                named = _named(goal, source, known, labels, names)
                if isinstance(named, Problem):
                    problems.append(named)
                else:
                    out.append(line.by(RULE, replace(line.statement, parts=(named,))))
            case _:
                out.append(line.by(RULE, over_values(line.statement, lambda value: bottom_up(value, labelled))))
    return Outcome(tuple(out), tuple(problems))


def definitions(lines: tuple[Line, ...], names: Names) -> Mapping[str, Expression]:
    """What each state is made from."""
    made = {
        names.state(n.text): line.statement.value
        for line in lines
        if isinstance(line.statement, Binding)
        for n in defined(line.statement)
    }
    bases = sorted(made.items(), key=lambda item: not is_fixed(item[0][1]))  # a running equation outranks a base case
    return {key: value for (key, _), value in bases}


def classes(lines: tuple[Line, ...], names: Names) -> Mapping[str, Declaration]:
    """The declarations of labels."""
    declarations = [line.statement for line in lines if isinstance(line.statement, Declaration)]
    return {names.state(d.name.text)[0]: d for d in declarations if _is_class(d)}


def _is_label(name: Name, labels: Mapping[str, Declaration], names: Names) -> bool:
    return names.state(name.text)[0] in labels


def _one_hot(label: Name) -> Call:
    return Call(Name("one_hot"), (label,), span=label.span)


def _is_class(declaration: Declaration) -> bool:
    return any(
        isinstance(size, Call) and isinstance(size.function, Name) and size.function.text == "class"
        for size in declaration.sizes
    )


def _named(
    goal: Regress,
    source: Expression,
    definitions: Mapping[str, Expression],
    labels: Mapping[str, Declaration],
    names: Names,
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
    if kind == "cross_entropy" and isinstance(target, Name) and _is_label(target, labels, names):
        target = _one_hot(target)
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
    call = last_call(source, definitions, names)
    name = None if call is None else unwrapped(call.function)[0]
    return None if name is None else ALIASES.get(name.text, name.text)


def last_call(source: Expression, definitions: Mapping[str, Expression], names: Names) -> Call | None:
    """The call that made a value, through names and indexing; None if an operation did."""
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
            case Call():
                return source
            case _:
                return None
