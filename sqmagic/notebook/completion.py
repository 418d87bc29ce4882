"""What Tab offers in a cell: options on the first line; functions, layers and macros in brackets; states elsewhere.

IPython asks, so this works in every front end. Where a backslash stands before the word, IPython's own Unicode names
(`\\gamma`) are left to answer.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from sqmagic.notebook.tokens import LOSSES, MAGIC, WORDS

if TYPE_CHECKING:
    from sqmagic.notation.syntax import Macro
    from sqmagic.notebook.scope import Scope

Offer = tuple[str, str]
"""A text and what it is, in the front ends' own words: function, class, instance, keyword, param."""

_FUNCTIONS = {"items", "applied", "functions"}
_STATEMENTS = ("over", "reset", "return")
_KINDS = ("class", "action", "buffer", "param")


def matcher(
    parser: argparse.ArgumentParser, namespace: Callable[[], Mapping[str, object]], macros: Mapping[str, Macro]
) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """What IPython asks at each Tab; `parser` is that of the magic's options."""

    @context_matcher(identifier="sqmagic", priority=200)
    def complete(context: CompletionContext) -> SimpleMatcherResult:
        if re.match(MAGIC, context.full_text) is None:
            return {"completions": []}
        lines = context.full_text.split("\n")[: context.cursor_line]
        cursor = sum(len(line) + 1 for line in lines) + context.cursor_position
        word, offers = offered(context.full_text, cursor, parser, namespace(), macros)
        found = [SimpleCompletion(text, type=kind) for text, kind in offers]
        return {"completions": found, "suppress": bool(found), "matched_fragment": word}

    return complete  # type: ignore[no-any-return]


def offered(
    cell: str,
    cursor: int,
    parser: argparse.ArgumentParser,
    namespace: Mapping[str, object],
    macros: Mapping[str, Macro],
) -> tuple[str, list[Offer]]:
    """The word before a cursor and what may stand there in its place, each text once."""
    from sqmagic.notebook.scope import place, scope

    here = place(cell, cursor)
    if here is None:
        return "", []
    if here.head is not None:
        word = re.split(r"[\s,=]", here.head)[-1]
        offers = _options(here.head, word, parser, namespace, macros)
    else:
        word = here.word
        before = cell[: cursor - len(word)]
        if before.endswith("\\"):
            return "", []
        offers = _names(here.mode, scope(_without_word(here.body, cell, cursor, word), namespace, macros))
    told = {text: kind for text, kind in offers if text.startswith(word) and text != word}
    return word, list(told.items())


def _without_word(body: str, cell: str, cursor: int, word: str) -> str:
    """The program without the word that is being written, which would be a state of its own."""
    end = len(cell) - len(body)
    at = cursor - end
    return body[: at - len(word)] + " " * len(word) + body[at:]


# --- the first line ----------------------------------------------------------------------------------


def _options(
    head: str,
    word: str,
    parser: argparse.ArgumentParser,
    namespace: Mapping[str, object],
    macros: Mapping[str, Macro],
) -> Iterator[Offer]:
    *earlier, last = re.split(r"\s+", head)
    words = [*earlier, *last.split("=", 1)] if last.startswith("-") else [*earlier, last]  # `--view=single` is two
    before = words[-2] if len(words) > 1 else ""
    option = next((a for a in parser._actions if before in a.option_strings and a.nargs != 0), None)
    if option is not None:
        yield from ((str(choice), "param") for choice in option.choices or ())
        if option.dest == "expand":
            yield from ((name, "function") for name in ("all", *macros))
        if option.dest == "like":
            yield from ((name, "instance") for name in namespace if not name.startswith("_"))
    elif word.startswith("-") or before:
        given = {name for name in words if name.startswith("-") and name != word}
        for action in parser._actions:
            if action.option_strings and not given & set(action.option_strings):
                yield max(action.option_strings, key=len), "param"


# --- the program -------------------------------------------------------------------------------------


def _names(mode: str, known: Scope) -> Iterator[Offer]:
    states = [(name, "instance") for name in (*known.written, *_spelled(known))]
    own = [(name, "class") for name in known.layers if "." not in name] + [(name, "function") for name in known.macros]
    own += [(name, "class") for name in known.modules]
    functions: Sequence[Offer] = [(name, "function") for name in WORDS]
    match mode:
        case "loss":
            yield from ((name, "function") for name in LOSSES)
            yield from states
        case "sizes":
            yield from ((name, "keyword") for name in _KINDS)
            yield from states
        case "line" | "proof":
            yield from states
            yield from own
            yield from functions
            yield from ((name, "keyword") for name in _STATEMENTS)
        case _ if mode in _FUNCTIONS:
            yield from own
            yield from functions
        case _:
            yield from states
            yield from functions
            yield from own


def _spelled(known: Scope) -> Iterator[str]:
    """States over time at the step itself and the one before; macros' own states are theirs."""
    index = next((i.name for i in known.system.indices), "")
    for state in known.states:
        if "." in state:
            continue
        if state in known.domains and not state.endswith(f"_{index}"):
            yield from (f"{state}_{index}", f"{state}_{{{index}-1}}")
        else:
            yield state
