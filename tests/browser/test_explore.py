"""The explorer as it is used: a state chosen, steps gone through, the horizon changed; and Python told of it."""

from __future__ import annotations

import re

import pytest
from conftest import Server, carry_out, errors, faults, ready, seen, themed
from documents import explored
from playwright.sync_api import Locator, Page, expect


@pytest.fixture(scope="module")
def page(blank: Page, server: Server) -> Page:
    (server.home / "explored.ipynb").write_text(explored())
    blank.goto(server.url("explored.ipynb"))
    ready(blank)
    carry_out(blank, "notebook:run-all-cells")
    expect(blank.locator(".sq-x-picture svg").first).to_be_visible()
    return blank


@pytest.fixture
def shown(page: Page) -> Locator:
    return page.locator(".sq-x").first


def drawn(shown: Locator, name: str) -> str:
    """What is on a canvas."""
    return str(shown.locator(name).evaluate("c => c.toDataURL()"))


def test_picture_and_sheet_and_the_values_of_a_gate_are_shown(shown: Locator, page: Page, server: Server):
    expect(shown.locator(".sq-x-sheet math").first).to_be_visible()
    expect(shown.locator(".sq-x-name")).to_have_text("Enc.r_t = sigmoid(Enc.R(Enc.c_t)): 12 x 24")
    expect(shown.locator(".sq-x-map")).to_have_attribute("aria-label", re.compile("12 components at 24 steps"))
    assert shown.locator("optgroup").evaluate_all("all => all.map(g => g.label)") == ["gates", "states", "inputs"]
    seen(page, server, "20-explored")


def test_the_slider_goes_through_the_steps(shown: Locator, page: Page, server: Server):
    slider = shown.locator(".sq-x-step")
    expect(slider).to_have_value("1")
    expect(shown.locator(".sq-x-told")).to_contain_text("= [")
    before = shown.locator(".sq-x-told").inner_text(), drawn(shown, ".sq-x-bars"), drawn(shown, ".sq-x-map")
    for _ in range(6):
        slider.press("ArrowRight")
    expect(shown.locator("output")).to_have_text("t = 7")
    after = shown.locator(".sq-x-told").inner_text(), drawn(shown, ".sq-x-bars"), drawn(shown, ".sq-x-map")
    assert all(old != new for old, new in zip(before, after, strict=True))
    seen(page, server, "21-step")


def test_another_state_can_be_chosen_in_the_list_and_in_the_picture(shown: Locator, page: Page, server: Server):
    shown.locator(".sq-x-state").select_option("h")
    expect(shown.locator(".sq-x-name")).to_contain_text("h_t = ")
    expect(shown.locator(".sq-x-picture [data-value=h].sq-x-lit").first).to_be_attached()
    seen(page, server, "22-state")
    shown.locator(".sq-x-picture g.node[data-value=p] text").first.click()
    expect(shown.locator(".sq-x-state")).to_have_value("p")
    expect(shown.locator(".sq-x-name")).to_contain_text(": 10 x 24")


def test_the_horizon_can_be_changed_and_the_kernel_knows(shown: Locator, page: Page):
    horizon = shown.locator(".sq-x-horizon")
    horizon.fill("5")
    horizon.press("Enter")
    expect(shown.locator(".sq-x-name")).to_contain_text(": 10 x 5")
    expect(shown.locator("output")).to_have_text("t = 5")
    page.locator(".jp-CodeCell").last.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output").filter(has_text="now")).to_contain_text(
        "now p 5 5 torch.Size([5, 10])"
    )


def test_a_click_on_the_map_goes_to_that_step(shown: Locator):
    box = shown.locator(".sq-x-map").bounding_box()
    assert box is not None
    shown.locator(".sq-x-map").click(position={"x": box["width"] * 0.3, "y": 20})
    expect(shown.locator("output")).to_have_text("t = 2")


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_it_follows_the_page_and_can_be_read_by_everyone(shown: Locator, page: Page, server: Server, theme: str):
    themed(page, theme)
    ground = {"Light": "rgb(255, 255, 255)", "Dark": "rgb(31, 42, 42)"}[theme]
    expect(shown.locator(".sq-x-picture svg .page").first).to_have_css("fill", ground)
    state = shown.locator(".sq-x-sheet [data-value=h]").first
    label = shown.locator(".sq-x-picture svg .s0 text").first
    assert state.evaluate("e => getComputedStyle(e).color") == label.evaluate("e => getComputedStyle(e).fill")
    colours = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    assert int(shown.locator(".sq-x-map").evaluate(colours)) > 10, "the map is drawn"
    seen(page, server, f"23-{theme.lower()}")
    assert faults(page, ".sq-x") == []


def test_nothing_went_wrong_in_the_console(page: Page, server: Server):
    assert errors(server) == []
