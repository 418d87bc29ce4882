"""The sheet of a derivation: what is printed of every program, in text, as a page and as LaTeX.

`derivation.txt` beside each golden program is the whole sheet as a reader sees it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from programs import PROGRAMS
from test_board_sheet import LSTM as cell
from test_golden import FOLDERS, macros_before
from test_latex import well_formed

import sqmagic
from sqmagic.board.derivation.page import COLUMNS
from sqmagic.board.derivation.sheet import Sheet
from sqmagic.board.diagram import picture
from sqmagic.checking.check import unchecked
from sqmagic.equations.elaborate import Kernel
from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import understand
from sqmagic.showing import rows

LSTM = f"x_t : 3\ny_t : 5\n{cell}".replace("h_t --[Gen|softmax]", "h_t\nh_t --[Gen]").strip()

GOLDEN = {f"golden/{folder.name}": folder for folder in FOLDERS}


def made(text: str, kernel: Kernel | None = None, title: str = "") -> Sheet:
    known = understand(text, kernel)
    return Sheet(unchecked(known.system), known.system, title, rows(known.source))


@cache
def sheet(name: str) -> Sheet | None:
    """The sheet of a program of the tests; None of one that is refused."""
    if name in PROGRAMS:
        return made(PROGRAMS[name])
    try:
        return made((GOLDEN[name] / "program.sqn").read_text(), Kernel(macros_before(GOLDEN[name])), GOLDEN[name].name)
    except NotationError:
        return None


SHEETS = [name for name in (*PROGRAMS, *GOLDEN) if sheet(name) is not None]


def shown(name: str) -> Sheet:
    found = sheet(name)
    assert found is not None
    return found


MEMORY = """\
0 -> S_0
x_t --[K]-> k_t
x_t --[V]-> v_t
x_t --[Beta|sigmoid]-> beta_t
S_{t-1} + beta_t * outer(v_t - S_{t-1} @ k_t, k_t) -> S_t
S_t @ x_t --[P]-> p_t => y_t
beta_t : 1
"""


def test_what_a_matrix_does_to_a_vector_on_its_left_is_written_from_the_right() -> None:
    """Vectors are columns on every line, as they are in `Aᵀ δ`."""
    told = made(MEMORY).text
    assert "βₜ)ᵀ (vₜ − Sₜ₋₁ kₜ) − Sₜ₋₁ᵀ (" in told  # of k_t
    assert "(vₜ − Sₜ₋₁ kₜ)ᵀ " in told and "flatten" not in told  # of beta_t
    told = made("A : param(5, 5)\n1 -> a_0\n(a_{t-1} @ A) * e_t -> a_t\na_t => y_t").text
    assert "aₜ = Aᵀ aₜ₋₁ ⊙ eₜ" in told and " + A (" in told


def test_a_number_beside_a_vector_is_not_copied() -> None:
    told = made("x_t --[K]-> a_t\na_t / norm(a_t) -> k_t => y_t").text
    assert "(aₜ / ‖aₜ‖ ⊙ [‖aₜ‖ ≠ 0])" in told and "𝟏 ⊙" not in told


def test_a_vector_that_meets_each_row_of_a_matrix_is_a_matrix_of_rows() -> None:
    given = "x_t : 5\n0 -> s_0\nv : param(4)\n"
    text = "softmax(tanh(W(s_{t-1}) + U(x_{1:T})) @ v) @ x_{1:T} -> c_t\nc_t|s_{t-1} --[G|tanh]-> s_t => x_t"
    told = made(given + text).text
    assert "𝟏 (W sₜ₋₁ + b_W)ᵀ + (x_{1:T} Uᵀ + 𝟏 b_Uᵀ)" in told
    assert "b̂_U = ∑ₜ (δₜ^U)ᵀ 𝟏" in told
    told = made("k_t : 4\n0 -> S_0\nS_{t-1} * sigmoid(F(k_t)) + outer(k_t, k_t) -> S_t\nS_t @ k_t => k_t").text
    assert "Sₜ = Sₜ₋₁ ⊙ (𝟏 (σ(F kₜ + b_F))ᵀ) + kₜ kₜᵀ" in told
    assert " ⊙ Sₜ₋₁)ᵀ 𝟏 ⊙ σ(aₜ^F)" in told


def test_an_equality_that_is_a_condition_is_said_once() -> None:
    told = made("x_t : 4\nmax(U(x_t), W(x_t)) -> h_t\nh_t => y_t").text
    assert " ⊙ [aₜ^W = aₜ^U], " in told and "where([aₜ^U = hₜ], " in told and "≠ 0" not in told


def elements(source: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(source).iter())


# --- every program -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SHEETS if name in GOLDEN])
def test_the_whole_sheet(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN[name] / "derivation.txt", shown(name).text + "\n")


CHILDREN = {"msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "mfrac": 2}


@pytest.mark.parametrize("name", SHEETS)
def test_a_page_is_well_formed_and_asks_for_nothing(name: str) -> None:
    found = elements(shown(name).html)
    assert not {e.tag for e in found} & {"script", "style", "svg", "link", "iframe", "img"}
    assert not [e for e in found if any(key == "id" or key.startswith("on") for key in e.attrib)]
    assert not re.search(r"url\(|https?:|position|expression", shown(name).html)
    for element in found:
        assert len(element) == CHILDREN.get(element.tag, len(element)), ElementTree.tostring(element)


@pytest.mark.parametrize("name", SHEETS)
def test_no_form_is_left_out(name: str) -> None:
    told = shown(name)
    forms = sum(len(chain.forms) for chain in told.derivation.chains)
    assert sum(line.startswith("   ") for line in told.text.split("\n")) == forms
    body = told.latex.split("\n")[1:-1]
    assert sum(not line.startswith("& ") or "Add" in line for line in body) == forms


@pytest.mark.parametrize("name", SHEETS)
def test_latex_is_of_the_common_subset(name: str) -> None:
    told = shown(name)
    for text in (told.latex, told._repr_mimebundle_()["text/latex"].strip("$\n")):
        well_formed(text)
    assert told.latex.startswith("\\begin{align*}\n") and told.latex.endswith("\n\\end{align*}")


@pytest.mark.parametrize("name", SHEETS)
def test_no_name_that_a_rule_made_is_printed_as_it_is(name: str) -> None:
    assert not re.search(
        r"(^|[ (])\^|[a-z]\.\d|\.weight|\.bias|during|batch_mean|window_sum|step_share", shown(name).text
    )


# --- one program, looked at ----------------------------------------------------------------------


def hatted(text: str) -> str:
    """`^h` as it is printed: a circumflex that combines."""
    return re.sub(r"\^([a-z])", "\\1\u0302", text)


def lines(told: Sheet) -> list[str]:
    return [line.strip() for line in told.text.split("\n")]


def test_the_adjoint_of_a_state_names_the_lines_that_it_comes_from() -> None:
    told = lines(made(LSTM))
    assert hatted("^hₜ = W_{Gen}ᵀ δₜ^{Gen} {line 12} + ^pₜ₊₁|ₕ {line 5, t+1}") in told
    assert hatted("^cₜ = ^hₜ ⊙ oₜ ⊙ (1 − tanh²(cₜ)) {line 11} + ^cₜ₊₁ ⊙ fₜ₊₁ {line 10, t+1}") in told
    assert hatted("^fₜ = ^cₜ ⊙ cₜ₋₁   [used in line 10]") in told


def test_both_forms_of_the_chain_rule_are_shown_with_their_rules() -> None:
    told = lines(made(LSTM))
    start = told.index(hatted("δₜ^F = ^fₜ ⊙ σ′(aₜ^F)   [chain rule]"))
    assert told[start + 1] == hatted("= ^fₜ ⊙ fₜ ⊙ (1 − fₜ)   [σ′ = σ (1 − σ)]")


def test_what_a_concatenation_gives_back_is_named_by_its_parts() -> None:
    told = lines(shown("gru"))
    assert [line for line in told if "(Hᵀ δₜ₊₁^H)|_{h,r} ⊙ rₜ₊₁ {line 8, t+1}" in line]


def test_softmax_with_its_loss_comes_down_to_p_less_y() -> None:
    told = lines(shown("golden/mlp_softmax"))
    start = told.index(hatted("δ^{M₂} = p ⊙ (^p − pᵀ ^p)   [softmax adjoint]"))
    assert told[start + 1 : start + 4] == [
        hatted("= p ⊙ (−one_hot(y) / p − pᵀ (−one_hot(y) / p))   [def ^p]"),
        "= p (𝟏ᵀ one_hot(y)) − one_hot(y)   [cancel]",
        "= p − one_hot(y)   [1ᵀy = 1]",
    ]


def test_a_dead_adjoint_is_said_to_be_held_fixed() -> None:
    assert [line for line in lines(shown("advantage")) if line.endswith("= 0   [stop; held fixed]")]


def test_the_head_says_what_is_learnt_over_which_steps() -> None:
    assert lines(made(LSTM))[0].startswith("L = (1/T) ∑_{t=1}^T ℓₜ   ")
    several = lines(shown("golden/a2c_gae"))[1]
    assert several.startswith("L = (1/(T−1)) ∑_{t=2}^T ℓₜ {line 5} + (1/(T−1)) ∑_{t=1}^{T−1} ℓₜ {line 8}   ")
    assert shown("base_from_sequence").text.startswith("3  ")  # nothing is learnt: there is nothing to say


def test_a_row_for_each_line_of_the_text_with_its_columns() -> None:
    page = made(LSTM).html
    found = elements(page)
    assert [e.text for e in found if e.tag == "td" and e.text] == [str(n) for n in range(3, 13)]
    codes = ["".join(e.itertext()) for e in found if e.tag == "code"]
    assert codes == LSTM.split("\n")[2:]
    for heading, _ in COLUMNS.values():
        assert heading in page


def test_a_column_by_itself() -> None:
    told = made(LSTM)
    assert "δ" not in told.forward.text and "∂" not in told.forward.html
    assert "∈" not in told.backward.text and "Forward" not in told.backward.html
    assert "Autodiff" in told.backward.html and "Autodiff" not in told.update.html
    assert [line for line in lines(told.update) if line.startswith("b̂_F")]
    assert told.forward.latex.count("\n") < told.latex.count("\n")


def test_a_state_has_one_colour_and_one_name_in_equations_hats_and_deltas() -> None:
    told = made(LSTM)
    colours: dict[str, set[str]] = {}
    for element in elements(told.html):
        if "data-value" in element.attrib:
            colours.setdefault(element.attrib["data-value"], set()).add(element.attrib.get("mathcolor", ""))
    assert set("cphfiloqxy") <= set(colours)
    assert all(len(found) == 1 for found in colours.values())
    assert set(colours) == set(re.findall(r'data-value="([^"]*)"', picture(told.system).svg))


def test_an_effect_is_shown_with_what_it_gives() -> None:
    told = shown("golden/a2c").text
    assert "S₀ = reset()" in told and "= step(Sₜ₋₁)" in told


def test_the_update_column_shows_what_transforms_do() -> None:
    assert "clip_grad" in shown("golden/a2c").update.text
    adam = made(LSTM.replace("[Gen]", "[adam_opt(Gen)]")).update.text
    assert "m_{Gen} ← 0.9 m_{Gen}" in adam and "W_{Gen} ← W_{Gen} − 0.001" in adam


def test_shapes_are_shown_where_they_are_known() -> None:
    told = made(LSTM)
    known = Sheet(told.derivation, told.system, shapes={"h": (64,)})
    assert "∈ ℝ" not in told.text
    assert "hₜ = tanh(cₜ) ⊙ oₜ   [∈ ℝ^64]" in known.text
    assert r"\in \mathbb{R}^{64}" in known.latex and known.html.count("ℝ") == 1


def test_the_foot_says_how_far_it_was_checked() -> None:
    told = made(LSTM)
    assert told.foot == "not checked against torch.autograd"
    assert "35 forms checked against torch.autograd, worst error 2e-16" in (
        Sheet(told.derivation, told.system, checked=(35, 2.2e-16)).html
    )
    assert Sheet(told.derivation, told.system, checked="there is a module").text.endswith("autograd: there is a module")


def test_a_page_can_be_read_where_nobody_trusts_it_and_mathml_loses_its_tags() -> None:
    told = "".join(ElementTree.fromstring(made(LSTM).html).itertext()).replace("\u2009", " ").replace("\u2061", "")
    for line in ("= tanh(c_t) ⊙ o_t", "cˆ_{t+1} ⊙ f_{t+1}", "W_Gen^⊤ δ_t^Gen", "(2)/(T n_q) (q_t − y_t)"):
        assert line in told


def test_html_in_a_text_is_text() -> None:
    told = made(LSTM)
    page = Sheet(told.derivation, told.system, "<b>", ((3, "<script>"),)).html
    assert "<script" not in page and "<b><b>" not in page


def test_the_steps_without_an_adjoint_are_told_in_math() -> None:
    found = next(line for line in made(LSTM).latex.split("\n") if r"\text{ where" in line)
    assert r"\hat{v}_{t} = 0 \text{ where there is no } v_{t}" in found.replace("&", "")


def test_columns_that_are_too_wide_for_a_page_stand_two_by_two() -> None:
    long = LSTM.replace("F|", "Forget_gate_of_the_cell|").replace("O|", "Output_gate_of_the_cell|")
    widths = re.findall(r"width:([\d.]+)em", made(long.replace("l_t", "candidate_of_the_step_t")).html)
    assert {tuple(widths[n : n + 4]) for n in range(0, len(widths), 4)} == {(widths[0], widths[1]) * 2}
    assert len(set(re.findall(r"width:([\d.]+)em", made(LSTM).html)[:4])) == 4


def test_what_is_stretched_is_painted_as_wide_as_it_is() -> None:
    stretched = [e for e in elements(made(LSTM.replace("l_t", "candidate_t")).html) if e.get("stretchy") == "true"]
    assert {e.text for e in stretched} == {"⏟", "\u0302"}
    assert all(e.get("style") == "outline:30em solid transparent" for e in stretched)


ENDS = """\
o_t : 3
d_t : 1
o_t --[P|softmax]-> pi_t
o_t --[V]-> v_t
v_{t+1} - v_t -> e_t
e_t + 0.9*A_{t+1}*(1 - d_t) -> A_t
v_t => d_t + v_{t+1}
pi_t $ A_t*log(pi_t[a_t])
a_t : action(2)
"""


def test_what_a_loss_gives_at_some_steps_only_says_at_which() -> None:
    told = made(ENDS).text
    assert "v̂ₜ = [t < T] (2/(T−1)) (vₜ − (dₜ + vₜ₊₁))" in told
    assert "π̂ₜ = −[t < T] (1/(T−1)) (Aₜ / πₜ[aₜ]) one_hot(aₜ)" in told
    late = made("0 -> h_0\nh_{t-1}|x_t --[W|tanh]-> h_t\nh_t => h_{t-2} + y_t\n").text
    assert "[t > 1] (2/((T−1) nₕ)) (hₜ − (hₜ₋₂ + yₜ))" in late


def test_an_equation_says_where_it_holds_unless_everywhere() -> None:
    told = made(ENDS).text
    assert "Aₜ = eₜ + 0.9 Aₜ₊₁ (1 − dₜ)   [t < T; zero after]" in told and "eₜ = vₜ₊₁ − vₜ   [t < T]" in told
    assert "zero after" not in made("0 -> g_{T+1}\ng_{t+1}|x_t --[B|tanh]-> g_t\ng_t => y_t\n").text


def test_an_adjoint_at_a_point_does_not_contradict_the_head() -> None:
    told = made("x --[B|tanh]-> s_0\ns_{t-1}|y_t --[D|tanh]-> s_t\ns_t => z_t\n").text
    assert "v̂ₜ = 0 where there is no vₜ" in told and told.index("{line 2, t+1}") < told.index("δ^B = ")


def test_steps_are_counted_by_the_running_index() -> None:
    told = made("over n\nx -> z_0\nz_{n-1} --[A|tanh]-> z_n\n0.5*z_{n-1} + z_n -> u_n\nz_N => y\nu_n => v_n\n").text
    assert "n+1}" in told and "t+1" not in told


def test_a_softmax_of_rows_takes_away_a_number_from_each_row() -> None:
    assert "𝟏 𝟏ᵀ)" in made("x_t : 4\nA : param(4, 4)\nx_t @ softmax(A) -> y_t\ny_t => z_t\n").text


def test_a_number_is_not_transposed() -> None:
    assert "ℓ += −(y log p + (1 − y) log (1 − p))" in made("x : 3\ny : 1\nx --[V|sigmoid]-> p => y\n").text


def test_what_is_drawn_has_its_name() -> None:
    told = made("x : 3\nx --[M]-> m\ngauss() -> n\nm + n -> z\nz --[dropout(0.5)|D]-> r => x\n").text
    assert "n ∼ 𝒩(0, I)" in told and "mask^r = dropout(1)" in told


def test_each_application_of_a_layer_has_its_own_delta() -> None:
    told = made("x : 3\ny : 3\nx --[E|tanh]-> a\ny --[E|tanh]-> b\na : 2\na + b => z\n").text
    assert "δ^{E,1} xᵀ {line 3} + δ^{E,2} yᵀ {line 4}" in told
    assert "⊙ tanh′(a^{E,2})" in told and "δ^{F,2} where F is applied the second time" in told
    assert "δ^{" not in made(LSTM.replace("Gen", "G")).text


def test_a_part_with_a_name_says_what_it_is() -> None:
    told = made("x : 3\ny : 3\nx --[E]-> a\ny --[G]-> b\na : 2\n(a @ b)/(norm(a)*norm(b)) -> s\ns => t\n").text
    assert "[of ‖a‖ ‖b‖]" in told


def test_signs_stand_in_front_and_what_terms_share_before_them() -> None:
    told = made(GRU).text
    assert "⊙ (lₜ − hₜ₋₁)" in told
    told = made("x_t : 3\n0 -> m_0\nx_t --[K|sigmoid]-> K_t\nm_{t-1} + K_t*(x_t - m_{t-1}) -> m_t\nm_t => y_t\n").text
    assert "⊙ (1 − Kₜ₊₁) {line 4, t+1}" in told
    told = made("x : 3\nx --[E]-> a\n0.5*sum(a*a) -> k\nk $ -k\n").text
    assert "⊙ a + " not in told and "+ k" not in told


GRU = """\
0 -> h_0
h_{t-1}|x_t -> c_t
c_t --[Z|sigmoid]-> z_t
c_t --[H|tanh]-> l_t
h_{t-1}*(1 - z_t) + z_t*l_t -> h_t
h_t => y_t
"""


def test_a_sigmoid_meets_its_cross_entropy() -> None:
    assert "= (1/nᵣ) (r − x)   [cancel]" in made("x : 3\nx --[E|tanh]-> z\nz : 2\nz --[D|sigmoid]-> r => x\n").text
    assert "[cancel]" not in made(GRU).text


def test_what_is_lowered_is_added_to_the_loss() -> None:
    assert "ℓₜ += kₜ" in made("x_t --[E]-> a_t\nsum(a_t*a_t) -> k_t\nk_t $ -k_t\n").text


def test_parentheses_around_a_fraction_are_as_high_as_it_is() -> None:
    told = made("x : 3\ny : 3\nx*(x/y + y) --[E]-> z\n").latex
    assert r"\left( \frac{x}{y} + y \right)" in told and r"\left( E" not in told


def test_adam_counts_its_steps() -> None:
    told = made("x : 3\nx --[adam_opt(M, lr=0.1)]-> p => y\n").text
    assert told.count("k_M ← k_M + 1   [adam_opt]") == 1


CLIPPED = """\
o_t : 4
a_t : action(2)
A_t : 1
o_t --[P|softmax]-> pi_t
pi_t $ min(pi_t[a_t]/old(pi_t[a_t])*A_t, clip(pi_t[a_t]/old(pi_t[a_t]), 0.8, 1.2)*A_t)
"""


def test_a_number_has_no_components_to_pick_and_a_long_form_no_collapse() -> None:
    told = made(CLIPPED).text
    assert ")[a" not in told.replace(" ", "") and "[cancel]" not in told and "[softmax adjoint]" in told


WEIGHED = """\
x_t : 3
k_t : 5
x_t --[K]-> k_t
x_t --[Q]-> q_t
x_t --[V]-> v_t
softmax(k_{1:t} @ q_t) -> a_t
a_t @ v_{1:t} -> o_t
o_t => y_t
"""


def test_weights_of_attention_have_a_line_and_their_name() -> None:
    told = made(WEIGHED).text
    assert "aₜ = softmax(k_{1:t} qₜ)   [put in where it is read]" in told and "oₜ = v_{1:t}ᵀ aₜ" in told
    assert told.count("softmax(k_{1:t} qₜ)") == 1 and "∑_{s=t}^T (aₛ " in told


def test_a_sum_over_steps_beside_a_step_has_an_index_of_its_own() -> None:
    told = made("x_t --[E]-> h_t\n0 -> s_0\nsoftmax(h_{1:T} @ s_{t-1}) @ h_{1:T} -> s_t\ns_t => y_t\n").text
    assert "(∑ₛ " in told and ")[t − 1]" in told and "(∑ₜ " not in told


def test_rows_of_a_range_from_0_are_counted_without_a_difference() -> None:
    text = (
        "x_t : 3\n0 -> h_0\nsoftmax(h_{0:t-1} @ Q(h_{t-1})) @ h_{0:t-1} -> c_t\ntanh(W(h_{t-1}|c_t|x_t)) -> h_t => x_t"
    )
    told = str(sqmagic.compile(text).derivation)
    assert "[t]" in told
    assert "[t−0]" not in told and "t − 0" not in told
