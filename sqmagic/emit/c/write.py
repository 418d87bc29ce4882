"""A scan as a page of C: its arguments, how its weights are packed, its phases, and the loop over the steps.

Before: a `Scan`. After: text that needs `engine.h` alone, the same for the same scan; and its `Interface`, which says
what must be handed to it. The numbers of steps and examples are known as it runs, all widths as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from sqmagic.emit.c.lines import Lines
from sqmagic.emit.c.names import at, distinct, point
from sqmagic.equations.show import show_equation
from sqmagic.schedule.plan.nodes import Cut, Map, Product, Row, Still, Vector, width
from sqmagic.schedule.plan.phases import Group
from sqmagic.schedule.plan.scans import Scan

INDENT = "    "


@dataclass(frozen=True, slots=True)
class Interface:
    """What a page's scan takes. `declaration` is its struct and functions as cffi reads them; `own`, `rows`, `stills`
    and `parameters` give the names of its members by state, by (state, point) and by parameter; `between` the values
    in between that must have memory, with their widths.
    """

    declaration: str
    own: dict[str, str]
    rows: dict[str, str]
    stills: dict[tuple[str, str], str]
    parameters: dict[str, str]
    between: dict[str, int]


@dataclass(frozen=True, slots=True)
class Stack:
    """Products on the same operands, the first `ahead` of which are known at all steps beforehand. `length` are the
    vectors of its panel for each vector of units, `before` those that the biases and known operands take."""

    products: tuple[int, ...]
    operands: tuple[int, ...]
    length: int
    ahead: int
    before: int


@dataclass(frozen=True, slots=True)
class Writing:
    """A scan being written: `names` by key (`own:h`, `row:x`, `still:z`, `parameter:F.weight`); `prefix` tells the
    functions of the step past the others from those of the loop."""

    scan: Scan
    names: dict[str, str]
    prefix: str = ""
    operands: dict[int, str] = field(default_factory=dict)

    def groups(self) -> list[tuple[str, Group]]:
        """The groups with their names."""
        phases = enumerate(self.scan.phases.phases, 1)
        return [(f"{self.prefix}{n}_{m}", group) for n, phase in phases for m, group in enumerate(phase, 1)]


def write(scan: Scan) -> tuple[str, Interface]:
    """The page of a scan, and what it takes."""
    names = _names(scan)
    writings = [Writing(scan, names)]
    if scan.edge is not None:
        writings.append(Writing(replace(scan, phases=scan.edge, values=scan.edge_values), names, "edge_"))
    for writing in writings:
        _operands(writing)
    page = [
        *_head(scan),
        '#include "engine.h"',
        "",
        *_struct(writings[0]),
        "",
        *_enumerations(writings),
        "",
        *_packing(writings),
        *(line for w in writings for name, group in w.groups() for line in ["", *_group(w, name, group)]),
        *(line for name, group in writings[0].groups() for line in _beforehand(writings[0], name, group)),
        "",
        *_steps(writings),
        "",
        *_doors(),
    ]
    return "\n".join(part for line in page for part in _wrapped(line)) + "\n", _interface(writings[0])


def _head(scan: Scan) -> list[str]:
    way = "from the last step to the first" if scan.backward else "from the first step to the last"
    lines = [f"/* A scan, {way}:", "", *(f"       {show_equation(e)}" for e in scan.equations), "*/"]
    return [line.replace("*/", "*\\/") if line.startswith("       ") else line for line in lines]


WIDE = 120


def _wrapped(line: str) -> list[str]:
    """A line in parts if it is too long, broken after a comma or before a sign."""
    code = line.lstrip()
    if len(line) <= WIDE or code.startswith("/*"):
        return [line]
    places = [line.rfind(mark, 60, WIDE) + more for mark, more in ((", ", 1), (" ? ", 0), (" && ", 0), (" + ", 0))]
    place_ = max(places)
    if place_ < 60:
        return [line]
    indent = line[: len(line) - len(code)]
    return [line[:place_].rstrip(), *_wrapped(f"{indent}{INDENT}{line[place_:].lstrip()}")]


# --- names and what is handed in -----------------------------------------------------------------


def _names(scan: Scan) -> dict[str, str]:
    wanted = [(f"own:{s}", s) for s in scan.held]
    wanted += [(f"row:{s}", s) for s in scan.rows]
    wanted += [(_still(n), n.state + point(n.context)) for n in scan.stills]
    wanted += [(f"parameter:{p}", p) for p in scan.parameters]
    wanted += [(f"own:{name}", name) for name in _between(scan)]
    return distinct(wanted)


def _still(node: Still) -> str:
    return f"still:{node.state}{point(node.context)}"


def _between(scan: Scan) -> dict[str, int]:
    planes = [*scan.phases.planes, *(scan.edge.planes if scan.edge else ())]
    return {p.name: p.width for p in planes if p.name not in scan.held}


def _members(writing: Writing) -> Iterator[tuple[str, str]]:
    """The members of the struct, with what they are."""
    scan, names = writing.scan, writing.names
    yield "long steps, batch;", "of how many steps and examples"
    yield "int threads;", ""
    for state, held in scan.held.items():
        name = names[f"own:{state}"]
        yield (
            f"real *{name}; long {name}_rows, {name}_row;",
            f"[rows][batch][{held.width}], the first of index {held.first}",
        )
    for plane, wide in _between(scan).items():
        name = names[f"own:{plane}"]
        yield f"real *{name}; long {name}_rows, {name}_row;", f"[rows][batch][{wide}]"
    for state, first in scan.rows.items():
        name = names[f"row:{state}"]
        yield f"const real *{name}; long {name}_rows, {name}_step, {name}_row;", f"the first row is of index {first}"
    for node in scan.stills:
        name = names[_still(node)]
        yield f"const real *{name}; long {name}_row;", f"[batch][{node.width}]"
    for parameter, shape in scan.parameters.items():
        yield f"const real *{names[f'parameter:{parameter}']};", "".join(f"[{n}]" for n in shape)
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
        stills={(n.state, point(n.context)): names[_still(n)] for n in scan.stills},
        parameters={p: names[f"parameter:{p}"] for p in scan.parameters},
        between={names[f"own:{p}"]: w for p, w in _between(scan).items()},
    )


# --- operands in memory --------------------------------------------------------------------------


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
        case Row(state, offset):
            name, row = names[f"row:{state}"], _moved("t", offset - scan.rows[state])
            if offset and any(isinstance(n, Map) and n.op == "during" for n in scan.nodes):
                row = f"row_within({row}, s->{name}_rows)"
            return Place(f"s->{name} + {row} * s->{name}_step", f"s->{name}_row", f"{name}_at_{at(offset)}")
        case Still():
            name = names[_still(node)]
            return Place(f"s->{name}", f"s->{name}_row", f"{name}_still")
        case Vector(parameter, start):
            name = names[f"parameter:{parameter}"]
            return Place(f"s->{name}" + f" + {start}" * bool(start), "0", f"{name}_from_{start}")
        case _:
            plane, start = scan.phases.homes[number]
            return own_place(writing, plane, 0, f"{names[f'own:{plane}']}_at_t" + f"_{start}" * bool(start), start)


def own_place(writing: Writing, plane: str, offset: int, name: str, start: int = 0) -> Place:
    """A row of what the scan itself computes."""
    held = writing.scan.held.get(plane)
    member = writing.names[f"own:{plane}"]
    row = _moved("t", offset - (held.first if held else writing.scan.steps.first))
    more = f" + {start}" if start else ""
    row_length = f"s->{member}_row"
    return Place(f"s->{member} + {row} % s->{member}_rows * s->batch * {row_length}{more}", row_length, name)


def _moved(variable: str, offset: int) -> str:
    return f"({variable} {'+' if offset > 0 else '-'} {abs(offset)})" if offset else variable


def _operands(writing: Writing) -> None:
    """The operands of products, each packed once a step; a name for each."""
    for phase in writing.scan.phases.phases:
        for group in phase:
            for product in group.products:
                for term in _product(writing.scan, product).terms:
                    writing.operands.setdefault(term.operand, place(writing, term.operand).name)


def _product(scan: Scan, number: int) -> Product:
    """A product, the operands that are known beforehand first."""
    node = scan.nodes[number]
    assert isinstance(node, Product)
    return replace(node, terms=tuple(sorted(node.terms, key=lambda t: not _is_known(scan, t.operand))))


def _is_known(scan: Scan, number: int) -> bool:
    """Whether an operand is there at all steps before the scan begins."""
    match scan.nodes[number]:
        case Row(own=own):
            return not own
        case Cut(arg):
            return _is_known(scan, arg)
        case _:
            return False


# --- panels --------------------------------------------------------------------------------------


def _span(scan: Scan, group: Group) -> int:
    """A lone product takes two vectors of units, so that there are enough sums to keep the machine busy."""
    return 2 if group.stacks and all(len(s) == 1 for s in group.stacks) and group.width >= 32 else 1


def _stacks(scan: Scan, group: Group) -> list[Stack]:
    """The stacks of a group in parts of at most two vectors."""
    found = []
    most = 2 // _span(scan, group)
    for stack in group.stacks:
        for first in range(0, len(stack), most):
            products = stack[first : first + most]
            operands = tuple(t.operand for t in _product(scan, products[0]).terms)
            ahead = sum(_is_known(scan, o) for o in operands)
            widths = [width(scan.nodes[o]) for o in operands]
            found.append(Stack(products, operands, 1 + sum(widths), ahead, 1 + sum(widths[:ahead])))
    return found


def _vectors(scan: Scan, group: Group, stack: Stack) -> int:
    return len(stack.products) * _span(scan, group)


def _panel(scan: Scan, group: Group) -> int:
    """The vectors of a block's panel."""
    return sum(stack.length * _vectors(scan, group, stack) for stack in _stacks(scan, group))


def _known_vectors(scan: Scan, group: Group) -> int:
    """The vectors of a block that products of known operands give."""
    return sum(_vectors(scan, group, s) for s in _stacks(scan, group) if s.ahead)


def _enumerations(writings: Sequence[Writing]) -> list[str]:
    lines = ["enum {"]
    before = "0"
    for writing in writings:
        for name, group in writing.groups():
            if group.stacks:
                span = _span(writing.scan, group)
                units = f"({span} * (int)LANES)" if span > 1 else "(int)LANES"
                lines.append(f"{INDENT}BLOCKS_{name} = ({group.width} + {units} - 1) / {units},")
                lines.append(f"{INDENT}PANEL_{name} = {_panel(writing.scan, group)} * (int)LANES,")
                lines.append(f"{INDENT}PANELS_{name} = {before}, /* where they begin */")
                before = f"PANELS_{name} + BLOCKS_{name} * PANEL_{name}"
    packed = max(sum(width(w.scan.nodes[o]) for o in w.operands) for w in writings)
    groups = [(w.scan, group) for w in writings for _, group in w.groups()]
    most = max([0, *(sum(_vectors(scan, g, s) for s in _stacks(scan, g)) for scan, g in groups)])
    lines.append(f"{INDENT}ALL_PANELS = {before},")
    known = "0"
    for name, group in writings[0].groups():
        ahead = _known_vectors(writings[0].scan, group)
        if ahead:
            lines.append(f"{INDENT}KNOWN_{name} = {known}, /* where its products of known operands begin, a step's */")
            known = f"KNOWN_{name} + BLOCKS_{name} * {ahead} * (int)LANES"
    lines.append(f"{INDENT}KNOWN = {known},")
    lines.append(f"{INDENT}PACKED = {packed}, /* the components of all operands of products */")
    lines.append(f"{INDENT}TILE = {most} * ROWS * (int)LANES")
    return [*lines, "};"]


def _packing(writings: Sequence[Writing]) -> list[str]:
    """A function that packs a thread's blocks of every panel."""
    lines = [
        "/* Packs weights and biases, a share of the blocks. */",
        "static void pack_panels(const scan *s, const share *me)",
        "{",
    ]
    body: list[str] = []
    for writing, name, group in ((w, name, group) for w in writings for name, group in w.groups() if group.stacks):
        scan = writing.scan
        span = _span(scan, group)
        body += [
            f"for (long block = BLOCKS_{name} * me->number / me->threads; "
            f"block < BLOCKS_{name} * (me->number + 1) / me->threads; block++) {{",
            f"{INDENT}real *panel = s->memory + PANELS_{name} + block * PANEL_{name};",
        ]
        for stack in _stacks(scan, group):
            vectors = _vectors(scan, group, stack)
            for place_, (product, sub) in enumerate((p, sub) for p in stack.products for sub in range(span)):
                body += [INDENT + line for line in _packed(writing, product, group, span, sub, place_, vectors)]
            body.append(f"{INDENT}panel += {stack.length * vectors} * LANES;")
        body.append("}")
    if not body:
        body = ["(void)s, (void)me;"]
    return [*lines, *(INDENT + line for line in body), "}"]


def _packed(writing: Writing, product: int, group: Group, span: int, sub: int, place_: int, vectors: int) -> list[str]:
    scan, names = writing.scan, writing.names
    unit = f"block * {span} * LANES + {sub} * LANES" if span > 1 else "block * LANES"
    node = _product(scan, product)
    lines = ["{", f"{INDENT}const long unit = {unit}, units = {group.width} - unit;"]
    into = f"panel + {place_} * LANES" if place_ else "panel"
    if not node.biases:
        lines.append(f"{INDENT}pack_bias({into}, 0, units, 0);")
    for count, (bias, start) in enumerate(node.biases):
        name = f"s->{names[f'parameter:{bias}']}"
        lines.append(f"{INDENT}pack_bias({into}, {name} + {start} + unit, units, {int(count > 0)});")
    component = 1
    for term in node.terms:
        wide = width(scan.nodes[term.operand])
        weight = f"s->{names[f'parameter:{term.weight}']}"
        if term.transposed:
            first, steps = f"{weight} + {term.component * term.pitch + term.unit} + unit", f"1, {term.pitch}"
        else:
            first = f"{weight} + {term.unit * term.pitch + term.component} + unit * {term.pitch}"
            steps = f"{term.pitch}, 1"
        lines.append(
            f"{INDENT}pack({into} + {component * vectors} * LANES, {vectors} * LANES, {first}, {steps}, units, {wide});"
        )
        component += wide
    return [*lines, "}"]


# --- phases --------------------------------------------------------------------------------------


def _group(writing: Writing, name: str, group: Group) -> list[str]:
    """The function of a group, and before it the one with its lines."""
    scan = writing.scan
    lines = Lines(writing, group, _tile(scan, group), _span(scan, group))
    doc = f"/* Phase {name}: {group.width} unit{'s' * (group.width > 1)}. */"
    taken = ["const scan *s", "long t", "long unit", "long n", "int m", "const real *tile", *lines.parameters()]
    head = [
        *_broken(f"INLINE void lines_{name}(", taken, ")"),
        "{",
        f"{INDENT}(void)s, (void)t, (void)unit, (void)tile;",
        f"{INDENT}for (int i = 0; i < m; i++) {{",
        *(INDENT * 2 + line for line in lines.body),
        f"{INDENT}}}",
        "}",
        "",
    ]
    return [doc, *head, *_phase(writing, name, group, lines, _new_operands(writing, name))]


def _broken(start: str, parts: Sequence[str], end: str) -> list[str]:
    """A call or a signature, in several lines where it is long."""
    lines, line = [], start
    for place_, part in enumerate(parts):
        text = part + (", " if place_ < len(parts) - 1 else end)
        if len(line) + len(text) > 112:
            lines.append(line.rstrip())
            line = INDENT * 2
        line += text
    return [*lines, line]


def _tile(scan: Scan, group: Group) -> dict[int, int]:
    """Where each product stands in the tile, in vectors."""
    found, before = {}, 0
    for stack in _stacks(scan, group):
        for product in stack.products:
            found[product] = before
            before += _span(scan, group)
    return found


def _new_operands(writing: Writing, name: str) -> list[int]:
    """The operands that no group before this one has packed."""
    seen: dict[int, str] = {}
    for other, group in writing.groups():
        for product in group.products:
            for term in _product(writing.scan, product).terms:
                seen.setdefault(term.operand, other)
    return [o for o, first in seen.items() if first == name]


def _slot(writing: Writing, operand: int) -> int:
    """How many components are packed before this operand's."""
    before = 0
    for other in writing.operands:
        if other == operand:
            return before
        before += width(writing.scan.nodes[other])
    raise AssertionError("every operand has a slot")


def _phase(writing: Writing, name: str, group: Group, lines: Lines, packs: list[int]) -> list[str]:
    scan = writing.scan
    span = _span(scan, group)
    operands = dict.fromkeys(o for stack in _stacks(scan, group) for o in stack.operands)
    body = []
    pointers = dict(lines.pointers)
    for operand in [*operands, *packs]:
        found = place(writing, operand)
        pointers.setdefault(found.name, (found.pointer, found.stride, True))
    for pointer, (text, _, constant) in pointers.items():
        body.append(f"{'const ' * constant}real *{pointer} = {text};")
    body += lines.guards
    if operands:
        body.append("const long held = held_rows(me);")
    if packs:
        body.append("for (long b = 0; b < blocks_of(me); b++) {")
        body.append(f"{INDENT}const long row = row_of(me, b), m = row_of(me, b + 1) - row;")
        for operand in packs:
            found, wide = place(writing, operand), width(scan.nodes[operand])
            slot = f"own + {_slot(writing, operand)} * held + (row - me->row) * {wide}"
            body.append(
                f"{INDENT}pack_rows({found.name} + row * {found.stride}, {found.stride}, {wide}, (int)m, {slot});"
            )
        body.append("}")
    if _known_vectors(scan, group) and not writing.prefix:
        body.append(
            "const real *known = known_beforehand(s->steps, s->batch, KNOWN) "
            f"? s->memory + ALL_PANELS + KNOWN_{name} * s->steps * s->batch : 0;"
        )
        body.append(
            f"const long seen = {_moved('t', -scan.steps.first)} * s->batch; /* examples at the steps before */"
        )
    blocks = f"BLOCKS_{name}" if group.stacks else f"({group.width} + LANES - 1) / LANES"
    body += [
        f"const long blocks = {blocks};",
        "for (long block = first_block(me, blocks, 0); block < first_block(me, blocks, 1); block++) {",
    ]
    inner = [f"const long unit = block * {f'{span} * ' * (span > 1)}LANES;"]
    if group.stacks:
        inner.append(f"const real *panel = s->memory + PANELS_{name} + block * PANEL_{name};")
    inner += [
        "for (long b = 0; b < blocks_of(me); b++) {",
        f"{INDENT}const long row = row_of(me, b);",
        f"{INDENT}const int m = (int)(row_of(me, b + 1) - row);",
    ]
    panel, into, ahead = 0, 0, 0
    for number, stack in enumerate(_stacks(scan, group)):
        vectors = _vectors(scan, group, stack)
        parts = []
        for operand in stack.operands:
            found, wide = place(writing, operand), width(scan.nodes[operand])
            slot = f"own + {_slot(writing, operand)} * held + (row - me->row) * {wide}"
            parts.append(f"part_of({found.name} + row * {found.stride}, {wide}, m, {slot})")
        inner.append(f"{INDENT}const part parts_{number}[] = {{{', '.join(parts)}}};")
        weights = f"panel + {panel} * LANES" if panel else "panel"
        target = f"tile + {into} * ROWS * LANES" if into else "tile"
        usual = f"{weights}, 0, parts_{number}, {len(parts)}, panel + {panel + vectors} * LANES, {target}"
        if stack.ahead and not writing.prefix:
            first = f"known + (block * {_known_vectors(scan, group)} + {ahead}) * LANES * s->steps * s->batch"
            rest = (
                f"{first} + (seen + row) * {vectors} * LANES, {vectors} * LANES, parts_{number} + {stack.ahead}, "
                f"{len(parts) - stack.ahead}, panel + {panel + stack.before * vectors} * LANES, {target}"
            )
            inner += [
                f"{INDENT}if (known)",
                f"{INDENT * 2}products(m, {vectors}, {rest});",
                f"{INDENT}else",
                f"{INDENT * 2}products(m, {vectors}, {usual});",
            ]
            ahead += vectors
        else:
            inner.append(f"{INDENT}products(m, {vectors}, {usual});")
        panel += stack.length * vectors
        into += vectors
    for sub in range(span):
        lane = f"unit + {sub} * LANES" if sub else "unit"
        inner.append(f"{INDENT}const long left_{sub} = {group.width} - {f'({lane})' if sub else lane};")
        tile = f"tile + {sub} * ROWS * LANES" if sub else "tile"
        given = lines.arguments(lane)
        for count, condition in (("LANES", f"if (left_{sub} >= LANES)"), (f"left_{sub}", f"else if (left_{sub} > 0)")):
            arguments = ["s", "t", lane, count, "m", tile, *given]
            inner.append(f"{INDENT}{condition}")
            inner += [INDENT * 2 + line for line in _broken(f"lines_{name}(", arguments, ");")]
    inner.append("}")
    body += [INDENT + line for line in inner]
    body.append("}")
    signature = f"static void phase_{name}(const scan *s, const share *me, long t, real *own, real *tile)"
    return [signature, "{", *(INDENT + line for line in body), f"{INDENT}(void)own, (void)tile;", "}"]


def _beforehand(writing: Writing, name: str, group: Group) -> list[str]:
    """The function that multiplies what is known of all steps, a thread's blocks of units."""
    scan = writing.scan
    if not _known_vectors(scan, group):
        return []
    body = [
        "const long rows = s->steps * s->batch;",
        f"real *known = s->memory + ALL_PANELS + KNOWN_{name} * rows;",
        "for (long first = 0; first < rows; first += ROWS) {",
        f"{INDENT}const int m = (int)(rows - first < ROWS ? rows - first : ROWS);",
    ]
    operands = dict.fromkeys(o for stack in _stacks(scan, group) for o in stack.operands[: stack.ahead])
    before = 0
    for operand in operands:
        found, wide = place(writing, operand), width(scan.nodes[operand])
        body += [
            f"{INDENT}const part {found.name} = {{own + {before} * ROWS, {wide}}};",
            f"{INDENT}for (int i = 0; i < m; i++) {{",
            f"{INDENT * 2}const long t = {_moved('(first + i) / s->batch', scan.steps.first)};",
            f"{INDENT * 2}const real *row = {found.pointer} + (first + i) % s->batch * {found.stride};",
            f"{INDENT * 2}pack_row(row, {wide}, i, m, own + {before} * ROWS);",
            f"{INDENT}}}",
        ]
        before += wide
    body += [
        f"{INDENT}for (long block = first_block(me, BLOCKS_{name}, 0); "
        f"block < first_block(me, BLOCKS_{name}, 1); block++) {{",
        f"{INDENT * 2}const real *panel = s->memory + PANELS_{name} + block * PANEL_{name};",
    ]
    panel, into = 0, 0
    for number, stack in enumerate(_stacks(scan, group)):
        vectors = _vectors(scan, group, stack)
        if stack.ahead:
            parts = ", ".join(place(writing, o).name for o in stack.operands[: stack.ahead])
            target = (
                f"known + (block * {_known_vectors(scan, group)} + {into}) * LANES * rows + first * {vectors} * LANES"
            )
            body += [
                f"{INDENT * 2}const part parts_{number}[] = {{{parts}}};",
                f"{INDENT * 2}products(m, {vectors}, panel + {panel} * LANES, 0, parts_{number}, {stack.ahead}, "
                f"panel + {panel + vectors} * LANES, tile);",
                f"{INDENT * 2}unload(tile, m, {vectors}, {target});",
            ]
            into += vectors
        panel += stack.length * vectors
    body += [f"{INDENT}}}", "}"]
    signature = f"static void beforehand_{name}(const scan *s, const share *me, real *own, real *tile)"
    return ["", signature, "{", *(INDENT + line for line in body), "}"]


# --- the loop ------------------------------------------------------------------------------------


def _steps(writings: Sequence[Writing]) -> list[str]:
    scan = writings[0].scan
    first = scan.steps.first
    order = (
        f"for (long t = s->steps + {first - 1}; t >= {first}; t--) {{"
        if scan.backward
        else f"for (long t = {first}; t < s->steps + {first}; t++) {{"
    ).replace("+ -", "- ")
    lines = [
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
        f"{INDENT}meet(me);",
        *_known_calls(writings[0]),
        f"{INDENT}{order}",
        *(INDENT * 2 + call for call in _calls(writings[0], "t")),
        f"{INDENT}}}",
    ]
    for writing in writings[1:]:
        past = str(first - 1) if scan.backward else f"s->steps + {first}"
        lines += [INDENT + call for call in _calls(writing, past)]
    return [*lines, "}"]


def _known_calls(writing: Writing) -> list[str]:
    names = [name for name, group in writing.groups() if _known_vectors(writing.scan, group)]
    calls = [f"{INDENT * 2}beforehand_{name}(s, me, own, tile);" for name in names]
    return [f"{INDENT}if (known) {{", *calls, f"{INDENT}}}"] if names else []


def _calls(writing: Writing, step: str) -> list[str]:
    """A step: its phases, the threads together after each."""
    calls = []
    for n, phase in enumerate(writing.scan.phases.phases, 1):
        calls += [f"phase_{writing.prefix}{n}_{m}(s, me, {step}, own, tile);" for m, _ in enumerate(phase, 1)]
        calls += ["if (me->by_units)", f"{INDENT}meet(me);"]
    return calls


def _doors() -> list[str]:
    return [
        "/* How many numbers `memory` must hold, beginning at a multiple of 64 bytes. */",
        "long scan_memory(long steps, long batch, int threads)",
        "{",
        f"{INDENT}const long known = known_beforehand(steps, batch, KNOWN);",
        f"{INDENT}return ALL_PANELS + known + threads * thread_memory(batch, threads);",
        "}",
        "",
        "void run(scan *s)",
        "{",
        f"{INDENT}together(thread, s, s->threads, s->batch);",
        "}",
    ]
