"""What records, and its one edge to CUDA.

A recorder makes a tape for each recording; what a tape records shares memory that is nobody else's, forward and back.
To record a function is to run it and to note what it launches; to replay it is to launch that again, on the memory that
it had. Nothing is computed while CUDA records: after it, the first replay fills what the function has given.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache, partial
from threading import Lock, get_ident
from typing import Any, Protocol, TypeVar

import torch

T = TypeVar("T")

Replay = Callable[[], None]


class CannotRecord(Exception):
    """Why a call is computed by its method."""


class Tape(Protocol):
    def __call__(self, function: Callable[[], T]) -> tuple[T, Replay]:
        """What the function gives, in memory that each replay fills anew. The function may be called several times."""
        ...


class Recorder(Protocol):
    def place(self, device: torch.device) -> Hashable:
        """Where the caller's work on a device runs, and by which settings: what is recorded there is replayed there.
        Raises CannotRecord where nothing can be recorded or replayed now."""
        ...

    def tape(self, device: torch.device) -> Tape: ...


# --- CUDA ----------------------------------------------------------------------------------------

WARM = 3
"""Calls before a capture, as `torch.cuda.make_graphed_callables` makes them: libraries ask for memory at the first."""

_SETTINGS = (
    "fp32_precision",
    "allow_fp16_reduced_precision_reduction",
    "allow_bf16_reduced_precision_reduction",
)
"""How products of matrices are rounded; torch 2.2 has not all of them."""

_ONE = Lock()
"""In a process one capture is made at a time."""

_BROKEN: list[torch.cuda.CUDAGraph] = []
"""Captures that failed. torch's allocator may still ask them which memory is theirs, so they must not be freed."""


class Cuda:
    """Captures of CUDA graphs. Each thread has its own for each of its streams: nothing that is replayed at the same
    time shares memory, that in which libraries multiply included."""

    def place(self, device: torch.device) -> Hashable:
        with torch.cuda.device(device):
            if torch.cuda.is_current_stream_capturing():
                raise CannotRecord("it is being captured as part of something else")
        matmul = torch.backends.cuda.matmul
        settings = [getattr(matmul, setting, None) for setting in _SETTINGS]
        deterministic = torch.are_deterministic_algorithms_enabled()
        return get_ident(), torch.cuda.current_stream(device).cuda_stream, deterministic, *settings

    def tape(self, device: torch.device) -> Tape:
        if _BROKEN:
            raise CannotRecord("a capture has failed before, and torch may not capture safely any more")
        side = _side(device, get_ident(), torch.cuda.current_stream(device).cuda_stream)
        return partial(_captured, torch.cuda.graph_pool_handle(), side)


@lru_cache(32)
def _side(device: torch.device, thread: int, stream: int) -> torch.cuda.Stream:
    """The stream on which what runs on another is warmed up and captured, both ways."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _captured(pool: Any, side: torch.cuda.Stream, function: Callable[[], T]) -> tuple[T, Replay]:
    here = torch.cuda.current_stream(side.device)
    graph = torch.cuda.CUDAGraph()
    # should a capture fail, `torch.cuda.graph` leaves its stream the current one: `torch.cuda.stream` puts that right
    with _ONE, _collecting_nothing(), torch.cuda.device(side.device), torch.cuda.stream(side):
        side.wait_stream(here)
        for _ in range(WARM):
            function()
        try:
            with torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode="thread_local"):
                found = function()
        except BaseException:
            _BROKEN.append(graph)
            raise
        here.wait_stream(side)
    return found, graph.replay


@contextmanager
def _collecting_nothing() -> Iterator[None]:
    """What the garbage collector frees while CUDA captures may call what must not be called then."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def recorders(environment: Mapping[str, str]) -> dict[str, Recorder]:
    """By the type of the device; none where the user does without (`SQMAGIC_CUDA_GRAPHS=0`)."""
    return {} if environment.get("SQMAGIC_CUDA_GRAPHS") == "0" else {"cuda": Cuda()}


RECORDERS = recorders(os.environ)
