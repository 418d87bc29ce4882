"""Runs that take long: the curve is drawn while they go on, and they can be stopped."""

from __future__ import annotations

import pytest
from conftest import Server, begin, errors, ready, seen
from documents import learning
from playwright.sync_api import Locator, Page, expect


@pytest.fixture(scope="module")
def page(blank: Page, server: Server) -> Page:
    """Both runs begun, one after the other."""
    (server.home / "learning.ipynb").write_text(learning())
    blank.goto(server.url("learning.ipynb"))
    expect(blank.locator(".jp-CodeCell .cm-content").first).to_be_visible()
    ready(blank)
    begin(blank, "notebook:run-all-cells")
    return blank


def output(page: Page, text: str) -> Locator:
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text)).locator(".jp-OutputArea")


RUNS = [
    ("net.fit", "the loss, step by step", "interrupted: the weights are those of the last whole step"),
    ("td.train_on", "returns, episode by episode", "interrupted: train_on(steps=…) goes on"),
]


@pytest.mark.parametrize(("call", "curve", "ending"), RUNS, ids=["fit", "train_on"])
def test_the_curve_is_drawn_live_and_the_run_can_be_stopped(
    page: Page, server: Server, call: str, curve: str, ending: str
):
    shown = output(page, call)
    drawn = shown.locator(f"img[alt='{curve}']")
    expect(drawn).to_be_visible()
    before = drawn.get_attribute("src") or ""
    expect(drawn).not_to_have_attribute("src", before)
    expect(shown).to_contain_text("step/s")
    seen(page, server, f"40-{call}")
    begin(page, "notebook:interrupt-kernel")
    expect(shown).to_contain_text(ending)
    expect(drawn).to_have_count(1)
    assert "Traceback" not in shown.inner_text()


def test_what_was_learnt_is_kept(page: Page, server: Server):
    expect(output(page, "print('left with'")).to_contain_text("left with True True")
    seen(page, server, "41-stopped")


def test_nothing_went_wrong_in_the_console(page: Page, server: Server):
    assert errors(server) == []
