"""What is read of a text with faulty lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError
from sqmagic.notation.salvage import salvage
from sqmagic.notation.show import show
from sqmagic.notation.source import unplaced

MISTAKES = sorted((Path(__file__).parent / "problems").glob("*/program.sqn"))


def test_a_faulty_line_is_left_out_and_what_it_would_define_is_told() -> None:
    found = salvage("0 -> h_0\nx_t|h_{t-1} --[Enc|]-> h_t\nh_t --[Gen]-> p_t => y_t")
    assert found is not None
    assert show(found.program).strip() == "0 -> h_0\nh_t --[Gen]-> p_t => y_t"
    assert found.lost == {"h"}


def test_places_are_those_of_the_whole_text() -> None:
    text = "x --[->- y\nx --[F]-> p => y"
    found = salvage(text)
    assert found is not None
    (statement,) = found.program.statements
    assert text[statement.span.start : statement.span.stop] == "x --[F]-> p => y"


@pytest.mark.parametrize(
    ("line", "lost"),
    [
        ("a := b +", {"a"}),
        ("f(x -> S_t, O_{t-1}, O'_t", {"S", "O", "O'"}),
        ("x --[A|]-> a --[B]-> b => y", {"a", "b"}),
        ("x => => y", set()),
        ("x ──[F|]──> hₜ₋₁, next_word", {"h", "next_word"}),
        ("πₜ ← b +", {"pi"}),
        ("b_{t-1}' ≔ b +", {"b'"}),
    ],
)
def test_names_that_a_faulty_line_would_define(line: str, lost: set[str]) -> None:
    found = salvage(f"{line}\nx -> z")
    assert found is not None
    assert found.lost == lost


def test_a_text_of_faults_alone_gives_nothing() -> None:
    assert salvage("x --[->- y") is None
    assert salvage("") is None


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.parent.name)
def test_what_can_be_read_is_read_whatever_the_mistake(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = salvage(text)
    try:
        whole = parse(text)
    except NotationError:
        assert found is None or show(found.program)
    else:
        assert found is not None and unplaced(found.program) == unplaced(whole) and not found.lost
