"""How many fused multiplications and additions of single precision this machine does, measured."""

from __future__ import annotations

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
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
    for (long n = 0; n < turns; n++) {
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = sum[i] * w + w;
        __asm__ volatile("" ::: "memory");
    }
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
TURNS = 3_000_000


@cache
def peak(threads: int) -> float:
    """GF/s of so many threads together: the best of several."""
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
        found: list[float] = []
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(7):
                start = perf_counter()
                list(pool.map(library.rate, [TURNS] * threads))
                found.append(2 * threads * TURNS * numbers / (perf_counter() - start) / 1e9)
    return max(found)
