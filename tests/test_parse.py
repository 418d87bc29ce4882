"""From text to tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from sqmagic.notation.parse import parse
from sqmagic.notation.reader import grammar

PROGRAMS = sorted((Path(__file__).parent / "golden").glob("*/program.sqn"))


def test_the_grammar_has_no_conflict() -> None:
    pytest.importorskip("interegular")
    assert grammar(strict=True)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.parent.name)
def test_golden_programs_parse(path: Path) -> None:
    assert parse(path.read_text(encoding="utf-8")).statements
