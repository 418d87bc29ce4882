"""How many fused multiplications and additions of single precision this machine does, measured."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path
from time import perf_counter

from cffi import FFI

from sqmagic.emit.c import engine

_PAGE = """
#include "engine.h"
#define SUMS 12
real rate(long turns)
{
    vec sum[SUMS], w = all((real)0.5);
    for (int i = 0; i < SUMS; i++)
        sum[i] = all(i);
    for (long n = 0; n < turns; n++)
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = sum[i] * w + w;
    real total = 0;
    for (int i = 0; i < SUMS; i++)
        total += sum[i][0];
    return total;
}
long numbers(void)
{
    return SUMS * LANES;
}
"""
TURNS = 200_000


@cache
def peak(threads: int) -> float:
    """GF/s of so many threads together: so many times what one does at its best, whatever else the machine does."""
    ffi = FFI()
    ffi.cdef("float rate(long turns); long numbers(void);")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("peak.c", _PAGE), *engine()):
            (Path(folder) / name).write_text(text)
        made = Path(folder) / "peak.so"
        command = [
            "gcc",
            "-O2",
            "-march=native",
            "-fPIC",
            "-shared",
            str(made.with_suffix(".c")),
            "-o",
            str(made),
            "-lm",
        ]
        subprocess.run(command, check=True)
        library = ffi.dlopen(str(made))
        numbers: int = library.numbers()
        least = float("inf")
        for _ in range(200):
            start = perf_counter()
            library.rate(TURNS)
            least = min(least, perf_counter() - start)
    return 2 * threads * TURNS * numbers / least / 1e9
