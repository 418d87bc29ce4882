"""Programs for the board's tests, built by hand, and what holds for the picture of each and of any other program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from systems import Example, examples

from sqmagic.board.diagram import picture
from sqmagic.board.layout.boxes import Box
from sqmagic.board.layout.scene import Part, Scene
from sqmagic.board.layout.sizes import label_size, label_width, tab_width
from sqmagic.board.theme import SANS, text_width
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Goal,
    Input,
    Last,
    Layer,
    Read,
    Running,
    RunningIndex,
    System,
    Target,
)
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source

T = (RunningIndex("t"),)


def at(state: str, offset: int = 0) -> Read:
    return Read(state, (Running("t", offset),))


def last(state: str) -> Read:
    return Read(state, (Last("t"),))


def call(op: str, *args: Expr, layer: str | None = None, **settings: float) -> Apply:
    return Apply(op, args, layer, tuple(sorted(settings.items())))


def dense(layer: str, x: Expr, act: str | None = None) -> Apply:
    inner = call("dense", x, layer=layer)
    return call(act, inner) if act else inner


def let(target: str, value: Expr, line: int = 0, group: tuple[str, ...] = ()) -> Equation:
    """`h` is over time, `.p` is bare, `h@0` a base case; several names apart by commas."""
    return Equation(tuple(_target(word) for word in target.split(",")), value, group, line)


def _target(word: str) -> Target:
    state, base, index = word.partition("@")
    if base:
        return Target(state, (Fixed(int(index)),))
    return Target(word[1:]) if word.startswith(".") else Target(word, (Running("t"),))


def loss(op: str, prediction: Read, target: Expr, line: int = 0) -> Goal:
    return Goal("loss", (prediction,), call(op, prediction, call("stop", target)), line)


def system(equations: list[Equation], goals: list[Goal], inputs: str = "", static: bool = False) -> System:
    """`inputs` are names apart by blanks, a bare one begins with a point."""
    given = tuple(Input(w.lstrip("."), not w.startswith(".")) for w in inputs.split())
    owners: dict[str, str] = {}
    for equation in equations:
        stack: list[Expr] = [equation.value]
        while stack:
            node = stack.pop()
            if isinstance(node, Apply):
                stack += node.args
                if node.layer and node.op not in {"Add", "Get"}:
                    owners.setdefault(node.layer, node.op)
    layers = tuple(Layer(owner, op) for owner, op in owners.items())
    return System(() if static else T, given, tuple(equations), tuple(goals), layers)


def mlp(loss_name: str = "mse", act: str | None = None) -> System:
    equations = [let(".h_1", dense("M_1", Read("X"), "relu"), 1), let(".p", dense("M_2", Read("h_1"), act), 1)]
    target: Expr = Read("y") if loss_name == "mse" else call("one_hot", Read("y"))
    return system(equations, [loss(loss_name, Read("p"), target, 1)], ".X .y", static=True)


def rnn() -> System:
    equations = [
        let("h@0", Const(0), 1),
        let("h", dense("Enc", call("concat", at("X"), at("h", -1)), "tanh"), 2),
        let("p", dense("Gen", at("h")), 2),
    ]
    return system(equations, [loss("mse", at("p"), at("y"), 2)], "X y")


def gru_lines(h: str, x: Read, prefix: str = "", line: int = 2) -> list[Equation]:
    group = (prefix[:-1],) if prefix else ()
    c, r, z, n = (prefix + s for s in "crzl")
    keep = call("mul", at(h, -1), call("sub", Const(1), at(z)))
    mixed = call("concat", x, call("mul", at(h, -1), at(r)))
    return [
        let(c, call("concat", at(h, -1), x), line, group),
        let(r, dense(f"{prefix}R", at(c), "sigmoid"), line + 1, group),
        let(z, dense(f"{prefix}Z", at(c), "sigmoid"), line + 2, group),
        let(n, dense(f"{prefix}H", mixed, "tanh"), line + 3, group),
        let(h, call("add", keep, at(n)), line + 4, group),
    ]


def gru() -> System:
    return system([let("h@0", Const(0), 1), *gru_lines("h", at("x"))], [], "x")


def gru_two_layers() -> System:
    first = gru_lines("h_1", at("x"), "Enc_1.")
    second = gru_lines("h_2", at("h_1"), "Enc_2.")
    heads = [let("h_1@0", Const(0), 7), let("h_2@0", Const(0), 8)]
    out = [let("p", dense("Gen", at("h_2"), "softmax"), 11)]
    return system([*heads, *first, *second, *out], [loss("cross_entropy", at("p"), at("y"), 11)], "x y")


def lstm_lines() -> list[Equation]:
    return [
        let("c@0", Const(0), 1),
        let("h@0", Const(0), 2),
        let("p", call("concat", at("h", -1), at("x")), 3),
        let("f", dense("F", at("p"), "sigmoid"), 4),
        let("i", dense("I", at("p"), "sigmoid"), 5),
        let("l", dense("C", at("p"), "tanh"), 6),
        let("o", dense("O", at("p"), "sigmoid"), 7),
        let("c", call("add", call("mul", at("c", -1), at("f")), call("mul", at("i"), at("l"))), 8),
        let("h", call("mul", call("tanh", at("c")), at("o")), 9),
    ]


def lstm() -> System:
    return system(lstm_lines(), [], "x")


def lstm_classifier() -> System:
    """A verdict after the last step."""
    out = let(".p", dense("Gen", last("h"), "softmax"), 10)
    goal = loss("cross_entropy", Read("p"), call("one_hot", Read("y")), 10)
    return system([*lstm_lines(), out], [goal], "x .y")


def lstm_generator() -> System:
    equations = [*lstm_lines(), let("q", dense("Gen", at("h"), "softmax"), 10)]
    return system(equations, [loss("cross_entropy", at("q"), call("one_hot", at("y")), 10)], "x y")


def environment(*actions: Expr) -> list[Equation]:
    return [
        let(".gamma", Const(0.999), 1),
        let("S@0", call("reset"), 2),
        let("S,O,r,d", call("step", at("S", -1), *actions), 3),
    ]


def looks_back(prediction: str = "V", line: int = 4) -> Goal:
    target = call("add", call("mul", at(prediction, -1), Read("gamma")), at("r"))
    return loss("mse", at(prediction), target, line)


def td() -> System:
    equations = [*environment(at("a", -1)), let("V", dense("Value", at("O")), 4)]
    return system(equations, [looks_back()], "a")


def advantage() -> Expr:
    ahead = call("add", call("mul", at("V", 1), Read("gamma")), at("r"))
    return call("sub", ahead, at("V"))


def a2c() -> System:
    policy = call("softmax", call("dense", at("O"), layer="Policy"))
    equations = [
        *environment(at("a", -1)),
        let("V", dense("Value", at("O")), 4),
        let("A", advantage(), 5),
        let("pi", policy, 6),
        let("a", call("sample", at("pi"))),
    ]
    value = call("mul", call("stop", at("A")), call("log_prob", at("pi"), call("stop", at("a"))))
    return system(equations, [looks_back(), Goal("objective", (at("pi"),), value, 6)])


def a2c_gae() -> System:
    decay = call("mul", call("mul", call("mul", Read("gamma"), Read("lam")), at("A", 1)),
                 call("sub", Const(1), at("d")))  # fmt: skip
    equations = [
        *environment(),
        let(".lam", Const(0.95), 2),
        let("V", dense("Value", at("O")), 4),
        let("TD", advantage(), 5),
        let("A", call("add", at("TD"), decay), 6),
        let("pi", dense("Policy", at("O"), "softmax"), 7),
    ]
    value = call("mul", call("stop", at("A")), call("log", at("pi")))
    return system(equations, [looks_back(), Goal("objective", (at("pi"),), value, 7)])


def td_gru() -> System:
    equations = [*environment(at("a", -1)), let("h@0", Const(0), 4), *gru_lines("h", at("O"), "Enc."),
                 let("V", dense("Value", at("h")), 12)]  # fmt: skip
    return system(equations, [looks_back(line=12)], "a")


def dqn() -> System:
    """The seed's own text, whose objective has no gradient."""
    equations = [*environment(), let("q", dense("Q", at("O")), 4)]
    best = call("one_hot", call("argmax", at("q")))
    value = call("add", call("stop", at("r")), best)
    return system(equations, [Goal("objective", (at("q", -1),), value, 4)])


def q_learning() -> System:
    """The form that learns, from a buffer."""
    batch = let(".o,.a,.r,.o',.d", call("Get", layer="B"), 5)
    best = call("max", Apply("dense", (Read("o'"),), "Q", (("target", True),)))
    target = call("add", Read("r"), call("mul", call("mul", Read("gamma"), best), call("sub", Const(1), Read("d"))))
    prediction = call("index", Read("q"), Read("a"))
    equations = [
        let(".gamma", Const(0.99), 1),
        batch,
        let(".q", dense("Q", Read("o")), 6),
    ]
    goal = Goal("loss", (Read("q"),), call("mse", prediction, call("stop", target)), 7)
    return system(equations, [goal], static=True)


def two_memories() -> System:
    both = call("concat", at("a", -1), at("x"))
    equations = [
        let("a@0", Const(0), 1),
        let("b@0", Const(0), 1),
        let("g", dense("G", both, "sigmoid"), 2),
        let("u", dense("U", both, "tanh"), 3),
        let("a", call("add", call("mul", at("a", -1), at("g")), at("u")), 4),
        let("k", dense("K", at("a"), "sigmoid"), 5),
        let("b", call("add", call("mul", at("b", -1), at("k")), at("a")), 6),
        let("p", dense("Out", at("b"), "softmax"), 7),
    ]
    return system(equations, [loss("cross_entropy", at("p"), at("y"), 7)], "x y")


def convolutional() -> System:
    image = call("relu", call("conv", Read("X"), layer="K_1"))
    small = call("max_pool", call("relu", call("batch_norm", call("conv", Read("h_1"), layer="K_2"), layer="N")))
    flat = call("dropout", call("flatten", Read("h_2")), p=0.3)
    equations = [
        let(".h_1", image, 1),
        let(".h_2", small, 2),
        let(".p", dense("M", flat, "softmax"), 3),
    ]
    return system(equations, [loss("cross_entropy", Read("p"), call("one_hot", Read("y")), 3)], ".X .y", static=True)


def chain(statements: int) -> System:
    """A recurrent program of any length: layers, each with a memory of its own every tenth statement."""
    equations: list[Equation] = []
    value: Expr = at("x")
    for n in range(1, statements + 1):
        state = f"s_{n}"
        if n % 10 == 0:
            equations += [let(f"{state}@0", Const(0), n)]
            value = call("add", call("mul", at(state, -1), value), at(f"s_{n - 1}"))
        else:
            value = dense(f"L_{n}", value, "tanh")
        equations.append(let(state, value, n))
        value = at(state)
    return system(equations, [], "x")


PROGRAMS: dict[str, Callable[[], System]] = {
    "mlp": mlp,
    "mlp_softmax": lambda: mlp("cross_entropy", "softmax"),
    "rnn": rnn,
    "gru": gru,
    "gru_two_layers": gru_two_layers,
    "lstm": lstm,
    "lstm_classifier": lstm_classifier,
    "lstm_generator": lstm_generator,
    "td": td,
    "a2c": a2c,
    "a2c_gae": a2c_gae,
    "td_gru": td_gru,
    "dqn": dqn,
    "q_learning": q_learning,
    "two_memories": two_memories,
    "convolutional": convolutional,
}


def laid(program: System, *expand: str) -> Scene:
    """The places of a program's picture, every macro unfolded unless it is said which."""
    return picture(program, expand=expand or ("all",)).scene


# --- what holds for every picture --------------------------------------------------------------------

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/program.sqn"))


def sound(part: Part) -> None:
    """Everything is drawn, nothing lies on anything else, and every word is inside its box."""
    graph, placed = part.graph, part.placed
    solid = [n for n, node in enumerate(graph.nodes) if node.kind not in {"entry", "exit", "merge"}]
    assert len(placed.wires) == sum(len(net.sinks) for net in graph.nets)
    for a, b in combinations(solid, 2):
        assert not placed.box(a).meets(placed.box(b)), (graph.nodes[a].label, graph.nodes[b].label)
    for wire in placed.wires:
        ends = {graph.nets[wire.net].source, wire.sink}
        for piece in pieces(wire.corners):
            assert not any(piece.meets(placed.box(n)) for n in solid if n not in ends)
    for n in solid:
        node, width = graph.nodes[n], placed.extents[n][0]
        turned = not graph.timed and node.kind == "function"
        room = width - tab_width(node)
        assert turned or label_width(node.label, label_size(node)) <= room
    for a, b in combinations([tag.box for tag in part.tags], 2):
        assert not a.meets(b)


def pieces(corners: tuple[tuple[float, float], ...]) -> Iterator[Box]:
    for (x, y), (u, v) in pairwise(corners):
        assert x == u or y == v
        yield Box(min(x, u), min(y, v), max(x, u), max(y, v)).grown(0.5)


def straight(part: Part) -> None:
    """A rail leaves at the height at which it came, and one that goes through bends nowhere."""
    came: dict[tuple[str, bool], float] = {}
    left: dict[tuple[str, bool], float] = {}
    for node, (_, y) in zip(part.graph.nodes, part.placed.spots, strict=True):
        if node.side:
            heights, onwards = (came, node.side == "left") if node.kind == "entry" else (left, node.side == "right")
            heights.setdefault((node.state, onwards), y)
    for rail, y in came.items():
        assert left[rail] == y


@pytest.mark.parametrize("macros", ["all", "none"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_drawn_soundly(program: str, macros: str) -> None:
    for part in laid(PROGRAMS[program](), macros).parts.values():
        sound(part)


@pytest.mark.parametrize("program", ["rnn", "gru", "gru_two_layers", "lstm", "lstm_generator", "td", "two_memories"])
def test_rails_are_straight(program: str) -> None:
    straight(laid(PROGRAMS[program]()).parts["c"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_named_value_is_named(program: str) -> None:
    for part in laid(PROGRAMS[program]()).parts.values():
        nodes, told = part.graph.nodes, {(tag.state, tag.role) for tag in part.tags}
        for net in part.graph.nets:
            circled = nodes[net.source].kind in {"input", "target", "output"} or {nodes[s].kind for s in net.sinks} == {
                "output"
            }
            assert circled or not net.value.state or (net.value.state, "value") in told


@pytest.mark.parametrize(("program", "most"), [("lstm", 1), ("gru", 1), ("gru_two_layers", 2), ("a2c_gae", 10)])
def test_wires_cross_as_seldom_as_in_olahs_pictures(program: str, most: int) -> None:
    assert len(laid(PROGRAMS[program]()).parts["c"].placed.crossings) <= most


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_a_program_of_the_seed_is_drawn_even_with_its_faults(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    meant = elaborate(parse(text), Source.of(text), Kernel()).system
    for scene in (laid(meant), laid(meant, "none")):
        for part in scene.parts.values():
            sound(part)


def test_a_target_that_other_steps_read_stands_in_the_cell() -> None:
    text = "x_t : 3\nabs(y_t) -> s_t\nx_t --[M]-> p_t => s_t\np_t + s_{t+1} -> q_t\n"
    part = laid(elaborate(parse(text), Source.of(text), Kernel()).system).parts["c"]
    assert "aside" not in {node.kind for node in part.graph.nodes}
    assert {node.state for node in part.graph.nodes if node.kind == "exit"} == {"s"}
    sound(part)


@settings(max_examples=10)
@given(examples())
def test_any_program_is_drawn_soundly(example: Example) -> None:
    for part in laid(example.system).parts.values():
        sound(part)


def test_letters_are_given_about_the_room_that_they_take() -> None:
    """Advances of DejaVu Sans, of a Times italic and of DejaVu Serif's, which browsers take where there is no Times, in
    thousandths of the size."""
    sans = {
        "σ": 634,
        "tanh": 2272,
        "softmax": 4038,
        "1−": 1474,
        "one_hot": 3999,
        "MSE": 2129,
        "×γλ": 2021,
        "step": 2163,
    }
    times = {"h": 500, "W": 833, "t−1": 1453, "1,t−1": 2203, "Gen": 1666, "T+1": 1731}
    dejavu = {"h": 644, "W": 1027, "t−1": 1875, "1,t−1": 2830, "Gen": 2034, "T+1": 2141}
    assert SANS.startswith("DejaVu Sans")
    for word, advance in sans.items():
        assert advance * 0.97 <= text_width(word, 1000) <= advance * 1.25
    for word, advance in times.items():
        assert advance <= text_width(word, 1000, serif=True) <= advance * 1.3
        assert dejavu[word] * 0.89 <= text_width(word, 1000, serif=True) <= dejavu[word] * 1.1
