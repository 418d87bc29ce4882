"""What stands beside our cells: files of programs, files in Markdown, notebooks of other languages."""

from __future__ import annotations

import re

import pytest
from conftest import Server, carry_out, errors, ready, seen
from documents import GRU, MARKDOWN, elsewhere
from playwright.sync_api import Locator, Page, expect


def colours(shown: Locator) -> dict[str, str]:
    """The coloured pieces of a text, each with its colour where it stands first."""
    found: dict[str, str] = {}
    for text, colour in shown.evaluate(
        "c => [...c.querySelectorAll('.cm-line span')].map(s => [s.textContent, getComputedStyle(s).color])"
    ):
        found.setdefault(text, colour)
    return found


def piece(shown: Locator, text: str) -> Locator:
    return shown.locator(".cm-line span", has_text=re.compile(f"^{re.escape(text)}$")).first


def test_a_file_of_a_program_is_coloured(blank: Page, server: Server):
    (server.home / "gru.sqn").write_text(GRU)
    blank.goto(server.url("gru.sqn"))
    shown = blank.locator(".jp-FileEditor .cm-content")
    expect(piece(shown, "sigmoid")).to_be_visible()
    found = colours(shown)
    assert {"Enc", "h", "_{t-1}", "R", "sigmoid", "return", "# what is learnt"} <= found.keys()
    assert len({found["h"], found["R"], found["sigmoid"], found["# what is learnt"]}) == 4
    seen(blank, server, "30-file")


def test_a_fence_is_coloured_where_markdown_is_written(blank: Page, server: Server):
    (server.home / "notes.md").write_text(MARKDOWN)
    blank.goto(server.url("notes.md"))
    shown = blank.locator(".jp-FileEditor .cm-content")
    expect(piece(shown, "relu")).to_be_visible()
    assert "# in a fence" in colours(shown)


@pytest.fixture(scope="module")
def other(blank: Page, server: Server) -> Page:
    """A notebook of another language."""
    (server.home / "elsewhere.ipynb").write_text(elsewhere())
    blank.goto(server.url("elsewhere.ipynb"))
    expect(blank.locator(".jp-CodeCell .cm-content").first).to_be_visible()
    ready(blank)
    return blank


def test_cells_of_another_language_stay_as_they_are(other: Page, server: Server):
    shown = other.locator(".jp-CodeCell .cm-content").first
    expect(piece(shown, "function")).to_be_visible()
    assert {"function", "# a comment"} <= colours(shown).keys()
    seen(other, server, "31-elsewhere")


def test_another_kernel_runs_its_cells_and_completes_them_by_itself(other: Page):
    carry_out(other, "notebook:run-all-cells")
    expect(other.locator(".jp-OutputArea-output").first).to_contain_text("echo: f <- function")
    other.locator(".jp-CodeCell .cm-content").first.click()
    other.keyboard.press("Control+End")
    other.keyboard.press("Enter")
    other.keyboard.type("so")
    other.keyboard.press("Tab")
    other.wait_for_timeout(1500)
    assert "softmax" not in " ".join(other.locator(".jp-Completer-item").all_inner_texts())


def test_nothing_went_wrong_in_the_console(other: Page, server: Server):
    assert errors(server) == []
