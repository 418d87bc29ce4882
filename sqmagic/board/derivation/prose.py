"""Names of rules and notes as formulas: words stay words, and `σ' = σ (1 − σ)` is set as what it is."""

from __future__ import annotations

import re

from sqmagic.board.formula import Atom, Formula, Row, Script, hatted, letter, mark, row
from sqmagic.board.names import GREEK, greek

_TOKEN = re.compile(
    r"\^(?P<hat>[A-Za-z]+'*)|(?P<words>[A-Za-z_]+(?:[ ,:]+[A-Za-z_]+)*'*)|(?P<digits>\d+)"
    r"| *(?P<infix>[=+<>\u2212]) *|(?P<sign>.)"
)
_RAISED = {"²": "2", "ᵀ": "⊤"}
_LETTERS = frozenset(GREEK.values())


def prose(text: str) -> Formula:
    """The words of a note, its signs and Greek letters as signs of a formula."""
    parts: list[Formula] = []
    for found in _TOKEN.finditer(text):
        if found["sign"] in _RAISED and parts:
            parts[-1] = Script(parts[-1], None, mark(_RAISED[found["sign"]]))
        else:
            parts.append(_token(found))
    return parts[0] if len(parts) == 1 else Row(tuple(parts))


def _token(found: re.Match[str]) -> Formula:
    if found["hat"]:
        return hatted(greek(found["hat"].replace("'", "\u2032")))
    if found["words"]:
        return _words(found["words"])
    if found["digits"]:
        return Atom(found["digits"], "number")
    if found["infix"]:
        return Atom(found["infix"], "infix")
    return _sign(found["sign"])


def _words(text: str) -> Formula:
    """A lone letter is a name; a prime is one."""
    stem = text.rstrip("'")
    body: Formula = letter(stem) if len(stem) == 1 else Atom(stem, "text")
    return row(body, mark("\u2032" * (len(text) - len(stem)))) if stem != text else body


def _sign(sign: str) -> Formula:
    if sign in _LETTERS or sign == "Φ" or sign == "φ":
        return letter(sign)
    if sign == "'":
        return mark("\u2032")
    return Atom(" ", "text") if sign == " " else mark(sign)
