"""The derivation: what each sheet shows, that all of it is true, and that what is wrong would be caught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, reject, settings
from hypothesis import given as for_all
from mutants import GAE, LSTM, SEED, mutants, program, shown
from programs import PROGRAMS
from systems import Example, examples

from sqmagic.calculus.derivation.forms import Chain, Derivation
from sqmagic.checking.bench import CannotCheck
from sqmagic.checking.check import WORST, WrongForm, check, checked, prepared, sheet_and_bench, unchecked
from sqmagic.checking.draws import drawn
from sqmagic.checking.judging import is_judged, judged
from sqmagic.checking.kinks import near_a_kink
from sqmagic.equations.elaborate import Kernel
from sqmagic.equations.shapes import Shapes
from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Const, Expr, Read, System
from sqmagic.pipeline import understand

GOLDEN = tuple(str.split("a2c a2c_gae gru_inline gru_macro mlp_mse mlp_softmax rnn rnn_feedforward td td_gru"))


def chain_of(sheet: Derivation, left: str, kind: str = "") -> Chain:
    """The chain with this left side, deltas under the names of their layers (`δF`)."""
    found = [c for c in sheet.chains if told(sheet, *c.left) == left and (not kind or c.kind == kind)]
    assert len(found) == 1, [told(sheet, *c.left) for c in sheet.chains]
    return found[0]


def told(sheet: Derivation, *exprs: Expr) -> str:
    text = ", ".join(map(show, exprs))
    for state, layer in sheet.deltas.items():
        text = text.replace(state, f"δ{layer}")
    for state, layer in sheet.activations.items():
        text = text.replace(f"{state}_t", f"a{layer}_t")
    return text


def forms(sheet: Derivation, left: str) -> list[str]:
    return [told(sheet, form.expr) for form in chain_of(sheet, left).forms]


# --- what a sheet shows --------------------------------------------------------------------------


def test_the_adjoint_of_a_state_says_from_which_lines_its_terms_come() -> None:
    sheet = unchecked(understand(LSTM).system)
    terms = chain_of(sheet, "^c_t").forms[0].terms
    assert [(told(sheet, t.expr), t.line, t.offset) for t in terms] == [
        ("^h_t * o_t * (1 - square(tanh(c_t)))", 10, 0),
        ("during(^c_{t+1} * f_{t+1}, t+1, last=0)", 9, 1),
    ]
    assert chain_of(sheet, "^f_t").note == "used in line 9"


def test_the_chain_rule_is_told_twice() -> None:
    sheet = unchecked(understand(LSTM).system)
    chain = chain_of(sheet, "δF_t")
    assert forms(sheet, "δF_t") == ["^f_t * derivative(aF_t, function=sigmoid)", "^f_t * f_t * (1 - f_t)"]
    assert [form.rule for form in chain.forms] == ["chain rule", "σ' = σ (1 − σ)"]


def test_softmax_with_cross_entropy_comes_down_to_a_difference_by_steps() -> None:
    sheet = unchecked(program("mlp_softmax"))
    assert forms(sheet, "δM_2") == [
        "p * (^p - sum(p * ^p))",
        "p * (-(one_hot(y) / p) - sum(p * -(one_hot(y) / p)))",
        "p * sum(one_hot(y)) - one_hot(y)",
        "p - one_hot(y)",
    ]
    assert [form.rule for form in chain_of(sheet, "δM_2").forms] == ["softmax adjoint", "def ^p", "cancel", "1ᵀy = 1"]


def test_a_policy_gradient_comes_down_to_the_same() -> None:
    sheet = unchecked(understand(GAE).system)
    assert forms(sheet, "δPolicy_t")[-1] == "during(1 / (T-1) * A_t * (pi_t - one_hot(a_t)), t, last=-1)"


def test_it_does_so_too_where_the_choice_is_written_as_a_sum() -> None:
    written = GAE.replace("log(pi_t[a_t])", "sum(one_hot(a_t)*log(pi_t))")
    assert written != GAE
    last = forms(unchecked(understand(written).system), "δPolicy_t")[-1]
    assert last == forms(unchecked(understand(GAE).system), "δPolicy_t")[-1]


def test_what_is_held_fixed_is_said_to_be() -> None:
    sheet = unchecked(understand(GAE).system)
    for state in ("^A_t", "^TD_t"):
        chain = chain_of(sheet, state)
        assert (chain.forms[0].expr, chain.note) == (Const(0.0), "held fixed")


def test_the_loss_has_the_normalisation_that_the_code_has() -> None:
    assert forms(unchecked(program("rnn")), "^p_t") == ["during(2 / (T * size(p_t)) * (p_t - y_t), t, first=1)"]
    assert forms(unchecked(program("td")), "^V_t") == [
        "during(2 / (T-1) * (V_t - (V_{t-1} * gamma + r_t)), t, first=2)"
    ]


def test_transforms_stand_in_the_update() -> None:
    sheet = unchecked(understand(GAE).system)
    assert forms(sheet, "^Policy.bias.clipped") == ["min(1, 0.1 / (^Policy.norm + 1e-06)) * ^Policy.bias"]
    sheet = unchecked(understand(LSTM).system)
    assert forms(sheet, "Gen.bias.m'") == ["0.9 * Gen.bias.m + (1 - 0.9) * ^Gen.bias"]
    assert chain_of(sheet, "Gen.bias", "update").relation == "<-"


def test_the_copy_of_a_target_follows_in_the_update() -> None:
    sheet = unchecked(understand("o : 3\no' : 3\no --[Q]-> q => target(Q, tau=0.25)(o')").system)
    assert forms(sheet, "Q.weight.target'") == ["(1 - 0.25) * Q.weight.target + 0.25 * Q.weight.new"]
    assert chain_of(sheet, "Q.bias.target'", "update").relation == "<-"


def test_a_frozen_layer_has_no_update() -> None:
    sheet = unchecked(understand(PROGRAMS["frozen"]).system)
    assert chain_of(sheet, "^M_2.weight").note == "no update"


def test_rows_are_the_lines_of_the_text_and_effects_stand_as_written() -> None:
    sheet = unchecked(program("td_gru"))
    lines = [row.line for row in sheet.rows if row.line]
    assert len(lines) == len(set(lines))
    steps = [c for c in sheet.chains if c.kind == "effect" and c.left]
    assert [told(sheet, *c.left) for c in steps] == ["S_0", "S_t, O_t, r_t, d_t"]


def test_a_program_without_goals_goes_forward_only() -> None:
    sheet = unchecked(program("gru_inline"))
    assert all(row.backward == row.update == () for row in sheet.rows)


# --- that it is true -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDEN)
def test_every_form_of_a_program_of_the_seed_is_true(name: str) -> None:
    sheet, found = check(program(name))
    assert found.worst < 1e-12
    assert found.forms >= len([c for c in sheet.chains if c.kind in ("adjoint", "delta", "gradient", "update")])


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_form_of_a_program_is_true(name: str) -> None:
    assert check(understand(PROGRAMS[name]).system)[1].worst < 1e-12


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@for_all(examples())
def test_every_form_of_a_generated_program_is_true(example: Example) -> None:
    shapes = Shapes(dict(example.states), dict(example.parameters))
    try:
        sheet, bench = sheet_and_bench(example.system, shapes)
    except CannotCheck:
        reject()
    assert checked(sheet, bench).worst < 1e-12


# --- that what is wrong would be caught ----------------------------------------------------------

EQUAL = frozenset((Path(__file__).parent / "equal_in_value.txt").read_text(encoding="utf-8").split("\n"))
"""Variants that are no mistakes: a delta that is the adjoint itself, since no function stands between them; a count of
components told by another vector of as many; a slope of relu told by its value; a clipping that is not reached."""


def test_wrong_forms_are_caught_but_for_those_that_are_equal_in_value() -> None:
    tried, missed = 0, set()
    for name in SEED:
        sheet, bench = prepared(program(name))
        for chain in sheet.chains:
            for form in chain.forms if is_judged(chain, bench) else ():
                wrong = [m for _, m in mutants(form.expr, sheet, chain)]
                tried += len(wrong)
                left = ", ".join(map(show, chain.left)) or chain.kind
                for variant, error in zip(wrong, judged([(chain, m) for m in wrong], bench), strict=True):
                    if error <= WORST:
                        missed.add(f"{name}: {left} = {shown(variant)}")
    assert tried >= 1000
    assert missed == EQUAL


def test_a_wrong_form_is_an_error_of_ours_and_is_not_shown() -> None:
    sheet, bench = prepared(program("rnn"))
    chain = chain_of(sheet, "^p_t")
    (form,) = chain.forms
    object.__setattr__(form, "expr", Apply("neg", (form.expr,)))
    with pytest.raises(WrongForm, match=r"sqmagic is wrong: \^p_t is not -during"):
        checked(sheet, bench)


def test_what_is_not_finite_is_wrong() -> None:
    sheet, bench = prepared(program("rnn"))
    chain = chain_of(sheet, "^p_t")
    nothing = Apply("div", (Const(0.0), Const(0.0)))
    assert judged([(chain, nothing)], bench) == [float("inf")]


def test_sizes_are_distinct_primes_and_the_window_is_long_enough() -> None:
    _, bench = prepared(program("rnn"))
    sizes = [bench.shapes.states[state][0] for state in ("X", "h", "p")]
    assert sorted(sizes) == [3, 5, 7]
    assert bench.horizon >= 4
    assert bench.inputs["h_0.drawn"].min() != bench.inputs["h_0.drawn"].max()


def test_a_draw_near_a_kink_is_not_used() -> None:
    made: System = program("mlp_mse")
    _, bench = prepared(made)
    for seed in range(3):
        parameters, inputs = drawn(bench.system, bench.shapes, bench.horizon, 2, seed)
        parameters = {name: np.zeros_like(value) for name, value in parameters.items()}
        assert near_a_kink(bench.system, bench.shapes, parameters, inputs, horizon=bench.horizon, batch=2)


def test_a_read_of_a_sheet_is_defined_by_its_system() -> None:
    for name in SEED:
        sheet = unchecked(program(name))
        known = {t.state for e in sheet.system.equations for t in e.targets} | {i.state for i in sheet.system.inputs}
        kept = set(sheet.given) | {n for c in sheet.chains if c.kind == "update" for n in _names(c)}
        for chain in sheet.chains:
            for form in chain.forms if chain.kind != "effect" else ():
                assert {n.state for n in _reads(form.expr)} <= known | kept


def _names(chain: Chain) -> list[str]:
    return [read.state for read in chain.left if isinstance(read, Read)]


def _reads(expr: Expr) -> list[Read]:
    waiting, found = [expr], []
    while waiting:
        node = waiting.pop()
        found += [node] if isinstance(node, Read) else []
        waiting += node.args if isinstance(node, Apply) else ()
    return found


MORE = {
    "deep Q-learning": """
O_t : 3
0.99 -> gamma
reset() -> S_0, O_0
O_t --[Q]-> q_t
eps_greedy(q_t) -> a_t
step(S_{t-1}, a_{t-1}) -> S_t, O_t, r_t, d_t
q_t[a_t] -> c_t => r_{t+1} + gamma*max(target(Q)(O_{t+1}))*(1 - d_{t+1})
""",
    "actor and critic": """
O_t : 4
0.99 -> gamma
reset() -> S_0, O_0
step(S_{t-1}, a_{t-1}) -> S_t, O_t, r_t, d_t
O_t --[Policy|softmax]-> pi_t
pi_t : 3
sample(pi_t) -> a_t
O_t --[Value]-> V_t
V_t => r_{t+1} + gamma*V_{t+1}*(1 - d_{t+1})
r_{t+1} + gamma*V_{t+1}*(1 - d_{t+1}) - V_t -> A_t
pi_t $ A_t * log(pi_t[a_t]) + 0.01*entropy(pi_t)
""",
    "a buffer": """
B : buffer(1000, batch=4)
O_t : 3
reset() -> S_0, O_0
O_t --[Q]-> q_t
q_t : 2
eps_greedy(q_t) -> a_t
step(S_{t-1}, a_{t-1}) -> S_t, O_t, r_t, d_t
Add_B(O_{t-1}, a_{t-1}, r_t, O_t, d_t)
Get_B() -> P_t, b_t, s_t, N_t, e_t
Q(P_t)[b_t] -> c_t => s_t + 0.9*max(target(Q)(N_t))*(1 - e_t)
""",
    "noise": """
x : 5
x --[E|tanh]-> h
h --[M]-> m
h --[S]-> s
m : 2
m + exp(s)*gauss() -> z
z --[D|sigmoid]-> y => x
k := -0.5*sum(1 + 2*s - square(m) - exp(2*s))
k $ -k
""",
    "dropout": """
x : 5
x --[M|relu|dropout(0.3)|N|softmax]-> p => one_hot(y)
y : class(3)
""",
    "two optimisers": """
x_t : 3
x_t --[sgd_opt(A, lr=0.1, momentum=0.9)|tanh]-> a_t --[sgd_opt(clip_grad(B, 0.2), lr=0.3)]-> b_t => y_t
y_t : 2
""",
    "layers on the rows of an image": """
x : 2 x 3 x 5
y : 2
x --[F|tanh|layer_norm_N|flatten|G]-> p => y
""",
    "parts of an image": """
x : 2 x 3 x 5
y : 2
K : 2 -> 3
x --[conv_K]-> z
flatten(mean(z))|flatten(z[1]) --[G]-> p => y
""",
}


@pytest.mark.parametrize("name", MORE)
def test_every_form_of_a_program_of_another_kind_is_true(name: str) -> None:
    sheet, found = check(understand(MORE[name]).system)
    assert found.worst < 1e-12
    assert any(chain.kind == "gradient" for chain in sheet.chains)


def test_a_torch_module_cannot_be_checked() -> None:
    known = understand("x --[Mod|M]-> p => y", Kernel(modules=frozenset(("Mod",))))
    with pytest.raises(CannotCheck, match="`Mod` is a torch module"):
        check(known.system)
