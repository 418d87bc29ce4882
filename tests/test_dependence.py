"""What depends on what: components in an order of computation, and what has none."""

from __future__ import annotations

from hypothesis import given as for_all
from hypothesis import strategies as st
from systems import Example, at, bare, dense, end, examples, fed, gae, given, gru, loss, lstm, mlp, op, over, system

from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import Apply, Const, Equation, Fixed, Input, Range, Running, System, Target, reads
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import Problem, describe
from sqmagic.notation.source import Source
from sqmagic.schedule.dependence import Dependence, dependence
from sqmagic.schedule.graph import least, shortest_cycle, stable_order, strong_components


def found(made: System) -> Dependence:
    facts = dependence(made)
    assert facts.problems == ()
    return facts


def kinds(made: System) -> list[tuple[str, str]]:
    return [(" ".join(c.states), c.kind) for c in found(made).components]


# --- order and kinds -----------------------------------------------------------------------------


def test_a_network_is_computed_once_in_the_order_of_the_program() -> None:
    assert kinds(mlp().system) == [("h", "once"), ("p", "once")]


def test_the_cell_of_an_lstm_is_one_scan() -> None:
    facts = found(lstm().system)
    assert [(c.states, c.kind, c.distances) for c in facts.components] == [
        (("c",), "once", ()),
        (("h",), "once", ()),
        (("p", "f", "i", "l", "o", "c", "h"), "forward scan", (1,)),
    ]


def test_what_carries_no_recurrence_stays_out_of_the_scan() -> None:
    made = system(
        *fed("x"),
        over("e", dense("E", at("x"))),
        given("h", 0),
        over("h", op("tanh", op("add", at("h", -1), at("e")))),
        over("p", op("softmax", at("h"))),
    )
    assert kinds(made) == [("h", "once"), ("e", "parallel"), ("h", "forward scan"), ("p", "parallel")]


def test_advantages_are_scanned_in_reverse() -> None:
    assert kinds(gae().system) == [
        ("gamma", "once"),
        ("V", "parallel"),
        ("TD", "parallel"),
        ("A", "reverse scan"),
    ]


def test_distances_are_told() -> None:
    made = system(
        given("a", 0),
        given("a", -1),
        given("a", -2),
        over("a", op("sub", at("a", -1), at("a", -3))),
        over("b", op("add", at("b", 2), at("a"))),
        over("c", op("sum", at("c", Range(Running("t", 1), Running("t", 3))))),
    )
    told = {c.states[0]: c.distances for c in found(made).components if c.kind.endswith("scan")}
    assert told == {"a": (1, 3), "b": (2,), "c": (1, 2, 3)}


def test_a_step_is_computed_in_an_order_that_works() -> None:
    made = system(
        given("h", 0),
        over("h", at("l")),
        over("l", at("z")),
        over("z", at("h", -1)),
    )
    (_, scan) = found(made).components
    assert scan.equations == (3, 2, 1)


def test_bare_states_come_first_unless_they_read_a_sequence() -> None:
    made = system(
        *fed("x"),
        over("a", op("mul", at("x"), at("g", None))),
        bare("s", op("mean", at("a", Range(Fixed(1), end())))),
        over("b", op("sub", at("a"), at("s", None))),
        given("G", end(), at("b", end())),
        over("G", op("add", at("G", 1), at("b"))),
        bare("g", Const(2.0)),
    )
    assert kinds(made) == [
        ("g", "once"),
        ("a", "parallel"),
        ("s", "once"),
        ("b", "parallel"),
        ("G", "once"),
        ("G", "reverse scan"),
    ]


def test_a_base_case_may_be_computed_from_another_sequence() -> None:
    made = system(
        *fed("x"),
        given("h", 0),
        over("h", op("add", at("h", -1), at("x"))),
        given("d", 0, at("h", end())),
        over("d", op("tanh", at("d", -1))),
    )
    assert kinds(made) == [("h", "once"), ("h", "forward scan"), ("d", "once"), ("d", "forward scan")]


def test_ranges_that_grow_need_a_loop() -> None:
    def growing(read: object) -> bool:
        made = system(*fed("x"), over("k", op("mean", at("x", read))))  # type: ignore[arg-type]
        (component,) = found(made).components
        assert component.kind == "parallel"
        return component.growing

    assert growing(Range(Fixed(1), Running("t")))
    assert growing(Range(Running("t"), end()))
    assert not growing(Range(Running("t", -3), Running("t")))
    assert not growing(Range(Fixed(1), end()))


def test_a_range_up_to_the_step_before_is_a_recurrence() -> None:
    made = system(*fed("x"), given("k", 1), over("k", op("mean", at("k", Range(Fixed(1), Running("t", -1))))))
    (_, scan) = found(made).components
    assert (scan.kind, scan.distances, scan.growing) == ("forward scan", (1,), True)


def test_effects_are_marked() -> None:
    made = system(
        given("S", 0),
        over("S", Apply("step", (at("S", -1), at("a")))),
        over("a", op("sample", op("softmax", at("S", -1)))),
        over("p", at("S")),
    )
    assert {c.states: c.effects for c in found(made).components} == {("S",): False, ("S", "a"): True, ("p",): False}


def test_one_equation_of_several_outputs_is_one_node() -> None:
    both = Equation((Target("a", (Running("t"),)), Target("b", (Running("t"),))), op("split", at("h", -1)))
    made = system(given("h", 0), both, over("h", op("concat", at("b"), at("a"))))
    (_, scan) = found(made).components
    assert (scan.states, scan.equations) == (("a", "b", "h"), (1, 2))


@for_all(examples())
def test_every_equation_comes_after_what_it_needs(example: Example) -> None:
    facts = found(example.system)
    place = {number: n for n, c in enumerate(facts.components) for number in c.equations}
    assert sorted(place) == list(range(len(example.system.equations)))
    for component in facts.components:
        seen: set[int] = set()
        for number in component.equations:
            for reading in facts.readings[number]:
                for definer in reading.definers:
                    assert place[definer] <= place[number]
                    if place[definer] == place[number] and reading.within_step:
                        assert definer in seen
            seen.add(number)


@for_all(examples(shuffled=False), st.data())
def test_kinds_do_not_depend_on_the_order_of_the_program(example: Example, data: st.DataObject) -> None:
    equations = tuple(data.draw(st.permutations(example.system.equations)))
    parts = (example.system.inputs, example.system.goals, example.system.layers)
    other = system(*equations, *(p for part in parts for p in part))

    def told(made: System) -> set[tuple[frozenset[str], str, tuple[int, ...], bool]]:
        return {(frozenset(c.states), c.kind, c.distances, c.growing) for c in found(made).components}

    assert told(other) == told(example.system)


def test_ten_thousand_equations_meet_no_limit() -> None:
    last = 9_999
    chain = [over(f"s{n}", op("tanh", at(f"s{n + 1}"))) for n in range(last)]
    closed = system(given("s0", 0), *chain, over(f"s{last}", at("s0", -1)))
    assert [len(c.equations) for c in found(closed).components] == [1, last + 1]
    assert [c.kind for c in found(system(*fed(f"s{last}"), *chain)).components] == ["parallel"] * last


# --- faults --------------------------------------------------------------------------------------


def refused(*parts: object) -> list[tuple[str, str]]:
    return [(p.code, p.message) for p in dependence(system(*parts)).problems]  # type: ignore[arg-type]


def explained(text: str) -> list[str]:
    source = Source.of(text)
    made = elaborate(parse(text), source, Kernel())
    assert made.problems == ()
    return ["\n".join(describe(p, source)) for p in dependence(made.system, source).problems]


def only(text: str) -> Problem:
    source = Source.of(text)
    (problem,) = dependence(elaborate(parse(text), source, Kernel()).system, source).problems
    return problem


LSTM = """0 -> c_0
0 -> h_0
h_{t-1}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
o_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
"""


def test_the_lstm_of_the_seed_is_offered_what_its_other_gates_read() -> None:
    assert explained(LSTM) == [
        "SQ401: `o_t` is defined by itself within a step\n"
        "  line 7 | o_t --[O|sigmoid]-> o_t\n"
        "           ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  write instead:\n"
        "    p_t --[O|sigmoid]-> o_t"
    ]


def test_without_a_gate_of_the_same_form_the_nearest_name_is_offered() -> None:
    assert only(LSTM.replace("o_t --[O|sigmoid]->", "o_t --[O|relu]->")).repair == "l_t --[O|relu]-> o_t"


def test_the_name_that_is_offered_does_not_need_the_cycle() -> None:
    problem = only("x_t --[A|relu]-> a_t\no_t --[B|tanh]-> b_t\nb_t --[C|exp]-> c_t\nc_t --[O|sigmoid]-> o_t")
    assert problem.message == (
        "`b_t` is defined by itself within a step: `b_t` reads `o_t`, `o_t` reads `c_t`, `c_t` reads `b_t`"
    )
    assert problem.repair == "a_t --[B|tanh]-> b_t"


def test_a_name_is_replaced_where_it_stands() -> None:
    assert only("x_t --[A]-> a_t\noo_t + o_t*n_t -> o_t").repair == "oo_t + a_t*n_t -> o_t"
    assert only("x_t --[A]-> a_t\no --[O|relu]-> o_t => y_t").repair == "a_t --[O|relu]-> o_t => y_t"


def test_what_is_read_in_several_places_is_not_repaired_in_one() -> None:
    for text in ("oo_t + o_t*o_t -> o_t", "min(o_{1:t} @ o_t) -> o_t", "x_t + o_t*o -> o_t"):
        problem = only(f"x_t --[A]-> a_t\n{text}")
        assert problem.repair is None
        assert problem.notes[0].startswith("it is read in several places: the result needs a name of its own")


def test_a_cycle_within_a_macro_is_repaired_in_its_own_words() -> None:
    text = "Enc: h_{t-1}, x_t\n    h_{t-1}|x_t -> c_t\n    r_t --[R|tanh]-> r_t\n    r_t*c_t -> h_t\n    return h_t\n"
    problem = only(text + "0 -> h_0\nh_{t-1}, x_t --[Enc]-> h_t")
    assert problem.message == "`Enc.r_t` is defined by itself within a step"
    assert problem.repair == "c_t --[R|tanh]-> r_t"


def test_a_range_that_includes_its_own_step_is_offered_to_end_before_it() -> None:
    assert only("0 -> k_1\nmean(k_{1:t}) + x_t -> k_t").repair == "mean(k_{1:t-1}) + x_t -> k_t"
    assert only("sum(G_{t:T}) + x_t -> G_t").repair == "sum(G_{t+1:T}) + x_t -> G_t"


def test_without_the_text_the_repair_is_told_in_a_note() -> None:
    (problem,) = dependence(system(*fed("x"), over("a", at("x")), over("o", op("tanh", at("o"))))).problems
    assert (problem.repair, problem.notes) == (None, ("read `a_t` in place of `o_t`.",))


def test_bare_states_in_a_circle() -> None:
    assert refused(bare("a", at("b", None)), bare("b", at("a", None))) == [
        ("SQ401", "`a` is defined by itself: `a` reads `b`, `b` reads `a`")
    ]


def test_a_whole_sequence_cannot_be_read_by_what_makes_it() -> None:
    assert refused(
        *fed("x"),
        bare("m", op("mean", at("h", Range(Fixed(1), end())))),
        over("h", op("sub", at("x"), at("m", None))),
    ) == [("SQ401", "`m` is defined by itself within a step: `m` reads `h_{1:T}`, `h_t` reads `m`")]


def test_several_cycles_are_reported_together() -> None:
    made = [over("a", op("tanh", at("a"))), over("b", op("exp", at("b"))), over("c", at("a"))]
    facts = dependence(system(*made))
    assert [p.message for p in facts.problems] == [
        "`a_t` is defined by itself within a step",
        "`b_t` is defined by itself within a step",
    ]
    assert [c.kind for c in facts.components] == ["fault", "fault", "parallel"]


def test_a_way_out_is_offered_for_the_first_cycles_only() -> None:
    made = [over(f"s{n}", op("tanh", at(f"s{n}"))) for n in range(30)]
    problems = dependence(system(*fed("x"), over("a", at("x")), *made)).problems
    assert [bool(p.notes) for p in problems] == [True] * 20 + [False] * 10


def test_a_recurrence_without_a_base_case_is_offered_one() -> None:
    assert explained("X_t|h_{t-1} --[M_1]-> h_t --[M_2]-> p => y_t") == [
        "SQ402: `h_{t-1}` is read, and no base case says what `h_0` is\n"
        "  line 1 | X_t|h_{t-1} --[M_1]-> h_t --[M_2]-> p => y_t\n"
        "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  write instead:\n"
        "    0 -> h_0\n"
        "    X_t|h_{t-1} --[M_1]-> h_t --[M_2]-> p => y_t"
    ]


def test_every_state_that_lacks_a_base_case_is_named() -> None:
    bare_lstm = LSTM.replace("o_t --[O", "p_t --[O").replace("0 -> c_0\n0 -> h_0\n", "")
    source = Source.of(bare_lstm)
    problems = dependence(elaborate(parse(bare_lstm), source, Kernel()).system, source).problems
    assert [p.repair for p in problems] == [
        "0 -> h_0\nh_{t-1}|x_t -> p_t",
        "0 -> c_0\nc_{t-1}*f_t + i_t*l_t -> c_t",
    ]


def test_as_many_base_cases_are_offered_as_the_recurrence_reaches_back() -> None:
    assert only("h_{t-1} + h_{t-3} + x_t -> h_t").repair == (
        "0 -> h_0\n0 -> h_{-1}\n0 -> h_{-2}\nh_{t-1} + h_{t-3} + x_t -> h_t"
    )
    assert only("mean(k_{1:t-1}) + x_t -> k_t").repair == "0 -> k_1\nmean(k_{1:t-1}) + x_t -> k_t"


def test_an_environment_begins_with_a_reset() -> None:
    assert only("S_{t-1} --[step]-> S_t, O_t\nO_t --[V]-> v_t").repair == (
        "reset() -> S_0\nS_{t-1} --[step]-> S_t, O_t"
    )


def test_a_state_that_begins_by_way_of_another_needs_no_base_case_of_its_own() -> None:
    made = system(
        given("S", 0),
        given("O", 0),
        Equation((Target("S", (Running("t"),)), Target("O", (Running("t"),))), op("split", at("a", -1))),
        over("pi", op("softmax", at("O"))),
        over("a", op("concat", at("pi"), at("pi"))),
    )
    assert [c.kind for c in found(made).components] == ["once", "once", "forward scan"]


def test_base_cases_that_do_not_reach_back_far_enough() -> None:
    problem = only("0 -> h_0\nx_t + h_{t-2} -> h_t")
    assert (problem.code, problem.message) == ("SQ403", "`h_1` needs `h_{-1}`, and no base case gives it")
    assert problem.repair == "0 -> h_{-1}\nx_t + h_{t-2} -> h_t"
    assert refused(given("k", 2), over("k", op("mean", at("k", Range(Fixed(1), Running("t", -1)))))) == [
        ("SQ403", "`k_3` needs `k_1`, and no base case gives it")
    ]
    assert refused(given("k", 0), over("k", op("mean", at("k", Range(Fixed(1), Running("t", -1)))))) == [
        ("SQ403", "`k_1` has nothing to read, as `k_{1:t-1}` begins at 1, and no base case gives it")
    ]


def test_a_recurrence_that_looks_both_ways_has_no_first_step() -> None:
    assert refused(given("h", 0), over("h", op("add", at("h", -1), at("h", 1)))) == [
        ("SQ404", "`h_t` looks back at `h_{t-1}` and it looks ahead at `h_{t+1}`: there is no step to begin with")
    ]
    both = op("add", at("A", 1), at("A", -3))
    assert refused(given("h", 0), over("h", both), over("A", at("h"))) == [
        ("SQ404", "`h_t` looks back at `A_{t-3}` and it looks ahead at `A_{t+1}`: there is no step to begin with")
    ]


def test_a_way_round_that_leads_nowhere_is_said_step_by_step() -> None:
    assert refused(given("h", 0), over("h", at("A", -1)), over("A", at("h", 1))) == [
        ("SQ404", "`h_t` is defined by itself: `h_t` reads `A_{t-1}`, `A_{t-1}` reads `h_t`")
    ]


def test_two_sequences_that_run_opposite_ways_are_no_fault() -> None:
    made = system(
        *fed("x"),
        given("f", 0),
        over("f", op("add", at("f", -1), at("x"))),
        over("b", op("add", at("b", 1), at("x"))),
        over("p", op("concat", at("f"), at("b"))),
    )
    assert kinds(made)[1:] == [("f", "forward scan"), ("b", "reverse scan"), ("p", "parallel")]


def test_two_indices_are_refused() -> None:
    read = at("x")
    made = Equation((Target("h", (Running("t"), Fixed(1))),), read)
    (problem,) = dependence(system(Input("x", True), made)).problems
    assert (problem.code, problem.message) == (
        "SQ407",
        "`h_{t,1}` has two indices, and only one can be computed over so far",
    )


def test_readings_of_goals_are_told() -> None:
    made = system(*fed("x", "y"), over("p", at("x")), loss(at("p", -1), at("y")))
    (goal,) = found(made).goals
    assert [(r.read.state, r.first, r.definers) for r in goal] == [("p", -1, (0,)), ("y", 0, ())]


def test_a_gru_is_one_scan() -> None:
    assert [c.kind for c in found(gru().system).components] == ["once", "forward scan"]
    assert all(reads(e.value) for e in gru().system.equations[1:])


# --- graphs --------------------------------------------------------------------------------------

graphs = st.integers(1, 8).flatmap(
    lambda n: st.lists(st.sets(st.integers(0, n - 1)).map(sorted), min_size=n, max_size=n)
)


def reached(graph: list[list[int]], start: int) -> set[int]:
    """The nodes to which a path of one edge or more leads."""
    seen: set[int] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph[node]
    return seen


@for_all(graphs)
def test_components_are_the_nodes_that_reach_one_another(graph: list[list[int]]) -> None:
    components = strong_components(graph)
    assert sorted(n for c in components for n in c) == list(range(len(graph)))
    home = {n: number for number, c in enumerate(components) for n in c}
    for a in range(len(graph)):
        for b in reached(graph, a):
            assert home[b] <= home[a]
            assert (home[a] == home[b]) == (a == b or a in reached(graph, b))


@for_all(graphs)
def test_an_order_has_every_node_after_its_successors_and_is_stable(graph: list[list[int]]) -> None:
    acyclic = [[s for s in successors if s < node] for node, successors in enumerate(graph)]
    assert stable_order(acyclic, lambda n: (n,)) == list(range(len(graph)))
    backward = [[s for s in successors if s > node] for node, successors in enumerate(graph)]
    order = stable_order(backward, lambda n: (n,))
    assert all(order.index(s) < order.index(n) for n in range(len(graph)) for s in backward[n])


@for_all(graphs)
def test_a_shortest_cycle_is_one(graph: list[list[int]]) -> None:
    for start in range(len(graph)):
        if start in reached(graph, start):
            cycle = shortest_cycle(graph, start)
            assert cycle[0] == start
            assert len(set(cycle)) == len(cycle)
            assert all(b in graph[a] for a, b in zip(cycle, [*cycle[1:], start], strict=True))


@for_all(graphs, st.dictionaries(st.integers(0, 7), st.integers(-5, 5)))
def test_least_values_are_a_fixed_point(graph: list[list[int]], values: dict[int, int]) -> None:
    kept = {n: v for n, v in values.items() if n < len(graph)}
    edges = {n: [(s, (n + s) % 3) for s in successors] for n, successors in enumerate(graph)}
    result = least(kept, edges, lambda weight, value: value + weight)
    for node, value in result.items():
        through = [result[n] + w for n in result for s, w in edges[n] if s == node]
        assert value == min([*through, *([kept[node]] if node in kept else [])])
    assert set(result) == set(kept) | {m for n in kept for m in reached(graph, n)}
