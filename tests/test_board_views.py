"""Views: what each shows, and what holds in all of them for every program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Collection
from itertools import combinations, pairwise
from pathlib import Path
from shutil import which
from xml.etree import ElementTree

import pytest
from boards import generated
from test_board_programs import (
    GOLDEN,
    PROGRAMS,
    T,
    at,
    call,
    dense,
    gru_two_layers,
    last,
    let,
    lstm,
    lstm_lines,
    mlp,
    system,
    td,
)

from sqmagic.board.diagram import picture
from sqmagic.board.dot import dot
from sqmagic.board.errors import PictureError
from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.graph import LEVEL, LOWER
from sqmagic.board.views import VIEWS, View, seen
from sqmagic.board.views.marks import Frame, Line, Mark, Marks, Shape, Words, bounds
from sqmagic.board.views.rails import passes
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import Const, Equation, Fixed, Last, Layer, Read, System, Target, Update
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source
from sqmagic.pipeline import understand
from sqmagic.showing import PAGE, drawn

EVERY: tuple[View, ...] = tuple(VIEWS)


def initial() -> System:
    """A first value that is computed, and a verdict after the last step."""
    start = Equation((Target("h", (Fixed(0),)),), dense("Init", Read("z"), "tanh"))
    step = let("h", dense("M", call("concat", at("h", -1), at("x")), "tanh"))
    return system([start, step, let(".p", dense("Gen", last("h"), "softmax"))], [], "x .z")


def both_ways() -> System:
    end = Equation((Target("b", (Last("t", 1),)),), Const(1))
    ahead = let("f", dense("F", call("concat", at("f", -1), at("x")), "tanh"))
    behind = let("b", dense("B", call("concat", at("b", 1), at("x")), "tanh"))
    return system(
        [let("f@0", Const(0)), end, ahead, behind, let("p", dense("G", call("mul", at("f"), at("b"))))], [], "x"
    )


def counter() -> System:
    """A cell with nothing above or below it."""
    return system([let("n", call("add", at("n", -1), Const(1)))], [])


def crowd() -> System:
    """Many circles."""
    step = let("h", dense("F", call("concat", at("h", -1), at("x"), at("u"), at("w"), Read("z")), "tanh"))
    return system(
        [let("h@0", Const(0)), step, let("p", dense("P", at("h"))), let("q", dense("Q", at("h")))], [], "x u w .z"
    )


def golden(path: Path) -> System:
    return meant(path.read_text(encoding="utf-8"))


def meant(text: str) -> System:
    return elaborate(parse(text), Source.of(text), Kernel()).system


def attention() -> System:
    """A rail of what was made so far."""
    return meant("x_t --[K]-> k_t\nx_t --[Q]-> q_t\nsoftmax(k_{1:t} @ q_t) @ k_{1:t} -> a_t => y_t")


def looking_back() -> System:
    """A rail of the last three values, and what is read of all steps."""
    given = "0 -> h_0\n0 -> h_{-1}\n0 -> h_{-2}\nsoftmax(h_{t-3:t-1} @ x_t) @ h_{t-3:t-1} -> c_t\n"
    return meant(f"{given}c_t|h_{{t-1}} --[H]-> h_t\nsoftmax(h_{{1:T}} @ x_t) @ h_{{1:T}} -> s_t => y_t")


ALL = {**PROGRAMS, "initial": initial, "both_ways": both_ways, "crowd": crowd, "attention": attention,
       "looking_back": looking_back}  # fmt: skip


def marks(program: System, view: View, *, legend: bool = False) -> Marks:
    return seen(picture(program).scene, view, legend=legend)


def of(kind: type[Mark], found: Marks, look: str = "") -> list[Mark]:
    return [
        m
        for m in found
        if isinstance(m, kind) and (not look or look in (getattr(m, "look", ""), *getattr(m, "looks", ())))
    ]


def told(mark: Mark) -> str:
    assert isinstance(mark, Shape | Words)
    return (mark.label.base + mark.label.below).replace(LOWER, "_").replace(LEVEL, "")


def shape(found: Marks, key: str) -> Shape:
    return next(m for m in found if isinstance(m, Shape) and m.key == key)


def boxes(found: Marks, look: str) -> list[Box]:
    return [m.box for m in found if isinstance(m, Frame | Shape | Words) and m.look == look]


def lines(found: Marks, look: str = "") -> list[Line]:
    return [m for m in found if isinstance(m, Line) and (not look or look in m.looks)]


# --- what holds in every view ------------------------------------------------------------------------


@pytest.mark.parametrize("view", EVERY)
@pytest.mark.parametrize("program", ALL)
def test_every_mark_has_a_name_of_its_own(program: str, view: View) -> None:
    keys = [m.key for m in marks(ALL[program](), view, legend=True)]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_every_id_is_said_once_in_every_view_of_the_seed(path: Path) -> None:
    meant = golden(path)
    for view in EVERY:
        svg = picture(meant, view=view, prefix="c7").svg
        ids = re.findall(r'\bid="([^"]+)"', svg)
        assert len(ids) == len(set(ids)) > 5
        assert all(i == "c7" or i.startswith("c7-") for i in ids)


@pytest.mark.parametrize("view", EVERY)
@pytest.mark.parametrize("program", ALL)
def test_nothing_lies_on_anything_else(program: str, view: View) -> None:
    apart(marks(ALL[program](), view, legend=True))


@pytest.mark.parametrize("view", EVERY)
def test_nothing_that_a_view_adds_lies_on_anything_else_in_generated_programs(view: View) -> None:
    for seed in range(30):
        scene = picture(generated(seed)).scene
        found = seen(scene, view)
        assert len({m.key for m in found}) == len(found)
        laid_out = {m.key for m in seen(scene, "single") if not m.key.startswith(("caption", "legend"))}
        apart(found, laid_out)


def apart(found: Marks, known: Collection[str] = ()) -> None:
    """The pieces of one node, and what shows faintly behind the letter of a cell, may lie on each other; `known` are
    for others to judge."""
    told = [m for m in found if isinstance(m, Shape | Words) and m.look != "letter"]
    solid = [m for m in told if not (isinstance(m, Shape) and (m.faint or m.look in {"frame", "bars", "tab"}))]
    for a, b in combinations(solid, 2):
        judged = a.key in known and b.key in known
        assert judged or not a.box.grown(-0.1).meets(b.box), (a.key, b.key)


@pytest.mark.parametrize("view", EVERY)
@pytest.mark.parametrize("program", ALL)
def test_wires_end_at_what_they_join(program: str, view: View) -> None:
    """A wire that begins or ends at a circle, or at a closed cell, touches its border."""
    found = marks(ALL[program](), view)
    places = {m.key: m.box for m in found if isinstance(m, Shape) and m.look in {"input", "output", "chip", "delay"}}
    places |= {m.key: m.box for m in found if isinstance(m, Frame) and m.look == "cell"}
    for line in (line for line in lines(found) if not line.faint):
        x, y = line.corners[0]
        assert line.tail not in places or places[line.tail].grown(0.6).meets(Box(x, y, x + 0.1, y + 0.1)), line
        assert line.head not in places or _touches(line.corners[-1], places[line.head]), line


def _touches(spot: tuple[float, float], box: Box) -> bool:
    (x, y), near = spot, 0.6
    across = min(abs(x - box.left), abs(x - box.right)) < near and box.bottom - near < y < box.top + near
    return across or (min(abs(y - box.bottom), abs(y - box.top)) < near and box.left - near < x < box.right + near)


@pytest.mark.parametrize("view", EVERY)
def test_arrowheads_have_their_tips_where_the_wires_end(view: View) -> None:
    diagram = picture(lstm(), view=view)
    root = ElementTree.fromstring(diagram.svg)
    by_id = {e.attrib["id"]: e for e in root.iter() if "id" in e.attrib}
    arrows = [m for m in seen(diagram.scene, view) if isinstance(m, Line) and m.arrow]
    assert len(arrows) > 3
    for line in arrows:
        edge = by_id[f"sq-{line.key}"]
        path, head = (next(c for c in edge if c.tag.endswith(kind)) for kind in ("path", "polygon"))
        x, y = (float(v) for v in re.findall(r"-?[\d.]+", path.attrib["d"])[:2])
        tip = tuple(float(v) for v in head.attrib["points"].split()[0].split(","))
        (a, b), (c, d) = line.corners[0], line.corners[-1]
        assert tip == pytest.approx((x + c - a, y - (d - b)), abs=0.2)


@pytest.mark.parametrize("program", ["mlp", "q_learning", "convolutional"])
def test_a_program_without_time_looks_the_same_in_every_view(program: str) -> None:
    assert len({marks(PROGRAMS[program](), view) for view in EVERY}) == 1


def test_a_view_moves_nothing_within_the_cell() -> None:
    inside = {m.key: m for m in marks(lstm(), "single") if isinstance(m, Shape)}
    for view in ("chain", "ghost"):
        again = {m.key: m for m in marks(lstm(), view) if isinstance(m, Shape)}
        assert all(again[key] == mark for key, mark in inside.items())


# --- the chain ---------------------------------------------------------------------------------------


def test_a_chain_has_three_cells_and_only_the_middle_one_is_open() -> None:
    found = marks(lstm(), "chain")
    before, own, after = sorted((m for m in found if isinstance(m, Frame)), key=lambda m: m.box.left)
    assert [m.key for m in (before, own, after)] == ["f-c-cell-tm1", "f-c-cell", "f-c-cell-tp1"]
    assert [told(m) for m in of(Words, found, "letter")] == ["A", "A"]
    first, width, final = (m.box.right - m.box.left for m in (before, own, after))
    assert first == pytest.approx(final) == pytest.approx(width * 0.42)
    assert own.box.left - before.box.right == pytest.approx(after.box.left - own.box.right)
    assert own.box.left - before.box.right > 50
    assert (before.box.bottom, before.box.top) == (own.box.bottom, own.box.top)


@pytest.mark.parametrize("view", ["chain", "ghost", "rolled"])
def test_the_cell_is_called_what_nothing_in_it_is_called(view: View) -> None:
    step = let("B", dense("A_1", call("concat", at("B", -1), at("x"))))
    found = marks(system([let("B@0", Const(0)), step], [], "x"), view, legend=True)
    letters = [told(m) for m in found if isinstance(m, Words) and m.look == "letter"]
    letters += [told(m) for m in found if isinstance(m, Shape) and m.look == "cell"]
    assert set(letters) == {"C"} and len(letters) > 1


def test_a_closed_cell_without_circles_is_narrow_and_one_with_many_has_room() -> None:
    first = min(boxes(marks(PROGRAMS["a2c_gae"](), "chain"), "cell"), key=lambda b: b.left)
    assert first.right - first.left == 60
    first = min(boxes(marks(counter(), "chain"), "cell"), key=lambda b: b.left)
    assert first.right - first.left == 96
    found = marks(crowd(), "chain")
    for suffix in ("-tm1", "-tp1"):
        cell = next(m.box for m in found if m.key == f"f-c-cell{suffix}")  # type: ignore[union-attr]
        circles = [m for m in found if isinstance(m, Shape) and m.key.endswith(suffix)]
        assert len(circles) == 6
        assert all(cell.left < m.box.left and m.box.right < cell.right for m in circles)


def test_neighbours_have_their_own_inputs_and_outputs() -> None:
    found = marks(lstm(), "chain")
    circles = {m.key: told(m) for m in found if isinstance(m, Shape) and m.look in {"input", "output"}}
    assert sorted(circles.values()) == ["ht", "ht+1", "ht−1", "xt", "xt+1", "xt−1"]
    assert all(key.endswith("-tm1") == told.endswith("−1") for key, told in circles.items())
    actions = marks(td(), "chain")
    assert sorted(told(m) for m in of(Shape, actions, "input")) == ["at", "at−1", "at−2"]
    static = [told(m) for m in of(Shape, marks(crowd(), "chain"), "input")]
    assert static.count("z") == 3


@pytest.mark.parametrize("program", ["lstm", "a2c_gae", "both_ways", "td_gru"])
def test_rails_go_from_cell_to_cell_with_their_names(program: str) -> None:
    diagram = picture(ALL[program](), legend=False)
    found, own = seen(diagram.scene, "chain", legend=False), passes(diagram.scene.parts["c"])
    cells = sorted(boxes(found, "cell"), key=lambda b: b.left)[:3]
    gaps = {"left": (cells[0].right, cells[1].left), "right": (cells[1].right, cells[2].left)}
    for p in own:
        rail = next(line for line in lines(found) if line.key == f"r-{p.node}")
        name = next(m for m in found if m.key == f"v-r-{p.node}")
        assert isinstance(name, Words) and name.label == p.label
        low, high = gaps[p.side]
        assert [x for x, _ in rail.corners] == pytest.approx([high, low] if p.back else [low, high])
        assert {y for _, y in rail.corners} == {p.y} and rail.arrow
        assert low < name.box.left and name.box.right < high and name.box.bottom > p.y
        assert ("back" in rail.looks) == p.back


def test_a_long_name_stands_on_its_rail_once() -> None:
    """It reaches into the cell, where it was said once more."""
    text = "0 -> hidden_0\nhidden_{t-1}|word_t --[Cell|tanh]-> hidden_t\nhidden_t --[Out]-> next_word_t => y_t"
    found = marks(understand(text).system, "chain", legend=False)
    names = [told(m) for m in of(Words, found, "value")]
    assert names.count("hiddent−1") == 1 and names.count("hiddent") == 2  # the second stands where the state is made


def test_targets_stand_where_they_do_not_widen_the_cell() -> None:
    """To the right of all that stands in it, from where they reach out over the next one."""
    text = "0 -> h_0\nh_{t-1}|x_t --[H|tanh]-> h_t\nh_t --[Out|softmax]-> p_t => one_hot(y_t)"
    part = picture(understand(text).system).scene.parts["c"]
    x = {node.kind: part.placed.spots[n][0] for n, node in enumerate(part.graph.nodes)}
    assert x["layer"] < x["aside"] < x["target"] and x["layer"] == x["loss"]
    assert part.placed.cell is not None and part.placed.cell.right < x["target"]


def test_rails_from_the_future_run_to_the_left_and_say_so() -> None:
    found = marks(both_ways(), "chain", legend=True)
    back = [line for line in lines(found, "back") if line.key.startswith("r-")]
    assert back and all(line.corners[0][0] > line.corners[-1][0] for line in back)
    assert "from the future" in [told(m) for m in of(Words, found, "legend")]


# --- where rails start --------------------------------------------------------------------------------


def chips(found: Marks) -> dict[str, tuple[str, str]]:
    """What is written on each, its title, and the side of the cell on which it stands."""
    cell = next(m.box for m in found if isinstance(m, Frame) and m.key == "f-c-cell")
    own = [m for m in found if isinstance(m, Shape) and m.look == "chip"]
    return {told(m): (m.about.title, "left" if m.box.right < cell.left else "right") for m in own}


def test_base_cases_stand_where_their_rails_start() -> None:
    assert chips(marks(both_ways(), "chain")) == {
        "0": ("at t = 0: f₀ = 0", "left"),
        "1": ("at t = T+1: b_{T+1} = 1", "right"),
    }
    assert chips(marks(td(), "ghost")) == {"reset()": ("at t = 0: S₀ = reset()", "left")}
    assert not chips(marks(both_ways(), "single")) and not chips(marks(both_ways(), "rolled"))


def test_the_caption_does_not_repeat_what_stands_at_the_rails() -> None:
    def caption(view: View) -> list[str]:
        return [told(m) for m in of(Words, marks(td(), view), "caption")]

    assert caption("chain") == caption("ghost") == ["γ = 0.999"]
    assert caption("single") == caption("rolled") == ["γ = 0.999    S_0 = reset()"]


def test_each_base_case_starts_the_rail_that_reads_it_first() -> None:
    step = let("h", dense("F", call("concat", at("h", -1), at("h", -2)), "tanh"))
    program = system([let("h@0", Const(0)), let("h@-1", Const(1)), step], [])
    found = marks(program, "chain")
    assert chips(found) == {"0": ("at t = 0: h₀ = 0", "left")}
    (caption,) = of(Words, found, "caption")
    assert told(caption) == "h_−1 = 1" and isinstance(caption, Words) and caption.label.serif


def test_all_base_cases_of_a_range_start_its_rail() -> None:
    found = marks(looking_back(), "chain")
    told_ = "at t = 0: h₀ = 0, at t = −1: h₋₁ = 0, at t = −2: h₋₂ = 0"
    assert chips(found) == {"0": (told_, "left")}
    assert not of(Words, found, "caption")


@pytest.mark.parametrize("view", EVERY)
def test_what_every_step_has_of_all_steps_looks_like_what_they_made(view: View) -> None:
    found = marks(looking_back(), view)
    assert {m.look for m in found if isinstance(m, Shape) and told(m) == "h1:T"} == {"output"}


# --- before and after the steps -----------------------------------------------------------------------


@pytest.mark.parametrize("view", EVERY)
def test_what_comes_before_and_after_the_steps_is_joined_to_them(view: View) -> None:
    found = marks(initial(), view)
    steps = bounds([m for m in found if m.key.startswith(("f-c", "n-c"))])
    first, final = (shape(found, m.key) for m in sorted(of(Shape, found), key=lambda m: told(m))
                    if told(m) in {"h0", "hT"})  # fmt: skip
    assert first.box.right < steps.left and final.box.left > steps.right
    assert any(line.tail == first.key and line.corners[0][0] == first.box.right for line in lines(found, "rail"))
    assert any(line.head == final.key and line.corners[-1][0] == final.box.left for line in lines(found, "rail"))


@pytest.mark.parametrize("view", ["chain", "ghost", "single"])
def test_a_rail_whose_circle_stands_elsewhere_ends_in_its_name(view: View) -> None:
    heads = [Equation((Target(s, (Fixed(0),)),), dense(s.upper(), Read("z"))) for s in ("h", "c")]
    steps = [e for e in lstm_lines() if not isinstance(e.targets[0].context[0], Fixed)]
    verdict = let(".p", dense("G", call("concat", last("h"), last("c"))))
    found = marks(system([*heads, *steps, verdict], [], "x .z"), view)
    assert chips(found) == {"c0": ("before the first step", "left"), "cT": ("after the last step", "right")}


@pytest.mark.parametrize("view", EVERY)
def test_what_the_steps_made_does_not_look_like_an_input_of_what_comes_after_them(view: View) -> None:
    looks = {told(m): m.look for m in marks(PROGRAMS["lstm_classifier"](), view) if isinstance(m, Shape)}
    assert looks["hT"] == looks["p"] == "output"


def test_steps_that_are_left_out_are_dots() -> None:
    for view, dots in (("chain", 2), ("ghost", 2), ("single", 2), ("rolled", 0)):
        assert len(of(Words, marks(initial(), view), "dots")) == dots  # type: ignore[arg-type]


# --- ghosts ----------------------------------------------------------------------------------------------


def test_ghosts_are_as_wide_as_the_cell_and_show_it_faintly() -> None:
    found = marks(gru_two_layers(), "ghost")
    cells = [m for m in found if isinstance(m, Frame) and m.look == "cell"]
    assert len({round(m.box.right - m.box.left, 6) for m in cells}) == 1 and not any(m.faint for m in cells)
    faint = [m for m in found if not isinstance(m, Words) and m.faint]
    assert faint and all(m.key.endswith(("-tm1", "-tp1")) for m in faint)
    for m in faint:
        own = next(c.box for c in cells if c.key.endswith(m.key[-4:]))
        inside = bounds([m])
        assert own.left <= inside.left and inside.right <= own.right
        assert own.bottom <= inside.bottom and inside.top <= own.top
    shown = {m.key.removesuffix("-tm1") for m in faint if m.key.endswith("-tm1") and isinstance(m, Shape)}
    assert shown == {
        m.key for m in found if isinstance(m, Shape) and m.look in {"layer", "tab", "macro"} and not m.faint
    }


# --- rolled ----------------------------------------------------------------------------------------------


def test_loops_lead_through_a_step_of_time_and_never_cross() -> None:
    for program in ("lstm", "a2c_gae", "both_ways", "two_memories"):
        found = marks(ALL[program](), "rolled")
        delays = [m for m in found if isinstance(m, Shape) and m.look == "delay"]
        assert {(told(m), m.box.left > 0) for m in delays} <= {("t−1", True), ("t+1", False)}
        assert len(delays) == sum(p.inward for p in passes(picture(ALL[program]()).scene.parts["c"]))
        pieces = [(line.key, a, b) for line in lines(found, "rail") for a, b in pairwise(line.corners)]
        for (name, a, b), (other, c, d) in combinations(pieces, 2):
            assert name == other or not _piece(a, b).meets(_piece(c, d)), (program, name, other)


def test_a_rail_is_a_loop_for_each_distance_at_which_it_is_read() -> None:
    far = [let("h", dense("M", call("concat", at("h", -1), at("h", -3)), "tanh"))]
    for equations, delays in (
        (far, ["t−1", "t−3"]),
        ([let("h", dense("M", at("h", -2), "tanh"))], ["t−2"]),
        ([let("h", dense("M", call("concat", at("h", 1), at("h", 2)), "tanh"))], ["t+1", "t+2"]),
    ):
        found = [m for m in marks(system(equations, []), "rolled") if isinstance(m, Shape) and m.look == "delay"]
        assert [told(m) for m in found] == delays
    assert [m.about.title for m in marks(system(far, []), "rolled") if isinstance(m, Shape) and m.look == "delay"] == [
        "one step earlier",
        "3 steps earlier",
    ]


def test_rolled_up_a_range_that_grows_waits_for_one_step() -> None:
    found = marks(attention(), "rolled")
    assert [told(m) for m in of(Shape, found, "delay")] == ["t−1"]
    assert [told(m) for m in of(Words, found, "value")] == ["k1:t"]


def test_rolled_up_a_program_shows_what_it_learns_from() -> None:
    found = marks(PROGRAMS["a2c_gae"](), "rolled")
    assert {m.look for m in found if isinstance(m, Shape)} >= {"loss", "objective"}
    text = "x_t : 4\n0 -> h_0\nx_t|h_{t-1} --[M|tanh]-> h_t\nh_t --[G|softmax]-> p_t => y_t\n"
    found = marks(elaborate(parse(text), Source.of(text), Kernel()).system, "rolled")
    goal, prediction, target = (
        next(m for m in found if isinstance(m, Shape) and m.look == look) for look in ("loss", "output", "target")
    )
    assert prediction.box.top < goal.box.bottom < goal.box.top < target.box.bottom
    ways = {(m.tail, m.head): m for m in found if isinstance(m, Line)}
    assert (prediction.key, goal.key) in ways
    assert "held" in ways[target.key, goal.key].looks


def _piece(a: tuple[float, float], b: tuple[float, float]) -> Box:
    return Box(min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1])).grown(1.6)


# --- the legend ------------------------------------------------------------------------------------------


def legend(program: System, view: View = "chain") -> list[str]:
    return [told(m) for m in of(Words, marks(program, view, legend=True), "legend")]


def test_the_legend_says_what_occurs_and_nothing_else() -> None:
    assert legend(mlp()) == ["learned layer", "vector transfer", "target, no gradient", "loss ⇒"]
    assert legend(lstm()) == [
        "the same cell",
        "learned layer",
        "pointwise op",
        "vector transfer",
        "concatenate",
        "copy",
    ]
    assert legend(lstm(), "single") == legend(lstm())[1:]
    assert legend(lstm(), "rolled") == ["the same cell", "one step of time", "vector transfer"]
    assert legend(gru_two_layers())[:3] == ["the same cell", "learned layer", "macro"]
    assert {"environment", "from the future", "objective $"} <= set(legend(PROGRAMS["a2c_gae"]()))
    assert "second operand" in legend(PROGRAMS["a2c_gae"]()) and "second operand" not in legend(gru_two_layers())
    assert legend(PROGRAMS["lstm_classifier"](), "rolled")[-3:] == ["vector transfer", "target, no gradient", "loss ⇒"]
    assert "environment, function" in legend(PROGRAMS["a2c"]())
    assert "replay buffer" in legend(PROGRAMS["q_learning"]())
    assert "faulty" in legend(system([let("o", dense("O", at("o")))], []))


def test_a_transform_stands_in_the_legend_by_its_name() -> None:
    policy = Layer("Policy", "dense", updates=(Update("clip_grad", (("max_norm", 0.5),)),))
    program = System(T, (), (let("p", dense("Policy", at("x"))),), (), (policy,))
    assert "clip_grad(max_norm=0.5)" in legend(program)


def test_the_legend_can_be_left_out() -> None:
    assert "learned layer" in picture(mlp()).svg and "learned layer" not in picture(mlp(), legend=False).svg


# --- what a picture is told ------------------------------------------------------------------------------


def test_layers_with_the_same_parameters_are_found_by_their_owner() -> None:
    twice = system(
        [let("a", dense("M", at("x"))), let("b", dense("M", at("a"))), let("c", dense("N", at("b")))], [], "x"
    )
    svg = picture(twice, view="single", prefix="q").svg
    assert svg.count(' data-param="M"') == 2 and svg.count(' data-param="N"') == 1
    assert '#q:has([data-param="M"]:hover) [data-param="M"] polygon' in svg


def test_a_state_lights_up_wherever_it_is_shown() -> None:
    svg = picture(lstm(), prefix="q").svg
    shown = set(re.findall(r' data-value="([^"]+)"', svg))
    assert shown == {"c", "h", "p", "f", "i", "l", "o", "x"}
    for state in shown:
        assert f'#q:has([data-value="{state}"]:hover) [data-value="{state}"]' in svg


def test_a_faulty_node_has_a_thick_outline() -> None:
    found = (Shape("n-1", "layer", Box(0, 0, 50, 30), fault=True), Shape("n-2", "layer", Box(90, 0, 140, 30)))
    marked, plain = (line for line in dot(found, "q").text.splitlines() if '"layer' in line)
    assert 'penwidth="5.4"' in marked and "layer fault" in marked and 'penwidth="2.2"' in plain


@pytest.mark.parametrize(
    ("word", "options"), [("theme", {"theme": "pink"}), ("view", {"view": "all"}), ("painter", {"painter": "me"})]
)
def test_an_unknown_option_is_refused_in_words(word: str, options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"no {word} is called .*: there are "):
        picture(mlp(), **options)  # type: ignore[arg-type]


def test_without_a_graphviz_on_the_machine_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    diagram = picture(mlp())
    with pytest.raises(PictureError, match="no Graphviz on this machine"):
        diagram.painted_by("system").svg  # noqa: B018
    assert diagram.painted_by("wasm").svg == diagram.svg


def test_the_painter_of_all_pictures_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    known = understand("x : 2\nx --[M]-> h")
    assert drawn("net", known, PAGE).painter == "wasm"
    monkeypatch.setenv("SQMAGIC_GRAPHVIZ", "system")
    assert drawn("net", known, PAGE).painter == "system"
    monkeypatch.setenv("SQMAGIC_GRAPHVIZ", "me")
    with pytest.raises(PictureError, match="SQMAGIC_GRAPHVIZ is 'me', and there are: wasm, system"):
        drawn("net", known, PAGE)


@pytest.mark.skipif(which("neato") is None, reason="no Graphviz on this machine")
@pytest.mark.parametrize("program", ["lstm", "a2c_gae", "q_learning"])
def test_both_painters_give_one_picture(program: str) -> None:
    """The same elements under the same names, where the other has them, within half a point."""
    diagram = picture(PROGRAMS[program](), theme="light")
    ours, theirs = (
        [e for e in ElementTree.fromstring(d.svg).iter() if e.tag.rpartition("}")[2] in {"g", "text", "ellipse"}]
        for d in (diagram, diagram.painted_by("system"))
    )
    assert [e.attrib.get("id") for e in ours] == [e.attrib.get("id") for e in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert (a.tag, a.text) == (b.tag, b.text)
        for name in ("cx", "cy", "rx", "ry", "x"):
            assert float(a.attrib.get(name, 0)) == pytest.approx(float(b.attrib.get(name, 0)), abs=0.5)


_PRINT = """
import sys
sys.path.insert(0, {tests!r})
from hashlib import sha256
from test_board_programs import PROGRAMS
from sqmagic.board.diagram import picture
for name in ("lstm", "a2c_gae", "lstm_classifier"):
    for view in ("single", "ghost", "rolled"):
        diagram = picture(PROGRAMS[name](), view=view, theme="chalkboard")
        print(name, view, sha256((diagram.svg + diagram.dot.source).encode()).hexdigest())
"""


def test_every_view_is_the_same_in_every_process() -> None:
    code = _PRINT.format(tests=str(Path(__file__).parent))
    runs = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
                       text=True, check=True).stdout
        for seed in ("3", "58")
    ]  # fmt: skip
    assert runs[0] == runs[1] and len(runs[0].splitlines()) == 9
