"""Outputs that were saved elsewhere, in a notebook that nobody has trusted and whose kernel knows nothing of them."""

from __future__ import annotations

import pytest
from conftest import KERNEL, Server, errors, faults, seen, themed
from documents import saved
from playwright.sync_api import Locator, Page, expect


@pytest.fixture(scope="module")
def page(blank: Page, server: Server) -> Page:
    (server.home / "saved.ipynb").write_text(saved(KERNEL))
    blank.goto(server.url("saved.ipynb"))
    expect(blank.locator(".sq-picture svg").first).to_be_visible()
    return blank


def output(page: Page, name: str) -> Locator:
    content = page.locator(".cm-content", has_text=f"%%seqnet {name}")
    return page.locator(".jp-CodeCell").filter(has=content).locator(".sq-view").first


def picture(shown: Locator) -> str:
    return shown.locator(".sq-picture").inner_html()


def test_the_output_is_shown_though_nobody_trusts_it(page: Page, server: Server):
    shown = output(page, "gru")
    expect(shown.locator(".sq-sheet math").first).to_be_visible()
    seen(page, server, "5-saved")


def test_each_view_can_be_switched_to(page: Page, server: Server):
    shown = output(page, "gru")
    known = {picture(shown)}
    for number, view in enumerate(("single", "ghost", "rolled", "chain"), 1):
        shown.get_by_role("radio", name=view, exact=True).check(force=True)
        expect(shown.get_by_role("radio", name=view, exact=True)).to_be_checked()
        page.wait_for_timeout(300)
        assert (picture(shown) in known) == (view == "chain")
        known.add(picture(shown))
        assert len(known) == min(number + 1, 4)
        seen(page, server, f"6-{view}")


def test_macros_can_be_unfolded(page: Page, server: Server):
    shown = output(page, "gru")
    expect(shown.locator(".sq-picture svg g.macro").first).to_be_attached()
    shown.get_by_role("radio", name="unfolded", exact=True).check(force=True)
    expect(shown.locator(".sq-picture svg g.macro")).to_have_count(0)
    expect(shown.locator(".sq-picture svg [data-value='Enc.r']").first).to_be_attached()
    shown.locator(".sq-sheet code [data-value='Enc.r']").first.hover()
    expect(shown.locator(".sq-picture svg .edge[data-value='Enc.r'].sq-lit").first).to_be_attached()
    seen(page, server, "7-unfolded")
    shown.get_by_role("radio", name="folded", exact=True).check(force=True)
    expect(shown.locator(".sq-picture svg g.macro").first).to_be_attached()


def test_the_arrow_keys_switch_and_do_not_leave_the_cell(page: Page):
    shown = output(page, "gru")
    shown.get_by_role("radio", name="chain", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(shown.get_by_role("radio", name="single", exact=True)).to_be_checked()
    page.keyboard.press("ArrowLeft")
    expect(shown.get_by_role("radio", name="chain", exact=True)).to_be_focused()


@pytest.mark.parametrize("theme", ["light", "dark", "chalkboard", "colour-blind", "print", "auto"])
def test_each_theme_changes_the_ground(page: Page, theme: str):
    shown = output(page, "gru")
    shown.get_by_label("Theme").select_option(theme)
    ground = shown.locator(".sq-picture svg .page").first
    wanted = {"dark": "rgb(31, 42, 42)", "chalkboard": "rgb(29, 59, 48)", "print": "none"}.get(
        theme, "rgb(255, 255, 255)"
    )
    expect(ground).to_have_css("fill", wanted)


def test_the_derivation_is_read_up_where_there_is_one(page: Page, server: Server):
    assert output(page, "gru").get_by_role("radio", name="backward", exact=True).count() == 0
    shown = output(page, "other")
    expect(shown.get_by_role("radio", name="both", exact=True)).to_be_checked()
    both = shown.locator(".sq-sheet math").count()
    shown.get_by_role("radio", name="backward", exact=True).check(force=True)
    expect(shown.locator(".sq-sheet")).to_contain_text("\u02c6")
    up = shown.locator(".sq-sheet math").count()
    expect(shown.locator(".sq-head math").first).to_be_visible()
    expect(shown.locator(".sq-foot")).to_have_text("not checked against torch.autograd")
    shown.get_by_role("radio", name="forward", exact=True).check(force=True)
    expect(shown.locator(".sq-sheet")).not_to_contain_text("\u02c6")
    expect(shown.locator(".sq-head, .sq-foot")).to_have_count(0)
    assert up + shown.locator(".sq-sheet math").count() == both
    shown.get_by_role("radio", name="both", exact=True).check(force=True)
    seen(page, server, "9-derivation")


def test_braces_are_drawn_whole(page: Page):
    """What of a brace is far from its middle is left out where it has no outline; formulas have no styles here."""
    brace = output(page, "other").locator(".sq-sheet math mo[stretchy=true]").first
    expect(brace).to_have_css("outline-style", "solid")


def test_a_picture_does_not_shrink_for_its_equations_until_its_letters_cannot_be_read(page: Page):
    for name in ("gru", "other"):
        drawn = output(page, name).locator(".sq-picture svg").first
        wide, natural, room = drawn.evaluate("""svg =>
            [svg.getBoundingClientRect().width, svg.width.baseVal.value, svg.closest('.sq-both').clientWidth]""")
        assert wide >= 0.7 * min(natural, room)
        assert wide <= natural + 1


def test_an_output_cannot_get_at_the_page(page: Page):
    shown = output(page, "bad")
    expect(shown.locator(".sq-picture svg text").first).to_be_visible()
    shown.locator(".sq-picture svg text").first.hover()
    assert page.evaluate("window.caught") is None
    left = shown.evaluate("""view => [...view.querySelectorAll('.sq-both *')].flatMap(e =>
        [e.localName, ...[...e.attributes].map(a => a.name + '=' + a.value)])""")
    assert not {"script", "style", "foreignObject", "a", "img", "b"} & set(left)
    assert not [text for text in left if text.startswith("on") or "javascript" in text or "url(" in text]
    assert "id=x" not in left


def test_a_payload_of_a_later_version_is_shown_as_text(page: Page):
    expect(output(page, "later")).to_have_text("a later version")


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_the_output_can_be_read_and_used_by_everyone(page: Page, server: Server, theme: str):
    """axe-core finds nothing serious in the output, in either theme of the page and any of the picture."""
    themed(page, theme)
    for number, name in enumerate(("gru", "other")):
        output(page, name).scroll_into_view_if_needed()
        seen(page, server, f"8-{theme.lower()}{number}")
    assert faults(page, ".sq-view") == []


def test_nothing_went_wrong_in_the_console(page: Page, server: Server):
    assert errors(server) == []
