"""`python -m bench.kernels --device cuda`: recurrences on a GPU beside torch's own, interleaved.

Each cell runs recorded (`net(x=x)`: a CUDA graph from the third call on, there and back from the fourth), by the same
torch code launched step by step, and as the library has it. Times are those between two events of the GPU around some
hundredths of a second of calls, so what the GPU waits for launches counts. Figures are medians over rounds of the
other's time by ours: above 1 ours is the faster.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn

from bench.cells import CELLS, random_cell
from bench.kernels import TURN, Run, Shape, pass_of
from sqmagic.nets import compile as compiled
from sqmagic.runtime import generated

MODES = {"training dx": (True, True), "training": (True, False), "inference": (False, False)}
"""Whether there is a way back, and whether the input's gradient is taken too."""


def lines(name: str, shape: Shape, device: str, seconds: float) -> Iterator[str]:
    """A line for each mode: our milliseconds, and how many times as long the others take."""
    steps, batch, inputs, width = shape
    text = (CELLS[name].text if name in CELLS else random_cell(name)).format(inputs=inputs, width=width)
    net = compiled(text, width=width).settle().to(device)
    plain = generated.build(net.source, "plain", {}).to(device)
    plain.load_state_dict(net.state_dict())
    runs = {"ours": pass_of(net, lambda x: net(x=x).h), "launched": pass_of(plain, lambda x: plain.forward(x)["h"][1:])}
    if name in ("lstm", "gru"):
        library = (nn.LSTM if name == "lstm" else nn.GRU)(inputs, width).to(device)
        runs["nn.LSTM" if name == "lstm" else "nn.GRU"] = pass_of(library, lambda x: library(x)[0])
    for mode, (training, dx) in MODES.items():
        x = torch.randn(steps, batch, inputs, device=device, requires_grad=dx)
        given = torch.randn(steps, batch, width, device=device) if training else None
        torch.testing.assert_close(net(x=x).h, plain.forward(x)["h"][1:])
        times = rounds(runs, x, given, seconds)
        others = [f"{k} {median(row[k] / row['ours'] for row in times):.2f}" for k in runs if k != "ours"]
        (ran,) = net.plan.scans.values()
        label = f"{name} T{steps} B{batch} {inputs}-{width} {mode}"
        yield f"{label:<52}{median(r['ours'] for r in times) * 1e3:>9.3f} ms   {'   '.join(others)}   {ran}"


def rounds(runs: dict[str, Run], x: Tensor, given: Tensor | None, seconds: float) -> list[dict[str, float]]:
    """Seconds of a call, by name, for each round; in a round each has its turn, in an order drawn by lot."""
    for run in runs.values():
        _took(run, x, given, 5)  # sizes are recorded
    calls = {name: max(1, min(50, int(TURN / _took(run, x, given, 1)))) for name, run in runs.items()}
    end = perf_counter() + seconds
    lots, times = Random(0), list[dict[str, float]]()
    while len(times) < 3 or perf_counter() < end:
        turns = lots.sample(list(runs), len(runs))
        times.append({name: _took(runs[name], x, given, calls[name]) for name in turns})
    return times


def _took(run: Run, x: Tensor, given: Tensor | None, calls: int) -> float:
    """Seconds of a call, of several."""
    if x.device.type != "cuda":
        start = perf_counter()
        for _ in range(calls):
            run(x, given)
        return (perf_counter() - start) / calls
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    begin.record()
    for _ in range(calls):
        run(x, given)
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / 1e3 / calls
