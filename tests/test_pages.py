"""Notebooks as pages: nothing is asked of any server, and pictures, sheets and colours are there."""

from __future__ import annotations

import re
import shutil

import nbformat
import pytest

import sqmagic
from sqmagic.notebook.pages import BROWSERS, PageExporter, PrintExporter

NET = "x_t : 2\n0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def notebook() -> nbformat.NotebookNode:
    shown = dict(sqmagic.compile(NET, name="rnn")._repr_mimebundle_()) | {WIDGET: {"model_id": "gone"}}
    output = nbformat.v4.new_output("execute_result", shown, execution_count=1)
    cell = nbformat.v4.new_code_cell(f"%%seqnet rnn\n{NET}", outputs=[output], execution_count=1)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A page"), cell])


def test_a_page_asks_no_server_for_anything(notebook: nbformat.NotebookNode) -> None:
    page, _ = PageExporter().from_notebook_node(notebook)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)
    assert not re.findall(r"<script[^>]*>[^<]*https?://", page)


def test_picture_and_sheet_and_colours_are_in_it(notebook: nbformat.NotebookNode) -> None:
    page, _ = PageExporter().from_notebook_node(notebook)
    assert "<math" in page and "data:image/svg+xml;base64," in page
    assert re.search(r'<span class="[a-z]+">tanh</span>', page)
    assert "gone" not in page


def test_the_notebook_is_left_as_it_was(notebook: nbformat.NotebookNode) -> None:
    PageExporter().from_notebook_node(notebook)
    assert WIDGET in notebook.cells[1].outputs[0].data


def test_a_progress_bar_is_its_last_state() -> None:
    told = [
        nbformat.v4.new_output("stream", name="stderr", text=text) for text in ("\r 0 of 7", "\r 3 of 7", "\r7 of 7\n")
    ]
    cell = nbformat.v4.new_code_cell("fit", outputs=told)
    page, _ = PageExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert "7 of 7" in page
    assert "3 of 7" not in page


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("as $c_{t+1}$ has it", "<msub><mi>c</mi>"),
        ("$$\\frac{1}{2}$$", "<mfrac>"),
        ("\\begin{align}a &= b\\\\ c &= d\\end{align}", "<mtable"),
        ("$$\\begin{aligned}a &= b\\\\ c &= d\\end{aligned}$$", "<mtable"),
        ("what `$x$` means, for \\$5", "what <code>$x$</code> means, for $5"),
        ("$\\nonesuch x$", "$\\nonesuch x$"),
        ("$\\bad{$", "$\\bad{$"),
    ],
)
def test_tex_of_texts_needs_no_typesetter(text: str, held: str) -> None:
    page, _ = PageExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)]))
    assert held in page
    assert ("<math" in page) == held.startswith("<m")


def test_a_stop_stays_on_the_line_of_its_formula() -> None:
    text = nbformat.v4.new_markdown_cell("is $k/6$. Or $k$)?")
    page, _ = PageExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[text]))
    kept = re.findall(r'<span style="white-space:nowrap"><math(?:(?!</?math).)*</math>(.*?)</span>', page)
    assert kept == [".", ")?"]


@pytest.mark.parametrize(
    "tex", ["$\\displaystyle \\frac{1}{2}$", "$$\\frac{1}{2}$$", "\\begin{align}\\frac{1}{2}\\end{align}"]
)
def test_nor_does_an_output_of_tex_alone(tex: str) -> None:
    output = nbformat.v4.new_output("display_data", {"text/latex": tex, "text/plain": "half"})
    page, _ = PageExporter().from_notebook_node(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("half", outputs=[output])])
    )
    assert "<mfrac><mrow><mn>1</mn>" in page


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="there is no browser to print with")
def test_it_is_printed(notebook: nbformat.NotebookNode) -> None:
    made, about = PrintExporter().from_notebook_node(notebook)
    assert made.startswith(b"%PDF") and about["output_extension"] == ".pdf"


def test_without_a_browser_it_says_so(monkeypatch: pytest.MonkeyPatch, notebook: nbformat.NotebookNode) -> None:
    monkeypatch.delenv("SQMAGIC_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="printed by Chromium, and there is none"):
        PrintExporter().from_notebook_node(notebook)
