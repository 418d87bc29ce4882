"""A run while it goes on: a bar with the return and the loss, and in a notebook the curve besides, drawn anew now and
then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqmagic.runtime.played import Played

EVERY = 1.0
"""Seconds between two pictures."""


class Picture(Protocol):
    """A place on a page whose contents can be changed."""

    def update(self, shown: object) -> None: ...


PLACES: list[Callable[[], Picture]] = []
"""What makes such a place, the newest last; a notebook puts in its own."""


class Live:
    """What is shown; `update` is told how many steps have been made."""

    def __init__(self, history: Played, bar: Any, picture: Picture | None) -> None:
        self._history, self._bar, self._picture = history, bar, picture
        self._drawn = time.monotonic()

    def update(self, steps: int) -> None:
        if self._bar.disable:
            return
        now = time.monotonic()
        if now - self._drawn < (EVERY if self._picture is not None else 0.1):
            return
        self._drawn = now
        self._bar.set_postfix(self._told(), refresh=False)
        self._bar.update(min(steps, self._bar.total) - self._bar.n)
        if self._picture is not None and self._history.episodes:
            self._picture.update(self._history)

    def finish(self, steps: int) -> None:
        if not self._bar.disable:
            self._bar.set_postfix(self._told(), refresh=False)
            self._bar.update(min(steps, self._bar.total) - self._bar.n)

    def _told(self) -> dict[str, str]:
        last, losses = self._history.returns[-100:], self._history.losses
        found = {"return": f"{sum(last) / len(last):.4g}"} if last else {}
        return found | ({"loss": f"{losses[-1]:.4g}"} if losses else {})


@contextmanager
def live(history: Played, steps: int, progress: bool) -> Iterator[Live]:
    """The bar as text, for a widget is gone when a notebook is opened again; and not on a notebook's red stderr."""
    from tqdm import tqdm

    notebook = type(sys.stdout).__module__ == "ipykernel.iostream"
    before = history.steps
    with tqdm(total=steps, disable=not progress, unit="step", file=sys.stdout if notebook else sys.stderr) as bar:
        picture = PLACES[-1]() if PLACES and notebook and progress else None
        shown = Live(history, bar, picture)
        yield shown
        shown.finish(history.steps - before)
        if picture is not None:
            picture.update(Nothing())  # the run's own value follows, with its curve


class Nothing:
    """What a place shows that shows nothing."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": ""}
