"""The page of C that learns from a window.

Before: a `Learning`. After: a `WindowPage` with `learn`: regions, forward and back, then what is added up over all
steps and examples. What is in no recurrence is computed for several steps together, so many that the machine is busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod

from sqmagic.emit.c.gradients import gradient_key, outer_memory, outer_sums, summed
from sqmagic.emit.c.places import INDENT, Writing, counted, moved
from sqmagic.emit.c.window import BEGIN, WindowPage, Work, few, row_of
from sqmagic.equations.shapes import Shape
from sqmagic.equations.show import show_equation
from sqmagic.schedule.domains import Interval
from sqmagic.schedule.plan.endings import Ending
from sqmagic.schedule.plan.gradients import Gradient
from sqmagic.schedule.plan.learning import Learning, Mean
from sqmagic.schedule.plan.nodes import Map, Step
from sqmagic.schedule.plan.regions import Region


def write_learning(plan: Learning) -> WindowPage:
    """The page with `learn`, which gives the gradients of all parameters and the means of all goals."""
    work = Work(plan.regions, plan.planes, plan.parameters, _gradients(plan))
    body = [
        *work.functions(),
        "",
        *_region_functions(work, plan.regions),
        *_SEVERAL.split("\n"),
        *_regions(plan.regions),
        "",
        *_gradient_function(work, plan),
        "",
        *_goals(work, plan.goals),
        "",
        *_learn(),
    ]
    headers, members = ['#include "training.h"'], ["double *goals;"]
    return work.page("Learning from a window.", headers, body, members, (_TOGETHER, _after(plan)))


_TOGETHER = "batch * steps_together(batch)"


def _region_functions(work: Work, regions: Sequence[Region]) -> list[str]:
    """Each region at a step, or of several steps together: the rows of `me` count on from those of step t."""
    lines: list[str] = []
    for number, region in enumerate(regions):
        equations = [show_equation(e).replace("*/", "*\\/") for e in region.scan.equations]
        lines += [f"/* {equations[0]} */" if len(equations) == 1 else f"/* {equations[0]}"]
        lines += [f"   {e}" for e in equations[1:-1]]
        lines += [f"   {equations[-1]} */"] * (len(equations) > 1)
        lines += [
            f"static void region_{number + 1}(const scan *s, const share *me, long t, real *own, real *tile)",
            "{",
            *(INDENT + call for call in work.calls(number, "me", "t")),
            "}",
            "",
        ]
        if region.ending:
            lines += [*_endings(work, number + 1, region.ending), ""]
    return lines


def _endings(work: Work, number: int, ending: Ending) -> list[str]:
    """The function that computes a region where episodes end, as many examples together as there is room for."""
    both = ending.state, ending.after
    some_into, some_after = (work.names[f"own:{few(name)}"] for name in both)
    into, after = (work.names[f"own:{name}"] for name in both)
    wide, seen = (work.planes[name].width for name in both)
    return [
        f"/* {ending.state}_t where {ending.cut}_t says that an episode ends; elsewhere {ending.after}_t is what is "
        f"observed, and so {ending.state}_t is {ending.like}_t. */",
        f"static void region_{number}_at_ends(const scan *s, long t, long last, real *own, real *tile)",
        "{",
        f"{INDENT}const real *like = {row_of(work, ending.like, 't')}, *cut = {row_of(work, ending.cut, 't')};",
        f"{INDENT}const real *after = {row_of(work, ending.after, 't')};",
        f"{INDENT}real *into = {row_of(work, ending.state, 't')};",
        f"{INDENT}scan some = *s;",
        f"{INDENT}some.{after} = s->{some_after}, some.{after}_rows = 1;",
        f"{INDENT}some.{into} = s->{some_into}, some.{into}_rows = 1;",
        f"{INDENT}const long rows = (last + 1 - t) * s->batch, most = least(TOGETHER, window_rows(s->batch));",
        f"{INDENT}long places[TOGETHER], count = 0;",
        f"{INDENT}for (long row = 0; row < rows; row++) {{",
        f"{INDENT * 2}if (cut[row] != 0) {{",
        f"{INDENT * 3}memcpy(some.{after} + count * {seen}, after + row * {seen}, sizeof(real) * {seen});",
        f"{INDENT * 3}places[count++] = row;",
        f"{INDENT * 2}}} else {{",
        f"{INDENT * 3}memcpy(into + row * {wide}, like + row * {wide}, sizeof(real) * {wide});",
        f"{INDENT * 2}}}",
        f"{INDENT * 2}if (count == most || (count && row + 1 == rows)) {{",
        f"{INDENT * 3}const share me = alone(0, count);",
        f"{INDENT * 3}region_{number}(&some, &me, t, own, tile);",
        f"{INDENT * 3}for (long k = 0; k < count; k++)",
        f"{INDENT * 4}memcpy(into + places[k] * {wide}, some.{into} + k * {wide}, sizeof(real) * {wide});",
        f"{INDENT * 3}count = 0;",
        f"{INDENT * 2}}}",
        f"{INDENT}}}",
        "}",
    ]


_SEVERAL = """\
typedef void region(const scan *s, const share *me, long t, real *own, real *tile);

/* A region at the steps from t to the last, several of them together, but none on both sides of an edge. */
UNUSED static void several_steps(region *each, const scan *s, long t, long last, const long *edges, int count,
    real *own, real *tile)
{
    for (long next; t <= last; t = next) {
        next = least(t + steps_together(s->batch), last + 1);
        for (int k = 0; k < count; k++)
            next = t < edges[k] ? least(edges[k], next) : next;
        const long rows = (next - t) * s->batch;
        for (share me = rows_from(0, rows); me.row < rows; me = rows_from(me.row_end, rows))
            each(s, &me, t, own, tile);
    }
}
"""


def _regions(regions: Sequence[Region]) -> list[str]:
    """All regions; with `kept`, what acting has computed at the steps from 1 on is taken as it is."""
    lines = [
        "static void regions(const scan *s, int kept)",
        "{",
        f"{INDENT}const share me = alone(0, s->batch);",
        *(INDENT + line for line in BEGIN),
        f"{INDENT}(void)kept;",
    ]
    for number, region in enumerate(regions, 1):
        first, last = region.steps.first, counted(region.steps.last)
        if region.kept:
            last = f"(kept ? 0 : {last})"
        call = f"region_{number}(s, &me, t, own, tile);"
        if region.ending:
            lines.append(f"{INDENT}region_{number}_at_ends(s, {first}, {last}, own, tile);")
        elif region.backward:
            lines += [f"{INDENT}for (long t = {last}; t >= {first}; t--)", INDENT * 2 + call]
        elif region.recurrent or any(isinstance(n, Step) for n in region.scan.nodes):
            lines += [f"{INDENT}for (long t = {first}; t <= {last}; t++)", INDENT * 2 + call]
        else:
            lines.append(INDENT + _several(number, region, first, last))
    return [*lines, "}"]


def _several(number: int, region: Region, first: int, last: str) -> str:
    """Several steps together, up to one at which what holds `during` some steps begins or ends."""
    settings = [n.setting for n in region.scan.nodes if isinstance(n, Map) and n.op == "during"]
    edges = list(dict.fromkeys(edge for setting in settings for edge in _edges(setting)))
    given = f"(const long[]){{{', '.join(edges)}}}, {len(edges)}" if edges else "0, 0"
    return f"several_steps(region_{number}, s, {first}, {last}, {given}, own, tile);"


def _edges(setting: str) -> Iterator[str]:
    """The steps from which on a condition holds, and no longer does."""
    _, offset, first, last = setting.split(":")
    if first:
        yield str(int(first) - int(offset))
    if last:
        yield counted(int(last) - int(offset) + 1)


def _gradients(plan: Learning) -> dict[str, Shape]:
    named = dict.fromkeys(p for sums in plan.sums.values() for p in sums)
    return {p: plan.parameters[p] for p in named}


def _parted(plan: Learning) -> Iterator[tuple[Interval, dict[str, Gradient], dict[str, Gradient]]]:
    """Gradients by their steps: those that are put down, and those that are added to what is there."""
    seen: set[str] = set()
    for steps, sums in plan.sums.items():
        yield steps, {p: g for p, g in sums.items() if p not in seen}, {p: g for p, g in sums.items() if p in seen}
        seen |= sums.keys()


def _after(plan: Learning) -> str:
    """What the gradients take when the regions have run."""
    parts = [outer_memory(own) for _, *both in _parted(plan) for own in both if own]
    more = sum(_count(plan.parameters[p]) for _, _, again in _parted(plan) for p in again)
    found = "0"
    for part in parts:
        found = part if found == "0" else f"greatest({part}, {found})"
    return f"{found} + {more}" if more else found


def _count(shape: Shape) -> int:
    """Numbers, so that what comes after begins at a multiple of 64 bytes."""
    return (prod(shape) + 15) // 16 * 16


def _gradient_function(work: Work, plan: Learning) -> list[str]:
    shapes = work.gradients
    lines = [
        "/* The gradients of parameters: sums over all steps and examples. */",
        "static void gradients(const scan *s)",
        "{",
    ]
    if plan.sums:
        lines.append(f"{INDENT}const share one = alone(0, s->batch), *me = &one;")
    for steps, fresh, again in _parted(plan):
        count = counted(steps.last - steps.first + 1)
        if fresh:
            body = outer_sums(_from(work, steps), fresh, shapes, count)
            lines += [f"{INDENT}{{", *(INDENT * 2 + line for line in body), f"{INDENT}}}"]
        if again:
            lines += _added(work, steps, again, count)
    return [*lines, "}"] if plan.sums else [*lines, f"{INDENT}(void)s;", "}"]


def _from(work: Work, steps: Interval) -> Writing:
    """A writing in which planes begin at the first of these steps."""
    writing = work.writings[0]
    return replace(writing, scan=replace(writing.scan, steps=steps))


def _added(work: Work, steps: Interval, sums: Mapping[str, Gradient], count: str) -> list[str]:
    """Sums over other steps, worked out apart and added to what is there."""
    lines, place = [f"{INDENT}{{", f"{INDENT * 2}scan apart = *s, *const whole = (scan *)s;"], "0"
    found = summed(sums, work.names)
    assert found.lefts, "something is added up"
    start = outer_memory(sums)
    for parameter in sums:
        member = work.names[gradient_key(parameter)]
        lines.append(f"{INDENT * 2}apart.{member} = s->memory + {start} + {place};")
        place = f"{place} + {_count(work.gradients[parameter])}"
    body = outer_sums(_from(work, steps), sums, work.gradients, count)
    lines += [f"{INDENT * 2}s = &apart;", *(INDENT * 2 + line for line in body), f"{INDENT * 2}s = whole;"]
    for parameter in sums:
        member, size = work.names[gradient_key(parameter)], prod(work.gradients[parameter])
        lines.append(f"{INDENT * 2}add_to(whole->{member}, apart.{member}, {size});")
    return [*lines, f"{INDENT}}}"]


def _goals(work: Work, goals: Sequence[Mean]) -> list[str]:
    """The sum of the losses, less that of the objectives: each a mean over its steps and the batch."""
    lines = ["static double goal(const scan *s)", "{", f"{INDENT}double all = 0;"]
    for goal in goals:
        pointer = row_of(work, goal.state, str(goal.steps.first))
        count = f"{moved('s->steps', goal.steps.last - goal.steps.first + 1)} * s->batch"
        lines.append(f"{INDENT}all {'+' if goal.loss else '-'}= mean_of({pointer}, {count});")
    return [*lines, f"{INDENT}return all;", "}"]


def _learn() -> list[str]:
    return [
        "/* The loss of a window, and the gradients of all parameters. */",
        "double learn(scan *s, int kept)",
        "{",
        f"{INDENT}regions(s, kept);",
        f"{INDENT}gradients(s);",
        f"{INDENT}return goal(s);",
        "}",
    ]
