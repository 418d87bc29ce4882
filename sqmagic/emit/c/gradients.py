"""What a page of the way back does when its loop has run: the gradients, as sums over all steps and examples.

Each is a member of the struct, 0 where nobody asks for it. Weights that are multiplied with the same rows are summed
up together, so that these are packed once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from sqmagic.emit.c.places import INDENT, Writing
from sqmagic.equations.shapes import Shape
from sqmagic.schedule.plan.gradients import Gradient, Rows
from sqmagic.schedule.plan.reverse import Reverse


@dataclass(frozen=True, slots=True)
class Sums:
    """The planes whose sums make the gradients of parameters: `targets` by (left, right) and `totals` by left, as
    C. A left plane stands here once for each total that it gives."""

    lefts: list[Rows]
    rights: list[Rows]
    targets: dict[tuple[int, int], tuple[str, int]]
    totals: dict[int, str]

    @property
    def tied(self) -> list[bool]:
        """For each left plane, whether another one gives to the same gradient, as where a layer is applied twice."""
        given = [
            {member for (left, _), (member, _) in self.targets.items() if left == n} | {self.totals.get(n, "")} - {""}
            for n in range(len(self.lefts))
        ]
        return [any(own & other for k, other in enumerate(given) if k != n) for n, own in enumerate(given)]


def gradient_key(name: str) -> str:
    return f"gradient:{name}"


def gradient_members(way: Reverse, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The members of the struct that take gradients, with what they are."""
    for parameter in way.parameters:
        yield f"real *{names[gradient_key(parameter)]};", f"of {parameter}, or 0"
    for state in way.inputs:
        name = names[gradient_key(state)]
        yield f"real *{name}; long {name}_rows;", f"of {state}, or 0: [rows][batch][{_width(way, state)}]"
    for state in way.stills:
        yield f"real *{names[gradient_key(state)]};", f"of {state}, or 0: [batch][{_width(way, state)}]"
    for state in given_memories(way):
        memory = way.backward.memories[state]
        yield f"real *{names[gradient_key(state)]};", f"of {state}, or 0: [batch][{memory.rows * memory.width}]"


def given_memories(way: Reverse) -> list[str]:
    """The memories that are given, and to whose gradients steps add."""
    return [name for name in way.growing if not way.backward.memories[name].state]


def _width(way: Reverse, state: str) -> int:
    gradient = {**way.inputs, **way.stills}[state]
    found = [width for *_, width in gradient.throughs] + [r.width for r, _ in gradient.rows]
    found += [r.width for r in gradient.sums] + [o.left.width * gradient_columns(gradient) for o in gradient.outers]
    return [*found, 1][0]


def gradient_columns(gradient: Gradient) -> int:
    """How many columns the matrix has whose gradient it is: its outer products reach from the first to the last."""
    return max(o.column + o.right.width for o in gradient.outers)


def gradient_functions(writing: Writing, way: Reverse) -> list[str]:
    """Two functions: the gradients of parameters, and those of inputs."""
    return [*_parameters(writing, way), "", *_inputs(writing, way)]


def gradient_memory(way: Reverse) -> str:
    """How many numbers both take, for `threads` threads."""
    found = summed(way.parameters, {})
    parts = [f"threads * {outer_memory(way.parameters)}"] * bool(found.lefts)
    for state, gradient in way.inputs.items():
        units = sum(r.width for r, *_ in gradient.throughs)
        if units:
            parts.append(f"through_panels({units}, {_width(way, state)}) + threads * through_memory({units})")
    return _most(parts)


def outer_memory(parameters: Mapping[str, Gradient]) -> str:
    """How many numbers a thread takes for the gradients of parameters."""
    vectors = " + ".join(f"vectors_for({r.width})" for r in summed(parameters, {}).rights) or "0"
    return f"outer_memory({vectors})"


def _most(parts: list[str]) -> str:
    if not parts:
        return "0"
    return parts[0] if len(parts) == 1 else f"greatest({parts[0]}, {_most(parts[1:])})"


# --- parameters ----------------------------------------------------------------------------------


def summed(parameters: Mapping[str, Gradient], names: Mapping[str, str]) -> Sums:
    found = Sums([], [], {}, {})
    for parameter, gradient in parameters.items():
        member = names.get(gradient_key(parameter), "")
        for outer in gradient.outers:
            left = _index(found.lefts, outer.left, ())
            right = _index(found.rights, outer.right, {r for other, r in found.targets if other == left})
            found.targets[left, right] = (member, outer.column)
    for parameter, gradient in parameters.items():
        for rows in gradient.sums:
            found.totals[_index(found.lefts, rows, found.totals)] = names.get(gradient_key(parameter), "")
    return _widest_first(found)


def _widest_first(sums: Sums) -> Sums:
    """What takes longest first: threads that share pieces of it as they come to them end together."""
    work = [sum(sums.rights[r].width for left, r in sums.targets if left == n) for n in range(len(sums.lefts))]
    order = sorted(range(len(work)), key=lambda n: -work[n])
    place = {n: new for new, n in enumerate(order)}
    return Sums(
        [sums.lefts[n] for n in order],
        sums.rights,
        {(place[left], right): target for (left, right), target in sums.targets.items()},
        {place[left]: total for left, total in sums.totals.items()},
    )


def _index(planes: list[Rows], rows: Rows, taken: Collection[int]) -> int:
    """Where rows stand among planes, but for places that are taken; put there if they are not."""
    for number, each in enumerate(planes):
        if each == rows and number not in taken:
            return number
    planes.append(rows)
    return len(planes) - 1


def _parameters(writing: Writing, way: Reverse) -> list[str]:
    head = [
        "/* The gradients of parameters: sums over all steps and examples. */",
        "static void parameters(const scan *s, const share *me)",
        "{",
    ]
    body = outer_sums(writing, way.parameters, way.shapes, "s->steps")
    return [*head, *(INDENT + line for line in body or ["(void)s, (void)me;"]), "}"]


def outer_sums(
    writing: Writing, parameters: Mapping[str, Gradient], shapes: Mapping[str, Shape], steps: str
) -> list[str]:
    """The lines that add up gradients over so many steps, from the first of the scan; none where nothing is asked."""
    names = writing.names
    found = summed(parameters, names)
    if not found.lefts:
        return []
    by_member = {names[gradient_key(p)]: shapes[p][-1] for p in parameters}
    body = [
        f"const plane left[] = {{{', '.join(_plane(writing, r) for r in found.lefts)}}};",
        f"real *const sums[] = {{{', '.join(_member(found.totals.get(n)) for n in range(len(found.lefts)))}}};",
    ]
    if found.rights:
        body.append(f"const plane right[] = {{{', '.join(_plane(writing, r) for r in found.rights)}}};")
        body.append(f"const target targets[{len(found.lefts)}][{len(found.rights)}] = {{")
        for left in range(len(found.lefts)):
            row = []
            for right in range(len(found.rights)):
                member, column = found.targets.get((left, right), ("", 0))
                place = f"s->{member} + {column}" if column else f"s->{member}"
                place = f"s->{member} ? {place} : 0" if column else place
                row.append(f"{{{place}, {by_member[member]}}}" if member else "{0, 0}")
            body.append(f"{INDENT}{{{', '.join(row)}}},")
        body.append("};")
    if any(found.tied):
        body.append(f"const int tied[] = {{{', '.join(str(int(each)) for each in found.tied)}}};")
    rights = f"right, {len(found.rights)}, targets[0]" if found.rights else "0, 0, 0"
    rights += ", tied" if any(found.tied) else ", 0"
    vectors = " + ".join(f"vectors_for({r.width})" for r in found.rights) or "0"
    body += [
        f"outer_sums(me, {steps}, s->batch, left, sums, {len(found.lefts)}, {rights},",
        f"{INDENT}s->memory + me->number * outer_memory({vectors}));",
    ]
    return body


def _member(name: str | None) -> str:
    return f"s->{name}" if name else "0"


def _plane(writing: Writing, rows: Rows) -> str:
    """Rows over all steps as C."""
    scan, names = writing.scan, writing.names
    start = f" + {rows.start}" if rows.start else ""
    if rows.own:
        member = names[f"own:{rows.state}"]
        step, first = f"s->batch * s->{member}_row", scan.held[rows.state].first
    elif rows.still:
        member = names[f"still:{rows.state}"]
        return f"{{s->{member}{start}, 0, s->{member}_row, {rows.width}}}"
    else:
        member = names[f"row:{rows.state}"]
        step, first = f"s->{member}_step", scan.rows[rows.state]
    skip = scan.steps.first + rows.offset - first
    moved = f" + {skip} * {step}" if skip != 1 else f" + {step}"
    return f"{{s->{member}{moved if skip else ''}{start}, {step}, s->{member}_row, {rows.width}}}"


# --- inputs --------------------------------------------------------------------------------------


def _inputs(writing: Writing, way: Reverse) -> list[str]:
    names = writing.names
    body: list[str] = []
    for state, gradient in way.inputs.items():
        body += _input(writing, names[gradient_key(state)], gradient, way.forward.rows[state], _width(way, state))
    for state, gradient in way.stills.items():
        lines = _still(writing, f"s->{names[gradient_key(state)]}", gradient, _width(way, state))
        body += [f"if (s->{names[gradient_key(state)]}) {{", *(INDENT + line for line in lines), "}"]
    return [
        "/* The gradients of what is given: at each step, and of what stands still. */",
        "static void inputs(const scan *s, const share *me)",
        "{",
        *(INDENT + line for line in body or ["(void)s, (void)me;"]),
        "}",
    ]


def _still(writing: Writing, place: str, gradient: Gradient, width: int) -> Iterator[str]:
    """What stands still is an example's own, a matrix too: its outer products are summed over the steps alone."""
    planes = [_plane(writing, rows) for rows in gradient.sums]
    if gradient.outers and not planes:
        yield f"step_sums(me, 0, s->batch, (plane){{0, 0, 0, {width}}}, {place}, 0);  /* zeros to begin with */"
    for n, plane in enumerate(planes):
        yield f"step_sums(me, s->steps, s->batch, (plane){plane}, {place}, {int(n > 0)});"
    for outer in gradient.outers:
        left, right = _plane(writing, outer.left), _plane(writing, outer.right)
        into = f"{place} + {outer.column}" if outer.column else place
        columns = gradient_columns(gradient)
        yield f"step_outers(me, s->steps, s->batch, (plane){left}, (plane){right}, {into}, {columns});"


def _input(writing: Writing, member: str, gradient: Gradient, first: int, width: int) -> list[str]:
    scan, names = writing.scan, writing.names
    body, adds = [], 0
    for offset in dict.fromkeys(offset for _, _, offset, _ in gradient.throughs):
        group = [(rows, term) for rows, term, each, _ in gradient.throughs if each == offset]
        planes = ", ".join(_plane(writing, rows) for rows, _ in group)
        factors = []
        for _, term in group:
            weight = f"s->{names[f'parameter:{term.weight}']}"
            if term.transposed:
                factors.append(f"{{{weight} + {term.component * term.pitch + term.unit}, 1, {term.pitch}}}")
            else:
                factors.append(f"{{{weight} + {term.unit * term.pitch + term.component}, {term.pitch}, 1}}")
        shift = scan.steps.first - offset - first
        body += [
            "{",
            f"{INDENT}const plane left[] = {{{planes}}};",
            f"{INDENT}const factor factors[] = {{{', '.join(factors)}}};",
            f"{INDENT}through(me, s->steps, s->batch, left, factors, {len(group)}, s->{member}, s->{member}_rows, "
            f"{width}, {shift}, {adds}, s->memory);",
            f"{INDENT}meet(me);",
            "}",
        ]
        adds = 1
    for rows, offset in gradient.rows:
        shift = scan.steps.first - offset - first
        body.append(
            f"add_plane(me, s->steps, s->batch, (plane){_plane(writing, rows)}, s->{member}, s->{member}_rows, "
            f"{shift}, {adds});"
        )
        adds = 1
    return [f"if (s->{member}) {{", *(INDENT + line for line in body), "}"]
