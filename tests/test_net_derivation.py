"""What a net tells of its derivation: the sheet, the LaTeX of a paper, and what a cell shows of it when asked."""

import pickle
from collections.abc import Iterator

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

import sqmagic
from sqmagic.board.payload import MIME
from sqmagic.checking import check as checking
from sqmagic.checking.check import WrongForm
from sqmagic.nets import build, compile, kernel_of
from sqmagic.notation.problems import NotationError
from sqmagic.pipeline import understand
from sqmagic.showing import Page, show_as

RNN = "x_t : 5\n0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t --[Gen]-> p_t => y_t\ny_t : 2\n"
OPEN = "0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t --[Gen]-> p_t => y_t\n"


def test_a_net_tells_its_checked_derivation() -> None:
    told = compile(RNN, name="rnn", width=7).derivation
    assert told.foot.endswith("e-16") or told.foot.endswith("e-17") or told.foot.endswith("e-15")
    assert "forms checked against torch.autograd" in told.text
    assert told.text.startswith("rnn\nL = ") and "[∈ ℝ^7]" in told.text
    assert "δ" not in told.forward.text and "Enc" in told.update.text
    assert set(told._repr_mimebundle_()) == {"text/plain", "text/html", "text/latex"}


def test_the_sheet_in_jupyterlab_says_what_hats_are_and_how_far_it_was_checked() -> None:
    net = compile(RNN, name="rnn", width=7)
    show_as(net, "rnn", understand(RNN), {}, Page(derive="full"))
    told = net._repr_mimebundle_()[MIME]["backward"]
    assert told["foot"] == net.derivation.foot
    assert len(told["head"]) == 5 and all(said.startswith("<math>") for said in told["head"])


def test_the_latex_of_a_net_is_forward_backward_and_update() -> None:
    told = compile(RNN).latex
    assert told.startswith(r"\begin{align*}")
    places = [told.index(rf"\text{{{heading}}}") for heading in ("Forward", "Backward", "Update")]
    assert places == sorted(places)
    assert r"\hat{h}_{t}" in told and r"\widehat" not in told


def test_a_net_whose_shapes_wait_for_data_has_a_derivation_too() -> None:
    net = compile(OPEN, width=7)
    assert not net.is_settled
    assert "forms checked" in net.derivation.text and "ℝ" not in net.derivation.text
    net(x=torch.zeros(3, 2, 4), y=torch.zeros(3, 2, 6))
    assert "[∈ ℝ^6]" in net.derivation.text


def test_what_calls_a_module_is_shown_and_said_not_to_be_checked() -> None:
    net = compile("x : 3\nx --[lin]-> h --[M]-> p => y\ny : 2", namespace={"lin": torch.nn.Linear(3, 3)})
    assert "not checked against torch.autograd: `lin` is a torch module" in net.derivation.text


VAE = """\
X : 784
X --[E|relu]-> h
h --[Mu]-> mu
h --[S]-> s
gauss() -> eps
mu + exp(0.5*s)*eps -> z
z --[D_1|relu|D_2|sigmoid]-> r => X
s $ 0.5*sum(s - exp(s))
mu $ -0.5*sum(square(mu))
"""


def test_layers_of_many_inputs_are_checked_where_nothing_is_saturated() -> None:
    foot = compile(VAE).derivation.foot
    assert "forms checked against torch.autograd" in foot and "not checked" not in foot


def test_what_the_sizes_of_the_check_do_not_fit_is_shown_and_said_not_to_be_checked() -> None:
    """How many probabilities there are the window decides, and the check chose as many labels before."""
    net = compile("0 -> h_0\nh_{t-1}|x_t --[H|tanh]-> h_t\nsoftmax(h_{1:T} @ h_t) -> p_t => y_t")
    assert "`h_{1:T} @ h_t` is T, but must be" in net.derivation.foot


def test_shapes_that_contradict_one_another_are_told_instead_of_a_sheet() -> None:
    net = compile("0 -> s_0\nW(s_{t-1}) + U(x_{1:T}) -> m_t\ntanh(m_t) @ x_{1:T} -> c_t\nc_t --[S]-> s_t")
    for show in (lambda: net.derivation, lambda: net.latex):
        with pytest.raises(NotationError, match=r"SQ303: `W.weight` would have shape Tx"):
            show()


def test_a_form_that_fails_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "WORST", -1.0)
    net = compile(RNN)
    for show in (lambda: net.derivation, lambda: net.latex):
        with pytest.raises(WrongForm, match="sqmagic is wrong"):
            show()
    assert compile(RNN, check=False).derivation.foot == "not checked against torch.autograd"
    known = understand(RNN)
    whole = build(known, page=Page(derive="full"))
    with pytest.raises(WrongForm):
        whole._repr_mimebundle_()
    unchecked = build(known, page=Page(derive="full", check=False))
    assert "not checked against torch.autograd" in unchecked._repr_mimebundle_()["text/html"]


def test_how_much_a_net_shows() -> None:
    known = understand(RNN)
    pages = {
        derive: build(known, page=Page(derive=derive))._repr_mimebundle_() for derive in ("forward", "full", "off")
    }
    assert all("<img" in page["text/html"] and "image/svg+xml" in page for page in pages.values())
    assert "Autodiff" not in pages["forward"]["text/html"] and "<math" in pages["forward"]["text/html"]
    assert "Autodiff" in pages["full"]["text/html"] and "∂" in pages["full"]["text/plain"]
    assert r"\text{Backward}" in pages["full"]["text/latex"]
    assert "<math" not in pages["off"]["text/html"] and "text/latex" not in pages["off"]
    assert build(known)._repr_mimebundle_() == pages["forward"]


def test_a_net_that_is_there_shows_itself_in_another_way() -> None:
    known = understand(RNN)
    net = build(known)
    show_as(net, "net", known, {}, Page(derive="full", check=False))
    assert "Autodiff" in net._repr_mimebundle_()["text/html"]
    assert net.derivation.foot == "not checked against torch.autograd"


def test_nothing_that_is_drawn_later_depends_on_what_was_looked_at() -> None:
    net = compile(RNN)
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    assert net.derivation.text and net.latex
    pickle.loads(pickle.dumps(net))
    assert torch.equal(torch.rand(2), want)


def test_a_net_with_a_derivation_can_be_pickled() -> None:
    net = pickle.loads(pickle.dumps(compile(RNN)))
    assert "forms checked" in net.derivation.text


def test_sizes_of_the_kernel_are_known_to_the_check() -> None:
    text = "x : n\nx --[M]-> p => y\ny : 2"
    known = understand(text, kernel_of({"n": 5}, {}))
    assert "forms checked" in build(known, namespace={"n": 5}).derivation.text


# --- in a cell -----------------------------------------------------------------------------------


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    InteractiveShell.clear_instance()
    made = InteractiveShell.instance()
    sqmagic.load_ipython_extension(made)
    yield made
    InteractiveShell.clear_instance()


def test_a_cell_says_how_much_it_shows(shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
    shown = [
        shell.run_cell(f"%%seqnet rnn {option}\n{RNN}").result._repr_mimebundle_()["text/html"]
        for option in ("", "--derive full", "--derive full --no-check", "--derive off")
    ]
    assert ["Autodiff" in each for each in shown] == [False, True, True, False]
    assert ["forms checked" in each for each in shown] == [False, True, False, False]
    assert "<math" not in shown[-1]
