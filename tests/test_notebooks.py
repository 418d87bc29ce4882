"""How outputs of notebooks are compared: what may differ, and what may not."""

from __future__ import annotations

import pytest
from notebooks import told, words

import sqmagic
from sqmagic.board.payload import MIME, packed

GRU = "x_t : 2\n0 -> h_0\nx_t|h_{t-1} --[M|tanh]-> h_t"


def shown(text: str) -> dict[str, object]:
    return dict(sqmagic.compile(text, name="net")._repr_mimebundle_())


def test_a_picture_is_compared_by_what_it_says() -> None:
    svg = str(shown(GRU)["image/svg+xml"])
    assert told(svg, False) == told(svg.replace(' d="M', ' d="M9'), False)
    assert told(svg, False) != told(svg.replace(">tanh<", ">relu<"), False)
    assert words(svg).startswith("net / A program over time.") and "tanh" in words(svg)


def test_so_are_pictures_within_a_page_and_within_a_payload() -> None:
    ours, other = shown(GRU), shown(GRU.replace("tanh", "relu"))
    html = str(told(ours["text/html"], False))
    assert "base64" not in html and "<math" in html and words(str(ours["image/svg+xml"])) in html
    assert told(ours["text/html"], False) != told(other["text/html"], False)
    assert told(ours[MIME], False) != told(other[MIME], False)
    assert told({"pictures": {"a": packed(str(ours["image/svg+xml"]))}}, False) == {
        "pictures": {"a": words(str(ours["image/svg+xml"]))}
    }


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("held out: 0.978", "held out: 0.981", "learnt"),
        ("held out: 0.978", "held in: 0.978", "never"),
        ("loss 1.636 -> 4.3e-05", "loss 1.7 -> 0.1", "learnt"),
        (
            "100%|████| 9/9 [00:01<00:00, 7.2step/s, loss=0.1]",
            "100%|████| 9/9 [00:02<00:00, 6step/s, loss=0.2]",
            "always",
        ),
        ("7 forms checked, worst error 4e-16", "7 forms checked, worst error 1.2e-15", "always"),
        ("7 forms checked, worst error 4e-16", "8 forms checked, worst error 4e-16", "learnt"),
        ("(64, 10)", "(64, 11)", "learnt"),
    ],
)
def test_numbers_may_differ_where_they_were_learnt(one: str, other: str, alike: str) -> None:
    assert (told(one, True) == told(other, True)) == (alike != "never")
    assert (told(one, False) == told(other, False)) == (alike == "always")
