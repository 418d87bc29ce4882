"""How what a run of a notebook shows is held against what is kept in it: `pytest --nbval -p tests.notebooks`.

nbval compares every text as it stands, the mime types of an output among them, and leaves out photographs (PNG, JPEG).
Four things are compared otherwise:

* A picture by what it says: its title, its description, its labels. Where its lines run is held by tests of its own,
  and would make every notebook wrong whenever pictures get better.
* Numbers of a cell that bears the tag `learnt` by their being there: training magnifies the last digits, and those
  are the processor's.
* How far a derivation is from torch.autograd (1e-16 or so): by its being there.
* A progress bar by how far it got.
"""

from __future__ import annotations

import gzip
import re
from base64 import b64decode
from collections.abc import Callable
from functools import wraps
from typing import Any
from xml.etree import ElementTree

import pytest
from nbval.plugin import IPyNbCell

LEARNT = "learnt"
_IMAGE = re.compile(r'<img src="data:image/svg\+xml;base64,([\w+/=]+)"(?: width="\d+")?')
_PHOTOGRAPH = re.compile(r"data:image/(?:png|jpeg);base64,[\w+/=]+")
_PACKED = "H4sI"
"""How gzip in base64 begins: the further views of a picture that our own renderer is told of."""

_BAR = re.compile(r"\d+%\|[^|]*\| (\d+/\d+) \[[^\]]*\] *")
_OFF = re.compile(r"(worst error )[\d.e+-]+\d")
_NUMBER = re.compile(r"-?\d[\d.,]*(?:e[+-]?\d+)?|#+")


def pytest_configure(config: pytest.Config) -> None:
    IPyNbCell.sanitize = _first_told(IPyNbCell.sanitize)


def _first_told(sanitize: Callable[[Any, object], object]) -> Callable[[Any, object], object]:
    @wraps(sanitize)
    def compared(cell: Any, shown: object) -> object:
        return sanitize(cell, told(shown, LEARNT in cell.cell.metadata.get("tags", ())))

    return compared


def told(shown: object, learnt: bool) -> object:
    """What is compared of an output, or of a part of one."""
    match shown:
        case dict():
            return {name: told(part, learnt) for name, part in shown.items()}
        case list() | tuple():
            return [told(part, learnt) for part in shown]
        case str():
            text = _OFF.sub(r"\1~", _BAR.sub(r"\1", _without_pictures(shown)))
            return _NUMBER.sub("~", text) if learnt else text
        case _:
            return shown


def _without_pictures(text: str) -> str:
    if text.startswith("<svg"):
        return words(text)
    if text.startswith(_PACKED):
        return words(gzip.decompress(b64decode(text)).decode())
    text = _PHOTOGRAPH.sub("", text)
    return _IMAGE.sub(lambda image: f"<img {words(b64decode(image[1]).decode())}", text)


def words(svg: str) -> str:
    """The title of a picture, its description, and its labels, each once."""
    root = ElementTree.fromstring(svg)
    about = ["".join(part.itertext()) for part in root if part.tag.endswith(("}title", "}desc"))]
    labels = {"".join(part.itertext()) for part in root.iter() if part.tag.endswith("}text")}
    return " / ".join([*about, *sorted(labels)])
