"""The way back through a scan: its adjoint, which is a scan too, and what is left for large products after it.

Before: a scan by itself and its adjoint's equations. After: the scan forward, with the parts that its adjoint reads;
the scan backward, which computes in its loop only what carries state; and for each gradient what is to be added up over
all steps and examples at the end. Names of adjoints begin with a hat: `^h`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from sqmagic.equations.shapes import Shape
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Last,
    Position,
    Read,
    Running,
    System,
    Weight,
    reads,
    shift,
    walk,
)
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains
from sqmagic.schedule.plan.alone import GIVEN, Alone
from sqmagic.schedule.plan.lower import lowered, value, vector
from sqmagic.schedule.plan.nodes import Cut, Join, Map, Product, Row, Still, Term
from sqmagic.schedule.plan.phases import phases
from sqmagic.schedule.plan.scans import Held, Scan, used_parameters
from sqmagic.schedule.plan.values import CHEAP, NotForKernels, Work


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of memory over all steps: of a state `offset` steps away (`own` of the scan backward) or what stands still;
    components from `start`."""

    state: str
    offset: int
    start: int
    width: int
    own: bool
    still: bool = False


@dataclass(frozen=True, slots=True)
class Outer:
    """Of a weight's gradient: the sum over steps and examples of all products of `left` and `right`, whose first
    component belongs to a column of the weight."""

    left: Rows
    right: Rows
    column: int


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient of a parameter, of an input or of a base case. `outers` are for weights; `sums` are added up over
    the steps, and for a parameter over the examples; `throughs` are products with weights, step by step; `rows` are
    planes that hold it. What the last two find at a step belongs to the row so many steps before it. (Of a product the
    width is told besides.)
    """

    outers: tuple[Outer, ...] = ()
    sums: tuple[Rows, ...] = ()
    throughs: tuple[tuple[Rows, Term, int, int], ...] = ()
    rows: tuple[tuple[Rows, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Reverse:
    """`forward` and `backward` are scans; `full` the planes of the latter that keep all rows; `parameters`, `inputs`,
    `stills` and `bases` the gradients, by name; `shapes` those of the parameters."""

    forward: Scan
    backward: Scan
    kept: frozenset[str]
    full: frozenset[str]
    parameters: Mapping[str, Gradient]
    inputs: Mapping[str, Gradient]
    stills: Mapping[str, Gradient]
    bases: Mapping[str, Gradient]
    shapes: Mapping[str, Shape]


def reverse(
    scan: Scan,
    apart: Alone,
    system: System,
    states: Mapping[str, Shape],
    parameters: Mapping[str, Shape],
    gradients: Mapping[str, str],
) -> Reverse:
    """`system` is the scan's with its adjoint, `states` its shapes, `gradients` the bare states that are parameters'.

    Raises NotForKernels.
    """
    order = dependence(system)
    held = domains(system, order)
    if order.problems or held.problems:
        raise NotForKernels("its adjoint has no order")
    placed = [n for c in order.components for n in c.equations]
    running = [n for n in placed if _state(system.equations[n]) and held.equations[n] is not None]
    forward = [n for n in running if not _state(system.equations[n]).startswith("^")]
    hats_of_inputs = {f"^{i}" for i in apart.inputs}
    loop = [n for n in running if n not in forward and _state(system.equations[n]) not in hats_of_inputs]
    of_inputs = {
        _state(system.equations[n]): system.equations[n].value
        for n in running
        if _state(system.equations[n]) in hats_of_inputs
    }
    _at_all_steps([*forward, *loop], held, scan)
    bare = {_state(e): e.value for e in system.equations if e.targets and not e.targets[0].context}
    ahead = _forward(scan, [system.equations[n] for n in forward], states, parameters)
    return _Reversing(scan, apart, ahead, states, parameters, bare, gradients).reversed(
        [system.equations[n] for n in loop], of_inputs
    )


def _state(equation: Equation) -> str:
    return equation.targets[0].state if equation.targets else ""


def _at_all_steps(numbers: Sequence[int], held: Domains, scan: Scan) -> None:
    for number in numbers:
        own = held.equations[number]
        assert own is not None, "it runs"
        if own.first > scan.steps.first or own.last < scan.steps.last:
            raise NotForKernels("its adjoint holds at fewer steps")


def _forward(
    scan: Scan, equations: Sequence[Equation], states: Mapping[str, Shape], parameters: Mapping[str, Shape]
) -> Scan:
    """The scan with the parts that have names of their own."""
    work = lowered(tuple(equations), states, parameters, scan.constants)
    found = phases(work.graph, work.values, [s for s, h in scan.held.items() if h.reach])
    parts = {s: Held(scan.steps.first, 0, 0, 0, prod(states[s]), 0) for s in work.values if s not in scan.held}
    return replace(
        scan,
        equations=tuple(equations),
        nodes=tuple(work.graph.nodes),
        values=work.values,
        phases=found,
        held={**scan.held, **parts},
        parameters={p: parameters[p] for p in used_parameters(work.graph)},
    )


@dataclass(slots=True)
class _Reversing:
    scan: Scan
    apart: Alone
    forward: Scan
    states: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    bare: Mapping[str, Expr]
    gradients: Mapping[str, str]

    def reversed(self, loop: Sequence[Equation], of_inputs: Mapping[str, Expr]) -> Reverse:
        again = self._again() | self._ahead(loop)
        work = Work(self.states, self.parameters, self.scan.constants, frozenset(map(_state, loop)), again=again)
        for equation in loop:
            state = _state(equation)
            work.values[state] = vector(equation.value, prod(self.states[state]), work)
        asked: dict[str, int] = {}
        inputs = {s.removeprefix("^"): self._input(s, v, work, asked) for s, v in of_inputs.items()}
        whole = {
            name: self._summed(self._expanded(self.bare[hat]), work, asked) for name, hat in self.gradients.items()
        }
        stills = {
            s: self._summed(self._expanded(self.bare[f"^{s}"]), work, asked)
            for s in self.apart.points.values()
            if f"^{s}" in self.bare
        }
        edge, bases = self._edge(work)
        return self._planned(loop, work, asked, edge, (whole, inputs, stills, bases))

    # --- what is computed anew, and what is not ---------------------------------------------------

    def _again(self) -> dict[str, Expr]:
        """States of the scan forward that cost little, or are others side by side."""
        found: dict[str, Expr] = {}
        for equation in self.forward.equations:
            match equation.targets, equation.value:
                case (target,), Apply(op, args) if (op in CHEAP or op in _ARRANGED) and _shallow(args):
                    if target.state not in {s for s, h in self.forward.held.items() if h.reach}:
                        found[target.state] = equation.value
        return found

    def _ahead(self, loop: Sequence[Equation]) -> dict[str, Expr]:
        """Adjoints that are products, and read one step later alone: the product is computed where it is read."""
        linear = {_state(e): e.value for e in loop if _is_linear(e.value)}
        distances: dict[str, set[int]] = {}

        def of(state: str) -> set[int]:
            if state not in distances:
                distances[state] = set()
                for equation in loop:
                    for read in reads(equation.value):
                        if read.state == state:
                            (index,) = read.context
                            own = index.offset if isinstance(index, Running) else 0
                            further = of(_state(equation)) if _state(equation) in linear else {0}
                            distances[state] |= {own + k for k in further}
            return distances[state]

        return {state: expr for state, expr in linear.items() if 0 not in of(state)}

    # --- gradients ---------------------------------------------------------------------------------

    def _expanded(self, expr: Expr) -> Expr:
        """An expression in which no bare adjoint is read."""
        match expr:
            case Read(state, ()) if state.startswith("^"):
                return self._expanded(self.bare[state])
            case Apply():
                return replace(expr, args=tuple(self._expanded(a) for a in expr.args))
            case _:
                return expr

    def _summed(self, expr: Expr, work: Work, asked: dict[str, int]) -> Gradient:
        """A sum over the window, or several."""
        outers: list[Outer] = []
        sums: list[Rows] = []
        for term, negative in _terms(expr):
            match term:
                case Apply("window_sum", (body, Position(Fixed(first)), Position(Last(_, last)))):
                    if (first, last) != (self.scan.steps.first, self.scan.steps.last):
                        raise NotForKernels("its gradient is a sum over other steps")
                    self._body(body, negative, work, asked, outers, sums)
                case _:
                    raise NotForKernels("its gradient is no sum over the window")
        return Gradient(tuple(outers), tuple(sums))

    def _body(
        self, body: Expr, negative: bool, work: Work, asked: dict[str, int], outers: list[Outer], sums: list[Rows]
    ) -> None:
        match body:
            case Apply("neg", (inner,)):
                self._body(inner, not negative, work, asked, outers, sums)
            case Apply("add", parts):
                for each in parts:
                    self._body(each, negative, work, asked, outers, sums)
            case Apply("outer", (left, right)):
                rows = self._rows(_signed(value(left, work), negative, work), work, asked)
                column = 0
                for part in _parts(value(right, work), work):
                    other = self._rows(part, work, asked)
                    outers.append(Outer(rows, other, column))
                    column += other.width
            case _:
                sums.append(self._rows(_signed(value(body, work), negative, work), work, asked))

    def _rows(self, number: int, work: Work, asked: dict[str, int]) -> Rows:
        """A value as rows of memory: one that stands nowhere is asked for."""
        node = work.graph.nodes[number]
        match node:
            case Row(state, offset, width, own):
                if own:
                    asked.setdefault(state, work.values[state])
                return Rows(state, offset, 0, width, own)
            case Still(state, _, width):
                return Rows(state, 0, 0, width, False, True)
            case Cut(arg, start, width):
                inner = self._rows(arg, work, asked)
                return replace(inner, start=inner.start + start, width=width)
            case _:
                name = next((s for s, n in work.values.items() if n == number), None) or f"part_{number}"
                asked[name] = number
                return Rows(name, 0, 0, work.width(number), True)

    def _input(self, hat: str, expr: Expr, work: Work, asked: dict[str, int]) -> Gradient:
        """The adjoint of an input over time: products step by step after the loop, the rest within it.

        Each term is seen from the step of the adjoint that it reads.
        """
        throughs: list[tuple[Rows, Term, int, int]] = []
        rows: list[tuple[Rows, int]] = []
        for term, negative in _terms(expr):
            if term == Const(0.0):
                continue
            offset = _distance(term)
            number = vector(shift(_bared(term), -offset), prod(self.states[hat]), work)
            products, rest = ([], number) if negative else _products(number, work)
            throughs += [(self._rows(t.operand, work, asked), t, offset, p.width) for p in products for t in p.terms]
            if rest is not None:
                rows.append((self._rows(_signed(rest, negative, work), work, asked), offset))
        return Gradient(throughs=tuple(throughs), rows=tuple(rows))

    def _edge(self, work: Work) -> tuple[dict[str, int], dict[str, Gradient]]:
        """The adjoints of base cases, as values at the step beside the first, or the last."""
        steps, index = self.scan.steps, "t"
        here: Fixed | Last = Last(index, steps.last + 1) if self.scan.backward else Fixed(steps.first - 1)
        at_edge = Work(
            work.shapes, work.parameters, work.constants, work.own, work.graph, dict(work.values), work.again, here
        )
        values, found = {}, {}
        for name in self.apart.bases.values():
            if f"^{name}" in self.bare:
                number = vector(self._expanded(self.bare[f"^{name}"]), prod(self.states[name]), at_edge)
                values[f"^{name}"] = number
                found[name] = Gradient(rows=((Rows(f"^{name}", 0, 0, prod(self.states[name]), True), 0),))
        return values, found

    # --- the plan ----------------------------------------------------------------------------------

    def _planned(
        self,
        loop: Sequence[Equation],
        work: Work,
        asked: Mapping[str, int],
        edge: dict[str, int],
        gradients: tuple[Mapping[str, Gradient], ...],
    ) -> Reverse:
        steps, graph = self.scan.steps, work.graph
        back = not self.scan.backward
        read = {n.state: 0 for n in graph.nodes if isinstance(n, Row) and n.own}
        for node in graph.nodes:
            if isinstance(node, Row) and node.own:
                read[node.state] = max(read[node.state], abs(node.offset))
        values = {s: work.values[s] for s in read} | dict(asked)
        found = phases(graph, values, read)
        beside = phases(graph, edge, edge) if edge else None
        held = {}
        for state, number in values.items():
            reach = read.get(state, 0)
            held[state] = Held(
                steps.first - reach * (not back), reach * (not back), reach * back, 0, graph.width(number), reach
            )
        for state, number in edge.items():
            held[state] = Held(steps.first - 1, 0, 0, 0, graph.width(number), 0)
        rows = {n.state: self._first(n.state) for n in graph.nodes if isinstance(n, Row) and not n.own}
        backward = Scan(
            component=self.scan.component,
            equations=tuple(loop),
            steps=steps,
            backward=back,
            nodes=tuple(graph.nodes),
            values=values,
            phases=found,
            held=held,
            rows=rows,
            stills=tuple(n for n in graph.nodes if isinstance(n, Still)),
            parameters={p: self.parameters[p] for p in used_parameters(graph)},
            constants=self.scan.constants,
            edge=beside,
            edge_values=edge,
        )
        kept = frozenset(s for s in rows if s in self.forward.held)
        kept |= {
            r.state
            for g in (*gradients[0].values(), *gradients[2].values())
            for r in _read(g)
            if not r.own and r.state in self.forward.held
        }
        whole, inputs, stills, bases = gradients
        return Reverse(
            self.forward, backward, kept, frozenset(asked), whole, inputs, stills, bases, shapes=self.parameters
        )

    def _first(self, state: str) -> int:
        if state in self.forward.held:
            return self.forward.held[state].first
        return self.scan.steps.first if state.endswith(GIVEN) else self.scan.rows[state]


def _read(gradient: Gradient) -> Iterator[Rows]:
    for outer in gradient.outers:
        yield from (outer.left, outer.right)
    yield from gradient.sums


_ARRANGED = ("concat", "outer", "transpose")
"""What puts numbers in order, or multiplies each with each."""


def _shallow(args: Sequence[Expr]) -> bool:
    """Whether parts are no more than reads, numbers, or little on such."""
    return all(not isinstance(n, Apply) or n.op in CHEAP or n.op == "concat" for a in args for n in walk(a))


def _is_linear(expr: Expr) -> bool:
    """Sums, and pieces, of products with weights."""
    match expr:
        case Apply("add" | "slice" | "neg", args):
            return all(map(_is_linear, args))
        case Apply("dense_input", (Read(),)):
            return True
        case Apply("matmul", (Read(), Weight()) | (Weight(), Read())):
            return True
        case Read(state, (Running(),)):
            return state.startswith("^")
        case _:
            return False


def _terms(expr: Expr, negative: bool = False) -> Iterator[tuple[Expr, bool]]:
    """The terms of a sum, with their signs; the mean over the batch is taken when all is added up."""
    match expr:
        case Apply("batch_mean", (inner,)):
            yield from _terms(inner, negative)
        case Apply("neg", (inner,)):
            yield from _terms(inner, not negative)
        case Apply("add", (left, right)):
            yield from _terms(left, negative)
            yield from _terms(right, negative)
        case Apply("sub", (left, right)):
            yield from _terms(left, negative)
            yield from _terms(right, not negative)
        case _:
            yield expr, negative


def _signed(number: int, negative: bool, work: Work) -> int:
    return work.graph.put(Map("neg", (number,), work.width(number))) if negative else number


def _parts(number: int, work: Work) -> tuple[int, ...]:
    node = work.graph.nodes[number]
    return node.args if isinstance(node, Join) else (number,)


def _products(number: int, work: Work) -> tuple[list[Product], int | None]:
    """The products in a sum, and the rest of it."""
    node = work.graph.nodes[number]
    match node:
        case Product() if not node.biases:
            return [node], None
        case Map("add", (left, right), width) if work.width(left) == work.width(right) == width:
            one, other = _products(left, work), _products(right, work)
            rests = [r for _, r in (one, other) if r is not None]
            rest = (
                work.graph.put(Map("add", (rests[0], rests[1]), width)) if len(rests) == 2 else next(iter(rests), None)
            )
            return [*one[0], *other[0]], rest
        case _:
            return [], number


def _distance(expr: Expr) -> int:
    """How many steps away an expression reads adjoints."""
    found = {
        index.offset
        for read in reads(expr)
        if read.state.startswith("^")
        for index in read.context
        if isinstance(index, Running)
    }
    if len(found) > 1:
        raise NotForKernels("an input's adjoint is made from several steps")
    return found.pop() if found else 0


def _bared(expr: Expr) -> Expr:
    """What a term is where it is not 0."""
    match expr:
        case Apply("during", (body, _)):
            return _bared(body)
        case _:
            return expr
