"""What a kernel answers to Tab and Shift-Tab in cells of ours, and that it answers as before in all others."""

from collections.abc import Iterator
from unicodedata import normalize

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from sqmagic.board.meaning import meaning
from sqmagic.equations.ops import OPS, TRANSFORMS
from sqmagic.notation.parse import parse
from sqmagic.notation.syntax import Macro
from sqmagic.notebook.completion import offered
from sqmagic.notebook.help import WORDS as WORDS_OF_THE_NOTATION
from sqmagic.notebook.help import about
from sqmagic.notebook.magics import SeqnetMagics
from sqmagic.notebook.tokens import WORDS, mode_at

GRU = """\
%%seqnet gru
Enc: h_{t-1}, x_t
    h_{t-1}|x_t -> c_t
    c_t --[R|sigmoid]-> r_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> h_t
    return h_t
x_t : 28
0 -> h_0
h_{t-1}, x_t --[Enc]-> h_t
h_t --[clip_grad(Gen)|softmax]-> p_t => y_t   # what is learnt
y_t : class(10)
"""
[DEC] = (s for s in parse("Dec: x_t\n    x_t --[W]-> y_t\n    return y_t").statements if isinstance(s, Macro))


def offers(cell: str, namespace: dict[str, object] | None = None) -> list[str]:
    """What is offered where `§` stands."""
    return [text for text, _ in asked(cell, namespace)[1]]


def asked(cell: str, namespace: dict[str, object] | None = None) -> tuple[str, list[tuple[str, str]]]:
    parser = SeqnetMagics.make.parser
    return offered(cell.replace("§", ""), cell.index("§"), parser, namespace or {}, {"Dec": DEC})


def told(cell: str) -> str | None:
    """The help for the name at `§`, letters with hats as one sign."""
    said = about(cell.replace("§", ""), cell.index("§"), {}, {"Dec": DEC}, SeqnetMagics.make.parser)
    return said and normalize("NFC", said)


# --- completion --------------------------------------------------------------------------------------


def test_the_first_line_offers_options_and_what_they_may_be():
    assert offers("%%seqnet g --hor§") == ["--horizon"]
    assert offers("%%seqnet g --view §\nx -> y") == ["chain", "single", "ghost", "rolled"]
    assert offers("%%seqnet g --view=§\nx -> y") == ["chain", "single", "ghost", "rolled"]
    assert "all" in offers("%%seqnet g --expand §")
    assert "Dec" in offers("%%seqnet g --expand §")
    assert "pixels" in offers("%%seqnet g --like X=§", {"pixels": 1, "_1": 2})
    assert "_1" not in offers("%%seqnet g --like §", {"pixels": 1, "_1": 2})
    assert "--width" not in offers("%%seqnet g --width 3 --§")
    assert "--horizon" in offers("%%time\n%%seqnet --§\nx -> y")


def test_brackets_offer_functions_layers_macros_and_transforms():
    word, found = asked(GRU + "h_t --[Q|so§")
    assert (word, [text for text, _ in found]) == ("so", ["softmax", "softplus"])
    everything = offers(GRU + "h_t --[§")
    assert {"Gen", "Enc", "Dec", "clip_grad", "one_hot"} <= set(everything)
    assert not {"h_t", "Enc.R"} & set(everything)


def test_elsewhere_states_come_first():
    found = offers(GRU + "h_t --[Gen]-> q_t => §")
    assert found[0] in {"h_{t-1}", "x_t", "c_t", "r_t", "h_t"}
    assert {"h_t", "h_{t-1}", "h_0", "p_t", "p_{t-1}", "y_t", "log", "class"} - {"class"} <= set(found)
    assert offers("%%seqnet g\n0 -> h_0\nx_t|h_{t-1} --[M]-> h_t\nh_{t-§") == ["h_{t-1}"]


def test_declarations_losses_and_statements_have_words_of_their_own():
    assert offers("%%seqnet g\ny : cl§") == ["class"]
    assert offers("%%seqnet g\nx --[M]-> y ==[hu§") == ["huber"]
    assert offers("%%seqnet g\nres§") == ["reset"]
    assert "h" not in offers("%%seqnet g\nh§ -> y"), "the word that is being written is not offered"


def test_a_backslash_and_other_cells_are_left_to_others():
    assert asked("%%seqnet g\n\\gam§") == ("", [])
    assert asked("h = so§") == ("", [])


@pytest.mark.parametrize("name", WORDS)
def test_every_function_can_be_completed(name: str):
    found = offers(f"%%seqnet g\nx --[{name[:-1]}§")
    assert name in found


@pytest.mark.parametrize("stop", range(len(GRU) - len("%%seqnet gru\n")))
def test_no_place_of_a_program_is_out_of_reach(stop: int):
    """Wherever the rest is still missing, something is offered or nothing, and help is given or not."""
    cell = GRU[: len("%%seqnet gru\n") + stop] + "§"
    offers(cell)
    told(cell)


def test_the_mode_is_that_of_the_place():
    assert mode_at("x --[") == "items"
    assert mode_at("x --[M]-> ") == "text"
    assert mode_at("y : ") == "sizes"
    assert mode_at("x -> y\n") == "line"
    assert mode_at("p ==[") == "loss"


# --- help --------------------------------------------------------------------------------------------


def test_a_state_tells_its_equation_shape_domain_and_uses():
    said = told(GRU.replace("return h_t", "return h_t").replace("h_t --[clip", "h§_t --[clip"))
    assert said is not None
    assert said.startswith("h: a state")
    assert "line 7: h₀ = 0" in said
    assert "domain   steps 1 to T" in said
    assert "line 9: h_t --[clip_grad(Gen)|softmax]-> p_t => y_t" in said


def test_a_state_of_a_macro_is_found_in_its_body():
    said = told(GRU.replace("-> r_t", "-> §r_t"))
    assert said is not None and said.startswith("Enc.r: a state")


def test_an_input_tells_its_shape():
    assert "shape    28" in (told(GRU.replace("x_t : 28", "§x_t : 28")) or "")
    assert "one of 10 classes" in (told(GRU.replace("=> y_t", "=> y§_t")) or "")


def test_a_layer_tells_its_parameters_and_its_three_rules():
    said = told(GRU.replace("(Gen)", "(§Gen)"))
    assert said is not None
    assert "Gen.bias: 10" in said
    assert "Forward   y = W_{Gen} x + b_{Gen}" in said
    assert normalize("NFC", "x̂ = W_{Gen}ᵀ ŷ") in said


def test_a_layer_within_a_macro_is_found_as_it_is_written_there():
    said = told(GRU.replace("[R|", "[§R|", 1))
    assert said is not None and said.startswith("Enc.R: a layer (dense)")
    assert "used        line 3: c_t --[R|sigmoid]-> r_t" in said


def test_free_parameters_and_buffers_tell_where_they_are():
    said = told("%%seqnet g\nb : param(4)\nx : 4\nx + §b -> h")
    assert said is not None and said.startswith("b: a free parameter\n")
    assert "used        line 3: x + b -> h" in said
    said = told("%%seqnet g\nB§ : buffer(100, batch=4)\nx -> h")
    assert said == "B: a replay buffer\n  declared  line 1: B : buffer(100, batch=4)"


@pytest.mark.parametrize("name", sorted(WORDS_OF_THE_NOTATION))
def test_words_that_are_no_functions_tell_an_example(name: str):
    text = WORDS_OF_THE_NOTATION[name].split("\n")[0]
    assert told(f"%%seqnet g\n{text.replace(name, '§' + name, 1)}") == WORDS_OF_THE_NOTATION[name]


def test_an_option_tells_what_it_does():
    assert (told("%%seqnet g --hori§zon 4\nx -> y") or "").startswith("--horizon HORIZON\n  ")
    assert (told("%%seqnet g --view§ ghost\nx -> y") or "").startswith("--view {chain, single, ghost, rolled}\n  ")
    assert told("%%seqnet g --view gh§ost\nx -> y") is None


def test_a_macro_tells_its_text_wherever_it_is_from():
    assert (told(GRU.replace("[Enc]", "[En§c]")) or "").startswith("Enc: h_{t-1}, x_t\n")
    assert (told("%%seqnet g\nx --[De§c_1]-> y") or "").startswith("Dec: x_t\n")


@pytest.mark.parametrize(("name", "words"), [("sigmoid", "ŷ ⊙ y ⊙ (1 − y)"), ("argmax", "0: no gradient passes"),
                                             ("tanh", "ŷ ⊙ (1 − y²)"), ("relu", "where(y, ŷ, 0)")])  # fmt: skip
def test_a_function_tells_its_three_rules(name: str, words: str):
    said = told(f"%%seqnet g\nx --[§{name}]-> y")
    assert said is not None
    assert normalize("NFC", words) in said
    assert [line.split()[0] for line in said.split("\n")[1:4]] == ["Forward", "Autodiff", "Update"]


@pytest.mark.parametrize("name", sorted({**OPS, **TRANSFORMS}))
def test_everything_that_is_there_from_the_start_has_three_rules(name: str):
    found = meaning(name)
    assert found is not None
    assert found.summary and found.forward and found.autodiff and found.update


def test_there_is_no_help_where_there_is_nothing_to_tell():
    assert told("%%seqnet g\nx --[nosuch§]-> y") is None
    assert told("%%seqnet §g\nx -> y") is None
    assert told("h§elp = 1") is None
    assert meaning("nosuch") is None


# --- in a shell --------------------------------------------------------------------------------------


class Kernel:
    """As much of a kernel as is asked for help."""

    def do_inspect(self, code: str, cursor_pos: int, detail_level: int = 0, omit_sections: object = ()) -> object:
        return {"found": False, "code": code}


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    config = Config()
    config.HistoryManager.enabled = False
    made = InteractiveShell(config=config)
    made.kernel = Kernel()
    made.run_line_magic("load_ext", "sqmagic")
    yield made


def completed(shell: InteractiveShell, cell: str) -> list[str]:
    with provisionalcompleter():
        return [found.text for found in shell.Completer.completions(cell, len(cell))]


def test_tab_in_a_shell(shell: InteractiveShell):
    assert completed(shell, "%%seqnet g\nx_t --[M|softm") == ["softmax"]
    assert completed(shell, "%%seqnet g --hor") == ["--horizon"]
    assert completed(shell, "%%seqnet g\n\\gamma") == ["γ"]
    shell.run_cell("softmaximum = 1")
    assert completed(shell, "softmaxim") == ["softmaximum"]


def test_macros_of_earlier_cells_are_offered(shell: InteractiveShell):
    assert shell.run_cell("%%seqnet\nCell: x_t\n    x_t --[W]-> y_t\n    return y_t").success
    assert completed(shell, "%%seqnet g\nx_t --[Cel") == ["Cell"]


def test_shift_tab_in_a_kernel(shell: InteractiveShell):
    reply = shell.kernel.do_inspect("%%seqnet g\nx --[relu]-> h", 18)
    assert reply["found"] and "Autodiff" in reply["data"]["text/plain"]
    assert shell.kernel.do_inspect("len", 3) == {"found": False, "code": "len"}


def test_all_is_as_before_after_unloading_and_once_after_loading_again(shell: InteractiveShell):
    count = len(shell.Completer.custom_matchers)
    shell.run_line_magic("reload_ext", "sqmagic")
    assert len(shell.Completer.custom_matchers) == count
    shell.run_line_magic("unload_ext", "sqmagic")
    assert len(shell.Completer.custom_matchers) == count - 1
    assert "do_inspect" not in vars(shell.kernel)
