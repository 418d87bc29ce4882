"""The pages that are made from what there is say what there is; `pytest --update-golden` writes them anew."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from sqmagic.notebook.magics import SeqnetMagics

DOCS = Path(__file__).parent.parent / "docs"
PAGES = runpy.run_path(str(DOCS / "generated.py"))["PAGES"]


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_what_would_be_written_now(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(DOCS / name, PAGES[name]())


def test_every_code_and_every_function_has_its_place() -> None:
    from sqmagic.equations.ops import TRANSFORMS
    from sqmagic.notation.codes import CODES

    told = {name: _text(DOCS / name) for name in PAGES}
    assert all(f"## {code}" in told["errors.ipynb"] for code in CODES)
    assert all(f"## {name}" in told["functions.ipynb"] for name in ("sigmoid(", "dense_F(", "conv_F(", *TRANSFORMS))


def test_the_reference_lists_every_option_of_a_cell() -> None:
    page = _text(DOCS / "reference.ipynb")
    options = [action for action in SeqnetMagics.make.parser._actions if action.option_strings]
    assert len(options) > 10
    for option in options:
        assert f"| `{option.option_strings[-1]}" in page and f"| {option.help} |" in page, option.option_strings


def _text(path: Path) -> str:
    return "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text())["cells"])
