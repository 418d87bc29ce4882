"""Scans as plain C against one header, `engine.h`."""

from functools import cache
from importlib.resources import files


@cache
def engine() -> str:
    """The text of the header."""
    return files(__name__).joinpath("engine.h").read_text(encoding="utf-8")
