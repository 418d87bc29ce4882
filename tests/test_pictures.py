"""The pictures of the README are what `make pictures` draws: byte for byte, on whatever machine and day."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DRAW = runpy.run_path(str(ROOT / "docs" / "pictures" / "draw.py"))


@pytest.mark.parametrize("picture", DRAW["PICTURES"])
def test_a_picture_is_drawn_as_it_was(picture: str) -> None:
    kept = (ROOT / "docs" / "pictures" / f"{picture}.svg").read_text(encoding="utf-8")
    assert DRAW["drawn"](picture) == kept, "`make pictures` draws it anew: look at it before you keep it"


def test_the_readme_shows_pictures_that_are_there() -> None:
    shown = re.findall(r'src="([^"]+)"', (ROOT / "README.md").read_text(encoding="utf-8"))
    assert shown and all((ROOT / path).is_file() for path in shown)
