"""The way back through a scan: its adjoint, which is a scan too, and what is left for large products after it.

Before: a scan by itself and its adjoint's equations. After: the scan forward, with the parts that its adjoint reads;
the scan backward, which computes in its loop only what carries state; and for each gradient what is to be added up over
all steps and examples at the end (`gradients`). Names of adjoints begin with a hat: `^h`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from sqmagic.equations.shapes import Shape
from sqmagic.equations.system import (
    Apply,
    Equation,
    Expr,
    Fixed,
    Input,
    Last,
    Read,
    Running,
    System,
    Weight,
    reads,
    walk,
)
from sqmagic.schedule.dependence import dependence
from sqmagic.schedule.domains import Domains, domains
from sqmagic.schedule.plan.alone import GIVEN, Alone
from sqmagic.schedule.plan.gradients import Asking, Gradient, Rows, of_input, summed
from sqmagic.schedule.plan.lower import lowered, vector
from sqmagic.schedule.plan.memories import LATER, with_later
from sqmagic.schedule.plan.nodes import Row, Still
from sqmagic.schedule.plan.phases import phases
from sqmagic.schedule.plan.scans import Held, Scan, only_here, reach_of, used_parameters
from sqmagic.schedule.plan.values import CHEAP, NotForKernels, Work


@dataclass(frozen=True, slots=True)
class Reverse:
    """`forward` and `backward` are scans; `kept` the states of the former that the way back reads, `full` the planes of
    the latter that keep all rows; `parameters`, `inputs`, `stills` and `bases` the gradients, by name, and `growing`
    those of memories, to which each step adds its part; `shapes` those of the parameters."""

    forward: Scan
    backward: Scan
    kept: frozenset[str]
    full: frozenset[str]
    parameters: Mapping[str, Gradient]
    inputs: Mapping[str, Gradient]
    stills: Mapping[str, Gradient]
    bases: Mapping[str, Gradient]
    shapes: Mapping[str, Shape]
    growing: Mapping[str, Gradient] = field(default_factory=dict)

    @property
    def added(self) -> frozenset[str]:
        """The planes that steps add to what grows: they have memory, if only for a step."""
        return frozenset(r.state for g in self.growing.values() for r in g.read if r.own)


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
    system, states = _with_later(scan, apart, system, states)
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
    equations = [system.equations[n] for n in forward]
    known = {**states, **{state: states[name] for (state, _), name in apart.points.items()}}
    ahead = _forward(scan, [replace(e, value=apart.in_program(e.value)) for e in equations], known, parameters)
    again = _again(equations, ahead)
    return _Reversing(scan, apart, ahead, states, parameters, bare, gradients, again).reversed(
        [system.equations[n] for n in loop], of_inputs
    )


def _with_later(
    scan: Scan, apart: Alone, system: System, states: Mapping[str, Shape]
) -> tuple[System, Mapping[str, Shape]]:
    """The adjoint's equations where states have memories: what later steps give comes in."""
    index = system.indices[0].name
    bases = {name: (state, at) for (state, at), name in apart.bases.items() if isinstance(at, Fixed)}
    equations = with_later(system.equations, scan.memories, bases, index)
    own = [memory for memory in scan.memories.values() if memory.state]
    rows = [Input(m.state + LATER, True, first=Fixed(m.first), last=Last(index, scan.steps.last)) for m in own]
    shapes = {m.state + LATER: states[m.state] for m in own}
    return replace(system, inputs=(*system.inputs, *rows), equations=equations), {**states, **shapes}


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


@dataclass(frozen=True, slots=True)
class _Reversing:
    """What the way back is made from: the scan as it is, by itself, and forward with named parts; shapes; the bare
    adjoints, and which of them are the parameters' `gradients`; and states computed `again` where they are read."""

    scan: Scan
    apart: Alone
    forward: Scan
    states: Mapping[str, Shape]
    parameters: Mapping[str, Shape]
    bare: Mapping[str, Expr]
    gradients: Mapping[str, str]
    again: Mapping[str, Expr]

    def reversed(self, loop: Sequence[Equation], of_inputs: Mapping[str, Expr]) -> Reverse:
        again = {**self.again, **self._ahead(loop)}
        work = Work(self.states, self.parameters, self.scan.constants, frozenset(map(_state, loop)), again=again)
        for equation in loop:
            state = _state(equation)
            work.values[state] = vector(equation.value, prod(self.states[state]), work)
        asking, now, steps = Asking(work), Asking(work), self.scan.steps
        inputs = {s.removeprefix("^"): of_input(v, prod(self.states[s]), asking) for s, v in of_inputs.items()}
        whole = {name: summed(self._expanded(self.bare[hat]), steps, asking) for name, hat in self.gradients.items()}
        points = (s for s in self.apart.points.values() if f"^{s}" in self.bare and s not in self.scan.memories)
        stills = {s: summed(self._expanded(self.bare[f"^{s}"]), steps, asking) for s in points}
        seen = (s for s in self.scan.memories if f"^{s}" in self.bare)
        growing = {s: summed(self._expanded(self.bare[f"^{s}"]), steps, now) for s in seen}
        edge, bases = self._edge(work)
        backward = self._backward(loop, work, asking.asked | now.asked, edge)
        added = (*whole.values(), *stills.values(), *growing.values())
        kept = {*backward.rows, *(r.state for g in added for r in g.read if not r.own)}
        return Reverse(
            forward=self.forward,
            backward=backward,
            kept=frozenset(kept & self.forward.held.keys()),
            full=frozenset(asking.asked),
            parameters=whole,
            inputs=inputs,
            stills=stills,
            bases=bases,
            shapes=self.parameters,
            growing=growing,
        )

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

    # --- what has no step of its own --------------------------------------------------------------

    def _expanded(self, expr: Expr) -> Expr:
        """An expression in which no bare adjoint is read."""
        match expr:
            case Read(state, ()) if state.startswith("^"):
                return self._expanded(self.bare[state])
            case Apply():
                return replace(expr, args=tuple(self._expanded(a) for a in expr.args))
            case _:
                return expr

    def _edge(self, work: Work) -> tuple[dict[str, int], dict[str, Gradient]]:
        """The adjoints of base cases, as values at the step beside the first, or the last."""
        steps, index = self.scan.steps, "t"
        here: Fixed | Last = Last(index, steps.last + 1) if self.scan.backward else Fixed(steps.first - 1)
        at_edge = replace(work, values=dict(work.values), here=here)
        values, found = {}, {}
        for name in self.apart.bases.values():
            if f"^{name}" in self.bare:
                number = vector(self._expanded(self.bare[f"^{name}"]), prod(self.states[name]), at_edge)
                values[f"^{name}"] = number
                found[name] = Gradient(rows=((Rows(f"^{name}", 0, 0, prod(self.states[name]), True), 0),))
        return values, found

    # --- the scan ----------------------------------------------------------------------------------

    def _backward(
        self, loop: Sequence[Equation], work: Work, asked: Mapping[str, int], edge: Mapping[str, int]
    ) -> Scan:
        """The scan back, with the values that are `asked` for; `edge` are those of one more step past the others."""
        steps, graph = self.scan.steps, work.graph
        only_here(graph.nodes, self.scan.memories)
        back, read = not self.scan.backward, reach_of(graph)
        values = {s: work.values[s] for s in read} | dict(asked)
        held = {}
        for state, number in values.items():
            reach = read.get(state, 0)
            held[state] = Held(
                steps.first - reach * (not back), reach * (not back), reach * back, 0, graph.width(number), reach
            )
        for state, number in edge.items():
            held[state] = Held(steps.first - 1, 0, 0, 0, graph.width(number), 0)
        own = {name: memory.state for name, memory in self.scan.memories.items() if memory.state}
        later = {state + LATER for state in own.values()}
        given = {n.state for n in graph.nodes if isinstance(n, Row) and not n.own and n.state not in later}
        return Scan(
            component=self.scan.component,
            equations=tuple(loop),
            steps=steps,
            backward=back,
            nodes=tuple(graph.nodes),
            values=values,
            phases=phases(graph, values, read),
            held=held,
            rows={state: self._first(state) for state in sorted({*given, *own.values()})},
            stills=tuple(n for n in graph.nodes if isinstance(n, Still) and n.state not in own),
            parameters={p: self.parameters[p] for p in used_parameters(graph)},
            constants=self.scan.constants,
            edge=phases(graph, edge, edge) if edge else None,
            edge_values=edge,
            memories=self.scan.memories,
        )

    def _first(self, state: str) -> int:
        if state in self.forward.held:
            return self.forward.held[state].first
        return self.scan.steps.first if state.endswith(GIVEN) else self.scan.rows[state]


# --- what is computed anew, and what is not -------------------------------------------------------


def _again(equations: Sequence[Equation], forward: Scan) -> dict[str, Expr]:
    """States of the scan forward that cost little, or are others side by side."""
    found: dict[str, Expr] = {}
    for equation in equations:
        match equation.targets, equation.value:
            case (target,), Apply(op, args) if (op in CHEAP or op in _ARRANGED) and _shallow(args):
                if not forward.held[target.state].reach:
                    found[target.state] = equation.value
    return found


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
