"""Sums of products: the normal form in which forms are collected, cancelled and compared.

A polynomial has real coefficients over atoms: states, adjoints, and whatever the rules here do not open. Rules: `ring`
(a commutative ring under + and the elementwise product), `linear` (a sum over components of c x is c times that of x),
`cancel` (x times 1/x is 1 where x is a component of a softmax, a sigmoid or an exponential, and so not 0), `pick` (the
product with a one-hot vector is a choice of a component) and `simplex` (what is one-hot or a softmax sums to 1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqmagic.calculus.terms import ONE, ZERO, minus, op, over, times, total
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.system import Apply, Const, Expr, Position, Range, Read

Monomial: TypeAlias = tuple[tuple[Expr, int], ...]
Polynomial: TypeAlias = dict[Monomial, float]

RING: frozenset[str] = frozenset()
CANCEL = frozenset(("linear", "cancel", "pick"))
SIMPLEX = CANCEL | {"simplex"}


@dataclass(frozen=True, slots=True)
class Known:
    """What the side conditions of the rules ask: shapes of states, which states are not 0, and which sum to 1."""

    shapes: Mapping[str, Shape]
    positive: frozenset[str] = frozenset()
    simplex: frozenset[str] = frozenset()

    def scalar(self, expr: Expr) -> bool:
        match expr:
            case Const() | Position():
                return True
            case Read(state, context):
                return self.shapes.get(state) == (1,) and not any(isinstance(i, Range) for i in context)
            case Apply("index" | "sum" | "mean" | "size" | "step_share" | "log_prob" | "max" | "min" | "norm"):
                return True
            case Apply(name, args) if ALL_OPS[name].pointwise or name in ("stop", "old"):
                return all(map(self.scalar, args))
            case _:
                return False

    def nonzero(self, expr: Expr) -> bool:
        match expr:
            case Read(state):
                return state in self.positive
            case Apply("sub", (Const(1.0), inner)):
                return self.nonzero(inner)
            case Apply("index", (inner, _)):
                return self.nonzero(inner)
            case _:
                return False

    def sums_to_one(self, expr: Expr) -> bool:
        match expr:
            case Read(state):
                return state in self.simplex
            case Apply("stop", (inner,)):
                return self.sums_to_one(inner)
            case Apply(name):
                return name in ("one_hot", "softmax")
            case _:
                return False


@dataclass(slots=True)
class _Ring:
    """The rules that may be used, and the order in which atoms were met."""

    known: Known
    rules: Collection[str]
    seen: dict[Expr, int] = field(default_factory=dict)

    def atom(self, expr: Expr, power: int = 1) -> Polynomial:
        self.seen.setdefault(expr, len(self.seen))
        return {((expr, power),): 1.0}

    def monomial(self, factors: Mapping[Expr, int]) -> Monomial:
        found = {e: n for e, n in factors.items() if n}
        if "pick" in self.rules:
            found = self.picked(found)
        return tuple(sorted(found.items(), key=lambda pair: self.seen.setdefault(pair[0], len(self.seen))))

    def picked(self, factors: dict[Expr, int]) -> dict[Expr, int]:
        """A vector beside a one-hot vector counts with its chosen component alone."""
        hot = next((e for e in factors if isinstance(e, Apply) and e.op == "one_hot"), None)
        if not isinstance(hot, Apply):
            return factors
        found: dict[Expr, int] = {}
        for expr, power in factors.items():
            chosen: Expr = expr
            if expr != hot and not self.known.scalar(expr):
                chosen = op("index", expr, hot.args[0])
            found[chosen] = 1 if expr == hot else found.get(chosen, 0) + power
        return {e: n for e, n in found.items() if n}

    def product(self, left: Polynomial, right: Polynomial) -> Polynomial:
        result: Polynomial = {}
        for a, x in left.items():
            for b, y in right.items():
                factors = dict(a)
                for expr, power in b:
                    factors[expr] = factors.get(expr, 0) + power
                key = self.monomial(factors)
                result[key] = result.get(key, 0.0) + x * y
        return {k: v for k, v in result.items() if v}

    def plus(self, left: Polynomial, right: Polynomial, sign: float = 1.0) -> Polynomial:
        result = dict(left)
        for key, value in right.items():
            result[key] = result.get(key, 0.0) + sign * value
        return {k: v for k, v in result.items() if v}

    def inverse(self, expr: Expr) -> Polynomial:
        found = self.of(expr)
        if len(found) == 1:
            ((monomial, factor),) = found.items()
            if all(self.known.nonzero(e) or self.known.scalar(e) for e, _ in monomial):
                return {tuple((e, -n) for e, n in monomial): 1.0 / factor}
        if self.known.nonzero(expr):
            return self.atom(expr, -1)
        return self.atom(over(ONE, expr))

    def of(self, expr: Expr) -> Polynomial:
        match expr:
            case Const(value):
                return {(): value} if value else {}
            case Apply("add", (left, right)):
                return self.plus(self.of(left), self.of(right))
            case Apply("sub", (left, right)) if not self.known.nonzero(expr) or "expand" in self.rules:
                return self.plus(self.of(left), self.of(right), -1.0)
            case Apply("neg", (inner,)):
                return self.plus({}, self.of(inner), -1.0)
            case Apply("mul", (left, right)):
                return self.product(self.of(left), self.of(right))
            case Apply("div", (left, right)) if "cancel" in self.rules or self.known.scalar(right):
                return self.product(self.of(left), self.inverse(right))
            case Apply("sum", (inner,)) if "linear" in self.rules:
                return self.summed(expr, self.of(inner))
            case _:
                return self.atom(expr)

    def summed(self, whole: Expr, inner: Polynomial) -> Polynomial:
        result: Polynomial = {}
        for monomial, factor in inner.items():
            outer = {e: n for e, n in monomial if self.known.scalar(e)}
            rest = [(e, n) for e, n in monomial if not self.known.scalar(e)]
            if not rest:
                return self.atom(whole)
            hot = next((e for e, n in rest if n == 1 and self.known.sums_to_one(e)), None)
            if not ("simplex" in self.rules and len(rest) == 1 and hot is not None):
                left = op("sum", self.product_of(rest))
                self.seen.setdefault(left, len(self.seen))
                outer[left] = outer.get(left, 0) + 1
            key = self.monomial(outer)
            result[key] = result.get(key, 0.0) + factor
        return {k: v for k, v in result.items() if v}

    def product_of(self, factors: Collection[tuple[Expr, int]]) -> Expr:
        """Factors as one writes them: those with a negative power below a line."""
        above: Expr = ONE
        below: Expr = ONE
        for expr, power in factors:
            for _ in range(abs(power)):
                above, below = (times(above, expr), below) if power > 0 else (above, times(below, expr))
        return over(above, below)

    def written(self, found: Polynomial) -> Expr:
        """A common factor in front, what is added before what is taken away."""
        if not found:
            return ZERO
        common = dict(next(iter(found)))
        for monomial in found:
            own = dict(monomial)
            common = {e: n for e, n in common.items() if own.get(e) == n and self.known.scalar(e)}
        factors = {abs(v) for v in found.values()}
        scale = factors.pop() if len(factors) == 1 else 1.0
        if len(found) == 1:
            common, scale = {}, 1.0
        rest: list[Expr] = []
        for monomial, value in sorted(found.items(), key=lambda item: item[1] < 0):
            inner = [(e, n) for e, n in monomial if e not in common]
            rest.append(self.scaled(value / scale, inner))
        body = total(rest)
        if not common and scale == 1.0:
            return body
        return times(self.scaled(scale, list(common.items())), body)

    def scaled(self, value: float, factors: Collection[tuple[Expr, int]]) -> Expr:
        """A number and what stands below the line in front: `2/(n T) x`."""
        below = [(e, -n) for e, n in factors if n < 0 and self.known.scalar(e)]
        above = [(e, n) for e, n in factors if not (n < 0 and self.known.scalar(e))]
        front = over(Const(abs(value)), self.product_of(below))
        body = self.product_of(above)
        if front == ONE and body != ONE:
            return minus(body) if value < 0 else body
        result = front if body == ONE else times(front, body)
        return minus(result) if value < 0 else result


def rewritten(expr: Expr, known: Known, rules: Collection[str] = RING) -> Expr:
    """The expression collected by the rules named, written as one would."""
    ring = _Ring(known, rules)
    found = ring.of(expr)
    if "cancel" in rules:
        found = ring.of(ring.written(found))
        opened = _Ring(known, {*rules, "expand"}, ring.seen)
        found = opened.of(ring.written(found))
        return opened.written(found)
    return ring.written(found)
