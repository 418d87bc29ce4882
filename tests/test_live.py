"""What is seen of a run while it goes on: the bar often, the curve now and then."""

from __future__ import annotations

import pytest

from sqmagic.runtime import live
from sqmagic.runtime.history import History
from sqmagic.runtime.played import Played


class Bar:
    def __init__(self, total: int | None) -> None:
        self.total, self.n, self.disable = total, 0, False
        self.said: list[dict[str, str]] = []
        self.before: list[str] = []

    def set_postfix(self, figures: dict[str, str], refresh: bool) -> None:
        self.said.append(figures)

    def set_description(self, words: str) -> None:
        self.before.append(words)

    def update(self, more: int) -> None:
        self.n += more


class Place:
    def __init__(self) -> None:
        self.drawn: list[int] = []

    def update(self, shown: object) -> None:
        assert isinstance(shown, History)
        self.drawn.append(shown.steps)


def test_the_bar_is_told_often_and_the_curve_drawn_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    history, bar, place = History(), Bar(None), Place()
    shown = live.Live(history, bar, place)
    history.begin()
    for step in range(1, 301):
        now[0] = step / 100
        history.add(1 / step, 1)
        shown.update(step)
    assert len(bar.said) == pytest.approx(30, abs=3) and bar.n == pytest.approx(300, abs=11)
    assert len(place.drawn) in (2, 3) and place.drawn[:2] == pytest.approx([100, 200], abs=25)
    shown.finish(300)
    assert bar.n == 300 and bar.said[-1] == {"epoch": "1", "loss": "0.003333"}


def test_a_bar_does_not_go_past_its_end() -> None:
    bar = Bar(10)
    live.Live(Played(), bar, None).finish(16)
    assert bar.n == 10 and bar.said == [{}]


def test_before_there_is_a_curve_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    place = Place()
    shown = live.Live(History(), Bar(3), place)
    now[0] = 5.0
    shown.update(1)
    assert place.drawn == []


def test_before_the_bar_stands_what_goes_on_while_it_stands_still() -> None:
    bar = Bar(10)
    with live.Live(Played(), bar, None).meanwhile("compiling"):
        assert bar.before == ["compiling"]
    assert bar.before == ["compiling", ""]
