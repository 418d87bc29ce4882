"""The order in which a step is acted: data first, then the order of the program; what acts on one thing never changes
places.

Before: a System whose effects are to happen step by step. After: the numbers of its equations over time, each once.
Within a step an equation stands after what it reads at that step. Of two effects on one environment, or on one
buffer, the one that stands first in the program happens first, unless it needs what the other gives.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import Apply, Equation, Range, Read, Running, System, points, reads, walk
from sqmagic.schedule.graph import Graph, stable_order, strong_components


def step_order(system: System) -> tuple[int, ...]:
    """The equations over time, and the effects without a result, in an order in which a step can be acted."""
    members = [n for n, e in enumerate(system.equations) if is_acted(e)]
    data = _data(system, members)
    chained = [set(needs) for needs in data]
    for before, after in _chains(system, members):
        if not _reaches(data, before, after):
            chained[after].add(before)
    graph = chained if all(len(c) == 1 for c in strong_components(chained)) else data
    return tuple(members[n] for n in stable_order(graph, lambda n: (n,)))


def is_acted(equation: Equation) -> bool:
    """Whether it happens at every step."""
    return not equation.targets or any(isinstance(i, Running) for t in equation.targets for i in t.context)


def last_uses(system: System, order: Sequence[int]) -> dict[int, bool]:
    """For each `step`, whether it is the last that reads the state it goes on from: then nothing need be kept of it."""
    uses: dict[str, list[tuple[int, int, int]]] = {}
    for place, number in enumerate(order):
        match system.equations[number].value:
            case Apply("step", (Read(state, context), *_)):
                at = next((i.offset for i in context if isinstance(i, Running)), 0)
                uses.setdefault(state, []).append((-at, place, number))
            case _:
                pass
    found: dict[int, bool] = {}
    for each in uses.values():
        final = max(each)[2]
        found |= {number: number == final for _, _, number in each}
    return found


def _data(system: System, members: Sequence[int]) -> list[set[int]]:
    """What each must come after: what it reads at its own step."""
    home = {t.state: n for n, m in enumerate(members) for t in system.equations[m].targets}
    found: list[set[int]] = []
    for n, m in enumerate(members):
        needs = {
            home[r.state]
            for r in reads(system.equations[m].value)
            if r.state in home
            for i in r.context
            if any(isinstance(p, Running) and p.offset == 0 for p in (points(i)[-1:] if isinstance(i, Range) else (i,)))
        }
        found.append(needs - {n})
    return found


def _chains(system: System, members: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of effects on one thing, one after the other in the program."""
    latest: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for n, m in enumerate(members):
        for thing in _things(system.equations[m]):
            if thing in latest:
                pairs.append((latest[thing], n))
            latest[thing] = n
    return pairs


def _things(equation: Equation) -> set[str]:
    """What an equation acts on: the environment, a buffer by its name, chance."""
    effects = [n for n in walk(equation.value) if isinstance(n, Apply) and ALL_OPS[n.op].effect]
    return {
        "environment" if n.op in ("reset", "step") else f"buffer {n.layer}" if n.op in ("Add", "Get") else "chance"
        for n in effects
    }


def _reaches(graph: Graph, start: int, goal: int) -> bool:
    """Whether `start` needs `goal`, however far."""
    seen, waiting = {start}, [start]
    while waiting:
        for need in graph[waiting.pop()]:
            if need == goal:
                return True
            if need not in seen:
                seen.add(need)
                waiting.append(need)
    return False
