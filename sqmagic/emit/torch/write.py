"""A program as a page of Python that runs with torch alone: one class, whose methods compute states and goals.

Before: a System whose shapes, order and domains are known, in which no operator needs inference (`settle`) and that has
nothing that `refusals` names. After: text; the same System gives the same text. Methods are written where they belong:
whole sequences (`sequences`), recurrences by themselves (`scans`), single steps (`stepping`), and what acts (`acting`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqmagic.emit.torch.acting import copying
from sqmagic.emit.torch.facts import SAMPLE, Facts, gather, least_steps
from sqmagic.emit.torch.layers import argument, making
from sqmagic.emit.torch.lines import broken, dictionary, indented, uses
from sqmagic.emit.torch.names import class_name
from sqmagic.emit.torch.prelude import PRELUDE
from sqmagic.emit.torch.scans import ScanMethod, prepared, scan_method, written
from sqmagic.emit.torch.sequences import Regions, forward, loss
from sqmagic.emit.torch.stepping import stepping
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import System
from sqmagic.schedule.dependence import Component, Dependence
from sqmagic.schedule.domains import Domains


@dataclass(frozen=True, slots=True)
class Faster:
    """The same program rewritten so that it runs faster. `regions` are its components, together those that compute what
    a component of the program computes, in the order of those; `made` are the names that the program does not know.
    """

    system: System
    shapes: Shapes
    domains: Domains
    regions: tuple[tuple[Component, ...], ...]
    made: frozenset[str]


class Compiled(Protocol):
    """A scan for which there is compiled code: the method that computes what that is given besides, if there is one."""

    @property
    def ready(self) -> Sequence[str]: ...


def emit(
    system: System,
    shapes: Shapes,
    dependence: Dependence,
    domains: Domains,
    name: str = "net",
    scans: Mapping[int, Compiled] | None = None,
    faster: Faster | None = None,
    acting: Sequence[list[str]] | None = None,
) -> str:
    """The page. Nothing that `refused` names may be in the system, and nothing in the facts may be a problem.

    The components in `scans` (by number) become methods of their own, `scan_2`, that compiled code may stand in for,
    with those that compute what it is given besides. With `faster`, whole sequences are computed as that says, and
    single steps as the system says. `acting` are the methods of a program that acts; its examples are all as long as
    the window.
    """
    facts = gather(system, shapes, domains, recorded=acting is not None)
    whole, regions = _whole(facts, dependence, faster)
    apart = _apart(whole, dependence, regions, scans or ())
    methods = [_init(facts), forward(whole, regions, apart)]
    methods += [written(whole, method) for method in apart.values()]
    methods += [list(scan.ready) for scan in (scans or {}).values() if scan.ready]
    methods += [loss(facts)] if system.goals else []
    methods += stepping(facts, dependence) if acting is None else acting
    body = [line for method in methods for line in ["", *method]]
    page = [f"class {class_name(name)}(nn.Module):", *indented([*_doc(facts, name), *_tables(facts), *body])]
    brought = [
        line for word, text in PRELUDE.items() if uses(page, word, r"\(") for line in [*text.split("\n"), "", ""]
    ]
    top = ["# written by sqmagic: it needs torch alone", "import torch", "from torch import nn", "", ""]
    return "\n".join([*top, *brought, *(part for line in page for part in broken(line))]).rstrip() + "\n"


def scan_methods(
    system: System,
    shapes: Shapes,
    dependence: Dependence,
    domains: Domains,
    faster: Faster | None,
    scans: Collection[int],
    *,
    recorded: bool = False,
) -> dict[int, ScanMethod]:
    """The methods that the page has for these components; `recorded` says that it is that of a program that acts."""
    whole, regions = _whole(gather(system, shapes, domains, recorded=recorded), dependence, faster)
    return _apart(whole, dependence, regions, scans)


def prepared_method(
    system: System,
    shapes: Shapes,
    dependence: Dependence,
    domains: Domains,
    method: ScanMethod,
    made: Collection[str],
    given: Sequence[str],
) -> list[str] | None:
    """The method that computes what compiled code is given besides, in a System in which that has names: of those that
    are `made`, the ones that are read."""
    region = [c for c in dependence.components if set(made).intersection(c.states)]
    return prepared(gather(system, shapes, domains), region, method, given)


def _whole(facts: Facts, dependence: Dependence, faster: Faster | None) -> tuple[Facts, Regions]:
    """What whole sequences are computed from: the program's components as they are, or rewritten."""
    if faster is None:
        return facts, [c.apart for c in dependence.components]
    return gather(faster.system, faster.shapes, faster.domains, faster.made), faster.regions


def _apart(facts: Facts, dependence: Dependence, regions: Regions, scans: Collection[int]) -> dict[int, ScanMethod]:
    """What of the program stands in methods of its own; what rules have taken out of a loop stands in there, too."""
    parts = zip(dependence.components, regions, strict=True)
    return {n: scan_method(facts, c.states, region, n) for n, (c, region) in enumerate(parts) if n in scans}


# --- the class -----------------------------------------------------------------------------------


def _doc(facts: Facts, name: str) -> list[str]:
    lines = [f'"""{name}', ""]
    for item in facts.system.inputs:
        axes = ("time, batch" if item.indexed else "batch") + "".join(f", {n}" for n in facts.shapes[item.state])
        what = "whole numbers" if item.state in facts.integers else "numbers"
        lines.append(f"{facts.name(item.state)}: {what} [{axes}]")
    return [*lines, '"""'] if facts.system.inputs else [f'"""{name}"""']


def _tables(facts: Facts) -> list[str]:
    """What a reader of results must know: which rows a state has, and how its inputs are called."""
    inputs = {i.state: f'"{facts.name(i.state)}"' for i in facts.system.inputs}
    rows = {state: (i.first, i.last) for state, i in facts.stored.items()}
    lines = ["", f"inputs = {dictionary(inputs)}"]
    if rows:
        lines.append("# the index of a state's first row, and of its last one counted from T")
        lines.append(f"rows = {dictionary({k: repr(v) for k, v in rows.items()})}")
    if any(facts.goals):
        lines.append("# the first step at which each goal counts, and the last counted from T")
        lines.append(f"goals = [{', '.join(repr((s.first, s.last)) if s else 'None' for s in facts.goals)}]")
    if least_steps(facts) > 1:
        lines.append("# how many steps there must be for every point that is read")
        lines.append(f"least = {least_steps(facts)}")
    return "\n".join(lines).split("\n")


def _init(facts: Facts) -> list[str]:
    modules = [argument(layer) for layer in facts.system.layers if layer.function == "module"]
    lines = ["super().__init__()", *making(facts.system, facts.parameters), *copying(facts)]
    if facts.like == SAMPLE:
        lines.append('self.register_buffer("_sample", torch.empty(0), persistent=False)')
    return [f"def __init__({', '.join(['self', *modules])}):", *indented(lines)]
