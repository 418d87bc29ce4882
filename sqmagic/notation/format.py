"""`formatted`: a program's text in its canonical form, its comments and paragraphs kept.

Law: `parse(formatted(text)) == parse(text)`, every comment of the text stands in the result in the same order, and
`formatted(formatted(text)) == formatted(text)`. A comment within a statement of several lines goes above it; of several
empty lines one stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqmagic.notation.parse import parse
from sqmagic.notation.show import show_statement
from sqmagic.notation.source import Source
from sqmagic.notation.syntax import Macro, Statement

_INDENT = "    "


@dataclass(frozen=True, slots=True)
class _Unit:
    """What stands on lines `first` to `last` of the text, and the line that it becomes."""

    first: int
    last: int
    text: str


def formatted(text: str, unicode: bool = False) -> str:
    """The text as the canonical printer writes it, with a final newline. Raises NotationError as `parse` does."""
    program, source = parse(text), Source.of(text)
    lines = [line.rstrip() for line in source.text.split("\n")]
    units = [unit for statement in program.statements for unit in _units(statement, source, unicode, "")]
    made: list[str] = []
    done, before = 0, ""  # lines of the text that are told, and how deep the last one stands
    for unit in units:
        indent = unit.text[: len(unit.text) - len(unit.text.lstrip())]
        made += _between(lines[done : unit.first - 1], before, indent)
        *inner, last = (_comment(line) for line in lines[unit.first - 1 : unit.last])
        made += [indent + comment for comment in inner if comment]
        made.append(f"{unit.text}  {last}" if last else unit.text)
        done, before = unit.last, indent
    made += _between(lines[done:], before, "")
    return "\n".join(_paragraphs(made)) + "\n"


def _units(statement: Statement, source: Source, unicode: bool, indent: str) -> Iterator[_Unit]:
    """A macro is its heading and each statement of its body; any other statement is one unit."""
    first, last = source.line_number(statement.span.start), source.line_number(max(statement.span.stop - 1, 0))
    if not isinstance(statement, Macro):
        yield _Unit(first, last, indent + show_statement(statement, unicode))
        return
    heading = max([statement.name, *statement.formals], key=lambda name: name.span.stop)
    yield _Unit(first, source.line_number(heading.span.stop - 1), show_statement(statement, unicode).split("\n")[0])
    for inner in statement.body:
        yield from _units(inner, source, unicode, _INDENT)


def _between(lines: list[str], before: str, after: str) -> list[str]:
    """Comments and empty lines between two statements. A comment stands as deep as what it is written above, or within
    the block that ends there, if it was written so."""
    return [(before if line[:1].isspace() and before else after) + line.lstrip() if line else "" for line in lines]


def _comment(line: str) -> str:
    start = line.find("#")
    return line[start:] if start >= 0 else ""


def _paragraphs(lines: list[str]) -> Iterator[str]:
    """Without empty lines at the ends, or several in a row."""
    waiting = began = False
    for line in lines:
        if not line:
            waiting = began
            continue
        if waiting:
            yield ""
        waiting, began = False, True
        yield line
