"""What pages of C for a whole window have in common: their struct, their regions, and their memory.

Before: `Region`s, and the rows of all states. After: text that needs the engine's headers, the same for the same plan;
and a `WindowPage`, which says what must be handed to it. A page computes in one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqmagic.emit.c.gradients import gradient_key
from sqmagic.emit.c.groups import group_functions
from sqmagic.emit.c.names import distinct
from sqmagic.emit.c.panels import enumerations, packing
from sqmagic.emit.c.places import INDENT, Writing, between, moved, note_operands
from sqmagic.emit.c.write import wrapped
from sqmagic.equations.shapes import Shape
from sqmagic.schedule.plan.regions import Region
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


class Work:
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
            if region.ending:
                self.between |= {few(s): planes[s].width for s in (region.ending.after, region.ending.state)}
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

    def calls(self, number: int, rows: str, step: str) -> list[str]:
        """The phases of a region in their order, for these rows at a step."""
        return [f"phase_{name}(s, {rows}, {step}, own, tile);" for name, _ in self.writings[number].groups()]

    def members(self, more: Sequence[str]) -> Iterator[tuple[str, str]]:
        yield "long steps, batch;", "of how many steps and examples"
        for state, held in self.planes.items():
            name = self.names[f"own:{state}"]
            what = f"[rows][batch][{held.width}], the first of index {held.first}"
            yield f"real *{name}; long {name}_rows, {name}_row;", what
        for plane, wide in self.between.items():
            name = self.names[f"own:{plane}"]
            yield f"real *{name}; long {name}_rows, {name}_row;", f"[window_rows][{wide}]"
        for parameter, shape in self.parameters.items():
            name = self.names[f"parameter:{parameter}"]
            yield f"const real *{name};", "".join(f"[{n}]" for n in shape)
        for parameter in self.gradients:
            yield f"real *{self.names[gradient_key(parameter)]};", f"of {parameter}"
        for member in more:
            yield member, ""
        yield "real *memory;", "as much as window_memory says"

    def page(
        self, what: str, headers: list[str], body: list[str], more: list[str], memory: tuple[str, str]
    ) -> WindowPage:
        """`memory` says how many examples are computed together, and what numbers are needed when all are computed."""
        together, after = memory
        members = list(self.members(more))
        wide = min(48, max(len(member) for member, _ in members))
        struct = [INDENT + (f"{member.ljust(wide)}  /* {told} */" if told else member) for member, told in members]
        lines = [
            f"/* {what} */",
            *headers,
            "",
            "typedef struct {",
            *struct,
            "} scan;",
            "",
            *_rows(together),
            "",
            *body,
            "",
            *_memory(self.writings, after),
        ]
        text = "\n".join(part for line in lines for part in wrapped(line)) + "\n"
        return WindowPage(
            text,
            tuple(_declared(member for member, _ in members)),
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


def _rows(rows: str) -> list[str]:
    return [
        "/* How many examples are computed together. */",
        "long window_rows(long batch)",
        "{",
        f"{INDENT}return {rows};",
        "}",
    ]


def _memory(writings: Sequence[Writing], after: str) -> list[str]:
    loop = "ALL_PANELS + PACKED * window_rows(batch) + TILE + 2 * LANES" if writings else "0"
    return [
        "/* How many numbers `memory` must hold, beginning at a multiple of 64 bytes. */",
        "long window_memory(long batch)",
        "{",
        f"{INDENT}(void)batch;",
        f"{INDENT}return {loop if after == '0' else f'greatest({loop}, {after})'};",
        "}",
    ]


BEGIN = (
    "real *own = s->memory + ALL_PANELS, *tile = own + PACKED * window_rows(s->batch);",
    "tile += (LANES - (tile - s->memory) % LANES) % LANES;",
    "pack_panels(s, &me);",
)


def few(state: str) -> str:
    """The plane with some rows of a state, side by side."""
    return f"{state}.few"


def row_of(work: Work, state: str, step: str, offset: int = 0) -> str:
    """The first example's row of a state, at a step."""
    held = work.planes[state]
    member = work.names[f"own:{state}"]
    index = moved(step, offset - held.first)
    return f"s->{member} + {index} * s->batch * {held.width}"
