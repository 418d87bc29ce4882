"""What `net.plan` tells and draws: what runs in which loop, with flops and bytes each way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from xml.etree import ElementTree

import pytest
import torch
from emitted import net
from programs import PROGRAMS

import sqmagic
from sqmagic.board.lanes import lanes
from sqmagic.board.theme import THEMES
from sqmagic.runtime.net import Net

CELL = """
x_t : 3
y_t : 2
0 -> h_0
h_{t-1}|x_t --[M|tanh]-> h_t
h_t --[G]-> p_t => y_t
"""


def cell(text: str = CELL) -> Net:
    return net(text, width=5)


def reverse(found: Net) -> dict[tuple[str, ...], tuple[int, int] | None]:
    """By states, the flops of a step and the numbers on the way back."""
    return {p.states: p.reverse and (_each(p.reverse[0], p.over_time), p.reverse[1]) for p in found.plan.parts}


def _each(flops: Sequence[Fraction], over_time: bool) -> int:
    """Of what costs the same at each step."""
    assert not any(count for n, count in enumerate(flops) if n != over_time)
    return int(flops[over_time]) if flops else 0


def test_the_way_back_is_counted() -> None:
    """Each product once more for its weights, and once more for what needs an adjoint: h and not x."""
    found = reverse(cell())
    assert found["h_0",] is None
    assert found["h",] == (2 * 5 * (8 + 5), 2 * 5 + 3)
    assert found["p",] == (2 * 2 * (5 + 5), 2 * 2 + 2 * 5)


def test_a_layer_that_is_frozen_has_no_gradient_and_passes_one_on() -> None:
    found = reverse(cell(CELL.replace("[G]", "[freeze(G)]")))
    assert found["p",] == (2 * 2 * 5, 2 * 2 + 2 * 5)


def test_what_no_goals_gradient_reaches_has_no_way_back() -> None:
    """An advantage weighs an objective, and a gradient does not go through it."""
    found = reverse(net(PROGRAMS["advantage"]))
    assert found["A",] is None
    assert found["TD",] is None
    assert found["V",] is not None
    assert found["pi",] is not None


def test_a_program_without_goals_is_counted_as_if_every_gradient_were_asked_for() -> None:
    text = CELL.replace(" => y_t", "").replace("y_t : 2", "p_t : 2")
    assert reverse(cell(text))["h",] == reverse(cell())["h",]


def test_a_call_turns_counts_into_numbers_both_ways() -> None:
    module = cell()
    assert "in reverse (130 T B flops, 13 T B numbers)" in str(module.plan)
    module.loss(x=torch.randn(7, 4, 3), y=torch.randn(7, 4, 2))
    text = str(module.plan)
    assert text.split("\n")[:2] == [
        "forward, T = 7, B = 4: 2,800 flops, 1,760 bytes besides weights",
        "in reverse, T = 7, B = 4: 4,760 flops, 3,024 bytes besides weights",
    ]
    assert "kept for the way back, besides what is given: h" in text


CONVOLUTIONS = """
x_t : 3 x 8 x 8
h_t : 4 x 8 x 8
0 -> h_0
x_t | h_{t-1} --[conv_I(size=3, pad=same)|tanh]-> h_t
h_t --[conv_P(size=3, pad=same)]-> p_t => x_t
"""


def test_convolutions_are_counted_both_ways() -> None:
    """The weights meet each of 64 places; of what is joined, 4 of 7 channels need an adjoint."""
    module = net(CONVOLUTIONS, width=5)
    each = 2 * (4 * 7 * 9) * 64
    assert [part.flops for part in module.plan.parts if part.states == ("h",)] == [(0, each)]
    assert reverse(module)["h",] == (each + each * 4 // 7, 3 * 64 + 2 * 256)
    assert (reverse(module)["p",] or ())[0] == 2 * 2 * (3 * 4 * 9) * 64


ATTENTION = """
x_t : 6
x_t --[K]-> k_t
x_t --[Q]-> q_t
%s -> c_t => x_t
"""


@pytest.mark.parametrize(
    ("value", "rows", "written"),
    [
        ("softmax(k_{1:t} @ q_t) @ x_{1:t}", lambda t, T: t, "11 T² B + 11 T B flops"),
        ("softmax(k_{1:t-1} @ q_t) @ x_{1:t-1}", lambda t, T: t - 1, "11 T² B - 11 T B flops"),
        ("softmax(k_{t:T} @ q_t) @ x_{t:T}", lambda t, T: T - t + 1, "11 T² B + 11 T B flops"),
        ("softmax(k_{1:T} @ q_t) @ x_{1:T}", lambda t, T: T, "22 T² B flops"),
        ("softmax(k_{1:4} @ q_t) @ x_{1:4}", lambda t, T: 4, "88 T B flops"),
    ],
)
def test_products_over_ranges_are_counted_row_by_row(value: str, rows: Callable[[int, int], int], written: str) -> None:
    module = net(ATTENTION % value, width=5)
    (part,) = [part for part in module.plan.parts if part.states == ("c",)]
    for steps in (5, 9):
        counted = sum(2 * (5 + 6) * rows(t, steps) for t in range(1, steps + 1))
        back = sum(2 * (5 + 5 + 6) * rows(t, steps) for t in range(1, steps + 1))  # x needs none
        assert at(part.flops, steps) == counted
        assert part.reverse is not None and at(part.reverse[0], steps) == back
    assert written in str(module.plan)


def test_a_layer_on_rows_is_counted_for_each() -> None:
    text = ATTENTION.replace("x_t : 6", "x_t : 6\nv : param(5)") % "softmax(tanh(H(x_{1:t})) @ v) @ x_{1:t}"
    (part,) = [part for part in net(text, width=5).plan.parts if part.states == ("c",)]
    assert at(part.flops, 7) == sum(t * (2 * 6 * 5 + 2 * 5 + 2 * 6) for t in range(1, 8))
    # for H, for v and for the weights of x; what meets H and x itself are data
    assert part.reverse is not None
    assert at(part.reverse[0], 7) == sum(t * (2 * 6 * 5 + 2 * 2 * 5 + 2 * 6) for t in range(1, 8))


def at(flops: Sequence[Fraction], steps: int) -> Fraction:
    return sum((count * steps**n for n, count in enumerate(flops)), Fraction(0))


def test_one_step_is_told_as_one() -> None:
    plan = replace(cell().plan, rewrites=(object(),))
    assert "rewritten for torch in 1 step, each" in str(plan)
    assert "in 2 steps, each" in str(replace(plan, rewrites=(object(), object())))


def titles(svg: str) -> list[str]:
    """What stands at each lane: its states."""
    texts = ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
    return ["".join(text.itertext()) for text in texts]


def test_the_picture_has_a_lane_for_each_loop_forward_and_in_reverse() -> None:
    module = cell()
    module.loss(x=torch.randn(7, 4, 3), y=torch.randn(7, 4, 2)).backward()
    found = titles(module.plan.svg)
    assert [t for t in found if t in ("forward", "in reverse")] == ["forward", "in reverse"]
    assert [t for t in found if t in ("h_0", "h", "p", "^h", "^p")] == ["h_0", "h", "p", "^p", "^h"]
    assert "step by step, from the first; C" in found
    assert "step by step, from the last; C" in found
    assert "costs at T = 7, B = 4" in found
    assert module.plan.svg == module.plan.svg


def test_a_module_of_the_kernel_has_no_cost_of_its_own() -> None:
    """Its shape is known to itself alone; what stands around it is counted as ever."""
    program = "x : 3\ny : 1\nx --[M|soft|Out]-> p => y"
    module = sqmagic.compile(program, width=4, namespace={"soft": torch.nn.Softsign()})
    plain = sqmagic.compile(program.replace("soft", "tanh"), width=4)
    for each in (module, plain):
        each.loss(x=torch.randn(2, 3), y=torch.randn(2, 1)).backward()
    assert [p.reverse.flops for p in module.plan.parts] == [p.reverse.flops for p in plain.plan.parts] == [(40,)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_plan_can_be_drawn(name: str) -> None:
    module = net(PROGRAMS[name])
    if module.is_settled:
        assert "forward" in titles(module.plan.svg)
        assert set(module.plan._repr_mimebundle_()) == {"text/plain", "text/html", "image/svg+xml"}


@pytest.mark.parametrize("theme", THEMES)
def test_the_picture_has_the_themes_of_all_others(theme: str) -> None:
    plan = replace(cell().plan, draw=partial(_in_theme, theme))
    assert ("prefers-color-scheme" in plan.svg) == (theme == "auto")
    ElementTree.fromstring(plan.svg)


def _in_theme(theme, sized, forward, back):  # type: ignore[no-untyped-def]
    return lanes("net", sized, forward, back, theme)
