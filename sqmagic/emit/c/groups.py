"""The functions of a group: its lines for a block of examples and units, and the loop over such blocks."""

from __future__ import annotations

from collections.abc import Sequence

from sqmagic.emit.c.lines import Lines
from sqmagic.emit.c.panels import known_vectors, span_of, stacks_of, vectors_of
from sqmagic.emit.c.places import INDENT, Writing, ahead, moved, place, product_of
from sqmagic.schedule.plan.nodes import width
from sqmagic.schedule.plan.phases import Group
from sqmagic.schedule.plan.scans import Scan

FAR_APART = 1024
"""Components: rows of so many lie far apart; where lines need no products they go through one example's after another.
"""

NARROW = 128
"""Components of an operand that is not packed."""


def group_functions(writing: Writing, name: str, group: Group) -> list[str]:
    """The function of a group, and before it the one with its lines."""
    scan = writing.scan
    lines = Lines(writing, group, _tile(scan, group))
    doc = f"/* Phase {name}: {group.width} unit{'s' * (group.width > 1)}. */"
    taken = ["const scan *s", "long t", "long unit", "int from", "int to", "long n", "int m", "const real *tile"]
    head = [
        *_broken(f"INLINE void lines_{name}(", [*taken, *lines.parameters()], ")"),
        "{",
        f"{INDENT}(void)s, (void)t, (void)unit, (void)tile;",
        *(INDENT + line for line in _strides(lines)),
        *(INDENT + line for line in _loops(scan, group, lines)),
        "}",
        "",
    ]
    return [doc, *head, *_phase(writing, name, group, lines, _new_operands(writing, name))]


def _strides(lines: Lines) -> list[str]:
    found = [f"{name} = {stride}" for stride, name in lines.strides.items()]
    return _broken("const long ", found, ";") if found else []


def _loops(scan: Scan, group: Group, lines: Lines) -> list[str]:
    """The loops over vectors of units, `from` to `to` of those at hand, and examples."""
    found = []
    if lines.left:
        most = f"{span_of(scan, group)} * TALL" if span_of(scan, group) > 1 else "TALL"
        found += _broken("vec ", [f"{name}[{most}]" for name in lines.left], ";")
        found += ["int j = 0;", *["const int count = (to - from) * m;"] * any(lines.after)]
    for number, body in enumerate(lines.loops):
        found += ["j = 0;"] * (number > 0)
        found.append("for (int v = from; v < to; v++)")
        found.append(f"{INDENT}for (int i = 0; i < m; i++{', j++' if lines.left else ''}) {{")
        if any("sums" in line for line in body):
            found.append(f"{INDENT * 2}const real *sums = tile + (v * m + i) * LANES;")
        found += [INDENT * 2 + line for line in body]
        found += [f"{INDENT}}}", *lines.after[number]]
    return found


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
    """The operands to be packed that no group before this one has packed."""
    seen: dict[int, str] = {}
    for other, group in writing.groups():
        for product in group.products:
            for term in product_of(writing.scan, product).terms:
                seen.setdefault(term.operand, other)
    return [o for o, first in seen.items() if first == name and _is_packed(writing, o)]


def _is_packed(writing: Writing, operand: int) -> bool:
    """Narrow rows are multiplied where they lie, which costs no more; of wide ones too much lies far apart."""
    return width(writing.scan.nodes[operand]) > NARROW


def _slot(writing: Writing, operand: int) -> int:
    """How many components are packed before this operand's."""
    before = 0
    for other in writing.operands:
        if other == operand:
            return before
        before += width(writing.scan.nodes[other]) if _is_packed(writing, other) else 0
    raise AssertionError("every operand has a slot")


def _is_needed(scan: Scan, group: Group) -> bool:
    """Whether the scan itself reads what a group stores."""
    needed = {plane.name for plane in scan.phases.planes if plane.needed}
    return any(store.plane in needed for store in group.stores)


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
    if not _is_needed(scan, group):
        asked = " && ".join(f"!{name}" for name, (_, _, constant) in lines.pointers.items() if not constant)
        body += [f"if ({asked})", f"{INDENT}return; /* nobody asks for it */"]
    if any(_slot(writing, operand) for operand in [*operands, *packs] if _is_packed(writing, operand)):
        body.append("const long held = held_rows(me);")
    if packs:
        body.append("for (long b = 0; b < blocks_of(me); b++) {")
        body.append(f"{INDENT}const long row = row_of(me, b), m = row_of(me, b + 1) - row;")
        for operand in packs:
            found, wide = place(writing, operand), width(scan.nodes[operand])
            slot = f"{ahead('own', _slot(writing, operand), 'held')} + (row - me->row) * {wide}"
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
    number = int(name.rpartition("_")[2]) - 1  # within its phase
    one_by_one = not group.stacks and group.width >= FAR_APART
    blocks = f"BLOCKS_{name}" if group.stacks else f"({group.width} + LANES - 1) / LANES"
    body += [
        f"const long blocks = {blocks}, most = {'TALL' if one_by_one else 'near_blocks(me)'};",
        f"run_of_blocks at = before_blocks(me, blocks, {number});",
        f"while (next_blocks(me, blocks, most, {number}, &at)) {{",
        f"{INDENT}const long block = at.block, near = at.near, unit = block * {f'{span} * ' * (span > 1)}LANES;",
        f"{INDENT}for (long row = me->row; row < me->row_end; row++) {{"
        if one_by_one
        else f"{INDENT}for (long b = 0, next; b < blocks_of(me); b = next) {{",
    ]
    if one_by_one:
        inner = ["const int m = 1;"]
    else:
        inner = ["next = least(b + TALL / ROWS, blocks_of(me));"]
        inner += ["const long row = row_of(me, b);", "const int m = (int)(row_of(me, next) - row);"]
    inner += [*_asking(writing, lines), *_products(writing, name, group)] if group.stacks else []
    call = [f"lines_{name}(s, t", "m", "tile", *lines.arguments()]
    vectors = f"{span} * near" if span > 1 else "near"
    inner.append(f"const int whole = (int)least({vectors}, ({group.width} - unit) / LANES);")
    inner += _broken(f"lines_{name}(", ["s", "t", "unit", "0", "whole", "LANES", *call[1:]], ");")
    inner.append(f"if ({group.width} % LANES && whole < {vectors})")
    rest = f"{group.width} % LANES"
    inner += [
        INDENT + line
        for line in _broken(f"lines_{name}(", ["s", "t", "unit", "whole", "whole + 1", rest, *call[1:]], ");")
    ]
    body += [*(INDENT * 2 + line for line in inner), f"{INDENT}}}", "}"]
    signature = f"static void phase_{name}(const scan *s, const share *me, long t, real *own, real *tile)"
    return [signature, "{", *(INDENT + line for line in body), f"{INDENT}(void)own, (void)tile;", "}"]


def _asking(writing: Writing, lines: Lines) -> list[str]:
    """Of a way back: memory that the lines will read and write is asked for before the products, which take longer than
    it does. Forward what they read is near."""
    if writing.way is None:
        return []
    found = []
    for name, (_, stride, constant) in lines.pointers.items():
        if lines.wide[name] and stride != "0":
            guard = "" if constant else f"if ({name}) "
            ask = "ask_to_read" if constant else "ask_to_write"
            found.append(f"{guard}{ask}({name} + row * {stride} + unit, {stride}, m);")
    return found


def _products(writing: Writing, name: str, group: Group) -> list[str]:
    """The products of the examples and the blocks of units at hand."""
    scan = writing.scan
    found: dict[tuple[int, ...], str] = {}  # the operands, and what they are called together
    inner = []
    panel, into, before = 0, 0, 0
    span = span_of(scan, group)
    for stack in stacks_of(scan, group):
        vectors = vectors_of(scan, group, stack)
        parts = found.setdefault(stack.operands, f"parts_{len(found)}" if found else "parts")
        weights, target = ahead("panel", panel, "LANES"), ahead("into", into, "TALL * LANES")
        count = len(stack.operands)
        tall = "TALL" if span == 1 else "m"
        usual = f"{weights}, 0, {parts}, {count}, {ahead('panel', panel + vectors, 'LANES')}, {target}, {tall}"
        if stack.ahead and not writing.prefix:
            place_ = ahead(f"(block + k) * {known_vectors(scan, group)}", before)
            place_ = f"({place_})" if before else place_
            start = f"known + {place_} * LANES * s->steps * s->batch + (seen + first) * {vectors} * LANES"
            packed = ahead("panel", panel + stack.before * vectors, "LANES")
            rest = f"{vectors} * LANES, {ahead(parts, stack.ahead)}, {count - stack.ahead}, {packed}, {target}, {tall}"
            inner += [
                "if (known)",
                f"{INDENT}products(rows, {vectors}, {start}, {rest});",
                "else",
                f"{INDENT}products(rows, {vectors}, {usual});",
            ]
            before += vectors
        else:
            inner.append(f"products(rows, {vectors}, {usual});")
        panel += stack.length * vectors
        into += vectors
    each = [
        "const long first = row_of(me, q);",
        "const int rows = (int)(row_of(me, q + 1) - first);",
        f"real *into = tile + ({f'k * {span}' if span > 1 else 'k'} * m + first - row) * LANES;",
        *(line for operands, called in found.items() for line in _parts(writing, operands, called)),
        *inner,
    ]
    return [
        "for (long k = 0; k < near; k++) {",
        f"{INDENT}const real *panel = s->memory + PANELS_{name} + (block + k) * PANEL_{name};",
        f"{INDENT}for (long q = b; q < next; q++) {{",
        *(INDENT * 2 + line for line in each),
        f"{INDENT}}}",
        "}",
    ]


def _parts(writing: Writing, operands: Sequence[int], called: str) -> list[str]:
    """The operands of a stack's products, each for the examples at hand."""
    lines = [f"const part {called}[] = {{"]
    for operand in operands:
        at, wide = place(writing, operand), width(writing.scan.nodes[operand])
        if not _is_packed(writing, operand):
            lines.append(f"{INDENT}{{{at.name} + first * {at.stride}, {wide}, 1, {at.stride}}},")
            continue
        slot = f"{ahead('own', _slot(writing, operand), 'held')} + (first - me->row) * {wide}"
        lines.append(f"{INDENT}part_of({at.name} + first * {at.stride}, {wide}, rows, {slot}),")
    return [*lines, "};"]


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
            f"{INDENT}const part {found.name} = {{{ahead('own', before, 'ROWS')}, {wide}, m, 1}};",
            f"{INDENT}for (int i = 0; i < m; i++) {{",
            f"{INDENT * 2}const long t = {moved('(first + i) / s->batch', scan.steps.first)};",
            f"{INDENT * 2}const real *row = {found.pointer} + (first + i) % s->batch * {found.stride};",
            f"{INDENT * 2}pack_row(row, {wide}, i, m, {ahead('own', before, 'ROWS')});",
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
            place_ = ahead(f"block * {known_vectors(scan, group)}", into)
            place_ = f"({place_})" if into else place_
            target = f"known + {place_} * LANES * rows + first * {vectors} * LANES"
            sums, weights = (ahead("panel", panel + more, "LANES") for more in (0, vectors))
            body += [
                f"{INDENT * 2}const part parts_{number}[] = {{{parts}}};",
                f"{INDENT * 2}products(m, {vectors}, {sums}, 0, parts_{number}, {stack.ahead}, {weights}, tile, TALL);",
                f"{INDENT * 2}unload(tile, m, {vectors}, {target});",
            ]
            into += vectors
        panel += stack.length * vectors
    body += [f"{INDENT}}}", "}"]
    signature = f"static void beforehand_{name}(const scan *s, const share *me, real *own, real *tile)"
    return ["", signature, "{", *(INDENT + line for line in body), "}"]
