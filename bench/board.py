"""How long pictures take to be laid out and painted, after the first one, and how that grows with the program."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.programs import LSTM, chain
from sqmagic.board.diagram import _laid_out, picture
from sqmagic.board.layout.scene import Scene, scene
from sqmagic.board.metrics.figures import measured
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source

GRU = """\
x_t : 28
0 -> h_0
h_{t-1}|x_t -> c_t
c_t --[R|sigmoid]-> r_t
c_t --[Z|sigmoid]-> z_t
x_t|(h_{t-1}*r_t) --[H|tanh]-> l_t
h_{t-1} * (1 - z_t) + l_t -> h_t
"""

A2C_GAE = """\
0.999 -> gamma
0.95 -> lam
reset() -> S_0
S_{t-1} --[step]-> S_t,O_t,r_t,d_t
O_t --[Value]-> V_t => V_{t-1} * gamma + r_t
V_{t+1}*gamma + r_t - V_t -> TD_t
TD_t + gamma * lam * A_{t+1} * (1-d_t) -> A_t
O_t --[clip_grad(Policy)]-> pi_t $ A_t * log(pi_t)
"""

PROGRAMS = {"LSTM": LSTM, "GRU": GRU, "A2C with GAE": A2C_GAE}
OPERATIONS = (25, 50, 100, 200)
"""More are refused: see `scene.MOST`."""

Line = Callable[[str, str], None]
Milliseconds = Callable[[Callable[[], object], int], float]


def drawing(line: Line, milliseconds: Milliseconds) -> None:
    """Prints a line for each program; what grows in proportion shows the same figure per operation on every line."""
    for name, text in PROGRAMS.items():
        line(f"the picture of {name}", f"{milliseconds(partial(_painted, _meant(text)), 5):.0f} ms")
        work = partial(scene, _meant(text), {})
        line("    without painting", f"{milliseconds(work, 5):.0f} ms")
        line("    wires, and crossings among them", _crossed(work()))
    for count in OPERATIONS:
        took = milliseconds(partial(_painted, _meant(chain(count))), 1)
        line(f"the picture of a program of {count} operations", f"{took:.0f} ms")
        line("    for each operation", f"{took / count:.1f} ms")


def _meant(text: str) -> System:
    return elaborate(parse(text), Source.of(text), Kernel()).system


def _painted(system: System) -> str:
    """The whole picture, laid out anew each time."""
    _laid_out.cache_clear()
    return picture(system).svg


def _crossed(drawn: Scene) -> str:
    own = measured(drawn).values()
    return f"{sum(f.wires for f in own)}, {sum(f.crossings for f in own)}"
