"""Brackets and braces without partners, and what cannot stand within them."""

from __future__ import annotations

import re

from sqmagic.notation.mistakes.place import Mistake, Place, closes_at_once, holds_functions, open_brackets

_ENDS_BRACKET = {"_NL", "$END", "ARROW", "OPEN", "GOAL", "LOSS", "DOLLAR", "BIND"}


def open_brace(place: Place) -> Mistake | None:
    if not (place.word == "_" and place.after.startswith("{")):
        return None
    guess = re.match(r"\{\s*[\w:,]*(?:\s*[-+]\s*\d+)?", place.after)
    close = place.stop + (guess.end() if guess else 1)
    return Mistake("SQ103", "this `{` is not closed", place.start, place.stop + 1, (close, close, "}"))


def context_in_parentheses(place: Place) -> Mistake | None:
    """`h_(t-1)`."""
    found = re.match(r"\(([^(){}\n]*)\)", place.after) if place.word == "_" else None
    if found is None:
        return None
    start, stop = place.stop, place.stop + found.end()
    message = f"an index stands in braces, `_{{{found[1]}}}`"
    return Mistake("SQ103", message, place.start, stop, (start, stop, f"{{{found[1]}}}"))


def norm_bars(place: Place) -> Mistake | None:
    drawn = re.search(r"\|\|([^|\n]{1,200})\|\|", place.before + place.word + place.after)
    if place.kind != "BAR" or drawn is None or not drawn.start() <= place.start < drawn.end():
        return None
    message = "a norm is written `norm(x)`; `|` stands between two states"
    return Mistake(
        "SQ101", message, drawn.start(), drawn.end(), (drawn.start(), drawn.end(), f"norm({drawn[1].strip()})")
    )


def arrow_within(place: Place) -> Mistake | None:
    waiting = open_brackets(place.before)
    if place.kind != "ARROW" or not waiting or not closes_at_once(waiting[-1][0], place.after):
        return None
    if not holds_functions(waiting[-1][0]):
        return Mistake("SQ101", "an arrow cannot stand within brackets", place.start, place.stop)
    blanks = len(place.after) - len(place.after.lstrip())
    edit = (len(place.left), place.stop + blanks, "|")
    return Mistake("SQ101", "functions between brackets are composed by `|`", place.start, place.stop, edit)


def unclosed(place: Place) -> Mistake | None:
    waiting = open_brackets(place.before)
    if not waiting or place.kind not in _ENDS_BRACKET:
        return None
    inner = waiting[-1]
    close = ")" if inner[0] == "(" else "]"
    glued = place.kind in ("ARROW", "GOAL") and len(inner[0]) > 1
    edit = (len(place.left), place.start if glued else len(place.left), close)
    return Mistake("SQ103", f"this `{inner[0]}` is not closed", inner.start(), inner.end(), edit)


def wrong_close(place: Place) -> Mistake | None:
    if place.kind not in ("RPAR", "CLOSE"):
        return None
    waiting = open_brackets(place.before)
    if not waiting:
        edit = (place.start, place.stop, "")
        return Mistake("SQ103", f"this `{place.word}` closes nothing", place.start, place.stop, edit)
    inner = waiting[-1]
    match = ")" if inner[0] == "(" else "]"
    if match == place.word:
        return None
    edit = (place.start, place.start, match)
    message = f"this `{inner[0]}` is not closed before `{place.word}`"
    return Mistake("SQ103", message, inner.start(), inner.end(), edit)


def slice_end(place: Place) -> Mistake | None:
    if not (place.kind == "CLOSE" and place.left.endswith(":")):
        return None
    return Mistake("SQ104", "a slice has both its ends, `x[0:3]`", place.start - 1, place.stop)


def comma(place: Place) -> Mistake | None:
    if place.kind != "COMMA":
        return None
    waiting = open_brackets(place.before)
    inner = waiting[-1][0] if waiting else ""
    blanks = len(place.after) - len(place.after.lstrip())
    edit = (len(place.left), place.stop + blanks, "|") if holds_functions(inner) else None
    message = {
        "[": "one component is picked by `q[a]`, several by `x[a:b]`",
        "": "a comma cannot stand here" + ("; `$` raises one expression" if "$" in place.before else ""),
    }.get(inner, "functions between brackets are composed by `|`; there is no tuple of them")
    return Mistake("SQ101", message, place.start, place.stop, edit)


def item(place: Place) -> Mistake | None:
    waiting = open_brackets(place.before)
    if not waiting or not holds_functions(waiting[-1][0]):
        return None
    if place.left.endswith("@"):
        return Mistake("SQ112", "a batch size is a whole number", place.start, place.stop)
    message = "between the brackets of an arrow stand functions, composed by `|`"
    return Mistake("SQ101", message, place.start, place.stop)
