"""Chains of reasons in words: why a dimension is what it is, and what is said where two cannot be equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sqmagic.equations.shapes.classes import Given, Reason, Said
from sqmagic.equations.shapes.unknowns import Fault, Form, Side, Unknowns
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Expr, Fixed, Last, Range, Read, children, with_children
from sqmagic.notation.problems import Problem

MOST_LINES = 10
DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """The unknowns of a program with all that was stated of them, and the shape of each state."""

    unknowns: Unknowns
    states: Mapping[str, Form]

    def of_state(self, state: str) -> list[str]:
        form = self.states.get(state)
        if form is None:
            return []
        return _shortened(_side_lines(self.unknowns, self.unknowns.side(form.last)))


def problem(unknowns: Unknowns, fault: Fault) -> Problem:
    """A fault as a user sees it: the sentence, and for each side the chain that leads to it."""
    why = fault.why
    clash, heads = _default(why)
    heads = why.heads or heads
    a, b = (*(side.text for side in fault.sides), "", "")[:2]
    words = [say(s) for s in why.about]
    notes: list[str] = []
    for i, side in enumerate(fault.sides):
        head = f"{say(side.said)} is" if side.said is not None else heads[i].format(*words)
        notes += _headed(f"{head} {side.text}", _shortened(_side_lines(unknowns, side)))
    notes += _in_numbers(unknowns, fault.sides)
    return Problem(why.code, clash.format(*words, a=a, b=b), why.span, tuple(notes))


def _in_numbers(unknowns: Unknowns, sides: Sequence[Side]) -> Iterator[str]:
    """Where the rows of `x_{1:T}` must be a number: how the range is written that has so many."""
    match [side.dimension for side in sides]:
        case [int(a), int(b)]:
            pairs = ((a, unknowns.dimensions.get(b)), (b, unknowns.dimensions.get(a)))
        case _:
            return
    for dimension, count in pairs:
        _, given = unknowns.dimensions.chain(dimension)
        read = None if given is None else next((said for said in given.reason.about if isinstance(said, Read)), None)
        if read is None or not isinstance(count, int):
            continue
        match read.context:
            case (Range(Fixed(first), Last(index)), *rest):
                fixed = replace(read, context=(Range(Fixed(first), Fixed(first + count - 1)), *rest))
                steps = f"`{index.upper()}` is known to a call alone"
                yield f"{steps}; a range that has {count} rows is written in numbers: `{show(fixed)}`."
            case _:
                pass


def _default(why: Reason) -> tuple[str, tuple[str, ...]]:
    """What is said of a clash by default: an equality within a whole, or a result that is not what it must be."""
    if why.clash:
        return why.clash, ("{0} is", "{1} is" if len(why.about) > 1 else "it must be")
    if len(why.about) > 2:
        return "`{0}` ({a}) and `{1}` ({b}) must be equal in `{2}`", ("{0} is", "{1} is")
    return "`{0}` is {b}, but must be {a}", ("it must be", "{0} is")


def say(said: Said) -> str:
    """A word, or an expression in the notation; what a `stop` holds fixed is said without it."""
    return said if isinstance(said, str) else show(_unstopped(said))


def _unstopped(expr: Expr) -> Expr:
    if isinstance(expr, Apply) and expr.op == "stop":
        return _unstopped(expr.args[0])
    return with_children(expr, tuple(map(_unstopped, children(expr))))


# --- chains --------------------------------------------------------------------------------------


def _side_lines(unknowns: Unknowns, side: Side) -> list[str]:
    """The chain for what clashed: the rank, or one dimension."""
    if side.lead is not None:
        return _lines(unknowns, *unknowns.leads.chain(side.lead), 0)
    assert side.dimension is not None, "a side has a dimension or a lead"
    return _lines(unknowns, *unknowns.dimensions.chain(side.dimension), 0)


def _lines(unknowns: Unknowns, path: list[Reason], given: Given | None, depth: int) -> list[str]:
    """A line for each link, the last one what was given, then the chains of what that was worked out from."""
    links = [*path, *([given.reason] if given else [])]
    kept = [why for why, after in zip(links, [*links[1:], Reason()], strict=False) if not _superfluous(why, after)]
    lines = [_line(why) for why in kept if why.link]
    if given is None or depth == DEEPEST:
        return lines
    for said, dimension in given.because:
        inner = _lines(unknowns, *unknowns.dimensions.chain(dimension), depth + 1)
        size = unknowns.size_text(dimension)
        lines += ["  " + line for line in _headed(f"{say(said)} is {size}", inner)]
    return lines


def _superfluous(why: Reason, after: Reason) -> bool:
    """`M gives p` says nothing more beside `M : 64 -> 10`."""
    return bool(why.through) and why.through == after.owner


def _line(why: Reason) -> str:
    text = why.link.format(*map(say, why.about))
    if not why.line:
        return text
    return f"{text} on line {why.line}" if why.declares else f"line {why.line}: {text}"


def _headed(head: str, lines: list[str]) -> list[str]:
    if not lines:
        return [head]
    return [f"{head}: {lines[0]}", *("  " + line for line in lines[1:])]


def _shortened(lines: list[str]) -> list[str]:
    """Each line once; of a long chain both ends."""
    kept = list(dict.fromkeys(lines))
    if len(kept) <= MOST_LINES:
        return kept
    half = MOST_LINES // 2
    return [*kept[:half], f"… {len(kept) - 2 * half} more …", *kept[-half:]]
