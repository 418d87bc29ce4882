"""All rows in the order in which they are asked, and the last one that knows every place."""

from __future__ import annotations

from sqmagic.notation.mistakes import brackets, chalkboard, habits, missing, signs
from sqmagic.notation.mistakes.place import Mistake, Place, Row
from sqmagic.notation.problems import quoted

_WORDS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"NAME", "NUMBER", "LPAR"}), "an expression"),
    (frozenset({"NAME"}), "a name"),
    (frozenset({"NUMBER"}), "a number"),
    (frozenset({"ARROW", "OPEN"}), "an arrow"),
    (frozenset({"GOAL", "DOLLAR"}), "`=>` or `$`"),
    (frozenset({"PLUS", "TIMES"}), "an operator"),
    (frozenset({"CROSS"}), "`x`"),
    (frozenset({"RPAR"}), "`)`"),
    (frozenset({"CLOSE"}), "`]`"),
    (frozenset({"BAR"}), "`|`"),
    (frozenset({"COMMA"}), "`,`"),
    (frozenset({"BIND"}), "`:=`"),
    (frozenset({"COLON"}), "`:`"),
    (frozenset({"ON"}), "`on`"),
    (frozenset({"_INDENT"}), "an indented block"),
    (frozenset({"_NL"}), "the end of the line"),
)


def _anything(place: Place) -> Mistake:
    """The last row knows every place."""
    rest = set(place.expected)
    words = []
    for terminals, word in _WORDS:
        if terminals <= rest:
            rest -= terminals
            words.append(word)
    could = f"; here could stand {', '.join(words[:-1])}{' or ' * (len(words) > 1)}{words[-1]}" if words else ""
    subject = "the line cannot end here" if place.ended else f"{quoted(place.word)} cannot stand here"
    return Mistake("SQ101", subject + could, place.start, place.stop)


ROWS: tuple[Row, ...] = (
    signs.without_width,
    brackets.open_brace,
    brackets.context_in_parentheses,
    signs.backward_arrow,
    signs.lame_arrow,
    chalkboard.transposed,
    chalkboard.step_above,
    signs.power,
    chalkboard.joined,
    chalkboard.semicolon_within,
    signs.statements_on_a_line,
    signs.single_dash,
    signs.unfinished,
    habits.comment,
    chalkboard.held_fixed,
    habits.module,
    chalkboard.accent,
    chalkboard.latex,
    chalkboard.drawn_from,
    chalkboard.outer_product,
    chalkboard.sum_sign,
    signs.character,
    missing.heading,
    signs.single_equal,
    signs.split_bind,
    signs.long_goal,
    chalkboard.indexed_step,
    signs.equal,
    brackets.norm_bars,
    missing.bare_heading,
    habits.after_a_binding,
    brackets.arrow_within,
    brackets.unclosed,
    brackets.wrong_close,
    missing.nothing_before,
    missing.over_or_reset,
    chalkboard.row_or_column,
    brackets.slice_end,
    missing.colon,
    missing.nothing_after,
    brackets.comma,
    brackets.item,
    missing.size_sign,
    habits.goal_in_words,
    chalkboard.beside_a_layer,
    missing.side_by_side,
)


def recognise(place: Place) -> Mistake:
    """What is wrong at a place."""
    return next((mistake for row in ROWS if (mistake := row(place)) is not None), None) or _anything(place)
