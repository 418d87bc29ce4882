"""The one table by which programs are coloured, and the reader that goes by it.

CodeMirror reads the same table (`labextension/src/table.json` is written from it) and Pygments this very reader. It
colours what is unfinished or wrong as well as it can, and so knows less than the grammar does; on programs that are
right it cuts where the grammar's own lexer cuts (the tests hold both).

The patterns keep to what Python and JavaScript (with the flags `u` and `y`) read alike: explicit classes, no looking
behind, no boundaries, nothing that reaches beyond the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from sqmagic.equations.ops import ALIASES, OPS, TRANSFORMS

KINDS: dict[str, str] = {
    "magic": "the magic at the head of a cell",
    "title": "the name that a cell gives its net",
    "option": "an option of the magic, or the name of a setting",
    "comment": "a comment",
    "keyword": "over, reset, on, return; class, param, buffer, action; the words of a proof",
    "heading": "what is declared, or a macro, where it is given",
    "state": "the name of a state",
    "context": "which of its values is meant",
    "layer": "a layer, a macro or a module, and a parameter's name",
    "function": "a function that is there from the start",
    "transform": "a transform of functions",
    "number": "a number",
    "arrow": "what leads from one state to the next",
    "goal": "what is learnt",
    "operator": "arithmetic, and what joins",
    "bracket": "a bracket",
    "punctuation": "commas and colons",
    "error": "a character that the notation does not use",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Where `pattern` matches, it is of this `kind` (blank: nothing to colour), and reading goes on in another mode.

    `then` is "" (this mode again), "mode" (in its place), "+mode" (within this one) or "-" (back in the one around).
    """

    kind: str
    pattern: str
    then: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """Characters `start` up to, and without, `stop`, and their kind."""

    start: int
    stop: int
    kind: str


_LETTER = "A-Za-zΑ-ΡΣ-Ωα-ωϑϕϖϱϵµ"
_SIGN = f"{_LETTER}0-9"
_PRIMES = "['′″]*"
_LOWERED = "[₀-₋ₐ-ₜᵢᵣᵤᵥⱼᵦᵧᵨᵩᵪ]+"
_BRACES = r"_\{[^{}#]*(?:\{[^{}#]*\}[^{}#]*)*\}" + _PRIMES
_END = f"(?![{_SIGN}_'′″₀-₋ₐ-ₜᵢᵣᵤᵥⱼᵦᵧᵨᵩᵪ])"
_POINT = f"(?:_(?:[0-9]+|[a-zTN]){_PRIMES}|{_LOWERED}{_PRIMES}){_END}"
_STEM = f"[{_LETTER}][{_SIGN}]*{_PRIMES}"
_SUFFIX = f"(?:_[{_SIGN}]+{_PRIMES}|{_LOWERED}{_PRIMES})"
_NAME = f"{_STEM}{_SUFFIX}*(?:{_BRACES})?"
NAME = _NAME
"""A name as the grammar's lexer cuts it: context and primes included."""
_STATE = f"{_STEM}(?:(?!{_POINT}){_SUFFIX})*"
_BLANK = "[ \t\r\f\v\u00a0\u2000-\u200b\u202f\u3000\ufeff]"
_CALL = rf"(?={_BLANK}*\()"
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_ARROW = "(?:--?>|[─–—]{1,9}>|[─–—]{0,9}[→⟶])"

_OWNERS = tuple(name for name, op in OPS.items() if op.parameters or name in {"Add", "Get"})
_WRITTEN = {**dict.fromkeys(OPS), **dict.fromkeys(ALIASES), "compose": None, "max": None, "min": None}
WORDS = (*sorted(_WRITTEN), *TRANSFORMS)
"""The functions and transforms that there are from the start, as they are written."""
LOSSES = tuple(name for name, op in OPS.items() if op.loss)


def _words(names: Mapping[str, object] | tuple[str, ...]) -> str:
    """Any of the names; the longest first, for the first that matches is taken."""
    return f"(?:{'|'.join(sorted(names, key=lambda name: (-len(name), name)))})"


_FUNCTION = _words(_WRITTEN)
_BLANKS = (Row("", f"{_BLANK}+"), Row("comment", "#.*"))

_CALLEES = (
    Row("transform", f"{_words(dict.fromkeys(TRANSFORMS))}{_END}{_CALL}", "+applied"),
    Row("function", f"{_words(_OWNERS)}(?={_BRACES}|_[{_SIGN}])", "+owned"),
)
_SIGNS = (
    Row("number", _NUMBER),
    Row("goal", r"==\[|═{1,9}\[", "+loss"),
    Row("arrow", r"--\[|[─–—]{1,9}\[", "+items"),
    Row("goal", r"=>|⇒|⟹|\$"),
    Row("arrow", f"{_ARROW}|:=|≔|←|⟵"),
    Row("bracket", r"[(\[]", "+inside"),
    Row("operator", r"[+*/⊙·⋅∗×@|=^−–-]"),
    Row("punctuation", "[,:]"),
    Row("bracket", r"[)\]]"),
    Row("error", "."),
)
_CALLS = (
    *_BLANKS,
    Row("option", rf"{_STEM}{_SUFFIX}*(?={_BLANK}*=(?![>=]))"),
    Row("transform", f"{_words(dict.fromkeys(TRANSFORMS))}{_END}{_CALL}", "+applied"),
    Row("function", f"{_words(_OWNERS)}(?=(?:_[{_SIGN}]+{_PRIMES}|{_BRACES}){_BLANK}*\\()", "+owned"),
    Row("function", f"{_FUNCTION}{_END}{_CALL}"),
    Row("keyword", f"(?:class|action|buffer|param){_CALL}"),
    Row("layer", f"{_NAME}{_CALL}"),
)
_VALUES = (*_CALLS, Row("state", _STATE, "+context"))
_HEADINGS = (
    Row("keyword", f"over(?={_BLANK}+[{_LETTER}])"),
    Row("keyword", f"reset(?={_BLANK}+[{_LETTER}])", "resetting"),
    Row("keyword", rf"return(?={_BLANK}+(?:[{_SIGN}_.(]|[-−–](?![-−–>\[ \t])))"),
    Row("heading", f"{_STATE}(?={_BRACES}{_BLANK}*:(?!=)|{_POINT}{_BLANK}*:(?!=))", "heading"),
    Row("heading", f"{_NAME}(?={_BLANK}*:(?!=))", "heading"),
)
_PROOF = (
    Row("keyword", f"(?:from|assume|show|prove|induction|where|by)(?={_BLANK}+[^ -])", "proof"),
    Row("keyword", f"by(?={_BLANK})", "proof"),
)

MODES: dict[str, tuple[Row, ...]] = {
    # the head of a cell; each line begins in `head`, `line` or `proof`
    "head": (Row("magic", f"%%[{_SIGN}_]+", "options"), *_BLANKS),
    "options": (
        Row("", f"{_BLANK}+"),
        Row("option", "--?[A-Za-z][A-Za-z-]*"),
        Row("number", f"{_NUMBER}{_END}"),
        Row("title", f"[{_LETTER}_][{_SIGN}_]*"),
        Row("punctuation", "."),
    ),
    "line": (*_BLANKS, *_HEADINGS, Row("", "(?=.)", "text")),
    "text": (*_VALUES, *_SIGNS),
    "inside": (*_VALUES, Row("bracket", r"[)\]]", "-"), *_SIGNS),
    # what the brackets of an arrow hold are functions; so does a transform's first pair of parentheses
    "items": (
        *_BLANKS,
        *_CALLEES,
        Row("function", f"{_FUNCTION}{_END}"),
        Row("layer", _NAME),
        Row("arrow", r"\]", "-"),
        *_SIGNS,
    ),
    "applied": (Row("", f"{_BLANK}+"), Row("bracket", r"\(", "functions")),
    "functions": (
        *_BLANKS,
        *_CALLEES,
        Row("option", rf"{_STEM}{_SUFFIX}*(?={_BLANK}*=(?![>=]))"),
        Row("function", f"{_FUNCTION}{_END}"),
        Row("layer", _NAME),
        Row("bracket", r"\)", "-"),
        *_SIGNS,
    ),
    "loss": (
        *_BLANKS,
        Row("function", f"{_words((*LOSSES, *ALIASES))}{_END}"),
        Row("goal", r"\]", "-"),
        *_VALUES,
        *_SIGNS,
    ),
    # what ends a name
    "owned": (Row("layer", f"_[{_SIGN}]+{_PRIMES}(?:_[{_SIGN}]+{_PRIMES})*|{_BRACES}", "-"),),
    "context": (Row("context", f"{_BRACES}|{_POINT}|_\\{{[^{{}}#]*$", "-"), Row("", "(?=.)", "-")),
    # lines that are no pipeline
    "heading": (Row("context", f"{_BRACES}|{_POINT}"), *_BLANKS, Row("punctuation", ":", "sizes")),
    "sizes": (
        *_BLANKS,
        Row("number", _NUMBER, "sized"),
        *_CALLS,
        Row("state", _NAME, "sized"),
        *_SIGNS,
    ),
    "sized": (*_BLANKS, Row("operator", "x(?![A-Za-z_'′])", "sizes"), Row("", "(?=.)", "sizes")),
    "resetting": (*_BLANKS, Row("keyword", f"on{_END}(?={_BLANK})"), *_VALUES, *_SIGNS),
    "proof": (*_BLANKS, *_PROOF, Row("operator", "=="), *_VALUES, *_SIGNS),
}

MAGIC = r"^\s*(?:%%[A-Za-z_]+[^\n]*\n\s*)*%%(?:seqnet|seqproof)(?![\w-])"
"""How a cell begins that is ours; another magic, such as `%%time`, may stand before it."""


@cache
def _compiled() -> dict[str, tuple[tuple[str, re.Pattern[str], str], ...]]:
    return {mode: tuple((r.kind, re.compile(r.pattern), r.then) for r in rows) for mode, rows in MODES.items()}


@dataclass(frozen=True, slots=True)
class Place:
    """What a line leaves for the next: whether the text has not begun yet, and whether it is a proof."""

    head: bool = True
    proof: bool = False


def tokens(text: str) -> Iterator[Token]:
    """What there is to colour in a text, in order; blanks are left out."""
    place, start = Place(), 0
    for line in text.split("\n"):
        place, mode = opened(line, place)
        yield from (Token(start + t.start, start + t.stop, t.kind) for t in _read(line, [mode]))
        start += len(line) + 1


def mode_at(text: str) -> str:
    """The mode in which reading would go on behind a text."""
    *before, last = text.split("\n")
    place = Place()
    for line in before:
        place, _ = opened(line, place)
    modes = [opened(last, place)[1]]
    for _ in _read(last, modes):
        pass
    return modes[-1]


def opened(line: str, before: Place) -> tuple[Place, str]:
    """The mode in which a line is read, and what it leaves for the next."""
    bare = line.lstrip()
    if before.head and bare.startswith("%%"):
        return Place(True, bare.startswith("%%seqproof")), "head"
    return Place(before.head and not bare, before.proof), "proof" if before.proof else "line"


def _read(line: str, modes: list[str]) -> Iterator[Token]:
    """The tokens of a line; `modes`, the innermost last, are what they leave."""
    at, table = 0, _compiled()
    while at < len(line):
        kind, stop, then = _matched(line, at, table[modes[-1]])
        if kind and stop > at:
            yield Token(at, stop, kind)
        moved(modes, then)
        at = stop


def _matched(line: str, at: int, rows: tuple[tuple[str, re.Pattern[str], str], ...]) -> tuple[str, int, str]:
    for kind, pattern, then in rows:
        found = pattern.match(line, at)
        if found is not None:
            return kind, found.end(), then
    return "error", at + 1, ""


def moved(modes: list[str], then: str) -> None:
    """Enters or leaves modes; the outermost is never left."""
    match then[:1]:
        case "":
            return
        case "-":
            if len(modes) > 1:
                modes.pop()
        case "+":
            modes.append(then[1:])
        case _:
            modes[-1] = then


def table() -> dict[str, object]:
    """All of it as JSON holds it, for readers in other languages."""
    modes = {mode: [[row.kind, row.pattern, row.then] for row in rows] for mode, rows in MODES.items()}
    return {"magic": MAGIC, "kinds": list(KINDS), "modes": modes}
