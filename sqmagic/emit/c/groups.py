"""The functions of a group: its lines for a block of examples and units, and the loop over such blocks."""

from __future__ import annotations

from collections.abc import Sequence

from sqmagic.emit.c.lines import Lines
from sqmagic.emit.c.panels import known_vectors, span_of, stacks_of, vectors_of
from sqmagic.emit.c.places import INDENT, Writing, moved, place, product_of
from sqmagic.schedule.plan.nodes import width
from sqmagic.schedule.plan.phases import Group
from sqmagic.schedule.plan.scans import Scan


def group_functions(writing: Writing, name: str, group: Group) -> list[str]:
    """The function of a group, and before it the one with its lines."""
    scan = writing.scan
    lines = Lines(writing, group, _tile(scan, group), span_of(scan, group))
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
    for stack in stacks_of(scan, group):
        for product in stack.products:
            found[product] = before
            before += span_of(scan, group)
    return found


def _new_operands(writing: Writing, name: str) -> list[int]:
    """The operands that no group before this one has packed."""
    seen: dict[int, str] = {}
    for other, group in writing.groups():
        for product in group.products:
            for term in product_of(writing.scan, product).terms:
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
    span = span_of(scan, group)
    operands = dict.fromkeys(o for stack in stacks_of(scan, group) for o in stack.operands)
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
    if known_vectors(scan, group) and not writing.prefix:
        body.append(
            "const real *known = known_beforehand(s->steps, s->batch, KNOWN) "
            f"? s->memory + ALL_PANELS + KNOWN_{name} * s->steps * s->batch : 0;"
        )
        body.append(f"const long seen = {moved('t', -scan.steps.first)} * s->batch; /* examples at the steps before */")
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
    for number, stack in enumerate(stacks_of(scan, group)):
        vectors = vectors_of(scan, group, stack)
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
            first = f"known + (block * {known_vectors(scan, group)} + {ahead}) * LANES * s->steps * s->batch"
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
        for count, condition in (
            ("LANES", f"if (left_{sub} >= LANES)"),
            (f"{group.width} % LANES", f"else if (left_{sub} > 0)"),
        ):
            arguments = ["s", "t", lane, count, "m", tile, *given]
            inner.append(f"{INDENT}{condition}")
            inner += [INDENT * 2 + line for line in _broken(f"lines_{name}(", arguments, ");")]
    inner.append("}")
    body += [INDENT + line for line in inner]
    body.append("}")
    signature = f"static void phase_{name}(const scan *s, const share *me, long t, real *own, real *tile)"
    return [signature, "{", *(INDENT + line for line in body), f"{INDENT}(void)own, (void)tile;", "}"]


def beforehand(writing: Writing, name: str, group: Group) -> list[str]:
    """The function that multiplies what is known of all steps, a thread's blocks of units."""
    scan = writing.scan
    if not known_vectors(scan, group):
        return []
    body = [
        "const long rows = s->steps * s->batch;",
        f"real *known = s->memory + ALL_PANELS + KNOWN_{name} * rows;",
        "for (long first = 0; first < rows; first += ROWS) {",
        f"{INDENT}const int m = (int)(rows - first < ROWS ? rows - first : ROWS);",
    ]
    operands = dict.fromkeys(o for stack in stacks_of(scan, group) for o in stack.operands[: stack.ahead])
    before = 0
    for operand in operands:
        found, wide = place(writing, operand), width(scan.nodes[operand])
        body += [
            f"{INDENT}const part {found.name} = {{own + {before} * ROWS, {wide}}};",
            f"{INDENT}for (int i = 0; i < m; i++) {{",
            f"{INDENT * 2}const long t = {moved('(first + i) / s->batch', scan.steps.first)};",
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
    for number, stack in enumerate(stacks_of(scan, group)):
        vectors = vectors_of(scan, group, stack)
        if stack.ahead:
            parts = ", ".join(place(writing, o).name for o in stack.operands[: stack.ahead])
            target = (
                f"known + (block * {known_vectors(scan, group)} + {into}) * LANES * rows + first * {vectors} * LANES"
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
