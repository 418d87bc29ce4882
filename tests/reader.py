"""Reads a formula in plain text back to the expression that it is of: what holds the printer's parentheses to account.

It knows the grammar as a reader of a sheet does, and no table of the printer. `lexicon` says what each name stands for.
The part of a concatenation is read with the text that says which: `("of", "|ₕ")`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sqmagic.equations.system import Apply, Const, Expr, Fixed, Last, Position, Read, Weight

_SIGN = re.compile(
    r" ([+−⊙·/]) | ([=≠;]) |(, )|([0-9]+(?:\.[0-9]+)?)|(∑ₜ )|(‖)|([A-Za-z_]+|σ)(′|²)?(?=\()"
    r"|(\|(?:_\{[^ ]*\}|_?.)[₁-₉]?)|(\[[^\[\]]*[<>][^\[\]]*\] )|(.)"
)


def read(text: str, lexicon: Mapping[str, Expr]) -> Expr:
    """Fails with an AssertionError where the text is of no expression."""
    reader = _Reader(_tokens(text, lexicon), lexicon)
    found = reader.sum()
    assert reader.peek() == "", f"{text}: nothing begins with {reader.peek()}"
    return found


def _tokens(text: str, lexicon: Mapping[str, Expr]) -> list[str]:
    """Names that the lexicon has, longest first, functions, numbers and signs; those between two sides keep a space."""
    names = sorted(lexicon, key=len, reverse=True)
    found, at = [], 0
    while at < len(text):
        name = next((n for n in names if text.startswith(n, at)), None)
        sign = _SIGN.match(text, at)
        assert sign is not None
        called = sign[7] is not None and (name is None or len(sign[0]) > len(name))
        token = sign[0] if name is None or called else name
        found.append(token)
        at += len(token)
    return found


class _Reader:
    def __init__(self, tokens: list[str], lexicon: Mapping[str, Expr]) -> None:
        self.tokens, self.lexicon, self.at = tokens, lexicon, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        token = self.peek()
        assert not wanted or token in wanted, f"{token} instead of {wanted} in {''.join(self.tokens)}"
        self.at += 1
        return token

    def sum(self) -> Expr:
        left = self.term()
        while self.peek() in (" + ", " − "):
            sign = self.take()
            right = self.term()
            owner = _matrix_of(left)
            if sign == " + " and owner is not None and right == Weight(f"{owner}.bias"):
                assert isinstance(left, Apply)
                left = Apply("dense", left.args[1:], owner)
            else:
                left = Apply("add" if sign == " + " else "sub", (left, right))
        return left

    def term(self) -> Expr:
        if self.peek() == "−":
            self.take()
            return Apply("neg", (self.term(),))
        if self.peek() == "∑ₜ ":
            self.take()
            return Apply("window_sum", (self.product(), Position(Fixed(1)), Position(Last("t"))))
        return self.product()

    def product(self) -> Expr:
        if self.peek().startswith("[") and self.peek().endswith("] "):  # [t < T] x
            self.take()
            return Apply("during", (self.product(),))
        left = self.factor()
        while self.peek() in (" ⊙ ", " · ", " / ", "/", " "):
            sign = self.take()
            if sign == " ⊙ " and self.peek() == "[" and self._chosen() is not None:
                condition = self._chosen()
                assert condition is not None
                self.at = condition[1]
                left = Apply("where", (condition[0], left, Const(0.0)))
                continue
            right = self.factor()
            left = Apply("div", (left, right)) if "/" in sign else _beside(left, right, spaced=sign == " ")
        return _bare(left)

    def _chosen(self) -> tuple[Expr, int] | None:
        """`[c ≠ 0]`, and where it ends."""
        start = self.at
        self.take("[")
        condition = self.sum()
        found = (condition, self.at + 3) if self.peek() == " ≠ " else None
        self.at = start
        return found

    def factor(self) -> Expr:
        found = self.primary()
        while self.peek() in ("²", "ᵀ") or self.peek().startswith("|"):
            match self.take():
                case "²":
                    found = Apply("square", (_bare(found),))
                case "ᵀ":
                    found = Apply("transpose", (found,))
                case slot:
                    found = Apply("slice", (_bare(found),), None, (("of", slot),))
        return found

    def primary(self) -> Expr:
        token = self.take()
        if token in self.lexicon:
            return self.lexicon[token]
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", token):
            return Const(float(token))
        match token:
            case "(":
                found = self.sum()
                self.take(")")
                return found
            case "[":
                return self.bracket()
            case "‖":
                found = self.sum()
                self.take("‖")
                self.take("²")
                return Apply("sum", (Apply("square", (found,)),))
            case "𝟏":
                return Read("𝟏")
            case _:
                return self.call(token)

    def bracket(self) -> Expr:
        parts = [self.sum()]
        while self.peek() == " ; ":
            self.take()
            parts.append(self.sum())
        if self.peek() == " = ":
            self.take()
            parts.append(self.sum())
            self.take("]")
            return Apply("equal", tuple(parts))
        self.take("]")
        return Apply("concat", tuple(parts))

    def call(self, name: str) -> Expr:
        bare = name.rstrip("′²").replace("σ", "sigmoid")
        self.take("(")
        arguments = [self.sum()]
        while self.peek() == ", ":
            self.take()
            arguments.append(self.sum())
        self.take(")")
        if name.endswith("′"):
            return Apply("derivative", tuple(arguments), None, (("function", bare),))
        found = Apply(bare, tuple(arguments))
        return Apply("square", (found,)) if name.endswith("²") else found


def _beside(left: Expr, right: Expr, *, spaced: bool) -> Expr:
    """What stands beside each other is multiplied: as numbers, or as matrices and vectors that are transposed."""
    match left, right:
        case _, Read("𝟏") if spaced:
            return Apply("sum", (left,))
        case Read("𝟏"), Apply("transpose", (inner,)) if spaced:  # a vector that meets each row
            return inner
        case _, Apply("transpose", (inner,)) if spaced:
            return Apply("outer", (_bare(left), inner))
        case Apply("transpose", (Weight(parameter),)), _ if spaced:
            return Apply("dense_input", (right,), parameter.removesuffix(".weight"))
        case Apply("transpose", (Read("𝟏"),)), _ if spaced:
            return Apply("sum", (right,))
        case Apply("transpose", (inner,)), _ if spaced:
            return Apply("sum", (Apply("mul", (inner, right)),))
        case Weight(parameter), _ if spaced and parameter.endswith(".weight"):
            return Apply("matmul", (left, right))
        case _:
            return Apply("mul", (left, right))


def _bare(expr: Expr) -> Expr:
    assert not (isinstance(expr, Apply) and expr.op == "transpose"), "what is transposed stands beside something"
    return expr


def _matrix_of(expr: Expr) -> str | None:
    match expr:
        case Apply("matmul", (Weight(parameter), _)):
            return parameter.removesuffix(".weight")
        case _:
            return None
