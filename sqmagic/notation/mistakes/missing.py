"""What is missing, or stands too much: a side of a sign, a colon, what joins two names."""

from __future__ import annotations

import re

from sqmagic.notation.mistakes.place import BLOCK, Mistake, Place
from sqmagic.notation.problems import quoted

_SIGN_AT_END = re.compile(
    r"(?P<arrow>-->|->|[─–—]{0,9}[→⟶]|[─–—]{1,9}>)$|(?P<goal>=>|⇒|⟹)$|(?P<dollar>\$)$|(?P<bind>:=|≔|←|⟵)$"
    r"|(?P<open>--\[|[─–—]{1,9}\[)$|(?P<loss>==\[|═{1,9}\[)$|(?P<operator>[-+*/@|⊙×·⋅∗−])$|(?P<comma>,)$|(?P<paren>[(\[])$"
    r"|(?P<equal>=)$|(?P<colon>:)$"
)
_AFTER_SIGN = {
    "arrow": "a name must follow `{0}`: the state that the arrow leads to",
    "goal": "a target must follow `{0}`",
    "dollar": "an expression must follow `$`: what is to be raised",
    "bind": "an expression must follow `{0}`",
    "open": "a function must stand between the brackets of an arrow",
    "loss": "a loss must stand between `{0}` and `]`",
    "operator": "something must stand on the right of `{0}`",
    "comma": "something must follow the comma",
    "paren": "something must stand within the brackets",
    "equal": "a value must follow `=`",
    "colon": "something must follow the colon",
}


def bare_heading(place: Place) -> Mistake | None:
    if not place.left.endswith(":") or place.expected - {"_INDENT"}:
        return None
    message = "after the colon comes a size, as in `x_t : 28`, or on the next lines an indented block"
    return Mistake("SQ108", message, 0, len(place.left))


def nothing_before(place: Place) -> Mistake | None:
    if place.left or not place.word.strip():
        return None
    if place.kind in ("ARROW", "OPEN", "GOAL", "LOSS", "DOLLAR"):
        message = f"there is no line before this one that `{place.word}` could go on from"
    elif place.kind in ("BIND", "TIMES", "BY", "AT", "PLUS", "BAR", "COMMA", "COLON", "EQUAL"):
        message = f"something must stand on the left of `{place.word}`"
    else:
        return None
    return Mistake("SQ104", message, place.start, place.stop)


def over_or_reset(place: Place) -> Mistake | None:
    word = re.match(r"(over|reset)(?=[ \t]+\w|$)", place.left)
    alone = word is not None and place.left == word[0]
    if word is None or (place.kind not in ("NAME", "NUMBER") if alone else "ARROW" in place.expected):
        return None
    message = {
        "over": "a running index is declared by `over n`, or `over t, n = 1:4`",
        "reset": "states start anew by `reset h on cut`, or `reset h, c on cut`",
    }[word[0]]
    return Mistake("SQ115", message, place.start, place.stop)


def colon(place: Place) -> Mistake | None:
    if place.kind != "COLON":
        return None
    if place.left.endswith("["):
        edit = (place.start, place.start, "0")
        return Mistake("SQ104", "a slice has both its ends, `x[0:3]`", place.start, place.stop, edit)
    return Mistake("SQ101", "a colon follows the one name that it declares", place.start, place.stop)


def nothing_after(place: Place) -> Mistake | None:
    sign = _SIGN_AT_END.search(place.left)
    stuck_at_a_sign = place.ended or place.kind not in ("NAME", "NUMBER", "LPAR", "SQUARE", "EQUAL")
    if sign is None or not stuck_at_a_sign or not place.expected & {"NAME", "NUMBER"}:
        return None
    role = sign.lastgroup or ""
    if role == "operator" and sign[0] == "|" and "NUMBER" not in place.expected:
        message = "a function must follow `|`"
    else:
        message = _AFTER_SIGN[role].format(sign[0])
    end = place.start if place.kind == "RPAR" else sign.end()
    edit = (sign.start(), end, "") if role == "comma" else None
    return Mistake("SQ104", message, sign.start(), sign.end(), edit)


def heading(place: Place) -> Mistake | None:
    if not (place.after.endswith(BLOCK) and re.fullmatch(r"[\w'{}+-]+", place.left)) or place.kind != "NAME":
        return None
    end = len(place.left)
    message = f"a colon must follow a macro's name: {quoted(place.left + ':')}"
    return Mistake("SQ108", message, place.start, place.stop, (end, end, ":"))


def size_sign(place: Place) -> Mistake | None:
    """`a x b`, but not the name x in `2x`."""
    if place.word != "x" or "TIMES" not in place.expected or not re.match(r"\s*[\w(]", place.after):
        return None
    message = "`x` stands between the sizes of a declaration; a product is written `*`"
    if re.search(r":\s*param\([^()]*$", place.left):
        blanks = len(place.after) - len(place.after.lstrip())
        edit = (len(place.left), place.stop + blanks, ", ")
        message = "the sizes of a parameter stand with commas between them, `param(8, 4)`"
        return Mistake("SQ101", message, place.start, place.stop, edit)
    edit = (place.start, place.stop, "*")
    return Mistake("SQ101", message, place.start, place.stop, edit)


def side_by_side(place: Place) -> Mistake | None:
    if place.kind not in ("NAME", "NUMBER", "LPAR", "CROSS", "ON", "OVER", "RESET", "RETURN"):
        return None
    if not place.left or "NAME" in place.expected or "TIMES" not in place.expected:
        return None
    if place.kind == "LPAR":
        return Mistake("SQ101", "only a function's name can be called", place.start, place.stop)
    factor = re.search(r"(?:^|[^\w.])[0-9.]+$", place.left[-99:]) is not None
    edit = (len(place.left), place.start, "*") if factor else None
    message = f"nothing joins {quoted(place.word)} to what stands before it: a product is written `*`, a tuple with `,`"
    return Mistake("SQ101", message, place.start, place.stop, edit)
