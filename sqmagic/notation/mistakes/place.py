"""The place where reading a statement got stuck, and what can be said about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

Edit: TypeAlias = tuple[int, int, str]

BLOCK = "\n    x"  # stands for the block under a heading that is read alone

_BRACKET = re.compile(r"_\{[^{}\n]*\}|--\[|[─–—]{1,9}\[|==\[|═{1,9}\[|[()\[\]]")
_FUNCTIONS = re.compile(r"--\[|[─–—]{1,9}\[")


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading a line got stuck: before, at and after the token (comments blanked), and what could follow."""

    before: str
    word: str
    after: str
    kind: str
    expected: frozenset[str]

    @property
    def start(self) -> int:
        return len(self.before)

    @property
    def stop(self) -> int:
        return len(self.before) + len(self.word)

    @property
    def left(self) -> str:
        """What was read, without the blanks at its end."""
        return self.before.rstrip()

    @property
    def ended(self) -> bool:
        """Whether the statement ended too early."""
        return self.kind in ("_NL", "$END")


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is said about a place (characters `start` up to `stop` of the line), and the edit that may repair it."""

    code: str
    message: str
    start: int
    stop: int
    edit: Edit | None = None


Row: TypeAlias = Callable[[Place], Mistake | None]


def open_brackets(text: str) -> list[re.Match[str]]:
    """The brackets of a text that nothing closes, outermost first; contexts in braces are skipped."""
    waiting: list[re.Match[str]] = []
    for bracket in _BRACKET.finditer(text):
        if bracket[0] in (")", "]"):
            del waiting[-1:]
        elif not bracket[0].startswith("_"):
            waiting.append(bracket)
    return waiting


def holds_functions(bracket: str) -> bool:
    """Whether a bracket opens the functions of an arrow."""
    return _FUNCTIONS.match(bracket) is not None


def closes_at_once(opening: str, text: str) -> bool:
    """Whether a text closes the bracket before it opens another."""
    bracket = next((b[0] for b in _BRACKET.finditer(text) if not b[0].startswith("_")), "")
    return bracket == (")" if opening == "(" else "]")
