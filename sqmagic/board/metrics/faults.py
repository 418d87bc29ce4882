"""What misses the checklist: each figure's threshold, and in which words to say that it was missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqmagic.board.layout.scene import Scene
from sqmagic.board.metrics.figures import Figures, measured


@dataclass(frozen=True, slots=True)
class Fault:
    """`point` is that of the checklist; a `grave` one tells something untrue, any other is only less beautiful."""

    point: int
    part: str
    text: str
    grave: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    point: int
    grave: bool
    holds: Callable[[Figures], bool]
    text: Callable[[Figures], str]


_RULES = (
    _Rule(1, True, lambda f: f.undrawn == 0, lambda f: f"{f.undrawn} wires are not drawn"),
    _Rule(2, True, lambda f: f.rise < 0.01, lambda f: f"a rail rises by {f.rise:.0f}"),
    _Rule(3, True, lambda f: f.rail_bends == 0, lambda f: f"{f.rail_bends} bends on rails"),
    _Rule(4, True, lambda f: f.against_time == 0, lambda f: f"{f.against_time} stops of rails stand against time"),
    _Rule(5, False, lambda f: f.upwards >= 0.95, lambda f: f"only {f.upwards:.0%} of the wires follow the flow"),
    _Rule(6, True, lambda f: f.overlaps == 0, lambda f: f"{f.overlaps} pairs of nodes overlap"),
    _Rule(7, True, lambda f: f.through == 0, lambda f: f"{f.through} wires run through nodes"),
    _Rule(8, False, lambda f: f.close == 0, lambda f: f"{f.close} wires run too close to another"),
    _Rule(
        9,
        False,
        lambda f: f.crossings <= max(1, 0.4 * f.wires),
        lambda f: f"{f.crossings} crossings of {f.wires} wires",
    ),
    _Rule(10, False, lambda f: f.bends <= 0.8, lambda f: f"{f.bends:.2f} bends for each wire"),
    _Rule(10, False, lambda f: f.most_bends <= 5, lambda f: f"a wire bends {f.most_bends} times"),
    _Rule(10, False, lambda f: f.crooked == 0, lambda f: f"{f.crooked} wires bend that could be straight"),
    _Rule(11, False, lambda f: f.unnamed == 0, lambda f: f"{f.unnamed} values are not named"),
    _Rule(11, False, lambda f: f.collisions == 0, lambda f: f"{f.collisions} names lie on something"),
    _Rule(12, False, lambda f: f.letters >= 9, lambda f: f"letters of {f.letters:.1f} px at a width of 700"),
    _Rule(
        13,
        False,
        lambda f: f.aspect is None or 0.55 <= f.aspect <= 2.2,
        lambda f: f"the cell is {f.aspect:.2f} as wide as high",
    ),
    _Rule(14, False, lambda f: f.unbridged == 0, lambda f: f"{f.unbridged} crossings and bridges do not agree"),
    _Rule(15, False, lambda f: f.shortest >= 14, lambda f: f"{f.shortest:.1f} before an arrowhead"),
    _Rule(16, False, lambda f: f.uneven < 0.01, lambda f: f"layers on one bus stand {f.uneven:.0f} apart in height"),
    _Rule(0, False, lambda f: f.strays == 0, lambda f: f"{f.strays} things stand in a wrong macro's box"),
)


def faults(scene: Scene, most_crossings: int | None = None) -> tuple[Fault, ...]:
    """What misses its threshold, grave faults first; `most_crossings` is a limit of this program's own."""
    own = measured(scene)
    found = [
        Fault(rule.point, name, rule.text(figures), rule.grave)
        for name, figures in own.items()
        for rule in _RULES
        if not rule.holds(figures)
    ]
    crossed = sum(figures.crossings for figures in own.values())
    if most_crossings is not None and crossed > most_crossings:
        found.append(Fault(9, "", f"{crossed} crossings, and {most_crossings} would do", False))
    return tuple(sorted(found, key=lambda fault: not fault.grave))
