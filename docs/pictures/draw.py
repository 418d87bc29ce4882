"""Draws the pictures of the README, each from the program beside it: `make pictures`."""

from __future__ import annotations

from pathlib import Path

from sqmagic.board.diagram import Look
from sqmagic.showing import sketch

HERE = Path(__file__).parent
PICTURES: dict[str, tuple[str, Look]] = {
    "lstm": ("lstm", Look()),
    "lstm_rolled": ("lstm", Look(view="rolled", legend=False)),
    "lstm_chalkboard": ("lstm", Look(view="ghost", theme="chalkboard", legend=False)),
    "gru": ("gru", Look()),
    "gru_layers": ("gru_layers", Look(expand=("all",))),
    "gru_folded": ("gru_layers", Look(legend=False)),
    "advantages": ("advantages", Look()),
    "dqn": ("dqn", Look()),
    "perceptron": ("perceptron", Look()),
}
"""Each picture's program and look."""


def drawn(picture: str) -> str:
    """The SVG text of a picture."""
    program, look = PICTURES[picture]
    text = (HERE / f"{program}.sqn").read_text(encoding="utf-8")
    diagram = sketch(text, picture, look)
    assert diagram is not None, f"nothing of {program}.sqn can be drawn"
    return diagram.svg


if __name__ == "__main__":
    for picture in PICTURES:
        (HERE / f"{picture}.svg").write_text(drawn(picture), encoding="utf-8")
        print(f"docs/pictures/{picture}.svg")
