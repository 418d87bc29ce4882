"""Recurrences that look back in one equation and ahead in another: they run where some order of their steps exists."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch
from against import agree
from hypothesis import HealthCheck, settings
from hypothesis import given as for_all
from hypothesis import strategies as st
from systems import Example, at, fed, given, loss, op, over, system

from sqmagic.emit.torch.write import emit
from sqmagic.equations.interpret import interpret
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.system import Expr
from sqmagic.runtime import generated
from sqmagic.runtime.states import States
from sqmagic.schedule.dependence import Component, dependence
from sqmagic.schedule.domains import domains
from sqmagic.schedule.readings import Reading
from sqmagic.schedule.retiming import Retiming, Standstill, retiming

PROGRAMS = {
    "ahead on paper": "x_t : 2\n0.5 -> f_{-1}\n0.25 -> f_0\ng_{t+1}*0.5 + x_t -> f_t\ntanh(f_{t-2}) + x_t -> g_t",
    "back on paper": "x_t : 2\nb_{t+2}*0.5 + x_t -> a_t\ntanh(a_{t-1}) - x_t -> b_t",
    "twice ahead": "x_t : 2\nb_{t+2}*0.5 + 0.1*b_{t+3} - b_{t+2} + x_t -> a_t\ntanh(a_{t-1}) - x_{t-1} -> b_t",
    "with a layer": "x_t : 3\n0 -> h_0\nh_{t-1}|x_t --[A|tanh]-> g_{t+1}\ng_{t+1}|x_t --[B]-> h_t\n"
    "y_t : 2\nh_t --[C]-> p_t => y_t",
    "both ways of delay": "x_t : 1\n0 -> u_0\n0 -> u_{-1}\n0 -> u_{-2}\nv_{t+2} + x_t -> u_t\nw_{t-4} -> v_t\n"
    "0.5*u_{t+1} -> w_t\n0.1 -> w_{-1}\n0.2 -> w_0",
}


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("steps", [2, 3, 7])
@pytest.mark.parametrize("early", [False, True])
def test_a_program_computes_what_the_judge_does(name: str, steps: int, early: bool) -> None:
    agree(PROGRAMS[name], steps=steps, lengths=[max(2, steps - 1), steps, 2] if early else None)


# --- rings of equations --------------------------------------------------------------------------


@st.composite
def rings(draw: st.DrawFn) -> tuple[Example, list[tuple[int, int, int]]]:
    """Equations of which each reads the next at some distance, and a few others; with their edges."""
    count = draw(st.integers(2, 4))
    offsets = [draw(st.integers(-3, 3)) for _ in range(count)]
    edges = [(n, (n + 1) % count, k) for n, k in enumerate(offsets)]
    for _ in range(draw(st.integers(0, 2))):
        edges.append((draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1)), draw(st.integers(-3, 3))))
    parts = []
    for number in range(count):
        value: Expr = at("x", draw(st.integers(-1, 1)))
        for reader, read, offset in edges:
            if reader == number:
                value = op("add", op("mul", value, 0.7), at(f"s{read}", offset))
        parts.append(over(f"s{number}", op("tanh", value)))
    if _sign(edges, count) < 0:
        parts += [given(f"s{n}", -k, 0.1 * n + 0.05 * k) for n in range(count) for k in range(8)]
    goals = [loss(at("s0"), at("x"))]
    made = system(*fed("x"), *draw(st.permutations(parts)), *goals)
    return Example(made, {"x": (2,), **{f"s{n}": (2,) for n in range(count)}}), edges


def _ways_round(edges: list[tuple[int, int, int]], count: int) -> list[int]:
    """What the distances along each way round, on which nothing comes twice, add up to."""
    found = []
    for size in range(1, count + 1):
        for ring in permutations(range(count), size):
            pairs = zip(ring, (*ring[1:], ring[0]), strict=True)
            steps = [[k for u, v, k in edges if (u, v) == pair] for pair in pairs]
            found += [sum(way) for way in product(*steps)]
    return found


def _sign(edges: list[tuple[int, int, int]], count: int) -> int:
    sums = _ways_round(edges, count)
    return -1 if max(sums) < 0 else 1 if min(sums) > 0 else 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@for_all(rings(), st.integers(0, 3))
def test_a_ring_runs_exactly_if_every_way_round_leads_one_way(
    ring: tuple[Example, list[tuple[int, int, int]]], more: int
) -> None:
    example, edges = ring
    order = dependence(example.system)
    sign = _sign(edges, len(example.states) - 1)
    if sign == 0:
        assert {p.code for p in order.problems} <= {"SQ401", "SQ404"} and order.problems
        return
    assert order.problems == ()
    (loop,) = (c for c in order.components if c.kind.endswith("scan"))
    assert loop.kind == ("forward scan" if sign < 0 else "reverse scan")
    held = domains(example.system, order)
    if not [p for p in held.problems if p.severity == "error"]:
        _same_as_the_judge(example, held.horizon + more)


def _same_as_the_judge(example: Example, steps: int) -> None:
    order = dependence(example.system)
    held = domains(example.system, order)
    source = emit(example.system, Shapes(example.states, example.parameters), order, held)
    code = generated.build(source, "net", {}).double()
    _, inputs = example.values(steps)
    run = interpret(example.system, parameters={}, inputs=inputs, horizon=steps, shapes=example)
    values = generated.call(code, "forward", x=torch.from_numpy(inputs["x"]))
    out = States(values, generated.rows(code), {}, steps)
    for state, want in run.states().items():
        np.testing.assert_allclose(out[state].numpy(), want, rtol=1e-10, atol=1e-12, err_msg=f"{state}\n{source}")


def test_shifts_are_whole_and_few() -> None:
    made = system(*fed("x"), given("f", -1), given("f", 0), over("f", at("g", 1)), over("g", op("tanh", at("f", -2))))
    (loop,) = (c for c in dependence(made).components if c.kind == "forward scan")
    assert isinstance(loop, Component)
    assert dict(zip(loop.states, sorted(loop.shifts), strict=True)) == {"f": -1, "g": 0}
    assert loop.distances == (1,)


def test_what_looks_one_way_is_not_shifted() -> None:
    made = system(*fed("x"), given("h", 0), over("h", op("add", at("h", -1), at("x"))))
    assert all(c.shifts == () for c in dependence(made).components)


def test_ways_that_lead_nowhere_or_both_ways_have_no_shifts() -> None:
    def edge(state: str, offset: int, definer: int) -> Reading:
        return Reading(at(state, offset), offset, offset, (definer,))

    assert retiming({0: [edge("b", 1, 1)], 1: [edge("a", -1, 0)]}, (0, 1)) == Standstill((0, 1))
    assert retiming({0: [edge("a", 1, 0), edge("a", -1, 0)]}, (0,)) is None
    assert retiming({0: [edge("b", 1, 1)], 1: [edge("a", -2, 0)]}, (0, 1)) == Retiming(False, {0: -1, 1: 0})
