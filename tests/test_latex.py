"""Equations in LaTeX, MathML and text: what they look like, and that no printer says what the tree does not."""

from __future__ import annotations

import re
from fractions import Fraction
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from systems import Example, examples
from test_board_programs import (
    PROGRAMS,
    a2c_gae,
    at,
    call,
    dense,
    gru_two_layers,
    last,
    let,
    loss,
    lstm,
    mlp,
    q_learning,
    system,
)

from sqmagic.board.binding import Notes
from sqmagic.board.latex import latex
from sqmagic.board.latex import write as write_latex
from sqmagic.board.lines import lines, notes
from sqmagic.board.mathml import line_mathml
from sqmagic.board.mathml import write as write_mathml
from sqmagic.board.names import Name, name, number_text, state_name
from sqmagic.board.operators import OPERATORS, formula
from sqmagic.board.plain import line_plain, plain
from sqmagic.board.plain import write as write_plain
from sqmagic.equations.ops import ALL_OPS, DERIVED
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Last,
    Layer,
    Position,
    Range,
    Read,
    Running,
    System,
    Weight,
)

MACROS = set(
    str.split(
        "begin end textcolor operatorname mathrm mathbb mathcal frac tfrac sqrt odot cdot sim top ell lVert rVert"
        " lvert rvert mathrel sigma tanh log exp sin cos max min in times gamma lambda pi hat imath widehat underbrace"
        " left right text sum mathbf partial leftarrow ne delta quad Phi"
    )
)
"""What both MathJax 3 and KaTeX typeset; tried on all of these programs."""


def text(expr: Expr) -> str:
    return write_plain(formula(expr, Notes(linear=True)))


def tex(expr: Expr) -> str:
    return write_latex(formula(expr, Notes()))


def applied(op: str) -> Apply:
    row = ALL_OPS[op]
    if op == "window_sum":
        return Apply(op, (at("x"), Position(Fixed(1)), Position(Last("t"))))
    arguments = tuple(at(word) for word in ("x", "y", "z")[: max(row.least, 1 if row.most is None else row.least)])
    owner = "M" if row.parameters or op in {"module", "Add", "Get"} else None
    return Apply(op, arguments, owner, row.settings)


def well_formed(source: str) -> None:
    """Braces balance, every command is one that both typesetters know, no environment stays open."""
    bare = re.sub(r"\\[{}_,#$%&]", "", source)
    depth = 0
    for c in bare:
        depth += {"{": 1, "}": -1}.get(c, 0)
        assert depth >= 0
    assert depth == 0
    assert set(re.findall(r"\\([A-Za-z]+)", bare)) <= MACROS
    assert not re.search(r"[^\x20-\x7e\n]", source)
    assert not re.search(r"\^\{[^{}]*\}\^|_\{[^{}]*\}_|'\^", source)


def test_every_operator_has_a_way_to_be_written() -> None:
    assert set(OPERATORS) == set(ALL_OPS)


@pytest.mark.parametrize("op", ALL_OPS)
def test_an_operator_is_written_by_every_printer(op: str) -> None:
    expr = applied(op)
    well_formed(tex(expr))
    assert ElementTree.fromstring(write_mathml(formula(expr, Notes()))) is not None
    assert text(expr).strip()
    assert op in DERIVED or all(word in text(expr) for word in ("x", "y")[: len(expr.args)])


def test_the_lstm() -> None:
    assert plain(lstm()).split("\n") == [
        "c₀ = 0",
        "h₀ = 0",
        "pₜ = [hₜ₋₁ ; xₜ]",
        "fₜ = σ(F pₜ + b_F)",
        "iₜ = σ(I pₜ + b_I)",
        "lₜ = tanh(C pₜ + b_C)",
        "oₜ = σ(O pₜ + b_O)",
        "cₜ = cₜ₋₁ ⊙ fₜ + iₜ ⊙ lₜ",
        "hₜ = tanh(cₜ) ⊙ oₜ",
    ]
    assert latex(lstm()).split("\n")[-2] == r"h_{t} &= \tanh ( c_{t} ) \odot o_{t}"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_written_in_the_common_subset(program: str) -> None:
    told = latex(PROGRAMS[program]())
    well_formed(told)
    assert told.startswith("\\begin{aligned}\n") and told.endswith("\n\\end{aligned}")
    assert told.count(r"\\") == len(told.split("\n")) - 3


@given(examples())
def test_any_program_is_written(example: Example) -> None:
    system = example.system
    told = lines(system, notes(system, example.states))
    assert len(told) == len(system.equations) + len(system.goals)
    for line in told:
        well_formed(write_latex(line.right))
        ElementTree.fromstring(line_mathml(line))
        assert line_plain(line)


# --- precedence ----------------------------------------------------------------------------------

_LEAVES = st.sampled_from([Read(word) for word in "abc"])
_ARITHMETIC = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda op, x, y: call(op, x, y), st.sampled_from(["add", "sub", "mul", "div"]), inner, inner),
        st.builds(lambda x: call("neg", x), inner),
        st.builds(lambda x: call("square", x), inner),
    ),
    max_leaves=12,
)
_VALUES = {"a": Fraction(2, 3), "b": Fraction(-5, 7), "c": Fraction(11, 13)}


def value(expr: Expr) -> Fraction:
    match expr:
        case Read(state):
            return _VALUES[state]
        case Apply("neg", (x,)):
            return -value(x)
        case Apply("square", (x,)):
            return value(x) ** 2
        case Apply(op, (x, y)):
            left, right = value(x), value(y)
            return {"add": left + right, "sub": left - right, "mul": left * right}.get(op) or (
                left / right if op == "div" else Fraction(0)
            )
        case _:
            raise AssertionError(expr)


@given(_ARITHMETIC)
def test_what_is_written_reads_back_to_the_same_value(expr: Expr) -> None:
    try:
        expected = value(expr)
    except ZeroDivisionError:
        assume(False)
    python = text(expr).replace("⊙", "*").replace("−", "-").replace("²", "**2")
    assert eval(python, {"__builtins__": {}}, dict(_VALUES)) == expected


@pytest.mark.parametrize(
    ("expr", "written"),
    [
        (call("sub", Read("a"), call("add", Read("b"), Read("c"))), "a − (b + c)"),
        (call("sub", call("sub", Read("a"), Read("b")), Read("c")), "a − b − c"),
        (call("mul", call("add", Read("a"), Read("b")), Read("c")), "(a + b) ⊙ c"),
        (call("mul", Read("a"), call("mul", Read("b"), Read("c"))), "a ⊙ (b ⊙ c)"),
        (call("neg", call("add", Read("a"), Read("b"))), "−(a + b)"),
        (call("add", Read("a"), call("neg", Read("b"))), "a + (−b)"),
        (call("mul", Const(0.5), Read("a")), "0.5 a"),
        (call("mul", Read("a"), Const(0.5)), "a · 0.5"),
        (call("add", Read("a"), Const(-2.0)), "a + (−2)"),
        (dense("M_1", call("concat", Read("a"), Read("b"))), "M₁ [a ; b] + b_{M₁}"),
        (dense("Gen", call("mul", Read("a"), Read("b"))), "W_{Gen} (a ⊙ b) + b_{Gen}"),
        (dense("Enc_1.R", Read("a"), "relu"), "relu(R^{Enc₁} a + b_R^{Enc₁})"),
        (call("matmul", Weight("M.weight"), Read("a")), "M a"),
        (call("add", Read("a"), Weight("b")), "a + b"),
        (call("index", Read("q"), Read("a")), "q[a]"),
        (call("transpose", call("add", Read("a"), Read("b"))), "(a + b)ᵀ"),
        (call("norm", Read("a")), "‖a‖"),
        (call("mul", Position(Running("t")), Read("a")), "t a"),
        (call("mul", Read("a"), Read("a")), "a²"),
        (call("dropout", Read("a"), p=0.3), "dropout_{0.3}(a)"),
        (call("clip", Read("a"), Const(-1.0), Const(1.0)), "clip(a, −1, 1)"),
        (Read("k", (Range(Fixed(1), Running("t")),)), "k_{1:t}"),
        (Read("A", (Last("t", 1),)), "A_{T+1}"),
        (Read("h_1", (Running("t", -2),)), "h_{1,t−2}"),
        (Read("O_t", (Running("t"),)), "Oₜ"),
        (Read("O'", (Running("t"),)), "O′ₜ"),
        (Read("TD", (Running("t"),)), "TDₜ"),
    ],
)
def test_a_formula_in_plain_text(expr: Expr, written: str) -> None:
    assert text(expr) == written


def test_names_are_set_as_on_a_board() -> None:
    assert name("gamma") == Name("γ")
    assert name("r_bar") == Name("r", ("bar",))
    assert name("Enc_1.h_gamma") == Name("h", ("γ",), ("Enc_1",))
    assert name("next_word") == Name("next_word") and name("hidden_10") == Name("hidden", ("10",))
    assert state_name("long_term_memory", (Running("t", -1),)) == Name("long_term_memory", ("t−1",))
    assert tex(Read("next_word", (Running("t"),))) == r"\mathrm{next\_word}_{t}"
    assert state_name("h_1", (Running("t"),)) == Name("h", ("1", "t"))
    assert tex(Read("gamma")) == r"\gamma"
    assert tex(Read("TD", (Running("t"),))) == r"\mathrm{TD}_{t}"
    assert tex(Read("O'", (Running("t"),))) == "{O'}_{t}"
    assert tex(Read("Enc.r", (Running("t"),))) == r"r_{t}^{\mathrm{Enc}}"
    assert tex(Const(2e-5)) == r"2 \cdot 10^{-5}"
    assert [text(Const(v)) for v in (2e-5, -1e30)] == ["2 · 10⁻⁵", "−1 · 10³⁰"]
    assert [number_text(v) for v in (1.0, 0.999, -2.0)] == ["1", "0.999", "−2"]


def test_losses_and_objectives() -> None:
    assert plain(mlp()).split("\n")[-1] == "ℓ += (1/nₚ) ‖p − y‖²"
    assert plain(mlp("cross_entropy", "softmax")).split("\n")[-1] == "ℓ += −one_hot(y)ᵀ log p"
    assert plain(a2c_gae()).split("\n")[-1] == "ℓₜ −= sg(Aₜ) ⊙ log(πₜ)"
    assert plain(q_learning()).split("\n")[-1] == "ℓ += (q[a] − sg(r + γ max(Q⁻ o′ + b_Q⁻) (1 − d)))²"


def test_what_carries_no_gradient_is_not_said_to_be_stopped() -> None:
    assert "sg" not in plain(mlp())
    target = "ℓₜ += (1/n_V) ‖Vₜ − sg(Vₜ₋₁ γ + rₜ)‖²"
    assert target in plain(a2c_gae())


def test_scalars_stand_beside_vectors_without_a_sign() -> None:
    assert "TDₜ + γ λ Aₜ₊₁ (1 − dₜ)" in plain(a2c_gae(), {"A": (1,), "d": (1,), "TD": (1,), "V": (1,)})
    assert "(Vₜ − sg(Vₜ₋₁ γ + rₜ))²" in plain(a2c_gae(), {"V": (1,), "r": (1,)})


def test_what_is_drawn_is_written_with_its_distribution() -> None:
    program = system([let("a", call("sample", at("pi")), 1), let("e", call("gauss"), 2)], [], "pi")
    assert plain(program).split("\n") == ["aₜ ∼ πₜ", "eₜ ∼ 𝒩(0, I)"]


def test_a_goal_stands_after_the_last_equation_of_its_line() -> None:
    equations = [let("a", dense("A", at("x")), 1), let("b", dense("B", at("a")), 1), let("c", dense("C", at("b")), 2)]
    program = system(equations, [loss("mse", at("b"), at("y"), 1), loss("mse", at("c"), at("y"))], "x y")
    assert [line[:2] for line in plain(program).split("\n")] == ["aₜ", "bₜ", "ℓₜ", "cₜ", "ℓₜ"]


def test_an_effect_has_no_left_side_and_several_results_share_one() -> None:
    steps = let("S,O", call("step", at("S", -1)), 1)
    kept = Equation((), call("Add", at("O"), at("S"), layer="B"), line=2)
    effect = System((), (), (steps, kept), (), ())
    assert plain(effect).split("\n") == ["Sₜ, Oₜ = step(Sₜ₋₁)", "Add_B(Oₜ, Sₜ)"]
    assert r"& \operatorname{Add}_{B}" in latex(effect)


def test_shapes_are_told_where_they_are_known() -> None:
    shapes = {"h": (64,), "c": (64,)}
    assert plain(lstm(), shapes).split("\n")[-1] == "hₜ = tanh(cₜ) ⊙ oₜ  ∈ ℝ^64"
    assert plain(lstm(), shapes).split("\n")[0] == "c₀ = 0"
    assert r"\mathbb{R}^{64}" in latex(lstm(), shapes).split("\n")[-2]
    well_formed(latex(lstm(), {"h": (3, 28, 28)}))


def test_a_state_has_one_colour_and_mathml_names_it() -> None:
    program = gru_two_layers()
    colours: dict[str, set[str]] = {}
    for line in lines(program, notes(program, {})):
        for element in ElementTree.fromstring(line_mathml(line)).iter("mrow"):
            if "data-value" in element.attrib:
                colours.setdefault(element.attrib["data-value"], set()).add(element.attrib.get("mathcolor", ""))
    assert set(colours) >= {"h_1", "h_2", "Enc_1.r", "x", "y"}
    assert all(len(found) == 1 for found in colours.values())
    assert colours["x"] == {""}


def test_a_long_sum_does_not_meet_pythons_limit() -> None:
    total: Expr = at("x")
    for _ in range(5000):
        total = call("add", total, at("x"))
    assert text(total).count("+") == 5000


def test_a_parameter_of_its_own_and_a_slow_copy() -> None:
    slow = Apply("dense", (Read("o"),), "Q", (("target", True),))
    assert text(slow) == "Q⁻ o + b_Q⁻"
    well_formed(tex(slow))
    learned = System((), (), (let(".h", call("mul", Read("x"), Weight("b"))),), (), (Layer("b", "param"),))
    assert plain(learned) == "h = x ⊙ b"


def test_the_last_value_is_read_at_capital_t() -> None:
    assert text(last("h")) == "h_T"
