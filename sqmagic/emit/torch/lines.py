"""Lines of a page: comments beside them, what they name, and long ones broken at their brackets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

INDENT = "    "

WIDE = 108
"""How long a line may be, before it is indented."""

_OPENING, _CLOSING = "([{", ")]}"

_STRING = re.compile(r"""(["'])(?:\\.|(?!\1).)*\1""")


def beside(line: str, comment: str) -> list[str]:
    """A line with its comment, above it where the two are too long for one line; none that repeats the line."""
    if line == comment:
        return [line]
    if len(line) + len(comment) + 2 <= WIDE:
        return [f"{line}  # {comment}"]
    return [f"# {comment}", line]


def indented(lines: Iterable[str]) -> list[str]:
    return [INDENT + line if line else "" for line in lines]


def uses(lines: Iterable[str], word: str, after: str = r"(?!\w)") -> bool:
    """Whether a name stands in the lines, their comments apart."""
    pattern = re.compile(rf"(?<![\w.]){word}{after}")
    return any(pattern.search(line.partition("# ")[0]) for line in lines)


def dictionary(entries: Mapping[str, str]) -> str:
    """A dictionary in one line, or an entry a line."""
    pairs = [f'"{key}": {value}' for key, value in entries.items()]
    if 12 + sum(len(p) + 2 for p in pairs) <= WIDE:
        return "{" + ", ".join(pairs) + "}"
    return "{\n" + "".join(f"    {p},\n" for p in pairs) + "}"


def broken(line: str) -> list[str]:
    """The line in parts if it is too long: what its longest bracket holds, each member on a line of its own."""
    code = line.lstrip()
    indent = " " * (len(line) - len(code))
    if len(line) <= 120 or code.startswith(("#", '"')) or "  # " in code:
        return [line]
    group = max(_groups(code), key=lambda g: g[1] - g[0], default=None)
    if group is None or group[1] - group[0] < 20:
        return [line]
    start, stop = group
    members = _members(code[start + 1 : stop])
    if any(" for " in member for member in members):
        return [line]
    comma = "," * (len(members) > 1)
    inner = [part for member in members for part in broken(f"{indent}    {member}{comma}")]
    return [indent + code[: start + 1], *inner, indent + code[stop:]]


def _groups(code: str) -> list[tuple[int, int]]:
    """The outermost brackets: where each opens and closes."""
    found, depth, start = [], 0, 0
    for place, letter in enumerate(_without_strings(code)):
        if letter in _OPENING:
            start = place if depth == 0 else start
            depth += 1
        elif letter in _CLOSING:
            depth -= 1
            if depth == 0:
                found.append((start, place))
    return found


def _without_strings(code: str) -> str:
    """The same with nothing but blanks in strings."""
    return _STRING.sub(lambda string: " " * len(string[0]), code)


def _members(inner: str) -> list[str]:
    """What stands between commas, those within brackets apart."""
    members, depth, last = [], 0, 0
    for place, letter in enumerate(_without_strings(inner)):
        depth += (letter in _OPENING) - (letter in _CLOSING)
        if letter == "," and depth == 0:
            members.append(inner[last:place].strip())
            last = place + 1
    return [*members, inner[last:].strip()]
