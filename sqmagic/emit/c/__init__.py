"""Scans as plain C against one header, `engine.h`, and those that it includes."""

from functools import cache
from importlib.resources import files

HEADERS = ("engine.h", "vectors.h", "functions.h", "products.h", "threads.h", "sums.h", "matrices.h")


@cache
def engine() -> tuple[tuple[str, str], ...]:
    """The headers: the name and the text of each."""
    folder = files(__name__)
    return tuple((name, folder.joinpath(name).read_text(encoding="utf-8")) for name in HEADERS)


def header(name: str) -> tuple[str, str]:
    """A header that only some pages include."""
    return name, files(__name__).joinpath(name).read_text(encoding="utf-8")
