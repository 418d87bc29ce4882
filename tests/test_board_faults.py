"""Where a picture marks what is wrong."""

from __future__ import annotations

from sqmagic.board.faults import Faults, faults
from sqmagic.board.layout.graph import Graph
from sqmagic.board.layout.scene import scene
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source, Span


def meant(text: str) -> System:
    return elaborate(parse(text), Source.of(text), Kernel()).system


def place(text: str, part: str) -> Span:
    start = text.index(part)
    return Span(start, start + len(part))


def marked(text: str, *parts: str, lost: tuple[str, ...] = (), expand: tuple[str, ...] = ("all",)) -> Graph:
    system = meant(text)
    found = faults(system, [place(text, part) for part in parts], lost)
    return scene(system, {}, expand, found).parts["c"].graph


def nodes(graph: Graph) -> list[str]:
    return [node.label.base for node in graph.nodes if node.faulty]


def wires(graph: Graph) -> set[tuple[str, str]]:
    """State -> what its faulty wires go to."""
    return {(graph.nets[net].value.state, graph.nodes[sink].label.base) for net, sink in graph.faulty}


GRU = """\
0 -> h_0
h_{t-1}|x_t --[R|sigmoid]-> r_t
x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
h_{t-1} + l_t -> h_t
"""


def test_a_program_without_faults_bears_no_mark() -> None:
    graph = marked(GRU)
    assert not nodes(graph) and not graph.faulty
    assert faults(meant(GRU), [], ()) == Faults()


def test_a_faulty_read_marks_its_wire_and_an_operator_its_node() -> None:
    assert nodes(marked(GRU, "h_{t-1}*r_t")) == ["×"]
    system, start = meant(GRU), GRU.index("*r_t") + 1
    found = faults(system, [Span(start, start + 3)], ())
    assert wires(scene(system, {}, (), found).parts["c"].graph) == {("r", "×")}


def test_a_faulty_line_marks_all_that_it_makes() -> None:
    assert nodes(marked(GRU, "x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t")) == ["×", "", "tanh"]


def test_every_wire_of_a_cycle_is_marked() -> None:
    text = "0 -> h_0\nx_t + b_t -> a_t\ntanh(a_t) -> c_t\nc_t * 2 -> b_t\nh_{t-1} + b_t -> h_t"
    assert wires(marked(text)) == {("a", "tanh"), ("c", "×2"), ("b", "+")}
    assert ("h", "+") not in wires(marked(text))


def test_a_state_whose_line_cannot_be_read_is_marked_where_it_is_used() -> None:
    graph = marked("0 -> h_0\nh_{t-1} + z_t*x_t -> h_t", lost=("z",))
    (node,) = [node for node in graph.nodes if node.faulty]
    assert (node.kind, node.state, node.title) == ("input", "z", "the line that defines it is faulty")


def test_a_fault_within_a_folded_macro_marks_the_macro() -> None:
    body = "    tanh(x_t) -> r_t\n    h_{t-1}*r_t -> h_t\n    return h_t\n"
    text = f"Enc: h_{{t-1}}, x_t\n{body}0 -> h_0\nh_{{t-1}}, x_t --[Enc]-> h_t"
    assert nodes(marked(text, "tanh(x_t)", expand=())) == ["Enc"]
    assert nodes(marked(text, "tanh(x_t)")) == ["tanh"]
