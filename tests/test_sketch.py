"""What is drawn of programs with faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import understand
from sqmagic.showing import sketch

MISTAKES = sorted((Path(__file__).parent / "problems").glob("*/program.sqn"))


def errors(text: str) -> NotationError | None:
    try:
        understand(text)
    except NotationError as refusal:
        return refusal
    return None


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.parent.name)
def test_whatever_the_mistake_what_can_be_read_is_drawn(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    refusal = errors(text)
    drawn = sketch(text, problems=refusal.problems if refusal else ())
    if drawn is not None:
        assert drawn.svg.startswith("<svg")


def test_a_sound_program_bears_no_mark() -> None:
    drawn = sketch("x --[F|relu]-> h --[G]-> p => y")
    assert drawn is not None and not drawn.faults.spans and not drawn.faults.states


def test_warnings_are_not_marked() -> None:
    text = "0 -> h_0\nh_{t-1}|x_t -> c_t\nc_t --[Z|sigmoid]-> z_t\nx_t --[L|tanh]-> l_t\nh_{t-1}*(1 - z_t) + l_t -> h_t"
    warnings = understand(text).warnings
    assert warnings
    drawn = sketch(text, problems=warnings)
    assert drawn is not None and not drawn.faults.spans
