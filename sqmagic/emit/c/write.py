"""A scan as a page of C: its arguments, how its weights are packed, its phases, and the loop over the steps.

Before: a `Scan`. After: text that needs `engine.h` alone, the same for the same scan; and its `Interface`, which says
what must be handed to it. The numbers of steps and examples are known as it runs, all widths as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqmagic.emit.c.ends import after_step, at_own_ends, has_ends, past_ends, rows_beside
from sqmagic.emit.c.equations import commented, told
from sqmagic.emit.c.gradients import (
    given_memories,
    gradient_functions,
    gradient_key,
    gradient_members,
    gradient_memory,
)
from sqmagic.emit.c.groups import FAR_APART, beforehand, group_functions
from sqmagic.emit.c.memories import after_each_step, filled
from sqmagic.emit.c.names import distinct, point
from sqmagic.emit.c.panels import enumerations, known_vectors, packing
from sqmagic.emit.c.places import INDENT, Writing, asked_for, base_key, bases, between, note_operands, still_key
from sqmagic.schedule.plan.reverse import Reverse
from sqmagic.schedule.plan.scans import Held, Scan

WIDE = 120
NEAR = 16384
"""Numbers that the cache next to a core holds of two steps, and of what these read."""
_SIGNS = (" ? ", " && ", " + ")


@dataclass(frozen=True, slots=True)
class Interface:
    """What a page's scan takes. `declaration` is its struct and functions; `own`, `rows`, `stills`
    and `parameters` give the names of its members by state, by (state, point) and by parameter; `between` the values
    in between that must have memory, with their widths; `bases` the rows beside the steps by state and number;
    `gradients` those of parameters and inputs. `lengths` says whether it takes those of examples.
    """

    declaration: str
    own: dict[str, str]
    rows: dict[str, str]
    stills: dict[tuple[str, str], str]
    parameters: dict[str, str]
    between: dict[str, int]
    bases: dict[tuple[str, int], str]
    gradients: dict[str, str]
    lengths: bool


def write(scan: Scan, way: Reverse | None = None) -> tuple[str, Interface]:
    """The page of a scan, and what it takes; `way` is the way back whose loop it is, for the gradients after it."""
    names = _names(scan, way)
    writings = [Writing(scan, names, way=way)]
    if scan.edge is not None:
        writings.append(Writing(replace(scan, phases=scan.edge, values=scan.edge_values), names, "edge_", way))
    for writing in writings:
        note_operands(writing)
    page = [
        *_head(scan),
        '#include "engine.h"',
        *(['#include "memories.h"'] if scan.memories else []),
        "",
        *_struct(writings[0]),
        "",
        *enumerations(writings),
        "",
        *packing(writings),
        *(line for w in writings for name, group in w.groups() for line in ["", *group_functions(w, name, group)]),
        *(line for name, group in writings[0].groups() for line in beforehand(writings[0], name, group)),
        "",
        *_begin(writings[0]),
        "",
        *(past_ends(writings[0]) if has_ends(writings[0]) else []),
        *([*gradient_functions(writings[0], way), ""] if way else []),
        *_steps(writings),
        "",
        *_doors(way),
    ]
    return "\n".join(part for line in page for part in wrapped(line)) + "\n", _interface(writings[0])


def _head(scan: Scan) -> list[str]:
    way = "from the last step to the first" if scan.backward else "from the first step to the last"
    equations = [line for e in scan.equations for line in commented(f"       {told(e)}", WIDE)]
    return [f"/* A scan, {way}:", "", *equations, "*/"]


def wrapped(line: str, further: str = "") -> list[str]:
    """A line in parts if it is too long, broken after a comma or before a sign; what is a comment before a sign."""
    code = line.lstrip()
    if len(line) <= WIDE:
        return [line]
    if code.startswith("/*"):
        return list(commented(line, WIDE))
    depths = [sum(line.count(o, 0, k) - line.count(c, 0, k) for o, c in ("()", "{}")) for k in range(WIDE)]
    places = [k for k in range(60, WIDE) if line[k - 1 : k + 1] in (", ", "; ") or line.startswith(_SIGNS, k)]
    if not places:
        return [line]
    place_ = max(places, key=lambda k: (-depths[k], k))  # within as few brackets as can be
    further = further or line[: len(line) - len(code)] + INDENT
    return [line[:place_].rstrip(), *wrapped(further + line[place_:].lstrip(), further)]


def _names(scan: Scan, way: Reverse | None) -> dict[str, str]:
    wanted = [(f"own:{s}", s) for s in scan.held]
    wanted += [(f"row:{s}", s) for s in scan.rows]
    wanted += [(still_key(n), n.state + point(n.context)) for n in scan.stills]
    wanted += [(f"parameter:{p}", p) for p in scan.parameters]
    wanted += [(f"own:{name}", name) for name in between(scan, way)]
    wanted += bases(Writing(scan, {}, way=way))
    if way is not None:
        asked = (*way.parameters, *way.inputs, *way.stills, *given_memories(way))
        wanted += [(gradient_key(name), f"{name}.gradient") for name in asked]
    return distinct(wanted)


def _members(writing: Writing) -> Iterator[tuple[str, str]]:
    """The members of the struct, with what they are."""
    scan, names = writing.scan, writing.names
    yield "long steps, batch;", "of how many steps and examples"
    yield "int threads;", ""
    if has_ends(writing):
        yield "const long *lengths;", "[batch], of how many steps each example is, or 0 for T"
    for state, held in scan.held.items():
        name = names[f"own:{state}"]
        yield (
            f"real *{name}; long {name}_rows, {name}_row;",
            f"[rows][batch][{held.width}], the first of index {held.first}",
        )
    for plane, wide in between(scan, writing.way).items():
        name = names[f"own:{plane}"]
        yield f"real *{name}; long {name}_rows, {name}_row;", f"[rows][batch][{wide}]"
    for state, first in scan.rows.items():
        name = names[f"row:{state}"]
        yield f"const real *{name}; long {name}_rows, {name}_step, {name}_row;", f"the first row is of index {first}"
    for node in scan.stills:
        name = names[still_key(node)]
        yield f"const real *{name}; long {name}_row;", f"[batch][{node.width}]"
    for parameter, shape in scan.parameters.items():
        yield f"const real *{names[f'parameter:{parameter}']};", "".join(f"[{n}]" for n in shape)
    for key, _ in bases(writing):
        yield f"const real *{names[key]}; long {names[key]}_row;", "[batch], or 0 for zeros"
    if writing.way is not None:
        yield from gradient_members(writing.way, names)
    yield "real *memory;", "as much as scan_memory says"


def _struct(writing: Writing) -> list[str]:
    rows = list(_members(writing))
    wide = min(48, max(len(member) for member, _ in rows))
    lines = [f"{INDENT}{member.ljust(wide)}  /* {told} */" if told else INDENT + member for member, told in rows]
    told = (
        "A state's rows follow one another; of fewer rows than there are steps, later ones take the place of earlier."
    )
    return [f"/* {told} */", "typedef struct {", *(line.rstrip() for line in lines), "} scan;"]


def _interface(writing: Writing) -> Interface:
    scan, names = writing.scan, writing.names
    members = [member for member, _ in _members(writing)]
    return Interface(
        declaration="\n".join(
            [
                "typedef struct {",
                *members,
                "} scan;",
                "long scan_memory(long steps, long batch, int threads);",
                "void run(scan *s);",
            ]
        ),
        own={s: names[f"own:{s}"] for s in scan.held},
        rows={s: names[f"row:{s}"] for s in scan.rows},
        stills={(n.state, point(n.context)): names[still_key(n)] for n in scan.stills},
        parameters={p: names[f"parameter:{p}"] for p in scan.parameters},
        between={names[f"own:{p}"]: w for p, w in between(scan, writing.way).items()},
        bases={(s, k): names[base_key(s, k)] for s, h in scan.held.items() for k in _given(writing, h)},
        gradients={key.removeprefix("gradient:"): name for key, name in names.items() if key.startswith("gradient:")},
        lengths=has_ends(writing),
    )


def _given(writing: Writing, held: Held) -> range:
    return range(held.before + held.ends if writing.way is None else 0)


def _begin(writing: Writing) -> list[str]:
    """The function that fills the rows beside the steps: those that the loop needs last, since a plane of few rows
    has one place for both."""
    scan, names = writing.scan, writing.names
    body = []
    for state, held in scan.held.items():
        member = names[f"own:{state}"]
        rows = [(k, str(k)) for k in range(held.before)]
        past = [(held.before + k, f"s->steps + {held.before + k}") for k in range(held.after)]
        for k, row in [*rows, *past] if scan.backward else [*past, *rows]:
            base = names.get(base_key(state, k))
            given = f"s->{base}, s->{base}_row" if base else "0, 0"
            body.append(f"begin_row(me, s->batch, s->{member}, s->{member}_rows, {row}, {held.width}, {given});")
    body += rows_beside(writing)
    body += filled(writing)
    return [
        "/* The rows beside the steps. */",
        "static void begin(const scan *s, const share *me)",
        "{",
        *(INDENT + line for line in body or ["(void)s, (void)me;"]),
        "}",
    ]


def _steps(writings: Sequence[Writing]) -> list[str]:
    few = _together(writings)
    whose = "const share *me" if few else "share those, long t"
    told = "All steps of a few examples" if few else "The steps from t on; some of the examples may be handed over"
    loop = _loop(writings, few)
    unused = [] if any("own, tile" in line for line in loop) else ["(void)own, (void)tile;"]
    lines = [
        f"/* {told}. */",
        f"static void steps(const scan *s, {whose}, real *own, real *tile)",
        "{",
        *(INDENT + line for line in [*unused, *loop]),
        "}",
        "",
        "static long thread_memory(long batch, int threads)",
        "{",
        f"{INDENT}return (PACKED * (most_rows(batch, threads) + ROWS) + TILE + 2 * LANES) / LANES * LANES;",
        "}",
        "",
        "/* What one thread does. */",
        "static void thread(void *task, const share *me)",
        "{",
        f"{INDENT}const scan *s = task;",
        f"{INDENT}const long known = known_beforehand(s->steps, s->batch, KNOWN);",
        f"{INDENT}real *own = s->memory + ALL_PANELS + known + me->number * thread_memory(s->batch, me->threads);",
        f"{INDENT}real *tile = own + PACKED * (held_rows(me) > ROWS ? held_rows(me) : ROWS);",
        f"{INDENT}tile += (LANES - (tile - s->memory) % LANES) % LANES;",
        f"{INDENT}pack_panels(s, me);",
        f"{INDENT}begin(s, me);",
        f"{INDENT}meet(me);",
        *_known_calls(writings[0]),
        *(INDENT + line for line in (_by_few(few) if few else _handed_on(_order(writings[0].scan)[0]))),
    ]
    if writings[0].way is not None:
        calls = ["meet(me);", "parameters(s, me);", "meet(me);", "inputs(s, me);"]
        lines += [INDENT + call for call in calls]
    return [*lines, "}"]


def _order(scan: Scan) -> tuple[str, str, str]:
    """The first step of the loop, which steps there are, and how it goes on."""
    first = scan.steps.first
    if scan.backward:
        return f"s->steps + {first - 1}".replace("+ -", "- "), f"t >= {first}", "t--"
    return str(first), f"t < s->steps + {first}".replace("+ -", "- "), "t++"


def _loop(writings: Sequence[Writing], few: int) -> list[str]:
    """The loop over the steps, and the step past the others if there is one."""
    scan = writings[0].scan
    own_ends, kept = _own_ends(writings)
    first, there, on = _order(scan)
    body = [*own_ends, *_calls(writings[0], "t"), *(after_step() if has_ends(writings[0]) else [])]
    body += after_each_step(writings[0])
    lines = [f"for (long t = {first}; {there}; {on}) {{", *(INDENT + line for line in body), "}"]
    if not few:
        lines = [
            "const share *me = &those;",
            f"for (; {there}; {on}) {{",
            *(INDENT + line for line in ["hand_over(&those, t, ROWS);", *body]),
            "}",
        ]
    for writing in writings[1:]:
        past = str(scan.steps.first - 1) if scan.backward else f"s->steps + {scan.steps.first}"
        lines += [
            f"if ({asked_for(writing)}) {{",
            *(INDENT + c for c in [*_calls(writing, past), *kept]),
            "}",
        ]
    return lines


def _handed_on(first: str) -> list[str]:
    """The lines that call it for a thread's examples, and then for what others hand over."""
    return [
        "share those = *me;",
        f"long t = {first};",
        "do",
        f"{INDENT}steps(s, those, t, own, tile);",
        "while (take_over(&those, &t));",
    ]


def _by_few(few: int) -> list[str]:
    """The lines that call it for a few examples and then for the next: what a step leaves for the one after it is then
    still near."""
    return [
        "share those = *me;",
        "long t = 0;",
        "do",
        f"{INDENT}while (held_rows(&those)) {{",
        f"{INDENT * 2}hand_over(&those, t, {few});",
        f"{INDENT * 2}const long next = least(those.row + {few}, those.row_end);",
        f"{INDENT * 2}const share some = with_rows(those, those.row, next);",
        f"{INDENT * 2}steps(s, &some, own, tile);",
        f"{INDENT * 2}those = with_rows(those, next, those.row_end);",
        f"{INDENT}}}",
        "while (take_over(&those, &t));",
    ]


def _together(writings: Sequence[Writing]) -> int:
    """How many examples go through all steps together, or 0 for all of a thread's: few where no weights are shared,
    and rows are long."""
    if any(group.stacks for writing in writings for _, group in writing.groups()):
        return 0
    width = sum(plane.width for plane in writings[0].scan.phases.planes if plane.needed)
    return max(1, NEAR // width) if width >= FAR_APART else 0


def _own_ends(writings: Sequence[Writing]) -> tuple[list[str], list[str]]:
    """Of the step past the others, if there is one, the lines for examples that end before the window."""
    if len(writings) < 2 or not has_ends(writings[0]):
        return [], []
    loop, edge = writings
    return at_own_ends(loop, edge, _calls(edge, "t"))


def _known_calls(writing: Writing) -> list[str]:
    names = [name for name, group in writing.groups() if known_vectors(writing.scan, group)]
    calls = [f"{INDENT * 2}beforehand_{name}(s, me, own, tile);" for name in names]
    return [f"{INDENT}if (known) {{", *calls, f"{INDENT * 2}meet(me);", f"{INDENT}}}"] if names else []


def _calls(writing: Writing, step: str) -> list[str]:
    """A step: its phases, the threads together after each."""
    calls = []
    for n, phase in enumerate(writing.scan.phases.phases, 1):
        calls += [f"phase_{writing.prefix}{n}_{m}(s, me, {step}, own, tile);" for m, _ in enumerate(phase, 1)]
        calls += ["if (me->by_units)", f"{INDENT}meet(me);"]
    return calls


def _doors(way: Reverse | None) -> list[str]:
    after = gradient_memory(way) if way else "0"
    loop = "ALL_PANELS + known + threads * thread_memory(batch, threads)"
    return [
        "/* How many numbers `memory` must hold, beginning at a multiple of 64 bytes. */",
        "long scan_memory(long steps, long batch, int threads)",
        "{",
        f"{INDENT}const long known = known_beforehand(steps, batch, KNOWN);",
        f"{INDENT}return {loop if after == '0' else f'greatest({loop}, {after})'};",
        "}",
        "",
        "void run(scan *s)",
        "{",
        f"{INDENT}together(thread, s, s->threads, s->batch, ALL_PANELS);",
        "}",
    ]
