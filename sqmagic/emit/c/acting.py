"""The page of C that acts for a window, step by step.

Before: an `Acting`. After: a `WindowPage` with `act`, which computes the regions of each step and does what is outside
of them, and `go_on`, which makes the end of a window the past of the next.
"""

from __future__ import annotations

from sqmagic.emit.c.equations import told
from sqmagic.emit.c.places import INDENT, moved
from sqmagic.emit.c.window import BEGIN, WindowPage, Work, row_of
from sqmagic.schedule.plan.acting import Acting, Argument, Computed, Outside


def write_acting(plan: Acting) -> WindowPage:
    """The page with `act`, which goes through the steps of a window, and `go_on`, which makes its end the past."""
    work = Work(plan.regions, plan.planes, plan.parameters, {})
    body = [*work.functions(), "", *_go_on(work, plan), "", *_act(work, plan)]
    members = ["long first;", "world *world;"]
    return work.page("Acting for a window.", ['#include "acting.h"'], body, members, ("batch", "0"))


def _go_on(work: Work, plan: Acting) -> list[str]:
    """What a later window needs of this one becomes its past."""
    lines = ["/* The last rows of a window become the past of the next. */", "void go_on(scan *s)", "{"]
    for state, first in plan.past.items():
        if state not in plan.drawn:
            count = f"{1 - first} * s->batch * {work.planes[state].width}"
            into, rows = row_of(work, state, str(first)), row_of(work, state, "s->steps", first)
            lines.append(f"{INDENT}memmove({into}, {rows}, sizeof(real) * (size_t)({count}));")
    return [*lines, f"{INDENT}s->first = 1;", "}"]


def _act(work: Work, plan: Acting) -> list[str]:
    body: list[str] = []
    for item in plan.items:
        match item:
            case Computed(begins, region):
                lines = work.calls(region, "&me", "t")
            case Outside(begins):
                lines = _outside(work, plan, item)
        body += [f"if (t >= {begins}) {{", *(INDENT + line for line in lines), "}"] if begins > plan.first else lines
    begin = ("const share me = alone(0, s->batch);", *BEGIN) if work.writings else ()
    return [
        "/* The steps of a window; what is not 0 says why it had to end. */",
        "int act(scan *s)",
        "{",
        *(INDENT + line for line in begin),
        f"{INDENT}int failed = 0;",
        f"{INDENT}for (long t = s->first; t <= s->steps; t++) {{",
        *(INDENT * 2 + line for line in body),
        f"{INDENT}}}",
        f"{INDENT}return failed;",
        "}",
    ]


def _outside(work: Work, plan: Acting, item: Outside) -> list[str]:
    beside = [f"/* {told(item.equation)} */"] if item.equation else []
    targets = [f"{row_of(work, t, 't')}" if t in work.planes else "0" for t in item.targets]
    match item.op:
        case "step":
            (action,) = (a for a in item.arguments if a.state != plan.outside)
            outputs = ", ".join([*targets[1:], "0", "0", "0", "0", "0"][:5])
            call = (
                f"step_in(s->world, {_taken(work, action)}, {work.planes[action.state].width}, (real *[]){{{outputs}}})"
            )
        case "sample" | "eps_greedy":
            (policy,) = item.arguments
            width = work.planes[policy.state].width
            more = f", (real){item.setting!r}" if item.op == "eps_greedy" else ""
            call = f"{item.op}_in(s->world, {_taken(work, policy)}, {width}{more}, {targets[0]})"
        case "gauss" if item.thing:
            (target,) = item.targets
            number, row = buffers_of(plan).index(item.thing), _drawn_row(work, target)
            call = f"gauss_beside(s->world, {number}, {work.planes[target].width}, {row})"
        case "gauss":
            call = f"gauss_in(s->world, {work.planes[item.targets[0]].width}, {targets[0]})"
        case "behave":
            call = f"behave_in(s->world, {work.planes[item.targets[0]].width}, {targets[0]})"
        case "Add":
            rows = ", ".join(_taken(work, a) for a in item.arguments)
            number = buffers_of(plan).index(item.thing)
            call = f"add_in(s->world, {number}, (const real *[]){{{rows}}})"
        case "Get":
            number = buffers_of(plan).index(item.thing)
            rows = ", ".join(_drawn_row(work, t) for t in item.targets)
            call = f"get_in(s->world, {number}, (real *[]){{{rows}}})"
        case other:
            raise AssertionError(f"`{other}` is no effect")
    return [*beside, f"if ((failed = {call}))", f"{INDENT}break;"]


def _taken(work: Work, argument: Argument) -> str:
    return row_of(work, argument.state, "t", argument.offset)


def _drawn_row(work: Work, state: str) -> str:
    """Rows of a buffer's own number of examples."""
    member, held = work.names[f"own:{state}"], work.planes[state]
    return f"s->{member} ? s->{member} + {moved('t', -held.first)} * s->{member}_row : 0"


def buffers_of(plan: Acting) -> tuple[str, ...]:
    """The buffers, in the order in which `world` has them."""
    return tuple(dict.fromkeys(i.thing for i in plan.items if isinstance(i, Outside) and i.thing))
