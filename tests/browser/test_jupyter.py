"""What a user sees of sqmagic in JupyterLab and in Notebook, from the first look on."""

from __future__ import annotations

import re

import pytest
from conftest import Server, carry_out, errors, seen
from documents import working
from playwright.sync_api import Locator, Page, expect


@pytest.fixture(scope="module")
def page(blank: Page, server: Server) -> Page:
    """The notebook as it is opened, nothing clicked and nothing run."""
    (server.home / "working.ipynb").write_text(working())
    blank.goto(server.url("working.ipynb"))
    expect(cell(blank, "%%seqproof gate")).to_be_visible()
    return blank


@pytest.fixture(scope="module")
def ran(page: Page) -> Page:
    """The same after all its cells have run."""
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status=idle]", state="attached")
    carry_out(page, "notebook:run-all-cells")
    expect(page.locator(".sq-picture svg").first).to_be_visible()
    expect(cell(page, "%%seqnet lstm").locator(".jp-OutputArea")).to_contain_text("SQ4")
    return page


def cell(page: Page, text: str) -> Locator:
    return page.locator(".jp-CodeCell").filter(has=page.locator(".cm-content", has_text=text)).first


def pieces(shown: Locator) -> dict[str, str]:
    """The coloured pieces of a cell's text, each with its colour where it stands first."""
    found: dict[str, str] = {}
    for text, colour in shown.evaluate(
        "c => [...c.querySelectorAll('.cm-line span')].map(s => [s.textContent, getComputedStyle(s).color])"
    ):
        found.setdefault(text, colour)
    return found


def line(shown: Locator, number: int) -> str:
    return shown.locator(".cm-line").nth(number).inner_text().replace("\u200b", "").rstrip("\n")


# --- colours -----------------------------------------------------------------------------------------


def test_cells_are_coloured_before_any_click(page: Page, server: Server):
    seen(page, server, "1-opened")
    found = pieces(cell(page, "%%seqnet gru"))
    assert {"%%seqnet", "gru", "h", "_{t-1}", "R", "sigmoid", "# what is learnt"} <= found.keys()
    assert {"from", "assume", "show", "=="} <= pieces(cell(page, "%%seqproof gate")).keys()


def test_states_layers_and_functions_have_colours_of_their_own(page: Page):
    found = pieces(cell(page, "%%seqnet gru"))
    plain = cell(page, "%%seqnet gru").locator(".cm-content").evaluate("c => getComputedStyle(c).color")
    assert len({found["h"], found["R"], found["sigmoid"], found["return"], plain}) >= 4
    assert plain not in {found["h"], found["R"], found["sigmoid"]}


def test_python_beside_it_is_python(page: Page):
    found = pieces(cell(page, "plain = "))
    assert "'plain Python'" in found
    assert {"for", "in", "len", "# %%seqnet"} <= found.keys()


def test_fences_in_markdown_are_coloured(page: Page):
    fence = page.locator(".jp-RenderedMarkdown pre code")
    expect(fence.locator("span", has_text=re.compile("^relu$"))).to_have_count(1)


# --- typing ------------------------------------------------------------------------------------------


def test_a_cell_becomes_ours_and_python_again_as_its_magic_is_typed(page: Page):
    shown = cell(page, "plain = ")
    before = pieces(shown)
    shown.locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("%%seqnet\n")
    expect(shown.locator(".cm-line span", has_text=re.compile("^%%seqnet$"))).to_have_count(1)
    assert "'plain Python'" not in pieces(shown)
    page.keyboard.press("Control+Home")
    for _ in "%%seqnet\n":
        page.keyboard.press("Delete")
    expect(shown.locator(".cm-line span", has_text=re.compile("^'plain Python'$"))).to_have_count(1)
    assert pieces(shown).keys() == before.keys()


def test_a_new_line_is_not_indented_as_in_python(page: Page):
    shown = typed(page, "%%seqnet scratch\nDec: h_t, y_{t-1}\nz\n    h_t|y_{t-1} -> q_t\nw")
    assert [line(shown, n) for n in range(2, 5)] == ["z", "    h_t|y_{t-1} -> q_t", "    w"]


def test_the_partner_of_a_bracket_is_marked(page: Page):
    shown = typed(page, "%%seqnet scratch\nc --[M|tanh]-> (a*(b))")
    expect(shown.locator(".cm-matchingBracket").first).to_be_attached()
    page.keyboard.press("Home")
    for _ in "c --":
        page.keyboard.press("ArrowRight")
    expect(shown.locator(".cm-matchingBracket")).to_have_text(["[", "]"])


def typed(page: Page, text: str) -> Locator:
    """The last cell, this text typed into it."""
    shown = page.locator(".jp-CodeCell").last
    shown.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)
    return shown


# --- running -----------------------------------------------------------------------------------------


def test_a_program_shows_its_picture_beside_its_equations(ran: Page, server: Server):
    output = cell(ran, "%%seqnet gru").locator(".sq-view")
    expect(output.locator(".sq-picture svg [data-value=h]").first).to_be_attached()
    expect(output.locator(".sq-sheet math").first).to_be_visible()
    seen(ran, server, "2-ran")


def test_an_error_is_told_in_the_notations_words(ran: Page):
    said = cell(ran, "%%seqnet lstm").locator(".jp-OutputArea").inner_text()
    assert "o_t --[O|sigmoid]-> o_t" in said
    assert "^" in said
    assert "Traceback" not in said and "site-packages" not in said


def test_python_still_runs(ran: Page):
    expect(cell(ran, "plain = ").locator(".jp-InputPrompt")).to_contain_text(re.compile(r"\[\d+\]"))


def test_pointing_at_a_state_in_the_picture_lights_it_in_the_sheet_and_in_the_cell(ran: Page, server: Server):
    shown = cell(ran, "%%seqnet gru")
    shown.locator(".sq-picture svg g.value[data-value=h] text").first.hover()
    expect(shown.locator(".sq-sheet math [data-value=h].sq-lit").first).to_be_attached()
    expect(shown.locator(".cm-content .sq-lit-state")).to_have_text(["h", "_0", "h", "_{t-1}", "h", "_t", "h", "_t"])
    assert shown.locator(".sq-lit:not([data-value=h])").count() == 0
    seen(ran, server, "3-state")


def test_pointing_at_a_state_in_the_sheet_lights_it_in_the_picture(ran: Page):
    shown = cell(ran, "%%seqnet gru")
    shown.locator(".sq-sheet code [data-value=h]").first.hover()
    expect(shown.locator(".sq-picture svg .edge[data-value=h].sq-lit").first).to_be_attached()


def test_pointing_at_a_line_lights_what_it_became(ran: Page, server: Server):
    shown = cell(ran, "%%seqnet gru")
    shown.locator(".sq-sheet tr[data-line='11'] td").first.hover()
    expect(shown.locator(".sq-picture svg g.node.sq-lit").first).to_be_attached()
    expect(shown.locator(".cm-line.sq-lit-line")).to_contain_text("--[Gen|softmax]->")
    seen(ran, server, "4-line")
    ran.locator(".jp-MarkdownCell").first.hover()
    expect(shown.locator(".sq-lit, .sq-lit-line, .sq-lit-state")).to_have_count(0)


def test_pointing_at_a_layer_lights_its_line(ran: Page):
    shown = cell(ran, "%%seqnet gru")
    shown.locator(".sq-picture svg g.layer[data-param=Gen]").first.hover()
    expect(shown.locator(".sq-sheet tr[data-line='11'].sq-lit")).to_be_attached()


# --- asking the kernel -------------------------------------------------------------------------------


def test_tab_completes_functions_of_the_notation(ran: Page, server: Server):
    shown = typed(ran, "%%seqnet scratch\nc_t --[Q|so")
    ran.keyboard.press("Tab")
    expect(ran.locator(".jp-Completer-item").first).to_contain_text("softmax")
    seen(ran, server, "10-completion")
    ran.keyboard.press("Enter")
    expect(shown.locator(".cm-line").nth(1)).to_have_text("c_t --[Q|softmax")


def test_tab_completes_options_on_the_first_line(ran: Page):
    shown = typed(ran, "%%seqnet scratch --hor")
    _tab(ran, "--horizon")
    expect(shown.locator(".cm-line").first).to_have_text("%%seqnet scratch --horizon")


def test_tab_makes_greek_letters(ran: Page):
    shown = typed(ran, "%%seqnet scratch\nx * \\gamma")
    _tab(ran, "γ")
    expect(shown.locator(".cm-line").nth(1)).to_have_text("x * γ")


def _tab(page: Page, wanted: str) -> None:
    """Takes what Tab offers, where the front end does not do so by itself."""
    page.keyboard.press("Tab")
    line = page.locator(".jp-CodeCell").last.locator(".cm-content")
    item = page.locator(".jp-Completer-item")
    expect(item.or_(line.filter(has_text=wanted)).first).to_be_visible()
    if item.count():
        expect(item.first).to_contain_text(wanted)
        page.keyboard.press("Enter")


def test_shift_tab_explains_a_function(ran: Page, server: Server):
    typed(ran, "%%seqnet scratch\nx --[sigmoid")
    ran.keyboard.press("Shift+Tab")
    expect(ran.locator(".jp-Tooltip")).to_contain_text("Autodiff")
    seen(ran, server, "11-help")
    ran.keyboard.press("Escape")


def test_shift_tab_explains_a_state(ran: Page):
    typed(ran, "%%seqnet scratch\n0 -> h_0\nx_t|h_{t-1} --[M]-> h_t\nh_{t-1}")
    ran.keyboard.press("Shift+Tab")
    expect(ran.locator(".jp-Tooltip")).to_contain_text("domain   steps 1 to T")
    ran.keyboard.press("Escape")


# --- to the end --------------------------------------------------------------------------------------


def test_nothing_went_wrong_in_the_console(ran: Page, server: Server):
    assert errors(server) == []
