"""What a rewrite is: one entry of the log that says how a program was made faster, and why that is allowed.

An entry replaces the subterm `before` at a place by `after`, and may give names to values (`made`). Whoever doubts it
replays it (`replay`), who knows the rules and nothing of how they came to be applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, assert_never

from sqmagic.equations.show import show, show_equation, show_target
from sqmagic.equations.system import Apply, Const, Equation, Expr, Position, Read, Target, Weight

Rule: TypeAlias = Literal["def", "affine", "concat", "let", "hoist", "stack", "map", "dead"]
"""`def` a name for its line (14), `affine` a layer as product and bias (4), `concat` a layer on what is joined as
layers on the parts (11), `let` a name for what is there (15), `hoist` the same for what needs nothing of its
recurrence (22), `stack` products on the same operands as one (13), `map` a function of parts as parts of the function
(12), `dead` a name that nobody reads (16)."""

Kind: TypeAlias = Literal["one line", "pure", "free", "closed", "fresh", "unread"]

Path: TypeAlias = tuple[int, ...]
"""From an expression to a part of it: which argument, and of that which."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold for a rule: that a state has `one line`; that what a made state stands for is `pure`, `free` of
    the recurrence in which it is used, or `closed` (parameters alone); that a name is `fresh`, or `unread`."""

    kind: Kind
    state: str

    def __str__(self) -> str:
        return f"{self.state} {_WORDS[self.kind]}"


_WORDS: dict[Kind, str] = {
    "one line": "is defined by one line",
    "pure": "is a function of what it reads",
    "free": "reads nothing of the recurrence",
    "closed": "is made of parameters alone",
    "fresh": "is a new name",
    "unread": "is read by nobody",
}


@dataclass(frozen=True, slots=True, repr=False)
class Rewrite:
    """One step: by a rule, in the equation of `target` at a path, `before` became `after`.

    `made` are equations that it puts before that one; `after` is None where the equation is dropped. `line` is that of
    the user's text.
    """

    rule: Rule
    target: Target
    path: Path
    before: Expr
    after: Expr | None
    made: tuple[Equation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    line: int = 0

    def __repr__(self) -> str:
        where = f"line {self.line}, {show_target(self.target)}" if self.line else show_target(self.target)
        after = "dropped" if self.after is None else show(self.after)
        named = "".join(f"\n    where {show_equation(e)}" for e in self.made)
        held = f"\n    as {', '.join(map(str, self.conditions))}" if self.conditions else ""
        return f"{self.rule} ({where}): {show(self.before)} -> {after}{named}{held}"


def part(expr: Expr, path: Path) -> Expr | None:
    """The part of an expression at a path, None where there is none."""
    for step in path:
        match expr:
            case Apply(_, args) if 0 <= step < len(args):
                expr = args[step]
            case Apply() | Const() | Read() | Weight() | Position():
                return None
            case _:
                assert_never(expr)
    return expr


def put(expr: Expr, path: Path, other: Expr) -> Expr:
    """The expression with another part at a path."""
    if not path:
        return other
    assert isinstance(expr, Apply), "a path leads through operators"
    args = tuple(put(a, path[1:], other) if n == path[0] else a for n, a in enumerate(expr.args))
    return Apply(expr.op, args, expr.layer, expr.attributes, span=expr.span)
