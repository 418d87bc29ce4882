"""What a page does where examples end before the window, each at a step of its own.

`lengths` says of how many steps each example is, where examples differ. What looks ahead begins at an example's own
end: past its last step stands what stands beside the steps. On the way back nothing comes from there: adjoints are
zeros; and the step past the others, which gives the adjoints of end cases, is one of each example. What goes forward
just goes on past an end, and takes no lengths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sqmagic.emit.c.places import INDENT, Writing, asked_for, base_key, moved
from sqmagic.schedule.plan.scans import Held


def has_ends(writing: Writing) -> bool:
    """Whether it matters at which step an example ends."""
    return writing.scan.backward if writing.way is None else writing.way.forward.backward


def past_ends(writing: Writing) -> list[str]:
    """The function that puts at a step, for examples that have ended, what stands past their last step."""
    body = [line for state, held in _held(writing).items() for line in _rows(writing, state, held, "t", 0)]
    return [
        "/* Of examples that have ended before step t, its rows: what stands past their own last step. */",
        "static void past_ends(const scan *s, const share *me, long t)",
        "{",
        *(INDENT + line for line in body or ["(void)s, (void)me, (void)t;"]),
        "}",
        "",
    ]


def rows_beside(writing: Writing) -> list[str]:
    """The lines that do the same with rows past the window, where they are several."""
    found: list[str] = []
    for state, held in _held(writing).items() if writing.way is None and has_ends(writing) else ():
        for k in range(1, held.after):
            found += _rows(writing, state, held, "s->steps", writing.scan.steps.first - 1 + k, k + 1)
    return ["if (s->lengths) {", *(INDENT + line for line in found), "}"] if found else []


def after_step() -> list[str]:
    """The lines after each step."""
    meeting = [f"{INDENT}if (me->by_units)", f"{INDENT * 2}meet(me);"]
    return ["if (s->lengths) {", f"{INDENT}past_ends(s, me, t);", *meeting, "}"]


def at_own_ends(writing: Writing, edge: Writing, calls: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of a step past the others with these calls: the lines before each step, and those after it itself."""
    steps = writing.scan.steps
    asked = asked_for(edge)
    asked = f"({asked})" if " || " in asked else asked
    ended = _bare(moved("t", -steps.last - 1))
    before = [
        f"if (s->lengths && {asked} && some_have(s->lengths, s->batch, {ended})) {{",
        *(INDENT + call for call in calls),
        *(INDENT + line for line in _kept(edge, ended)),
        "}",
    ]
    whole = _bare(moved("s->steps", steps.first - 1 - steps.last))
    return before, ["if (s->lengths) {", *(INDENT + line for line in _kept(edge, whole)), "}"]


def _held(writing: Writing) -> Mapping[str, Held]:
    """The states that have rows past the last step; on the way back all but those of the step past the others."""
    scan = writing.scan
    if writing.way is None:
        return {state: held for state, held in scan.held.items() if held.after}
    return {state: held for state, held in scan.held.items() if state not in scan.edge_values}


def _rows(writing: Writing, state: str, held: Held, step: str, offset: int, first: int = 1) -> Iterator[str]:
    """For each row past the last step, from the first or a later one on: which examples have it at step + offset."""
    scan, names = writing.scan, writing.names
    member = names[f"own:{state}"]
    place = _bare(moved(step, offset - held.first))
    last = 1 if writing.way is not None else held.after
    for k in range(first, last + 1):
        base = names.get(base_key(state, held.before + k - 1)) if writing.way is None and k <= held.ends else None
        steps = _bare(moved(step, offset - scan.steps.last - k))
        given = f"s->{base}, s->{base}_row" if base else "0, 0"
        yield (
            f"end_row(me, s->batch, s->lengths, {steps}, {int(k == last)}, s->{member}, s->{member}_rows, {place}, "
            f"{held.width}, {given});"
        )


def _kept(edge: Writing, steps: str) -> Iterator[str]:
    for state in edge.scan.edge_values:
        member, width = edge.names[f"own:{state}"], edge.scan.held[state].width
        yield f"keep_row(me, s->batch, s->lengths, {steps}, s->{member}, {width});"


def _bare(text: str) -> str:
    """What needs no brackets among arguments."""
    return text.removeprefix("(").removesuffix(")")
