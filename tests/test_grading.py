"""Whether a net is what was asked for: what is accepted under other names, and the words for each way to differ."""

from __future__ import annotations

import pytest
import torch

import sqmagic
from sqmagic.grading.verdict import Verdict
from sqmagic.runtime.net import Net

GRU = """x_t : 3
y : class(2)
0 -> h_0
h_{t-1}|x_t -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
h_{t-1}*(1 - z_t) + z_t*l_t -> h_t
h_T --[Gen|softmax]-> p => y"""


def net(text: str) -> Net:
    return sqmagic.compile(text, width=4)


def verdict(*changes: tuple[str, str]) -> Verdict:
    text = GRU
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return sqmagic.check(net(text), net(GRU))


def test_a_net_is_the_same_as_itself_and_is_left_as_it_was() -> None:
    module = net(GRU)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = sqmagic.check(module, module)
    assert found and found.remarks == ()
    assert all((value == before[name]).all() for name, value in module.state_dict().items())
    assert module.training


def test_nothing_that_is_drawn_later_depends_on_a_check() -> None:
    module = net(GRU)
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    assert sqmagic.check(module, GRU) is not None
    assert torch.equal(torch.rand(2), want)


@pytest.mark.parametrize(
    "changes, remark",
    [
        ([("--[R|", "--[Reset|")], "Reset is the reference's R"),
        ([("--[R|", "--[Q|"), ("--[Z|", "--[R|")], "R is the reference's Z"),
        ([("h_{t-1}|x_t", "x_t|h_{t-1}")], "R is given the same in another order"),
        ([("x_t|(h_{t-1}*r_t)", "(h_{t-1}*r_t)|x_t")], "H is given the same in another order"),
        ([("x_t|(h_{t-1}*r_t)", "(u_t*h_{t-1})|x_t"), ("-> r_t", "-> u_t")], "H is given the same in another order"),
    ],
)
def test_other_names_and_another_order_are_right(changes: list[tuple[str, str]], remark: str) -> None:
    found = verdict(*changes)
    assert found, str(found)
    assert remark in str(found)


@pytest.mark.parametrize(
    "change, words",
    [
        (("c_t --[R|sigmoid]-> r_t", "c_t --[R|sigmoid]-> r_t\nr_t -> q_t"), "right: "),
        (("+ z_t*l_t", "+ l_t"), "`h_t` differs, first at t = 1"),
        (("+ z_t*l_t", "+ l_t"), "your line: h_t = h_{t-1} * (1 - z_t) + l_t\n    [0 0 0 …] * (1 - ["),
        (("0 -> h_0", "1 -> h_0"), "`h_0` differs\n  in example 0: yours is 1, the reference's 0"),
        (("tanh", "relu"), "`l_t` differs, first at t = 1"),
        (("h_T --", "h_t --"), "`p` differs\n  yours is over time"),
        (("-> p", "-> q"), "there is no `p` in your program"),
        (("c_t --[R|", "x_t --[R|"), "R is 3 -> 4 in yours and 7 -> 4 in the reference"),
        (("y : class(2)\n", "y : class(5)\n"), "Gen is 4 -> 5 in yours and 4 -> 2 in the reference"),
        (("c_t --[Z|", "c_t --[R|"), "the reference has one more layer, 7 -> 4"),
        ((" => y", ""), "your program does not read `y`"),
        (("x_t", "u_t"), "nothing defines `u_t` in your program"),
        (("=> y", "==[2*cross_entropy]=> y"), "the states are right, but the loss is"),
    ],
)
def test_what_differs_is_said(change: tuple[str, str], words: str) -> None:
    found = verdict(change)
    assert bool(found) == words.startswith("right")
    assert words in str(found)


def test_inputs_that_differ_are_listed_in_the_order_of_the_program() -> None:
    names = ("x", "u", "v", "w", "k")
    own, wanted = ("\n".join(f"{n} : {size}" for n in names) + "\nx|u|v|w|k -> p" for size in (2, 3))
    found = str(sqmagic.check(net(own), net(wanted))).split("\n")
    assert [line.partition(" ")[0] for line in found] == list(names)


def test_a_difference_that_comes_late_is_found_where_it_begins() -> None:
    text = "x_t : 2\n0 -> h_0\n0 -> h_{-1}\nh_{t-1} + 0.5*h_{t-2} + x_t -> h_t"
    found = sqmagic.check(net(text.replace("h_{t-2}", "h_{t-1}")), net(text))
    assert "`h_t` differs, first at t = 2" in str(found)


def test_texts_are_taken_too_and_data_may_tell_shapes() -> None:
    text = "x --[M|relu]-> h --[G]-> p => y"
    with pytest.raises(ValueError, match="open shapes"):
        sqmagic.check(text, text)
    data = {"x": [[1.0, 2.0, 3.0]], "y": [[1.0, 2.0]]}
    assert sqmagic.check(text, text, data=data)
    assert "`h` differs" in str(sqmagic.check(text.replace("relu", "tanh"), text, data=data))


def test_dropout_and_chance_make_no_difference() -> None:
    text = "x : 3\ny : 2\nx --[M|dropout]-> h --[G]-> p => y"
    assert sqmagic.check(net(text), net(text))


def test_a_verdict_is_shown_by_a_sign_as_well_as_a_colour() -> None:
    assert "✓" in verdict()._repr_mimebundle_()["text/html"]
    wrong = verdict(("+ z_t*l_t", "+ l_t"))._repr_mimebundle_()
    assert "✗" in wrong["text/html"] and "differs" in wrong["text/plain"]
