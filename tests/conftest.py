"""Options of the test run: golden files are rewritten only when asked for, by `pytest --update-golden`.

Property tests have no deadline, for no test here measures time, and try the same examples in every run; `pytest --fuzz`
(`make fuzz`) tries others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("sqmagic", deadline=None, print_blob=True, derandomize=True)
settings.register_profile("fuzz", settings.get_profile("sqmagic"), derandomize=False)
settings.register_profile("quick", settings.get_profile("sqmagic"), max_examples=15)
settings.load_profile("sqmagic")


class Absent(MetaPathFinder):
    """Makes the compiler's tests prove that they need neither torch nor Jupyter: there is neither."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        if fullname.partition(".")[0] in ("torch", "IPython", "ipykernel", "jupyter_client"):
            raise ModuleNotFoundError(f"{fullname} is absent under --alone")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--alone"):
        sys.meta_path.insert(0, Absent())
        settings.load_profile("quick")
    if config.getoption("--fuzz"):
        settings.load_profile("fuzz")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--alone", action="store_true", help="run as if torch and Jupyter were not installed")
    parser.addoption("--fuzz", action="store_true", help="let property tests try examples that no run has tried")
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
