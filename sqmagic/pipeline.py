"""The one page that joins the rooms: from text to a net that trains. The whole compiler can be read here.

    text --parse--> Syntax --elaborate--> System --logits--> System --infer, settle--> System --emit--> torch source
                                            + dependence, domains, shapes: facts beside it

`understand` is all that needs no shapes; `settle` what needs them, and so waits for data where the text leaves shapes
open; `compile` binds the two to a `Net`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from sqmagic.calculus.logits import logits
from sqmagic.equations.check import check
from sqmagic.equations.elaborate import Elaborated, Kernel, elaborate
from sqmagic.equations.lints import lints
from sqmagic.equations.shapes import DataShape, Shapes, infer, settle
from sqmagic.equations.system import Size, System
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError, Problem
from sqmagic.notation.source import Source
from sqmagic.notation.syntax import Program
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains


@dataclass(frozen=True, slots=True)
class Understood:
    """A program whose names, time and goals are right. `warnings` do not keep it from running."""

    source: Source
    program: Program
    elaborated: Elaborated
    system: System
    domains: Domains
    taken: tuple[str, ...]
    warnings: tuple[Problem, ...]


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
    problems = [*elaborated.problems, *order.problems]
    _refuse(problems, source)
    held = domains(system, order)
    problems += [*held.problems, *check(system, source), *lints(system, source)]
    _refuse(problems, source)
    taken = (*_sizes_taken(system, kernel), *elaborated.taken)
    return Understood(source, program, elaborated, system, held, taken, tuple(problems))


def _refuse(problems: list[Problem], source: Source) -> None:
    """Errors end it here; the warnings that stand beside them are told too."""
    if any(problem.severity == "error" for problem in problems):
        raise NotationError(problems, source) from None


def _sizes_taken(system: System, kernel: Kernel) -> tuple[str, ...]:
    """The integers of the kernel that serve as sizes."""
    groups = [i.sizes for i in system.inputs] + [d.sizes for d in system.declared]
    groups += [sizes for layer in system.layers for sizes in (layer.sizes_in, layer.sizes_out)]
    named = {size.value for sizes in groups for size in sizes or () if isinstance(size, Size)}
    return tuple(sorted(str(name) for name in named if name in kernel.integers))
