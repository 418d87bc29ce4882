"""Pages of C for a whole window: acting through its steps, and learning from it.

Before: an `Acting` or a `Learning`. After: text that needs the engine's headers, the same for the same plan; and a
`WindowPage`, which says what must be handed to it. A page computes in one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from sqmagic.emit.c.gradients import gradient_key, outer_memory, outer_sums, summed
from sqmagic.emit.c.groups import group_functions
from sqmagic.emit.c.names import distinct
from sqmagic.emit.c.panels import enumerations, packing
from sqmagic.emit.c.places import INDENT, Writing, between, moved, note_operands
from sqmagic.emit.c.write import wrapped
from sqmagic.equations.shapes import Shape
from sqmagic.equations.show import show_equation
from sqmagic.schedule.domains import Interval
from sqmagic.schedule.plan.acting import Acting, Argument, Computed, Outside
from sqmagic.schedule.plan.learning import Learning, Mean
from sqmagic.schedule.plan.regions import Region
from sqmagic.schedule.plan.reverse import Gradient
from sqmagic.schedule.plan.scans import Held


@dataclass(frozen=True, slots=True)
class WindowPage:
    """A page and its struct: `members` in their order, with `*` before pointers; by name the members of states (each
    with how many rows there are and how wide they are), of values in between with their widths, of parameters and of
    their gradients."""

    text: str
    members: tuple[str, ...]
    states: Mapping[str, str]
    between: Mapping[str, int]
    parameters: Mapping[str, str]
    gradients: Mapping[str, str]


def write_learning(plan: Learning) -> WindowPage:
    """The page with `learn`, which gives the gradients of all parameters and the means of all goals."""
    work = _Work(plan.regions, plan.planes, plan.parameters, _gradients(plan))
    body = [
        *work.functions(),
        "",
        *_region_calls(work, plan),
        "",
        *_gradient_function(work, plan),
        "",
        *_goals(work, plan.goals),
        "",
        *_learn(),
    ]
    return work.page("Learning from a window.", ['#include "training.h"'], body, ["double *goals;"], _after(plan))


def write_acting(plan: Acting) -> WindowPage:
    """The page with `act`, which goes through the steps of a window, and `go_on`, which makes its end the past."""
    work = _Work(plan.regions, plan.planes, plan.parameters, {})
    body = [*work.functions(), "", *_go_on(work, plan), "", *_act(work, plan)]
    members = ["long first;", "world *world;"]
    return work.page("Acting for a window.", ['#include "acting.h"'], body, members, "0")


class _Work:
    """A page being written: its regions, and the names of all members."""

    def __init__(
        self,
        regions: Sequence[Region],
        planes: Mapping[str, Held],
        parameters: Mapping[str, Shape],
        gradients: Mapping[str, Shape],
    ) -> None:
        self.planes, self.parameters, self.gradients = planes, parameters, gradients
        self.between: dict[str, int] = {}
        for region in regions:
            self.between |= between(region.scan)
        wanted = [(f"own:{s}", s) for s in (*planes, *self.between)]
        wanted += [(f"parameter:{p}", p) for p in parameters]
        wanted += [(gradient_key(p), f"{p}.gradient") for p in gradients]
        self.names = distinct([("taken:world", "world"), ("taken:goals", "goals"), *wanted])
        self.writings = [Writing(r.scan, self.names, f"{n}_") for n, r in enumerate(regions, 1)]
        for writing in self.writings:
            note_operands(writing)

    def functions(self) -> list[str]:
        """The phases of every region, and how weights are packed."""
        return [
            *(enumerations(self.writings) if self.writings else []),
            "",
            *packing(self.writings),
            *(line for w in self.writings for name, g in w.groups() for line in ["", *group_functions(w, name, g)]),
        ]

    def calls(self, number: int, step: str) -> list[str]:
        writing = self.writings[number]
        phases = enumerate(writing.scan.phases.phases, 1)
        return [
            f"phase_{writing.prefix}{n}_{m}(s, &me, {step}, own, tile);"
            for n, phase in phases
            for m, _ in enumerate(phase, 1)
        ]

    def members(self, more: Sequence[str]) -> Iterator[tuple[str, str]]:
        yield "long steps, batch;", "of how many steps and examples"
        for state, held in self.planes.items():
            name = self.names[f"own:{state}"]
            what = f"[rows][batch][{held.width}], the first of index {held.first}"
            yield f"real *{name}; long {name}_rows, {name}_row;", what
        for plane, wide in self.between.items():
            name = self.names[f"own:{plane}"]
            yield f"real *{name}; long {name}_rows, {name}_row;", f"[batch][{wide}]"
        for parameter, shape in self.parameters.items():
            name = self.names[f"parameter:{parameter}"]
            yield f"const real *{name};", "".join(f"[{n}]" for n in shape)
        for parameter in self.gradients:
            yield f"real *{self.names[gradient_key(parameter)]};", f"of {parameter}"
        for member in more:
            yield member, ""
        yield "real *memory;", "as much as window_memory says"

    def page(self, what: str, headers: list[str], body: list[str], more: list[str], after: str) -> WindowPage:
        rows = list(self.members(more))
        wide = min(48, max(len(member) for member, _ in rows))
        struct = [f"{INDENT}{member.ljust(wide)}  /* {told} */" if told else INDENT + member for member, told in rows]
        lines = [
            f"/* {what} */",
            *headers,
            "",
            "typedef struct {",
            *struct,
            "} scan;",
            "",
            *body,
            "",
            *_memory(self.writings, after),
        ]
        text = "\n".join(part for line in lines for part in wrapped(line)) + "\n"
        return WindowPage(
            text,
            tuple(_declared(member for member, _ in rows)),
            {s: self.names[f"own:{s}"] for s in self.planes},
            {self.names[f"own:{p}"]: w for p, w in self.between.items()},
            {p: self.names[f"parameter:{p}"] for p in self.parameters},
            {p: self.names[gradient_key(p)] for p in self.gradients},
        )


def _declared(members: Iterator[str] | Collection[str]) -> Iterator[str]:
    for member in members:
        for part in member.removesuffix(";").split(";"):
            kind, _, names = part.strip().removeprefix("const ").partition(" ")
            assert kind, "a member has a type"
            yield from (name.strip() for name in names.split(","))


def _memory(writings: Sequence[Writing], after: str) -> list[str]:
    loop = "ALL_PANELS + PACKED * batch + TILE + 2 * LANES" if writings else "0"
    return [
        "/* How many numbers `memory` must hold, beginning at a multiple of 64 bytes. */",
        "long window_memory(long batch)",
        "{",
        f"{INDENT}(void)batch;",
        f"{INDENT}return {loop if after == '0' else f'greatest({loop}, {after})'};",
        "}",
    ]


_BEGIN = [
    "const share me = {0, 1, 0, 0, s->batch, 0};",
    "real *own = s->memory + ALL_PANELS, *tile = own + PACKED * s->batch;",
    "tile += (LANES - (tile - s->memory) % LANES) % LANES;",
    "pack_panels(s, &me);",
]


# --- learning ------------------------------------------------------------------------------------


def _region_calls(work: _Work, plan: Learning) -> list[str]:
    """All regions; with `kept`, what acting has computed at the steps from 1 on is taken as it is."""
    lines = [
        "static void regions(const scan *s, int kept)",
        "{",
        *(INDENT + line for line in _BEGIN),
        f"{INDENT}(void)kept;",
    ]
    for number, region in enumerate(plan.regions):
        first, end = region.steps.first, f"s->steps + {region.steps.last}".replace("+ -", "- ").removesuffix(" + 0")
        if region.kept:
            end = f"(kept ? 0 : {end})"
        if region.backward:
            loop = f"for (long t = {end}; t >= {first}; t--) {{"
        else:
            loop = f"for (long t = {first}; t <= {end}; t++) {{"
        equations = [show_equation(e).replace("*/", "*\\/") for e in region.scan.equations]
        lines += [f"{INDENT}/* {equations[0]} */" if len(equations) == 1 else f"{INDENT}/* {equations[0]}"]
        lines += [f"{INDENT}   {e}" for e in equations[1:-1]]
        lines += [f"{INDENT}   {equations[-1]} */"] * (len(equations) > 1)
        lines += [INDENT + loop, *(INDENT * 2 + call for call in work.calls(number, "t")), f"{INDENT}}}"]
    return [*lines, "}"]


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


def _gradient_function(work: _Work, plan: Learning) -> list[str]:
    shapes = work.gradients
    lines = [
        "/* The gradients of parameters: sums over all steps and examples. */",
        "static void gradients(const scan *s)",
        "{",
    ]
    if plan.sums:
        lines.append(f"{INDENT}const share one = {{0, 1, 0, 0, s->batch, 0}}, *me = &one;")
    for steps, fresh, again in _parted(plan):
        count = f"s->steps + {steps.last - steps.first + 1}".replace("+ -", "- ").removesuffix(" + 0")
        if fresh:
            body = outer_sums(_from(work, steps), fresh, shapes, count)
            lines += [f"{INDENT}{{", *(INDENT * 2 + line for line in body), f"{INDENT}}}"]
        if again:
            lines += _added(work, steps, again, count)
    return [*lines, "}"] if plan.sums else [*lines, f"{INDENT}(void)s;", "}"]


def _from(work: _Work, steps: Interval) -> Writing:
    """A writing in which planes begin at the first of these steps."""
    writing = work.writings[0]
    return replace(writing, scan=replace(writing.scan, steps=steps))


def _added(work: _Work, steps: Interval, sums: Mapping[str, Gradient], count: str) -> list[str]:
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


def _goals(work: _Work, goals: Sequence[Mean]) -> list[str]:
    """The sum of the losses, less that of the objectives: each a mean over its steps and the batch."""
    lines = ["static double goal(const scan *s)", "{", f"{INDENT}double all = 0;"]
    for goal in goals:
        pointer = _row(work, goal.state, str(goal.steps.first))
        more = goal.steps.last - goal.steps.first + 1
        count = f"(s->steps + {more}) * s->batch".replace("+ -", "- ").replace("(s->steps + 0)", "s->steps")
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


# --- acting --------------------------------------------------------------------------------------


def _row(work: _Work, state: str, step: str, offset: int = 0) -> str:
    """The first example's row of a state, at a step."""
    held = work.planes[state]
    member = work.names[f"own:{state}"]
    index = moved(step, offset - held.first)
    return f"s->{member} + {index} * s->batch * {held.width}"


def _go_on(work: _Work, plan: Acting) -> list[str]:
    """What a later window needs of this one becomes its past."""
    lines = ["/* The last rows of a window become the past of the next. */", "void go_on(scan *s)", "{"]
    for state, first in plan.past.items():
        if state not in plan.drawn:
            count = f"{1 - first} * s->batch * {work.planes[state].width}"
            into, rows = _row(work, state, str(first)), _row(work, state, "s->steps", first)
            lines.append(f"{INDENT}memmove({into}, {rows}, sizeof(real) * (size_t)({count}));")
    return [*lines, f"{INDENT}s->first = 1;", "}"]


def _act(work: _Work, plan: Acting) -> list[str]:
    body: list[str] = []
    for item in plan.items:
        match item:
            case Computed(begins, region):
                lines = work.calls(region, "t")
            case Outside(begins):
                lines = _outside(work, plan, item)
        body += [f"if (t >= {begins}) {{", *(INDENT + line for line in lines), "}"] if begins > plan.first else lines
    begin = _BEGIN if work.writings else []
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


def _outside(work: _Work, plan: Acting, item: Outside) -> list[str]:
    told = [f"/* {show_equation(item.equation)} */".replace("*/ */", "*/")] if item.equation else []
    targets = [f"{_row(work, t, 't')}" if t in work.planes else "0" for t in item.targets]
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
    return [*told, f"if ((failed = {call}))", f"{INDENT}break;"]


def _taken(work: _Work, argument: Argument) -> str:
    return _row(work, argument.state, "t", argument.offset)


def _drawn_row(work: _Work, state: str) -> str:
    """Rows of a buffer's own number of examples."""
    member, held = work.names[f"own:{state}"], work.planes[state]
    return f"s->{member} ? s->{member} + {moved('t', -held.first)} * s->{member}_row : 0"


def buffers_of(plan: Acting) -> tuple[str, ...]:
    """The buffers, in the order in which `world` has them."""
    return tuple(dict.fromkeys(i.thing for i in plan.items if isinstance(i, Outside) and i.thing))
