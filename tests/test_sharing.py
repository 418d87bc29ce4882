"""What is left of an output where others show it: GitHub, nbviewer, VS Code, Colab, as far as files can tell.

A cell's output is one bundle; each viewer takes what it knows best and cleans it in its own way. Here their rules are
applied to the saved notebooks: what is left must still be a picture and equations that can be read.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from nbconvert import HTMLExporter

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted([*(ROOT / "examples").glob("*.ipynb"), *(ROOT / "docs").glob("*.ipynb")])
MIME = "application/vnd.seqnet+json"
SVG = "{http://www.w3.org/2000/svg}"
STRIPPED = {"script", "style", "foreignObject", "iframe", "object", "link", "form", "input"}
"""What a site that shows strangers' notebooks takes out whole."""


def outputs(path: Path) -> Iterator[dict[str, str]]:
    """What the cells of ours show, each text whole."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if MIME in data:
                yield {mime: text if isinstance(text, dict) else "".join(text) for mime, text in data.items()}


SHOWN = [(path.stem, number, data) for path in NOTEBOOKS for number, data in enumerate(outputs(path))]
EACH = pytest.mark.parametrize("data", [d for *_, d in SHOWN], ids=[f"{name}-{number}" for name, number, _ in SHOWN])


class Cleaned(HTMLParser):
    """A page as GitHub leaves it: no scripts, no styles, no `style` and no handlers; MathML's tags gone, their text
    kept."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[dict[str, str]] = []
        self.text = ""
        self._out = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = {name: value or "" for name, value in attrs if name in ("src", "alt", "width", "height")}
        if tag == "img":
            self.images.append(kept)
        self._out += tag in STRIPPED
        self.text += "\n" if tag in ("br", "tr", "div", "p") else " " if tag == "td" else ""

    def handle_endtag(self, tag: str) -> None:
        self._out -= tag in STRIPPED

    def handle_data(self, data: str) -> None:
        self.text += "" if self._out else data


def cleaned(html: str) -> Cleaned:
    page = Cleaned()
    page.feed(html)
    return page


def test_there_is_something_to_share():
    assert len(SHOWN) > 25


@EACH
def test_the_picture_stays_a_picture_without_styles_and_scripts(data: dict[str, str]):
    root = ElementTree.fromstring(data["image/svg+xml"])
    assert {element.tag.removeprefix(SVG) for element in root.iter()} & STRIPPED <= {"style"}
    for parent in root.iter():
        for child in [c for c in parent if c.tag == f"{SVG}style"]:
            parent.remove(child)
    shapes = [e for e in root.iter() if e.tag in (f"{SVG}path", f"{SVG}polygon", f"{SVG}ellipse")]
    painted = [e for e in shapes if e.get("fill", "black") != "none" or e.get("stroke", "none") != "none"]
    assert len(shapes) > 3 and painted == shapes
    assert all(e.get("fill") is not None for e in shapes), "what has no fill is black without the style sheet"
    assert any((e.text or "").strip() for e in root.iter(f"{SVG}text"))


@EACH
def test_the_page_stays_readable_where_it_is_cleaned(data: dict[str, str]):
    page = cleaned(data["text/html"])
    (image,) = page.images[:1]
    assert image["src"].startswith("data:image/svg+xml;base64,") and len(image["alt"]) > 30
    assert b64decode(image["src"].partition(",")[2]).decode() == data["image/svg+xml"]
    if "text/latex" in data:
        assert re.search(r"\S ?= ?\S", page.text)
        over_time = re.search(r"_\{t-1\}", data["text/plain"])
        assert not over_time or re.search(r"_\{t\s*−\s*1\}", page.text), "a subscript is told from its state"


KATEX_ALONE = re.compile(r"\\(?:class|cssId|style|bbox|require|definecolor|html\w+|href|bm|llbracket|newcommand|def)\b")


WITH_EQUATIONS = [(f"{name}-{number}", data) for name, number, data in SHOWN if "text/latex" in data]


@pytest.mark.parametrize("data", [d for _, d in WITH_EQUATIONS], ids=[name for name, _ in WITH_EQUATIONS])
def test_the_latex_is_what_viewers_typeset(data: dict[str, str]):
    """VS Code typesets `text/latex` by KaTeX, Colab what stands between dollars; tests/latex typesets the formulas."""
    latex = data["text/latex"].strip()
    assert latex.startswith("$$") and latex.endswith("$$") and latex.count("$$") == 2
    assert not KATEX_ALONE.search(latex)
    assert len(re.findall(r"\\begin\{", latex)) == len(re.findall(r"\\end\{", latex))


@EACH
def test_the_plain_text_is_the_notation(data: dict[str, str]):
    text = data["text/plain"]
    assert "->" in text or "=>" in text
    assert "<" not in text.replace("<=", "").replace("< 1", "").replace("t < ", "") and "base64" not in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_of_nbviewers_shows_it_without_scripts(path: Path):
    """nbviewer and `nbconvert --template basic` show the HTML; pictures are within, and no script is needed."""
    page, _ = HTMLExporter(template_name="basic").from_notebook_node(nbformat.read(path, as_version=4))
    wanted = list(outputs(path))
    assert page.count("data:image/svg+xml;base64,") >= len(wanted)
    assert page.count("<math") >= sum("<math" in data["text/html"] for data in wanted)
    assert "<script" not in page
