"""The engine of kernels with all examples for the first thread, so that others, who have none, take over from it."""

from __future__ import annotations

from collections.abc import Sequence

Headers = Sequence[tuple[str, str]]

SHARES = (
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
        assert even in text
        text = text.replace(even, uneven)
    return tuple((name, text if name == "threads.h" else other) for name, other in headers)
