"""The rules that wait until enough is known: broadcasting, rows of a range, integers that choose, torch modules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqmagic.equations.shapes.classes import REDUCED, Reason, Said
from sqmagic.equations.shapes.dimension import Dimension, Shape
from sqmagic.equations.shapes.unknowns import Fault, Form, Kind, Level, Unknowns, Waiting


@dataclass(frozen=True, slots=True)
class Once(Waiting):
    """As soon as the ranks of `shapes` and the sizes of `dimensions` are known, `then` is called."""

    shapes: tuple[Form, ...]
    then: Callable[[], None]
    dimensions: tuple[int, ...] = ()

    def advance(self, unknowns: Unknowns) -> Level:
        if any(unknowns.leads.get(s.lead) is None for s in self.shapes):
            return Level.WAIT
        if any(unknowns.dimensions.get(d) is None for d in self.dimensions):
            return Level.WAIT
        self.then()
        return Level.DONE


@dataclass(frozen=True, slots=True)
class Broadcast(Waiting):
    """An operator that works component by component: a scalar meets any shape, a vector each row of a matrix; all other
    operands are equal.

    `sums` says that equality is the rule and a scalar beside a vector the exception (`+`, `-`, max, min); in products
    the scalar is as good a guess, so what is free waits longer.
    """

    operands: tuple[Form, ...]
    result: Form
    said: tuple[Said, ...]
    why: Reason
    sums: bool

    def advance(self, unknowns: Unknowns) -> Level:
        kinds = [unknowns.kind(o) for o in self.operands]
        vectors = [i for i, kind in enumerate(kinds) if kind is Kind.VECTOR]
        free = [i for i, kind in enumerate(kinds) if kind is Kind.UNKNOWN]
        if vectors:
            self._meet(unknowns, vectors, free)
        elif free and unknowns.kind(self.result) is Kind.SCALAR:
            self._scalars(unknowns, free, None)
            return Level.DONE
        ranks = self._ranks(unknowns, vectors)
        apart = None in ranks.values() and len({unknowns.key(self.operands[i]) for i in vectors}) > 1
        if not free and not apart:
            if not vectors:
                unknowns.make_scalar(self.result, self._like(0), ((self.said[0], self.operands[0].last),))
            return Level.DONE
        if all(unknowns.leads.get(o.lead) == () for o in self.operands):
            unknowns.equal_leads(self.result.lead, unknowns.none, self._like(0))
        if not vectors and len({unknowns.key(self.operands[i]) for i in free}) == 1:
            self._result(unknowns, free[0])
            if not self.sums or len(free) == len(kinds):
                return Level.DONE
        return self._level(unknowns, vectors, free)

    def _level(self, unknowns: Unknowns, vectors: list[int], free: list[int]) -> Level:
        for i in (*vectors, *free):
            lead = self.operands[i].lead
            if unknowns.leads.get(lead) is None and unknowns.leads.makers(lead):
                return Level.WAIT
        if vectors:
            return Level.VECTOR if self.sums or not free else Level.FACTOR
        if self.sums:
            return Level.SUM if len(free) == len(self.operands) else Level.SCALAR
        return Level.PRODUCT

    def assume(self, unknowns: Unknowns, level: Level) -> None:
        kinds = [unknowns.kind(o) for o in self.operands]
        free = [i for i, kind in enumerate(kinds) if kind is Kind.UNKNOWN]
        if level is Level.SCALAR:
            self._scalars(unknowns, free, kinds.index(Kind.SCALAR))
            unknowns.make_scalar(self.result, self._like(0))
            return
        # others that assumed before may have made a vector of what was free
        which = [*(i for i, kind in enumerate(kinds) if kind is Kind.VECTOR), *free]
        ranks = self._ranks(unknowns, which)
        matrices = [i for i in which if ranks[i]]
        if matrices and unknowns.varies(self.operands[matrices[0]].lead):
            for i in which:
                if ranks[i] is None:
                    unknowns.equal_leads(self.operands[i].lead, unknowns.none, self._row(i, matrices[0]))
        else:
            self._alike(unknowns, [*(matrices or which), *(i for i in which if ranks[i] is None)])
        self._meet(unknowns, which)

    def _ranks(self, unknowns: Unknowns, which: list[int]) -> dict[int, int | None]:
        """How many axes each has before its last, as far as it is known."""
        leads = {i: unknowns.leads.get(self.operands[i].lead) for i in which}
        return {i: None if lead is None else len(lead) for i, lead in leads.items()}

    def _meet(self, unknowns: Unknowns, which: list[int], free: Sequence[int] = ()) -> None:
        """What is surely no scalar, beside what is `free`. Of what may still become a vector beside a matrix only the
        components are equal."""
        ranks = self._ranks(unknowns, [*which, *free])
        matrices = [i for i in which if ranks[i] == 1]
        images = any(rank is not None and rank > 1 for rank in ranks.values())
        may = not images and bool(matrices or unknowns.leads.get(self.result.lead) != ())
        rows = [i for i in which if may and self._may_be_row(unknowns, i, ranks[i], bool(matrices))]
        alike = [i for i in which if i not in rows]
        self._alike(unknowns, alike)
        first = (*alike, *rows)[0]
        for i in rows:
            if i != first:
                shapes = (self.operands[i], self.operands[first])
                why = self._row(i, first) if matrices else self._equal(i, first)
                unknowns.equal_dimensions(shapes[0].last, shapes[1].last, why, shapes)
        undecided = rows or [i for i in free if may and self._may_be_row(unknowns, i, ranks[i], False)]
        if matrices or not undecided:
            self._result(unknowns, first)
        else:
            unknowns.equal_dimensions(self.operands[first].last, self.result.last, self._like(first))

    def _may_be_row(self, unknowns: Unknowns, i: int, rank: int | None, beside_matrix: bool) -> bool:
        """Whether it is a vector beside a matrix, or it is not known yet that it will be no matrix."""
        if beside_matrix:
            return not rank
        return rank is None and bool(unknowns.leads.makers(self.operands[i].lead))

    def _alike(self, unknowns: Unknowns, which: list[int]) -> None:
        for i in which[1:]:
            if unknowns.key(self.operands[which[0]]) != unknowns.key(self.operands[i]):
                unknowns.equal(self.operands[which[0]], self.operands[i], self._equal(which[0], i))

    def _result(self, unknowns: Unknowns, i: int) -> None:
        if unknowns.key(self.result) != unknowns.key(self.operands[i]):
            unknowns.equal(self.operands[i], self.result, self._like(i))

    def _scalars(self, unknowns: Unknowns, which: list[int], beside: int | None) -> None:
        """`beside` is the scalar that decides it; without one it is the result."""
        other = self.why.about[0] if beside is None else self.said[beside]
        last = self.result.last if beside is None else self.operands[beside].last
        for i in which:
            about = (self.said[i], other, *self.why.about)
            link = "`{1}` is a scalar, and `{0}` with it"
            clash = "`{0}` ({a}) must be a scalar in `{2}`, as `{1}` is"
            why = self.why._replace(about=about, link=link, clash=clash, heads=("{0} is", "{1} is"))
            unknowns.make_scalar(self.operands[i], why, ((other, last),))

    def _equal(self, i: int, j: int) -> Reason:
        link = "{3} makes `{0}` and `{1}` equal"
        return self.why._replace(link=link, about=(self.said[i], self.said[j], *self.why.about))

    def _row(self, i: int, j: int) -> Reason:
        link = "in `{2}` `{0}` meets each row of `{1}`"
        clash = "`{0}` ({a}) meets each row of `{1}` ({b}) in `{2}`, and must have as many components as a row"
        return self.why._replace(link=link, clash=clash, about=(self.said[i], self.said[j], *self.why.about))

    def _like(self, i: int) -> Reason:
        link = "`{1}` has the shape of `{0}`"
        clash = "`{0}` ({a}) cannot be in `{1}`, which must be {b}"
        return self.why._replace(link=link, clash=clash, about=(self.said[i], *self.why.about))


@dataclass(frozen=True, slots=True)
class AtMost(Waiting):
    """How many values an integer has is at most the width that it chooses from, and exactly that if nothing says."""

    least: int
    most: int
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        least, most = unknowns.dimensions.get(self.least), unknowns.dimensions.get(self.most)
        if most is None:
            return Level.WAIT if least is None else Level.INDEX
        if isinstance(least, int) and isinstance(most, int):
            if least > most:
                unknowns.fault(Fault(self.why, (unknowns.side(self.least), unknowns.side(self.most))))
            return Level.DONE
        return Level.WAIT

    def assume(self, unknowns: Unknowns, level: Level) -> None:
        if unknowns.dimensions.get(self.most) is None:
            unknowns.equal_dimensions(self.least, self.most, self.why)

    def order(self, unknowns: Unknowns) -> int:
        """The integer with the most values decides, and the others are within it."""
        least = unknowns.dimensions.get(self.least)
        return -least if isinstance(least, int) else 0


@dataclass(frozen=True, slots=True)
class Rows(Waiting):
    """A range of states: scalars make a vector, vectors a matrix with a row for each index, in front of their axes."""

    state: Form
    count: int
    result: Form
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        lead, last = unknowns.leads.get(self.state.lead), unknowns.dimensions.get(self.state.last)
        if lead is None:
            return Level.WAIT
        if lead == () and last is None:
            return Level.ROWS
        if lead == () and last == 1:
            unknowns.equal(self.result, Form(unknowns.none, self.count), self.why._replace(link=""))
        else:
            self._matrix(unknowns)
        return Level.DONE

    def assume(self, unknowns: Unknowns, level: Level) -> None:
        """Free states are vectors and make a matrix; but what is summed over a range, `sum(r_{t:T})`, is a scalar."""
        if not unknowns.leads.marked(self.result.lead, REDUCED):
            self._matrix(unknowns)
            return
        why = self.why._replace(link="`{0}` is summed, so that `{1}` is a scalar")
        unknowns.make_scalar(self.state, why)
        unknowns.equal(self.result, Form(unknowns.none, self.count), why._replace(link=""))

    def _matrix(self, unknowns: Unknowns) -> None:
        lead = unknowns.leads.get(self.state.lead)
        assert lead is not None, "a range of a state whose rank is not known waits"
        rows = unknowns.of((self.count, *lead, self.state.last), self.why)
        unknowns.equal(self.result, rows, self.why._replace(link=""))


@dataclass(frozen=True, slots=True)
class Scalar(Waiting):
    """A goal has one value for each example and step. `made` is the sum or product that it is, if it is one."""

    form: Form
    why: Reason
    made: Broadcast | None = None

    def advance(self, unknowns: Unknowns) -> Level:
        if unknowns.kind(self.form) is Kind.SCALAR:
            return Level.DONE
        if unknowns.kind(self.form) is Kind.VECTOR and unknowns.dimensions.get(self.form.last) is not None:
            self.refuse(unknowns)
            return Level.DONE
        return Level.SCALAR

    def assume(self, unknowns: Unknowns, level: Level) -> None:
        if unknowns.kind(self.form) is Kind.VECTOR:
            self.refuse(unknowns)
        else:
            unknowns.make_scalar(self.form, self.why)

    def refuse_vector(self, unknowns: Unknowns) -> None:
        """For a program whose data are not known yet: what is surely no scalar never will be."""
        if unknowns.kind(self.form) is Kind.VECTOR:
            self.refuse(unknowns)

    def refuse(self, unknowns: Unknowns) -> None:
        clash = self.why.clash
        if unknowns.dimensions.get(self.form.last) is not None:
            clash += " ({a})"
        if self.made is not None and {unknowns.kind(o) for o in self.made.operands} == {Kind.SCALAR, Kind.VECTOR}:
            clash += ": a vector meets a scalar"
        side = unknowns.side(self.form.last, self.form)
        unknowns.fault(Fault(self.why._replace(clash=clash, code="SQ304"), (side,)))


@dataclass(frozen=True, slots=True)
class Action(Waiting):
    """What is passed to the environment is one number, unless it is known to be more."""

    form: Form
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        return Level.INDEX if unknowns.kind(self.form) is Kind.UNKNOWN else Level.DONE

    def assume(self, unknowns: Unknowns, level: Level) -> None:
        unknowns.make_scalar(self.form, self.why)


@dataclass(frozen=True, slots=True)
class Measured(Waiting):
    """A torch module of the kernel: someone who can call it tells the shape of its result."""

    layer: str
    arguments: tuple[Form, ...]
    result: Form
    measure: Callable[[str, tuple[Shape, ...]], Shape | None] | None
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        shapes = [whole_numbers(unknowns.shape(a)) for a in self.arguments]
        given = tuple(s for s in shapes if s is not None)
        if self.measure is None or len(given) < len(shapes):
            return Level.WAIT
        found = self.measure(self.layer, given)
        if found is None:
            return Level.WAIT
        axes = tuple(unknowns.number(n, self.why) for n in found or (1,))
        unknowns.equal(self.result, unknowns.of(axes, self.why), self.why)
        return Level.DONE

    def undecided(self, unknowns: Unknowns) -> Fault | None:
        if unknowns.shape(self.result) is not None or any(unknowns.shape(a) is None for a in self.arguments):
            return None
        clash = "the shape of what the module `{1}` gives is not known"
        return Fault(self.why._replace(clash=clash, code="SQ307"))


def whole_numbers(shape: tuple[Dimension, ...] | None) -> Shape | None:
    """A shape none of whose axes varies."""
    found = tuple(n for n in shape or () if isinstance(n, int))
    return found if shape is not None and len(found) == len(shape) else None
