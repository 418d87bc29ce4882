"""What holds of an installed wheel on a machine with neither a compiler nor node; run by `check.sh`, on its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

for tool in ("cc", "gcc", "clang", "node", "make", "dot"):
    assert shutil.which(tool) is None, tool

import nbformat  # noqa: E402
import torch  # noqa: E402
from nbclient import NotebookClient  # noqa: E402

import sqmagic  # noqa: E402

GRU = """x_t : 3
y : class(2)
0 -> h_0
h_{t-1}|x_t -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
h_{t-1}*(1 - z_t) + z_t*l_t -> h_t
h_T --[Gen|softmax]-> p => y
"""
CELL = "%%seqnet gru --width 4\n" + GRU


def said(what: str) -> None:
    print(f"  {what}")


def a_net_trains_and_says_that_it_runs_in_torch() -> None:
    net = sqmagic.compile(GRU, width=4)
    history = net.fit(x=torch.rand(5, 8, 3), y=torch.randint(2, (8,)), epochs=2, progress=False)
    assert len(history.epochs) == 2
    paths = list(net.plan.scans.values())
    assert paths and all(path == "torch, because there is no C compiler" for path in paths), paths
    said(f"a net trains; net.plan: {paths[0]}")


def an_environment_in_c_runs() -> None:
    env = sqmagic.environment("CartPole", batch=4, seed=1)
    state, _ = env.reset()
    step = env.step(state, env.random_action())
    assert step.r.shape == (4, 1) and bool((step.r == 1).all())
    said(f"an environment in C steps: {env!r}")


def a_notebook_runs(cells: list[str]) -> list[nbformat.NotebookNode]:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    return list(notebook.cells)


def a_cell_shows_picture_and_sheet() -> None:
    cells = a_notebook_runs(["%load_ext sqmagic", CELL, "import torch\ngru.trace(x=torch.rand(3, 1, 3), steps=2)"])
    data = {mime: text for out in cells[1].outputs if "data" in out for mime, text in out.data.items()}
    assert {"image/svg+xml", "text/html", "text/latex", "application/vnd.seqnet+json"} <= data.keys(), data.keys()
    assert "<svg" in data["image/svg+xml"] and "<math" in data["text/html"]
    assert "h_t = h_{t-1} * (1 - z_t) + z_t * l_t" in cells[2].outputs[0].data["text/plain"]
    said("a %%seqnet cell in a kernel without a window shows picture, sheet and payload")


def an_example_runs() -> None:
    notebook = nbformat.read("06_derivations.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    said("an example runs from the top")


def the_extension_lies_where_jupyter_looks() -> None:
    place = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "sqmagic-labextension"
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert {"package.json", "install.json", "static/style.js"} <= set(found), found
    assert any(name.startswith("static/remoteEntry.") for name in found), found
    said(f"JupyterLab's extension is there: {len(found)} files")


def the_shell_works() -> None:
    Path("gru.sqn").write_text(GRU)
    for words in (["check"], ["format", "--check"], ["render"], ["compile"]):
        done = subprocess.run([sys.executable, "-m", "sqmagic", words[0], "gru.sqn", *words[1:]], capture_output=True)
        assert done.returncode in (0, 1) and not done.stderr.startswith(b"Traceback"), done.stderr
    assert Path("gru.svg").read_text().startswith("<") and "class " in Path("gru.py").read_text()
    said("python -m sqmagic checks, formats, renders and compiles")


def colours_are_found() -> None:
    from pygments.lexers import get_lexer_by_name

    assert get_lexer_by_name("seqnet").name
    said("Pygments finds the lexer")


def main() -> None:
    assert "site-packages" in str(sqmagic.__file__), sqmagic.__file__
    print(f"sqmagic {sqmagic.__version__} from {Path(str(sqmagic.__file__)).parent}")
    a_net_trains_and_says_that_it_runs_in_torch()
    an_environment_in_c_runs()
    a_cell_shows_picture_and_sheet()
    an_example_runs()
    the_extension_lies_where_jupyter_looks()
    the_shell_works()
    colours_are_found()


main()
