"""What a user sees of sqmagic in JupyterLab and in Notebook, from the first look on."""

from __future__ import annotations

import pytest
from conftest import KERNEL, SLOW, Server, seen
from documents import saved, working
from playwright.sync_api import Locator, Page, expect


@pytest.fixture(scope="module")
def page(blank: Page, server: Server) -> Page:
    (server.home / "working.ipynb").write_text(working())
    blank.goto(server.url("working.ipynb"))
    blank.wait_for_selector(".jp-Notebook .cm-content")
    try:
        expect(holding(blank, "%%seqnet gru")).to_be_visible(timeout=15000)
    finally:
        print(server.said)
        seen(blank, server, "opened")
    return blank


def holding(page: Page, text: str) -> Locator:
    return page.locator(".jp-CodeCell").filter(has_text=text).first


def colours(cell: Locator) -> dict[str, str]:
    """The pieces of a cell's text that have a colour, each with it."""
    return cell.evaluate("cell => Object.fromEntries([...cell.querySelectorAll('.cm-line span')]"
                         ".map(s => [s.textContent, getComputedStyle(s).color]))")  # fmt: skip


def test_cells_are_coloured_before_any_click(page: Page, server: Server):
    found = colours(holding(page, "%%seqnet gru"))
    seen(page, server, "first")
    print(found)
    assert {"%%seqnet", "h", "Enc", "R", "sigmoid", "_{t-1}"} <= found.keys()
