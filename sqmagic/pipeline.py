"""The one page that joins the rooms: from text to source that runs. The whole compiler can be read here.

    text --parse--> Syntax --elaborate--> System --logits--> System --infer, settle--> System --emit--> torch source
                                            + dependence, domains, shapes: facts beside it

`understand` is all that needs no shapes, `generate` what needs them, and so waits for data where the text leaves shapes
open. `nets` binds the two to a torch module, `showing` makes of them what one sees; programs that act go through
`acted` as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqmagic.calculus.logits import SUFFIX, logits
from sqmagic.calculus.phases import acts, obstacles
from sqmagic.calculus.rewrite import Rewrite
from sqmagic.emit.torch.facts import optional_inputs
from sqmagic.emit.torch.write import emit
from sqmagic.equations.check import check
from sqmagic.equations.elaborate import Elaborated, Kernel, elaborate
from sqmagic.equations.elaborate.compared import COMPARED
from sqmagic.equations.elaborate.stacks import in_words
from sqmagic.equations.lints import lints
from sqmagic.equations.shapes import DataShape, Measure, Shapes, infer, settle
from sqmagic.equations.system import System
from sqmagic.equations.within import within
from sqmagic.faster import faster
from sqmagic.kernels import ScanPage, scan_pages
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError, Problem
from sqmagic.notation.slips import slips
from sqmagic.notation.source import NOWHERE, Source
from sqmagic.notation.syntax import Program
from sqmagic.planned import planned
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains
from sqmagic.schedule.given_ends import ends_of_returns
from sqmagic.schedule.plan.facts import Part
from sqmagic.schedule.plan.readouts import with_readouts
from sqmagic.schedule.plan.together import begun_together


@dataclass(frozen=True, slots=True)
class Understood:
    """A program whose names, time and goals are right. `warnings` do not keep it from running.

    `taken` are the names of what it takes from the kernel: integers for sizes, macros, torch modules. `kernel` is what
    it was understood with.
    """

    source: Source
    program: Program
    elaborated: Elaborated
    system: System
    domains: Domains
    taken: tuple[str, ...]
    warnings: tuple[Problem, ...]
    kernel: Kernel = field(default_factory=Kernel, compare=False)


def understand(text: str, kernel: Kernel | None = None) -> Understood:
    """Parses, elaborates and checks a program.

    Raises NotationError with every independent problem that was found.
    """
    kernel = kernel or Kernel()
    program = parse(text)
    source = Source.of(text)
    elaborated = elaborate(program, source, kernel)
    system = elaborated.system
    order = dependence(system, source)
    problems = [*slips(program, source), *elaborated.problems]
    if _wrong(problems):  # what depends on lines that were left out is not to be trusted
        problems += [p for p in order.problems if p.code == "SQ401"]
    else:
        problems += order.problems
    refuse(problems, source, program)
    held = domains(system, order)
    problems += [*held.problems, *check(system, source), *lints(system, source), *ends_of_returns(system, held)]
    refuse(problems, source, program)
    taken = (*_sizes_taken(system, kernel), *elaborated.taken)
    if kernel.world is not None and acts(system):
        refuse([*problems, *obstacles(system, kernel.world)], source, program)
    return Understood(source, program, elaborated, system, held, taken, in_words(problems, program), kernel)


def refuse(problems: Sequence[Problem], source: Source, program: Program) -> None:
    """Errors end it here, in words of the program; the warnings that stand beside them are told too, but for what a
    goal compares on a line with an error, which is seldom what was meant."""
    if _wrong(problems):
        faulty = {n for p in problems if p.severity == "error" for n in _lines(p, source)}
        told = [p for p in problems if p.code not in COMPARED or not faulty.intersection(_lines(p, source))]
        raise NotationError(in_words(dict.fromkeys(told), program), source) from None


def _lines(problem: Problem, source: Source) -> range:
    """The numbers of the lines that a problem is about."""
    if problem.span == NOWHERE:
        return range(0)
    last = max(problem.span.start, problem.span.stop - 1)
    return range(source.line_number(problem.span.start), source.line_number(last) + 1)


def _wrong(problems: Sequence[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _sizes_taken(system: System, kernel: Kernel) -> tuple[str, ...]:
    """The integers of the kernel that serve as sizes."""
    groups = [i.sizes for i in system.inputs] + [d.sizes for d in system.declared]
    groups += [sizes for layer in system.layers for sizes in (layer.sizes_in, layer.sizes_out)]
    named = {size.value for sizes in groups for size in sizes or ()}
    return tuple(sorted(str(name) for name in named if name in kernel.integers))


@dataclass(frozen=True, slots=True)
class Sizes:
    """What tells shapes besides the program: integers of the kernel, the width of what is free, and how to ask a
    torch module for the shape that it gives."""

    integers: Mapping[str, int] = field(default_factory=dict)
    width: int = 64
    measure: Measure | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """A program with its shapes; `source` is None while inputs that are `missing` have to tell some of them.

    `pages` are its recurrences in C; `rewrites` say how they were made faster for torch, and `as_written` is the source
    without that; `plan` says what runs where.
    """

    shapes: Shapes
    source: str | None
    missing: tuple[str, ...] = ()
    pages: tuple[ScanPage, ...] = ()
    plan: tuple[Part, ...] = ()
    rewrites: tuple[Rewrite, ...] = ()
    as_written: str = ""


def generate(
    name: str, known: Understood, sizes: Sizes, data: Mapping[str, DataShape], *, kernels: bool = False
) -> Generated:
    """The torch source of a program, for the shapes of data that are known; with `kernels`, its scans as C too.

    Raises NotationError where shapes clash. The program must need nothing that torch code cannot have.
    """
    system = known.system
    shapes = partial(infer, system, sizes=sizes.integers, data=data, measure=sizes.measure, source=known.source)
    told = shapes(width=None)
    refuse(told.problems, known.source, known.program)
    missing = _untold(system, told)
    if missing:
        return Generated(told, None, missing)
    found = shapes(width=sizes.width)
    refuse(found.problems, known.source, known.program)
    lowered = logits(within(settle(system, found), found.varying))
    found = replace(found, states={s: shape for s, shape in found.states.items() if s not in found.varying})
    order = dependence(lowered, known.source)
    lowered = begun_together(lowered, order, domains(lowered, order))
    order = dependence(lowered, known.source)
    held = domains(lowered, order)
    named = {s: found.states[s.removesuffix(SUFFIX)] for s in states(lowered) if s not in found.states}
    whole = replace(found, states={**found.states, **named})
    order = with_readouts(lowered, whole, order, held, optional_inputs(lowered))
    rewritten = faster(lowered, whole, order, held)
    program = None if rewritten is None else rewritten.program
    rewrites = () if rewritten is None else rewritten.rewrites
    pages = scan_pages(lowered, whole, order, held, program) if kernels else {}
    source = emit(lowered, whole, order, held, name, pages, program)
    parts = planned(lowered, whole, order, held, pages, rewritten) if kernels else ()
    as_written = "" if program is None else emit(lowered, whole, order, held, name)
    return Generated(found, source, (), tuple(pages.values()), parts, rewrites, as_written)


def _untold(system: System, shapes: Shapes) -> tuple[str, ...]:
    """The inputs whose width, or number of values, only data can tell."""
    names = [i.state for i in system.inputs]
    uncounted = shapes.integers - shapes.classes.keys()
    return tuple(n for n in names if n in shapes.open_states or n in uncounted)


def states(system: System) -> list[str]:
    return [i.state for i in system.inputs] + [t.state for e in system.equations for t in e.targets]
