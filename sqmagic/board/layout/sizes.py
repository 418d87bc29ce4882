"""How large a node is drawn, from our own widths of letters, so that every painter needs the same room. In points."""

from __future__ import annotations

from sqmagic.board.layout.graph import Label, Node
from sqmagic.board.theme import text_width

CIRCLE, LAYER, TAB, SIGN, WORD, BOX, GOAL, WIRE, ORDER = 18.0, 14.0, 14.0, 17.0, 13.0, 16.0, 14.0, 14.0, 12.0
"""Sizes of letters: in circles, layers, their tabs, signs, words in ellipses, functions, goals, on wires, and of a sign
beside an operand."""

HEAD = 12.0
"""How long and broad the arrowhead of a wire is."""

ROUND = 44.0
"""How high inputs and outputs are; a long name makes an ellipse of the circle."""

SMALL = 0.7
"""How much smaller what stands below is."""


def label_width(label: Label, size: float) -> float:
    below = text_width(label.below, size * SMALL, serif=label.serif)
    return text_width(label.base, size, serif=label.serif) + below


def label_size(node: Node) -> float:
    match node.kind:
        case "layer":
            return LAYER if node.tab else LAYER + 2
        case "delay":
            return WORD - 1
        case "pointwise" | "aside":
            return SIGN if len(node.label.base) == 1 else WORD
        case "function" | "buffer" | "macro":
            return BOX
        case "loss" | "objective":
            return GOAL
        case _:
            return CIRCLE


def circle_width(text: float, around: float) -> float:
    """The width of a circle, or an ellipse, around a name of that width."""
    return max(ROUND, text + around if text + around <= 1.2 * ROUND else 1.15 * text + around)


def tab_width(node: Node) -> float:
    return max(20.0, label_width(node.tab, TAB) + 10) if node.tab else 0.0


def extent(node: Node) -> tuple[float, float]:
    """Width and height."""
    text = label_width(node.label, label_size(node))
    match node.kind:
        case "layer":
            return tab_width(node) + max(32.0 if node.tab else 48.0, text + (14 if node.tab else 22)), 32.0
        case "pointwise" | "aside" if len(node.label.base) == 1:
            return 30.0, 30.0
        case "pointwise" | "aside":
            return max(40.0, text + 18), 28.0
        case "merge":
            return 4.0, 4.0
        case "delay":
            return max(26.0, text + 8), 24.0
        case "function" | "macro":
            return max(70.0, text + 30), 36.0
        case "buffer":
            return max(70.0, text + 30), 48.0
        case "loss" | "objective":
            return max(60.0, text + 32), 34.0
        case "input" | "output" | "target":
            return circle_width(text, 14), ROUND
        case _:
            return 0.0, 0.0
