"""Union-find with a memory: which unknowns are equal, what each class is known to be, and the reasons for both.

Joining keeps the graph of equalities as it was stated, so that the shortest chain of reasons from an unknown to
where its value was given can be found later. Rules that wait for a class are returned when it becomes known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from sqmagic.equations.system import Expr
from sqmagic.notation.source import NOWHERE, Span

V = TypeVar("V")
W = TypeVar("W")

Said: TypeAlias = Expr | str

STATE = 1  # the last axis of a state
WIDE = 2  # of an input, a layer, a named size: takes `width` if nothing settles it
PLURAL = 4  # more than one component is meant: softmax, one_hot and sums are over several
NUMBERS = 8  # of a state that is given nothing but numbers, step for step
SOFT = 16  # of a lead that takes any shape that its use demands
REDUCED = 32  # of a lead of which the last axis is summed


class Reason(NamedTuple):
    """Why two unknowns are equal, or one is known. Texts are templates: `{0}` is `about[0]`, `{a}` and `{b}` shapes.

    `link` is a line of a chain of reasons ("" adds none), `clash` what is said if it cannot be, `heads` how the two
    chains under a clash begin. Without a clash of its own, `{0}` and `{1}` must be equal in `{2}`; or if there is no
    `{2}`, the first side is what is asked of `{0}`, and the second what it is. `through` names the layer that an
    equality goes through, `owner` the one that a declaration speaks of: the second makes the first superfluous beside
    it. (A tuple: there are many.)
    """

    link: str = ""
    about: tuple[Said, ...] = ()
    line: int = 0
    span: Span = NOWHERE
    clash: str = ""
    heads: tuple[str, ...] = ()
    code: str = "SQ301"
    through: str = ""
    owner: str = ""
    declares: bool = False


class Given(NamedTuple):
    """Where a value comes from: stated outright, or worked out from other dimensions (with how to speak of them)."""

    reason: Reason
    because: tuple[tuple[Said, int], ...] = ()


class Classes(Generic[V, W]):
    """Classes of equal unknowns with values of type V; rules of type W wait for them."""

    def __init__(self) -> None:
        self.edges: list[list[tuple[int, Reason]]] = []
        self.given: dict[int, Given] = {}
        self._parent: list[int] = []
        self._value: list[V | None] = []
        self._marks: list[int] = []
        self._made: list[int] = []
        self._weight: list[int] = []
        self._waiting: dict[int, list[W]] = {}
        self._open: list[int] = []

    def fresh(self, marks: int = 0) -> int:
        self.edges.append([])
        self._open.append(len(self._parent))
        self._parent.append(len(self._parent))
        self._value.append(None)
        self._marks.append(marks)
        self._made.append(0)
        self._weight.append(1)
        return len(self._parent) - 1

    def find(self, a: int) -> int:
        parent = self._parent
        above = parent[a]
        while above != a:
            parent[a] = a = parent[above]
            above = parent[a]
        return a

    def get(self, a: int) -> V | None:
        return self._value[self.find(a)]

    def marked(self, a: int, mark: int) -> bool:
        return bool(self._marks[self.find(a)] & mark)

    def mark(self, a: int, mark: int) -> None:
        self._marks[self.find(a)] |= mark

    def makers(self, a: int) -> int:
        """How many waiting rules will make it known."""
        return self._made[self.find(a)]

    def claim(self, a: int, count: int) -> None:
        self._made[self.find(a)] += count

    def wait(self, a: int, rule: W) -> None:
        root = self.find(a)
        self._waiting.setdefault(root, []).append(rule)
        self._weight[root] += 1

    def nobody_waits(self) -> None:
        self._waiting = {}

    def open_roots(self) -> list[int]:
        """One unknown of each class that is not known. What was known or joined is not looked at again."""
        self._open = [a for a in self._open if self._parent[a] == a and self._value[a] is None]
        return self._open

    def give(self, a: int, value: V, given: Given) -> list[W]:
        """Makes a class known; its value must be open or the same. The rules that waited for it."""
        root = self.find(a)
        self.given.setdefault(a, given)
        if self._value[root] is not None:
            return []
        self._value[root] = value
        return self._woken(root)

    def join(self, a: int, b: int, why: Reason) -> list[W]:
        """Makes two classes one; their values must not differ. The rules that now know more."""
        self.edges[a].append((b, why))
        self.edges[b].append((a, why))
        keep, drop = self.find(a), self.find(b)
        if keep == drop:
            return []
        if self._weight[keep] < self._weight[drop]:
            keep, drop = drop, keep
        woken = self._news(keep, drop)
        if self._value[keep] is None:
            self._value[keep] = self._value[drop]
        self._parent[drop] = keep
        self._marks[keep] |= self._marks[drop]
        self._made[keep] += self._made[drop]
        self._weight[keep] += self._weight[drop]
        if drop in self._waiting:
            self._waiting.setdefault(keep, []).extend(self._waiting.pop(drop))
        return woken

    def _news(self, a: int, b: int) -> list[W]:
        """Whom it concerns that a and b are equal: a value or the mark PLURAL reaches the other class."""
        known_a, known_b = self._value[a] is not None, self._value[b] is not None
        if known_a or known_b:
            return [] if known_a and known_b else self._woken(b if known_a else a)
        several_a, several_b = self._marks[a] & PLURAL, self._marks[b] & PLURAL
        return [] if several_a == several_b else list(self._waiting.get(b if several_a else a, ()))

    def _woken(self, root: int) -> list[W]:
        return self._waiting.pop(root, [])

    def chain(self, start: int) -> tuple[list[Reason], Given | None]:
        """The shortest chain of equalities from an unknown to where its class was given a value."""
        before: dict[int, tuple[int, Reason] | None] = {start: None}
        queue = deque([start])
        while queue:
            at = queue.popleft()
            if at in self.given:
                return list(_back(before, at))[::-1], self.given[at]
            for other, why in self.edges[at]:
                if other not in before:
                    before[other] = (at, why)
                    queue.append(other)
        return [], None


def _back(before: dict[int, tuple[int, Reason] | None], at: int) -> Iterator[Reason]:
    step = before[at]
    while step is not None:
        yield step[1]
        step = before[step[0]]
