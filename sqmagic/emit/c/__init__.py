"""Scans, and whole windows, as plain C against one header, `engine.h`, and those that it includes.

names       what things are called in C
places      where values stand at a step
equations   the equation beside a line
operators   the table of functions
lines       the lines of a group of values
panels      weights as products take them
groups      the functions of a group
gradients   what is added up after a way back
memories    ranges that grow with the steps
ends        examples that end before the window
write       the page of a scan
window      what pages of windows have in common
acting      the page that acts
learning    the page that learns
"""

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
