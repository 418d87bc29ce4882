"""Names taken apart: which part of `h_{t-1}` is the state and which its context.

Only an integer, a running index, its capital, or a braced form is a context; any other suffix belongs to the
name. A fixed index is a point of a sequence only where that name also occurs at a running index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqmagic.equations.elaborate.lines import Fault
from sqmagic.equations.show import show_index
from sqmagic.equations.system import Context, Fixed, Index, Last, Point, Range, Running
from sqmagic.notation.problems import Problem
from sqmagic.notation.syntax import Name

_POINT = re.compile(r"([A-Za-z]+)?([+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Split:
    """A name taken apart; `context` is None for a bare name."""

    base: str
    context: Context | None


class BadContext(ValueError):
    """Braces that hold no context."""


def split(text: str, indices: Iterable[str]) -> Split:
    """`h_{t-1}` -> h and (t-1). Primes after the subscript belong to the name: `O_t'` is `O'_t`.

    Raises BadContext if the braces hold no context.
    """
    running = tuple(indices)
    body = text.rstrip("'")
    primes = text[len(body) :]
    if body.endswith("}"):
        base, _, inner = body.partition("_{")
        return Split(base + primes, tuple(_index(part, running) for part in inner[:-1].split(",")))
    base, underscore, suffix = body.rpartition("_")
    if underscore and (suffix.isdigit() or suffix in running or suffix in map(str.upper, running)):
        return Split(base + primes, (_point(suffix, running),))
    return Split(text, None)


def _index(text: str, running: tuple[str, ...]) -> Index:
    first, colon, last = text.partition(":")
    if colon:
        return Range(_point(first, running), _point(last, running))
    return _point(first, running)


def _point(text: str, running: tuple[str, ...]) -> Point:
    found = _POINT.fullmatch(text.replace(" ", ""))
    if not found or not (found[1] or found[2]):
        raise BadContext(text)
    if found[1] is None:
        return Fixed(int(found[2]))
    if found[2] is not None and found[2][0] not in "+-":
        raise BadContext(text)
    offset = int(found[2] or 0)
    if found[1] in running:
        return Running(found[1], offset)
    for index in running:
        if found[1] == index.upper():
            return Last(index, offset)
    raise BadContext(text)


def is_fixed(context: Context) -> bool:
    """Whether every index is a number: such a name may be a plain one, as h_1 of an MLP."""
    return all(isinstance(index, Fixed) for index in context)


def spell(base: str, context: Context) -> str:
    """The name of a state at a context, as one writes it: `h_{t-1}`, `h_0`, `p`."""
    if not context:
        return base
    inner = ",".join(show_index(index) for index in context)
    return f"{base}_{inner}" if re.fullmatch(r"[A-Za-z]|\d+", inner) else f"{base}_{{{inner}}}"


@dataclass(frozen=True, slots=True)
class Names:
    """How this program's names are to be read.

    `indices` are the running indices; `sequences` the bases that occur at a running index; `bare` says of each base
    that is defined without a context whether it runs over time after all (`p` made from `h_t`); `both` holds
    the bases that are defined bare and indexed, which are two states.
    """

    indices: tuple[str, ...] = ()
    sequences: frozenset[str] = frozenset()
    bare: Mapping[str, bool] = field(default_factory=dict)
    both: frozenset[str] = frozenset()

    def here(self) -> Context:
        """The context `t` itself; none where nothing runs."""
        return tuple(Running(index) for index in self.indices[:1])

    def state(self, text: str) -> tuple[str, Context]:
        """The state's key and the context that a name means. Layers of a stack (`h_{t,1}`) are states `h_1`."""
        parts = split(text, self.indices)
        if parts.context is None or (is_fixed(parts.context) and parts.base not in self.sequences):
            return self._bare(text)
        first, rest = parts.context[0], parts.context[1:]
        stacked = "".join(f"_{index.value}" for index in rest if isinstance(index, Fixed))
        running = tuple(index for index in rest if not isinstance(index, Fixed))
        key = parts.base + stacked
        return (f"{key}_{self.indices[0]}" if parts.base in self.both else key), (first, *running)

    def written(self, key: str, context: Context) -> str:
        """A state as one writes it: layer 2 of a stack, the state h_2, is `h_{t,2}` at t, and O_t beside O is `O_t`."""
        if key.rpartition("_")[0] in self.both and context:
            return spell(key.rpartition("_")[0], context)
        base, _, layer = key.rpartition("_")
        stacked = base in self.sequences and layer.isdigit() and key not in self.bare and context
        return spell(base, (context[0], Fixed(int(layer)), *context[1:])) if stacked else spell(key, context)

    def _bare(self, text: str) -> tuple[str, Context]:
        if text in self.bare:
            return text, self.here() if self.bare[text] else ()
        if text in self.sequences:
            return text, self.here()
        return text, ()

    def taken(self, name: Name) -> None:
        """Refuses `0.5 -> T`: an expression that reads it would read the number of the last step."""
        point = self.position(name.text)
        if point is not None:
            what = "the number of each step" if isinstance(point, Running) else "the number of the last step"
            message = f"`{name.text}` is {what}, and names nothing else"
            raise Fault(Problem("SQ243", message, name.span, notes=("a value of its own needs another name.",)))

    def position(self, text: str) -> Point | None:
        """The point whose number a name is: `t` or `T` standing alone in an expression."""
        if text in self.indices:
            return Running(text)
        return next((Last(index) for index in self.indices if text == index.upper()), None)
