"""Characters that the notation does not use: their names, and what was probably meant."""

from __future__ import annotations

import unicodedata

_MEANT = {
    "’": "'", "‘": "'", "´": "'", "`": "'", "“": "", "”": "", '"': "", "«": "", "»": "", "\x00": "", "}": "",
    "∣": "|", "¦": "|", "≈": "=>", "≔": ":=", "÷": "/", "∕": "/", "∙": "*", "•": "*", "⋆": "*", "∘": "*", "➔": "->",
    "➜": "->", "➝": "->", "➞": "->", "↦": "->", "‐": "-", "‑": "-", "‒": "-",
}  # fmt: skip
PHASE = "where(relu(u - 1), u - 1, u)"
"""What is written for the remainder of a phase, which grows by less than 1 a step."""

_ADVICE = {
    ";": "one statement stands on a line",
    '"': "there are no strings, only names",
    "“": "there are no strings, only names",
    "”": "there are no strings, only names",
    "<": "there are no comparisons; `where(relu(b - a), x, y)` is x where a < b, else y",
    ">": "there are no comparisons; `where(relu(a - b), x, y)` is x where a > b, else y",
    ".": "a name has no point in it",
    "{": "braces stand only in a context, after `_`",
    "}": "braces stand only in a context, after `_`",
    "'": "a prime stands only at the end of a name",
    "_": "a name neither begins nor ends with `_`",
    "!": "there is no negation or factorial",
    "%": f"there is no remainder; a phase u that starts anew past 1 is `{PHASE}`",
    "&": "there is no logic",
    "\\": "a line goes on where the next one begins with an arrow, a goal or `$`",
}
_LETTERS = "names are made of Latin and Greek letters, digits, primes and subscripts"
_CONTROLS = {"\x00": "null", "\x1b": "escape", "\x07": "bell", "\x08": "backspace", "\x7f": "delete"}


def described(sign: str) -> str:
    """A character by its look and its name, or by its number where it has neither."""
    name = _CONTROLS.get(sign, unicodedata.name(sign, "").lower())
    if not sign.isprintable():
        return f"the character U+{ord(sign):04X}{f' ({name})' if name else ''}"
    return f"`{sign}`" if sign.isascii() else f"`{sign}` ({name})"


def advice(sign: str) -> str:
    """Why a character is not used, as the end of a sentence; "" where nothing more can be said."""
    words = _ADVICE.get(sign, _LETTERS if sign.isalpha() or unicodedata.category(sign) in ("Mn", "No") else "")
    return f": {words}" if words else ""


def meant(sign: str) -> str | None:
    """What was probably meant by a character that looks like another one, if that can be guessed."""
    if sign in _MEANT:
        return _MEANT[sign]
    plain = unicodedata.normalize("NFKC", sign)
    lookalike = "\uff01" <= sign <= "\uff5e" or "\U0001d400" <= sign <= "\U0001d7ff"
    return plain if lookalike and plain != sign else None
