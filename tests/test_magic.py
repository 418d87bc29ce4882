"""`%%seqnet` and `%seqnet` in a shell: what is bound, said and kept, and what a rejected cell leaves alone."""

import re
from collections.abc import Iterator

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import sqmagic

RNN = "x_t : 5\n0 -> h_0\nx_t|h_{t-1} --[Enc|tanh]-> h_t --[Gen]-> p_t => y_t\ny_t : 2\n"
MLP = "x : 4\nx --[F|relu]-> h --[G]-> p => y\ny : 3\n"
MACRO = "Cell: x_t, h_{t-1}\n    x_t|h_{t-1} --[W|tanh]-> h_t\n    return h_t\n"
BAD = "o_t --[O|sigmoid]-> o_t"


class Notebook:
    """A shell, and what running a cell in it printed."""

    def __init__(self, shell: InteractiveShell, capsys: pytest.CaptureFixture[str]) -> None:
        self.shell, self.capsys = shell, capsys

    def __call__(self, cell: str) -> str:
        """Runs a cell that must succeed; gives its standard output."""
        result = self.shell.run_cell(cell)
        printed = self.capsys.readouterr()
        assert result.success, printed.out + printed.err
        return printed.out

    def fails(self, cell: str) -> tuple[BaseException, str]:
        """Runs a cell that must not succeed; gives the error and all that is shown."""
        result = self.shell.run_cell(cell)
        printed = self.capsys.readouterr()
        error = result.error_in_exec or result.error_before_exec
        assert error is not None, printed.out
        return error, printed.out + printed.err

    def __getitem__(self, name: str):
        return self.shell.user_ns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.shell.user_ns


@pytest.fixture
def bare(capsys: pytest.CaptureFixture[str]) -> Iterator[Notebook]:
    """A shell without sqmagic."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    yield Notebook(InteractiveShell(config=config), capsys)


@pytest.fixture
def notebook(bare: Notebook) -> Notebook:
    bare("%load_ext sqmagic")
    return bare


# --- loading -------------------------------------------------------------------------------------


def test_loading_twice_is_harmless(notebook: Notebook) -> None:
    assert "already loaded" in notebook("%load_ext sqmagic")
    notebook(f"%%seqnet a\n{MLP}")
    assert isinstance(notebook["a"], sqmagic.Net)


def test_reloading_keeps_nets_and_macros(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    notebook(f"%%seqnet\n{MACRO}")
    before = notebook["a"]
    notebook("%reload_ext sqmagic")
    assert "unchanged" in notebook(f"%%seqnet a\n{MLP}")
    assert notebook["a"] is before
    notebook("%%seqnet b\n0 -> h_0\nx_t, h_{t-1} --[Cell]-> h_t")


def test_after_unloading_there_is_no_magic_but_the_nets_work(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    notebook("%unload_ext sqmagic")
    _, shown = notebook.fails(f"%%seqnet a\n{MLP}")
    assert "Cell magic `%%seqnet` not found" in shown
    _, shown = notebook.fails("%seqnet list")
    assert "not found" in shown
    assert notebook["a"](x=torch.ones(2, 4)).p.shape == (2, 3)
    notebook("%load_ext sqmagic")
    assert "unchanged" in notebook(f"%%seqnet a\n{MLP}")


def test_a_lazy_magic_loads_itself(bare: Notebook) -> None:
    bare.shell.magics_manager.lazy_magics = {"seqnet": "sqmagic"}
    bare(f"%%seqnet a\n{MLP}")
    assert "a" in bare


# --- binding -------------------------------------------------------------------------------------


def test_a_net_is_bound_under_its_name(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    assert isinstance(notebook["a"], sqmagic.Net)
    assert "a" not in notebook.shell.user_ns_hidden
    assert "a" in notebook("%who_ls Net")


def test_without_a_name_it_is_net(notebook: Notebook) -> None:
    notebook(f"%%seqnet\n{MLP}")
    assert isinstance(notebook["net"], sqmagic.Net)


def test_braces_and_dollars_are_ours(notebook: Notebook) -> None:
    notebook("t, x, name = 'no', 'no', 'no'")
    notebook("%%seqnet a\nx_t : 1\nx_{t-1} --[M|sum]-> v_t $ v_t")
    assert "x_{t-1}" in notebook["a"].notation and "$ v_t" in notebook["a"].notation
    error, _ = notebook.fails(f"%%seqnet {{name}}\n{MLP}")
    assert "`{name}` cannot be the name of a net" in str(error)


def test_it_works_from_a_program(notebook: Notebook) -> None:
    notebook(f"found = get_ipython().run_cell_magic('seqnet', 'a --width 7', {MLP!r})")
    assert notebook["found"] is notebook["a"]
    assert notebook["a"].state_dict()["F.weight"].shape == (7, 4)


def test_it_works_under_another_magic(notebook: Notebook) -> None:
    assert "Wall time" in notebook(f"%%time\n%%seqnet a\n{MLP}")
    assert isinstance(notebook["a"], sqmagic.Net)


def test_what_is_not_ours_is_not_replaced(notebook: Notebook) -> None:
    notebook("a = 7")
    error, shown = notebook.fails(f"%%seqnet a\n{MLP}")
    assert str(error) == (
        "`a` is already bound to something else (an int)\n"
        "  give the net another name, or replace it: %%seqnet a --force"
    )
    assert "Traceback" not in shown and "File" not in shown
    assert notebook["a"] == 7
    notebook(f"%%seqnet a --force\n{MLP}")
    assert isinstance(notebook["a"], sqmagic.Net)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("max", "`max` is one of Python's own functions"),
        ("for", "it is no name in Python"),
        ("a-b", "no name in Python"),
    ],
)
def test_names_that_a_net_cannot_have(notebook: Notebook, name: str, why: str) -> None:
    error, _ = notebook.fails(f"%%seqnet {name}\n{MLP}")
    assert why in str(error)
    assert name not in notebook


def test_a_name_of_python_can_be_forced(notebook: Notebook) -> None:
    notebook(f"%%seqnet max --force\n{MLP}")
    assert isinstance(notebook["max"], sqmagic.Net)


# --- rejected cells ------------------------------------------------------------------------------


def test_a_rejected_cell_changes_nothing(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MACRO}0 -> h_0\nx_t, h_{{t-1}} --[Cell]-> h_t\nx_t : 3")
    before = notebook["a"]
    other = "Cell: x_t, h_{t-1}\n    x_t --[V]-> h_t\n    return h_t\n"
    error, shown = notebook.fails(f"%%seqnet a\n{other}{BAD}")
    assert isinstance(error, sqmagic.NotationError)
    assert shown.endswith(f"\n{error}\n") and shown.startswith("a: A program over time")
    assert "Traceback" not in shown and ".py" not in shown
    assert notebook["a"] is before
    assert notebook("%seqnet show Cell") == MACRO
    assert before(x=torch.ones(2, 1, 3)).h.shape == (2, 1, 64)


@pytest.mark.parametrize(
    "cell",
    ["   ", "# nothing but this", "x --[", "x -> \0", "(" * 10_000, BAD + "\n" * 100_000, "x --[f|" + "g|" * 50_000],
    ids=["blank", "comment", "unfinished", "null", "parentheses", "long", "wide"],
)
def test_bad_cells_of_every_kind_give_one_clear_error(notebook: Notebook, cell: str) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    before = notebook["a"]
    error, shown = notebook.fails(f"%%seqnet a\n{cell}\n")
    assert isinstance(error, sqmagic.NotationError)
    assert str(error).startswith("SQ") and len(str(error)) < 3000
    assert "Traceback" not in shown
    assert notebook["a"] is before
    assert before(x=torch.ones(2, 4)).p.shape == (2, 3)


def test_an_empty_cell_is_told_by_ipython(notebook: Notebook) -> None:
    _, shown = notebook.fails("%%seqnet\n")
    assert "the cell body is empty" in shown


def test_warnings_do_not_keep_a_net_from_being_made(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    cell = "%%seqnet a --quiet\nr_t : 1\nO_t : 4\nO_t --[Value]-> V_t => V_{t-1}*0.9 + r_t"
    assert notebook.shell.run_cell(cell).success
    printed = capsys.readouterr()
    assert printed.err.startswith("SQ") and "looks back" in printed.err
    assert printed.out == ""
    assert isinstance(notebook["a"], sqmagic.Net)


# --- what is taken from the kernel ---------------------------------------------------------------


def test_integers_modules_and_macros_are_taken_by_their_names(notebook: Notebook) -> None:
    notebook("import torch\nn = 6\nbackbone = torch.nn.Linear(6, 4)")
    notebook(f"%%seqnet first\n{MACRO}0 -> h_0\nx_t, h_{{t-1}} --[Cell]-> h_t")
    said = notebook("%%seqnet a\nx_t : n\n0 -> h_0\nx_t --[backbone]-> e_t\ne_t, h_{t-1} --[Cell]-> h_t")
    assert "from the kernel: n = 6, Cell (cell of first), backbone (Linear)" in said
    assert notebook["a"].state_dict()["Cell.W.weight"].shape == (64, 68)


def test_a_cell_of_macros_alone_makes_no_net(notebook: Notebook) -> None:
    notebook("net = 'mine'")
    assert notebook(f"%%seqnet\n{MACRO}") == "Cell can be used in later cells\n"
    assert notebook["net"] == "mine"
    said = notebook("%%seqnet a\n0 -> h_0\nx_t, h_{t-1} --[Cell]-> h_t")
    assert "from the kernel: Cell (macro)" in said


def test_nothing_is_said_to_be_taken_where_nothing_is(notebook: Notebook) -> None:
    notebook("n = 6")
    assert "from the kernel" not in notebook(f"%%seqnet a\n{MLP}")


def test_shapes_like_those_of_data(notebook: Notebook) -> None:
    notebook("import numpy as np\nX = np.zeros((10, 7))\nlabels = np.arange(10) % 3")
    notebook("%%seqnet a --like X,y=labels\nX --[F|softmax]-> p => y")
    assert notebook["a"].state_dict()["F.weight"].shape == (3, 7)


def test_data_that_are_not_there(notebook: Notebook) -> None:
    error, _ = notebook.fails("%%seqnet a --like X\nX --[F]-> p")
    assert str(error) == "--like: there is no `X` in the kernel"
    notebook("Z = [1.0]")
    error, shown = notebook.fails("%%seqnet a --like Z\nX --[F]-> p")
    assert "there is no input `Z`" in str(error) and "Traceback" not in shown
    assert "a" not in notebook


# --- weights -------------------------------------------------------------------------------------


def test_an_unchanged_cell_gives_the_same_net(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{RNN}")
    before, chance = notebook["a"], torch.get_rng_state()
    with_comments = RNN.replace("\n", "   # as before\n")
    assert "a is unchanged and keeps its weights (--fresh begins anew)" in notebook(f"%%seqnet a\n{with_comments}")
    assert notebook["a"] is before
    assert torch.equal(torch.get_rng_state(), chance)


@pytest.mark.parametrize("options", ["--fresh", "--width 32", "--horizon 9"])
def test_what_makes_another_net(notebook: Notebook, options: str) -> None:
    notebook(f"%%seqnet a\n{RNN}")
    before = notebook["a"]
    assert "unchanged" not in notebook(f"%%seqnet a {options}\n{RNN}")
    assert notebook["a"] is not before


def test_another_integer_or_macro_or_module_makes_another_net(notebook: Notebook) -> None:
    cell = "%%seqnet a\nx_t : n\n0 -> h_0\nx_t --[backbone]-> e_t\ne_t, h_{t-1} --[Cell]-> h_t"
    changes = [
        "n = 6",
        "import torch\nbackbone = torch.nn.Linear(6, 4)",
        f"%%seqnet\n{MACRO}",
        "n, backbone = 5, torch.nn.Linear(5, 4)",
        "backbone = torch.nn.Linear(5, 4)",
        f"%%seqnet\n{MACRO.replace('tanh', 'relu')}",
    ]
    for change in changes[:3]:
        notebook(change)
    notebook(cell)
    for change in changes[3:]:
        before = notebook["a"]
        assert "unchanged" in notebook(cell)
        notebook(change)
        assert "unchanged" not in notebook(cell), change
        assert notebook["a"] is not before


def test_data_of_another_shape_make_another_net(notebook: Notebook) -> None:
    cell = "%%seqnet a --like X\nX --[F]-> p"
    notebook("import numpy as np\nX = np.zeros((10, 7))")
    notebook(cell)
    before = notebook["a"]
    notebook("X = np.ones((3, 7))")
    assert "unchanged" in notebook(cell)
    notebook("X = np.zeros((10, 8))")
    assert "unchanged" not in notebook(cell)
    assert notebook["a"] is not before


def test_fresh_weights_are_other_weights(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    before = notebook["a"].state_dict()["F.weight"].clone()
    notebook(f"%%seqnet a --fresh\n{MLP}")
    assert not torch.equal(notebook["a"].state_dict()["F.weight"], before)


def test_an_edited_cell_keeps_what_fits_and_says_which(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    before = {name: value.clone() for name, value in notebook["a"].state_dict().items()}
    said = notebook("%%seqnet a\nx : 4\nx --[F|relu]-> h\nh|x --[G|relu]-> k --[New]-> p => y\ny : 3\nk : 3")
    assert "a keeps F, G.bias; new: New; of another shape, so new: G.weight (3 x 68, was 3 x 64)" in said
    after = notebook["a"].state_dict()
    for name in ("F.weight", "F.bias", "G.bias"):
        assert torch.equal(after[name], before[name])


def test_an_edited_cell_may_keep_all_or_none(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{MLP}")
    assert "a keeps all its weights" in notebook(f"%%seqnet a\n{MLP.replace('relu', 'tanh')}")
    said = notebook("%%seqnet a\nx : 4\nx --[K]-> p => y\ny : 3")
    assert "a keeps none of its former weights; new: K" in said


def test_weights_are_kept_where_data_told_the_shapes(notebook: Notebook) -> None:
    notebook("%%seqnet a\nX --[F|softmax]-> p => y")
    notebook("import torch\na.settle(X=torch.zeros(9, 6), y=torch.arange(9) % 5)")
    before = notebook["a"].state_dict()["F.weight"].clone()
    assert "a keeps all its weights" in notebook("%%seqnet a\nX --[F|sigmoid|softmax]-> p => y")
    assert torch.equal(notebook["a"].state_dict()["F.weight"], before)


def test_weights_wait_where_the_former_shapes_no_longer_hold(notebook: Notebook) -> None:
    notebook("%%seqnet a\nX --[F]-> h\nh : 3")
    notebook("import torch\na.settle(X=torch.zeros(9, 6))")
    before = notebook["a"].state_dict()["F.weight"].clone()
    said = notebook("%%seqnet a\nX --[F]-> h\nh : 3\nX + Z --[G]-> k\nk : 2")
    assert "a keeps the weights that still fit as soon as its shapes are known" in said
    notebook("a.settle(X=torch.zeros(9, 6), Z=torch.zeros(9, 6))")
    assert torch.equal(notebook["a"].state_dict()["F.weight"], before)


def test_modules_of_the_kernel_keep_their_own_weights(notebook: Notebook) -> None:
    cell = "%%seqnet a\nx : 4\nx --[backbone|F]-> h"
    notebook("import torch\nbackbone = torch.nn.Linear(4, 4)")
    notebook(cell)
    notebook("backbone = torch.nn.Linear(4, 4)\nbefore = backbone.weight.detach().clone()")
    assert "a keeps all its weights" in notebook(cell)
    assert torch.equal(notebook["backbone"].weight, notebook["before"])


# --- what is shown -------------------------------------------------------------------------------


def test_the_output_is_the_net(notebook: Notebook) -> None:
    result = notebook.shell.run_cell(f"%%seqnet a\n{RNN}")
    assert result.result is notebook["a"]
    data, _ = notebook.shell.display_formatter.format(result.result)
    assert {"text/plain", "text/html", "text/latex", "image/svg+xml"} <= set(data)
    assert data["text/plain"].startswith("x_t : 5\n")


def test_quiet_is_quiet(notebook: Notebook) -> None:
    notebook("n = 6")
    result = notebook.shell.run_cell("%%seqnet a --quiet\nx : n\nx --[F]-> h")
    assert result.success and result.result is None
    assert notebook.capsys.readouterr() == ("", "")
    assert "a" in notebook


def test_help(notebook: Notebook) -> None:
    assert notebook("%seqnet") == notebook("%seqnet help")
    assert "%%seqnet NAME" in notebook("%seqnet help")
    assert "%seqnet lsit is not one of these" in notebook("%seqnet lsit")


def test_a_question_mark_lists_the_options(notebook: Notebook) -> None:
    shown = notebook("%%seqnet?")
    for option in ("--horizon", "--width", "--like", "--quiet", "--force", "--fresh"):
        assert option in shown


@pytest.mark.parametrize("options", ["--bogus", "--width 0", "--width many", "--horizon -3", "a b"])
def test_options_that_are_none(notebook: Notebook, options: str) -> None:
    error, shown = notebook.fails(f"%%seqnet {options}\n{MLP}")
    assert type(error).__name__ == "UsageError" and "UsageError" in shown
    assert "net" not in notebook


def test_listing(notebook: Notebook) -> None:
    assert notebook("%seqnet list") == "no nets and no macros yet\n"
    notebook(f"%%seqnet zoe\n{MLP}")
    notebook(f"%%seqnet\n{MACRO}")
    assert notebook("%seqnet list") == (
        "net    zoe          zoe(x 4, y 3) with 515 parameters\nmacro  Cell         of a cell of its own\n"
    )


def test_showing(notebook: Notebook) -> None:
    notebook(f"%%seqnet zoe\n{MACRO}{MLP}")
    assert notebook.shell.run_cell("%seqnet show zoe").result is notebook["zoe"]
    notebook.capsys.readouterr()
    assert notebook("%seqnet show Cell") == MACRO
    error, shown = notebook.fails("%seqnet show nobody")
    assert "there is no net and no macro `nobody` here" in str(error) and "Traceback" not in shown


# --- how a net is shown --------------------------------------------------------------------------


@pytest.fixture
def pictures(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The SVG texts that cells display, apart from their results."""
    found: list[str] = []

    def publish(data: dict[str, str], *rest: object, **more: object) -> None:
        found.append(data.get("image/svg+xml", ""))

    monkeypatch.setattr(notebook.shell.display_pub, "publish", publish)
    return found


def test_a_cell_says_how_its_net_is_seen(notebook: Notebook) -> None:
    notebook(f"%%seqnet a --view ghost --theme chalkboard --expand Enc_1,Dec --no-legend\n{RNN}")
    diagram = notebook["a"].diagram
    assert (diagram.view, diagram.theme, diagram.expand, diagram.legend) == (
        "ghost",
        "chalkboard",
        ("Enc_1", "Dec"),
        False,
    )
    notebook(f"%%seqnet b\n{RNN}")
    assert (notebook["b"].diagram.view, notebook["b"].diagram.theme, notebook["b"].diagram.legend) == (
        "chain",
        "auto",
        True,
    )


def test_another_look_keeps_the_net(notebook: Notebook) -> None:
    notebook(f"%%seqnet a\n{RNN}")
    before, weights = notebook["a"], notebook["a"].state_dict()["Enc.weight"].clone()
    assert "unchanged" in notebook(f"%%seqnet a --view rolled\n{RNN}")
    assert notebook["a"] is before and torch.equal(before.state_dict()["Enc.weight"], weights)
    assert before.diagram.view == "rolled"
    assert "t−1" in before._repr_mimebundle_()["image/svg+xml"]


def test_the_magic_offers_what_the_board_offers() -> None:
    from sqmagic.board.theme import THEMES
    from sqmagic.board.views import VIEWS
    from sqmagic.notebook import magics

    assert tuple(VIEWS) == magics.VIEWS and magics.THEMES == THEMES


@pytest.mark.parametrize(
    "cell",
    [
        BAD,
        "x --[F|]-> h\nh --[G]-> p => y",
        "x : 3\ny : 4\nx + y -> z => w",
        "x --[F]-> h\nnothing_like_it(h) -> q\nq --[G]-> p => y",
    ],
)
def test_a_faulty_program_is_drawn_beside_its_error(notebook: Notebook, pictures: list[str], cell: str) -> None:
    error, _ = notebook.fails(f"%%seqnet a\n{cell}")
    assert isinstance(error, sqmagic.NotationError)
    (picture,) = pictures
    assert re.search(r'class="[^"]*\bfault\b', picture)


def test_a_quiet_cell_and_one_of_which_nothing_can_be_drawn_show_no_picture(
    notebook: Notebook, pictures: list[str]
) -> None:
    notebook.fails(f"%%seqnet a --quiet\n{BAD}")
    notebook.fails("%%seqnet a\nx --[->- y")
    assert not pictures


# --- exercises -------------------------------------------------------------------------------------


def test_an_exercise_is_graded_below_its_cell(notebook):
    notebook(f"%%seqnet solution --quiet\n{MLP}")
    assert "right: " in notebook(f"%%seqnet mine --quiet --exercise solution\n{MLP.replace('F|', 'Q|')}")
    said = notebook(f"%%seqnet mine --quiet --exercise solution\n{MLP.replace('relu', 'tanh')}")
    assert "`h` differs" in said
    assert "mine" in notebook


def test_an_exercise_may_be_held_against_a_text(notebook):
    notebook(f"solution = {MLP!r}")
    assert "right: " in notebook(f"%%seqnet mine --quiet --width 7 --exercise solution\n{MLP}")


def test_a_reference_that_is_none_is_refused_before_anything_is_made(notebook):
    assert "there is no such name" in notebook.fails(f"%%seqnet mine --exercise solution\n{MLP}")[1]
    assert "mine" not in notebook
