"""Computing by demand, without recursion: tasks that wait for one another on a stack of our own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable
from typing import Any, TypeAlias

Task: TypeAlias = Generator[Hashable, Any, Any]
"""Yields the keys of the values that it needs, is sent them one by one, and returns its own."""


class Circle(Exception):
    """A value needs itself."""


def demand(key: Hashable, start: Callable[[Any], Task], known: dict[Hashable, Any]) -> Any:
    """The value of a key, and of all that it needs, each computed once and kept in `known`. Raises Circle."""
    if key in known:
        return known[key]
    tasks: dict[Hashable, Task] = {key: start(key)}  # in the order in which they wait for one another
    answer: Any = None
    while tasks:
        key = next(reversed(tasks))
        try:
            wanted = tasks[key].send(answer)
        except StopIteration as done:
            known[key] = answer = done.value
            del tasks[key]
            continue
        if wanted in tasks:
            raise Circle(wanted)
        if wanted in known:
            answer = known[wanted]
        else:
            tasks[wanted] = start(wanted)
            answer = None
    return answer
