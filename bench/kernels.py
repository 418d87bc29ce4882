"""`python -m bench.kernels [--full] [--threads N]`: compiled recurrences beside torch's, interleaved in one process.

Each figure is the median over rounds of the other's time by ours: above 1 ours is the faster. In training all
gradients are taken; with "dx" that of the input too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from bench.cells import CELLS, Loop, scripted
from sqmagic.pipeline import compile as compiled

SHAPES = ((64, 32, 64), (128, 64, 256), (256, 16, 512), (512, 1, 128))
"""Steps, examples, width."""


@dataclass(frozen=True)
class Contest:
    """A cell at a shape: what is timed, by name; ours first."""

    cell: str
    shape: tuple[int, int, int]
    gradient_of_input: bool
    runs: dict[str, Callable[[Tensor], Tensor]]


def contests(full: bool) -> Iterator[Contest]:
    shapes = SHAPES if full else SHAPES[:1]
    for name, cell in CELLS.items():
        for shape in shapes:
            for dx in (False, True) if full else (True,):
                yield Contest(name, shape, dx, dict(_runs(name, shape, cell.text, full)))


def _runs(
    name: str, shape: tuple[int, int, int], text: str, full: bool
) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
    _, _, width = shape
    net = compiled(text.format(width=width), width=width).settle()
    yield "ours", lambda x: net(x=x).h
    library = nn.LSTM(width, width) if "lstm" in name else nn.GRU(width, width)
    yield "nn.LSTM" if "lstm" in name else "nn.GRU", lambda x: library(x)[0]
    yield "naive", Loop(CELLS[name].module(width))
    if full and CELLS[name].script:
        yield "script", scripted(CELLS[name].module(width))


def rounds(contest: Contest, training: bool, seconds: float) -> dict[str, float]:
    """For each other, the median of its time by ours."""
    steps, batch, width = contest.shape
    x = torch.randn(steps, batch, width, requires_grad=contest.gradient_of_input and training)
    given = torch.randn(steps, batch, width)

    def once(run: Callable[[Tensor], Tensor]) -> float:
        start = perf_counter()
        if training:
            torch.autograd.backward(run(x), given)
        else:
            with torch.no_grad():
                run(x)
        return perf_counter() - start

    for run in contest.runs.values():
        once(run)
        once(run)
    end = perf_counter() + seconds
    times: list[list[float]] = []
    while len(times) < 3 or perf_counter() < end:
        times.append([once(run) for run in contest.runs.values()])
    names = list(contest.runs)
    ours = median(row[0] for row in times) * 1000
    return {"ms": ours} | {names[k]: median(row[k] / row[0] for row in times) for k in range(1, len(names))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all shapes, and TorchScript: minutes")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds = 4.0 if options.full else 0.5
    for contest in contests(options.full):
        for training in (True, False):
            if contest.gradient_of_input and not training and options.full:
                continue
            steps, batch, width = contest.shape
            what = f"{'training' if training else 'inference'}{' dx' * (training and contest.gradient_of_input)}"
            found = rounds(contest, training, seconds)
            figures = "  ".join(f"{name} {value:.2f}" for name, value in found.items() if name != "ms")
            label = f"{contest.cell} T{steps} B{batch} H{width} {what}"
            print(f"{label:<46}{found['ms']:>9.2f} ms   {figures}", flush=True)


if __name__ == "__main__":
    main()
