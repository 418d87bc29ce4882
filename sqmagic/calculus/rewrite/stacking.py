"""The rules that make one of several: products on the same operands, and functions of parts of the same.

The first of the places that a rule makes one of is where it gives the names; what the others become is promised to
them, and each becomes it by an entry of the log of its own.

The weights of one product are joined anew in each call, and the parameters stay as users know them. To store them
joined, the parameters being views, would save the copy there and back: less than 1 % of a step that trains, for an LSTM
of 64 to 512 units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqmagic.calculus.rewrite.engine import Draft, Found, Site, dense, holds, sites_beside
from sqmagic.calculus.rewrite.forms import closed, joined, part_of, pure, summed, terms
from sqmagic.calculus.rewrite.log import part
from sqmagic.calculus.terms import op
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.system import Apply, Expr, Read, reads


@dataclass(frozen=True, slots=True)
class _Gate:
    """A sum at a site: products of weights with operands of the recurrence, what is free of it, and other terms."""

    site: Site
    products: tuple[tuple[Expr, Expr], ...]
    free: tuple[Expr, ...]
    other: tuple[Expr, ...]
    width: int

    @property
    def key(self) -> tuple[Expr, ...]:
        return tuple(operand for _, operand in self.products)

    @property
    def function(self) -> str:
        """What the equation computes of the sum, if it is no more than that."""
        match self.site.equation.value:
            case Apply(name, (_,)) if self.site.path == (0,) and ALL_OPS[name].pointwise:
                return name
            case _:
                return "~"


def _gate(site: Site) -> _Gate | None:
    draft = site.draft
    width = draft.width(site.expr)
    products, free, other = [], [], []
    for term in terms(site.expr):
        match term:
            case Apply("matmul", (weight, operand)) if closed(weight) and not draft.free(operand):
                shape = draft.shape(weight)
                if shape is None or len(shape) != 2 or draft.width(operand) is None:
                    return None
                products.append((weight, operand))
            case _ if draft.free(term) and pure(term) and draft.width(term) == width:
                free.append(term)
            case _:
                other.append(term)
    if width is None or not products or (site.path and _is_add(site)):
        return None
    ordered = tuple(sorted(products, key=lambda p: repr(p[1])))
    if len({repr(o) for _, o in ordered}) < len(ordered):
        return None
    return _Gate(site, ordered, tuple(free), tuple(other), width)


def _is_add(site: Site) -> bool:
    """Whether a site is a term of a larger sum."""
    match part(site.equation.value, site.path[:-1]):
        case Apply("add"):
            return True
        case _:
            return False


def stack(site: Site) -> Found | None:
    """stack: `A @ h` and `B @ h` are parts of `[A; B] @ h`, and so with what is added to them."""
    draft = site.draft
    key = ("stack", site.target, site.path)
    if key in draft.promised and draft.promised[key][0] == site.expr:
        return Found(draft.promised.pop(key)[1])
    own = _gate(site)
    if own is None or _is_made_stack(site):
        return None
    found = [g for s in sites_beside(draft, own.key[0]) if (g := _gate(s)) is not None and not _is_made_stack(s)]
    gates = [g for g in found if g.key == own.key]
    if len(gates) < 2:
        return None
    gates.sort(key=lambda g: g.function)
    return _stacked(site, gates)


def _is_made_stack(site: Site) -> bool:
    return site.target.state in site.draft.made and site.target.state in site.draft.inside and not site.path


def _stacked(site: Site, gates: Sequence[_Gate]) -> Found:
    draft = site.draft
    free = all(g.free for g in gates)
    products: list[Expr] = [
        op("matmul", joined(g.products[n][0] for g in gates), operand) for n, operand in enumerate(gates[0].key)
    ]
    made = []
    name = draft.fresh("gates")
    if free:
        inputs = _stacked_inputs([summed(g.free) for g in gates], draft)
        if any(reads(g) for gate in gates for g in gate.free):
            named, read = draft.name(draft.fresh(f"{name}.in"), inputs)
            made.append(named)
            products.append(read)
        else:
            products.append(inputs)
    stacked, read = draft.name(name, summed(products))
    made.append(stacked)
    start, total = 0, sum(g.width for g in gates)
    mine: Expr | None = None
    for gate in gates:
        rest = gate.other if free else (*gate.free, *gate.other)
        after = summed([part_of(read, start, start + gate.width, total), *rest])
        start += gate.width
        if (gate.site.target, gate.site.path) == (site.target, site.path):
            mine = after
        else:
            draft.promised["stack", gate.site.target, gate.site.path] = (gate.site.expr, after)
    assert mine is not None, "a site is among its gates"
    return Found(mine, tuple(made), tuple(c for e in made for c in holds(e, "fresh", "pure")))


def _stacked_inputs(free: Sequence[Expr], draft: Draft) -> Expr:
    """What gates are given from outside, one after the other; as one product where all are products with the same."""
    opened = [_opened(e, draft) for e in free]
    keys = [[t.args[1] for t in ts if isinstance(t, Apply) and t.op == "matmul" and closed(t.args[0])] for ts in opened]
    rests = [[t for t in ts if not (isinstance(t, Apply) and t.op == "matmul")] for ts in opened]
    same = keys[0] and all(k == keys[0] for k in keys) and all(all(map(closed, r)) for r in rests)
    alike = all(bool(r) == bool(rests[0]) for r in rests)
    if not (same and alike):
        return joined(free)
    found: list[Expr] = []
    for n, operand in enumerate(keys[0]):
        matrices = [[t.args[0] for t in ts if isinstance(t, Apply) and t.op == "matmul"][n] for ts in opened]
        found.append(op("matmul", joined(matrices), operand))
    if rests[0]:
        found.append(joined(summed(r) for r in rests))
    return summed(found)


def _opened(expr: Expr, draft: Draft) -> tuple[Expr, ...]:
    """The terms of a sum, names that rules gave replaced by what they stand for, and layers by product and bias."""
    found: list[Expr] = []
    for term in terms(expr):
        line = draft.line(term.state) if isinstance(term, Read) and term.state in draft.made else None
        if line is not None:
            found += _opened(line.value, draft)
            continue
        layer = dense(term, draft)
        if layer is None or not isinstance(term, Apply):
            found.append(term)
        else:
            found += [op("matmul", layer[0], term.args[0]), *([] if layer[1] is None else [layer[1]])]
    return tuple(found)


def functions(site: Site) -> Found | None:
    """map: `f_t = sigmoid(gates_t[0:5])` and `i_t = sigmoid(gates_t[5:10])` are parts of `sigmoid(gates_t[0:10])`."""
    draft = site.draft
    own = _of_part(site)
    if own is None:
        return None
    key = ("map", site.target, site.path)
    if key in draft.promised and draft.promised[key][0] == site.expr:
        return Found(draft.promised.pop(key)[1])
    alike = sorted(
        (found for s in sites_beside(draft, own[1]) if (found := _of_part(s)) is not None and found[:2] == own[:2]),
        key=lambda found: found[2],
    )
    run = _adjoining(alike, own)
    if len(run) < 2:
        return None
    function, source, first, last = own[0], own[1], run[0][2], run[-1][3]
    width = draft.width(source)
    assert width is not None, "a stack has a width"
    made, read = draft.name(
        draft.fresh(f"{source.state.rpartition('.')[2]}.{function}"), op(function, part_of(source, first, last, width))
    )
    mine: Expr | None = None
    for _, _, start, stop, other in run:
        after = part_of(read, start - first, stop - first, last - first)
        if other.target == site.target:
            mine = after
        else:
            draft.promised["map", other.target, other.path] = (other.expr, after)
    assert mine is not None, "a site is in its own run"
    return Found(mine, (made,), holds(made, "fresh", "pure"))


_Part = tuple[str, Read, int, int, Site]


def _of_part(site: Site) -> _Part | None:
    """A function of a part of something, as the whole of an equation."""
    match site.expr:
        case Apply(function, (Apply("slice", (Read() as source,)) as cut,)) if (
            not site.path and source.state in site.draft.made and ALL_OPS[function].pointwise
        ):
            return function, source, int(cut.attribute("start", 0)), int(cut.attribute("stop", 0)), site
        case _:
            return None


def _adjoining(parts: Sequence[_Part], own: _Part) -> list[_Part]:
    """Those that stand beside this one without a gap."""
    run: list[_Part] = []
    for each in parts:
        if run and run[-1][3] != each[2]:
            if own[2] in [p[2] for p in run]:
                break
            run = []
        run.append(each)
    return run if own[2] in [p[2] for p in run] else []
