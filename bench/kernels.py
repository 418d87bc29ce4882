"""`python -m bench.kernels [--full] [--threads N] [--cells A,B]`: compiled recurrences beside others', interleaved.

Each figure is the median over rounds of the other's time by ours: above 1 ours is the faster; in brackets the aim. In a
round each is called for some hundredths of a second, in an order drawn by lot.
In training all gradients are taken, with "dx" that of the input too. The share is of the peak of fused multiplications
and additions, measured here as well. With `--full` all shapes, TorchScript, JAX's scan where JAX is installed, and the
same with an allocator that keeps its pages, which libraries gain by. `--device cuda` measures on a GPU instead (see
`bench.gpu`), and ends with status 2 where there is none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from bench.aims import aim
from bench.cells import CELLS, RANDOM, Loop, random_cell, scripted
from bench.peak import peak
from sqmagic.nets import compile as compiled
from sqmagic.runtime.net import Net

Shape = tuple[int, int, int, int]

SHAPES: tuple[Shape, ...] = ((64, 32, 64, 64), (128, 64, 128, 256), (256, 16, 128, 512), (512, 1, 32, 128))
"""Steps, examples, inputs, width."""

TURN = 0.02
"""Seconds for which one is called again and again before it is the next one's turn, as a loop of training calls it: a
first call finds the caches full of another's data and the other threads asleep."""

KEEPING = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "2147483648",
    "MALLOC_TOP_PAD_": "67108864",
}
"""What tells glibc's allocator to keep its pages."""

Run = Callable[[Tensor, Tensor | None], object]
"""One pass over an input; with a gradient of the result, there and back."""


@dataclass(frozen=True)
class Contest:
    """A cell at a shape: what is timed, by name, ours first; `flops` are those forward, `of_input` those of the
    input's gradient alone."""

    cell: str
    shape: Shape
    flops: int
    of_input: int
    runs: dict[str, Run]


def contest(name: str, shape: Shape, full: bool) -> Contest:
    steps, batch, inputs, width = shape
    text = _text(name, shape)
    net = compiled(text, width=width).settle()
    runs: dict[str, Run] = {"ours": pass_of(net, lambda x: net(x=x).h)}
    if name in CELLS:
        if "lstm" in name or "gru" in name:
            library = nn.LSTM(inputs, width) if "lstm" in name else nn.GRU(inputs, width)
            runs["nn.LSTM" if "lstm" in name else "nn.GRU"] = pass_of(library, lambda x: library(x)[0])
        cell = CELLS[name].module(inputs, width)
        runs["naive"] = pass_of(cell, Loop(cell, width, *CELLS[name].memory(width)))
        if full:
            runs["script"] = pass_of(cell, scripted(cell, width, *CELLS[name].memory(width)))
    else:
        runs["naive"] = pass_of(net, _as_written(net))
    if full and name in ("lstm", "gru"):
        runs |= _jax(name, shape)
    few, more = (_weights(_text(name, (steps, batch, wide, width)), width) for wide in (1, 2))
    rows = 2 * steps * batch
    return Contest(name, shape, rows * (few + (inputs - 1) * (more - few)), rows * inputs * (more - few), runs)


def _as_written(net: Net) -> Callable[[Tensor], Tensor]:
    """The lines of a program as a loop for torch, step by step, none of them made faster by a rule."""
    code: Any = net._as_written
    assert code is not None, "a recurrence with layers has rewrites"
    return lambda x: code.forward(x)["h"][1:]


def _text(name: str, shape: Shape) -> str:
    _, _, inputs, width = shape
    return (CELLS[name].text if name in CELLS else random_cell(name)).format(inputs=inputs, width=width)


def _weights(text: str, width: int) -> int:
    return sum(p.numel() for p in compiled(text, width=width).settle().parameters() if p.dim() == 2)


def pass_of(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Run:
    """In training gradients are made anew, as they are after `zero_grad`."""
    parameters = list(module.parameters())

    def run(x: Tensor, given: Tensor | None) -> object:
        if given is None:
            with torch.no_grad():
                return forward(x)
        for each in (x, *parameters):
            each.grad = None
        torch.autograd.backward(forward(x), given)
        return None

    return run


def _jax(name: str, shape: Shape) -> dict[str, Run]:
    try:
        from bench.jaxcells import scan
    except ImportError:
        return {}
    return {"jax": scan(name, shape)}


def rounds(contest: Contest, training: bool, dx: bool, seconds: float) -> dict[str, float]:
    """Our milliseconds, and for each other the median of its time by ours."""
    steps, batch, inputs, width = contest.shape
    x = torch.randn(steps, batch, inputs, requires_grad=dx)
    given = torch.randn(steps, batch, width) if training else None

    def once(run: Run) -> float:
        start = perf_counter()
        run(x, given)
        return perf_counter() - start

    names, runs = list(contest.runs), list(contest.runs.values())
    for run in runs:
        once(run)
    calls = [max(1, min(20, int(TURN / once(run)))) for run in runs]
    end = perf_counter() + seconds
    lots, times = Random(0), list[list[float]]()
    while len(times) < 3 or perf_counter() < end:
        turns = lots.sample(range(len(runs)), len(runs))  # so that each comes after each
        took = {k: sum(once(runs[k]) for _ in range(calls[k])) / calls[k] for k in turns}
        times.append([took[k] for k in range(len(runs))])
    ours = median(row[0] for row in times) * 1000
    return {"ms": ours} | {names[k]: median(row[k] / row[0] for row in times) for k in range(1, len(names))}


def lines(name: str, shape: Shape, full: bool, seconds: float, keeping: bool) -> Iterator[str]:
    found = contest(name, shape, full and not keeping)
    top = peak(torch.get_num_threads())
    modes = [(True, True), (True, False), (False, False)] if full and not keeping else [(True, True), (False, False)]
    steps, batch, inputs, width = shape
    for training, dx in modes:
        figures = rounds(found, training, dx, seconds)
        what = ("training dx" if dx else "training") if training else "inference"
        label = f"{name} T{steps} B{batch} {inputs}-{width} {what}{' keeping pages' * keeping}"
        told = [
            f"{other} {value:.2f}{aim(name, other, training, dx, SHAPES.index(shape), keeping)}"
            for other, value in figures.items()
            if other != "ms"
        ]
        flops = found.flops * (3 if training else 1) - found.of_input * (training and not dx)
        share = (
            f"{flops / figures['ms'] / 1e6 / top:.0%}{aim(name, 'share', training, dx, SHAPES.index(shape), keeping)}"
        )
        yield f"{label:<52}{figures['ms']:>9.2f} ms  {share:>10} of peak   {'   '.join(told)}"


def _on_gpu(cells: list[str], options: argparse.Namespace) -> None:
    """Exits with status 2 where there is no GPU."""
    from bench import gpu  # which takes from here what is the same

    if not torch.cuda.is_available():
        print(f"torch {torch.__version__} finds no GPU here: nothing was measured", file=sys.stderr)
        sys.exit(2)
    torch.backends.cudnn.allow_tf32 = False  # as products of matrices are by default
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    shapes = [SHAPES[int(n)] for n in options.shapes] or SHAPES
    for name in cells:
        for shape in shapes:
            for line in gpu.lines(name, shape, "cuda", options.seconds or 2.0):
                print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="all cells, shapes and others: minutes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, help="for each figure")
    parser.add_argument("--cells", help="some of them, by name, with commas between")
    parser.add_argument("--shapes", default="", help="some of them, by number from 0")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--keeping", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cuda":
        _on_gpu(options.cells.split(",") if options.cells else ["lstm", "gru", "gru of the seed"], options)
        return
    torch.set_num_threads(options.threads)
    print(f"{options.threads} threads; peak {peak(options.threads):.0f} GF/s; (…) is what we aim at", flush=True)
    some = ("lstm",) if options.keeping else (*CELLS, *RANDOM) if options.full else ("lstm", "gru", RANDOM[0])
    cells = options.cells.split(",") if options.cells else some
    shapes = [SHAPES[int(n)] for n in options.shapes] or (SHAPES if options.full else (SHAPES[0], SHAPES[3]))
    seconds = options.seconds or (4.0 if options.full else 0.5)
    for name in cells:
        for shape in shapes:
            for line in lines(name, shape, options.full, seconds, options.keeping):
                print(line, flush=True)
    if options.full and not options.keeping and sys.platform == "linux":
        command = [sys.executable, "-m", "bench.kernels", *sys.argv[1:], "--keeping"]
        subprocess.run(command, env={**os.environ, **KEEPING}, check=True)


if __name__ == "__main__":
    main()
