"""Programs for Pygments, and so for nbconvert, Sphinx and whatever else colours by it."""

from __future__ import annotations

from collections.abc import Iterator

from pygments.lexer import Lexer
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, Punctuation, Whitespace, _TokenType

from sqmagic.notebook.tokens import tokens

COLOURS: dict[str, _TokenType] = {
    "magic": Name.Decorator,
    "title": Name.Variable.Global,
    "option": Name.Attribute,
    "comment": Comment.Single,
    "keyword": Keyword,
    "heading": Name.Label,
    "state": Name.Variable,
    "context": Name.Variable.Instance,
    "layer": Name.Class,
    "function": Name.Builtin,
    "transform": Name.Decorator,
    "number": Number,
    "arrow": Operator,
    "goal": Operator.Word,
    "operator": Operator,
    "bracket": Punctuation,
    "punctuation": Punctuation,
    "error": Error,
}


class SeqnetLexer(Lexer):
    """```` ```seqnet ```` fences, `.sqn` files and `%%seqnet` cells."""

    name = "Seqnet"
    aliases = ["seqnet", "seqproof"]  # noqa: RUF012 (Pygments' own shape)
    filenames = ["*.sqn"]  # noqa: RUF012
    mimetypes = ["text/x-seqnet"]  # noqa: RUF012

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, _TokenType, str]]:
        """Each piece of the text with its place and its colour."""
        at = 0
        for token in tokens(text):
            if token.start > at:
                yield at, Whitespace, text[at : token.start]
            yield token.start, COLOURS[token.kind], text[token.start : token.stop]
            at = token.stop
        if at < len(text):
            yield at, Whitespace, text[at:]
