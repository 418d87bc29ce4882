"""The sheet as an HTML table with MathML: no script, no style sheet, nothing from outside.

A row has its number and, beside each other, the text of the line and its three columns. These are as wide as what
stands in them. Where the page is too narrow for all, or they are too wide for any page, the adjoints and the update go
below the text and its equation, in every row alike; where it is narrower still, each goes below the other. Grey is
ink that shines through, so that it is grey on any ground.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import zip_longest

from sqmagic.board.derivation.chains import Entry, Said, Step
from sqmagic.board.derivation.widths import width
from sqmagic.board.formula import Formula
from sqmagic.board.mathml import MATH, shape_mathml, write

COLUMNS: dict[str, tuple[str, str]] = {
    "forward": ("Forward ↓", "read down"),
    "backward": ("Autodiff ↑", "read up"),
    "update": ("Update", ""),
}
"""The heading of each column, and how it is read."""

_ALL = 70.0
"""In em: what a notebook holds on a screen of 1,200 pixels. Columns that would be wider together are narrowed, and
their longest lines break; where that is not enough, they stand two by two."""

_GREY = "opacity:.68;font-size:85%"
_RULE = "border-top:1px solid rgba(128,128,128,.35)"
_TABLE = "border-collapse:collapse;margin:.6em 0;text-align:left"
_LINES = "display:flex;flex-wrap:wrap;column-gap:1.6em;row-gap:.3em"
_BASELINE = f"{_LINES};align-items:baseline"


def page(
    title: str,
    head: Sequence[Formula],
    rows: Sequence[Entry],
    columns: Sequence[str],
    colours: Mapping[str, str],
    foot: str = "",
    latex: str = "",
) -> str:
    """The table, its conventions above it, what was checked and the LaTeX to copy below it."""
    shown = [name for name in columns if any(getattr(entry, name) for entry in rows)]
    widths = _widths(("text", *shown), rows)
    body = "".join(_row(entry, shown, widths, colours) for entry in rows)
    parts = [
        f'<div style="margin-bottom:.3em"><b>{escape(title)}</b></div>' if title else "",
        f'<div style="{_LINES};column-gap:2.4em">{"".join(f"<span>{_math(each)}</span>" for each in head)}</div>',
        f'<table style="{_TABLE}">{_heading(shown, widths)}{body}</table>',
        f'<div style="{_GREY}">{escape(foot)}</div>' if foot else "",
        _copy(latex) if latex else "",
    ]
    return f'<div style="font-size:13px;line-height:1.45;text-align:left">{"".join(parts)}</div>'


def _copy(latex: str) -> str:
    return f'<details style="{_GREY}"><summary>LaTeX</summary><pre style="margin:0">{escape(latex)}</pre></details>'


def _widths(names: Sequence[str], rows: Sequence[Entry]) -> dict[str, float]:
    """How wide each column is: as its widest line, or less, but no less than the widest part that cannot break.

    Where even that is too wide for all of them beside each other, the last two stand below the first two, as wide.
    """
    wanted = {name: max((7.0, *(_wanted(name, entry) for entry in rows))) for name in names}
    least = {name: max((7.0, *(_least(name, entry) for entry in rows))) for name in names}
    beside = [[name] for name in names]
    if sum(least.values()) > _ALL:
        beside = [[name for name in pair if name] for pair in zip_longest(names[:2], names[2:])]
    widest, narrowest = ([max(each[name] for name in column) for column in beside] for each in (wanted, least))
    excess, room = sum(widest) - _ALL, sum(widest) - sum(narrowest)
    share = min(1.0, excess / room) if excess > 0 and room > 0 else 0.0
    narrowed = [wide - share * (wide - narrow) for wide, narrow in zip(widest, narrowest, strict=True)]
    return {name: width for column, width in zip(beside, narrowed, strict=True) for name in column}


def _wanted(name: str, entry: Entry) -> float:
    if name == "text":
        return 0.62 * len(entry.text) + 0.5
    return max((_line(each) for each in getattr(entry, name)), default=0.0)


def _least(name: str, entry: Entry) -> float:
    if name == "text":
        longest = max(map(len, _words(entry.text)))
        return min(max(15.0, 0.62 * longest + 0.5), 0.62 * len(entry.text) + 0.5)
    said: Sequence[Said] = getattr(entry, name)
    return max((_left(each) + max(map(width, step.pieces)) + 1.4 for each in said for step in each.steps), default=0.0)


def _left(said: Said) -> float:
    return 0.0 if said.left is None else width(said.left) + 0.4


def _line(said: Said) -> float:
    steps = [sum(map(width, step.pieces)) + 1.4 for step in said.steps]
    rules = [_rule_width(step.rule) for step in said.steps]
    right = _rule_width(said.note) + (3.5 if said.shape else 0.0)
    if _in_a_line(said):
        return _left(said) + sum(steps) + sum(rules) + right
    return _left(said) + max(a + b for a, b in zip(steps, rules, strict=True)) + right


def _rule_width(rule: Formula | None) -> float:
    return 0.0 if rule is None else 0.85 * width(rule) + 1.5


def _in_a_line(said: Said) -> bool:
    """Two forms stand beside each other, more below one another."""
    return len(said.steps) <= 2


# --- rows ----------------------------------------------------------------------------------------


def _heading(shown: Sequence[str], widths: Mapping[str, float]) -> str:
    cells = [_cell("", widths["text"])]
    for name in shown:
        heading, how = COLUMNS[name]
        cells.append(_cell(f'{heading} <span style="{_GREY}">{how}</span>' if how else heading, widths[name]))
    return (
        '<tr style="background:none"><th style="padding:0 .6em"></th>'
        '<th style="text-align:left;font-weight:normal;padding:.2em .6em;border-left:4px solid transparent">'
        f"{_beside(cells)}</th></tr>"
    )


def _row(entry: Entry, shown: Sequence[str], widths: Mapping[str, float], colours: Mapping[str, str]) -> str:
    colour = colours.get(entry.state or "", "rgba(128,128,128,.5)")
    cells = [_cell(_code(entry.text), widths["text"])]
    for name in shown:
        cells.append(_cell("".join(_chain(each) for each in getattr(entry, name)), widths[name]))
    return (
        f'<tr style="{_RULE};background:none">'
        f'<td style="text-align:right;vertical-align:baseline;padding:.35em .5em;{_GREY}">{entry.line or ""}</td>'
        f'<td style="text-align:left;vertical-align:baseline;padding:.35em .6em;border-left:4px solid {colour}">'
        f"{_beside(cells)}</td></tr>"
    )


def _beside(cells: Sequence[str]) -> str:
    """All in a line, or the first two above the others, or one above the other, as there is room."""
    halves = [f'<div style="{_BASELINE}">{"".join(half)}</div>' for half in (cells[:2], cells[2:]) if half]
    return f'<div style="{_BASELINE}">{"".join(halves)}</div>'


def _code(text: str) -> str:
    """A line of the notation; it does not break in an arrow, nor between an arrow and the name that it leads to."""
    spans = [f'<span style="white-space:nowrap">{escape(w)}</span>' if "-" in w else escape(w) for w in _words(text)]
    return f'<code style="white-space:pre-wrap;background:none;padding:0">{" ".join(spans)}</code>'


def _words(text: str) -> tuple[str, ...]:
    """What a line may break between."""
    return tuple(re.split(r"(?<![-=]>) ", text))


def _cell(body: str, em: float) -> str:
    return f'<div style="width:{em:.1f}em;max-width:100%">{body}</div>'


def _chain(said: Said) -> str:
    """What is defined, and beside it each form after its sign; a form that is too long breaks between terms."""
    left = "" if said.left is None else f"<div>{_math(said.left)}</div>"
    last = len(said.steps) - 1
    if _in_a_line(said):
        rules = [step.rule for step in said.steps]
        right = f"<div>{' '.join(map(_step, said.steps))}{_shape(said)}{_grey([*rules, said.note])}</div>"
    else:
        notes = [[step.rule, said.note if n == last else None] for n, step in enumerate(said.steps)]
        lines = [_step(step) + _grey(note) for step, note in zip(said.steps, notes, strict=True)]
        spaced = [f'<div style="margin:.2em 0">{line}</div>' for line in lines]
        right = f"<div>{''.join(spaced)}</div>"
    body = f'<div style="display:flex;align-items:baseline;column-gap:.3em;margin:.15em 0">{left}{right}</div>'
    return f"<details><summary>…</summary>{body}</details>" if said.detail else body


def equation(said: Said) -> str:
    """A chain in one `<math>` element, for who lays out the rest."""
    left = "" if said.left is None else write(said.left)
    steps = (f"<mo>{escape(s.relation)}</mo>{write(s.whole)}" if s.relation else write(s.whole) for s in said.steps)
    return f"<math>{left}{''.join(steps)}</math>"


def _step(step: Step) -> str:
    relation = f"<mo>{escape(step.relation)}</mo> " if step.relation else ""
    first, *rest = step.pieces
    return " ".join([f"{MATH}{relation}{write(first)}</math>", *map(_math, rest)])


def _math(formula: Formula) -> str:
    return f"{MATH}{write(formula)}</math>"


def _shape(said: Said) -> str:
    if not said.shape or said.kind != "state":
        return ""
    return f' <span style="{_GREY}">{MATH}{shape_mathml(said.shape)}</math></span>'


def _grey(rules: Sequence[Formula | None]) -> str:
    told = " · ".join(_math(rule) for rule in rules if rule is not None)
    return f' <span style="{_GREY};margin-left:1em;white-space:nowrap">{told}</span>' if told else ""
