"""Pictures against the checklist: those of the seed, and 300 that are generated; and that the figures notice faults.

`LISTED` are the generated programs whose pictures miss thresholds that are not grave, with the points of the checklist.
A program that gets better must leave the list, and nothing else may come onto it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest
from boards import generated
from test_board_programs import a2c_gae, gru, gru_two_layers, lstm

from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.columns import columns
from sqmagic.board.layout.coordinates import Placed, Wire
from sqmagic.board.layout.grid import Plan
from sqmagic.board.layout.laid import changed, guessed, tried
from sqmagic.board.layout.rails import rails
from sqmagic.board.layout.rows import rows
from sqmagic.board.layout.scene import Part, Scene, scene
from sqmagic.board.layout.wires import wiring
from sqmagic.board.metrics.faults import Fault, faults
from sqmagic.board.metrics.figures import measured
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source

ALL = ("all",)
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/program.sqn"))

MOST_CROSSINGS = {"lstm_seed": 1, "gru_inline": 1, "gru_macro": 1, "a2c_gae": 10}
"""Olah's own pictures of the LSTM and the GRU have one."""

LISTED: dict[int, set[int]] = {100: {9, 10}, 106: {9}, 107: {9}}

COUNT, CHUNK = 300, 25


def meant(text: str) -> System:
    """The program of the seed as far as it can be meant: some have faults, and are drawn with them."""
    return elaborate(parse(text), Source.of(text), Kernel()).system


# --- the seed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("expand", [(), ALL], ids=["folded", "unfolded"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_a_picture_of_the_seed_keeps_to_the_checklist(path: Path, expand: tuple[str, ...]) -> None:
    drawn = scene(meant(path.read_text(encoding="utf-8")), {}, expand)
    assert faults(drawn, MOST_CROSSINGS.get(path.parent.name)) == ()


@pytest.mark.parametrize(("program", "most"), [(lstm, 1), (gru, 1), (gru_two_layers, 2), (a2c_gae, 10)])
def test_an_unfolded_program_keeps_to_the_checklist(program: Callable[[], System], most: int) -> None:
    assert faults(scene(program(), {}, ALL), most) == ()


CLOCKS = """\
0 -> a_0
0 -> b_0
0 -> b_{-1}
0 -> c_0
0 -> c_{-1}
a_{t-1}|x_t --[A|tanh]-> a_t
b_{t-2}|a_t --[B|tanh]-> b_t
c_{t-3}|b_t --[C|tanh]-> c_t
a_t|b_t|c_t --[Gen]-> p_t => y_t
"""


def test_joined_lines_go_on_aside_where_that_saves_bends() -> None:
    [(_, found)] = measured(scene(meant(CLOCKS), {}, ())).items()
    assert found.crossings <= 2 and found.bends <= 0.45


TWO_RAILS = """\
0 -> c_0
0 -> h_0
LSTM: c_{t-1}, h_{t-1}, x_t
    h_{t-1}|x_t -> p_t
    p_t --[F|sigmoid]-> f_t
    c_{t-1}*f_t -> c_t
    p_t --[O|tanh]-> h_t
    return c_t, h_t
LSTM(c_{t-1}, h_{t-1}, x_t) -> c_t, h_t
h_t --[Gen]-> q_t => y_t
"""


def test_no_gap_of_a_crossing_lies_on_an_arrowhead() -> None:
    part = scene(meant(TWO_RAILS), {}, ()).parts["c"]
    near = []
    for wire in part.placed.wires:
        (x, y), (u, v) = wire.corners[-1], wire.corners[-2]
        near += [abs(x - a) for a, b in part.placed.crossings if b == y == v and min(x, u) < a < max(x, u)]
    assert near and min(near) >= 12.0 + 4.6


# --- generated ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, COUNT, CHUNK))
def test_generated_programs_keep_to_the_checklist(first: int, request: pytest.FixtureRequest) -> None:
    seeds = range(first, first + (1 if request.config.getoption("--alone") else CHUNK))
    missed = {seed: found for seed in seeds if (found := _faults_of(generated(seed)))}
    assert not {seed: found for seed, found in missed.items() if any(fault.grave for fault in found)}
    points = {seed: {fault.point for fault in found} for seed, found in missed.items()}
    assert points == {seed: LISTED[seed] for seed in seeds if seed in LISTED}


@pytest.mark.parametrize("seed", [2044, 2152, 3271], ids=["beside a part", "alone", "higher"])
def test_a_tower_is_drawn_no_wider_than_its_letters_can_be_read(seed: int) -> None:
    assert _faults_of(generated(seed)) == ()


@pytest.mark.parametrize("seed", [2235, 2099], ids=["where another name stood", "between wires"])
def test_a_name_finds_room(seed: int) -> None:
    assert _faults_of(generated(seed)) == ()


def _faults_of(system: System) -> tuple[Fault, ...]:
    """Folded, and unfolded where it has macros."""
    views = [(), ALL] if any(equation.group for equation in system.equations) else [()]
    return tuple(fault for expand in views for fault in faults(scene(system, {}, expand)))


def test_generated_programs_hold_what_pictures_must_cope_with() -> None:
    drawn = [scene(generated(seed), {}, ALL) for seed in range(40)]
    nodes = [node for one in drawn for part in one.parts.values() for node in part.graph.nodes]
    kinds = {node.kind for node in nodes}
    assert kinds >= {"layer", "pointwise", "merge", "delay", "function", "buffer", "loss", "objective", "entry", "exit"}
    assert {node.side for node in nodes} >= {"left", "right"}
    assert max(len(node.group) for node in nodes) == 2
    assert {name for one in drawn for name in one.parts} == {"b", "c", "a"}


# --- the figures notice faults -----------------------------------------------------------------------


def _with(change: Callable[[Part], Placed]) -> Callable[[Scene], Scene]:
    def changed(drawn: Scene) -> Scene:
        part = drawn.parts["c"]
        return replace(drawn, parts={"c": replace(part, placed=change(part))})

    return changed


def _find(part: Part, kind: str, text: str = "") -> int:
    return next(n for n, node in enumerate(part.graph.nodes) if node.kind == kind and text in node.label.text)


def _wire(part: Part, source: str, sink: str) -> Wire:
    nodes = part.graph.nodes
    ends = ((wire, nodes[part.graph.nets[wire.net].source].kind, nodes[wire.sink].kind) for wire in part.placed.wires)
    return next(wire for wire, a, b in ends if (a, b) == (source, sink))


def _moved(part: Part, n: int, x: float, y: float) -> Placed:
    spots = list(part.placed.spots)
    spots[n] = (spots[n][0] + x, spots[n][1] + y)
    return replace(part.placed, spots=tuple(spots))


def _rewired(part: Part, old: Wire, new: Wire | None) -> Placed:
    wires = [new if wire is old else wire for wire in part.placed.wires]
    return replace(part.placed, wires=tuple(wire for wire in wires if wire))


def _bent(part: Part, wire: Wire, times: int) -> Placed:
    """A wire with steps to the side in its first piece."""
    (x, y), *rest = wire.corners
    steps = [(x + (1 if k % 4 in (1, 2) else 0), y + 1 + k // 2) for k in range(times)]
    return _rewired(part, wire, replace(wire, corners=((x, y), *steps, *rest)))


def _stretched(part: Part, across: float, up: float) -> Placed:
    cell = part.placed.cell
    assert cell
    return replace(part.placed, cell=Box(cell.left, cell.bottom, cell.left + across, cell.bottom + up))


def _label_on_node(drawn: Scene) -> Scene:
    part = drawn.parts["c"]
    box = part.placed.box(_find(part, "layer"))
    return replace(drawn, parts={"c": replace(part, tags=(replace(part.tags[0], box=box), *part.tags[1:]))})


def _unlabelled(drawn: Scene) -> Scene:
    return replace(drawn, parts={"c": replace(drawn.parts["c"], tags=())})


def _enlarged(drawn: Scene) -> Scene:
    part = drawn.parts["c"]
    far = replace(part.tags[0], box=Box(2000, 0, 2010, 10))
    return replace(drawn, parts={"c": replace(part, tags=(*part.tags, far))})


BROKEN: dict[str, tuple[int, Callable[[Scene], Scene]]] = {
    "a wire is missing": (1, _with(lambda p: _rewired(p, _wire(p, "layer", "pointwise"), None))),
    "a wire was forced": (
        1,
        _with(lambda p: _rewired(p, w := _wire(p, "layer", "pointwise"), replace(w, forced=True))),
    ),
    "a rail leaves higher": (2, _with(lambda p: _moved(p, _find(p, "exit"), 0, 9))),
    "a rail's stop is lifted": (3, _with(lambda p: _moved(p, _find(p, "pointwise", "+"), 0, 3))),
    "a stop stands against time": (4, _with(lambda p: _moved(p, _find(p, "pointwise", "+"), -300, 0))),
    "layers stand above what they feed": (5, _with(lambda p: _moved(p, _find(p, "layer", "tanh"), 0, 900))),
    "nodes overlap": (6, _with(lambda p: replace(p.placed, extents=tuple((w * 3, h) for w, h in p.placed.extents)))),
    "a node stands on a wire": (7, _with(lambda p: _moved(p, _find(p, "layer"), 0, -53))),
    "a wire runs beside another": (
        8,
        _with(
            lambda p: _rewired(
                p,
                w := _wire(p, "layer", "pointwise"),
                replace(w, corners=tuple((x + 50, y) for x, y in _wire(p, "pointwise", "output").corners)),
            )
        ),
    ),
    "a wire bends seven times": (10, _with(lambda p: _bent(p, _wire(p, "layer", "pointwise"), 7))),
    "names are missing": (11, _unlabelled),
    "a name lies on a layer": (11, _label_on_node),
    "it is too wide to read": (12, _enlarged),
    "a cell is a tower": (13, _with(lambda p: _stretched(p, 300, 900))),
    "a cell is a ribbon": (13, _with(lambda p: _stretched(p, 900, 300))),
    "a bridge is missing": (14, _with(lambda p: replace(p.placed, crossings=()))),
    "a bridge is over nothing": (14, _with(lambda p: replace(p.placed, crossings=((1, 1), *p.placed.crossings)))),
    "a layer stands out of line": (16, _with(lambda p: _moved(p, _find(p, "layer"), 0, 5))),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_fault_is_noticed(what: str) -> None:
    point, broken = BROKEN[what]
    drawn = scene(lstm(), {})
    assert faults(drawn) == ()
    assert point in {fault.point for fault in faults(broken(drawn))}


def test_a_short_piece_before_an_arrowhead_is_noticed() -> None:
    drawn = scene(lstm(), {})
    part = drawn.parts["c"]
    wire = next(wire for wire in part.placed.wires if wire.arrow and len(wire.corners) > 2)
    *before, (x, y), last = wire.corners
    near = (last[0] - 5 if x != last[0] else x, last[1] - 5 if y != last[1] else y)
    short = _rewired(part, wire, replace(wire, corners=(*before, near, last)))
    found = faults(replace(drawn, parts={"c": replace(part, placed=short)}))
    assert 15 in {fault.point for fault in found}


def test_crossings_beyond_a_limit_are_noticed() -> None:
    assert [fault.point for fault in faults(scene(lstm(), {}), 0)] == [9]


def test_a_stranger_in_the_box_of_a_macro_is_noticed() -> None:
    drawn = scene(gru_two_layers(), {}, ALL)
    part = drawn.parts["c"]
    spread = tuple(replace(group, box=group.box.grown(120)) for group in part.groups)
    found = faults(replace(drawn, parts={"c": replace(part, groups=spread)}))
    assert any("macro" in fault.text for fault in found)


# --- the same picture --------------------------------------------------------------------------------

_PRINTED = """
import sys
sys.path.insert(0, {tests!r})
from boards import generated
from test_board_programs import a2c_gae, gru_two_layers, lstm
from sqmagic.board.layout.scene import scene
for system in (lstm(), gru_two_layers(), *map(generated, (0, 4, 8))):
    for part in scene(system, {{}}, ("all",)).parts.values():
        print(part.placed, part.tags, part.groups)
"""


def test_a_program_has_one_picture_in_every_process() -> None:
    script = _PRINTED.format(tests=str(Path(__file__).parent))
    printed = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(printed) == 1
    assert len(printed.pop()) > 1000


@pytest.mark.parametrize(
    ("program", "old", "new"), [("lstm_seed", "h", "n"), ("gru_inline", "z", "a"), ("td", "V", "A")]
)
def test_a_state_of_another_name_changes_labels_alone(program: str, old: str, new: str) -> None:
    text = (Path(__file__).parent / "golden" / program / "program.sqn").read_text(encoding="utf-8")
    renamed = re.sub(rf"\b{old}(?=_)", new, text)
    assert renamed != text
    before, after = (scene(meant(t), {}).parts["c"] for t in (text, renamed))
    assert [node.kind for node in before.graph.nodes] == [node.kind for node in after.graph.nodes]
    assert before.placed == after.placed
    assert [tag.box for tag in before.tags] == [tag.box for tag in after.tags]
    assert [tag.label for tag in before.tags] != [tag.label for tag in after.tags]


# --- the search --------------------------------------------------------------------------------------

SEVERAL = (3, 39, 53, 156)


def _plan(system: System) -> Plan:
    graph = scene(system, {}).parts["c"].graph
    own = rails(graph)
    heights = rows(graph, own)
    return Plan(graph, own, heights, columns(graph, own, heights))


@pytest.mark.parametrize("seed", SEVERAL)
def test_plans_that_are_guessed_to_cost_less_do_by_and_large(seed: int) -> None:
    start = _plan(generated(seed))
    own = wiring(start)
    by_guess = sorted(changed(own, start)[:60], key=lambda plan: guessed(own, plan) + plan.columns.count)
    costs = [tried(own, plan) for plan in by_guess]
    assert fmean(costs[:30]) < fmean(costs[30:])


_CELL_AND_READOUT = """\
Enc: h_{t-1},x_t
    h_{t-1}|x_t --[W|tanh]-> h_t
    return h_t
x_t : 8
h_0 := 0
h_{t-1},x_t --[Enc]-> h_t
h_t --[Gen|softmax]-> p_t => y_t
"""


def test_what_reads_a_rail_stands_beside_the_cell_with_all_that_stands_above_it() -> None:
    part = scene(meant(_CELL_AND_READOUT), {}).parts["c"]
    corners = {part.graph.nodes[wire.sink].kind: len(wire.corners) - 2 for wire in part.placed.wires}
    assert corners == {"macro": 0, "exit": 0, "layer": 1, "output": 0, "loss": 0}
    enc, gen, circle, loss = (part.placed.spots[_find(part, kind)] for kind in ("macro", "layer", "output", "loss"))
    assert enc[0] < gen[0] == circle[0] == loss[0]


# --- lines that join -----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(2, 9))
def test_any_number_of_inputs_are_joined_one_after_the_other(count: int) -> None:
    inputs = [f"x{i}_t" for i in range(1, count)]
    text = "".join(f"{name} : 4\n" for name in inputs)
    text += f"0 -> h_0\n{'|'.join(['h_{t-1}', *inputs])} --[A|tanh]-> h_t\nh_t --[Gen]-> p_t => y_t\n"
    drawn = scene(meant(text), {})
    assert faults(drawn) == ()
    part = drawn.parts["c"]
    merges = [n for n, node in enumerate(part.graph.nodes) if node.kind == "merge"]
    assert len(merges) == count - 1
    assert len({part.placed.spots[n][1] for n in merges}) == 1


def test_a_long_name_makes_an_ellipse_of_its_circle() -> None:
    part = scene(meant("picture_t : 4\npicture_t --[A]-> prediction_t => y_t\n"), {}).parts["c"]
    found = {node.label.base: extent for node, extent in zip(part.graph.nodes, part.placed.extents, strict=True)}
    assert found["prediction"][0] > found["prediction"][1] == found["y"][1] == found["y"][0]
