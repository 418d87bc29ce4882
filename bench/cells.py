"""The cells of the figures: as notation, and as one would write them for torch."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]

KEYS = 32
"""How many components the keys of a memory have."""


class Lstm(nn.Module):
    """One step; the second state is c."""

    def __init__(self, inputs: int, width: int, peepholes: bool = False) -> None:
        super().__init__()
        self.f, self.i, self.l, self.o = (nn.Linear(width + inputs, width) for _ in range(4))
        self.u, self.v, self.w = (nn.Parameter(torch.zeros(width)) for _ in range(3))
        self.peepholes = peepholes

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        p = torch.cat([h, x], -1)
        f, i, o = self.f(p), self.i(p), self.o(p)
        if self.peepholes:
            f, i = f + self.u * c, i + self.v * c
        c = c * torch.sigmoid(f) + torch.sigmoid(i) * torch.tanh(self.l(p))
        o = o + self.w * c if self.peepholes else o
        return torch.tanh(c) * torch.sigmoid(o), c


class Gru(nn.Module):
    """The library's, reset after its product."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.x, self.h = nn.Linear(inputs, 3 * width), nn.Linear(width, 3 * width)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        rx, zx, nx = self.x(x).chunk(3, -1)
        rh, zh, nh = self.h(h).chunk(3, -1)
        r, z = torch.sigmoid(rx + rh), torch.sigmoid(zx + zh)
        n = torch.tanh(nx + r * nh)
        return (1 - z) * n + z * h, c


class SeedGru(nn.Module):
    """The seed's, reset before its product."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.r, self.z, self.l = (nn.Linear(width + inputs, width) for _ in range(3))

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        p = torch.cat([h, x], -1)
        r, z = torch.sigmoid(self.r(p)), torch.sigmoid(self.z(p))
        new = torch.tanh(self.l(torch.cat([x, h * r], -1)))
        return h * (1 - z) + z * new, c


class Minimal(nn.Module):
    """One gate, on the input alone, and a second state that gathers."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.a, self.b, self.d = nn.Linear(inputs, width), nn.Linear(width + inputs, width), nn.Linear(width, width)

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        g = torch.sigmoid(self.a(x) + 0.5 * c)
        c = 0.9 * c + g * torch.relu(self.b(torch.cat([h, x], -1)))
        return torch.tanh(self.d(c)) * g + 0.5 * h, c


class DeltaRule(nn.Module):
    """The second state is a matrix that learns to give a value for a key; the first what it gives for another."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.keys = KEYS  # TorchScript knows no numbers of the page
        self.k, self.v, self.q, self.b = (nn.Linear(inputs, n) for n in (KEYS, width, KEYS, 1))

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> State:
        k, q, b = torch.tanh(self.k(x)), torch.tanh(self.q(x)), torch.sigmoid(self.b(x))
        error = self.v(x) - torch.bmm(c, k[..., None])[..., 0]
        c = c + (b / self.keys)[..., None] * error[..., None] * k[..., None, :]
        return torch.bmm(c, q[..., None])[..., 0], c


class Loop:
    """A cell over time, step by step from zeros; `memory` is the shape of the second state."""

    def __init__(self, cell: nn.Module, width: int, *memory: int) -> None:
        self.cell, self.width, self.memory = cell, width, memory or (width,)

    def __call__(self, x: Tensor) -> Tensor:
        h, c = (x.new_zeros(x.shape[1], *shape) for shape in ((self.width,), self.memory))
        rows = []
        for row in x:
            h, c = self.cell(row, h, c)
            rows.append(h)
        return torch.stack(rows)


def scripted(cell: nn.Module, width: int, *memory: int) -> Callable[[Tensor], Tensor]:
    """The same loop with the cell compiled by TorchScript."""
    return Loop(torch.jit.script(cell), width, *memory)


@dataclass(frozen=True)
class Cell:
    text: str
    module: Callable[[int, int], nn.Module]
    """Of inputs and width."""
    memory: Callable[[int], tuple[int, ...]] = lambda width: (width,)
    """The shape of the second state."""


_GATES = """\
x_t : {{inputs}}
0 -> c_0
0 -> h_0
{more}h_{{{{t-1}}}}|x_t -> p_t
sigmoid(F(p_t){f}) -> f_t
sigmoid(I(p_t){i}) -> i_t
tanh(L(p_t)) -> l_t
c_{{{{t-1}}}}*f_t + i_t*l_t -> c_t
sigmoid(O(p_t){o}) -> o_t
tanh(c_t)*o_t -> h_t
"""

CELLS = {
    "lstm": Cell(_GATES.format(more="", f="", i="", o=""), Lstm),
    "lstm with peepholes": Cell(
        _GATES.format(
            more="u : param({width})\nv : param({width})\nw : param({width})\n",
            f=" + u*c_{{t-1}}",
            i=" + v*c_{{t-1}}",
            o=" + w*c_t",
        ),
        lambda inputs, width: Lstm(inputs, width, peepholes=True),
    ),
    "gru": Cell(
        """\
x_t : {inputs}
0 -> h_0
sigmoid(Rx(x_t) + Rh(h_{{t-1}})) -> r_t
sigmoid(Zx(x_t) + Zh(h_{{t-1}})) -> z_t
tanh(Nx(x_t) + r_t*Nh(h_{{t-1}})) -> n_t
(1-z_t)*n_t + z_t*h_{{t-1}} -> h_t
""",
        Gru,
    ),
    "gru of the seed": Cell(
        """\
x_t : {inputs}
0 -> h_0
h_{{t-1}}|x_t -> p_t
p_t --[R|sigmoid]-> r_t
p_t --[Z|sigmoid]-> z_t
x_t|(h_{{t-1}}*r_t) --[L|tanh]-> l_t
h_{{t-1}} * (1 - z_t) + z_t*l_t -> h_t
""",
        SeedGru,
    ),
    "a cell of one's own": Cell(
        """\
x_t : {inputs}
0 -> c_0
0 -> h_0
sigmoid(A(x_t) + 0.5*c_{{t-1}}) -> g_t
0.9*c_{{t-1}} + g_t*relu(B(h_{{t-1}}|x_t)) -> c_t
tanh(D(c_t))*g_t + 0.5*h_{{t-1}} -> h_t
""",
        Minimal,
    ),
    "delta rule": Cell(
        f"""\
x_t : {{inputs}}
k_t : {KEYS}
q_t : {KEYS}
b_t : 1
h_t : {{width}}
0 -> C_0
x_t --[K|tanh]-> k_t
x_t --[V]-> v_t
x_t --[Q|tanh]-> q_t
x_t --[B|sigmoid]-> b_t
C_{{{{t-1}}}} + b_t/{KEYS} * outer(v_t - C_{{{{t-1}}}} @ k_t, k_t) -> C_t
C_t @ q_t -> h_t
""",
        DeltaRule,
        lambda width: (width, KEYS),
    ),
}

RANDOM = ("random cell 1", "random cell 2", "random cell 3")


def random_cell(name: str) -> str:
    """A cell that nobody has thought of: gates on h and x, some on c too, mixed into c and h. The same for a name."""
    choose = random.Random(name)
    gates = choose.randint(2, 4)
    lines = ["x_t : {inputs}", "0 -> c_0", "0 -> h_0"]
    for n in range(gates):
        peep = choose.choice(("", " + 0.5*c_{{t-1}}", " - c_{{t-1}}"))
        operand = choose.choice(("h_{{t-1}}|x_t", "x_t|(h_{{t-1}}*c_{{t-1}})", "h_{{t-1}}"))
        lines.append(f"{choose.choice(('sigmoid', 'tanh', 'relu', 'softplus'))}(W{n}({operand}){peep}) -> g{n}_t")
    lines.append(f"0.5*c_{{{{t-1}}}} + tanh(g{choose.randrange(gates)}_t * g{choose.randrange(gates)}_t) -> c_t")
    one, other = choose.sample(range(gates), 2)
    lines.append(f"sigmoid(V(c_t|x_t)) * tanh(g{one}_t - g{other}_t) -> n_t")
    lines.append("0.5*h_{{t-1}} + 0.5*n_t -> h_t")
    return "\n".join(lines) + "\n"
