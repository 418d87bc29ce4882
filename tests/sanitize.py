"""Compiled scans under the sanitizers of the C compiler: `python tests/sanitize.py [address|thread] [programs]`.

Each scan, forward and back, becomes a program of its own that calls it with many shapes and numbers of threads. All its
memory is allocated to the number, so that whatever is read or written beside it is told.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from emitted import emitted
from programs import ENDS, IN_LOOPS, PROGRAMS
from test_kernels import CELLS
from uneven import unevenly

from sqmagic.emit.c import engine, header
from sqmagic.emit.c.gradients import given_memories
from sqmagic.emit.c.names import point
from sqmagic.emit.c.write import Interface
from sqmagic.kernels import ScanPage
from sqmagic.pipeline import Sizes, generate, understand
from sqmagic.schedule.plan.gradients import Gradient, Rows
from sqmagic.schedule.plan.lengths import merged
from sqmagic.schedule.plan.nodes import Row
from sqmagic.schedule.plan.reverse import Reverse
from sqmagic.schedule.plan.scans import Scan

SUBJECTS = PROGRAMS | ENDS | {f"cell {name}": text.format(inputs=5, width=19) for name, text in CELLS.items()}
SUBJECTS |= {
    name: text for name, text in IN_LOOPS.items() if any(word in name for word in ("applied", "attending", "past"))
}
SUBJECTS |= {f"wide {name}": CELLS[name].format(inputs=131, width=133) for name in ("lstm", "gru")}
FLAGS = {
    "address": ("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    "thread": ("-fsanitize=thread",),
}
SHAPES = [(1, 1, 1), (2, 3, 2), (3, 5, 1), (4, 13, 2), (2, 32, 2), (3, 33, 2), (5, 40, 3), (2, 2, 3), (1, 64, 4)]
"""Steps, examples, threads."""

SINGLE = ()
FREELY = ("-DSQ_DOUBLE", "-DFAR=0", "-DENOUGH=0")
"""Numbers of double precision, and work that threads share freely however little there is."""
UNEVENLY = ("-DUNEVENLY",)
"""The first thread has all examples, and hands them over to others that have none."""
ENDS_OF_EXAMPLES = [
    "static long *ends(long batch, long most)",
    "{",
    "    long *p = malloc((size_t)batch * sizeof(long));",
    "    for (long i = 0; i < batch; i++)",
    "        p[i] = most > 0 ? rand() % (most + 1) : 0;",
    "    return p;",
    "}",
]


Called: TypeAlias = tuple[Scan, Reverse | None, str, Interface]


def scan_pages(text: str) -> tuple[ScanPage, ...]:
    """Every scan of a program."""
    widths = random.Random(len(text)).choice((1, 3, 17, 33))
    made = emitted(text, width=widths)
    known = understand(text)
    told = {i.state: made.shapes.states[i.state] for i in known.system.inputs}
    from sqmagic.equations.shapes import DataShape

    data = {s: DataShape(shape, s in made.shapes.integers, made.shapes.classes.get(s)) for s, shape in told.items()}
    return generate("net", known, Sizes(width=widths), data, kernels=True).pages


def there_and_back(page: ScanPage) -> Iterator[Called]:
    """A scan forward and back, with the way back that it is part of."""
    yield (page.scan, None, page.page, page.interface)
    if not isinstance(page.back, str):
        way, _, back, interface = page.back
        yield (way.backward, way, back, interface)


def programs(text: str) -> Iterator[str]:
    """Every scan of a program as a program of its own; of what reads ranges, for any number of rows."""
    for page in scan_pages(text):
        more = page.more - (page.scan.steps.last - page.scan.steps.first + 1)
        least = 1 if page.other is None else max(1, 1 - more)
        for one, other in zip(there_and_back(page), there_and_back(page.other or page), strict=True):
            first, second = (driver(scan, way, interface, least) for scan, way, _, interface in (one, other))
            yield one[2] + merged(first, second, f"(steps + {more})")


def asked(way: Reverse, interface: Interface) -> Iterator[tuple[str, str]]:
    """The members that take gradients, with how many numbers each has."""
    for parameter in way.parameters:
        count = 1
        for n in way.shapes[parameter]:
            count *= n
        yield interface.gradients[parameter], str(count)
    for state, gradient in {**way.inputs, **way.stills}.items():
        widths = [width for *_, width in gradient.throughs] + [r.width for r, _ in gradient.rows]
        widths += [o.left.width * max(o.column + o.right.width for o in gradient.outers) for o in gradient.outers]
        width = (widths + [r.width for r in gradient.sums] + [1])[0]
        yield interface.gradients[state], f"{'(steps + 1) * ' * (state in way.inputs)}batch * {width}"
    for name in given_memories(way):
        memory = way.backward.memories[name]
        yield interface.gradients[name], f"batch * {memory.rows * memory.width}"


def _gradients(way: Reverse) -> list[Gradient]:
    return [g for each in (way.parameters, way.inputs, way.stills, way.growing) for g in each.values()]


def summed(way: Reverse | None) -> Iterator[Rows]:
    """The rows that the gradients are added up from, when the scan back has run."""
    for gradient in [] if way is None else _gradients(way):
        for outer in gradient.outers:
            yield from (outer.left, outer.right)
        yield from gradient.sums


def driver(scan: Scan, way: Reverse | None, interface: Interface, least: int) -> str:
    """A `main` that calls a scan with every shape of so many steps at least."""
    lines = ["const long steps = shapes[k][0], batch = shapes[k][1];", "scan s = {0};"]
    lines += ["s.steps = steps, s.batch = batch, s.threads = (int)shapes[k][2];"]
    if interface.lengths:  # of every other shape examples end at steps of their own
        lines.append(f"s.lengths = k % 2 ? ends(batch, steps - {scan.steps.last - scan.steps.first + 1}) : 0;")
    needed = {p.name for phases in (scan.phases, scan.edge) if phases for p in phases.planes if p.needed}
    needed |= way.full | way.added if way else {memory.state for memory in scan.memories.values()}
    for state, member in interface.own.items():
        held = scan.held[state]
        rows = "1" if state in scan.edge_values else f"(steps + {held.before + held.after})"
        kept = f"(s.lengths ? 2 : {rows})" if interface.lengths and state in scan.edge_values else rows
        may = "1" if state in needed else "k % 2"
        lines.append(f"s.{member} = {may} ? some({kept} * batch * {held.width}) : 0;")
        lines.append(f"s.{member}_rows = {rows}, s.{member}_row = {held.width};")
    for member, width in interface.between.items():
        lines.append(f"s.{member} = some(batch * {width}), s.{member}_rows = 1, s.{member}_row = {width};")
    for state, member in interface.rows.items():
        nodes = [n for n in scan.nodes if isinstance(n, Row) and n.state == state and not n.own]
        reach = max([0, *(n.offset for n in nodes)]) if not any("during" in repr(n) for n in scan.nodes) else 0
        reach = max([reach, *(r.offset for r in summed(way) if r.state == state and not r.own)])
        rows = f"(steps + {scan.steps.first - scan.rows[state] + reach})"
        width = nodes[0].width if nodes else next(m.width for m in scan.memories.values() if m.state == state)
        lines.append(f"s.{member} = some({rows} * batch * {width}), s.{member}_rows = {rows};")
        lines.append(f"s.{member}_step = batch * {width}, s.{member}_row = {width};")
    for still in scan.stills:
        member = interface.stills[still.state, point(still.context)]
        lines.append(f"s.{member} = some(batch * {still.width}), s.{member}_row = {still.width};")
    for parameter, member in interface.parameters.items():
        count = 1
        for n in scan.parameters[parameter]:
            count *= n
        lines.append(f"s.{member} = some({count});")
    for (state, _), member in interface.bases.items():
        lines.append(f"s.{member} = k % 2 ? some(batch * {scan.held[state].width}) : 0;")
        lines.append(f"s.{member}_row = {scan.held[state].width};")
    gradients = dict(asked(way, interface)) if way else {}
    for n, (member, size) in enumerate(gradients.items()):
        lines.append(f"s.{member} = k % 3 == {n % 3} ? 0 : some({size});")
        if "steps" in size:
            lines.append(f"s.{member}_rows = steps + 1;")
    lines.append("s.memory = some(scan_memory(steps, batch, s.threads));")
    lines.append("run(&s);")
    members = [*interface.own.values(), *interface.between, *interface.rows.values(), *interface.stills.values()]
    members += [*interface.bases.values(), *gradients, *["lengths"] * interface.lengths]
    for member in [*members, *interface.parameters.values(), "memory"]:
        lines.append(f"free((void *)s.{member});")
    shapes = ", ".join(f"{{{max(steps, least)}, {batch}, {threads}}}" for steps, batch, threads in SHAPES)
    return "\n".join(
        [
            "#include <stdlib.h>",
            f"static const long shapes[][3] = {{{shapes}}};",
            "static real *some(long n)",
            "{",
            "    real *p = malloc((size_t)n * sizeof(real));",
            "    for (long i = 0; i < n; i++)",
            "        p[i] = (real)(rand() % 1000) / 1000;",
            "    return p;",
            "}",
            *(ENDS_OF_EXAMPLES if interface.lengths else []),
            "int main(void)",
            "{",
            f"    for (int k = 0; k < {len(SHAPES)}; k++) {{",
            *(f"        {line}" for line in lines),
            "    }",
            "    return 0;",
            "}",
            "",
        ]
    )


def check(
    text: str,
    folder: Path,
    which: str,
    machine: str,
    kinds: Sequence[tuple[str, ...]] = (SINGLE, FREELY, UNEVENLY),
    optimised: str = "-O1",
) -> int:
    """How many scans were run; ends where a sanitizer tells something."""
    count = 0
    for program in programs(text):
        for kind in kinds:
            headers = unevenly(engine()) if kind == UNEVENLY else engine()
            for name, text_ in (*headers, header("memories.h")):
                (folder / name).write_text(text_)
            source, made = folder / "scan.c", folder / "scan"
            source.write_text(program)
            strict = ("-Wall", "-Wextra", "-Werror", "-Wno-psabi")
            flags = ("-std=gnu11", optimised, "-g", machine, *strict, "-DSQ_PTHREADS", "-pthread")
            command = ["gcc", *flags, *FLAGS[which], *kind, str(source), "-o", str(made), "-lm"]
            subprocess.run(command, check=True, timeout=240)
            subprocess.run([str(made)], check=True, timeout=240)
            count += 1
    return count


def main() -> None:
    which = sys.argv[1] if len(sys.argv) > 1 else "address"
    chosen = sys.argv[2:] or list(SUBJECTS)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(chosen):
            machine = ("-march=native", "-march=x86-64", "-march=x86-64-v3")[number % 3]
            print(f"{name}: {check(SUBJECTS[name], Path(folder), which, machine)} under {which}, {machine}", flush=True)


if __name__ == "__main__":
    main()
