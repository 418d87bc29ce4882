"""Ranges of T rows: what is written for two numbers of rows tells what is to be written for any.

The rows of `e_{1:T}` are as many as there are steps, which is known as it runs. A plan and its page are made as if they
were a prime number, and once more as if they were another. Numbers that are the same in both are numbers; what is so
many times the first prime in one, and as many times the second in the other, is so many times the rows; and what
differs otherwise is no page.
"""

from __future__ import annotations

import re

AS_IF = (1000003, 1000033)
"""Two numbers of rows, larger than the widths that rules go by. Among real numbers in C such are written `(real)…`."""

_NUMBER = re.compile(r"(\(real\))?(?<![\w.])(\d+)(?:\.0)?(?![\w.])")


class Differ(Exception):
    """Two texts that do not differ by the number of rows alone."""


def merged(one: str, other: str, rows: str, *, within: bool = True) -> str:
    """The text with the number of rows where the two texts have theirs, `within` parentheses. Raises Differ."""
    first, second = list(_NUMBER.finditer(one)), list(_NUMBER.finditer(other))
    if len(first) != len(second):
        raise Differ
    found, here, there = list[str](), 0, 0
    for a, b in zip(first, second, strict=True):
        if one[here : a.start()] != other[there : b.start()]:
            raise Differ
        found += [one[here : a.start()], a[0] if a[0] == b[0] else _times(a, b, rows, within)]
        here, there = a.end(), b.end()
    if one[here:] != other[there:]:
        raise Differ
    return "".join([*found, one[here:]])


def _times(a: re.Match[str], b: re.Match[str], rows: str, within: bool) -> str:
    """So many times the rows. Raises Differ."""
    times, rest = divmod(int(a[2]), AS_IF[0])
    if rest or a[1] != b[1] or times * AS_IF[1] != int(b[2]):
        raise Differ
    product = rows if times == 1 else f"{times} * {rows}"
    return f"{a[1] or ''}({product})" if within else product
