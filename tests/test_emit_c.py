"""Scans as phases, their way back, and the C that is written of them: without torch and without a compiler."""

from __future__ import annotations

import pytest
from programs import PROGRAMS

from sqmagic.emit.c import engine
from sqmagic.emit.c.names import TAKEN, distinct, identifier
from sqmagic.equations.ops import ALL_OPS
from sqmagic.equations.shapes import DataShape
from sqmagic.kernels import ScanPage
from sqmagic.pipeline import Sizes, generate, understand
from sqmagic.schedule.plan.lower import RULES
from sqmagic.schedule.plan.nodes import Product
from sqmagic.schedule.plan.reverse import Reverse

LSTM = """
x_t : 8
0 -> c_0
0 -> h_0
h_{t-1}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
"""


def scan(text: str, width: int = 5) -> ScanPage:
    """The page of the only scan of a program."""
    known = understand(text)
    data = {i.state: DataShape((width,)) for i in known.system.inputs if i.sizes is None}
    (page,) = generate("net", known, Sizes(width=width), data, kernels=True).pages
    return page


def way_back(page: ScanPage) -> Reverse:
    assert not isinstance(page.back, str), page.back
    return page.back[0]


def test_an_lstm_is_one_phase_of_four_products_on_the_same_operands() -> None:
    page = scan(LSTM, 64)
    (phase,) = page.scan.phases.phases
    stacks = [group.stacks for group in phase if group.stacks]
    assert [[len(stack) for stack in group] for group in stacks] == [[4]]
    assert page.scan.flops == 2 * 4 * 64 * 72


def test_what_is_reset_before_its_product_takes_a_second_phase() -> None:
    phases = scan(PROGRAMS["gru"]).scan.phases.phases
    assert [[len(s) for g in phase for s in g.stacks] for phase in phases] == [[2], [1]]


def test_the_way_back_of_an_lstm_carries_its_state_alone() -> None:
    """One product in the loop, of all gates; the input's adjoint and the weights' gradients are taken after it."""
    way = way_back(scan(LSTM, 64))
    (phase,) = way.backward.phases.phases
    ((product,),) = [stack for group in phase for stack in group.stacks]
    node = way.backward.nodes[product]
    assert isinstance(node, Product)
    assert [t.weight for t in sorted(node.terms, key=lambda t: t.weight)] == [f"{n}.weight" for n in "CFIO"]
    assert node.width == 64
    assert len(way.inputs["x"].throughs) == 4
    assert not way.inputs["x"].rows
    assert {o.right.state for o in way.parameters["F.weight"].outers} == {"h", "x"}


def test_states_that_cost_little_are_not_kept() -> None:
    assert way_back(scan(PROGRAMS["gru"])).kept == {"h", "l", "r", "z"}  # not c_t, not 1 - z_t


@pytest.mark.parametrize("name", ["recurrent_attention", "norm_in_scan"])
def test_what_kernels_do_not_run_is_left_to_torch(name: str) -> None:
    known = understand(PROGRAMS[name])
    assert not generate("net", known, Sizes(width=5), {}, kernels=True).pages


def test_the_same_program_gives_the_same_page() -> None:
    assert scan(LSTM) == scan(LSTM)


def test_the_page_says_the_equation_beside_each_line() -> None:
    page = scan(LSTM).page
    assert "logistics(f_t, count); /* f_t = sigmoid(F(p_t)) */" in page
    assert "const vec h_t = h_1_t[j] * o_t[j]; /* h_t = h.1_t * o_t */" in page
    back = scan(LSTM).back
    assert not isinstance(back, str)
    assert "/* ^o.1_t = ^o_t * o_t * (1 - o_t) */" in back[2]
    assert "/* ^c_t = ^h_t * o_t * (1 - square(h.1_t)) + ^c_{t+1} * f_{t+1} */" in back[2]


def test_the_page_knows_neither_steps_nor_examples() -> None:
    assert scan(LSTM).page.count("s->steps") > 0
    assert scan(LSTM).page.count("s->batch") > 0


@pytest.mark.parametrize("width", [1, 3, 17, 64])
def test_lines_are_no_longer_than_they_should_be(width: int) -> None:
    page = scan(LSTM, width)
    assert not isinstance(page.back, str)
    for line in (page.page + page.back[2]).splitlines():
        assert len(line) <= 120


def test_names_are_those_of_c() -> None:
    assert identifier("O'") == "O_prime"
    assert identifier("Enc.r") == "Enc_r"
    assert identifier("^h.1") == "h_1_hat"
    found = distinct([("a", "i"), ("b", "float"), ("c", "h"), ("d", "h_rows"), ("e", "h")])
    assert len(set(found.values())) == 5
    assert not TAKEN & set(found.values())


def test_every_operator_has_a_kernel_or_is_left_out() -> None:
    assert set(RULES) <= set(ALL_OPS)


def test_the_engine_allocates_nothing_and_needs_no_header_of_torch() -> None:
    text = engine()
    assert not any(word in text for word in ("malloc", "torch/", "printf", "exit("))
