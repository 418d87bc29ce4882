"""What becomes of macros, delays and buffers before anything has a place."""

from __future__ import annotations

from math import dist

import pytest
from test_board_programs import sound, straight

from sqmagic.board.diagram import picture
from sqmagic.board.layout.graph import Kind, Node
from sqmagic.board.layout.labels import arrowheads
from sqmagic.board.layout.scene import Part
from sqmagic.board.metrics.places import collisions
from sqmagic.board.names import MINUS, index_text
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source

ENC = """\
Enc: h_{t-1}, x_t
    h_{t-1}|x_t -> c_t
    c_t --[R|sigmoid]-> r_t
    c_t --[Z|sigmoid]-> z_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
    h_{t-1} * (1 - z_t) + z_t*l_t -> h_t
    return h_t
"""
LAYERS = f"""{ENC}
0 -> h_{{0,1}}
0 -> h_{{0,2}}
h_{{t-1,1}}, x_t --[Enc_1]-> h_{{t,1}}
h_{{t-1,2}}, h_{{t,1}} --[Enc_2]-> h_{{t,2}}
"""
NESTED = """\
Gate: a_t, b_t
    a_t|b_t --[G|sigmoid]-> g_t
    return g_t
Enc: h_{t-1}, x_t
    h_{t-1}, x_t --[Gate_1]-> r_t
    h_{t-1}, x_t --[Gate_2]-> z_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
    h_{t-1} * (1 - z_t) + z_t*l_t -> h_t
    return h_t
0 -> h_0
h_{t-1}, x_t --[Enc]-> h_t --[Gen]-> p_t => y_t
"""
MEMORY = """\
Mem: x_t
    0 -> m_0
    0.9*m_{t-1} + x_t -> m_t
    return tanh(m_t)
x_t --[Mem]-> p_t => y_t
"""


def drawn(text: str, *expand: str, part: str = "c") -> Part:
    system = elaborate(parse(text), Source.of(text), Kernel()).system
    rows = tuple(enumerate(text.splitlines(), 1))
    found = picture(system, expand=expand, rows=rows).scene.parts[part]
    sound(found)
    if part == "c":
        straight(found)
    return found


def of(part: Part, kind: Kind) -> list[Node]:
    return [node for node in part.graph.nodes if node.kind == kind]


def named(nodes: list[Node]) -> list[str]:
    return [node.label.base + node.label.below for node in nodes]


def values(nodes: list[Node]) -> list[str]:
    return [node.state for node in nodes]


# --- macros ----------------------------------------------------------------------------------------


def test_instances_of_a_macro_are_folded() -> None:
    part = drawn(LAYERS)
    assert named(of(part, "macro")) == ["Enc1", "Enc2"]
    assert not of(part, "layer") and not part.groups
    assert values(of(part, "entry")) == ["h_1", "h_2"]
    first, second = of(part, "macro")
    assert [(use.value.state, use.value.side) for use in second.ins] == [("h_2", "left"), ("h_1", None)]
    assert [value.state for value in first.outs] == ["h_1"]


def test_a_folded_instance_tells_its_lines() -> None:
    (first, _) = of(drawn(LAYERS), "macro")
    assert first.title.split("\n")[:3] == ["Enc_1", "h_{t-1}|x_t -> c_t", "c_t --[R|sigmoid]-> r_t"]


@pytest.mark.parametrize(
    ("expand", "folded", "boxes"),
    [
        (("Enc_2",), ["Enc1"], [("Enc_2",)]),
        (("Enc",), [], [("Enc_1",), ("Enc_2",)]),
        (("all",), [], [("Enc_1",), ("Enc_2",)]),
        (("Dec",), ["Enc1", "Enc2"], []),
    ],
)
def test_macros_are_unfolded_by_name(expand: tuple[str, ...], folded: list[str], boxes: list[tuple[str, ...]]) -> None:
    part = drawn(LAYERS, *expand)
    assert named(of(part, "macro")) == folded
    assert [group.path for group in part.groups] == boxes


def test_a_macro_within_another_is_folded_with_it_or_alone() -> None:
    assert named(of(drawn(NESTED), "macro")) == ["Enc"]
    within = drawn(NESTED, "Enc")
    assert named(of(within, "macro")) == ["Gate1", "Gate2"]
    assert {node.group for node in of(within, "macro")} == {("Enc",)}
    assert named(of(drawn(NESTED, "Gate"), "macro")) == ["Enc"]
    assert not of(drawn(NESTED, "all"), "macro")


def test_what_a_folded_macro_remembers_goes_through_it() -> None:
    part = drawn(MEMORY)
    (memory,) = of(part, "macro")
    assert {value.state for value in memory.outs} == {"p", "Mem.m"}
    assert values(of(part, "entry")) == values(of(part, "exit")) == ["Mem.m"]


# --- delays ----------------------------------------------------------------------------------------


def test_what_lies_further_back_waits_in_delays_on_one_rail() -> None:
    part = drawn("0 -> h_0\n0 -> h_{-1}\nx_t|h_{t-2} --[H|tanh]-> l_t\nh_{t-1} + l_t -> h_t => y_t")
    (entry,), (delay,) = of(part, "entry"), of(part, "delay")
    assert (entry.label.base, entry.label.below) == ("h", "t−1")
    assert delay.label.base == "t−1" and delay.ins[0].value == entry.outs[0]


def test_a_long_wait_is_one_delay() -> None:
    part = drawn("x_t + 0.5*h_{t-9} -> h_t => y_t")
    assert named(of(part, "delay")) == ["t−8"]
    assert of(part, "delay")[0].title == "8 steps earlier"


def test_what_is_to_come_is_awaited_in_the_same_way() -> None:
    part = drawn("0 -> g_{T+1}\n0 -> g_{T+2}\nr_t + 0.9*g_{t+1} - 0.1*g_{t+2} -> g_t\ng_t --[M]-> p_t => y_t")
    assert [(n.state, n.side) for n in of(part, "entry")] == [("g", "right")]
    assert named(of(part, "delay")) == ["t+1"]


def test_earlier_values_of_an_input_are_inputs() -> None:
    part = drawn("x_t|x_{t-1}|x_{t-2} --[M]-> p_t => y_t")
    assert named(of(part, "input")) == ["xt", "xt−1", "xt−2"]
    assert not of(part, "delay")


# --- buffers ---------------------------------------------------------------------------------------

REPLAY = """\
B : buffer(50000, batch=256)
reset() -> S_0, O_0
O_{t-1} --[Q]-> q_{t-1} --[eps_greedy(0.1)]-> a_{t-1}
step(S_{t-1}, a_{t-1}) -> S_t, O_t, r_t, d_t
Add_B(O_{t-1}, a_{t-1}, r_t, O_t, d_t)
Get_B() -> O, a, r, O', d
O --[Q]-> q
q[a] => r + 0.99 * max(target(Q)(O')) * (1-d)
"""


def test_a_buffer_is_one_thing_to_store_in_and_to_draw_from() -> None:
    (buffer,) = of(drawn(REPLAY), "buffer")
    assert buffer.label.base == "B"
    assert [use.value.state for use in buffer.ins] == ["O_t", "a_t", "r_t", "O_t", "d_t"]
    assert [value.state for value in buffer.outs] == ["O", "a", "r", "O'", "d"]
    assert buffer.title.split("\n")[1] == "Get_B() -> O, a, r, O', d"


def test_what_was_drawn_and_is_stored_again_keeps_the_two_apart() -> None:
    text = "B : buffer(100)\nGet_B() -> O, a\nO --[F]-> p\nAdd_B(p, a)\np => O_t"
    part = drawn(text)
    assert named(of(part, "buffer")) == ["B", "B"]


# --- names -----------------------------------------------------------------------------------------


def test_a_name_stands_on_no_arrowhead_where_it_can_stand_elsewhere() -> None:
    text = "X : 784\nX --[E_1|relu]-> h\nh --[Mu]-> m\nh --[S]-> s\nm + exp(0.5*s)*gauss() -> z"
    part = drawn(f"{text}\nz --[D_1|relu|D_2|sigmoid]-> r => X\ns $ 0.5*sum(s - exp(s))\nm $ -sum(m*m)", part="a")
    heads = arrowheads(part.placed)
    assert [tag.label.base for tag in part.tags if any(tag.box.meets(head) for head in heads)] == []


# --- operators -------------------------------------------------------------------------------------


def test_what_is_joined_twice_is_drawn_joined_once() -> None:
    part = drawn("0 -> h_0\nh_{t-1}|x_t --[F|sigmoid]-> f_t\nh_{t-1}|x_t --[C|tanh]-> l_t\nf_t * l_t -> h_t")
    assert len(of(part, "merge")) == 1
    other = drawn("0 -> h_0\nh_{t-1}|x_t --[F|sigmoid]-> f_t\nx_t|h_{t-1} --[C|tanh]-> l_t\nf_t * l_t -> h_t")
    assert len(of(other, "merge")) == 2, "the order matters"


@pytest.mark.parametrize(
    ("whole", "others", "side"),
    [
        ("k_{1:t}", "1:t-1", "left"),
        ("k_{t-3:t}", "t-3:t-1", "left"),
        ("k_{t-1:t}", "t-1", "left"),
        ("k_{t:T}", "t+1:T", "right"),
    ],
)
def test_a_range_is_what_other_steps_have_of_it_and_the_own(whole: str, others: str, side: str) -> None:
    part = drawn(f"x_t : 3\nx_t --[K]-> k_t\nsoftmax({whole} @ k_t) @ {whole} -> a_t")
    (joined,) = of(part, "merge")
    uses = {index_text(use.value.context[0]): use.value.side for use in joined.ins}
    assert uses == {others.replace("-", MINUS): side, "t": None}
    sums = [node for node in of(part, "pointwise") if node.label.base == "@"]
    assert all(joined.outs[0] in [use.value for use in node.ins] for node in sums)


@pytest.mark.parametrize(("whole", "next_"), [("1:t", "1:t"), ("t-3:t", "t-2:t"), ("t:T", "t:T"), ("t-1:t", "t")])
def test_the_rail_of_a_range_goes_on_from_where_the_own_is_joined(whole: str, next_: str) -> None:
    part = drawn(f"x_t : 3\nx_t --[K]-> k_t\nsoftmax(k_{{{whole}}} @ k_t) @ k_{{{whole}}} -> a_t")
    (joined,), (leaving,) = of(part, "merge"), of(part, "exit")
    assert leaving.label.below == next_.replace("-", MINUS)
    assert leaving.ins[0].value == (joined.outs[0] if ":" in next_ else joined.ins[-1].value)


LOOKING_BACK = """\
0 -> h_0
0 -> h_{-1}
0 -> h_{-2}
h_{t-1}|x_t --[Q|tanh]-> q_t
softmax(h_{t-3:t-1} @ q_t) @ h_{t-3:t-1} -> c_t
c_t|h_{t-3:t-2}|x_t --[H|tanh]-> h_t
"""


def test_all_that_is_read_of_the_past_beside_a_range_is_taken_from_it() -> None:
    part = drawn(LOOKING_BACK)
    (entry,), (leaving,) = of(part, "entry"), of(part, "exit")
    assert named([entry, leaving]) == [f"ht{MINUS}3:t{MINUS}1", f"ht{MINUS}2:t"]
    taken = {n.label.base for n in of(part, "pointwise") if n.ins[0].value == entry.outs[0] and n.label.base[0] == "["}
    assert taken == {f"[t{MINUS}1]", f"[t{MINUS}3:t{MINUS}2]"}
    joined = next(node for node in of(part, "merge") if node.outs[0] == leaving.ins[0].value)
    assert [use.value.state for use in joined.ins] == ["h", "h"] and joined.ins[0].value == entry.outs[0]


def test_a_range_to_either_side_is_joined_of_what_comes_from_there() -> None:
    part = drawn("x_t : 3\nx_t --[K]-> k_t\nsoftmax(k_{t-2:t+2} @ k_t) -> a_t")
    assert [(node.label.below, node.side) for node in of(part, "entry")] == [
        (f"t{MINUS}2:t{MINUS}1", "left"),
        ("t+1:t+2", "right"),
    ]
    assert {(node.label.below, node.side) for node in of(part, "exit")} == {
        (f"t{MINUS}1:t", "right"),
        ("t:t+1", "left"),
    }


def test_what_every_step_has_of_all_steps_comes_from_neither_side() -> None:
    part = drawn("x_t : 3\nx_t --[K]-> k_t\nsoftmax(k_{1:T} @ x_t) @ k_{1:T} -> a_t")
    assert named(of(part, "input")) == ["xt", "k1:T"]
    assert not of(part, "entry") and not of(part, "exit")


def test_a_macro_joins_a_range_out_of_sight() -> None:
    part = drawn(
        "Att: x_t\n    x_t --[K]-> k_t\n    return softmax(k_{1:t} @ x_t) @ k_{1:t}\nx_t : 3\nx_t --[Att]-> p_t"
    )
    (block,), (entry,), (leaving,) = of(part, "macro"), of(part, "entry"), of(part, "exit")
    assert entry.outs[0] in [use.value for use in block.ins] and leaving.ins[0].value in block.outs
    assert (entry.label.below, leaving.label.below) == (f"1:t{MINUS}1", "1:t")
    assert named(of(part, "output")) == ["pt"]


def test_a_range_of_an_input_is_given_as_it_is() -> None:
    part = drawn("x_t : 3\nsoftmax(x_{1:t} @ x_t) @ x_{1:t} -> a_t")
    assert not of(part, "merge")
    assert named(of(part, "input")) == ["x1:t", "xt"]


@pytest.mark.parametrize(
    ("expression", "signs"),
    [
        ("a_t - b_t", {"−": "b"}),
        ("b_t / a_t", {"÷": "a"}),
        ("outer(a_t, b_t)", {"⊗": "b"}),
        ("a_t + b_t", {}),
        ("1 - a_t", {}),
    ],
)
def test_the_second_operand_bears_the_sign_where_the_order_matters(expression: str, signs: dict[str, str]) -> None:
    part = drawn(f"a_t : 3\nb_t : 3\n{expression} -> c_t")
    found = {}
    for tag in (tag for tag in part.tags if tag.role == "operand"):
        ends = {part.graph.nets[wire.net].value.state: wire.corners[-1] for wire in part.placed.wires}
        middle = ((tag.box.left + tag.box.right) / 2, (tag.box.bottom + tag.box.top) / 2)
        found[tag.label.base] = min(ends, key=lambda state: dist(ends[state], middle))
    assert found == signs
    assert not collisions(part)


@pytest.mark.parametrize(
    ("expression", "label"),
    [("where(c_t, 0, x_t)", "0 if"), ("where(c_t, x_t, -1)", "else −1"), ("where(c_t, 1, 2)", "1 if, else 2")],
)
def test_a_choice_says_which_of_its_branches_is_a_number(expression: str, label: str) -> None:
    assert named(of(drawn(f"{expression} -> y_t"), "pointwise")) == [label]


def test_a_module_of_the_kernel_bears_its_own_name() -> None:
    text = "x --[M|louder|tanh]-> h --[louder]-> k"
    system = elaborate(parse(text), Source.of(text), Kernel(modules=frozenset({"louder"}))).system
    (part,) = picture(system).scene.parts.values()
    layers = of(part, "layer")
    tabs = [node.tab.base if node.tab else "" for node in layers]
    assert list(zip(tabs, named(layers), strict=True)) == [("", "M"), ("louder", "tanh"), ("", "louder")]
