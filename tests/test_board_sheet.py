"""The static page of a cell's output: what each mime type holds, and that it needs neither scripts nor trust."""

from __future__ import annotations

import re
from base64 import b64decode
from html.parser import HTMLParser
from xml.etree import ElementTree

from test_board_programs import a2c, chain, mlp

from sqmagic.board.diagram import picture
from sqmagic.board.latex import latex
from sqmagic.board.places import places
from sqmagic.board.sheet import bundle
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source

LSTM = """0 -> c_0
0 -> h_0
h_{t-1}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t --[Gen|softmax]-> q_t => y_t
"""


def meant(text: str) -> System:
    return elaborate(parse(text), Source.of(text), Kernel()).system


class Page(HTMLParser):
    """Tags in order, the text of each cell, and images; fails on a tag that is closed and was not opened."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.code: list[str] = []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] == "code":
            self.code.append(data)


def test_a_bundle_holds_a_text_for_every_viewer() -> None:
    made = bundle(picture(meant(LSTM), title="LSTM"), LSTM)
    assert set(made) == {"text/plain", "text/html", "text/latex", "image/svg+xml"}
    assert made["text/plain"] == LSTM.strip()
    assert made["text/latex"] == f"$$\n{latex(meant(LSTM))}\n$$"
    assert ElementTree.fromstring(made["image/svg+xml"]).tag.endswith("svg")


def test_the_page_is_a_table_with_a_picture_and_a_row_for_each_line() -> None:
    made = bundle(picture(meant(LSTM), title="LSTM"), LSTM)
    page = Page(made["text/html"])
    (image,) = page.images
    kind, _, data = str(image["src"]).partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(data).decode() == made["image/svg+xml"]
    assert str(image["alt"]).startswith("LSTM: A program over time. Inputs: x and y.")
    assert page.code == LSTM.strip().split("\n")
    assert page.tags.count("math") == 11
    assert not set(page.tags) & {"script", "style", "svg", "link", "iframe"}


def test_shapes_stand_after_their_equations() -> None:
    made = bundle(picture(meant(LSTM)), LSTM, {"h": (64,), "x": (28,)})
    assert made["text/plain"].endswith("shapes: h: 64, x: 28")
    assert made["text/html"].count("ℝ") == 1
    assert r"\mathbb{R}^{64}" in made["text/latex"]


def test_what_a_rule_made_is_told_in_its_own_words() -> None:
    drawn = picture(a2c(), rows=[(1, "0.999 -> gamma"), (6, "O_t --[Policy|softmax]-> pi_t")])
    page = Page(bundle(drawn, "x -> y")["text/html"])
    assert page.code[0] == "0.999 -> gamma"
    assert "aₜ ∼ πₜ" in page.code
    assert "O_t --[Policy|softmax]-> pi_t" in page.code


def test_html_in_names_and_texts_is_text() -> None:
    made = bundle(picture(mlp(), rows=[(1, "<b>X</b> -> y")], title='<script>"'), "x < y & z")
    assert "<script" not in made["text/html"] and "<b>" not in made["text/html"]
    assert Page(made["text/html"]).code == ["<b>X</b> -> y"]


def test_a_loss_stands_where_its_line_does() -> None:
    text = "x --[M]-> p\np => y\n2*p -> q\nq $ z"
    assert Page(_of(text)).code == text.split("\n")


def _of(text: str) -> str:
    system = elaborate(parse(text), Source.of(text), Kernel()).system
    return bundle(picture(system, rows=list(enumerate(text.split("\n"), 1))), text)["text/html"]


def test_a_picture_stands_over_equations_beside_which_it_would_be_too_wide() -> None:
    outer = re.compile('<tr[^>]*><td style="[^"]*middle"')
    short = "x --[M]-> p => y"
    assert len(outer.findall(_of(short))) == 1
    assert len(outer.findall(_of(short.replace("M", "M|relu|N|relu|K|relu|L")))) == 2  # the picture is wide
    assert len(outer.findall(_of(f"{short}  # {'the same picture, and a long line ' * 3}"))) == 2


def test_without_a_picture_the_equations_and_the_reason_remain() -> None:
    made = bundle(picture(chain(420)), "")
    assert "image/svg+xml" not in made
    page = Page(made["text/html"])
    assert not page.images and page.tags.count("math") == 462
    assert "would show nothing" in made["text/html"]


CALLS = """Enc: a
    F(a) -> r
    tanh(r) -> o
    return o
Enc2: a
    G(a) -> r
    return r + 1
x : 3
Enc(x) -> p
Enc(p) -> q
Enc_1(q) -> u
Enc2(u) -> v
"""


def test_the_states_of_a_macro_are_found_in_it_whichever_call_they_are_of() -> None:
    states = [target.state for equation in meant(CALLS).equations for target in equation.targets]
    found = places(parse(CALLS), Source.of(CALLS), states, ())
    assert found["Enc.r"] == found["Enc.2.r"] == found["Enc_1.r"] == [(2, 12, 13), (3, 9, 10)]
    assert found["Enc2.r"] == [(6, 12, 13), (7, 11, 12)]
