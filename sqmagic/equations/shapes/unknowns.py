"""Shapes with unknowns, and the worklist of rules that wait until enough is known.

A `Form` is a shape: `last` is its last axis, one dimension, and `lead` the axes before it, none for a vector. Both
are unknowns of `Classes`, so that the width of a state can be known before its rank is. What clashes is remembered
as a `Fault` and joins nothing; the rest goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple, TypeAlias

from sqmagic.equations.shapes.classes import PLURAL, Classes, Given, Reason, Said
from sqmagic.equations.shapes.dimension import Dimension, Steps


class Form(NamedTuple):
    """A shape; of an integer also `classes`, the number of its values."""

    lead: int
    last: int
    classes: int | None = None


class Kind(Enum):
    """What broadcasting must know of a shape. VECTOR: anything that is surely no scalar."""

    SCALAR = "a scalar"
    VECTOR = "more than a scalar"
    UNKNOWN = "not known"


class Level(IntEnum):
    """What a waiting rule may assume once nothing is certain any more, in this order; DONE and WAIT assume nothing."""

    DONE = 0
    WAIT = 1
    VECTOR = 2  # what is free beside a vector in a sum is like it
    INDEX = 3  # the width of q in q[a] is the number of a's values
    SCALAR = 4  # what is free and joined to scalars only is a scalar
    ROWS = 5  # a range of what is free is a matrix
    FACTOR = 6  # what is free beside a vector in a product is like it
    SUM = 7  # what is free in a sum is equal
    PRODUCT = 8  # what is free in a product is equal


class Waiting(ABC):
    """A rule that waits. `advance` draws what is certain and says what it would assume next; `assume` does so.

    `undecided` says what is missing if it still waits where everything else is known.
    """

    __slots__ = ()

    @abstractmethod
    def advance(self, unknowns: Unknowns) -> Level: ...

    def assume(self, unknowns: Unknowns, level: Level) -> None:
        raise AssertionError("it assumes nothing")

    def undecided(self, unknowns: Unknowns) -> Fault | None:
        return None

    def order(self, unknowns: Unknowns) -> int:
        """Among rules of one level, the least assume first."""
        return 0


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a fault: the dimension or the lead whose chain explains it, and what is shown of it.

    Without `said`, which names it, the chain begins as the reason's `heads` say.
    """

    text: str
    dimension: int | None = None
    lead: int | None = None
    said: Said | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What cannot be: the reason that asks for it, and the one or two sides whose chains explain it."""

    why: Reason
    sides: tuple[Side, ...] = ()


Leads: TypeAlias = "Classes[tuple[int, ...], _Entry]"
Dimensions: TypeAlias = "Classes[Dimension, _Entry]"


class _Entry:
    """A waiting rule in the worklist, with the unknowns that it is going to make."""

    __slots__ = ("dimensions", "leads", "level", "queued", "rule")

    def __init__(self, rule: Waiting, dimensions: Sequence[int], leads: Sequence[int]) -> None:
        self.rule = rule
        self.dimensions = dimensions
        self.leads = leads
        self.level = Level.WAIT
        self.queued = False


class Unknowns:
    """All unknowns of a program, and the worklist. Time is linear in the number of rules and equalities."""

    def __init__(self) -> None:
        self.dimensions: Dimensions = Classes()
        self.leads: Leads = Classes()
        self.faults: list[Fault] = []
        self._told: set[object] = set()
        self._queue: deque[_Entry] = deque()
        self._entries: list[_Entry] = []
        self._ready: dict[Level, list[_Entry]] = {level: [] for level in Level}
        self.none = self.leads.fresh()
        self.leads.give(self.none, (), Given(Reason("a state is a vector unless something else is said")))

    # --- making ----------------------------------------------------------------------------------

    def free(self, marks: int = 0, lead_marks: int = 0) -> Form:
        return Form(self.leads.fresh(lead_marks), self.dimensions.fresh(marks))

    def number(self, value: Dimension, why: Reason) -> int:
        """A dimension that is known."""
        found = self.dimensions.fresh()
        self.dimensions.give(found, value, Given(why))
        return found

    def of(self, axes: Sequence[int], why: Reason) -> Form:
        """The shape of these axes."""
        return Form(self.lead(tuple(axes[:-1]), why), axes[-1])

    def lead(self, axes: tuple[int, ...], why: Reason) -> int:
        if not axes and not why.declares:
            return self.none
        found = self.leads.fresh()
        self.leads.give(found, axes, Given(why))
        return found

    def scalar(self, why: Reason) -> Form:
        return Form(self.none, self.number(1, why))

    # --- asking ----------------------------------------------------------------------------------

    def axes(self, form: Form) -> tuple[int, ...] | None:
        """All axes of a shape whose rank is known."""
        lead = self.leads.get(form.lead)
        return None if lead is None else (*lead, form.last)

    def kind(self, form: Form) -> Kind:
        lead, last = self.leads.get(form.lead), self.dimensions.get(form.last)
        if lead or last not in (None, 1) or (last is None and self.dimensions.marked(form.last, PLURAL)):
            return Kind.VECTOR
        return Kind.SCALAR if lead == () and last == 1 else Kind.UNKNOWN

    def varies(self, lead: int) -> bool:
        """Whether an axis before the last is known to have another length for each window, or at each step."""
        return any(isinstance(self.dimensions.get(axis), Steps) for axis in self.leads.get(lead) or ())

    def shape(self, form: Form) -> tuple[Dimension, ...] | None:
        """The shape, if all of it is known."""
        axes = self.axes(form)
        sizes = tuple(self.dimensions.get(a) for a in axes or ())
        found = tuple(size for size in sizes if size is not None)
        return found if axes is not None and len(found) == len(axes) else None

    def key(self, form: Form) -> tuple[int, int]:
        """The same for two shapes that are known to be equal."""
        return self.leads.find(form.lead), self.dimensions.find(form.last)

    def text(self, form: Form) -> str:
        """`28`, `1x28x28`; an axis that is not known is `?`."""
        return "x".join(self.size_text(axis) for axis in self.axes(form) or (form.last,))

    def size_text(self, dimension: int) -> str:
        size = self.dimensions.get(dimension)
        return "?" if size is None else str(size)

    def side(self, dimension: int, shape: Form | None = None, said: Said | None = None) -> Side:
        """A dimension as a side of a fault, shown as the shape that it belongs to."""
        return Side(self.size_text(dimension) if shape is None else self.text(shape), dimension, said=said)

    # --- stating ---------------------------------------------------------------------------------

    def equal(self, a: Form, b: Form, why: Reason) -> None:
        if self.equal_leads(a.lead, b.lead, why, (a, b)):
            self.equal_dimensions(a.last, b.last, why, (a, b))

    def equal_dimensions(self, a: int, b: int, why: Reason, shapes: tuple[Form, Form] | None = None) -> None:
        x, y = self.dimensions.get(a), self.dimensions.get(b)
        if x is not None and y is not None and x != y:
            left, right = shapes or (None, None)
            self.fault(Fault(why, (self.side(a, left), self.side(b, right))))
        else:
            self._wake(self.dimensions.join(a, b, why))

    def equal_leads(self, a: int, b: int, why: Reason, shapes: tuple[Form, Form] | None = None) -> bool:
        """False if the ranks differ."""
        x, y = self.leads.get(a), self.leads.get(b)
        if x is not None and y is not None:
            if len(x) != len(y):
                left, right = shapes or (Form(a, self.dimensions.fresh()), Form(b, self.dimensions.fresh()))
                self.fault(Fault(why, (Side(self.text(left), lead=a), Side(self.text(right), lead=b))))
                return False
            if x is not y:
                for one, other in zip(x, y, strict=True):
                    self.equal_dimensions(one, other, why, shapes)
        self._wake(self.leads.join(a, b, why))
        return True

    def give(self, a: int, value: Dimension, given: Given) -> None:
        """Makes a dimension known, or finds that it is another."""
        known = self.dimensions.get(a)
        if known is None or known == value:
            self._wake(self.dimensions.give(a, value, given))
            return
        other = self.dimensions.fresh()
        self.dimensions.give(other, value, given)
        self.fault(Fault(given.reason, (self.side(a), self.side(other))))

    def make_scalar(self, form: Form, why: Reason, because: tuple[tuple[Said, int], ...] = ()) -> None:
        if self.equal_leads(form.lead, self.none, why, (form, Form(self.none, form.last))):
            self.give(form.last, 1, Given(why, because))

    def fault(self, fault: Fault) -> None:
        """Remembers a fault, each only once."""
        key = (fault.why, fault.sides)
        if key not in self._told:
            self._told.add(key)
            self.faults.append(fault)

    # --- the worklist ----------------------------------------------------------------------------

    def wait(
        self,
        rule: Waiting,
        *,
        shapes: Sequence[Form] = (),
        dimensions: Sequence[int] = (),
        makes: Sequence[Form] = (),
        makes_dimensions: Sequence[int] = (),
    ) -> None:
        """Enters a rule that waits for shapes and dimensions, and will make others known."""
        entry = _Entry(rule, [*makes_dimensions, *(m.last for m in makes)], [m.lead for m in makes])
        self._claim(entry, 1)
        for form in shapes:
            self.leads.wait(form.lead, entry)
        for dimension in (*dimensions, *(t.last for t in shapes)):
            self.dimensions.wait(dimension, entry)
        self._entries.append(entry)
        self._wake([entry])

    def drain(self) -> None:
        """Draws all that is certain."""
        while self._queue:
            entry = self._queue.popleft()
            entry.queued = False
            self._advance(entry)

    def assume(self, level: Level) -> bool:
        """Lets every rule that stands at a level assume what it may; True if one did."""
        batch = list(dict.fromkeys(self._ready[level]))
        self._ready[level] = []
        for entry in batch:
            if entry.level is level:
                self._advance(entry)
        if self._queue:
            self.drain()
            return True
        due = sorted((e for e in batch if e.level is level), key=lambda e: e.rule.order(self))
        self._ready[level] = []
        for entry in due:
            entry.rule.assume(self, level)
            self._done(entry)
        self.drain()
        return bool(due)

    def pending(self) -> Iterator[Waiting]:
        """The rules that are not done."""
        return (entry.rule for entry in self._entries if entry.level is not Level.DONE)

    def waiting(self) -> list[Waiting]:
        """The rules that are not done, once more advanced."""
        for entry in self._entries:
            if entry.level is not Level.DONE:
                self._advance(entry)
        self.drain()
        self._entries = [entry for entry in self._entries if entry.level is not Level.DONE]
        return [entry.rule for entry in self._entries]

    def refuse_undecided(self) -> bool:
        """Gives up the rules that would wait for ever, with a fault each; True if there was one."""
        found = False
        for entry in self._entries:
            fault = entry.rule.undecided(self) if entry.level is not Level.DONE else None
            if fault is not None:
                self.fault(fault)
                self._done(entry)
                found = True
        return found

    def rest(self) -> None:
        """Forgets the worklist: nothing more will be stated, and what is left can be copied and kept."""
        self._entries, self._ready, self._queue = [], {}, deque()
        self.dimensions.nobody_waits()
        self.leads.nobody_waits()

    def _advance(self, entry: _Entry) -> None:
        if entry.level is Level.DONE:
            return
        entry.level = entry.rule.advance(self)
        if entry.level is Level.DONE:
            self._claim(entry, -1)
        elif entry.level is not Level.WAIT:
            self._ready[entry.level].append(entry)

    def _done(self, entry: _Entry) -> None:
        entry.level = Level.DONE
        self._claim(entry, -1)

    def _claim(self, entry: _Entry, count: int) -> None:
        for dimension in entry.dimensions:
            self.dimensions.claim(dimension, count)
        for lead in entry.leads:
            self.leads.claim(lead, count)

    def _wake(self, entries: list[_Entry]) -> None:
        for entry in entries:
            if not entry.queued and entry.level is not Level.DONE:
                entry.queued = True
                self._queue.append(entry)
