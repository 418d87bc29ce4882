"""From what was written to what is meant: the shorthand of a chalkboard filled in, one named rule after another.

    base      a free parameter at a point of a sequence is its base case
    pipeline  `x --[f]-> a => y` becomes `a := f(x)` and `a => y`
    compose   transforms of compositions become transforms of their parts
    tuple     `a, b := u, v` becomes two lines
    gaussian  `sample(m, s)` is a draw from a normal distribution, by its mean and deviation
    macro     a call of a macro becomes the lines of its body
    context   a bare name takes the context of what defines it
    dense     a capitalised name is a dense layer
    loss      a loss follows from its prediction's last function
    action    what a reader supplies in his head where a program is bound to an environment
    lower     single assignments become a System

Each rule takes lines and gives lines; what it changed is marked, so that the filled-in program can be shown.
A line with a fault is left out and what it would have defined is remembered, so that one mistake gives one message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqmagic.equations.elaborate.action import actions
from sqmagic.equations.elaborate.bases import given_parameters, learned_bases
from sqmagic.equations.elaborate.compared import compared
from sqmagic.equations.elaborate.context import (
    add_contexts,
    arities,
    indices,
    is_readable,
    read_names,
    readable,
    readable_formals,
)
from sqmagic.equations.elaborate.gaussian import gaussians
from sqmagic.equations.elaborate.inside import Book
from sqmagic.equations.elaborate.layers import dense_layers, name_layers
from sqmagic.equations.elaborate.lines import Kernel, Line, Outcome
from sqmagic.equations.elaborate.loss import losses
from sqmagic.equations.elaborate.lower import lower
from sqmagic.equations.elaborate.macros import called, expand
from sqmagic.equations.elaborate.names import Names, split
from sqmagic.equations.elaborate.pipeline import pipelines
from sqmagic.equations.elaborate.transforms import transforms
from sqmagic.equations.elaborate.trees import defined, named
from sqmagic.equations.elaborate.tuples import tuples
from sqmagic.equations.system import System
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_statement
from sqmagic.notation.source import Source, unplaced
from sqmagic.notation.syntax import Macro, Program, Statement

__all__ = ["Elaborated", "Kernel", "elaborate"]


@dataclass(frozen=True, slots=True)
class Elaborated:
    """The filled-in program, its System, the macros it defines, what it took from the kernel, and the problems.

    The System holds what could be elaborated; if a problem is an error it must not be run.
    """

    lines: tuple[Line, ...]
    system: System
    macros: Mapping[str, Macro]
    taken: tuple[str, ...]
    problems: tuple[Problem, ...]
    lost: frozenset[str]

    def text(self, extra: tuple[tuple[str, str], ...] = ()) -> str:
        """The filled-in program, each line that a rule made or changed marked by the rules' names.

        `extra` are further lines with their rules, such as inferred shapes.
        """
        shown = [(show_statement(line.statement), ", ".join(line.rules)) for line in self.lines] + list(extra)
        width = max((len(text) for text, rules in shown if rules), default=0)
        return "\n".join(f"{text:<{width}}  # {rules}" if rules else text for text, rules in shown)


def elaborate(program: Program, source: Source, kernel: Kernel | None = None) -> Elaborated:
    """Fills in the shorthand. Never raises for what a user wrote: every fault is a problem of the result."""
    kernel = kernel or Kernel()
    running = indices(program)
    defined_here = [s for s in program.statements if isinstance(s, Macro)]
    problems = [*_repeated(program), *(p for m in defined_here for p in readable_formals(m, running))]
    own = {m.name.text: m for m in defined_here if not readable_formals(m, running)}
    macros = {**kernel.macros, **own}
    statements = [s for s in program.statements if not isinstance(s, Macro)]
    prepared = _prepare(statements, macros, kernel, running)
    bodies = {name: _prepare(macro.body, macros, kernel, running) for name, macro in macros.items()}
    reached = called(prepared.lines, bodies, macros, kernel)
    problems += prepared.problems
    problems += [p for name in macros for p in bodies[name].problems if name in own]
    book = Book(macros, {name: body.lines for name, body in bodies.items()}, kernel, Names(running))
    inlined = expand(prepared.lines, book)
    expanded = tuples(inlined.lines)  # a call of a macro that returns several states is a tuple now
    names = read_names(expanded.lines, running)
    problems += [*arities(expanded.lines, running), *given_parameters(expanded.lines)]
    placed = add_contexts(expanded.lines, names)
    layered = dense_layers(placed.lines, kernel)
    named = losses(layered.lines, names)
    problems += compared(layered.lines, names, source)
    wired = actions(named.lines, names, kernel.world)
    problems += [
        *inlined.problems,
        *expanded.problems,
        *placed.problems,
        *layered.problems,
        *named.problems,
        *wired.problems,
    ]
    lost = _lost(statements, wired.lines, running)
    system, faults = lower(wired.lines, read_names(wired.lines, running), kernel, source, lost)
    return Elaborated(
        wired.lines,
        system,
        {name: unplaced(macro) for name, macro in own.items()},
        tuple(sorted(reached - set(own))),
        (*problems, *faults),
        lost,
    )


def _prepare(
    statements: Sequence[Statement], macros: dict[str, Macro], kernel: Kernel, running: tuple[str, ...]
) -> Outcome:
    """The rules that need no names: every macro's body goes through them once."""
    piped = pipelines(learned_bases(tuple(statements), running))
    composed = transforms(piped.lines, macros, kernel)
    layered = name_layers(composed.lines, macros, kernel)
    single = tuples(layered.lines)
    normal = gaussians(single.lines)
    named = readable(normal.lines, running)
    rules = (piped, composed, layered, single, normal, named)
    return Outcome(named.lines, tuple(problem for rule in rules for problem in rule.problems))


def _repeated(program: Program) -> list[Problem]:
    """Macros that are defined twice in one cell."""
    seen: set[str] = set()
    problems: list[Problem] = []
    for statement in program.statements:
        match statement:
            case Macro(name):
                if name.text in seen:
                    problems.append(Problem("SQ217", f"macro `{name.text}` is defined twice", name.span))
                seen.add(name.text)
            case _:
                pass
    return problems


def _lost(statements: Sequence[Statement], lines: tuple[Line, ...], running: tuple[str, ...]) -> frozenset[str]:
    """The states that faulty lines would have defined."""
    kept = {name.text for line in lines for name in defined(line.statement)}
    meant = {name.text for s in statements for name in named(s) if is_readable(name, running)}
    return frozenset(split(text, running).base for text in meant - kept)
