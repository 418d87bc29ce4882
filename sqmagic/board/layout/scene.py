"""The whole picture: what comes before the steps, the cell, what comes after, each laid out and set side by side."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase

from sqmagic.board.errors import PictureError
from sqmagic.board.facts import coloured
from sqmagic.board.faults import NO_FAULTS, Faults
from sqmagic.board.layout.boundary import bounded
from sqmagic.board.layout.boxes import Box, Spot, around
from sqmagic.board.layout.columns import columns
from sqmagic.board.layout.coordinates import NO_NAMES, Placed, place
from sqmagic.board.layout.fold import folded
from sqmagic.board.layout.frames import Group, groups, names, reaching_out, widened
from sqmagic.board.layout.graph import Graph, Node, lowered
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.labels import Tag, nameless, tag_size, tags
from sqmagic.board.layout.normalise import nodes
from sqmagic.board.layout.operands import operands
from sqmagic.board.layout.rails import rails
from sqmagic.board.layout.regions import Region, regions
from sqmagic.board.layout.route import Routes
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.search import best
from sqmagic.board.layout.stores import stored
from sqmagic.board.lines import Line, lines, notes
from sqmagic.board.names import name
from sqmagic.board.plain import line_plain, write
from sqmagic.board.theme import state_colours
from sqmagic.equations.system import Equation, Fixed, Last, Point, Running, System, points, reads

_BESIDE = 26.0


@dataclass(frozen=True, slots=True)
class Part:
    """One region with its places."""

    graph: Graph
    placed: Placed
    tags: tuple[Tag, ...]
    groups: tuple[Group, ...]

    def ground(self, spot: Spot) -> str:
        """On what a spot lies: a group, the cell, or the page."""
        x, y = spot
        cell = self.placed.cell
        if any(g.box.left < x < g.box.right and g.box.bottom < y < g.box.top for g in self.groups):
            return "group"
        return "cell" if cell is not None and cell.bottom < y < cell.top else "page"

    def bounds(self) -> Box:
        boxes = [self.placed.box(n) for n in range(len(self.graph.nodes))]
        boxes += [around([Box(x, y, x, y) for x, y in wire.corners]) for wire in self.placed.wires]
        boxes += [tag.box for tag in self.tags] + [g.box for g in self.groups]
        return around([*boxes, *([self.placed.cell] if self.placed.cell else [])])


@dataclass(frozen=True, slots=True)
class Told:
    """An equation that is told in words and not drawn: a number, or a base case, which `starts` states at points.

    `text` and its right side `value` have parts that stand below (see `lowered`), `plain` is Unicode.
    """

    text: str
    plain: str
    value: str
    starts: tuple[tuple[str, Point], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """The parts by name (`b`: before the steps, `c`: the cell, `a`: after them), what is told under them, the number of
    each state's colour, and the letter of the cell."""

    parts: dict[str, Part]
    told: tuple[Told, ...]
    colours: Mapping[str, int]
    letter: str


def scene(system: System, titles: Mapping[int, str], expand: Collection[str] = (), faults: Faults = NO_FAULTS) -> Scene:
    """The places of all that is drawn; macros stay folded but those in `expand` (see `folded`).

    Raises PictureError for a program that is too large for a picture.
    """
    split = regions(system)
    known, away = notes(system, {}), _away(split.after)

    def drawn(region: Region) -> list[Node]:
        every = nodes(region.equations, region.goals, system.layers, known, titles, faults.spans)
        return stored(folded(every, expand, away))

    found: dict[str, Part] = {}
    if split.before:
        found["b"] = _laid(bounded(drawn(split.before), timed=False, lost=faults.states))
    if split.cell:
        found["c"] = _laid(bounded(drawn(split.cell), timed=True, away=away, lost=faults.states))
    if split.after:
        found["a"] = _laid(bounded(drawn(split.after), timed=False, lost=faults.states))
    parts = _side_by_side(found)
    written = lines(replace(system, equations=split.told, goals=()), replace(known, linear=True))
    told = tuple(map(_told, split.told, written))
    return Scene(parts, told, state_colours(coloured(system)), _letter(system))


def _letter(system: System) -> str:
    """What the cell is called: `A`, or the first capital that nothing in the program is called."""
    called = {each.state for each in system.inputs}
    called |= {each.name for each in system.layers} | {each.name for each in system.buffers}
    for equation in system.equations:
        called |= {*equation.group, *(target.state for target in equation.targets)}
    taken = {name(each).base for each in called}
    return next((each for each in ascii_uppercase if each not in taken), ascii_uppercase[0])


def _told(equation: Equation, line: Line) -> Told:
    starts = ((t.state, i) for t in equation.targets for i in t.context if isinstance(i, Fixed | Last))
    return Told(line_plain(line, small=lowered), line_plain(line), write(line.right, lowered), tuple(starts))


_ROOMS = ((1.0, 1.0), (1.0, 1.1), (1.0, 1.2), (1.1, 1.1), (1.2, 1.2), (1.4, 1.4), (1.3, 1.7))
"""How far things stand apart, across and upwards: more only where a name would else find no place. What finds none
even then gets room of its own beside its wires."""

MOST = 400
"""Nodes in one picture: more would take long and show nothing."""


def _laid(graph: Graph) -> Part:
    if len(graph.nodes) > MOST:
        raise PictureError(
            f"a picture of {len(graph.nodes):,} parts would show nothing ({MOST} is the most that is drawn); draw a"
            " macro of this program in a cell of its own"
        )
    own = rails(graph)
    heights = rows(graph, own)
    plan, routes = best(Plan(graph, own, heights, columns(graph, own, heights)))
    found = _placed(plan, routes, _ROOMS[0])
    for room in _ROOMS[1:]:
        if not _nameless(found):
            break
        found = min(found, _placed(plan, routes, room), key=_nameless)
    beside = {net: tag_size(graph.nets[net]) for net in nameless(graph, found.tags)}
    for room in _ROOMS if beside else ():
        found = min(found, _placed(plan, routes, room, beside), key=_nameless)
    return found


def _nameless(part: Part) -> int:
    return len(nameless(part.graph, part.tags))


def _placed(plan: Plan, routes: Routes, room: Spot, beside: Mapping[int, Spot] = NO_NAMES) -> Part:
    placed = place(plan, routes, room, beside)
    boxes = groups(plan.graph, placed)
    placed = widened(placed, boxes)
    inner = tags(plan.graph, placed, [g.box for g in boxes])
    inner += names(boxes, placed, inner, [placed.box(n) for n in range(len(plan.graph.nodes))])
    inner += operands(plan.graph, placed, [g.box for g in boxes], inner)
    placed, outer = reaching_out(plan.graph, placed)
    return Part(plan.graph, placed, inner + outer, boxes)


def _away(region: Region) -> list[str]:
    """States whose last value the part after the steps reads."""
    values = [e.value for e in region.equations] + [g.value for g in region.goals]
    found = (r for value in values for r in reads(value))
    late = [r.state for r in found if any(isinstance(p, Last | Running) for i in r.context for p in points(i))]
    return list(dict.fromkeys(late))


# --- side by side --------------------------------------------------------------------------------------


def _side_by_side(parts: Mapping[str, Part]) -> dict[str, Part]:
    out: dict[str, Part] = {}
    for which, part in parts.items():
        if out:
            right = max(p.bounds().right for p in out.values())
            part = _shifted(part, right + _BESIDE - part.bounds().left, _lift(list(out.values()), part))
        out[which] = part
    return out


def _lift(before: Sequence[Part], part: Part) -> float:
    """What brings the first state that two parts share to one height; without one, their middles."""
    own = dict(_meeting(part))
    for earlier in reversed(before):
        for state, y in _meeting(earlier):
            if state in own:
                return y - own[state]
    whole, box = around([p.bounds() for p in before]), part.bounds()
    return (whole.bottom + whole.top - box.bottom - box.top) / 2


def _meeting(part: Part) -> Iterator[tuple[str, float]]:
    """States that may go on in the next part, with their heights."""
    for node, (_, y) in zip(part.graph.nodes, part.placed.spots, strict=True):
        if node.kind in {"input", "output", "entry", "exit"}:
            yield node.state, y


def _shifted(part: Part, dx: float, dy: float) -> Part:
    placed = part.placed

    def spot(at: Spot) -> Spot:
        return (at[0] + dx, at[1] + dy)

    def box(at: Box) -> Box:
        return Box(at.left + dx, at.bottom + dy, at.right + dx, at.top + dy)

    moved = replace(
        placed,
        spots=tuple(map(spot, placed.spots)),
        wires=tuple(replace(wire, corners=tuple(map(spot, wire.corners))) for wire in placed.wires),
        crossings=tuple(map(spot, placed.crossings)),
        cell=box(placed.cell) if placed.cell else None,
    )
    found = tuple(replace(tag, box=box(tag.box)) for tag in part.tags)
    return Part(part.graph, moved, found, tuple(replace(g, box=box(g.box)) for g in part.groups))
