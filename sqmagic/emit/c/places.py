"""Where values stand at a step: members of the struct, their rows, and the operands of products."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqmagic.emit.c.names import at, point
from sqmagic.equations.system import Fixed, Last
from sqmagic.schedule.plan.memories import LATER
from sqmagic.schedule.plan.nodes import Cut, Map, Product, Row, Still, Vector
from sqmagic.schedule.plan.phases import Group
from sqmagic.schedule.plan.scans import Scan

if TYPE_CHECKING:
    from sqmagic.schedule.plan.reverse import Reverse

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Writing:
    """A scan being written: `names` by key (`own:h`, `row:x`, `still:z`, `parameter:F.weight`, `base:h:0`,
    `gradient:F.weight`); `prefix` tells the functions of the step past the others from those of the loop; `way` is the
    way back that the scan is part of, if it is."""

    scan: Scan
    names: dict[str, str]
    prefix: str = ""
    way: Reverse | None = None
    operands: dict[int, str] = field(default_factory=dict)

    def groups(self) -> list[tuple[str, Group]]:
        """The groups with their names."""
        phases = enumerate(self.scan.phases.phases, 1)
        return [(f"{self.prefix}{n}_{m}", group) for n, phase in phases for m, group in enumerate(phase, 1)]


def asked_for(writing: Writing) -> str:
    """In C, whether anybody asks for what the step past the others gives."""
    return " || ".join(f"s->{writing.names[f'own:{state}']}" for state in writing.scan.edge_values)


def still_key(node: Still) -> str:
    return f"still:{node.state}{point(node.context)}"


def between(scan: Scan, way: Reverse | None = None) -> dict[str, int]:
    """What has memory besides states: values in between, matrices of own states, and on the way back the gradients of
    these."""
    planes = [*scan.phases.planes, *(scan.edge.planes if scan.edge else ())]
    found = {p.name: p.width for p in planes if p.name not in scan.held}
    own = {name: m.rows * m.width for name, m in scan.memories.items() if m.state}
    return found | own | ({hat(name): wide for name, wide in own.items()} if way is not None else {})


def hat(name: str) -> str:
    return f"^{name}"


def bases(writing: Writing) -> Iterator[tuple[str, str]]:
    """The rows beside the steps that are given: the key of each, and what it is. Of a way back none are."""
    scan = writing.scan
    for state, held in scan.held.items() if writing.way is None else ():
        for k in range(held.before):
            yield base_key(state, k), state + point((Fixed(held.first + k),))
        for k in range(held.ends):
            yield base_key(state, held.before + k), state + point((Last("T", scan.steps.last + 1 + k),))


def base_key(state: str, number: int) -> str:
    return f"base:{state}:{number}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: an expression for the pointer to the first example's row, and the stride of examples."""

    pointer: str
    stride: str
    name: str


def place(writing: Writing, number: int) -> Place:
    """Where a value that is in memory stands at step t."""
    scan, names = writing.scan, writing.names
    node = scan.nodes[number]
    match node:
        case Cut(arg, start):
            inner = place(writing, arg)
            return Place(f"{inner.pointer} + {start}", inner.stride, f"{inner.name}_{start}")
        case Row(state, offset, _, True):
            return own_place(writing, state, offset, f"{names[f'own:{state}']}_at_{at(offset)}")
        case Row(state, offset) if (memory := _whose(scan, state)) is not None:
            name, width = names[f"own:{hat(memory)}"], scan.memories[memory].width
            row = moved("t", offset - scan.memories[memory].first)
            return Place(f"s->{name} + {row} * {width}", f"s->{name}_row", f"{name}_at_{at(offset)}")
        case Row(state, offset):
            name, row = names[f"row:{state}"], moved("t", offset - scan.rows[state])
            if offset and any(isinstance(n, Map) and n.op == "during" for n in scan.nodes):
                row = f"row_within({row}, s->{name}_rows)"
            return Place(f"s->{name} + {row} * s->{name}_step", f"s->{name}_row", f"{name}_at_{at(offset)}")
        case Still(state) if state in scan.memories and scan.memories[state].state:
            name = names[f"own:{state}"]
            return Place(f"s->{name}", f"s->{name}_row", name)
        case Still():
            name = names[still_key(node)]
            return Place(f"s->{name}", f"s->{name}_row", f"{name}_still")
        case Vector(parameter, start):
            name = names[f"parameter:{parameter}"]
            return Place(f"s->{name}" + f" + {start}" * bool(start), "0", f"{name}_from_{start}")
        case _:
            plane, start = scan.phases.homes[number]
            return own_place(writing, plane, 0, f"{names[f'own:{plane}']}_at_t" + f"_{start}" * bool(start), start)


def _whose(scan: Scan, state: str) -> str | None:
    """The memory in whose gradient stands what later steps give."""
    found = state.removesuffix(LATER)
    return next((name for name, m in scan.memories.items() if found != state and m.state == found), None)


def own_place(writing: Writing, plane: str, offset: int, name: str, start: int = 0) -> Place:
    """A row of what the scan itself computes."""
    held = writing.scan.held.get(plane)
    member = writing.names[f"own:{plane}"]
    row = moved("t", offset - (held.first if held else writing.scan.steps.first)).removeprefix("(").removesuffix(")")
    more = f" + {start}" if start else ""
    row_length = f"s->{member}_row"
    return Place(f"s->{member} + in_ring({row}, s->{member}_rows) * s->batch * {row_length}{more}", row_length, name)


def ahead(pointer: str, count: int, each: str = "") -> str:
    """A pointer so many numbers, or vectors, on."""
    far = each if each and count == 1 else f"{count} * {each}" if each else str(count)
    return f"{pointer} + {far}" if count else pointer


def counted(more: int) -> str:
    """So many more than there are steps."""
    return f"s->steps {'+' if more > 0 else '-'} {abs(more)}" if more else "s->steps"


def moved(variable: str, offset: int) -> str:
    return f"({variable} {'+' if offset > 0 else '-'} {abs(offset)})" if offset else variable


def note_operands(writing: Writing) -> None:
    """The operands of products, each packed once a step; a name for each."""
    for phase in writing.scan.phases.phases:
        for group in phase:
            for product in group.products:
                for term in product_of(writing.scan, product).terms:
                    writing.operands.setdefault(term.operand, place(writing, term.operand).name)


def product_of(scan: Scan, number: int) -> Product:
    """A product, the operands that are known beforehand first."""
    node = scan.nodes[number]
    assert isinstance(node, Product)
    return replace(node, terms=tuple(sorted(node.terms, key=lambda t: not is_known(scan, t.operand))))


def is_known(scan: Scan, number: int) -> bool:
    """Whether an operand is there at all steps before the scan begins."""
    match scan.nodes[number]:
        case Row(state, own=own):
            return not own and not state.endswith(LATER)
        case Cut(arg):
            return is_known(scan, arg)
        case _:
            return False
