"""A run while it goes on: a bar with its figures, and in a notebook the curve besides, drawn anew now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

BAR, CURVE = 0.1, 1.0
"""Seconds between two states of the bar, and between two pictures."""


class Run(Protocol):
    """What is known of a run; it shows itself with its curve."""

    @property
    def steps(self) -> int: ...

    @property
    def has_curve(self) -> bool: ...

    def figures(self) -> Mapping[str, str]:
        """What stands beside the bar."""
        ...


class Picture(Protocol):
    """A place on a page whose contents can be changed."""

    def update(self, shown: object) -> None: ...


PLACES: list[Callable[[], Picture]] = []
"""What makes such a place, the newest last; a notebook puts in its own."""


class Live:
    """What is shown; `update` is told how many steps have been made."""

    def __init__(self, run: Run, bar: Any, picture: Picture | None) -> None:
        self._run, self._bar, self._picture = run, bar, picture
        self._told = self._drawn = time.monotonic()

    def update(self, steps: int) -> None:
        now = time.monotonic()
        if self._bar.disable or now - self._told < BAR:
            return
        self._told = now
        self._tell(steps)
        if self._picture is not None and self._run.has_curve and now - self._drawn >= CURVE:
            self._drawn = now
            self._picture.update(self._run)

    def finish(self, steps: int) -> None:
        if not self._bar.disable:
            self._tell(steps)

    @contextmanager
    def meanwhile(self, what: str) -> Iterator[None]:
        """Before the bar stands what goes on while it stands still."""
        if self._bar.disable:
            yield
            return
        self._bar.set_description(what)
        try:
            yield
        finally:
            self._bar.set_description("")

    def say(self, text: str) -> None:
        """A line of its own above the bar."""
        if not self._bar.disable:
            self._bar.write(text)

    def _tell(self, steps: int) -> None:
        most = steps if self._bar.total is None else min(steps, self._bar.total)
        self._bar.set_postfix(self._run.figures(), refresh=False)
        self._bar.update(most - self._bar.n)


@contextmanager
def live(run: Run, steps: int | None, progress: bool) -> Iterator[Live]:
    """The bar as text, for a widget is gone when a notebook is opened again; and not on a notebook's red stderr."""
    from tqdm import tqdm

    notebook = type(sys.stdout).__module__ == "ipykernel.iostream"
    before = run.steps
    picture = PLACES[-1]() if PLACES and notebook and progress else None  # before the bar, which it would part
    with tqdm(total=steps, disable=not progress, unit="step", file=sys.stdout if notebook else sys.stderr) as bar:
        shown = Live(run, bar, picture)
        yield shown
        shown.finish(run.steps - before)
        if picture is not None:
            picture.update(Nothing())  # the run's own value follows, with its curve


class Nothing:
    """What a place shows that shows nothing."""

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/plain": "", "text/html": ""}
