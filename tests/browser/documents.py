"""Notebooks to open: programs among cells of other kinds, and outputs that were saved elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

GRU = """\
Enc: h_{t-1}, x_t
    h_{t-1}|x_t -> c_t
    c_t --[R|sigmoid]-> r_t
    c_t --[Z|sigmoid]-> z_t
    x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
    h_{t-1} * (1 - z_t) + z_t*l_t -> h_t
    return h_t
x_t : 28
0 -> h_0
h_{t-1}, x_t --[Enc]-> h_t
h_t --[Gen|softmax]-> p_t => y_t   # what is learnt
y_t : class(10)
"""
WRONG = "%%seqnet lstm\no_t --[O|sigmoid]-> o_t\n"
PYTHON = "plain = [len(word) for word in 'plain Python'.split()]  # %%seqnet"
MARKDOWN = "# A *Markdown* cell\n\n```seqnet\nx --[M|relu]-> h  # in a fence\n```\n"
MIME = "application/vnd.seqnet+json"
HOSTILE = """\
<svg xmlns="http://www.w3.org/2000/svg" id="x" onload="window.caught=1" width="99" height="9" viewBox="0 0 99 9">
<script>window.caught=1</script>
<style>body{display:none}</style>
<foreignObject><b onclick="window.caught=1">b</b></foreignObject>
<g data-value="h" onmouseover="window.caught=1" data-commandlinker-command="x"><text y="9" fill="url(x)">h</text></g>
<a href="javascript:window.caught=1"><text>a</text></a>
</svg>
"""
HOSTILE_MATH = """\
<math onload="window.caught=1"><mi href="javascript:1">h</mi><img src=x onerror="window.caught=1"></math>
"""
PROOF = "%%seqproof gate\nfrom GRU\nassume z_t == 0\nshow h_t == h_{t-1}\n"


def cell(kind: str, source: str, outputs: list[object] | None = None) -> dict[str, object]:
    made: dict[str, object] = {
        "cell_type": kind,
        "metadata": {},
        "source": source,
        "id": f"c{abs(hash(source)) % 10**8}",
    }
    return made | ({"outputs": outputs or [], "execution_count": None} if kind == "code" else {})


PYTHON_3 = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {
        "name": "python",
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "codemirror_mode": {"name": "ipython", "version": 3},
    },
}
ECHO = {
    "kernelspec": {"display_name": "echo", "language": "R", "name": "echo"},
    "language_info": {"name": "R", "file_extension": ".r", "mimetype": "text/x-rsrc", "codemirror_mode": "r"},
}


def notebook(*cells: dict[str, object], about: dict[str, object] = PYTHON_3) -> str:
    return json.dumps(
        {
            "cells": cells,
            "metadata": about,
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )


def working() -> str:
    """To be run and changed."""
    return notebook(
        cell("code", "%load_ext sqmagic"),
        cell("code", f"%%seqnet gru\n{GRU}"),
        cell("code", PYTHON),
        cell("markdown", MARKDOWN),
        cell("code", WRONG),
        cell("code", PROOF),
        cell("code", "%%seqnet scratch\n"),
    )


EXPLORED = """\
import math, torch
steps = torch.arange(24.0)
wave = torch.stack([torch.sin(steps * speed / 6) for speed in (1, 2, 3)], -1)
waves = torch.stack([wave, wave.flip(0)], 1)
torch.manual_seed(0)
look = gru.explore(x=waves)
look"""


def explored() -> str:
    """A net that is looked into."""
    program = GRU.replace("28", "3").replace("    return", "    # its own state\n    return")
    return notebook(
        cell("code", "%load_ext sqmagic"),
        cell("code", f"%%seqnet gru --quiet --width 12\n{program}"),
        cell("code", EXPLORED),
        cell("code", "print('now', look.state, look.step, look.horizon, look.values().shape)"),
    )


def elsewhere() -> str:
    """A notebook of another language, in which nothing is ours."""
    return notebook(cell("code", "f <- function(x) paste(x, 'text')  # a comment"), about=ECHO)


def learning() -> str:
    """Two runs without an end."""
    return notebook(
        cell("code", "%load_ext sqmagic\nimport torch"),
        cell("code", "%%seqnet net --quiet\nx : 4\ny : 1\nx --[A|tanh|B]-> p => y"),
        cell(
            "code",
            "%%seqnet td --env RandomWalk5 --quiet\nreset() -> S_0, O_0\n"
            "S_{t-1}, a_{t-1} --[step]-> S_t, O_t, r_t, d_t, cut_t, O'_t\n"
            "Value @ O_t -> V_t\nV_{t-1} => r_t + Value @ O'_t * (1 - d_t)",
        ),
        cell("code", "x = torch.rand(512, 4)\nlosses = net.fit(x=x, y=x.sum(1, keepdim=True), epochs=10**6)\nlosses"),
        cell("code", "played = td.train_on(steps=10**9, batch=16, horizon=16, lr=0.01)\nplayed"),
        cell("code", "print('left with', losses.interrupted, played.interrupted)"),
    )


def saved(kernel: str) -> str:
    """A notebook with the output of a run elsewhere, which nobody here has trusted; one output with a derivation, and
    one that tries to get at the page."""
    bundle, derived = _bundle(kernel, "forward"), _bundle(kernel, "full")
    told = bundle[MIME]
    assert isinstance(told, dict)
    image = "<img src=x onerror='window.caught=1'>"
    bad = told | {"pictures": {}, "sheet": [{"line": 0, "text": image, "equations": [HOSTILE_MATH, image]}]}
    return notebook(
        cell("code", f"%%seqnet gru\n{GRU}", [_output(bundle)]),
        cell("code", f"%%seqnet other\n{GRU}", [_output(derived)]),
        cell(
            "code",
            f"%%seqnet bad\n{GRU}",
            [_output({"image/svg+xml": HOSTILE, "text/plain": "bad", MIME: bad})],
        ),
        cell(
            "code",
            "%%seqnet later\nx -> y",
            [_output({"text/plain": "a later version", MIME: {"version": 99}})],
        ),
    )


def _output(data: object) -> dict[str, object]:
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _bundle(kernel: str, derive: str) -> dict[str, object]:
    """What a cell with this program shows, made by the Python that has sqmagic."""
    script = """
import json, sys
from sqmagic.pipeline import understand
from sqmagic.showing import Page, shown
page = Page(derive=sys.argv[1], check=False)
json.dump(shown("gru", understand(sys.stdin.read()), {}, page, {"h": (64,), "x": (28,)}), sys.stdout)
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [kernel or sys.executable, "-c", script, derive], input=GRU, capture_output=True, text=True, env=env
    )
    assert done.returncode == 0, done.stderr
    bundle: dict[str, object] = json.loads(done.stdout)
    return bundle
