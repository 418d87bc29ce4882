"""What need be computed only where an episode ends.

`O'_t`, what is observed before the environment begins anew, is `O_t` where it does not: where `cut_t` is 0. So a state
that is of `O'_t` what another one is of `O_t` has that one's values there, and is computed where `cut_t` is 1 alone.
Before: a learning System and the targets of the step that acts. After: an `Ending` for each such state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Read,
    Running,
    System,
    Target,
    children,
    reads,
    walk,
    with_children,
)


@dataclass(frozen=True, slots=True)
class Ending:
    """`state` is of `after` what `like` is of the observation, and has its values where `cut` is 0; `parts` are the
    states from which `like` is computed."""

    state: str
    like: str
    after: str
    cut: str
    parts: frozenset[str]


def endings(system: System, step: Sequence[Target]) -> Iterator[Ending]:
    """`step` are the targets of the environment's step: S, O, r, d, cut, O'."""
    if len(step) < 6:
        return
    before, cut, after = (step[n].state for n in (1, 4, 5))
    own = {e.targets[0].state: e for e in system.equations if _runs(e)}
    for state, equation in own.items():
        if _read_alone(equation.value) != after or not _is_worth_it(equation.value):
            continue
        wanted = _forward(_renamed(equation.value, after, before))
        for other in own:
            parts: set[str] = set()
            if other != state and _forward(_inlined(other, own, parts)) == wanted:
                yield Ending(state, other, after, cut, frozenset(parts))
                break


def _runs(equation: Equation) -> bool:
    return len(equation.targets) == 1 and _is_here(equation.targets[0].context)


def _is_here(context: Sequence[object]) -> bool:
    return len(context) == 1 and isinstance(context[0], Running) and context[0].offset == 0


def _read_alone(expr: Expr) -> str:
    """The one state that is read, at the step itself."""
    found = {read.state if _is_here(read.context) else "" for read in reads(expr)}
    return found.pop() if len(found) == 1 else ""


def _renamed(expr: Expr, former: str, name: str) -> Expr:
    if isinstance(expr, Read):
        return Read(name, expr.context) if expr.state == former else expr
    return with_children(expr, tuple(_renamed(c, former, name) for c in children(expr)))


def _is_worth_it(expr: Expr) -> bool:
    """Whether there is a product to be saved, and each example is computed for itself, and always alike."""
    found = [node for node in walk(expr) if isinstance(node, Apply)]
    return any(n.layer for n in found) and not any(n.op in ("dropout", "batch_norm") for n in found)


def _forward(expr: Expr) -> Expr:
    """Without what tells the way back where to end."""
    match expr:
        case Apply("stop", (inner,)):
            return _forward(inner)
        case Apply():
            marks = tuple(a for a in expr.attributes if a[0] not in ("frozen", "cache", "recompute"))
            return replace(expr, args=tuple(map(_forward, expr.args)), attributes=marks)
        case _:
            return expr


def _inlined(state: str, own: Mapping[str, Equation], parts: set[str]) -> Expr:
    """What a state is computed from, down to what is given, where that is a line of states that are each read once."""
    parts.add(state)
    return _with_parts(own[state].value, own, parts)


def _with_parts(expr: Expr, own: Mapping[str, Equation], parts: set[str]) -> Expr:
    if isinstance(expr, Read):
        more = _is_here(expr.context) and expr.state in own and expr.state not in parts
        return _inlined(expr.state, own, parts) if more else expr
    return with_children(expr, tuple(_with_parts(c, own, parts) for c in children(expr)))
