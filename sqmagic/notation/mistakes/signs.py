"""Characters of none, arrows, goals and losses drawn wrongly, and `=`."""

from __future__ import annotations

import re

from sqmagic.notation.characters import advice, described, meant
from sqmagic.notation.mistakes.place import Mistake, Place, open_brackets


def backward_arrow(place: Place) -> Mistake | None:
    if not (place.word == "<" and place.after.startswith("-")):
        return None
    edit = (place.start, place.stop + 1, ":=")
    return Mistake("SQ105", "an arrow to the left is written `:=`", place.start, place.stop + 1, edit)


def lame_arrow(place: Place) -> Mistake | None:
    """`- >`, `= >` or `]>`."""
    tail = re.search(r"(?:\]|[-=]\s{1,9})$", place.before) if place.word == ">" else None
    if tail is None:
        return None
    sign = "=>" if tail[0][0] == "=" else "->"
    start = place.start if tail[0][0] == "]" else tail.start()
    return Mistake("SQ105", f"this arrow is written `{sign}`", start, place.stop, (start, place.stop, sign))


def power(place: Place) -> Mistake | None:
    if place.word == "*" and place.left.endswith("*"):
        start = len(place.left) - 1
    elif place.word in ("^", "²"):
        start = place.start
    else:
        return None
    left = place.before[:start].rstrip()
    base = re.search(r"[\w']+(?:_\{[^{}]*\})?$", left[-99:])
    two = re.match("" if place.word == "²" else r"\s*2(?![\w.])", place.after)
    edit = (len(left) - len(base[0]), place.stop + two.end(), f"square({base[0]})") if base and two else None
    message = "there is no power sign; `x*x` and `square(x)` are the square of x"
    return Mistake("SQ101", message, start, place.stop, edit)


def statements_on_a_line(place: Place) -> Mistake | None:
    if place.word != ";":
        return None
    rest = place.after.lstrip()
    edit = (place.start, place.stop + len(place.after) - len(rest), "\n" if rest else "")
    return Mistake("SQ102", "one statement stands on a line, and no `;` ends it", place.start, place.stop, edit)


def single_dash(place: Place) -> Mistake | None:
    if not (place.word == "-" and place.after.startswith("[")):
        return None
    edit = (place.start, place.stop, "--")
    return Mistake("SQ105", "an arrow opens with two dashes, `--[`", place.start, place.stop + 1, edit)


def unfinished(place: Place) -> Mistake | None:
    """After the `]` of an arrow or a loss."""
    sign = {frozenset({"ARROW"}): "->", frozenset({"GOAL"}): "=>"}.get(place.expected)
    if sign is None:
        return None
    if sign == "->" and place.kind == "OPEN":
        start = len(place.left) - 1
        message = "a state's name must stand between two arrows; functions are composed by `|`"
        return Mistake("SQ104", message, start, place.stop, (start, place.stop, "|"))
    if sign == "->" and place.kind == "GOAL":
        message = "the result needs a name before it can learn: `--[F]-> p => y`"
        return Mistake("SQ104", message, place.start, place.stop, (len(place.left), place.start, "-> p "))
    drawn = re.match(r"[-=─]*>?", place.word + place.after)
    end = place.start + (drawn.end() if drawn else 0)
    message = f"`{sign}` must follow the `]`"
    start = len(place.left)
    return Mistake(
        "SQ105", message, max(start - 1, 0), max(end, start), (start, end, sign + " " * (end == place.start))
    )


def without_width(place: Place) -> Mistake | None:
    """A blank that nobody sees, within a name: what stands around it reads as two."""
    at = place.start - 1 if place.before[-1:] in ("\u200b", "\ufeff") else place.stop
    sign = (place.before + place.word + place.after)[at : at + 1]
    if sign not in ("\u200b", "\ufeff") or not re.search(r"[\w'′]$", (place.before + place.word)[:at]):
        return None
    message = f"{described(sign)}, which has no width, stands within a name"
    return Mistake("SQ102", message, at, at + 1, (at, at + 1, ""))


def character(place: Place) -> Mistake | None:
    if place.kind:
        return None
    sign = place.word
    plain = meant(sign)
    edit = None if plain is None else (place.start, place.stop, plain)
    return Mistake("SQ102", f"{described(sign)} cannot stand here{advice(sign)}", place.start, place.stop, edit)


def single_equal(place: Place) -> Mistake | None:
    if not (place.kind == "EQUAL" and place.after.startswith("[")):
        return None
    edit = (place.start, place.stop + 1, "==[")
    return Mistake("SQ105", "a named loss opens with two signs, `==[`", place.start, place.stop + 1, edit)


def split_bind(place: Place) -> Mistake | None:
    if not (place.kind == "EQUAL" and place.left.endswith(":")):
        return None
    start = len(place.left) - 1
    return Mistake("SQ106", "`:=` is written as one sign", start, place.stop, (start, place.stop, ":="))


def long_goal(place: Place) -> Mistake | None:
    drawn = re.match(r"=\s*(?:=>|=+>|>)", place.word + place.after) if place.kind == "EQUAL" else None
    if drawn is None:
        return None
    start, stop = place.start, place.start + drawn.end()
    return Mistake("SQ105", "a goal is written `=>`", start, stop, (start, stop, "=>"))


def equal(place: Place) -> Mistake | None:
    if place.kind != "EQUAL":
        return None
    if place.after.startswith("="):
        message = "`==` says nothing here: `p => y` makes p learn y, `p := y` names y"
        return Mistake("SQ106", message, place.start, place.stop + 1)
    if "BIND" not in place.expected or open_brackets(place.before):
        message = "`=` gives a value to an argument's name, `f(x, rate=0.5)`; it cannot stand here"
        return Mistake("SQ106", message, place.start, place.stop)
    named = re.fullmatch(r"[\w\s,'′(){}:+-]+", place.before) and not re.search(r"\s[-+]\s", place.before)
    sign = ":=" if named else "->"
    message = "`=` does not name anything: write `name := value` or `value -> name`"
    return Mistake("SQ106", message, place.start, place.stop, (place.start, place.stop, sign))
