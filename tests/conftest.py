"""Options of the test run: golden files are rewritten only when asked for, by `pytest --update-golden`.

Property tests have no deadline: no test here measures time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("sqmagic", deadline=None, print_blob=True)
settings.load_profile("sqmagic")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files anew instead of comparing")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with the file that holds what it should be, or writes the file when asked to."""
    update: bool = request.config.getoption("--update-golden")

    def compare(path: Path, text: str) -> None:
        if update:
            path.write_text(text, encoding="utf-8", newline="")
        assert path.exists(), f"{path} is missing: see that the text is right, then run pytest --update-golden"
        assert text == path.read_text(encoding="utf-8")

    return compare
