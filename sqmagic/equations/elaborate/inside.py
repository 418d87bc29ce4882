"""The inside of one call of a macro: how the names of its body are read by the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from sqmagic.equations.elaborate.functions import Builtin, Dense, is_loss, meaning
from sqmagic.equations.elaborate.lines import Fault, Kernel, Line
from sqmagic.equations.elaborate.names import Names, Split, spell, split
from sqmagic.equations.elaborate.transforms import unwrapped, wrapped
from sqmagic.equations.elaborate.trees import bottom_up, nodes, over_values, parts, rename, values
from sqmagic.equations.system import Context, Index, Running
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import (
    Binary,
    Binding,
    Call,
    Declaration,
    Expression,
    Macro,
    Name,
    Over,
    Pipeline,
    Reset,
    Return,
    Statement,
    Tuple,
)


@dataclass(frozen=True, slots=True)
class Book:
    """The macros in reach and how to read names; `bodies` are the macros' lines, pipelines and tuples done."""

    macros: Mapping[str, Macro]
    bodies: Mapping[str, tuple[Line, ...]]
    kernel: Kernel
    names: Names


@dataclass(slots=True)
class Work:
    """What one expansion of a program gathers."""

    book: Book
    problems: list[Problem] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    free: list[tuple[Name, Macro]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Inside:
    """How the names within one call are read."""

    macro: Macro
    bound: Mapping[str, Expression]
    locals: frozenset[str]
    owned: frozenset[str]
    path: str
    owner: str
    wraps: tuple[Call, ...]
    work: Work
    renamed: Mapping[str, Split] = field(default_factory=dict)

    def statement(self, statement: Statement) -> Statement:
        read = over_values(statement, self.value, self._loss)
        match read:
            case Binding(target):
                own = tuple(self._local(name) for name in parts(target) if isinstance(name, Name))
                return replace(read, target=own[0] if len(own) == 1 else Tuple(own, span=target.span))
            case Declaration(name):
                return replace(read, name=self._declared(name))
            case Reset(states, on):
                on_name = self._leaf(on)
                return replace(
                    read,
                    states=tuple(self._local(s) for s in states),
                    on=on_name if isinstance(on_name, Name) else on,
                )
            case Over():
                raise Fault(Problem("SQ215", "`over` stands outside of macros", statement.span))
            case Macro():
                raise AssertionError("a macro within a macro is no program")
            case Pipeline() | Return():
                return read
            case _:
                assert_never(read)

    def value(self, expression: Expression) -> Expression:
        """An expression of the body as the caller reads it: names, functions and weights."""
        return rename(bottom_up(expression, self._owned), self._leaf)

    def _loss(self, e: Expression) -> Expression:
        """What stands in `==[0.5*mse]=>`: a loss's name is no state's."""
        match e:
            case Name(text) if is_loss(text) and not self._is_bound(text):
                return e
            case Binary("*", left, right):
                return replace(e, left=self._loss(left), right=self._loss(right))
            case _:
                return self.value(e)

    def _owned(self, e: Expression) -> Expression:
        """Parameters belong to the macro: `R(x)` is `Enc.R(x)`, `M @ x` is `Enc.M @ x`."""
        match e:
            case Call(function):
                name, own = unwrapped(function)
                return replace(e, function=self._function(name, own))
            case Binary("@", left, right):
                return replace(e, left=self._weight(left), right=self._weight(right))
            case _:
                return e

    def _function(self, name: Name, own: tuple[Call, ...]) -> Expression:
        book = self.work.book
        match meaning(name.text, book.macros, book.kernel):
            case Dense(layer):
                name = replace(name, text=self.owner + layer)
            case Builtin(op, layer) if layer is not None:
                name = replace(name, text=f"{op.name}_{{{self.owner}{layer}}}")
            case _:
                pass
        return wrapped(name, self.wraps + own, dict(book.macros), book.kernel)

    def _weight(self, e: Expression) -> Expression:
        match e:
            case Name(text) if text[:1].isupper() and not self._is_bound(text):
                return replace(e, text=self.owner + text)
            case Call(Name("transpose"), (Name(text) as name,)) if text in self._matrices():
                return replace(e, arguments=(self._weight(name),))
            case _:
                return e

    def _matrices(self) -> frozenset[str]:
        """The names that stand beside `@` in the body."""
        products = [n for s in self.macro.body for v in values(s) for n in nodes(v) if isinstance(n, Binary)]
        sides = [side for n in products if n.operator == "@" for side in (n.left, n.right)]
        return frozenset(side.text for side in sides if isinstance(side, Name))

    def _is_bound(self, text: str) -> bool:
        base = self._split(text).base
        return base in self.locals or any(self._split(formal).base == base for formal in self.bound)

    def _leaf(self, name: Name) -> Expression:
        if self.work.book.names.position(name.text) is not None or name.text.startswith(self.owner):
            return name
        if name.text in self.owned:
            return replace(name, text=self.owner + name.text)
        read = self._split(name.text)
        for formal, argument in self.bound.items():
            own = self._split(formal)
            if own.base == read.base:
                steps = _distance(own.context, read.context)
                if steps is not None and (steps <= 0 or own.base not in self.locals):
                    return replace(_shifted(argument, steps, self.work.book.names), span=name.span)
        if read.base in self.locals:
            return self._local(name)
        self.work.free.append((name, self.macro))
        return name

    def _local(self, name: Name) -> Name:
        read = self._split(name.text)
        result = self.renamed.get(read.base, Split(f"{self.path}.{read.base}", ()))
        return replace(name, text=spell(result.base, (read.context or ()) + (result.context or ())))

    def _declared(self, name: Name) -> Name:
        return replace(name, text=self.owner + name.text) if name.text in self.owned else self._local(name)

    def _split(self, text: str) -> Split:
        return split(text, self.work.book.names.indices)


def _distance(formal: Context | None, read: Context | None) -> int | None:
    """How many steps later than the formal a read stands; None where that has no meaning (`h_0` of `h_{t-1}`)."""
    if formal == read:
        return 0
    a = Running("t") if not formal else formal[0]
    b = a if read is None else read[0]
    if isinstance(a, Running) and isinstance(b, Running) and (formal or ())[1:] == (read or ())[1:]:
        return b.offset - a.offset
    return None


def _shifted(argument: Expression, steps: int, book: Names) -> Expression:
    """The argument `steps` later. A bare name is given the context that it has at another step."""

    def later(name: Name) -> Name:
        own = split(name.text, book.indices)
        if own.context is None:
            running = book.here() if book.indices else ()
            return replace(name, text=spell(own.base, tuple(_move(i, steps) for i in running)))
        return replace(name, text=spell(own.base, tuple(_move(i, steps) for i in own.context)))

    return rename(argument, later) if steps else argument


def _move(index: Index, steps: int) -> Index:
    return replace(index, offset=index.offset + steps) if isinstance(index, Running) else index
