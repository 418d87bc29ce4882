"""What is aimed at, beside what is measured: on two threads, at the four shapes of `bench.kernels`."""

from __future__ import annotations

_NAIVE = {True: (10, 2.2, 3, 35), False: (8.5, 2.0, 2.1, 35)}
_LSTM = {True: (1.4, 1.6, 1.4, 1.8), False: (1.9, 1.35, 1.2, 1.9)}
_GRU = {True: (6, 1.9, 2.3, 22), False: (4.5, 2, 2.1, 10)}
_SHARE = {True: (None, 70, 70, None), False: (None, 80, 80, None)}


def aim(cell: str, other: str, training: bool, dx: bool, shape: int, keeping: bool) -> str:
    """In brackets, or nothing where nothing is aimed at. In training against a library the input's gradient counts."""
    match other:
        case _ if cell == "delta rule":  # few of its products are with weights
            return ""
        case "naive" if not keeping:
            return f" ({_NAIVE[training][shape]})"
        case "nn.LSTM" if cell == "lstm" and (dx or not training):
            return " (1.2)" if keeping else f" ({_LSTM[training][shape]})"
        case "nn.GRU" if not keeping:
            return f" ({_GRU[training][shape]})"
        case "share" if _SHARE[training][shape]:
            return f" ({_SHARE[training][shape]}%)"
        case _:
            return ""
