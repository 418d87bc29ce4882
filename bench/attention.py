"""`python -m bench.attention`: attention over all steps up to one's own, written as an equation, beside others'.

Each figure is the median over rounds of the other's time by ours: above 1 ours is the faster. "sdpa" is torch's own
`scaled_dot_product_attention` on the same projections, "masked" a softmax over all pairs of steps, in one piece,
"naive" a loop over the steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.kernels import Contest, pass_of, rounds
from sqmagic.nets import compile as compiled

TEXT = """
x_t : {width}
x_t --[Q]-> q_t
x_t --[K]-> k_t
x_t --[V]-> v_t
softmax(k_{{1:t}} @ q_t) @ v_{{1:t}} -> h_t
h_t : {width}
"""
SHAPES = ((64, 32, 64), (256, 16, 64), (1024, 4, 64), (4096, 1, 64))
"""Steps, examples, width."""


class Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))

    def projections(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Examples first."""
        x = x.transpose(0, 1)
        return self.q(x), self.k(x), self.v(x)

    def torchs(self, x: Tensor) -> Tensor:
        q, k, v = (p[:, None] for p in self.projections(x))
        found = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)
        return found[:, 0].transpose(0, 1)

    def masked(self, x: Tensor) -> Tensor:
        q, k, v = self.projections(x)
        later = torch.ones(len(x), len(x), dtype=torch.bool).triu(1)
        shares = torch.softmax((q @ k.transpose(1, 2)).masked_fill(later, -torch.inf), -1)
        return (shares @ v).transpose(0, 1)

    def naive(self, x: Tensor) -> Tensor:
        q, k, v = self.projections(x)
        rows = []
        for t in range(len(x)):
            shares = torch.softmax(k[:, : t + 1] @ q[:, t, :, None], 1)
            rows.append((shares * v[:, : t + 1]).sum(1))
        return torch.stack(rows)


def contest(steps: int, batch: int, width: int) -> Contest:
    net, other = compiled(TEXT.format(width=width)).settle(), Attention(width)
    other.load_state_dict({name.lower()[0] + name[1:]: value for name, value in net.state_dict().items()})
    forward: dict[str, Callable[[Tensor], Tensor]] = {
        "ours": lambda x: net(x=x).h,
        "sdpa": other.torchs,
        "masked": other.masked,
        "naive": other.naive,
    }
    runs = {name: pass_of(net if name == "ours" else other, run) for name, run in forward.items()}
    return Contest("attention", (steps, batch, width, width), 0, 0, runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for steps, batch, width in SHAPES:
        for training in (True, False):
            figures = rounds(contest(steps, batch, width), training, training, options.seconds)
            label = f"attention T{steps} B{batch} {width} {'training dx' if training else 'inference'}"
            told = "   ".join(f"{other} {value:.2f}" for other, value in figures.items() if other != "ms")
            print(f"{label:<52}{figures['ms']:>9.2f} ms   {told}", flush=True)


if __name__ == "__main__":
    main()
