"""The codes of what can be wrong with shapes."""

from __future__ import annotations

CODES: dict[str, str] = {
    "SQ301": "two shapes must be equal, and are not",
    "SQ302": "parts do not make up their whole",
    "SQ303": "a state or a parameter would have a shape that changes with time or with the window",
    "SQ304": "a goal is no scalar",
    "SQ305": "an operator is given a shape that it does not take",
    "SQ306": "a component, a slice or a range that is not there",
    "SQ307": "a size is not known: nothing settles it",
    "SQ308": "an image is too small for a window",
    "SQ309": "the data have another shape than the program says",
}
