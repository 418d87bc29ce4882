"""Products in stacks, the panels that hold their weights, and how these are packed once a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqmagic.emit.c.places import INDENT, Writing, ahead, asked_for, is_known, product_of
from sqmagic.schedule.plan.nodes import width
from sqmagic.schedule.plan.phases import Group
from sqmagic.schedule.plan.scans import Scan


@dataclass(frozen=True, slots=True)
class Stack:
    """Products on the same operands, the first `ahead` of which are known at all steps beforehand. `length` are the
    vectors of its panel for each vector of units, `before` those that the biases and known operands take."""

    products: tuple[int, ...]
    operands: tuple[int, ...]
    length: int
    ahead: int
    before: int


def span_of(scan: Scan, group: Group) -> int:
    """Where a product has none beside it, each takes two vectors of units: enough sums to keep the machine busy."""
    return 2 if any(len(s) % 2 for s in group.stacks) and group.width >= 32 else 1


def stacks_of(scan: Scan, group: Group) -> list[Stack]:
    """The stacks of a group in parts of at most two vectors."""
    found = []
    most = 2 // span_of(scan, group)
    for stack in group.stacks:
        for first in range(0, len(stack), most):
            products = stack[first : first + most]
            operands = tuple(t.operand for t in product_of(scan, products[0]).terms)
            ahead = sum(is_known(scan, o) for o in operands)
            widths = [width(scan.nodes[o]) for o in operands]
            found.append(Stack(products, operands, 1 + sum(widths), ahead, 1 + sum(widths[:ahead])))
    return found


def vectors_of(scan: Scan, group: Group, stack: Stack) -> int:
    return len(stack.products) * span_of(scan, group)


def panel_of(scan: Scan, group: Group) -> int:
    """The vectors of a block's panel."""
    return sum(stack.length * vectors_of(scan, group, stack) for stack in stacks_of(scan, group))


def tile_of(scan: Scan, group: Group) -> int:
    """The vectors that a block's products give for each example."""
    return sum(vectors_of(scan, group, s) for s in stacks_of(scan, group))


def known_vectors(scan: Scan, group: Group) -> int:
    """The vectors of a block that products of known operands give."""
    return sum(vectors_of(scan, group, s) for s in stacks_of(scan, group) if s.ahead)


def enumerations(writings: Sequence[Writing]) -> list[str]:
    lines = ["enum {"]
    before = "0"
    for writing in writings:
        for name, group in writing.groups():
            if group.stacks:
                span = span_of(writing.scan, group)
                units = f"({span} * (int)LANES)" if span > 1 else "(int)LANES"
                lines.append(f"{INDENT}BLOCKS_{name} = ({group.width} + {units} - 1) / {units},")
                lines.append(f"{INDENT}PANEL_{name} = {panel_of(writing.scan, group)} * (int)LANES,")
                lines.append(f"{INDENT}PANELS_{name} = {before}, /* where they begin */")
                before = f"PANELS_{name} + BLOCKS_{name} * PANEL_{name}"
    packed = max(sum(width(w.scan.nodes[o]) for o in w.operands) for w in writings)
    groups = [(w.scan, group) for w in writings for _, group in w.groups()]
    most = max([0, *(tile_of(scan, group) for scan, group in groups)])
    lines.append(f"{INDENT}ALL_PANELS = {before},")
    known = "0"
    for name, group in writings[0].groups():
        ahead = known_vectors(writings[0].scan, group)
        if ahead:
            lines.append(f"{INDENT}KNOWN_{name} = {known}, /* where its products of known operands begin, a step's */")
            known = f"KNOWN_{name} + BLOCKS_{name} * {ahead} * (int)LANES"
    lines.append(f"{INDENT}KNOWN = {known},")
    lines.append(f"{INDENT}PACKED = {packed}, /* the components of all operands of products */")
    lines.append(f"{INDENT}TILE = {most} * TALL * (int)LANES")
    return [*lines, "};"]


def packing(writings: Sequence[Writing]) -> list[str]:
    """A function that packs a thread's blocks of every panel."""
    lines = [
        "/* Packs weights and biases, a share of the blocks. */",
        "static void pack_panels(const scan *s, const share *me)",
        "{",
    ]
    body: list[str] = []
    for writing, name, group in ((w, name, group) for w in writings for name, group in w.groups() if group.stacks):
        scan = writing.scan
        span = span_of(scan, group)
        body += [
            *([f"if ({asked_for(writing)})"] if writing.prefix and scan.edge_values else []),
            f"for (long block = BLOCKS_{name} * me->number / me->threads; "
            f"block < BLOCKS_{name} * (me->number + 1) / me->threads; block++) {{",
            f"{INDENT}real *panel = s->memory + PANELS_{name} + block * PANEL_{name};",
        ]
        for stack in stacks_of(scan, group):
            vectors = vectors_of(scan, group, stack)
            for place_, (product, sub) in enumerate((p, sub) for p in stack.products for sub in range(span)):
                body += [INDENT + line for line in _packed(writing, product, group, span, sub, place_, vectors)]
            body.append(f"{INDENT}panel += {stack.length * vectors} * LANES;")
        body.append("}")
    if not body:
        body = ["(void)s, (void)me;"]
    return [*lines, *(INDENT + line for line in body), "}"]


def _packed(writing: Writing, product: int, group: Group, span: int, sub: int, place_: int, vectors: int) -> list[str]:
    scan, names = writing.scan, writing.names
    unit = ahead(f"block * {span} * LANES", sub, "LANES") if span > 1 else "block * LANES"
    node = product_of(scan, product)
    lines = ["{", f"{INDENT}const long unit = {unit}, units = {group.width} - unit;"]
    into = ahead("panel", place_, "LANES")
    if not node.biases:
        lines.append(f"{INDENT}pack_bias({into}, 0, units, 0);")
    for count, (bias, start) in enumerate(node.biases):
        name = ahead(f"s->{names[f'parameter:{bias}']}", start)
        lines.append(f"{INDENT}pack_bias({into}, {name} + unit, units, {int(count > 0)});")
    component = 1
    for term in node.terms:
        wide = width(scan.nodes[term.operand])
        weight = f"s->{names[f'parameter:{term.weight}']}"
        if term.transposed:
            first = f"{ahead(weight, term.component * term.pitch + term.unit)} + unit"
            steps = f"1, {term.pitch}"
        else:
            first = f"{ahead(weight, term.unit * term.pitch + term.component)} + unit * {term.pitch}"
            steps = f"{term.pitch}, 1"
        place = ahead("panel", place_ + component * vectors, "LANES")
        lines.append(f"{INDENT}pack({place}, {vectors} * LANES, {first}, {steps}, units, {wide});")
        component += wide
    return [*lines, "}"]
