"""The rules that wait for sizes to add up or multiply: `|`, split, flatten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from sqmagic.equations.shapes.classes import Given, Reason, Said
from sqmagic.equations.shapes.dimension import Dimension, Steps, divided, plus, times
from sqmagic.equations.shapes.unknowns import Fault, Form, Level, Unknowns, Waiting


@dataclass(frozen=True, slots=True)
class Sum(Waiting):
    """The parts add up to the total; whichever one is free follows. `why.about[0]` is the whole."""

    parts: tuple[int, ...]
    total: int
    said: tuple[Said, ...]
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        counts, constant = self._balance(unknowns)
        if len(counts) > 1:
            return Level.WAIT
        ((free, count),) = counts.items() or ((self.total, -1),)
        if count == -1 and unknowns.dimensions.find(self.total) == unknowns.dimensions.find(free):
            self._total(unknowns)
        else:
            self._part(unknowns, free, count, times(constant, -1))
        return Level.DONE

    def _balance(self, unknowns: Unknowns) -> tuple[dict[int, int], Dimension]:
        """parts - total: how often each free class counts, and the sum of what is known."""
        dimensions = unknowns.dimensions
        counts: dict[int, int] = {}
        constant: Dimension = 0
        for dimension in self.parts:
            known = dimensions.get(dimension)
            if known is None:
                free = dimensions.find(dimension)
                counts[free] = counts.get(free, 0) + 1
            else:
                constant = plus(constant, known)
        known, free = dimensions.get(self.total), dimensions.find(self.total)
        if known is not None:
            constant = plus(constant, times(known, -1))
        else:
            counts[free] = counts.get(free, 0) - 1
            if not counts[free]:
                del counts[free]
        return counts, constant

    def _total(self, unknowns: Unknowns) -> None:
        sizes = [unknowns.dimensions.get(p) for p in self.parts]
        known = [size for size in sizes if size is not None]
        none: Dimension = 0
        total = reduce(plus, known, none)
        if len(known) < len(sizes):  # `h | x -> h`: the total is one of the parts, and the others are too much
            equal = next(s for s, p in zip(self.said, self.parts, strict=True) if unknowns.dimensions.get(p) is None)
            self._refuse(unknowns, f"`{{0}}` is longer than `{{1}}`, which it must be equal to, by {total}", equal)
            return
        text = " + ".join(map(str, known))
        why = self.why._replace(link=f"`{{0}}` is {text}", clash=f"`{{0}}` has {text} = {{b}} components, not {{a}}")
        unknowns.give(self.total, total, Given(why._replace(heads=("it must be", "{0} is")), self._because()))

    def _part(self, unknowns: Unknowns, free: int, count: int, left: Dimension) -> None:
        size = divided(left, count)
        same = [s for s, p in zip(self.said, self.parts, strict=True) if unknowns.dimensions.find(p) == free]
        if size is None:
            self._refuse(unknowns, f"`{{0}}` cannot be in {len(same)} equal parts")
        elif isinstance(size, int) and size <= 0:
            self._refuse(unknowns, f"`{{0}}` leaves {size or 'no'} components for `{{1}}`", same[0])
        else:
            why = self.why._replace(link=f"what is left of `{{0}}` is {size}", heads=("it must be", "it is"))
            unknowns.give(free, size, Given(why, ((self.why.about[0], self.total), *self._because(free))))

    def _because(self, free: int | None = None) -> tuple[tuple[Said, int], ...]:
        return tuple((s, p) for s, p in zip(self.said, self.parts, strict=True) if p != free)

    def _refuse(self, unknowns: Unknowns, clash: str, *about: Said) -> None:
        known = [(s, p) for s, p in [(self.why.about[0], self.total), *self._because()] if unknowns.dimensions.get(p)]
        why = self.why._replace(clash=clash, code="SQ302", about=(self.why.about[0], *about))
        unknowns.fault(Fault(why, tuple(unknowns.side(p, said=s) for s, p in known)))

    def undecided(self, unknowns: Unknowns) -> Fault | None:
        """Several free parts of a known total: no width is more likely than another."""
        if unknowns.dimensions.get(self.total) is None:
            return None
        clash = "`{0}` has {a} components, but how they are shared out is not known: declare all parts but one"
        return Fault(self.why._replace(clash=clash, code="SQ307"), (unknowns.side(self.total, said=self.why.about[0]),))


@dataclass(frozen=True, slots=True)
class Product(Waiting):
    """All axes as one: the total is their product, and a single free axis follows from it."""

    whole: Form
    total: int
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        axes = unknowns.axes(self.whole)
        if axes is None:
            return Level.WAIT
        if len(axes) == 1:
            unknowns.equal_dimensions(self.total, axes[0], self.why)
            return Level.DONE
        sizes = [unknowns.dimensions.get(a) for a in axes]
        free = [a for a, size in zip(axes, sizes, strict=True) if size is None]
        steps = [a for a, size in zip(axes, sizes, strict=True) if isinstance(size, Steps)]
        if steps:
            others = [size for size in sizes if not isinstance(size, Steps)]
            if len(steps) == 1 and None in others and all(size in (None, 1) for size in others):
                return Level.WAIT
            if len(steps) == 1 and all(size == 1 for size in others):
                unknowns.equal_dimensions(self.total, steps[0], self.why)
                return Level.DONE
            clash = "`{0}` ({a}) has no constant number of rows, and cannot be one vector"
            unknowns.fault(Fault(self.why._replace(clash=clash, code="SQ303"), (unknowns.side(axes[0], self.whole),)))
            return Level.DONE
        product = 1
        for size in sizes:
            product *= size if isinstance(size, int) else 1
        return self._solve(unknowns, product, axes, free)

    def _solve(self, unknowns: Unknowns, product: int, axes: tuple[int, ...], free: list[int]) -> Level:
        total = unknowns.dimensions.get(self.total)
        because = tuple((self.why.about[0], a) for a in axes if a not in free)
        if not free:
            why = self.why._replace(link=f"`{{0}}` has {product} components in all")
            unknowns.give(self.total, product, Given(why, ()))
            return Level.DONE
        if len(free) > 1 or not isinstance(total, int):
            return Level.WAIT
        if total % product:
            clash = f"`{{0}}` must have {{a}} components in all, which is no multiple of {product}"
            why = self.why._replace(clash=clash, heads=("it is", ""), code="SQ302")
            unknowns.fault(Fault(why, (unknowns.side(self.total),)))
        else:
            why = self.why._replace(link=f"`{{0}}` has {total} components in all")
            unknowns.give(free[0], total // product, Given(why, ((self.why.about[0], self.total), *because)))
        return Level.DONE


@dataclass(frozen=True, slots=True)
class Joined(Waiting):
    """Parts along the first axis: the components of vectors, the rows of matrices, the channels of images.

    All other axes are equal. As soon as one rank is known, all are, and the sizes of the first axes add up.
    """

    parts: tuple[Form, ...]
    total: Form
    said: tuple[Said, ...]
    why: Reason

    def advance(self, unknowns: Unknowns) -> Level:
        shapes = (*self.parts, self.total)
        known = next((s for s in shapes if unknowns.leads.get(s.lead) is not None), None)
        if known is None:
            return Level.WAIT
        axes = unknowns.axes(known)
        assert axes is not None, "its lead is known"
        firsts = [self._first(unknowns, shape, axes[1:], i) for i, shape in enumerate(shapes)]
        *parts, total = firsts
        rule = Sum(tuple(parts), total, self.said, self.why)
        unknowns.wait(rule, dimensions=firsts, makes_dimensions=(total,))
        return Level.DONE

    def _first(self, unknowns: Unknowns, shape: Form, rest: Sequence[int], i: int) -> int:
        """The first axis of a shape whose other axes are `rest`."""
        clash = "`{0}` ({a}) has other axes than what it is joined with in `{1}` ({b})"
        said = (*self.said, self.why.about[0])[i]
        why = self.why._replace(clash=clash, about=(said, self.why.about[0]), heads=("{0} is", "it must be"))
        if not rest:
            unknowns.equal_leads(shape.lead, unknowns.none, why, (shape, Form(unknowns.none, shape.last)))
            return shape.last
        first = unknowns.dimensions.fresh()
        unknowns.equal(shape, unknowns.of((first, *rest), why), why)
        return first
