"""`python -m bench`: the figures, one line each."""

from __future__ import annotations

import gc
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter

from bench.board import drawing
from bench.programs import LSTM, chain

STATEMENTS = (125, 250, 500, 1000, 2000)


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """The median of `repeats` runs, after one that warms the caches."""
    work()
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return 1000 * median(times)


def fresh(timed: str, before: str = "", repeats: int = 7) -> float:
    """Milliseconds that a statement takes in a process of its own, after `before`: the median of several."""
    script = f"{before}\nimport time\nstart = time.perf_counter()\n{timed}\nprint(time.perf_counter() - start)"

    def once() -> float:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        return 1000 * float(done.stdout.split()[-1])

    once()
    return median(once() for _ in range(repeats))


def line(what: str, figure: str) -> None:
    print(f"{what:<58}{figure:>14}", flush=True)


def importing() -> None:
    shell = "from IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()"
    load = "shell.run_line_magic('load_ext', 'sqmagic')"
    line("import sqmagic", f"{fresh('import sqmagic'):.1f} ms")
    line("%load_ext sqmagic", f"{fresh(load, shell):.1f} ms")
    line("import torch (for comparison)", f"{fresh('import torch', repeats=3):.0f} ms")


def compiling() -> None:
    from sqmagic import compile

    for horizon in (8, 8192):
        took = milliseconds(partial(compile, LSTM, horizon=horizon), 31)
        line(f"LSTM, from text to a bound module, horizon {horizon}", f"{took:.1f} ms")


READY = """
import sys, time
import torch
from bench.cells import CELLS, random_cell
from sqmagic import compile
name, horizon = sys.argv[1:]
text = CELLS[name].text if name in CELLS else random_cell(name)
net = compile(text.format(width=128), horizon=int(horizon), width=128).settle()
start = time.perf_counter()
for scan in net.scans:
    scan.ready(torch.float32, True)
print(time.perf_counter() - start)
"""
"""What prints how many seconds the C of a cell takes until it can be called, forward and back."""


def kernels() -> None:
    """The C of cells, which knows no number of steps: in a process with an empty cache, and in others that find it."""
    for name, horizon in (("lstm", 8), ("lstm", 8192), ("gru of the seed", 8), ("random cell 1", 8)):
        with tempfile.TemporaryDirectory() as cache:
            cold, *cached = [_until_ready(name, horizon, cache) for _ in range(6)]
        line(f"C of {name}, horizon {horizon} (2 s)", f"{cold:.2f} s")
        line("    from the cache, in another process (20 ms)", f"{1000 * median(cached):.1f} ms")


def _until_ready(name: str, horizon: int, cache: str) -> float:
    command = [sys.executable, "-c", READY, name, str(horizon)]
    environment = {**os.environ, "SQMAGIC_CACHE": cache}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


def growing() -> None:
    """Linear growth shows as the same figure per statement on every line; the collector's share grows with the heap."""
    from sqmagic import compile

    for count in STATEMENTS:
        work = partial(compile, chain(count))
        took = milliseconds(work, 5)
        gc.disable()
        alone = milliseconds(work, 5)
        gc.enable()
        line(f"a program of {count} statements", f"{took:.0f} ms")
        line("    for each statement", f"{took / count:.3f} ms")
        line("    the same without Python's garbage collector", f"{alone / count:.3f} ms")


def main() -> None:
    print(f"Python {platform.python_version()}, {platform.machine()}, medians, caches warm\n")
    importing()
    compiling()
    kernels()
    growing()
    drawing(line, milliseconds)


if __name__ == "__main__":
    main()
