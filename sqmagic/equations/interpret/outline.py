"""What a System says of time, as far as the judge must know it: who defines what, and which recurrences look ahead.

Written for plainness and apart from `schedule`, which it judges: mutual need is found by walking the graph from each
state that is read ahead, and nothing is known of intervals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Last,
    Point,
    Range,
    Read,
    Running,
    System,
    children,
    points,
    runs,
    scoped_reads,
)


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression, its nodes with children before parents, and what it reads. `runs`: it depends on the step.

    What stands under `during`, in a sum over the window or in a mean over the batch is not among `nodes` and `reads`:
    it is computed on demand. `must` are all reads that have to be defined, `every` all that there are, with a range for
    what a sum goes through.
    """

    nodes: tuple[Expr, ...]
    reads: tuple[Read, ...]
    must: tuple[Read, ...]
    every: tuple[Read, ...]
    runs: bool

    @staticmethod
    def of(expr: Expr) -> Formula:
        nodes = tuple(_postorder(expr))
        reads = tuple(dict.fromkeys(node for node in nodes if isinstance(node, Read)))
        found = scoped_reads(expr)
        must, every = dict.fromkeys(r for r, held in found if held), dict.fromkeys(r for r, _ in found)
        return Formula(nodes, reads, tuple(must), tuple(every), runs(expr))


def _postorder(expr: Expr) -> Iterator[Expr]:
    found, waiting = [], [expr]
    while waiting:
        node = waiting.pop()
        found.append(node)
        waiting.extend(outer_children(node))
    return reversed(found)


def outer_children(node: Expr) -> tuple[Expr, ...]:
    """The children whose values a node is given; a first argument that is computed on demand is not among them."""
    on_demand = isinstance(node, Apply) and node.op in ("during", "window_sum", "batch_mean")
    return children(node)[on_demand:]


def read_runs(read: Read) -> bool:
    return any(isinstance(p, Running) for index in read.context for p in points(index))


def _reaches_ahead(read: Read) -> bool:
    """Whether a read reaches steps after the reader's."""
    match read.context:
        case (Running(_, offset),) | (Range(_, Running(_, offset)),):
            return offset > 0
        case (Range(Running(), Last()),):
            return True
        case _:
            return False


@dataclass(frozen=True, slots=True)
class Recurrence:
    """Equations over time that need one another, with a read ahead among them. `number` is the least of them."""

    number: int
    equations: tuple[int, ...]
    states: frozenset[str]

    def inside(self, read: Read) -> bool:
        """Whether a read is of the recurrence itself at a step that moves along."""
        return read.state in self.states and read_runs(read)


@dataclass(frozen=True, slots=True)
class Outline:
    """`bare`, `running`, `given` (at points) say which equation, and which of its outputs, defines a state.

    `after` and `before` bound an equation over time by its base cases: later than the last number, and earlier than
    the first distance from T. `ahead` has the recurrences that look ahead, by the number of each of their equations.
    `unbounded` are equations that nothing bounds below: they hold from 1. `normalised` are the layers and arguments of
    each batch_norm within a recurrence. Below `lowest` nothing can be defined.
    """

    equations: tuple[Formula, ...]
    goals: tuple[Formula, ...]
    bare: Mapping[str, tuple[int, int]]
    running: Mapping[str, tuple[int, int]]
    given: Mapping[tuple[str, Point], tuple[int, int]]
    after: Mapping[int, int]
    before: Mapping[int, int]
    ahead: Mapping[int, Recurrence]
    unbounded: frozenset[int]
    normalised: frozenset[tuple[str | None, Expr]]
    lowest: int


def outline(system: System) -> Outline:
    formulas = tuple(Formula.of(e.value) for e in system.equations)
    bare: dict[str, tuple[int, int]] = {}
    running: dict[str, tuple[int, int]] = {}
    given: dict[tuple[str, Point], tuple[int, int]] = {}
    for number, equation in enumerate(system.equations):
        for output, target in enumerate(equation.targets):
            match target.context:
                case ():
                    bare[target.state] = number, output
                case (Running(),):
                    running[target.state] = number, output
                case (Fixed() | Last() as point,):
                    given[target.state, point] = number, output
                case _:
                    raise AssertionError("the judge knows states with one index")
    after, before = _bounds(system.equations, given)
    ahead = _ahead(system.equations, formulas, running)
    firsts = [i.first.value for i in system.inputs if isinstance(i.first, Fixed)]
    lowest = min([1, *firsts, *(p.value for _, p in given if isinstance(p, Fixed))]) - sum(map(_reach, formulas))
    return Outline(
        equations=formulas,
        goals=tuple(Formula.of(g.value) for g in system.goals),
        bare=bare,
        running=running,
        given=given,
        after=after,
        before=before,
        ahead=ahead,
        unbounded=frozenset(n for n, e in enumerate(system.equations) if _is_unbounded(n, formulas, ahead, after)),
        normalised=frozenset(
            (node.layer, node.args[0])
            for n, f in enumerate(formulas)
            if (found := _batch_norms(f)) and _on_a_cycle(n, formulas, running)
            for node in found
        ),
        lowest=lowest,
    )


def _bounds(
    equations: Iterable[Equation], given: Mapping[tuple[str, Point], tuple[int, int]]
) -> tuple[dict[int, int], dict[int, int]]:
    after: dict[int, int] = {}
    before: dict[int, int] = {}
    for number, equation in enumerate(equations):
        states = {t.state for t in equation.targets if t.context and isinstance(t.context[0], Running)}
        bases = [p for state, p in given if state in states]
        if numbers := [p.value for p in bases if isinstance(p, Fixed)]:
            after[number] = max(numbers)
        if ends := [p.offset for p in bases if isinstance(p, Last)]:
            before[number] = min(ends)
    return after, before


def _ahead(
    equations: tuple[Equation, ...], formulas: tuple[Formula, ...], running: Mapping[str, tuple[int, int]]
) -> dict[int, Recurrence]:
    needs = [{running[r.state][0] for r in f.every if read_runs(r) and r.state in running} for f in formulas]
    needed_by: list[set[int]] = [set() for _ in formulas]
    for number, needed in enumerate(needs):
        for other in needed:
            needed_by[other].add(number)
    found: dict[int, Recurrence] = {}
    for number, formula in enumerate(formulas):
        for read in formula.every:
            if _reaches_ahead(read) and read.state in running and number not in found:
                members = _walked(running[read.state][0], needs) & _walked(number, needed_by)
                if number in members and not _all_ways_lead_back(members, formulas, running):
                    states = frozenset(t.state for m in members for t in equations[m].targets)
                    recurrence = Recurrence(min(members), tuple(sorted(members)), states)
                    found |= dict.fromkeys(members, recurrence)
    return found


def _all_ways_lead_back(
    members: set[int], formulas: tuple[Formula, ...], running: Mapping[str, tuple[int, int]]
) -> bool:
    """Whether what equations read ahead in one another is made from the past: no way round is as long as 0 or longer.

    `f_t = g_{t+1}`, `g_t = f_{t-2}` is such a recurrence: it looks ahead on paper alone.
    """
    longest: dict[tuple[int, int], int] = {}
    for number in members:
        for read in formulas[number].every:
            if read.state in running and running[read.state][0] in members and read_runs(read):
                match read.context:
                    case (Running(_, offset),):
                        pair = number, running[read.state][0]
                        longest[pair] = max(offset, longest.get(pair, offset))
                    case _:
                        return False
    for middle in members:
        for one in members:
            for other in members:
                ways = longest.get((one, middle)), longest.get((middle, other))
                if ways[0] is not None and ways[1] is not None:
                    longest[one, other] = max(ways[0] + ways[1], longest.get((one, other), ways[0] + ways[1]))
    return all(longest.get((member, member), -1) < 0 for member in members)


def _walked(start: int, graph: list[set[int]]) -> set[int]:
    found, waiting = {start}, [start]
    while waiting:
        for other in graph[waiting.pop()] - found:
            found.add(other)
            waiting.append(other)
    return found


def _is_unbounded(
    number: int, formulas: tuple[Formula, ...], ahead: Mapping[int, Recurrence], after: Mapping[int, int]
) -> bool:
    """Whether neither a base case nor anything over time that is read from outside says where it begins."""
    if number not in after and not any(map(read_runs, formulas[number].must)):
        return True
    recurrence = ahead.get(number)
    members = recurrence.equations if recurrence else (number,)
    outside = [r for m in members for r in formulas[m].must if not (recurrence and recurrence.inside(r))]
    return not any(m in after for m in members) and not any(map(read_runs, outside))


def _reach(formula: Formula) -> int:
    """How far ahead a formula reads at most."""
    offsets = [p.offset for r in formula.every for i in r.context for p in points(i) if isinstance(p, Running)]
    return max([0, *offsets])


def _batch_norms(formula: Formula) -> list[Apply]:
    return [node for node in formula.nodes if isinstance(node, Apply) and node.op == "batch_norm"]


def _on_a_cycle(number: int, formulas: tuple[Formula, ...], running: Mapping[str, tuple[int, int]]) -> bool:
    """Whether an equation is part of a recurrence."""
    needs = [{running[r.state][0] for r in f.every if read_runs(r) and r.state in running} for f in formulas]
    return any(number in _walked(other, needs) for other in needs[number])
