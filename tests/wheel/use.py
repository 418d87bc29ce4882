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


def notebooks_run() -> None:
    for name in ("06_derivations", "tour"):
        notebook = nbformat.read(f"{name}.ipynb", as_version=4)
        NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
        nbformat.write(notebook, f"{name}_ran.ipynb")
    said("an example and the tour run from the top")


def a_net_is_explored() -> None:
    look = sqmagic.compile(GRU, width=4).explore(x=torch.rand(6, 2, 3))
    look.state, look.horizon = "z", 3
    assert look.values().shape == (3, 4) and "svg" in look.picture
    data, _ = look._repr_mimebundle_()
    assert "<math" in data["text/html"] and "application/vnd.jupyter.widget-view+json" in data
    said("the explorer shows a gate, and another horizon")


def a_notebook_becomes_a_page() -> None:
    words = ["nbconvert", "--to", "seqnet-html", "tour_ran.ipynb"]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = Path("tour_ran.html").read_text()
    assert "<math" in page and "data:image/svg+xml;base64," in page and 'src="http' not in page
    said("jupyter nbconvert --to seqnet-html makes a page with pictures and sheets")


def pictures_are_saved() -> None:
    for form in ("svg", "pdf", "png"):
        assert sqmagic.compile(GRU).diagram.save(f"gru_own.{form}").stat().st_size > 1000
    said("pictures are saved as SVG, PDF and PNG")


def the_extension_lies_where_jupyter_looks() -> None:
    place = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "sqmagic-labextension"
    found = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    assert {"package.json", "install.json", "static/style.js"} <= set(found), found
    assert any(name.startswith("static/remoteEntry.") for name in found), found
    words = [sys.executable, "-m", "jupyter", "labextension", "list"]
    listed = subprocess.run(words, capture_output=True, text=True)
    (line,) = [line for line in (listed.stdout + listed.stderr).splitlines() if "sqmagic-labextension" in line]
    assert "enabled" in line and "OK" in line and "(python, sqmagic)" in line, line
    said(f"JupyterLab's extension is there, {len(found)} files: {' '.join(line.split())}")


def the_shell_works() -> None:
    Path("gru.sqn").write_text(GRU)
    Path("wrong.sqn").write_text("o_t --[O|sigmoid]-> o_t\n")
    for code, words in [
        (0, "check gru.sqn"),
        (1, "check wrong.sqn gru.sqn"),
        (2, "check none.sqn"),
        (1, "format gru.sqn --check"),
        (0, "format gru.sqn --write"),
        (0, "format gru.sqn --check"),
        (0, "render gru.sqn"),
        (0, "compile gru.sqn"),
    ]:
        done = subprocess.run([sys.executable, "-m", "sqmagic", *words.split()], capture_output=True, text=True)
        assert done.returncode == code and "Traceback" not in done.stderr, (words, done.returncode, done.stderr)
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
    notebooks_run()
    a_net_is_explored()
    a_notebook_becomes_a_page()
    pictures_are_saved()
    the_extension_lies_where_jupyter_looks()
    the_shell_works()
    colours_are_found()


main()
