"""The engine of kernels with all examples for the first thread, so that others, who have none, take over from it.

Before a step it waits for them a little: on a fast machine the few steps of a test are done before they have begun.
"""

from __future__ import annotations

from collections.abc import Sequence

Headers = Sequence[tuple[str, str]]

WAITS = """\
INLINE int somebody_comes(barrier *b)
{
    for (int turns = 0; turns < 1000 && !__atomic_load_n(&b->idle, __ATOMIC_RELAXED); turns++)
        sched_yield();
    return __atomic_load_n(&b->idle, __ATOMIC_RELAXED);
}

"""

SHARES = (
    ("|| !__atomic_load_n(&b->idle, __ATOMIC_RELAXED)", "|| !somebody_comes(b)"),
    ("/* Before step t: half of", WAITS + "/* Before step t: half of"),
    (
        "batch * number / threads, end = by_units ? batch : batch * (number + 1) / threads",
        "number ? batch : 0, end = batch",
    ),
    (
        "return threads > 1 && batch / threads >= 16 ? batch / threads + 1 : batch;",
        "return (void)threads, batch;",
    ),
)


def unevenly(headers: Headers) -> tuple[tuple[str, str], ...]:
    text = dict(headers)["threads.h"]
    for even, uneven in SHARES:
        assert text.count(even) == 1
        text = text.replace(even, uneven)
    return tuple((name, text if name == "threads.h" else other) for name, other in headers)
