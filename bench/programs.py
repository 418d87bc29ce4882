"""The programs that the figures are of."""

from __future__ import annotations

LSTM = """\
x_t : 28
0 -> c_0
0 -> h_0
h_{t-1}|x_t -> p_t
p_t --[F|sigmoid]-> f_t
p_t --[I|sigmoid]-> i_t
p_t --[C|tanh]-> l_t
p_t --[O|sigmoid]-> o_t
c_{t-1}*f_t + i_t*l_t -> c_t
tanh(c_t)*o_t -> h_t
"""


def chain(statements: int) -> str:
    """A program of that many statements: layers, gates and a recurrence, each reading what stands just before it."""
    lines = ["x_t : 16", "0 -> h_0", "x_t|h_{t-1} --[M|tanh]-> a0_t"]
    for n in range(statements - 5):
        match n % 4:
            case 0:
                lines.append(f"a{n}_t --[D_{n}|relu]-> a{n + 1}_t")
            case 1:
                lines.append(f"sigmoid(a{n}_t) * a{n - 1}_t -> a{n + 1}_t")
            case 2:
                lines.append(f"a{n}_t + a{n - 1}_t*0.5 -> a{n + 1}_t")
            case _:
                lines.append(f"a{n}_t|x_t --[E_{n}|tanh]-> a{n + 1}_t")
    lines += [f"a{statements - 5}_t --[H|tanh]-> h_t", "h_t => y_t"]
    return "\n".join(lines) + "\n"
